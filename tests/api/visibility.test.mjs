// SPDX-License-Identifier: Apache-2.0
// History visibility on every path that reads events.
import assert from "node:assert/strict";
import test from "node:test";
import { E, EXTERNAL, find, timeline, useServer } from "./harness.mjs";

const hs = useServer();
const v1 = (room, rest) => `/_matrix/client/v1/rooms/${E(room)}/${rest}`;

/**
 * A story in one room: what was said before the invitation, while invited, while joined, after leaving.
 * Returns the people and the event ids, so that each reading path can be asked who sees what.
 */
async function story(visibility) {
  const [alice, bob, carol] = await hs.users("alice", "bob", "carol");
  const room = await alice.createRoom({ initial_state: [{ type: "m.room.history_visibility", content: { history_visibility: visibility } }] });
  const ids = {};
  ids.before = await alice.say(room, "before");
  await alice.invite(room, bob);
  ids.invited = await alice.say(room, "invited");
  await bob.join(room);
  ids.joined = await alice.say(room, "joined");
  await bob.leave(room);
  ids.after = await alice.say(room, "after");
  return { alice, bob, carol, room, ids };
}

const SEEN = { // by bob, who was invited, joined and left
  joined: ["joined"],
  invited: ["invited", "joined"],
  shared: ["before", "invited", "joined"],
  world_readable: ["before", "invited", "joined", "after"],
};

for (const [visibility, seen] of Object.entries(SEEN)) {
  test(`history visibility ${visibility}: /event, /context, /messages, relations and sync agree`, async () => {
    const { bob, carol, room, ids } = await story(visibility);
    for (const [name, id] of Object.entries(ids)) {
      const may = seen.includes(name);
      for (const target of [`/rooms/${E(room)}/event/${E(id)}`, `/rooms/${E(room)}/context/${E(id)}`]) {
        const r = await hs.req("GET", target, { token: bob.token });
        assert.equal(r.status === 200, may, `${name} through ${target}: ${r.status}`);
        if (!may) assert.ok([403, 404].includes(r.status));
      }
    }
    const said = events => events.filter(e => e.type === "m.room.message").map(e => e.content.body);
    const departed = seen.filter(n => n !== "after" || visibility === "world_readable");
    const back = said((await bob.messages(room, { limit: 100 })).chunk);
    const expected = visibility === "world_readable" ? [["joined", "invited", "before"], ["after", "joined", "invited", "before"]] : [[...departed].reverse()];
    assert.ok(expected.some(e => JSON.stringify(e) === JSON.stringify(back)), `messages: ${back}`);
    const archive = await bob.sync({ filter: { room: { include_leave: true, timeline: { limit: 50 } } } });
    assert.ok(said(timeline(archive, room, "leave")).every(b => departed.includes(b)), "sync");
    // A stranger sees only what the world may read.
    for (const id of Object.values(ids)) {
      const r = await hs.req("GET", `/rooms/${E(room)}/event/${E(id)}`, { token: carol.token });
      assert.equal(r.status === 200, visibility === "world_readable", `stranger: ${r.status}`);
    }
    const m = await hs.req("GET", `/rooms/${E(room)}/messages?dir=b&limit=50`, { token: carol.token });
    assert.equal(m.status, visibility === "world_readable" ? 200 : 403, `${m.raw}`);
    const s = await hs.req("GET", `/rooms/${E(room)}/state`, { token: carol.token });
    assert.equal(s.status, visibility === "world_readable" ? 200 : 403, `${s.raw}`);
  });
}

test("what was said under `joined` stays hidden when visibility is opened later", async () => {
  const [alice, bob] = await hs.users("alice", "bob");
  const room = await alice.createRoom({ preset: "public_chat", initial_state: [{ type: "m.room.history_visibility", content: { history_visibility: "joined" } }] });
  const hidden = await alice.say(room, "hidden");
  await alice.setState(room, "m.room.history_visibility", "", { history_visibility: "shared" });
  const shown = await alice.say(room, "shown");
  await bob.join(room);
  await bob.getEvent(room, shown);
  const r = await hs.req("GET", `/rooms/${E(room)}/event/${E(hidden)}`, { token: bob.token });
  assert.ok([403, 404].includes(r.status), `${r.status}`);
  const bodies = (await bob.messages(room)).chunk.filter(e => e.type === "m.room.message").map(e => e.content.body);
  assert.deepEqual(bodies, ["shown"]);
  const s = await bob.sync({ filter: { room: { timeline: { limit: 50 } } } });
  assert.equal(JSON.stringify(s).includes("hidden"), false);
});

test("relations, threads and search for a stranger are closed", async () => {
  const [alice, bob] = await hs.users("alice", "bob");
  const room = await alice.createRoom();
  const root = await alice.say(room, "root");
  await alice.say(room, "reply", { "m.relates_to": { rel_type: "m.thread", event_id: root } });
  for (const target of [v1(room, `relations/${E(root)}`), v1(room, "threads")]) {
    const r = await hs.req("GET", target, { token: bob.token });
    if (r.body?.errcode === "M_UNRECOGNIZED") continue;
    assert.ok([403, 404].includes(r.status), `${target}: ${r.status}`);
  }
});

