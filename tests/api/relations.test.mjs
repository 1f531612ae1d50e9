// SPDX-License-Identifier: Apache-2.0
// What relates to an event, threads, and the event at a time.
import assert from "node:assert/strict";
import test from "node:test";
import { AppService, registrations } from "./appservice-support.mjs";
import { E, OWN_SERVER, useServer } from "./harness.mjs";

const service = new AppService("relations", { url: null });
const hs = useServer({ edit: registrations(service) });
const v1 = (room, rest) => `/_matrix/client/v1/rooms/${E(room)}/${rest}`;
const relations = (user, room, parent, rest = "", q = {}) => user.get(v1(room, `relations/${E(parent)}${rest}?${new URLSearchParams(q)}`));
const threads = (user, room, q = {}) => user.get(v1(room, `threads?${new URLSearchParams(q)}`));
const ids = r => r.chunk.map(e => e.event_id);
const relate = (rel_type, event_id, more = {}) => ({ "m.relates_to": { rel_type, event_id, ...more } });
const react = (user, room, parent, key) => user.event(room, "m.reaction", relate("m.annotation", parent, { key }));
const reply = (user, room, root, body) => user.say(room, body, relate("m.thread", root));

async function roomOfTwo(options = {}) {
  const [alice, bob] = await hs.users("alice", "bob");
  const room = await alice.createRoom({ preset: "public_chat", ...options });
  await bob.join(room);
  return { alice, bob, room };
}

test("relations come newest first, and by relation and event type", async () => {
  const { alice, bob, room } = await roomOfTwo();
  const root = await alice.say(room, "root");
  const a = await react(bob, room, root, "👍");
  const b = await bob.say(room, "see there", relate("m.reference", root));
  const c = await bob.event(room, "org.example.vote", relate("m.reference", root));
  const all = await relations(alice, room, root);
  assert.deepEqual(ids(all), [c, b, a]);
  assert.equal(all.next_batch, undefined);
  assert.equal(all.prev_batch, undefined);
  assert.equal("recursion_depth" in all, false);
  assert.equal(all.chunk[0].room_id, room);
  assert.deepEqual(ids(await relations(alice, room, root, "", { dir: "f" })), [a, b, c]);
  assert.deepEqual(ids(await relations(alice, room, root, "/m.reference")), [c, b]);
  assert.deepEqual(ids(await relations(alice, room, root, "/m.reference", { dir: "f" })), [b, c]);
  assert.deepEqual(ids(await relations(alice, room, root, "/m.reference/m.room.message", { dir: "f" })), [b]);
  assert.deepEqual(ids(await relations(alice, room, root, "/m.reference/m.room.message")), [b]);
  assert.deepEqual(ids(await relations(alice, room, root, "/m.reference/org.example.never.seen")), []);
  assert.deepEqual(ids(await relations(alice, room, root, "/m.thread")), []);
  assert.deepEqual(ids(await relations(alice, room, a)), []);
});

test("pages of relations join without a gap, in both directions, while new ones arrive", async () => {
  const { alice, room } = await roomOfTwo();
  const root = await alice.say(room, "root");
  const all = [];
  for (let i = 0; i < 7; i++) all.push(await react(alice, room, root, `${i}`));
  for (const [dir, expected] of [["b", [...all].reverse()], ["f", all]]) {
    const got = [];
    let from, page;
    do {
      page = await relations(alice, room, root, "", { dir, limit: "3", ...(from && { from }) });
      assert.equal(page.prev_batch, from);
      got.push(...ids(page));
      from = page.next_batch;
      if (dir === "b") await react(alice, room, root, `later ${got.length}`);
    } while (from);
    assert.deepEqual(got.slice(0, 7), expected);
  }
});

test("a page that is just full is the last one", async () => {
  const { alice, room } = await roomOfTwo();
  const root = await alice.say(room, "root");
  for (const key of "ab") await react(alice, room, root, key);
  assert.equal((await relations(alice, room, root, "", { limit: "2" })).next_batch, undefined);
  assert.ok((await relations(alice, room, root, "", { limit: "1" })).next_batch);
});

