// SPDX-License-Identifier: Apache-2.0
// Creating rooms, membership, state, sending, redacting, aliases, the directory, upgrades.
import assert from "node:assert/strict";
import test from "node:test";
import { E, EXTERNAL, OWN_SERVER, eventually, find, unique, useServer } from "./harness.mjs";

const hs = useServer();
const VERSIONS = Array.from({ length: 12 }, (_, i) => String(i + 1));

test("createRoom without options makes a private, invite-only room in version 12", async () => {
  const alice = await hs.user("alice");
  const room = await alice.createRoom();
  const create = await alice.getState(room, "m.room.create");
  assert.equal(create.room_version, "12");
  assert.match(room, /^![A-Za-z0-9_-]{43}$/, "the id of a version 12 room is the create event's hash");
  assert.equal((await alice.getState(room, "m.room.join_rules")).join_rule, "invite");
  assert.equal((await alice.getState(room, "m.room.history_visibility")).history_visibility, "shared");
  assert.equal((await alice.getState(room, "m.room.guest_access")).guest_access, "can_join");
  assert.equal((await alice.getState(room, "m.room.member", alice.id)).membership, "join");
  const power = await alice.getState(room, "m.room.power_levels");
  assert.equal(power.users?.[alice.id], undefined, "a creator of version 12 must not stand in users");
  assert.ok(power.events["m.room.tombstone"] > (power.state_default ?? 50));
  assert.deepEqual((await alice.get("/joined_rooms")).joined_rooms, [room]);
});

test("the presets set join rule, history and guest access", async () => {
  const [alice, bob] = await hs.users("alice", "bob");
  const table = {
    private_chat: ["invite", "shared", "can_join"],
    trusted_private_chat: ["invite", "shared", "can_join"],
    public_chat: ["public", "shared", "forbidden"],
  };
  for (const [preset, [join, history, guests]] of Object.entries(table)) {
    const room = await alice.createRoom({ preset, invite: [bob.id], room_version: "11" });
    assert.equal((await alice.getState(room, "m.room.join_rules")).join_rule, join, preset);
    assert.equal((await alice.getState(room, "m.room.history_visibility")).history_visibility, history, preset);
    const guest = await hs.req("GET", `/rooms/${E(room)}/state/m.room.guest_access`, { token: alice.token });
    assert.equal(guest.body.guest_access ?? "forbidden", guests, preset); // no event means forbidden
    const { users } = await alice.getState(room, "m.room.power_levels");
    assert.equal(users[alice.id], 100, preset);
    assert.equal(users[bob.id], preset === "trusted_private_chat" ? 100 : undefined, preset);
  }
  const trusted = await alice.createRoom({ preset: "trusted_private_chat", invite: [bob.id], room_version: "12" });
  assert.deepEqual((await alice.getState(trusted, "m.room.create")).additional_creators, [bob.id]);
});

test("visibility without a preset chooses one", async () => {
  const alice = await hs.user("alice");
  const open = await alice.createRoom({ visibility: "public" });
  assert.equal((await alice.getState(open, "m.room.join_rules")).join_rule, "public");
  assert.equal((await alice.get(`/directory/list/room/${E(open)}`)).visibility, "public");
  const shut = await alice.createRoom({ visibility: "private" });
  assert.equal((await alice.getState(shut, "m.room.join_rules")).join_rule, "invite");
  assert.equal((await alice.get(`/directory/list/room/${E(shut)}`)).visibility, "private");
});

test("createRoom honours name, topic, alias, invitations, initial state, content and power overrides", async () => {
  const [alice, bob] = await hs.users("alice", "bob");
  const local = unique("alias");
  const room = await alice.createRoom({
    name: "The name", topic: "The topic", room_alias_name: local, invite: [bob.id], is_direct: true, room_version: "11",
    creation_content: { "m.federate": false, "org.example.extra": 1, room_version: "2", creator: "@x:y" },
    initial_state: [
      { type: "m.room.history_visibility", content: { history_visibility: "joined" } },
      { type: "m.room.encryption", state_key: "", content: { algorithm: "m.megolm.v1.aes-sha2" } },
      { type: "org.example.thing", state_key: "k", content: { a: [1] } },
    ],
    power_level_content_override: { events_default: 5, users: { [alice.id]: 100, [bob.id]: 42 } },
  });
  assert.equal((await alice.getState(room, "m.room.name")).name, "The name");
  const topic = await alice.getState(room, "m.room.topic");
  assert.equal(topic.topic, "The topic");
  if (!EXTERNAL) assert.equal(topic["m.topic"]["m.text"][0].body, "The topic");
  assert.equal((await alice.getState(room, "m.room.canonical_alias")).alias, `#${local}:localhost`);
  const create = await alice.getState(room, "m.room.create");
  assert.equal(create["m.federate"], false);
  assert.equal(create["org.example.extra"], 1);
  assert.equal(create.room_version, "11");
  assert.equal((await alice.getState(room, "m.room.history_visibility")).history_visibility, "joined");
  assert.equal((await alice.getState(room, "m.room.encryption")).algorithm, "m.megolm.v1.aes-sha2");
  assert.deepEqual(await alice.getState(room, "org.example.thing", "k"), { a: [1] });
  const power = await alice.getState(room, "m.room.power_levels");
  assert.equal(power.events_default, 5);
  assert.equal(power.users[bob.id], 42);
  const invite = await alice.getState(room, "m.room.member", bob.id);
  assert.equal(invite.membership, "invite");
  assert.equal(invite.is_direct, true);
});

test("createRoom refuses a taken alias, unknown versions and bad invitees", async () => {
  const alice = await hs.user("alice");
  const local = unique("alias");
  await alice.createRoom({ room_alias_name: local });
  await alice.fails(400, "M_ROOM_IN_USE", "POST", "/createRoom", { room_alias_name: local });
  await alice.fails(400, "M_UNSUPPORTED_ROOM_VERSION", "POST", "/createRoom", { room_version: "no-such" });
  const r = await hs.req("POST", "/createRoom", { token: alice.token, body: { invite: ["nobody"] } });
  assert.equal(r.status, 400);
});

test("a room type is kept and the create event cannot be overwritten", async () => {
  const alice = await hs.user("alice");
  const room = await alice.createRoom({ creation_content: { type: "m.space" } });
  assert.equal((await alice.getState(room, "m.room.create")).type, "m.space");
  const r = await hs.req("PUT", `/rooms/${E(room)}/state/m.room.create/`, { token: alice.token, body: { room_version: "12" } });
  assert.ok([400, 403].includes(r.status), `${r.raw}`);
});

