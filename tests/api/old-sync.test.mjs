// SPDX-License-Identifier: Apache-2.0
// GET notifications, and how clients followed a server before /sync.
import assert from "node:assert/strict";
import test from "node:test";
import { E, useServer } from "./harness.mjs";

const hs = useServer();

async function pair() {
  const [alice, bob] = await hs.users("alice", "bob");
  const room = await alice.createRoom({ preset: "public_chat", name: "R" });
  await bob.join(room);
  return [alice, bob, room];
}
const notifications = (who, q = {}) => who.get(`/notifications?${new URLSearchParams(q)}`);
const bodies = r => r.notifications.map(n => n.event.content.body);

test("notifications are what the rules let notify, newest first, over all rooms", async () => {
  const [alice, bob, room] = await pair();
  const other = await alice.createRoom({ preset: "public_chat", name: "O" });
  await alice.say(other, "before he came");
  await bob.join(other);
  await alice.say(room, "one");
  const two = await alice.say(other, "two");
  await alice.say(room, "three", { "m.mentions": { user_ids: [bob.id] } });
  await bob.say(room, "his own");
  const gone = await alice.say(other, "gone");
  await alice.redact(other, gone);
  const all = await notifications(bob);
  assert.deepEqual(bodies(all), ["three", "two", "one"]);
  assert.equal(all.next_token, undefined);
  const [n] = all.notifications;
  assert.equal(n.room_id, room);
  assert.equal(n.event.room_id, undefined);
  assert.equal(typeof n.ts, "number");
  assert.ok(n.actions.includes("notify"));
  const read = async () => (await notifications(bob)).notifications.map(x => x.read);
  assert.deepEqual(await read(), [true, false, true], "by saying something they have read what was said before");
  assert.deepEqual(bodies(await notifications(bob, { only: "highlight" })), ["three"]);
  await bob.receipt(other, two);
  assert.deepEqual(await read(), [true, true, true]);
});

test("the list of notifications tells nothing of what was redacted, of whom one ignores, or of rooms one has left", async () => {
  const [alice, bob, room] = await pair();
  const carol = await hs.user("carol");
  await carol.join(room);
  const left = await alice.createRoom({ preset: "public_chat" });
  await bob.join(left);
  await alice.say(left, "in a room he leaves");
  const gone = await alice.say(room, "taken back");
  await alice.say(room, "* edited", { "m.new_content": { msgtype: "m.text", body: "edited" }, "m.relates_to": { rel_type: "m.replace", event_id: gone } });
  await carol.say(room, "from carol");
  await alice.say(room, "stays");
  assert.deepEqual(bodies(await notifications(bob)), ["stays", "from carol", "taken back", "in a room he leaves"]);
  await alice.redact(room, gone);
  await bob.leave(left);
  await bob.setAccountData("m.ignored_user_list", { ignored_users: { [carol.id]: {} } });
  const now = await notifications(bob);
  assert.deepEqual(bodies(now), ["stays"]);
  assert.equal(JSON.stringify(now).includes("taken back"), false);
});

test("notifications that highlight come in pages of their own, with what the rule wants done", async () => {
  const [alice, bob, room] = await pair();
  for (let i = 0; i < 12; i++) await alice.say(room, `${i}`, i % 3 ? {} : { "m.mentions": { user_ids: [bob.id] } });
  const seen = [];
  let from;
  do {
    const r = await notifications(bob, { limit: 3, only: "highlight", ...(from ? { from } : {}) });
    for (const n of r.notifications) assert.ok(n.actions.some(a => a.set_tweak === "highlight"));
    seen.push(...bodies(r));
    from = r.next_token;
  } while (from);
  assert.deepEqual(seen, ["9", "6", "3", "0"]);
});

test("notifications come in pages", async () => {
  const [alice, bob, room] = await pair();
  for (let i = 0; i < 25; i++) await alice.say(room, `${i}`);
  const seen = [];
  let from;
  do {
    const r = await notifications(bob, { limit: 10, ...(from ? { from } : {}) });
    assert.ok(r.notifications.length <= 10);
    seen.push(...bodies(r));
    from = r.next_token;
  } while (from);
  assert.deepEqual(seen, Array.from({ length: 25 }, (_, i) => `${24 - i}`));
  await bob.fails(400, "M_INVALID_PARAM", "GET", "/notifications?from=nonsense");
  await bob.fails(400, "M_INVALID_PARAM", "GET", "/notifications?only=nonsense");
  await bob.fails(400, "M_INVALID_PARAM", "GET", "/notifications?limit=0");
});