test("`to` ends the reading, and tokens of /sync and /messages are good too", async () => {
  const { alice, room } = await roomOfTwo();
  const root = await alice.say(room, "root");
  const a = await react(alice, room, root, "a");
  const { next_batch } = await alice.sync();
  const b = await react(alice, room, root, "b");
  assert.deepEqual(ids(await relations(alice, room, root, "", { to: next_batch })), [b]);
  assert.deepEqual(ids(await relations(alice, room, root, "", { from: next_batch })), [a]);
  assert.deepEqual(ids(await relations(alice, room, root, "", { from: next_batch, dir: "f" })), [b]);
  const { start } = await alice.messages(room);
  assert.deepEqual(ids(await relations(alice, room, root, "", { from: start })), [b, a]);
});

test("recursion finds what relates to relations, three levels deep", async () => {
  const { alice, room } = await roomOfTwo();
  const root = await alice.say(room, "root");
  const one = await reply(alice, room, root, "one");
  const two = await react(alice, room, one, "two");
  const three = await alice.event(room, "org.example.x", relate("org.example.x", two));
  await alice.event(room, "org.example.x", relate("org.example.x", three));
  const r = await relations(alice, room, root, "", { recurse: "true" });
  assert.deepEqual(ids(r), [three, two, one]);
  assert.equal(r.recursion_depth, 3);
  // The types say which events are wanted, not which way leads there.
  assert.deepEqual(ids(await relations(alice, room, root, "/m.annotation", { recurse: "true" })), [two]);
  assert.deepEqual(ids(await relations(alice, room, root, "/m.annotation/m.reaction", { recurse: "true" })), [two]);
  const first = await relations(alice, room, root, "", { recurse: "true", limit: "2" });
  assert.deepEqual(ids(first), [three, two]);
  assert.deepEqual(ids(await relations(alice, room, root, "", { recurse: "true", from: first.next_batch })), [one]);
  assert.equal((await relations(alice, room, root, "", { recurse: "false" })).recursion_depth, 0);
});

test("relations come with their own aggregations; redacted ones are gone", async () => {
  const { alice, bob, room } = await roomOfTwo();
  const root = await alice.say(room, "root");
  const a = await reply(bob, room, root, "a");
  const b = await reply(bob, room, root, "b");
  const edit = await bob.say(room, "* better", { "m.new_content": { msgtype: "m.text", body: "better" }, ...relate("m.replace", a) });
  const r = await relations(alice, room, root, "/m.thread");
  assert.deepEqual(ids(r), [b, a]);
  assert.equal(r.chunk[1].unsigned["m.relations"]["m.replace"].event_id, edit);
  await bob.redact(room, b);
  assert.deepEqual(ids(await relations(alice, room, root)), [a]);
});

test("relations of what one may not see, and from whom one may not see, are kept", async () => {
  const { alice, bob, room } = await roomOfTwo();
  const carol = await hs.user("carol");
  const root = await alice.say(room, "root");
  const a = await react(bob, room, root, "a");
  const elsewhere = await alice.createRoom();
  await carol.fails(404, "M_NOT_FOUND", "GET", v1(room, `relations/${E(root)}`));
  await alice.fails(404, "M_NOT_FOUND", "GET", v1(elsewhere, `relations/${E(root)}`));
  await alice.fails(404, "M_NOT_FOUND", "GET", v1(room, "relations/%24none"));
  await alice.fails(404, "M_NOT_FOUND", "GET", v1("!none:localhost", `relations/${E(root)}`));
  await bob.leave(room);
  const late = await react(alice, room, root, "late");
  assert.deepEqual(ids(await relations(bob, room, root)), [a]);
  assert.deepEqual(ids(await relations(alice, room, root)), [late, a]);
  await alice.setAccountData("m.ignored_user_list", { ignored_users: { [bob.id]: {} } });
  assert.deepEqual(ids(await relations(alice, room, root)), [late]);
});

