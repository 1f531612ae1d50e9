// SPDX-License-Identifier: Apache-2.0
// What is deleted for good: expired messages, contents of redacted events, old history, whole rooms.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import path from "node:path";
import { DatabaseSync } from "node:sqlite";
import test from "node:test";
import { E, EXTERNAL, OWN_SERVER, POSTGRES, eventually, timeline, unique, useServer, withServer } from "./harness.mjs";

const hs = useServer({ config: { retention: { enabled: true, purge_every: "1s" }, redaction: { keep_for: "1s" }, rooms: { forgotten_retention: "1s" } } });
const v1 = (room, rest) => `/_matrix/client/v1/rooms/${E(room)}/${rest}`;
const NO_SQL = EXTERNAL ? { skip: "looks into the database" } : {};

/** First column of a query's rows, as text. */
function rows(server, sql) {
  if (POSTGRES) {
    const url = Object.assign(new URL(POSTGRES), { pathname: `/${server.database}` }).href;
    return execFileSync("psql", ["-XqAt", "-c", sql, url], { encoding: "utf8" }).split("\n").filter(Boolean);
  }
  const db = new DatabaseSync(path.join(server.dir, "ingot.db"), { readOnly: true });
  try { return db.prepare(sql).all().map(r => String(Object.values(r)[0])); } finally { db.close(); }
}
const stored = (server, id) => rows(server, `SELECT event_id FROM events WHERE event_id = '${id}'`).length === 1;
const roomNid = (server, room) => rows(server, `SELECT nid FROM rooms WHERE room_id = '${room}'`)[0];

/** The answers of all paths by which `user` could read the event, as text. */
async function everyPath(server, user, room, id, word) {
  const get = async target => (await server.req("GET", target, { token: user.token })).raw.toString();
  const search = await server.req("POST", "/search", { token: user.token, body: { search_categories: { room_events: { search_term: word, event_context: {} } } } });
  return {
    event: await get(`/rooms/${E(room)}/event/${E(id)}`),
    context: await get(`/rooms/${E(room)}/context/${E(id)}?limit=20`),
    messages: await get(`/rooms/${E(room)}/messages?dir=b&limit=100`),
    forward: await get(`/rooms/${E(room)}/messages?dir=f&limit=100`),
    relations: await get(v1(room, `relations/${E(id)}`)),
    threads: await get(v1(room, "threads")),
    time: await get(v1(room, `timestamp_to_event?ts=0&dir=f`)),
    sync: JSON.stringify(await user.sync({ filter: { room: { timeline: { limit: 100 } } } })),
    initialSync: await get(`/rooms/${E(room)}/initialSync?limit=100`),
    notifications: await get("/notifications"),
    search: JSON.stringify({ ...search.body.search_categories.room_events, highlights: [] }),
  };
}

async function nobodyShows(server, user, room, id, word) {
  for (const [name, text] of Object.entries(await everyPath(server, user, room, id, word))) assert.equal(text.includes(word), false, `${name}: ${text.slice(0, 500)}`);
}

// ---- retention

test("an expired message is hidden on every path at once, while the database still has it", OWN_SERVER, async () => {
  await withServer({ config: { retention: { enabled: true, purge_every: "365d" } } }, async s => {
    await eventually("the first round of the purge, the last for a year", () => rows(s, "SELECT progress FROM background_tasks WHERE name = 'retention'")[0]?.includes('"is_over":true'));
    const [alice, bob] = await s.users("alice", "bob");
    const room = await alice.createRoom({ preset: "public_chat" });
    await bob.join(room);
    const word = unique("secret");
    const old = await alice.say(room, `${word} ${bob.id}`, { "m.mentions": { user_ids: [bob.id] } });
    await alice.event(room, "m.room.message", { msgtype: "m.text", body: `${word} reply`, "m.relates_to": { rel_type: "m.thread", event_id: old } });
    const paths = await everyPath(s, bob, room, old, word);
    for (const [name, text] of Object.entries(paths)) {
      if (name !== "time") assert.ok(text.includes(word), `${name} does not show it before: ${text.slice(0, 300)}`);
    }
    await alice.setState(room, "m.room.retention", "", { max_lifetime: 1 });
    await nobodyShows(s, bob, room, old, word);
    await nobodyShows(s, alice, room, old, word);
    assert.ok(stored(s, old));
    assert.ok((await bob.getState(room, "m.room.retention")).max_lifetime, "state does not expire");
    await alice.setState(room, "m.room.retention", "", { max_lifetime: 3600000 });
    await bob.getEvent(room, old);
  });
});

