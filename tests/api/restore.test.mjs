// SPDX-License-Identifier: Apache-2.0
// A copy of an older moment is put back: what was acknowledged since is lost, and the clients hold tokens, keys and
// filters of the time that was lost. None of them may miss what happens from then on, and none may end in a loop of
// errors. In docs/storage.md: "After a restore".
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import fs from "node:fs";
import { test } from "node:test";
import "fake-indexeddb/auto";
import { E, OWN_SERVER, POSTGRES, accountData, eventually, find, stateOf, timeline, unique, useServer } from "./harness.mjs";

Promise.withResolvers ??= function withResolvers() { // the SDK expects a newer Node than 20
  let resolve, reject;
  const promise = new this((a, b) => { resolve = a; reject = b; });
  return { promise, resolve, reject };
};
for (const level of ["debug", "log", "info", "warn", "trace"]) console[level] = () => {}; // the SDK talks a lot
const { setTimeout: setTimer } = globalThis; // the SDK leaves long timers behind
globalThis.setTimeout = (run, ms, ...rest) => { const t = setTimer(run, ms, ...rest); return ms > 10000 ? t.unref() : t; };

const hs = useServer();
const psql = text => execFileSync("psql", ["-XqAt", "-v", "ON_ERROR_STOP=1", "-c", text, POSTGRES]);

/** Copies database and data directory aside while the server is stopped; the result puts them back in the same way. */
async function backUp() {
  const copy = `${hs.dir}-copy`, database = unique("copy");
  await hs.stop();
  fs.cpSync(hs.dir, copy, { recursive: true, filter: name => !fs.lstatSync(name).isSocket() });
  if (POSTGRES) psql(`CREATE DATABASE ${database} TEMPLATE ${hs.database}`);
  await hs.start();
  return async () => {
    await hs.stop();
    fs.rmSync(hs.dir, { recursive: true });
    fs.renameSync(copy, hs.dir);
    if (POSTGRES) { psql(`DROP DATABASE ${hs.database}`); psql(`ALTER DATABASE ${database} RENAME TO ${hs.database}`); }
    await hs.start();
  };
}

const bodies = (r, room) => timeline(r, room).map(e => e.content.body).filter(Boolean);
const signedKeys = (user, n) => Object.fromEntries(Array.from({ length: n }, (_, i) =>
  [`signed_curve25519:${unique("k")}${i}`, { key: "x".repeat(43), signatures: { [user.id]: { [`ed25519:${user.device}`]: "y".repeat(86) } } }]));

test("whoever comes with a token of a lost time hears everything from then on", OWN_SERVER, async () => {
  const [alice, bob] = await hs.users("alice", "bob");
  const room = await alice.createRoom({ preset: "public_chat", name: "as it was" });
  await bob.join(room);
  await bob.setAccountData("org.example.setting", { is: "old" });
  const stream = await bob.stream();
  const putBack = await backUp();
  for (let i = 0; i < 10; i++) await alice.say(room, `lost ${i}`);
  await alice.setState(room, "m.room.name", "", { name: "lost" });
  await bob.setAccountData("org.example.setting", { is: "lost" });
  await stream.next();
  await putBack();
  const r = await stream.next(); // does not wait, whatever the timeout
  assert.equal(r.rooms.join[room].timeline.limited, true, "what the client shows ends before a gap");
  assert.equal(find([...stateOf(r, room), ...timeline(r, room)], "m.room.name").content.name, "as it was");
  assert.deepEqual(accountData(r, "org.example.setting"), { is: "old" });
  assert.ok([alice.id, bob.id].every(u => r.device_lists.changed.includes(u)), "all keys are to be asked for again");
  const heard = [];
  for (let i = 0; i < 25; i++) {
    await alice.say(room, `new ${i}`);
    heard.push(...bodies(await stream.next(), room));
  }
  assert.deepEqual(heard, Array.from({ length: 25 }, (_, i) => `new ${i}`));
});