test("bad questions about relations are refused", async () => {
  const { alice, room } = await roomOfTwo();
  const root = await alice.say(room, "root");
  for (const q of ["dir=x", "limit=0", "limit=-1", "limit=x", "from=nonsense", "to=nonsense", "recurse=maybe"]) {
    await alice.fails(400, "M_INVALID_PARAM", "GET", v1(room, `relations/${E(root)}?${q}`));
  }
  await hs.fails(401, "M_MISSING_TOKEN", "GET", v1(room, `relations/${E(root)}`));
});

// ---- edits

const editOf = (event_id, body) => ({ msgtype: "m.text", body: `* ${body}`, "m.new_content": { msgtype: "m.text", body }, ...relate("m.replace", event_id) });
const edit = (user, room, event_id, body) => user.event(room, "m.room.message", editOf(event_id, body));
const bundles = async (user, room, event_id) => (await user.getEvent(room, event_id)).unsigned["m.relations"] ?? {};

test("an edit has no edit of its own, and what is edited has its newest", async () => {
  const { alice, bob, room } = await roomOfTwo();
  const first = await alice.say(room, "first");
  const one = await edit(alice, room, first, "one");
  await edit(alice, room, one, "edit of the edit");
  await edit(bob, room, first, "somebody else's");
  await alice.event(room, "org.example.other", editOf(first, "another type"));
  await alice.say(room, "* nothing new", relate("m.replace", first));
  for (const who of [alice, bob]) {
    assert.equal((await bundles(who, room, first))["m.replace"].event_id, one);
    assert.equal((await bundles(who, room, one))["m.replace"], undefined);
  }
  const inSync = (await bob.sync()).rooms.join[room].timeline.events.find(e => e.event_id === one);
  assert.equal(inSync.unsigned["m.relations"], undefined);
  const two = await edit(alice, room, first, "two");
  assert.equal((await bundles(bob, room, first))["m.replace"].event_id, two);
  await alice.redact(room, two);
  assert.equal((await bundles(bob, room, first))["m.replace"].event_id, one);
  const named = await alice.setState(room, "m.room.name", "", { name: "x" });
  await alice.event(room, "m.room.name", { name: "* y", "m.new_content": { name: "y" }, ...relate("m.replace", named) });
  assert.equal((await bundles(bob, room, named))["m.replace"], undefined);
});

test("the newest edit is the one that was made last, then the one with the greatest id, however they came", OWN_SERVER, async () => {
  const alice = await hs.user("alice");
  const room = await alice.createRoom({ preset: "public_chat" });
  const ghost = await service.ghost(hs);
  await ghost.join(room);
  let txn = 0;
  const send = async (ts, content) => (await ghost.put(`/rooms/${E(room)}/send/m.room.message/${txn++}?ts=${ts}`, content)).event_id;
  const original = await send(1000, { msgtype: "m.text", body: "x" });
  const newest = async () => (await bundles(alice, room, original))["m.replace"].event_id;
  const last = await send(9000, editOf(original, "made last"));
  for (let i = 0; i < 6; i++) await send(2000 + i, editOf(original, "came later"));
  assert.equal(await newest(), last);
  await send(9500, { msgtype: "m.text", body: "* no new content", ...relate("m.replace", original) });
  for (let i = 0; i < 5; i++) await send(9501, { msgtype: "m.text", body: `* none ${i}`, ...relate("m.replace", original) });
  assert.equal(await newest(), last, "what is no edit does not stand before it");
  const twins = [last];
  for (let i = 0; i < 4; i++) twins.push(await send(9000, editOf(original, `twin ${i}`)));
  assert.equal(await newest(), twins.sort().at(-1));
});

// ---- rooms