test("expired messages are deleted, and state and the newest event stay", NO_SQL, async () => {
  const [alice, bob] = await hs.users("alice", "bob");
  const room = await alice.createRoom({ preset: "public_chat", topic: "kept" });
  await bob.join(room);
  const said = [];
  for (let i = 0; i < 5; i++) said.push(await alice.say(room, `message ${i}`));
  await bob.receipt(room, said[1]);
  await alice.setState(room, "m.room.retention", "", { max_lifetime: 1 });
  const last = await alice.say(room, "the newest");
  await eventually("the messages are deleted", () => said.every(id => !stored(hs, id)));
  assert.ok(stored(hs, last), "the newest event stays: the next one points to it");
  assert.equal((await alice.getState(room, "m.room.topic")).topic, "kept");
  await bob.sync();
  await bob.receipt(room, last);
  await alice.setState(room, "m.room.retention", "", {});
  const after = await alice.say(room, "after");
  assert.deepEqual((await bob.messages(room)).chunk.filter(e => e.type === "m.room.message").map(e => e.event_id), [after, last]);
  assert.equal(rows(hs, `SELECT r.event_nid FROM relations r LEFT JOIN events e ON e.nid = r.event_nid WHERE e.nid IS NULL`).length, 0);
  assert.equal(rows(hs, `SELECT n.position FROM search_events n LEFT JOIN events e ON e.nid = n.event_nid WHERE e.nid IS NULL`).length, 0);
});

test("the server's bounds and its default apply where a room asks for other or for nothing", OWN_SERVER, async () => {
  await withServer({ config: { retention: { enabled: true, default_max_lifetime: "1ms", allowed_lifetime_min: "1h" } } }, async s => {
    const alice = await s.user("alice");
    const room = await alice.createRoom();
    const id = await alice.say(room, "kept an hour, whatever the default");
    await alice.setState(room, "m.room.retention", "", { max_lifetime: 1 });
    await alice.getEvent(room, id);
    s.editConfig(c => { delete c.retention.allowed_lifetime_min; c.retention.allowed_lifetime_max = "1ms"; });
    await s.restart();
    await alice.setState(room, "m.room.retention", "", { max_lifetime: 3600000 });
    await alice.fails(404, "M_NOT_FOUND", "GET", `/rooms/${E(room)}/event/${E(id)}`);
  });
});

test("a retention policy that makes no sense is refused", async () => {
  const alice = await hs.user("alice");
  const room = await alice.createRoom();
  const target = `/rooms/${E(room)}/state/m.room.retention/`;
  await alice.fails(400, "M_BAD_JSON", "PUT", target, { max_lifetime: "long" });
  await alice.fails(400, "M_BAD_JSON", "PUT", target, { max_lifetime: 1000, min_lifetime: 2000 });
  await alice.put(target, { max_lifetime: 86400000, min_lifetime: null });
});

// ---- redaction

test("what was redacted leaves no path any more, and after a time not the database either", NO_SQL, async () => {
  const [alice, bob] = await hs.users("alice", "bob");
  const room = await alice.createRoom({ preset: "public_chat" });
  await bob.join(room);
  const word = unique("secret");
  const id = await alice.say(room, `${word} ${bob.id}`, { "m.mentions": { user_ids: [bob.id] } });
  const topic = await alice.setState(room, "m.room.topic", "", { topic: word });
  await alice.setState(room, "m.room.topic", "", { topic: "other" });
  await bob.say(room, "in between");
  const redaction = await alice.redact(room, id);
  await alice.redact(room, topic);
  for (const who of [alice, bob]) await nobodyShows(hs, who, room, id, word);
  assert.equal(JSON.stringify(await bob.get(`/rooms/${E(room)}/state`)).includes(word), false, "prev_content");
  await eventually("the originals are gone", () => rows(hs, `SELECT nid FROM events WHERE client_json LIKE '%${word}%'`).length === 0);
  for (const who of [alice, bob]) await nobodyShows(hs, who, room, id, word);
  const ev = await bob.getEvent(room, id);
  assert.deepEqual([ev.content, ev.unsigned.redacted_because.event_id], [{}, redaction]);
  assert.equal((await alice.getState(room, "m.room.topic")).topic, "other");
  await alice.say(room, "the room goes on");
});