test("state and members tell the departed nothing newer than their leave", async () => {
  const [alice, bob] = await hs.users("alice", "bob");
  const room = await alice.createRoom({ preset: "public_chat" });
  await bob.join(room);
  await alice.kick(room, bob);
  await alice.setState(room, "org.example.secret", "", { secret: true });
  await bob.fails(404, "M_NOT_FOUND", "GET", `/rooms/${E(room)}/state/org.example.secret/`);
  const whole = await bob.get(`/rooms/${E(room)}/state`);
  assert.equal(find(whole, "org.example.secret"), undefined);
  await bob.fails(403, "M_FORBIDDEN", "PUT", `/rooms/${E(room)}/send/m.test/${bob.nextTxn()}`, {});
});

test("the invited do not read a room that is shared with members only", async () => {
  const [alice, bob] = await hs.users("alice", "bob");
  const room = await alice.createRoom();
  await alice.say(room, "x");
  await alice.invite(room, bob);
  const r = await hs.req("GET", `/rooms/${E(room)}/messages?dir=b`, { token: bob.token });
  assert.equal(r.status, 403, `${r.status}`);
  if (!EXTERNAL) await bob.fails(403, "M_FORBIDDEN", "GET", `/rooms/${E(room)}/state`);
});

test("receipts and typing need membership", async () => {
  const [alice, bob] = await hs.users("alice", "bob");
  const room = await alice.createRoom();
  const id = await alice.say(room, "x");
  for (const [method, target, body] of [["POST", `/rooms/${E(room)}/receipt/m.read/${E(id)}`, {}], ["PUT", `/rooms/${E(room)}/typing/${E(bob.id)}`, { typing: true }]]) {
    const r = await hs.req(method, target, { token: bob.token, body });
    assert.ok(r.status >= 400 && r.status < 500, `${target}: ${r.status}`);
  }
});

test("what is bundled with an event is only what its reader may see", async () => {
  const [alice, bob, carol] = await hs.users("alice", "bob", "carol");
  const room = await alice.createRoom({ preset: "public_chat" });
  await bob.join(room);
  const root = await alice.say(room, "root");
  const relates = rel_type => ({ "m.relates_to": { rel_type, event_id: root } });
  await alice.say(room, "reply while bob was here", relates("m.thread"));
  await alice.kick(room, bob);
  await alice.say(room, "secret reply", relates("m.thread"));
  const reference = await alice.say(room, "secret reference", relates("m.reference"));
  await alice.say(room, "secret edit", { "m.new_content": { msgtype: "m.text", body: "secret edit" }, ...relates("m.replace") });
  await carol.join(room);
  const answers = [await bob.getEvent(room, root), await bob.messages(room), await bob.get(`/rooms/${E(room)}/context/${E(root)}`),
    await bob.sync({ filter: { room: { include_leave: true, timeline: { limit: 50 } } } })];
  for (const a of answers) {
    assert.equal(JSON.stringify(a).includes("secret"), false, JSON.stringify(a));
    assert.equal(JSON.stringify(a).includes(reference), false);
  }
  const seen = answers[0].unsigned["m.relations"];
  assert.equal(seen["m.thread"].count, 1);
  assert.equal(seen["m.thread"].latest_event.content.body, "reply while bob was here");
  const whole = (await carol.getEvent(room, root)).unsigned["m.relations"];
  assert.equal(whole["m.thread"].count, 2);
  assert.deepEqual(whole["m.reference"].chunk, [{ event_id: reference }]);
  assert.equal(whole["m.replace"].content.body, "secret edit");
});

test("who is ignored has no part in a thread's summary", async () => {
  const [alice, bob] = await hs.users("alice", "bob");
  const room = await alice.createRoom({ preset: "public_chat" });
  await bob.join(room);
  const root = await alice.say(room, "root"), thread = { "m.relates_to": { rel_type: "m.thread", event_id: root } };
  await alice.say(room, "mine", thread);
  await bob.say(room, "his", thread);
  await alice.setAccountData("m.ignored_user_list", { ignored_users: { [bob.id]: {} } });
  const summary = (await alice.getEvent(room, root)).unsigned["m.relations"]["m.thread"];
  assert.equal(summary.count, 1);
  assert.equal(summary.latest_event.content.body, "mine");
});

test("nobody hangs anything on an event of another room", async () => {
  const [alice, mallory] = await hs.users("alice", "mallory");
  const room = await alice.createRoom(), elsewhere = await mallory.createRoom();
  const root = await alice.say(room, "root");
  for (const rel_type of ["m.thread", "m.reference"]) await mallory.say(elsewhere, "intruding", { "m.relates_to": { rel_type, event_id: root } });
  assert.equal((await alice.getEvent(room, root)).unsigned["m.relations"], undefined);
});

test("members and state of a moment after one has left are those of when one left", async () => {
  const [alice, bob, carol] = await hs.users("alice", "bob", "carol");
  const room = await alice.createRoom({ preset: "public_chat" });
  await bob.join(room);
  await bob.leave(room);
  await alice.setState(room, "org.example.secret", "", { text: "set after he left" });
  await carol.join(room);
  await alice.ban(room, bob);
  const now = (await alice.sync()).next_batch;
  const ban = find((await alice.get(`/rooms/${E(room)}/state`)), "m.room.member", bob.id).event_id;
  const members = await bob.get(`/rooms/${E(room)}/members?at=${E(now)}`);
  assert.equal(find(members.chunk, "m.room.member", carol.id), undefined);
  const r = await hs.req("GET", `/rooms/${E(room)}/context/${E(ban)}`, { token: bob.token });
  assert.equal(find(r.body.state ?? [], "org.example.secret"), undefined);
  assert.equal(JSON.stringify(r.body).includes(carol.id), false);
});