test("what is said in one room of another's event is in neither", async () => {
  const { alice, bob, room } = await roomOfTwo();
  const root = await alice.say(room, "root"), edited = await alice.say(room, "edited");
  const elsewhere = await alice.createRoom({ preset: "public_chat" });
  await bob.join(elsewhere);
  await reply(alice, elsewhere, root, "in a thread of another room");
  await alice.say(elsewhere, "see there", relate("m.reference", root));
  await edit(alice, elsewhere, edited, "from afar");
  for (const id of [root, edited]) {
    assert.deepEqual(await bundles(bob, room, id), {});
    assert.deepEqual(ids(await relations(bob, room, id)), []);
    assert.deepEqual(ids(await relations(bob, room, id, "", { recurse: "true" })), []);
    await bob.fails(404, "M_NOT_FOUND", "GET", v1(elsewhere, `relations/${E(id)}`));
  }
  assert.deepEqual(ids(await threads(bob, elsewhere)), []);
  assert.deepEqual(ids(await threads(bob, room)), []);
  // One may have the same word for both: what was said elsewhere is no duplicate here, nor does a filter find it.
  await react(bob, elsewhere, root, "a");
  const filter = JSON.stringify({ related_by_senders: [bob.id] });
  assert.deepEqual(ids(await alice.messages(room, { filter })), []);
  await react(bob, room, root, "a");
  assert.deepEqual(ids(await alice.messages(room, { filter })), [root]);
});

// ---- threads

test("a thread starts on what relates to nothing", async () => {
  const { alice, bob, room } = await roomOfTwo();
  const root = await alice.say(room, "root"), inThread = await reply(alice, room, root, "in it");
  const related = [inThread, await react(alice, room, root, "x"), await edit(alice, room, root, "y"), await alice.say(room, "z", relate("m.reference", root)),
    await alice.say(room, "answer", { "m.relates_to": { "m.in_reply_to": { event_id: root } } }), await alice.say(room, "odd", { "m.relates_to": {} })];
  for (const id of related) {
    for (const who of [alice, bob]) {
      const e = await who.fails(400, "M_UNKNOWN", "PUT", `/rooms/${E(room)}/send/m.room.message/${who.nextTxn()}`, { msgtype: "m.text", body: "x", ...relate("m.thread", id) });
      assert.match(e.error, /thread/);
    }
    await alice.say(room, "other relations may", relate("m.reference", id));
  }
  assert.deepEqual(ids(await threads(alice, room)), [root]);
  // What is redacted relates to nothing any more; what nobody has seen may be anything.
  await alice.redact(room, inThread);
  await reply(bob, room, inThread, "on what is gone");
  await reply(bob, room, "$nobody_has_seen_it", "on the unknown");
  await reply(bob, room, root, "in it");
  assert.equal((await bundles(alice, room, root))["m.thread"].count, 1);
});

test("threads are listed by their latest reply, with what is bundled", async () => {
  const { alice, bob, room } = await roomOfTwo();
  const [one, two, three] = [await alice.say(room, "1"), await alice.say(room, "2"), await bob.say(room, "3")];
  await alice.say(room, "no thread", relate("m.reference", three));
  await reply(alice, room, one, "a");
  await reply(alice, room, two, "b");
  await reply(bob, room, three, "c");
  const last = await reply(bob, room, one, "d");
  const r = await threads(alice, room);
  assert.deepEqual(ids(r), [one, three, two]);
  assert.equal(r.next_batch, undefined);
  const bundle = r.chunk[0].unsigned["m.relations"]["m.thread"];
  assert.equal(bundle.count, 2);
  assert.equal(bundle.latest_event.event_id, last);
  assert.equal(bundle.current_user_participated, true);
  assert.deepEqual(ids(await threads(alice, room, { include: "participated" })), [one, two]);
  assert.deepEqual(ids(await threads(bob, room, { include: "participated" })), [one, three]);
  // When the latest reply goes, the one before counts.
  await bob.redact(room, last);
  assert.deepEqual(ids(await threads(alice, room)), [three, two, one]);
});

test("threads come in pages", async () => {
  const { alice, room } = await roomOfTwo();
  const roots = [];
  for (let i = 0; i < 5; i++) roots.push(await alice.say(room, `root ${i}`));
  for (const root of roots) { await reply(alice, room, root, "x"); await reply(alice, room, root, "y"); }
  const got = [];
  let from;
  do {
    const page = await threads(alice, room, { limit: "2", ...(from && { from }) });
    got.push(...ids(page));
    from = page.next_batch;
  } while (from);
  assert.deepEqual(got, [...roots].reverse());
});