for (const version of VERSIONS) {
  test(`room version ${version}: create, invite, join, talk, redact, upgrade power`, async () => {
    const [alice, bob] = await hs.users("alice", "bob");
    const room = await alice.createRoom({ room_version: version, name: `v${version}` });
    assert.equal((await alice.getState(room, "m.room.create")).room_version, version);
    await alice.invite(room, bob);
    await bob.join(room);
    const id = await bob.say(room, "hello");
    assert.match(id, version <= 2 ? /^\$.+:localhost$/ : version === "3" ? /^\$[A-Za-z0-9+/]{43}$/ : /^\$[A-Za-z0-9_-]{43}$/);
    assert.equal((await alice.getEvent(room, id)).content.body, "hello");
    await bob.fails(403, "M_FORBIDDEN", "PUT", `/rooms/${E(room)}/state/m.room.name/`, { name: "no" });
    const power = await alice.getState(room, "m.room.power_levels");
    await alice.setState(room, "m.room.power_levels", "", { ...power, users: { ...power.users, [bob.id]: 50 } });
    await bob.setState(room, "m.room.name", "", { name: "yes" });
    await alice.redact(room, id);
    const gone = await bob.getEvent(room, id);
    assert.deepEqual(gone.content, {});
    assert.equal(gone.unsigned.redacted_because.type, "m.room.redaction");
    const { chunk } = await bob.messages(room, { dir: "f", limit: 100 });
    const redaction = find(chunk, "m.room.redaction");
    if (!EXTERNAL || version >= 11) assert.equal(version >= 11 ? redaction.content.redacts : redaction.redacts, id);
    assert.equal(chunk[0].type, "m.room.create");
  });
}

test("invitation, rejection, kick, ban, unban, rejoin", async () => {
  const [alice, bob, carol] = await hs.users("alice", "bob", "carol");
  const room = await alice.createRoom();
  const membership = async u => (await alice.getState(room, "m.room.member", u.id)).membership;
  await bob.fails(403, "M_FORBIDDEN", "POST", `/join/${E(room)}`, {});
  await bob.fails(403, "M_FORBIDDEN", "POST", `/rooms/${E(room)}/invite`, { user_id: carol.id });
  await alice.invite(room, bob, { reason: "please" });
  assert.equal((await alice.getState(room, "m.room.member", bob.id)).reason, "please");
  await bob.leave(room, { reason: "no thanks" });
  assert.equal(await membership(bob), "leave");
  await bob.fails(403, "M_FORBIDDEN", "POST", `/join/${E(room)}`, {});
  await alice.invite(room, bob);
  await bob.post(`/rooms/${E(room)}/join`, { reason: "all right" });
  assert.equal(await membership(bob), "join");
  await alice.fails(403, "M_FORBIDDEN", "POST", `/rooms/${E(room)}/invite`, { user_id: bob.id });
  await bob.fails(403, "M_FORBIDDEN", "POST", `/rooms/${E(room)}/kick`, { user_id: alice.id });
  await alice.kick(room, bob, { reason: "out" });
  assert.equal(await membership(bob), "leave");
  await alice.fails(403, "M_FORBIDDEN", "POST", `/rooms/${E(room)}/kick`, { user_id: carol.id });
  await alice.ban(room, bob, { reason: "stay out" });
  assert.equal(await membership(bob), "ban");
  const banned = await hs.req("POST", `/rooms/${E(room)}/invite`, { token: alice.token, body: { user_id: bob.id }, expect: 403 });
  assert.ok(["M_FORBIDDEN", "M_BAD_STATE"].includes(banned.body.errcode));
  await bob.fails(403, "M_FORBIDDEN", "POST", `/join/${E(room)}`, {});
  await alice.unban(room, bob, { reason: "forgiven" });
  assert.equal(await membership(bob), "leave");
  assert.equal((await alice.getState(room, "m.room.member", bob.id)).reason, "forgiven");
  await alice.fails(403, "M_FORBIDDEN", "POST", `/rooms/${E(room)}/unban`, { user_id: carol.id });
  await alice.invite(room, bob);
  await bob.join(room);
  assert.equal(await membership(bob), "join");
});

test("membership may be set as state, with the same rules", async () => {
  const [alice, bob] = await hs.users("alice", "bob");
  const room = await alice.createRoom();
  await alice.setState(room, "m.room.member", bob.id, { membership: "invite" });
  await bob.setState(room, "m.room.member", bob.id, { membership: "join", displayname: "Bobby" });
  assert.equal((await alice.get(`/rooms/${E(room)}/joined_members`)).joined[bob.id].display_name, "Bobby");
  await bob.fails(403, "M_FORBIDDEN", "PUT", `/rooms/${E(room)}/state/m.room.member/${E(alice.id)}`, { membership: "leave" });
  await bob.setState(room, "m.room.member", bob.id, { membership: "leave" });
  await bob.fails(403, "M_FORBIDDEN", "PUT", `/rooms/${E(room)}/send/m.test/x1`, { body: "x" });
});

test("joining twice is fine and adds no event", async () => {
  const alice = await hs.user("alice");
  const room = await alice.createRoom({ preset: "public_chat" });
  const before = (await alice.messages(room)).chunk.length;
  assert.equal((await alice.join(room)).room_id, room);
  assert.equal((await alice.messages(room)).chunk.length, before);
});

test("forget: only after leaving; then the room is gone for the one who forgot", async () => {
  const [alice, bob] = await hs.users("alice", "bob");
  const room = await alice.createRoom({ preset: "public_chat" });
  await bob.join(room);
  await bob.fails(400, "M_UNKNOWN", "POST", `/rooms/${E(room)}/forget`, {});
  await bob.leave(room);
  await bob.messages(room);
  await bob.post(`/rooms/${E(room)}/forget`);
  await bob.fails(403, "M_FORBIDDEN", "GET", `/rooms/${E(room)}/messages?dir=b`);
  const archive = await bob.sync({ filter: { room: { include_leave: true } } });
  assert.equal(archive.rooms?.leave?.[room], undefined);
  await bob.join(room);
  await bob.messages(room);
});

test("knocking: asked, refused, let in", async () => {
  const [alice, bob, carol] = await hs.users("alice", "bob", "carol");
  const room = await alice.createRoom({ initial_state: [{ type: "m.room.join_rules", content: { join_rule: "knock" } }] });
  assert.equal((await bob.post(`/knock/${E(room)}`, { reason: "let me in" })).room_id, room);
  const m = await alice.getState(room, "m.room.member", bob.id);
  assert.equal(m.membership, "knock");
  assert.equal(m.reason, "let me in");
  await alice.invite(room, bob);
  await bob.join(room);
  await carol.post(`/knock/${E(room)}?via=localhost&via=example.org`);
  await alice.kick(room, carol);
  assert.equal((await alice.getState(room, "m.room.member", carol.id)).membership, "leave");
  const shut = await alice.createRoom();
  await bob.fails(403, "M_FORBIDDEN", "POST", `/knock/${E(shut)}`, {});
});