test("a redacted state event keeps its redaction when the history around it is purged", NO_SQL, async () => {
  const alice = await hs.user("alice");
  const room = await alice.createRoom();
  await alice.setState(room, "m.room.name", "", { name: "a bad name" });
  const name = (await alice.get(`/rooms/${E(room)}/state/m.room.name/?format=event`)).event_id;
  const said = await alice.say(room, "a");
  const redaction = await alice.redact(room, name);
  await alice.say(room, "b");
  const r = await hs.command(["room", "purge-history", room, "--before", "0s", "--config", hs.configFile, "--json"]);
  assert.equal(r.status, 0, r.stderr);
  assert.equal(JSON.parse(r.stdout).deleted, 1);
  assert.equal(stored(hs, said), false);
  const ev = await alice.getEvent(room, name);
  assert.equal(ev.unsigned.redacted_because.event_id, redaction);
});

// ---- the administrator's commands

const ingot = async (s, ...args) => {
  const r = await s.command(["room", ...args, "--config", s.configFile]);
  return { ...r, lines: r.stdout.trim().split("\n") };
};
async function done(s, ...args) {
  const r = await ingot(s, ...args);
  assert.equal(r.status, 0, r.stderr);
  return r.stdout.trim();
}

test("room purge-history deletes what is older than an event, a day or an age", NO_SQL, async () => {
  const [alice, bob] = await hs.users("alice", "bob");
  const room = await alice.createRoom({ preset: "public_chat" });
  await bob.join(room);
  const said = [];
  for (let i = 0; i < 250; i++) said.push(await alice.say(room, `message ${i}`));
  const thread = await bob.event(room, "m.room.message", { msgtype: "m.text", body: "in a thread", "m.relates_to": { rel_type: "m.thread", event_id: said[0] } });
  assert.equal(JSON.parse(await done(hs, "purge-history", room, "--before", "1970-01-02", "--json")).deleted, 0);
  assert.equal(await done(hs, "purge-history", room, "--before", said[240], "--dry-run"), "Would delete 240 events.");
  assert.equal(JSON.parse(await done(hs, "purge-history", room, "--before", "0s", "--dry-run", "--json")).deleted, 250);
  assert.ok(said.every(id => stored(hs, id)), "a trial deletes nothing");
  assert.equal(JSON.parse(await done(hs, "purge-history", room, "--before", said[240], "--json")).deleted, 240);
  assert.deepEqual(said.map(id => stored(hs, id)), said.map((_, i) => i >= 240));
  const seen = [];
  for (let from, page; !page || page.end; from = page.end) {
    page = await bob.messages(room, { limit: "7", ...(from ? { from } : {}) });
    seen.push(...page.chunk.filter(e => e.type === "m.room.message").map(e => e.event_id));
  }
  assert.deepEqual(seen, [thread, ...said.slice(240).reverse()]);
  assert.deepEqual((await bob.get(v1(room, "threads"))).chunk, [], "the thread's root is gone");
  await bob.fails(404, "M_NOT_FOUND", "GET", v1(room, `relations/${E(said[0])}`));
  const joined = await bob.sync({ filter: { room: { timeline: { limit: 20 } } } });
  assert.equal(timeline(joined, room).filter(e => e.type === "m.room.message").length, 11);
  await hs.restart();
  assert.equal((await bob.sync()).rooms.join[room].unread_notifications.notification_count, 10, "counts are of what is there");
  const again = await alice.say(room, "again");
  await bob.getEvent(room, again);
  const wrong = await ingot(hs, "purge-history", room, "--before", "yesterday");
  assert.equal(wrong.status, 1);
  assert.match(wrong.stderr, /2026-01-31/);
});