test("who was away while the time was lost goes on as if nothing had been", OWN_SERVER, async () => {
  const [alice, bob] = await hs.users("alice", "bob");
  const room = await alice.createRoom({ preset: "public_chat" });
  await bob.join(room);
  const stream = await bob.stream();
  const putBack = await backUp();
  await alice.say(room, "lost");
  await putBack();
  await alice.say(room, "new");
  const r = await stream.next();
  assert.deepEqual(bodies(r, room), ["new"]);
  assert.equal(r.rooms.join[room].timeline.limited, false);
  assert.deepEqual(stateOf(r, room), []);
});

test("a room that was entered in the lost time is told as left", OWN_SERVER, async () => {
  const [alice, bob] = await hs.users("alice", "bob");
  const room = await alice.createRoom({ preset: "public_chat" });
  await bob.join(room);
  await bob.leave(room);
  const stream = await bob.stream();
  const putBack = await backUp();
  await bob.join(room);
  assert.ok((await stream.next()).rooms.join[room]);
  await putBack();
  const r = await stream.next();
  assert.equal(r.rooms.join?.[room], undefined);
  assert.equal(find(timeline(r, room, "leave"), "m.room.member", bob.id)?.content.membership ??
    find(stateOf(r, room, "leave"), "m.room.member", bob.id)?.content.membership, "leave");
});

test("one-time keys that may have been given away are not given away again; messages to the device come", OWN_SERVER, async () => {
  const [alice, bob] = await hs.users("alice", "bob");
  const fallback = { "signed_curve25519:fallback": { key: "z".repeat(43), fallback: true, signatures: { [bob.id]: { [`ed25519:${bob.device}`]: "y".repeat(86) } } } };
  await bob.post("/keys/upload", { one_time_keys: signedKeys(bob, 5), fallback_keys: fallback });
  const stream = await bob.stream();
  assert.deepEqual(stream.last.device_unused_fallback_key_types, ["signed_curve25519"]);
  const send = n => alice.put(`/sendToDevice/org.example/${unique()}`, { messages: { [bob.id]: { [bob.device]: { n } } } });
  await send(1);
  const putBack = await backUp();
  await alice.post("/keys/claim", { one_time_keys: { [bob.id]: { [bob.device]: "signed_curve25519" } } });
  await send(2);
  await stream.next();
  await stream.next();
  await putBack();
  const r = await stream.next();
  assert.deepEqual(r.device_one_time_keys_count, { signed_curve25519: 0 });
  assert.deepEqual(r.device_unused_fallback_key_types, []);
  await bob.post("/keys/upload", { one_time_keys: signedKeys(bob, 3) });
  await send(3);
  const later = await stream.next();
  assert.deepEqual(later.device_one_time_keys_count, { signed_curve25519: 3 });
  assert.ok(later.to_device.events.some(e => e.content.n === 3));
});

test("filters, pages and lists of the lost time end in answers, not in errors", OWN_SERVER, async () => {
  const alice = await hs.user("alice");
  const room = await alice.createRoom({ preset: "public_chat" });
  for (let i = 0; i < 5; i++) await alice.say(room, `word ${i}`);
  const kept = await alice.addFilter({ room: { timeline: { limit: 1 } } });
  const putBack = await backUp();
  for (let i = 0; i < 10; i++) await alice.say(room, `lost word ${i}`);
  const lost = await alice.addFilter({ room: { timeline: { limit: 2 } } });
  const { next_batch: since } = await alice.sync();
  const search = { search_categories: { room_events: { search_term: "word", order_by: "recent", filter: { limit: 2 } } } };
  const page = (await alice.post("/search", search)).search_categories.room_events.next_batch;
  const back = (await alice.messages(room, { limit: "3" })).end;
  const parent = await alice.say(room, "lost parent");
  await putBack();
  await alice.addFilter({ room: { timeline: { limit: 7 } } }); // takes the number of the lost one
  const at = await alice.sync({ filter: lost });
  await alice.sync({ filter: lost, since: at.next_batch });
  assert.equal(timeline(await alice.sync({ filter: kept }), room).length, 1);
  await alice.fails(400, "M_INVALID_PARAM", "GET", "/sync?filter=999");
  await alice.fails(404, "M_NOT_FOUND", "GET", `/user/${E(alice.id)}/filter/${lost}`);
  for (let i = 0; i < 20; i++) await alice.say(room, `new word ${i}`);
  const older = await alice.messages(room, { from: back, limit: "50" });
  assert.deepEqual(older.chunk.filter(e => /lost/.test(e.content.body)), []);
  assert.ok(older.chunk.some(e => e.content.body === "word 4"));
  await alice.messages(room, { from: since, dir: "f" });
  await alice.get(`/rooms/${E(room)}/members?at=${since}`);
  await alice.get(`/notifications?from=${since}`);
  await alice.fails(404, "M_NOT_FOUND", "GET", `/_matrix/client/v1/rooms/${E(room)}/relations/${E(parent)}?from=${since}`);
  await alice.get(`/_matrix/client/v1/rooms/${E(room)}/threads?from=${since}`);
  await alice.get(`/events?from=${since}&timeout=0`);
  assert.ok((await alice.get(`/keys/changes?from=${since}&to=${since}`)).changed.includes(alice.id));
  await alice.post(`/search?next_batch=${page}`, search);
});