test("restricted rooms let members of the other room in, and nobody else", async () => {
  const [alice, bob, carol] = await hs.users("alice", "bob", "carol");
  const space = await alice.createRoom({ preset: "public_chat", creation_content: { type: "m.space" } });
  for (const version of ["8", "9", "10", "11", "12"]) {
    const room = await alice.createRoom({ room_version: version, initial_state: [{ type: "m.room.join_rules", content: { join_rule: "restricted", allow: [{ type: "m.room_membership", room_id: space }] } }] });
    await carol.fails(403, "M_FORBIDDEN", "POST", `/join/${E(room)}`, {});
    await bob.join(space);
    await bob.join(room);
    assert.equal((await alice.getState(room, "m.room.member", bob.id)).join_authorised_via_users_server, alice.id);
    await bob.leave(space);
    await bob.say(room, "still here"); // membership is kept when the other room is left
    await bob.leave(room);
    await bob.fails(403, "M_FORBIDDEN", "POST", `/join/${E(room)}`, {});
  }
});

test("knock_restricted takes both ways", async () => {
  const [alice, bob, carol] = await hs.users("alice", "bob", "carol");
  const space = await alice.createRoom({ preset: "public_chat" });
  const room = await alice.createRoom({ room_version: "10", initial_state: [{ type: "m.room.join_rules", content: { join_rule: "knock_restricted", allow: [{ type: "m.room_membership", room_id: space }] } }] });
  await bob.join(space);
  await bob.join(room);
  await carol.post(`/knock/${E(room)}`);
});

test("members and joined_members, with filters and at a point in time", async () => {
  const [alice, bob, carol] = await hs.users("alice", "bob", "carol");
  const room = await alice.createRoom({ preset: "public_chat" });
  await bob.join(room);
  const at = (await alice.sync()).next_batch;
  await carol.join(room);
  await bob.leave(room);
  const ids = r => r.chunk.map(e => e.state_key).sort();
  const all = await alice.get(`/rooms/${E(room)}/members`);
  assert.deepEqual(ids(all), [alice.id, bob.id, carol.id].sort());
  for (const e of all.chunk) assert.ok(e.event_id && e.type === "m.room.member" && e.room_id === room && e.sender && e.origin_server_ts);
  assert.deepEqual(ids(await alice.get(`/rooms/${E(room)}/members?membership=join`)), [alice.id, carol.id].sort());
  assert.deepEqual(ids(await alice.get(`/rooms/${E(room)}/members?not_membership=leave`)), [alice.id, carol.id].sort());
  assert.deepEqual(ids(await alice.get(`/rooms/${E(room)}/members?membership=join&at=${E(at)}`)), [alice.id, bob.id].sort());
  assert.deepEqual(Object.keys((await alice.get(`/rooms/${E(room)}/joined_members`)).joined).sort(), [alice.id, carol.id].sort());
  const [dave] = await hs.users("dave");
  await dave.fails(403, "M_FORBIDDEN", "GET", `/rooms/${E(room)}/members`);
  await dave.fails(403, "M_FORBIDDEN", "GET", `/rooms/${E(room)}/joined_members`);
});

test("members at a point in time are those of that point or refused, never others", async () => {
  const [alice, bob, carol] = await hs.users("alice", "bob", "carol");
  const room = await alice.createRoom({ preset: "public_chat", initial_state: [{ type: "m.room.history_visibility", content: { history_visibility: "joined" } }] });
  await alice.say(room, "before his time");
  const early = (await alice.sync()).next_batch;
  const ids = async (who, at) => (await who.get(`/rooms/${E(room)}/members?at=${E(at)}`)).chunk.map(e => e.state_key).sort();
  await alice.say(room, "still before it");
  await bob.join(room);
  const { prev_batch } = (await bob.sync({ filter: { room: { timeline: { limit: 1 } } } })).rooms.join[room].timeline;
  await carol.join(room);
  await bob.fails(403, "M_FORBIDDEN", "GET", `/rooms/${E(room)}/members?at=${E(early)}`);
  assert.deepEqual(await ids(alice, early), [alice.id]);
  assert.deepEqual(await ids(bob, prev_batch), [alice.id], "the state that /sync gives before one's own timeline");
  const first = (await alice.messages(room, { dir: "f", limit: "1" })).start;
  assert.deepEqual(await ids(alice, first), [], "before the room was");
});

test("the context of an event with a filter: members of those who speak, and of the state what passes", async () => {
  const [alice, bob, carol, dave] = await hs.users("alice", "bob", "carol", "dave");
  const room = await alice.createRoom({ preset: "public_chat", name: "named" });
  for (const u of [bob, carol, dave]) await u.join(room);
  await carol.say(room, "before");
  const id = await bob.say(room, "this");
  await dave.say(room, "after, and cut off");
  const state = async (filter, limit = 2) => (await alice.get(`/rooms/${E(room)}/context/${E(id)}?limit=${limit}&filter=${E(JSON.stringify(filter))}`)).state;
  const members = events => events.filter(e => e.type === "m.room.member").map(e => e.state_key).sort();
  assert.deepEqual(members(await state({ lazy_load_members: true })), [bob.id, carol.id, dave.id].sort());
  assert.deepEqual(members(await state({ lazy_load_members: true }, 0)), [bob.id]);
  assert.ok(find(await state({ lazy_load_members: true }), "m.room.name"));
  assert.deepEqual((await state({ types: ["m.room.message", "m.room.name"] })).map(e => e.type), ["m.room.name"]);
  assert.deepEqual(members(await state({ senders: [carol.id] })), [carol.id]);
  assert.equal(members(await state({})).length, 4);
});

test("the departed see members and state as they were when leaving", async () => {
  const [alice, bob, carol] = await hs.users("alice", "bob", "carol");
  const room = await alice.createRoom({ preset: "public_chat", name: "before" });
  await bob.join(room);
  await bob.leave(room);
  await carol.join(room);
  await alice.setState(room, "m.room.name", "", { name: "after" });
  assert.equal((await bob.getState(room, "m.room.name")).name, "before");
  const state = await bob.get(`/rooms/${E(room)}/state`);
  assert.equal(find(state, "m.room.name").content.name, "before");
  assert.equal(find(state, "m.room.member", carol.id), undefined);
  const members = (await bob.get(`/rooms/${E(room)}/members`)).chunk.map(e => e.state_key);
  assert.equal(members.includes(carol.id), false);
});

