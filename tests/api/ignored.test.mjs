// SPDX-License-Identifier: Apache-2.0
// Ignoring users: what they say does not reach who ignores them, the state they set does ("Ignoring Users").
import assert from "node:assert/strict";
import test from "node:test";
import { E, ephemeral, timeline, unique, useServer } from "./harness.mjs";

const hs = useServer();
const v1 = (room, rest) => `/_matrix/client/v1/rooms/${E(room)}/${rest}`;
const ignore = (who, ...whom) => who.setAccountData("m.ignored_user_list", { ignored_users: Object.fromEntries(whom.map(u => [u.id, {}])) });

async function threeInARoom() {
  const [alice, bob, carol] = await hs.users("alice", "bob", "carol");
  const room = await alice.createRoom({ preset: "public_chat", power_level_content_override: { users_default: 50 } });
  await bob.join(room);
  await carol.join(room);
  await ignore(bob, carol);
  return { alice, bob, carol, room, word: unique("word") };
}

test("messages of somebody who is ignored are on no list, and their state is", async () => {
  const { alice, bob, carol, room, word } = await threeInARoom();
  const root = await alice.say(room, `root ${word}`);
  const bad = await carol.say(room, `bad ${word} ${bob.id}`, { "m.mentions": { user_ids: [bob.id] } });
  await carol.event(room, "m.room.message", { msgtype: "m.text", body: `bad reply ${word}`, "m.relates_to": { rel_type: "m.thread", event_id: root } });
  const topic = await carol.setState(room, "m.room.topic", "", { topic: "by carol" });
  const good = await alice.say(room, `good ${word}`);
  const get = async target => JSON.stringify((await hs.req("GET", target, { token: bob.token, expect: 200 })).body);
  const r = `/rooms/${E(room)}`;
  const lists = {
    backward: await get(`${r}/messages?dir=b&limit=50`),
    forward: await get(`${r}/messages?dir=f&limit=50`),
    context: await get(`${r}/context/${E(good)}?limit=50`),
    initialSync: await get(`${r}/initialSync?limit=50`),
    allRooms: await get("/initialSync?limit=50"),
    events: await get("/events?from=s0&timeout=0"),
    relations: await get(v1(room, `relations/${E(root)}`)),
    threads: await get(v1(room, "threads")),
    notifications: await get("/notifications"),
    sync: JSON.stringify(await bob.sync({ filter: { room: { timeline: { limit: 50 } } } })),
    search: JSON.stringify(await bob.post("/search", { search_categories: { room_events: { search_term: word, event_context: { before_limit: 5, after_limit: 5 } } } })),
  };
  for (const [name, text] of Object.entries(lists)) assert.equal(text.includes("bad "), false, `${name}: ${text}`);
  for (const name of ["backward", "forward", "initialSync", "sync"]) assert.ok(lists[name].includes(topic), `${name} has the state`);
  for (const name of ["backward", "context", "sync", "search"]) assert.ok(lists[name].includes(`good ${word}`), name);
  await ignore(bob);
  assert.ok((await get(`${r}/messages?dir=b&limit=50`)).includes(bad), "back when they are not ignored any more");
});

test("typing, receipts and presence of somebody who is ignored are not told", async () => {
  const { alice, bob, carol, room } = await threeInARoom();
  const said = await alice.say(room, "read this");
  const stream = await bob.stream();
  await carol.receipt(room, said);
  await carol.typing(room, true);
  await carol.put(`/presence/${E(carol.id)}/status`, { presence: "online", status_msg: "look at me" });
  await alice.receipt(room, said);
  await alice.typing(room, true);
  const seen = [];
  await stream.until("alice types", r => ephemeral(r, room, "m.typing")?.user_ids.includes(alice.id), seen);
  seen.push(await bob.sync());
  const text = JSON.stringify(seen.map(r => [r.presence, r.rooms.join?.[room]?.ephemeral]));
  assert.equal(text.includes(carol.id), false, text);
  assert.ok(text.includes(alice.id));
});

test("an invitation by somebody who is ignored is shown nowhere", async () => {
  const { bob, carol } = await threeInARoom();
  const [mine] = await hs.users("dora");
  const stream = await bob.stream();
  const room = await carol.createRoom({ preset: "private_chat", invite: [bob.id] });
  const other = await mine.createRoom({ preset: "private_chat", invite: [bob.id] });
  await stream.until("the other invitation", r => r.rooms?.invite?.[other]);
  for (const r of [stream.last, await bob.sync()]) assert.equal(r.rooms?.invite?.[room], undefined);
  const old = await bob.get("/initialSync");
  assert.deepEqual([room, other].map(r => old.rooms.some(o => o.room_id === r)), [false, true]);
  await bob.setAccountData("m.invite_permission_config", { default_action: "block" });
  assert.equal((await bob.get("/initialSync")).rooms.some(o => o.membership === "invite"), false);
});