test("who has left sees the threads of their time; the root of an ignored user comes redacted", async () => {
  const { alice, bob, room } = await roomOfTwo();
  const one = await bob.say(room, "one"), two = await alice.say(room, "two");
  await reply(alice, room, one, "a");
  await reply(alice, room, two, "b");
  await bob.leave(room);
  await reply(alice, room, one, "c");
  const three = await alice.say(room, "three");
  await reply(alice, room, three, "d");
  assert.deepEqual(ids(await threads(bob, room)), [two, one]);
  assert.deepEqual(ids(await threads(alice, room)), [three, one, two]);
  await alice.setAccountData("m.ignored_user_list", { ignored_users: { [bob.id]: {} } });
  const root = (await threads(alice, room)).chunk.find(e => e.event_id === one);
  assert.deepEqual(root.content, {});
  assert.equal(root.unsigned["m.relations"]["m.thread"].count, 2);
});

test("threads are for who may read the room, and bad questions are refused", async () => {
  const { alice, room } = await roomOfTwo({ preset: "private_chat", initial_state: [{ type: "m.room.join_rules", content: { join_rule: "public" } }] });
  const carol = await hs.user("carol");
  await carol.fails(403, "M_FORBIDDEN", "GET", v1(room, "threads"));
  await alice.fails(403, "M_FORBIDDEN", "GET", v1("!none:localhost", "threads"));
  for (const q of ["include=some", "limit=0", "from=nonsense"]) {
    await alice.fails(400, "M_INVALID_PARAM", "GET", v1(room, `threads?${q}`));
  }
});

// ---- the event at a time

const at = (user, room, ts, dir) => user.get(v1(room, `timestamp_to_event?ts=${ts}&dir=${dir}`));

test("the nearest event is found in both directions", async () => {
  const { alice, room } = await roomOfTwo();
  const events = [];
  for (const body of ["a", "b", "c"]) {
    events.push(await alice.getEvent(room, await alice.say(room, body)));
    await new Promise(resolve => setTimeout(resolve, 3)); // so that each has a time of its own
  }
  const [a, b, c] = events;
  assert.deepEqual(await at(alice, room, b.origin_server_ts, "f"), { event_id: b.event_id, origin_server_ts: b.origin_server_ts });
  assert.equal((await at(alice, room, b.origin_server_ts, "b")).event_id, b.event_id);
  assert.equal((await at(alice, room, b.origin_server_ts - 1, "b")).event_id, a.event_id);
  assert.equal((await at(alice, room, b.origin_server_ts + 1, "f")).event_id, c.event_id);
  assert.equal((await at(alice, room, c.origin_server_ts + 99999, "b")).event_id, c.event_id);
  await alice.fails(404, "M_NOT_FOUND", "GET", v1(room, `timestamp_to_event?ts=${c.origin_server_ts + 99999}&dir=f`));
  await alice.fails(404, "M_NOT_FOUND", "GET", v1(room, "timestamp_to_event?ts=1&dir=b"));
});

test("the event at a time is one that may be seen", async () => {
  const { alice, bob, room } = await roomOfTwo({ initial_state: [{ type: "m.room.history_visibility", content: { history_visibility: "joined" } }] });
  const seen = await alice.getEvent(room, await alice.say(room, "seen"));
  await bob.leave(room);
  const ts = seen.origin_server_ts;
  await alice.say(room, "unseen");
  const carol = await hs.user("carol");
  await carol.fails(403, "M_FORBIDDEN", "GET", v1(room, `timestamp_to_event?ts=${ts}&dir=f`));
  await carol.join(room);
  const found = await at(carol, room, ts, "f");
  assert.equal((await carol.getEvent(room, found.event_id)).state_key, carol.id);
  const left = await at(bob, room, Date.now() + 1000, "b");
  assert.equal((await bob.getEvent(room, left.event_id)).state_key, bob.id);
  for (const [code, q] of [["M_MISSING_PARAM", "dir=f"], ["M_MISSING_PARAM", "ts=1"], ["M_INVALID_PARAM", "ts=x&dir=f"], ["M_INVALID_PARAM", "ts=1&dir=x"]]) {
    await alice.fails(400, code, "GET", v1(room, `timestamp_to_event?${q}`));
  }
});