test("state: put, get, whole, as event, and what is not there", async () => {
  const [alice, bob] = await hs.users("alice", "bob");
  const room = await alice.createRoom();
  const id = await alice.setState(room, "org.example.a", "key/with?odd#chars %", { n: 1 });
  assert.deepEqual(await alice.getState(room, "org.example.a", "key/with?odd#chars %"), { n: 1 });
  const ev = await alice.get(`/rooms/${E(room)}/state/org.example.a/${E("key/with?odd#chars %")}?format=event`);
  assert.equal(ev.event_id, id);
  assert.equal(ev.sender, alice.id);
  await alice.put(`/rooms/${E(room)}/state/org.example.b`, { empty: "key" });
  assert.deepEqual(await alice.get(`/rooms/${E(room)}/state/org.example.b`), { empty: "key" });
  assert.deepEqual(await alice.get(`/rooms/${E(room)}/state/org.example.b/`), { empty: "key" });
  await alice.fails(404, "M_NOT_FOUND", "GET", `/rooms/${E(room)}/state/org.example.none`);
  const whole = await alice.get(`/rooms/${E(room)}/state`);
  assert.ok(find(whole, "org.example.a", "key/with?odd#chars %"));
  assert.equal(whole.length, new Set(whole.map(e => `${e.type}\0${e.state_key}`)).size);
  await bob.fails(403, "M_FORBIDDEN", "GET", `/rooms/${E(room)}/state`);
  await bob.fails(403, "M_FORBIDDEN", "GET", `/rooms/${E(room)}/state/m.room.create`);
  await bob.fails(403, "M_FORBIDDEN", "GET", `/rooms/${E("!nosuchroom:localhost")}/state`);
});

test("setting the same state again returns the same event", async () => {
  const alice = await hs.user("alice");
  const room = await alice.createRoom();
  const a = await alice.setState(room, "m.room.topic", "", { topic: "same" });
  assert.equal(await alice.setState(room, "m.room.topic", "", { topic: "same" }), a);
  assert.notEqual(await alice.setState(room, "m.room.topic", "", { topic: "other" }), a);
});

test("a state key that is a user id belongs to that user", async () => {
  const [alice, bob] = await hs.users("alice", "bob");
  const room = await alice.createRoom({ preset: "public_chat", power_level_content_override: { state_default: 0 } });
  await bob.join(room);
  await bob.setState(room, "org.example.mine", bob.id, {});
  await bob.fails(403, "M_FORBIDDEN", "PUT", `/rooms/${E(room)}/state/org.example.mine/${E(alice.id)}`, {});
});

test("power levels: nobody raises above themselves, nonsense is refused", async () => {
  const [alice, bob] = await hs.users("alice", "bob");
  const room = await alice.createRoom({ preset: "public_chat", room_version: "11" });
  await bob.join(room);
  const power = await alice.getState(room, "m.room.power_levels");
  await alice.setState(room, "m.room.power_levels", "", { ...power, users: { ...power.users, [bob.id]: 60 }, events: { ...power.events, "m.room.power_levels": 50 } });
  const now = await alice.getState(room, "m.room.power_levels");
  const target = `/rooms/${E(room)}/state/m.room.power_levels/`;
  await bob.fails(403, "M_FORBIDDEN", "PUT", target, { ...now, users: { ...now.users, [bob.id]: 100 } });
  await bob.fails(403, "M_FORBIDDEN", "PUT", target, { ...now, users: { [bob.id]: 60 } });
  await bob.fails(403, "M_FORBIDDEN", "PUT", target, { ...now, ban: 99 });
  const bad = await hs.req("PUT", target, { token: alice.token, body: { ...now, users_default: "ten" } });
  assert.ok([400, 403].includes(bad.status), `${bad.status}`);
  const e = await bob.setState(room, "m.room.power_levels", "", { ...now, users: { ...now.users, [bob.id]: 10 } });
  assert.ok(e);
  await bob.fails(403, "M_FORBIDDEN", "PUT", target, now);
});

test("sending: a transaction id makes it once, per device and per kind of request", async () => {
  const alice = await hs.user("alice");
  const room = await alice.createRoom();
  const txn = "same-txn";
  const a = await alice.event(room, "m.test", { body: "1" }, txn);
  assert.equal(await alice.event(room, "m.test", { body: "2" }, txn), a);
  const second = await alice.another();
  assert.notEqual(await second.event(room, "m.test", { body: "3" }, txn), a);
  const { chunk } = await alice.messages(room, { filter: JSON.stringify({ types: ["m.test"] }) });
  assert.deepEqual(chunk.map(e => e.content.body), ["3", "1"]);
  assert.equal(chunk[1].unsigned.transaction_id, txn);
  assert.equal(chunk[0].unsigned.transaction_id, undefined);
  const both = await Promise.all([1, 2, 3, 4].map(() => alice.event(room, "m.test", { body: "race" }, "race")));
  assert.equal(new Set(both).size, 1, "four copies of one request at the same time");
});

test("transaction ids survive a restart", OWN_SERVER, async () => {
  const alice = await hs.user("alice");
  const room = await alice.createRoom();
  const a = await alice.event(room, "m.test", { body: "1" }, "over-restart");
  await hs.restart();
  assert.equal(await alice.event(room, "m.test", { body: "1" }, "over-restart"), a);
  assert.equal((await alice.messages(room, { filter: JSON.stringify({ types: ["m.test"] }) })).chunk.length, 1);
});

test("redaction: own messages, others' only with power, idempotent, content gone everywhere", async () => {
  const [alice, bob, carol] = await hs.users("alice", "bob", "carol");
  const room = await alice.createRoom({ preset: "public_chat" });
  await bob.join(room);
  await carol.join(room);
  const id = await bob.say(room, "secret");
  await carol.fails(403, "M_FORBIDDEN", "PUT", `/rooms/${E(room)}/redact/${E(id)}/1`, {});
  const first = (await bob.put(`/rooms/${E(room)}/redact/${E(id)}/same`, { reason: "typo" })).event_id;
  assert.equal((await bob.put(`/rooms/${E(room)}/redact/${E(id)}/same`, { reason: "typo" })).event_id, first);
  const e = await alice.getEvent(room, id);
  assert.deepEqual(e.content, {});
  assert.equal(e.unsigned.redacted_because.content.reason, "typo");
  assert.equal(e.unsigned.redacted_because.event_id, first);
  const other = await carol.say(room, "also");
  await alice.redact(room, other);
  const r = await alice.messages(room);
  assert.equal(JSON.stringify(r).includes("secret"), false);
  assert.equal(JSON.stringify(await alice.sync()).includes("secret"), false);
});

test("a redacted name or member keeps what the algorithm keeps", async () => {
  const alice = await hs.user("alice");
  const room = await alice.createRoom({ room_version: "11" });
  const name = await alice.setState(room, "m.room.name", "", { name: "gone" });
  await alice.redact(room, name);
  assert.deepEqual(await alice.getState(room, "m.room.name"), {});
  const whole = await alice.get(`/rooms/${E(room)}/state`);
  await alice.redact(room, find(whole, "m.room.power_levels").event_id);
  assert.equal((await alice.getState(room, "m.room.power_levels")).users[alice.id], 100);
});

