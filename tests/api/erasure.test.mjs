// SPDX-License-Identifier: Apache-2.0
// Deactivation with erasure: who comes later gets what the erased user said only as a redaction would leave it, on every
// path; who could see it before still does.
import assert from "node:assert/strict";
import test from "node:test";
import { E, OWN_SERVER, timeline, useServer } from "./harness.mjs";

const hs = useServer();
const WORD = "pomegranate";

/** A room in which mallory says a few things before the account ends, with or without erasure. */
async function scene(erase) {
  const [alice, mallory, old] = await hs.users("alice", "mallory", "old");
  const room = await alice.createRoom({ preset: "public_chat", topic: "of the room" });
  await mallory.join(room);
  await mallory.put(`/profile/${E(mallory.id)}/displayname`, { displayname: "Mallory of the Secret Name" });
  const root = await mallory.say(room, `${WORD} one`);
  const edit = await mallory.say(room, `* ${WORD} two`, { "m.new_content": { msgtype: "m.text", body: `${WORD} two` }, "m.relates_to": { rel_type: "m.replace", event_id: root } });
  const threaded = await mallory.say(room, `${WORD} three`, { "m.relates_to": { rel_type: "m.thread", event_id: root } });
  await old.join(room); // after it was said, before it was erased: the history is shared
  await mallory.withPassword("POST", "/account/deactivate", { erase });
  const late = await hs.user("late");
  await late.join(room);
  return { alice, mallory, old, late, room, events: { root, edit, threaded } };
}

/** Everything that a reader can get at, as text. */
async function everything(reader, { room, events }) {
  const out = {};
  const r = E(room);
  out.messages = await reader.messages(room);
  out.event = await Promise.all(Object.values(events).map(e => reader.getEvent(room, e)));
  out.context = await reader.get(`/rooms/${r}/context/${E(events.root)}?limit=20`);
  out.relations = await reader.get(`/_matrix/client/v1/rooms/${r}/relations/${E(events.root)}?recurse=true`);
  out.threads = await reader.get(`/_matrix/client/v1/rooms/${r}/threads`);
  out.search = (await reader.post("/search", { search_categories: { room_events: { search_term: WORD, filter: { limit: 10 }, event_context: {} } } })).search_categories.room_events.results;
  out.sync = timeline(await reader.sync({ filter: { room: { timeline: { limit: 50 } } } }), room);
  out.federation = timeline(await reader.sync({ filter: { event_format: "federation", room: { timeline: { limit: 50 } } } }), room);
  out.initialSync = await reader.get(`/rooms/${r}/initialSync?limit=50`);
  out.state = await reader.get(`/rooms/${r}/state`);
  out.members = await reader.get(`/rooms/${r}/members`);
  return Object.fromEntries(Object.entries(out).map(([k, v]) => [k, JSON.stringify(v)]));
}

test("who comes after the erasure gets nothing of what was said, on any path", async () => {
  const s = await scene(true);
  const seen = await everything(s.late, s);
  for (const [path, text] of Object.entries(seen)) {
    assert.ok(!text.includes(WORD), `${path}: ${text}`);
    assert.ok(!text.includes("Secret Name"), `${path}: ${text}`);
  }
  const pruned = await s.late.getEvent(s.room, s.events.root);
  assert.deepEqual(pruned.content, {});
  assert.equal(pruned.sender, s.mallory.id);
  assert.equal(pruned.type, "m.room.message");
  assert.match(seen.state, /of the room/); // what the room is, is whole
});

test("who could see it before still does, also after a restart and after coming back", OWN_SERVER, async () => {
  const s = await scene(true);
  for (const reader of [s.alice, s.old]) {
    const seen = await everything(reader, s);
    for (const path of ["messages", "event", "context", "relations", "threads", "search", "sync", "federation", "initialSync"]) assert.ok(seen[path].includes(WORD), `${path}: ${seen[path]}`);
  }
  await s.alice.rename("another member event", s.room);
  await hs.restart();
  assert.equal((await s.alice.getEvent(s.room, s.events.root)).content.body, `${WORD} one`);
  assert.deepEqual((await s.late.getEvent(s.room, s.events.root)).content, {});
  await s.alice.leave(s.room);
  await s.alice.join(s.room); // was there when it was said
  assert.equal((await s.alice.getEvent(s.room, s.events.root)).content.body, `${WORD} one`);
  await s.old.leave(s.room);
  assert.equal((await s.old.getEvent(s.room, s.events.root)).content.body, `${WORD} one`);
  await s.old.join(s.room); // was not, and comes after the erasure now
  assert.deepEqual((await s.old.getEvent(s.room, s.events.root)).content, {});
});

test("without erasure everything stays", async () => {
  const s = await scene(false);
  const seen = await everything(s.late, s);
  for (const path of ["messages", "event", "context", "search", "sync"]) assert.ok(seen[path].includes(WORD), path);
});

test("an account that has ended may still be erased by the operator", OWN_SERVER, async () => {
  const s = await scene(false);
  assert.equal((await hs.command(["user", "deactivate", s.mallory.name, "--erase", "--config", hs.configFile])).status, 0);
  const later = await hs.user("later");
  await later.join(s.room);
  assert.deepEqual((await later.getEvent(s.room, s.events.root)).content, {});
  assert.equal((await s.late.getEvent(s.room, s.events.root)).content.body, `${WORD} one`);
});

test("who looks in without joining was not there", async () => {
  const [alice, mallory, peeker] = await hs.users("alice", "mallory", "peeker");
  const room = await alice.createRoom({ preset: "public_chat", initial_state: [{ type: "m.room.history_visibility", content: { history_visibility: "world_readable" } }] });
  await mallory.join(room);
  const said = await mallory.say(room, WORD);
  await mallory.withPassword("POST", "/account/deactivate", { erase: true });
  assert.deepEqual((await peeker.getEvent(room, said)).content, {});
});