test("a backup of keys that is made anew has another version than the one that was lost", OWN_SERVER, async () => {
  const alice = await hs.user("alice");
  const make = async () => (await alice.post("/room_keys/version", { algorithm: "m.megolm_backup.v1.curve25519-aes-sha2", auth_data: { public_key: unique() } })).version;
  const putBack = await backUp();
  const lost = await make();
  await putBack();
  await eventually("the clock goes on", () => Date.now() / 1000 > Number(lost) + 1);
  assert.notEqual(await make(), lost);
});

test("two people with matrix-js-sdk go on in an encrypted room, and a third gets in", OWN_SERVER, async () => {
  const sdk = await import("matrix-js-sdk");
  const clients = [];
  const device = async prefix => {
    const user = await hs.user(prefix);
    const client = sdk.createClient({ baseUrl: hs.base, userId: user.id, deviceId: user.device, accessToken: user.token });
    await client.initRustCrypto({ useIndexedDB: false });
    client.on("RoomMember.membership", (_e, m) => { if (m.userId === user.id && m.membership === "invite") client.joinRoom(m.roomId).catch(() => {}); });
    await client.startClient({ initialSyncLimit: 20 });
    clients.push(client);
    await eventually(`${prefix} syncs`, () => client.isInitialSyncComplete());
    return client;
  };
  const reads = (client, room, id) => eventually(`${client.getUserId()} reads ${id}`, () => {
    const e = client.getRoom(room)?.findEventById(id);
    return e && e.isEncrypted() && !e.isBeingDecrypted() && !e.isDecryptionFailure() && e.getClearContent();
  });
  const say = async (client, room, body) => (await client.sendTextMessage(room, body)).event_id;
  try {
    const alice = await device("alice"), bob = await device("bob");
    const { room_id: room } = await alice.createRoom({ invite: [bob.getUserId()], initial_state: [{ type: "m.room.encryption", state_key: "", content: { algorithm: "m.megolm.v1.aes-sha2" } }] });
    await eventually("bob is in", () => alice.getRoom(room)?.getMember(bob.getUserId())?.membership === "join" && bob.getRoom(room)?.getMyMembership() === "join");
    await reads(bob, room, await say(alice, room, "before"));
    const putBack = await backUp();
    for (let i = 0; i < 3; i++) await reads(bob, room, await say(alice, room, `lost ${i}`));
    await reads(alice, room, await say(bob, room, "lost answer"));
    await putBack();
    for (const [from, to] of [[alice, bob], [bob, alice], [alice, bob]]) {
      const id = await eventually("a message is taken", () => say(from, room, "after").catch(() => null));
      assert.equal((await reads(to, room, id)).body, "after");
    }
    const carol = await device("carol");
    await alice.invite(room, carol.getUserId());
    await eventually("carol is in, and known to be", () => [alice, bob].every(c => c.getRoom(room)?.getMember(carol.getUserId())?.membership === "join"));
    assert.equal((await reads(carol, room, await say(bob, room, "welcome"))).body, "welcome");
    assert.equal((await reads(bob, room, await say(carol, room, "thanks"))).body, "thanks");
  } finally {
    for (const c of clients) c.stopClient();
  }
});