test("m.room.redaction can be sent through /send in every version", OWN_SERVER, async () => {
  const alice = await hs.user("alice");
  for (const version of ["10", "11"]) {
    const room = await alice.createRoom({ room_version: version });
    const id = await alice.say(room, "x");
    await alice.event(room, "m.room.redaction", { redacts: id });
    assert.deepEqual((await alice.getEvent(room, id)).content, {});
  }
});

test("event and context: the event, its surroundings, the state there, and who may see", async () => {
  const [alice, bob] = await hs.users("alice", "bob");
  const room = await alice.createRoom({ name: "first" });
  const ids = [];
  for (let i = 0; i < 7; i++) ids.push(await alice.say(room, `m${i}`));
  const c = await alice.get(`/rooms/${E(room)}/context/${E(ids[3])}?limit=4`);
  assert.equal(c.event.event_id, ids[3]);
  assert.deepEqual(c.events_before.map(e => e.content.body), ["m2", "m1"]);
  assert.deepEqual(c.events_after.map(e => e.content.body), ["m4", "m5"]);
  assert.equal(find(c.state, "m.room.name").content.name, "first");
  const back = await alice.messages(room, { from: c.start, dir: "b", limit: 1 });
  assert.equal(back.chunk[0].content.body, "m0");
  const forth = await alice.messages(room, { from: c.end, dir: "f", limit: 1 });
  assert.equal(forth.chunk[0].content.body, "m6");
  const only = await alice.get(`/rooms/${E(room)}/context/${E(ids[3])}?limit=0`);
  assert.deepEqual([only.events_before.length, only.events_after.length], [0, 0]);
  const strange = await hs.req("GET", `/rooms/${E(room)}/event/${E(ids[0])}`, { token: bob.token });
  assert.ok([403, 404].includes(strange.status), `${strange.status}`);
  await alice.fails(404, "M_NOT_FOUND", "GET", `/rooms/${E(room)}/event/${E("$nosuch")}`);
  const elsewhere = await alice.createRoom();
  await alice.fails(404, "M_NOT_FOUND", "GET", `/rooms/${E(elsewhere)}/event/${E(ids[0])}`);
});

test("messages: both directions meet, page by page, with every event once", async () => {
  const alice = await hs.user("alice");
  const room = await alice.createRoom();
  for (let i = 0; i < 25; i++) await alice.say(room, `m${i}`);
  const walk = async dir => {
    const out = [];
    let from;
    for (let page = 0; page < 50; page++) {
      const r = await alice.messages(room, { dir, limit: 4, ...(from && { from }) });
      assert.ok(r.chunk.length <= 4);
      assert.ok(r.start);
      out.push(...r.chunk.map(e => e.event_id));
      if (!r.end) return out;
      from = r.end;
    }
    assert.fail("paging never ended");
  };
  const back = await walk("b"), forth = await walk("f");
  assert.equal(new Set(back).size, back.length);
  assert.deepEqual(back, [...forth].reverse());
  const s = await alice.sync({ filter: { room: { timeline: { limit: 5 } } } });
  const prev = s.rooms.join[room].timeline.prev_batch;
  const older = await alice.messages(room, { from: prev, limit: 3 });
  assert.deepEqual(older.chunk.map(e => e.content.body), ["m19", "m18", "m17"]);
  const bounded = await alice.messages(room, { from: prev, to: older.end, limit: 50 });
  assert.deepEqual(bounded.chunk.map(e => e.event_id), older.chunk.map(e => e.event_id));
});

test("messages: filters by type, sender, contents with a URL, relations; lazy members", async () => {
  const [alice, bob] = await hs.users("alice", "bob");
  const room = await alice.createRoom({ preset: "public_chat" });
  await bob.join(room);
  await alice.say(room, "plain");
  await bob.say(room, "with url", { url: "mxc://localhost/x" });
  await bob.event(room, "org.example.ping", {});
  const ask = async f => (await alice.messages(room, { filter: JSON.stringify(f) })).chunk;
  assert.deepEqual((await ask({ types: ["org.example.*"] })).map(e => e.type), ["org.example.ping"]);
  assert.ok((await ask({ not_types: ["m.room.*"] })).every(e => e.type === "org.example.ping"));
  assert.ok((await ask({ senders: [bob.id] })).every(e => e.sender === bob.id));
  assert.ok((await ask({ not_senders: [bob.id] })).every(e => e.sender === alice.id));
  assert.deepEqual((await ask({ contains_url: true })).map(e => e.content.body), ["with url"]);
  assert.ok((await ask({ contains_url: false })).every(e => e.content.url === undefined));
  const lazy = await alice.messages(room, { limit: 2, filter: JSON.stringify({ lazy_load_members: true }) });
  assert.deepEqual(lazy.state.map(e => e.state_key), [bob.id]);
});

test("messages: bad parameters", async () => {
  const alice = await hs.user("alice");
  const room = await alice.createRoom();
  for (const q of ["dir=sideways", "dir=b&from=garbage", "dir=b&limit=-1", "dir=b&filter=%7B"]) {
    const r = await hs.req("GET", `/rooms/${E(room)}/messages?${q}`, { token: alice.token });
    assert.equal(r.status, 400, `${q}: ${r.status} ${r.raw}`);
  }
  if (!EXTERNAL) await alice.fails(400, "M_MISSING_PARAM", "GET", `/rooms/${E(room)}/messages`);
});

test("aliases: make, resolve, list, delete; who may", async () => {
  const [alice, bob] = await hs.users("alice", "bob");
  const room = await alice.createRoom({ preset: "public_chat" });
  const alias = `#${unique("al")}:localhost`;
  const at = `/directory/room/${E(alias)}`;
  await alice.fails(404, "M_NOT_FOUND", "GET", at);
  await alice.put(at, { room_id: room });
  const found = (await hs.req("GET", at, { expect: 200 })).body;
  assert.equal(found.room_id, room);
  assert.deepEqual(found.servers, ["localhost"]);
  const taken = await hs.req("PUT", at, { token: alice.token, body: { room_id: room } });
  assert.equal(taken.status, 409);
  assert.deepEqual((await alice.get(`/rooms/${E(room)}/aliases`)).aliases, [alias]);
  assert.equal((await bob.post(`/join/${E(alias)}`)).room_id, room);
  assert.deepEqual((await bob.get(`/rooms/${E(room)}/aliases`)).aliases, [alias]);
  await bob.fails(403, "M_FORBIDDEN", "DELETE", at);
  await alice.setState(room, "m.room.canonical_alias", "", { alias });
  await alice.del(at);
  await alice.fails(404, "M_NOT_FOUND", "GET", at);
  await alice.fails(404, "M_NOT_FOUND", "DELETE", at);
  const bad = await hs.req("PUT", `/directory/room/${E("noalias")}`, { token: alice.token, body: { room_id: room } });
  assert.equal(bad.status, 400);
});