test("a blocked room takes no events, joins, invitations and aliases, but people may leave", OWN_SERVER, async () => {
  const [alice, bob, carol] = await hs.users("alice", "bob", "carol");
  const room = await alice.createRoom({ preset: "public_chat", visibility: "public", name: unique("blocked") });
  await bob.join(room);
  assert.match(await done(hs, "block", room), /Blocked/);
  for (let round = 0; round < 2; round++) {
    await alice.fails(403, "M_FORBIDDEN", "PUT", `/rooms/${E(room)}/send/m.room.message/${round}`, { body: "x", msgtype: "m.text" });
    await carol.fails(403, "M_FORBIDDEN", "POST", `/join/${E(room)}`, {});
    await alice.fails(403, "M_FORBIDDEN", "POST", `/rooms/${E(room)}/invite`, { user_id: carol.id });
    await alice.fails(403, "M_FORBIDDEN", "PUT", `/directory/room/${E(`#${unique("a")}:localhost`)}`, { room_id: room });
    const { chunk } = await carol.get("/publicRooms?limit=1000");
    assert.equal(chunk.some(r => r.room_id === room), false, "not in the directory");
    if (round === 0) await hs.restart();
  }
  await bob.leave(room);
  assert.match(await done(hs, "show", room), /blocked +true/);
  await done(hs, "unblock", room);
  await carol.join(room);
  await alice.say(room, "open again");
  assert.match(await done(hs, "block", "!nobody_knows:elsewhere.example"), /Blocked/);
  await carol.fails(403, "M_FORBIDDEN", "POST", `/join/${E("!nobody_knows:elsewhere.example")}`, {});
});

test("room list and room show tell what there is", OWN_SERVER, async () => {
  const [alice, bob] = await hs.users("alice", "bob");
  const name = unique("listed");
  const room = await alice.createRoom({ preset: "public_chat", name, room_alias_name: name });
  await bob.join(room);
  const line = (await done(hs, "list", "--json")).split("\n").map(l => JSON.parse(l)).find(r => r.room_id === room);
  assert.deepEqual([line.name, line.members, line.local_members, line.version, line.blocked], [name, 2, 2, "12", false]);
  const shown = JSON.parse(await done(hs, "show", `#${name}:localhost`, "--json"));
  assert.deepEqual([shown.room_id, shown.aliases, shown.join_rule], [room, [`#${name}:localhost`], "public"]);
  assert.ok((await done(hs, "list")).includes(room));
  const none = await ingot(hs, "show", "!none:localhost");
  assert.equal(none.status, 1);
  assert.match(none.stderr, /knows no room/);
});

test("room delete removes everybody with a reason, closes the room and deletes all of it", NO_SQL, async () => {
  const [alice, bob, carol] = await hs.users("alice", "bob", "carol");
  const name = unique("doomed");
  const room = await alice.createRoom({ preset: "public_chat", name, room_alias_name: name, visibility: "public" });
  await bob.join(room);
  await alice.invite(room, carol);
  for (let i = 0; i < 120; i++) await alice.say(room, `${name} ${i}`);
  await bob.receipt(room, await alice.say(room, "last"));
  await alice.setRoomAccountData(room, "m.tag", { tags: { u: {} } });
  const nid = roomNid(hs, room);
  const stream = await bob.stream();
  assert.match(await done(hs, "delete", room, "--reason", "against the rules"), /^3 people removed/);
  const left = await stream.until("bob is out", r => r.rooms?.leave?.[room]);
  assert.equal(left.timeline.events.find(e => e.type === "m.room.member" && e.state_key === bob.id).content.reason, "against the rules");
  await hs.fails(404, "M_NOT_FOUND", "GET", `/directory/room/${E(`#${name}:localhost`)}`);
  assert.ok((await alice.messages(room)).chunk.length > 0, "without --purge it can still be read");
  await done(hs, "delete", room, "--purge", "--block");
  const tables = ["events", "room_members", "receipts", "account_data", "relations", "search_events", "room_aliases"];
  for (const t of tables) assert.deepEqual(rows(hs, `SELECT room_nid FROM ${t} WHERE room_nid = ${nid}`), [], t);
  assert.deepEqual(rows(hs, `SELECT nid FROM rooms WHERE nid = ${nid}`), []);
  await alice.fails(403, "M_FORBIDDEN", "POST", `/join/${E(room)}`, {});
  for (const who of [alice, bob, carol]) {
    const s = await who.sync({ filter: { room: { include_leave: true } } });
    assert.equal(JSON.stringify(s.rooms).includes(room), false);
  }
  const { search_categories } = await alice.post("/search", { search_categories: { room_events: { search_term: name } } });
  assert.equal(search_categories.room_events.count, 0);
  await stream.next();
});

test("clients that were away hear of a deleted room that they have left it", OWN_SERVER, async () => {
  const [alice, bob, carol] = await hs.users("alice", "bob", "carol");
  const room = await alice.createRoom({ preset: "public_chat" });
  for (const who of [bob, carol]) await who.join(room);
  const [away, waiting] = [await bob.stream(), await alice.stream()];
  await carol.leave(room);
  await carol.post(`/rooms/${E(room)}/forget`);
  const forgot = await carol.stream();
  await done(hs, "delete", room, "--purge");
  await waiting.until("the room is gone", r => r.rooms?.leave?.[room]);
  await hs.restart();
  const back = await away.next();
  assert.ok(back.rooms.leave[room]);
  assert.equal((await away.next()).rooms?.leave?.[room], undefined, "once");
  assert.equal((await forgot.next()).rooms?.leave?.[room], undefined, "that room had been forgotten");
  assert.equal(JSON.stringify((await bob.sync()).rooms).includes(room), false);
});

test("the state of a deleted room goes with it, and that of others stays", NO_SQL, async () => {
  const alice = await hs.user("alice");
  const [kept, gone] = [await alice.createRoom({ name: "kept" }), await alice.createRoom({ name: "gone" })];
  for (const room of [kept, gone]) for (let i = 0; i < 40; i++) await alice.setState(room, "org.example.state", `key${i}`, { i });
  const before = rows(hs, "SELECT count(*) FROM state_nodes")[0];
  await done(hs, "delete", gone, "--purge");
  const after = rows(hs, "SELECT count(*) FROM state_nodes")[0];
  assert.ok(Number(before) - Number(after) >= 40, `${before} ${after}`);
  await hs.restart();
  assert.ok((await alice.get(`/rooms/${E(kept)}/state`)).length >= 46);
});

test("a room is deleted when the last who remembers it has forgotten it", NO_SQL, async () => {
  const [alice, bob] = await hs.users("alice", "bob");
  const room = await alice.createRoom({ preset: "public_chat" });
  const other = await alice.createRoom({ preset: "public_chat" });
  for (const r of [room, other]) await bob.join(r);
  for (const r of [room, other]) for (const who of [alice, bob]) await who.leave(r);
  for (const r of [room, other]) await alice.post(`/rooms/${E(r)}/forget`);
  await bob.post(`/rooms/${E(room)}/forget`);
  await eventually("the room is gone", () => roomNid(hs, room) === undefined);
  assert.ok(roomNid(hs, other), "bob remembers the other one");
  assert.ok((await bob.messages(other)).chunk.length > 0);
  await alice.fails(403, "M_FORBIDDEN", "POST", `/join/${E(room)}`, {}); // as if there were one that does not let alice in
});

// ---- disk

const bytesOf = s => Number(rows(s, "SELECT page_count * page_size FROM pragma_page_count(), pragma_page_size()")[0]);
/** Until 80 % of nine tenths of what was filled has gone back to the file system. */
const givenBack = (s, before, filled) => {
  const wanted = filled - 0.8 * 0.9 * (filled - before);
  // The server's tasks take turns, each a fifth of the time.
  return eventually(`the file of ${filled} bytes has at most ${wanted}`, () => bytesOf(s) <= wanted, 120_000, 200);
};
async function sayMuch(user, room, n) {
  const said = [];
  while (said.length < n) said.push(...await Promise.all(Array.from({ length: 40 }, (_, i) => user.say(room, `${said.length + i} ${"long ".repeat(1000)}`))));
  return said;
}

test("retention of most of a room's history gives its bytes back", POSTGRES || EXTERNAL ? { skip: "SQLite's file" } : {}, async () => {
  await withServer({}, async s => {
    const alice = await s.user("alice");
    const room = await alice.createRoom(), MESSAGES = 800, before = bytesOf(s);
    const said = await sayMuch(alice, room, MESSAGES);
    const filled = bytesOf(s);
    await s.stop();
    const db = new DatabaseSync(path.join(s.dir, "ingot.db"));
    db.prepare("UPDATE events SET received_ts = received_ts - 172800000 WHERE position < (SELECT position FROM events WHERE event_id = ?)").run(said[MESSAGES * 0.9]);
    db.close();
    s.editConfig(c => { c.retention = { enabled: true, default_max_lifetime: "1d", purge_every: "1s" }; });
    await s.start();
    await givenBack(s, before, filled);
    const left = (await alice.messages(room, { limit: "1000" })).chunk.filter(e => e.type === "m.room.message").map(e => e.event_id);
    assert.ok(left.length <= MESSAGES * 0.1 + 40 && left.length >= MESSAGES * 0.1 - 40, `${left.length} are left`);
    const check = await s.command(["db", "check", "--config", s.configFile]);
    assert.equal(check.status, 0, check.stdout);
  });
});

test("purging most of a room's history gives its bytes back while the server runs", POSTGRES || EXTERNAL ? { skip: "SQLite's file" } : {}, async () => {
  await withServer({}, async s => {
    const alice = await s.user("alice");
    const room = await alice.createRoom(), MESSAGES = 800, before = bytesOf(s);
    const said = await sayMuch(alice, room, MESSAGES);
    const filled = bytesOf(s);
    const r = await s.command(["room", "purge-history", room, "--before", said[MESSAGES * 0.9], "--config", s.configFile, "--json"]);
    assert.equal(r.status, 0, r.stderr);
    assert.ok(JSON.parse(r.stdout).deleted >= MESSAGES * 0.85);
    await givenBack(s, before, filled);
    assert.equal((await alice.messages(room, { limit: "5" })).chunk.length, 5);
    const check = await s.command(["db", "check", "--config", s.configFile]);
    assert.equal(check.status, 0, check.stdout);
  });
});