test("events gives what is new, and waits for it", async () => {
  const [alice, bob, room] = await pair();
  const { end } = await bob.get("/events?timeout=0");
  const event = await alice.say(room, "hello");
  const first = await bob.get(`/events?from=${end}&timeout=0`);
  assert.deepEqual(first.chunk.map(e => [e.event_id, e.room_id]), [[event, room]]);
  assert.equal(first.start, end);
  const waiting = bob.get(`/events?from=${first.end}&timeout=20000`);
  const second = await alice.say(room, "again");
  assert.deepEqual((await waiting).chunk.map(e => e.event_id), [second]);
  const third = await bob.get(`/events?from=${end}&timeout=0&room_id=${E(room)}`);
  assert.deepEqual(third.chunk.map(e => e.event_id), [event, second]);
  await bob.fails(400, "M_INVALID_PARAM", "GET", "/events?from=nonsense");
  await bob.fails(403, "M_FORBIDDEN", "GET", `/events?room_id=${E("!nowhere:localhost")}`);
  const hidden = await alice.createRoom({ preset: "private_chat" });
  await bob.fails(403, "M_FORBIDDEN", "GET", `/events?room_id=${E(hidden)}`);
});

test("many new events come in order and in parts", async () => {
  const [alice, bob, room] = await pair();
  const other = await alice.createRoom({ preset: "public_chat" });
  await bob.join(other);
  let { end } = await bob.get("/events?timeout=0");
  const sent = [];
  for (let i = 0; i < 130; i++) sent.push(await alice.say(i % 4 ? room : other, `${i}`));
  const seen = [];
  for (let r; seen.length < sent.length; end = r.end) {
    r = await bob.get(`/events?from=${end}&timeout=0`);
    assert.ok(r.chunk.length > 0 && r.chunk.length <= 100);
    seen.push(...r.chunk.map(e => e.event_id));
  }
  assert.deepEqual(seen, sent);
});

test("initialSync is the whole state, rooms/initialSync that of one room", async () => {
  const [alice, bob, room] = await pair();
  const left = await alice.createRoom({ preset: "public_chat" });
  await bob.join(left);
  await bob.leave(left);
  const invited = await alice.createRoom({ preset: "private_chat", invite: [bob.id] });
  const event = await alice.say(room, "last");
  await bob.setRoomAccountData(room, "org.example.r", { a: 1 });
  await bob.setAccountData("org.example.g", { b: 2 });
  const all = await bob.get("/initialSync?limit=2");
  const by = id => all.rooms.find(r => r.room_id === id);
  assert.equal(all.rooms.length, 2);
  assert.equal(by(room).membership, "join");
  assert.equal(by(room).visibility, "private");
  assert.equal(by(room).messages.chunk.length, 2);
  assert.equal(by(room).messages.chunk[1].event_id, event);
  assert.equal(by(room).messages.chunk[1].room_id, room);
  assert.ok(by(room).state.some(e => e.type === "m.room.name" && e.content.name === "R"));
  assert.deepEqual(by(room).account_data, [{ type: "org.example.r", content: { a: 1 } }]);
  assert.equal(by(invited).membership, "invite");
  assert.equal(by(invited).invite.content.membership, "invite");
  assert.ok(Array.isArray(all.presence));
  assert.ok(all.account_data.some(d => d.type === "org.example.g"));
  assert.ok((await bob.get("/initialSync?archived=true")).rooms.some(r => r.room_id === left && r.membership === "leave"));
  assert.deepEqual((await bob.get(`/events?from=${all.end}&timeout=0`)).chunk, []);

  const one = await bob.get(`/rooms/${E(room)}/initialSync?limit=1`);
  assert.equal(one.room_id, room);
  assert.deepEqual(one.messages.chunk.map(e => e.event_id), [event]);
  const earlier = await bob.messages(room, { from: one.messages.start, limit: 1 });
  assert.notEqual(earlier.chunk[0].event_id, event);
  await bob.fails(403, "M_FORBIDDEN", "GET", `/rooms/${E(invited)}/initialSync`);
  await bob.fails(403, "M_FORBIDDEN", "GET", `/rooms/${E("!nowhere:localhost")}/initialSync`);
});

test("an event by its id alone, for those who may see it", async () => {
  const [alice, bob, room] = await pair();
  const event = await alice.say(room, "hello");
  assert.equal((await bob.get(`/events/${E(event)}`)).content.body, "hello");
  const hidden = await alice.createRoom({ preset: "private_chat" });
  const secret = await alice.say(hidden, "secret");
  await bob.fails(404, "M_NOT_FOUND", "GET", `/events/${E(secret)}`);
  await bob.fails(404, "M_NOT_FOUND", "GET", `/events/${E("$nothing")}`);
});