test("a canonical alias has to exist and to point here", async () => {
  const alice = await hs.user("alice");
  const [here, there] = [await alice.createRoom(), await alice.createRoom()];
  const [a, b] = [`#${unique("a")}:localhost`, `#${unique("b")}:localhost`];
  await alice.put(`/directory/room/${E(a)}`, { room_id: here });
  await alice.put(`/directory/room/${E(b)}`, { room_id: there });
  const target = `/rooms/${E(here)}/state/m.room.canonical_alias/`;
  await alice.put(target, { alias: a });
  await alice.fails(400, "M_BAD_ALIAS", "PUT", target, { alias: "#nosuch:localhost" });
  await alice.fails(400, "M_BAD_ALIAS", "PUT", target, { alias: a, alt_aliases: [b] });
  await alice.fails(400, "M_INVALID_PARAM", "PUT", target, { alias: "noalias" });
});

test("publicRooms: listing, search, paging, what an entry tells", async () => {
  const [alice, bob] = await hs.users("alice", "bob");
  const word = unique("Word");
  const rooms = [];
  for (let i = 0; i < 5; i++) rooms.push(await alice.createRoom({ visibility: "public", name: `${word} ${i}`, topic: `topic ${i}`, ...(i === 0 && { room_alias_name: word.toLowerCase() }) }));
  await bob.join(rooms[3]);
  const hidden = await alice.createRoom({ preset: "public_chat", name: `${word} hidden` });
  const search = extra => bob.post("/publicRooms", { filter: { generic_search_term: word.toUpperCase() }, ...extra });
  const all = await eventually("all five rooms are listed", async () => { const r = await search({ limit: 50 }); return r.chunk.length === 5 ? r : null; });
  assert.equal(all.chunk.some(r => r.room_id === hidden), false);
  const entry = all.chunk.find(r => r.room_id === rooms[3]);
  assert.equal(entry.num_joined_members, 2);
  assert.equal(entry.name, `${word} 3`);
  assert.equal(entry.topic, "topic 3");
  assert.equal(entry.world_readable, false);
  assert.equal(entry.guest_can_join, false);
  assert.equal(entry.join_rule ?? "public", "public");
  assert.equal(all.chunk.find(r => r.room_id === rooms[0]).canonical_alias, `#${word.toLowerCase()}:localhost`);
  const seen = [];
  let since;
  for (let i = 0; i < 10; i++) {
    const page = await search({ limit: 2, ...(since && { since }) });
    seen.push(...page.chunk.map(r => r.room_id));
    since = page.next_batch;
    if (!since) break;
  }
  assert.deepEqual(seen.sort(), [...rooms].sort());
  assert.ok((await hs.req("GET", "/publicRooms?limit=1", { expect: 200 })).body.chunk.length === 1);
  await alice.put(`/directory/list/room/${E(rooms[1])}`, { visibility: "private" });
  assert.equal((await search({ limit: 50 })).chunk.length, 4);
  await bob.fails(403, "M_FORBIDDEN", "PUT", `/directory/list/room/${E(rooms[3])}`, { visibility: "private" });
  const none = await bob.post("/publicRooms", { filter: { room_types: ["m.space"], generic_search_term: word } });
  assert.deepEqual(none.chunk, []);
});

test("m.room.canonical_alias: new aliases must be well-formed and lead to the room; none at all is fine", async () => {
  const alice = await hs.user("alice");
  const [mine, other] = [`#${unique("mine")}:localhost`, `#${unique("other")}:localhost`];
  const room = await alice.createRoom(), elsewhere = await alice.createRoom();
  for (const [alias, id] of [[mine, room], [other, elsewhere]]) await alice.put(`/directory/room/${E(alias)}`, { room_id: id });
  const target = `/rooms/${E(room)}/state/m.room.canonical_alias/`;
  for (const [content, errcode] of [
    [{ alias: "nonsense" }, "M_INVALID_PARAM"],
    [{ alias: 7 }, "M_INVALID_PARAM"],
    [{ alt_aliases: ["#no colon"] }, "M_INVALID_PARAM"],
    [{ alt_aliases: mine }, "M_INVALID_PARAM"],
    [{ alt_aliases: [7] }, "M_INVALID_PARAM"],
    [{ alias: other }, "M_BAD_ALIAS"],
    [{ alias: mine, alt_aliases: [other] }, "M_BAD_ALIAS"],
    [{ alt_aliases: [`#${unique("none")}:localhost`] }, "M_BAD_ALIAS"],
  ]) await alice.fails(400, errcode, "PUT", target, content);
  for (const content of [{ alias: "" }, { alias: null }, {}, { alt_aliases: [mine] }, { alias: mine, alt_aliases: [mine] }]) await alice.put(target, content);
});

test("upgrade: a new room with the state carried over, a tombstone, moved aliases", async () => {
  const [alice, bob] = await hs.users("alice", "bob");
  const local = unique("up");
  const old = await alice.createRoom({ preset: "public_chat", room_version: "10", name: "Upgraded", topic: "t", room_alias_name: local, initial_state: [{ type: "m.room.encryption", state_key: "", content: { algorithm: "m.megolm.v1.aes-sha2" } }] });
  await bob.join(old);
  await bob.fails(403, "M_FORBIDDEN", "POST", `/rooms/${E(old)}/upgrade`, { new_version: "11" });
  await alice.fails(400, "M_UNSUPPORTED_ROOM_VERSION", "POST", `/rooms/${E(old)}/upgrade`, { new_version: "nope" });
  for (const version of ["11", "12"]) {
    const from = version === "11" ? old : await alice.createRoom({ preset: "public_chat", room_version: "11", name: "Upgraded" });
    const { replacement_room: next } = await alice.post(`/rooms/${E(from)}/upgrade`, { new_version: version });
    const tombstone = await alice.getState(from, "m.room.tombstone");
    assert.equal(tombstone.replacement_room, next);
    const create = await alice.getState(next, "m.room.create");
    assert.equal(create.room_version, version);
    assert.equal(create.predecessor.room_id, from);
    assert.equal((await alice.getState(next, "m.room.name")).name, "Upgraded");
    if (version === "11") {
      assert.equal((await alice.getState(next, "m.room.encryption")).algorithm, "m.megolm.v1.aes-sha2");
      assert.equal((await hs.req("GET", `/directory/room/${E(`#${local}:localhost`)}`, { expect: 200 })).body.room_id, next);
      await bob.fails(403, "M_FORBIDDEN", "PUT", `/rooms/${E(from)}/send/m.test/late`, { body: "late" });
    } else {
      assert.equal((await alice.getState(next, "m.room.power_levels")).users?.[alice.id], undefined);
    }
    await bob.join(next);
  }
});

test("upgrade: who else shall be a creator is said anew, and only in versions that have such", async () => {
  const [alice, bob, carol] = await hs.users("alice", "bob", "carol");
  const old = await alice.createRoom({ room_version: "12", creation_content: { additional_creators: [bob.id] } });
  const { replacement_room: next } = await alice.post(`/rooms/${E(old)}/upgrade`, { new_version: "12", additional_creators: [carol.id] });
  assert.deepEqual((await alice.getState(next, "m.room.create")).additional_creators, [carol.id]);
  const { replacement_room: none } = await alice.post(`/rooms/${E(next)}/upgrade`, { new_version: "12" });
  assert.equal((await alice.getState(none, "m.room.create")).additional_creators, undefined);
});

test("upgrade: bans, the directory, aliases and old-style power levels go along, and nobody gains power by it", async () => {
  const [alice, bob, carol] = await hs.users("alice", "bob", "carol");
  const local = unique("up");
  const old = await alice.createRoom({ preset: "public_chat", room_version: "9", visibility: "public", room_alias_name: local, power_level_content_override: { users: { [alice.id]: 100, [bob.id]: "60" }, kick: "55", events: { "m.room.tombstone": 60, "m.room.server_acl": 100, "m.room.power_levels": 60 } } });
  await bob.join(old);
  await carol.join(old);
  await alice.ban(old, carol);
  await alice.setState(old, "m.room.server_acl", "", { allow: ["*"], deny: ["evil.example"] });
  const { replacement_room: next } = await bob.post(`/rooms/${E(old)}/upgrade`, { new_version: "11" });
  await carol.fails(403, "M_FORBIDDEN", "POST", `/join/${E(next)}`, {});
  const levels = await bob.getState(next, "m.room.power_levels");
  assert.deepEqual([levels.users, levels.kick], [{ [alice.id]: 100, [bob.id]: 60 }, 55]);
  assert.deepEqual((await bob.getState(next, "m.room.server_acl")).deny, ["evil.example"]);
  assert.equal((await bob.getState(next, "m.room.canonical_alias")).alias, `#${local}:localhost`);
  const listed = async room => (await hs.req("GET", `/directory/list/room/${E(room)}`, { expect: 200 })).body.visibility;
  assert.deepEqual([await listed(old), await listed(next)], ["private", "public"]);
  const closed = await alice.getState(old, "m.room.power_levels");
  assert.ok(closed.events_default >= 50 && closed.invite >= 50);
  await alice.join(next);
  await alice.setState(next, "m.room.power_levels", "", { ...levels, kick: 50 });
});

test("upgrade: whatever the versions, everybody governs the new room as they did the old one", async () => {
  const [alice, bob, carol] = await hs.users("alice", "bob", "carol");
  const upgrade = async (who, room, version, extra = {}) => (await who.post(`/rooms/${E(room)}/upgrade`, { new_version: version, ...extra })).replacement_room;
  for (const from of VERSIONS) {
    for (const to of ["1", "6", "10", "11", "12"]) {
      const users = { [bob.id]: 9001, [carol.id]: 55, ...(from === "12" ? {} : { [alice.id]: 9001 }) };
      const extra = from === "12" ? { additional_creators: [bob.id] } : {};
      if (from === "12") delete users[bob.id];
      const old = await alice.createRoom({ preset: "public_chat", room_version: from, creation_content: extra, power_level_content_override: { users, events: { "m.room.tombstone": 55, "m.room.name": 9000, "m.room.power_levels": 9000 } } });
      for (const who of [bob, carol]) await who.join(old);
      for (const who of [bob, carol]) {
        const room = await upgrade(who, old, to), create = await who.getState(room, "m.room.create"), what = `${from} to ${to} by ${who.name}`;
        const levels = await who.getState(room, "m.room.power_levels"), level = id => levels.users[id];
        assert.equal("event_id" in create.predecessor, to !== "12", what);
        const governs = from === "12" ? 9000 : 9001;
        assert.deepEqual([level(alice.id), level(bob.id), level(carol.id)], [governs, governs, 55].map((x, i) => to === "12" && [alice, bob, carol][i] === who ? undefined : x), what);
        if (who === bob || to === "12") await upgrade(who, room, "11");
        else await carol.fails(403, "M_FORBIDDEN", "PUT", `/rooms/${E(room)}/state/m.room.name/`, { name: "not hers to give" });
        await alice.join(room);
        await alice.setState(room, "m.room.name", "", { name: "governed" });
      }
    }
  }
});

test("upgrade: who was banned stays so, whatever level they had; the old room's levels are never lowered", async () => {
  const [alice, bob] = await hs.users("alice", "bob");
  const old = await alice.createRoom({ preset: "public_chat", room_version: "9", power_level_content_override: { users: { [alice.id]: 100, [bob.id]: 99 }, invite: "70", users_default: 10 } });
  await bob.join(old);
  await alice.ban(old, bob);
  const { replacement_room: next } = await alice.post(`/rooms/${E(old)}/upgrade`, { new_version: "11" });
  assert.equal((await alice.getState(next, "m.room.member", bob.id)).membership, "ban");
  assert.equal((await alice.getState(next, "m.room.power_levels")).users[bob.id], 99);
  const closed = await alice.getState(old, "m.room.power_levels");
  assert.deepEqual([closed.events_default, closed.invite], [50, 70]);
  const { predecessor } = await alice.getState(next, "m.room.create");
  assert.equal((await alice.getEvent(old, predecessor.event_id)).content.membership, "ban", "the last event before");
});

test("upgrade: a space keeps its rooms", async () => {
  const alice = await hs.user("alice");
  const [child, gone] = [await alice.createRoom(), await alice.createRoom()];
  const space = await alice.createRoom({ room_version: "11", creation_content: { type: "m.space" } });
  await alice.setState(space, "m.space.child", child, { via: ["localhost"], order: "a" });
  await alice.setState(space, "m.space.child", gone, {});
  const { replacement_room: next } = await alice.post(`/rooms/${E(space)}/upgrade`, { new_version: "12" });
  assert.equal((await alice.getState(next, "m.room.create")).type, "m.space");
  assert.deepEqual(await alice.getState(next, "m.space.child", child), { via: ["localhost"], order: "a" });
  await alice.fails(404, "M_NOT_FOUND", "GET", `/rooms/${E(next)}/state/m.space.child/${E(gone)}`);
});

test("upgrade: who follows to the new room has their tags, push rules and direct chat there too", async () => {
  const [alice, bob, carol] = await hs.users("alice", "bob", "carol");
  const old = await alice.createRoom({ preset: "public_chat", room_version: "11" });
  for (const who of [bob, carol]) await who.join(old);
  const tag = (who, room) => `/user/${E(who.id)}/rooms/${E(room)}/tags`;
  const rule = (kind, room) => `/pushrules/global/${kind}/${E(room)}`;
  for (const who of [alice, bob]) await who.put(`${tag(who, old)}/m.favourite`, { order: 0.5 });
  await bob.put(rule("room", old), { actions: ["dont_notify"] });
  await bob.put(rule("override", old), { actions: [], conditions: [{ kind: "event_match", key: "room_id", pattern: old }] });
  await bob.put(`${rule("override", old)}/enabled`, { enabled: false });
  await bob.setAccountData("m.direct", { [alice.id]: [old, "!other:localhost"], [carol.id]: ["!third:localhost"] });
  const stream = await bob.stream();
  const { replacement_room: next } = await alice.post(`/rooms/${E(old)}/upgrade`, { new_version: "12" });
  assert.deepEqual((await alice.get(tag(alice, next))).tags, { "m.favourite": { order: 0.5 } }, "who upgraded it");
  await bob.join(next);
  assert.deepEqual((await bob.get(tag(bob, next))).tags, { "m.favourite": { order: 0.5 } });
  assert.ok(await bob.get(rule("room", next)));
  const override = await bob.get(rule("override", next));
  assert.deepEqual([override.enabled, override.conditions], [false, [{ kind: "event_match", key: "room_id", pattern: next }]]);
  assert.deepEqual(await bob.get(`/user/${E(bob.id)}/account_data/m.direct`), { [alice.id]: [old, "!other:localhost", next], [carol.id]: ["!third:localhost"] });
  await stream.until("the clients hear of it", r => r.account_data?.events.some(e => e.type === "m.direct"));
  await carol.put(`${tag(carol, next)}/u.mine`, {}, 403);
  await carol.join(next);
  assert.deepEqual((await carol.get(tag(carol, next))).tags, {});
  // A room cannot call itself the successor of one that knows nothing of it.
  const thief = await carol.createRoom({ preset: "public_chat", creation_content: { predecessor: { room_id: old } } });
  await bob.join(thief);
  assert.deepEqual((await bob.get(tag(bob, thief))).tags, {});
});

test("version 12: creators outrank everybody, additional creators too", async () => {
  const [alice, bob, carol] = await hs.users("alice", "bob", "carol");
  const room = await alice.createRoom({ preset: "public_chat", room_version: "12", creation_content: { additional_creators: [bob.id] } });
  await bob.join(room);
  await carol.join(room);
  const power = await alice.getState(room, "m.room.power_levels");
  await bob.setState(room, "m.room.power_levels", "", { ...power, users: { [carol.id]: 1000 } });
  await carol.fails(403, "M_FORBIDDEN", "POST", `/rooms/${E(room)}/kick`, { user_id: bob.id });
  await carol.fails(403, "M_FORBIDDEN", "POST", `/rooms/${E(room)}/ban`, { user_id: alice.id });
  const r = await hs.req("POST", "/createRoom", { token: alice.token, body: { room_version: "12", creation_content: { additional_creators: ["nonsense"] } } });
  assert.equal(r.status, 400, `${r.raw}`);
});

test("power levels that are ill-formed, or name a creator of version 12, are refused as such on every way into a room", async () => {
  const [alice, bob] = await hs.users("alice", "bob");
  const create = o => ({ power_level_content_override: o }), initial = o => ({ initial_state: [{ type: "m.room.power_levels", content: o }] });
  const ILL_FORMED = [{ ban: "x" }, { kick: null }, { users: [] }, { users: { nobody: 50 } }, { users: { [bob.id]: "fifty" } }, { events: { "m.room.name": {} } }, { notifications: 5 }];
  for (const room_version of ["9", "11", "12"]) {
    const room = await alice.createRoom({ room_version, preset: "public_chat" });
    await bob.join(room);
    for (const levels of ILL_FORMED) {
      for (const who of [alice, bob]) await who.fails(400, "M_BAD_JSON", "PUT", `/rooms/${E(room)}/state/m.room.power_levels/`, levels);
      for (const way of [create, initial]) await alice.fails(400, "M_BAD_JSON", "POST", "/createRoom", { room_version, ...way(levels) });
    }
    await bob.fails(403, "M_FORBIDDEN", "PUT", `/rooms/${E(room)}/state/m.room.power_levels/`, { users: { [bob.id]: 100 } });
  }
  const room = await alice.createRoom({ room_version: "12", creation_content: { additional_creators: [bob.id] } });
  for (const creator of [alice, bob]) {
    const naming = { users: { [creator.id]: 100 } };
    await alice.fails(400, "M_INVALID_PARAM", "PUT", `/rooms/${E(room)}/state/m.room.power_levels/`, naming);
    for (const way of [create, initial]) await alice.fails(400, "M_INVALID_PARAM", "POST", "/createRoom", { room_version: "12", creation_content: { additional_creators: [bob.id] }, ...way(naming) });
  }
  await alice.fails(400, "M_INVALID_PARAM", "POST", "/createRoom", { room_version: "12", preset: "trusted_private_chat", invite: [bob.id], ...create({ users: { [bob.id]: 50 } }) });
});

test("a room that its maker could not make so is no valid state", async () => {
  const alice = await hs.user("alice");
  await alice.fails(400, "M_INVALID_ROOM_STATE", "POST", "/createRoom", { room_version: "11", name: "x", power_level_content_override: { users: {} } });
  await alice.fails(400, "M_INVALID_ROOM_STATE", "POST", "/createRoom", { initial_state: [{ type: "m.room.create", content: {} }] });
});

test("a room that does not federate, or whose ACL keeps a server out, takes no invitations for its users", async () => {
  const alice = await hs.user("alice");
  const closed = await alice.createRoom({ creation_content: { "m.federate": false } });
  const target = room => `/rooms/${E(room)}/invite`;
  const why = async (room, user_id) => (await alice.fails(403, "M_FORBIDDEN", "POST", target(room), { user_id })).error;
  assert.match(await why(closed, "@bob:elsewhere.example"), /users of localhost only/);
  const open = await alice.createRoom();
  await alice.setState(open, "m.room.server_acl", "", { allow: ["*"], deny: ["*.EVIL.example"], allow_ip_literals: false });
  assert.match(await why(open, "@bob:very.evil.example:8448"), /does not let the server/);
  assert.match(await why(open, "@bob:192.0.2.1"), /does not let the server/);
  await alice.fails(403, "M_FORBIDDEN", "PUT", `/rooms/${E(open)}/state/m.room.member/${E("@bob:very.evil.example")}`, { membership: "invite" });
});
