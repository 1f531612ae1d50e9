// SPDX-License-Identifier: Apache-2.0
// End-to-end keys as plain HTTP: devices, one-time and fallback keys, cross-signing, signatures, to-device, key backup.
import assert from "node:assert/strict";
import crypto from "node:crypto";
import test from "node:test";
import { E, EXTERNAL, OWN_SERVER, eventually, unique, useServer } from "./harness.mjs";

const hs = useServer();

// ---- Ed25519 and canonical JSON, enough to sign what is uploaded
const b64 = b => Buffer.from(b).toString("base64").replace(/=+$/, "");
const canonical = v => Array.isArray(v) ? `[${v.map(canonical).join(",")}]` : v && typeof v === "object" ? `{${Object.keys(v).sort().map(k => `${JSON.stringify(k)}:${canonical(v[k])}`).join(",")}}` : JSON.stringify(v);
function keyPair() {
  const { publicKey, privateKey } = crypto.generateKeyPairSync("ed25519");
  return { pub: b64(publicKey.export({ format: "der", type: "spki" }).subarray(-32)), key: privateKey };
}
function sign(object, user, keyId, pair) {
  const { signatures, unsigned, ...bare } = object;
  const sig = b64(crypto.sign(null, Buffer.from(canonical(bare)), pair.key));
  return { ...object, signatures: { ...signatures, [user]: { ...signatures?.[user], [keyId]: sig } } };
}
function deviceKeys(u) {
  u.pair ??= keyPair();
  const keys = { user_id: u.id, device_id: u.device, algorithms: ["m.olm.v1.curve25519-aes-sha2", "m.megolm.v1.aes-sha2"], keys: { [`curve25519:${u.device}`]: b64(crypto.randomBytes(32)), [`ed25519:${u.device}`]: u.pair.pub } };
  return sign(keys, u.id, `ed25519:${u.device}`, u.pair);
}
const oneTime = (u, extra = {}) => sign({ key: b64(crypto.randomBytes(32)), ...extra }, u.id, `ed25519:${u.device}`, u.pair ??= keyPair());
function crossSigning(u) {
  const [master, self, user] = [keyPair(), keyPair(), keyPair()];
  const mk = (usage, pair) => ({ user_id: u.id, usage: [usage], keys: { [`ed25519:${pair.pub}`]: pair.pub } });
  const by = x => sign(x, u.id, `ed25519:${master.pub}`, master);
  return { master, self, user, body: { master_key: mk("master", master), self_signing_key: by(mk("self_signing", self)), user_signing_key: by(mk("user_signing", user)) } };
}

test("device keys: uploaded, queried, with the device's name in unsigned", async () => {
  const [alice, bob] = await hs.users("alice", "bob");
  const keys = deviceKeys(alice);
  await alice.post("/keys/upload", { device_keys: keys });
  await alice.put(`/devices/${alice.device}`, { display_name: "Desk" });
  const q = await bob.post("/keys/query", { device_keys: { [alice.id]: [] } });
  const { unsigned, ...got } = q.device_keys[alice.id][alice.device];
  assert.deepEqual(got, keys);
  if (!EXTERNAL) assert.equal(unsigned.device_display_name, "Desk");
  const one = await bob.post("/keys/query", { device_keys: { [alice.id]: [alice.device], [bob.id]: ["NOSUCH"] } });
  assert.ok(one.device_keys[alice.id][alice.device]);
  assert.equal(one.device_keys[bob.id]?.NOSUCH, undefined);
  const none = await bob.post("/keys/query", { device_keys: { "@nobody:localhost": [] } });
  assert.deepEqual(none.device_keys["@nobody:localhost"] ?? {}, {});
});

test("device keys of somebody else are refused", async () => {
  const [alice, bob] = await hs.users("alice", "bob");
  const r = await hs.req("POST", "/keys/upload", { token: bob.token, body: { device_keys: deviceKeys(alice) } });
  assert.equal(r.status, 400, `${r.status} ${r.raw}`);
});

test("one-time keys are handed out once, the oldest first", async () => {
  const [alice, bob] = await hs.users("alice", "bob");
  const keys = {};
  for (let batch = 0; batch < 3; batch++) {
    const part = {};
    for (const id of ["Z", "A"]) part[`signed_curve25519:${id}${batch}`] = oneTime(alice);
    await alice.post("/keys/upload", { one_time_keys: part });
    Object.assign(keys, part);
  }
  const claim = async () => (await bob.post("/keys/claim", { one_time_keys: { [alice.id]: { [alice.device]: "signed_curve25519" } } })).one_time_keys[alice.id]?.[alice.device];
  const order = [];
  for (let i = 0; i < 6; i++) {
    const [[id, key]] = Object.entries(await claim());
    assert.deepEqual(key, keys[id]);
    order.push(id);
  }
  assert.equal(new Set(order).size, 6);
  assert.deepEqual(order.map(id => id.at(-1)), ["0", "0", "1", "1", "2", "2"], "upload order");
  assert.equal(await claim(), undefined);
});

test("an identical one-time key may be uploaded again, a different one under its name not", async () => {
  const alice = await hs.user("alice");
  const one_time_keys = { "signed_curve25519:AAAA": oneTime(alice) };
  await alice.post("/keys/upload", { one_time_keys });
  const same = await alice.post("/keys/upload", { one_time_keys });
  assert.equal(same.one_time_key_counts.signed_curve25519, 1);
  const r = await hs.req("POST", "/keys/upload", { token: alice.token, body: { one_time_keys: { "signed_curve25519:AAAA": oneTime(alice) } } });
  assert.equal(r.status, 400);
  const bad = await hs.req("POST", "/keys/upload", { token: alice.token, body: { one_time_keys: { "no-colon": "x" } } });
  assert.equal(bad.status, 400, `${bad.raw}`);
});

test("claims at the same time never give one key twice", async () => {
  const [alice, ...others] = await hs.users("alice", "b", "c", "d", "e");
  const one_time_keys = {};
  for (let i = 0; i < 20; i++) one_time_keys[`signed_curve25519:K${i}`] = oneTime(alice);
  await alice.post("/keys/upload", { one_time_keys });
  const got = await Promise.all(Array.from({ length: 20 }, (_, i) => others[i % 4].post("/keys/claim", { one_time_keys: { [alice.id]: { [alice.device]: "signed_curve25519" } } })));
  const ids = got.map(r => Object.keys(r.one_time_keys[alice.id][alice.device])[0]);
  assert.equal(new Set(ids).size, 20);
  assert.equal((await alice.post("/keys/upload", {})).one_time_key_counts.signed_curve25519 ?? 0, 0);
});

test("a fallback key serves when one-time keys have run out, and is then told as used", async () => {
  const [alice, bob] = await hs.users("alice", "bob");
  const fallback = oneTime(alice, { fallback: true });
  await alice.post("/keys/upload", { fallback_keys: { "signed_curve25519:FB": fallback } });
  assert.deepEqual((await alice.sync()).device_unused_fallback_key_types, ["signed_curve25519"]);
  for (let i = 0; i < 2; i++) {
    const r = await bob.post("/keys/claim", { one_time_keys: { [alice.id]: { [alice.device]: "signed_curve25519" } } });
    assert.deepEqual(r.one_time_keys[alice.id][alice.device], { "signed_curve25519:FB": fallback });
  }
  assert.deepEqual((await alice.sync()).device_unused_fallback_key_types, []);
  await alice.post("/keys/upload", { fallback_keys: { "signed_curve25519:FC": oneTime(alice, { fallback: true }) } });
  assert.deepEqual((await alice.sync()).device_unused_fallback_key_types, ["signed_curve25519"]);
});

test("claiming for unknown people and devices gives nothing", async () => {
  const bob = await hs.user("bob");
  const r = await bob.post("/keys/claim", { one_time_keys: { "@nobody:localhost": { X: "signed_curve25519" }, [bob.id]: { NOSUCH: "signed_curve25519" } } });
  assert.deepEqual(Object.keys(r.one_time_keys[bob.id] ?? {}), []);
});

test("cross-signing: first upload without UIA, the same again without, other keys only with the password", async () => {
  const [alice, bob] = await hs.users("alice", "bob");
  const first = crossSigning(alice);
  await alice.post("/keys/device_signing/upload", first.body);
  await alice.post("/keys/device_signing/upload", first.body);
  const second = crossSigning(alice);
  const refused = await hs.req("POST", "/keys/device_signing/upload", { token: alice.token, body: second.body, expect: 401 });
  assert.ok(refused.body.session);
  const q = async who => who.post("/keys/query", { device_keys: { [alice.id]: [] } });
  assert.ok(first.master.pub in invert((await q(alice)).master_keys[alice.id].keys));
  await alice.withPassword("POST", "/keys/device_signing/upload", second.body);
  const mine = await q(alice), theirs = await q(bob);
  assert.ok(second.master.pub in invert(mine.master_keys[alice.id].keys));
  assert.ok(mine.user_signing_keys[alice.id]);
  assert.ok(theirs.master_keys[alice.id] && theirs.self_signing_keys[alice.id]);
  assert.equal(theirs.user_signing_keys?.[alice.id], undefined, "the user-signing key is the owner's alone");
});
test("the user-signing key is announced to its owner alone, the others to whom they share a room with", async () => {
  const [alice, bob] = await hs.users("alice", "bob");
  const room = await alice.createRoom({ preset: "public_chat" });
  await bob.join(room);
  const keys = crossSigning(alice).body;
  await alice.post("/keys/device_signing/upload", { ...keys, user_signing_key: undefined });
  const [other, bobs] = [await (await alice.another()).stream(), await bob.stream()];
  await alice.withPassword("POST", "/keys/device_signing/upload", { user_signing_key: keys.user_signing_key });
  await other.until("alice's other device hears of it", r => r.device_lists?.changed?.includes(alice.id));
  const said = await alice.say(room, "after it"), seen = [];
  await bobs.event(room, said, seen);
  assert.equal(seen.some(r => r.device_lists?.changed?.includes(alice.id)), false);
  await alice.withPassword("POST", "/keys/device_signing/upload", crossSigning(alice).body);
  await bobs.until("bob hears of the others", r => r.device_lists?.changed?.includes(alice.id));
});
const invert = keys => Object.fromEntries(Object.values(keys).map(v => [v, true]));

test("cross-signing keys that are not what they say are refused", async () => {
  const [alice, bob] = await hs.users("alice", "bob");
  const wrongUsage = crossSigning(alice);
  wrongUsage.body.master_key.usage = ["self_signing"];
  const other = crossSigning(bob);
  const unsigned = crossSigning(alice);
  delete unsigned.body.self_signing_key.signatures;
  for (const { body } of EXTERNAL ? [unsigned] : [wrongUsage, other, unsigned]) {
    const r = await hs.req("POST", "/keys/device_signing/upload", { token: alice.token, body });
    assert.ok([400, 403].includes(r.status), `${r.status} ${r.raw}`);
  }
});

test("signatures: own device by the self-signing key, the other's master key by the user-signing key", async () => {
  const [alice, bob] = await hs.users("alice", "bob");
  const device = deviceKeys(alice);
  await alice.post("/keys/upload", { device_keys: device });
  const [xa, xb] = [crossSigning(alice), crossSigning(bob)];
  await alice.post("/keys/device_signing/upload", xa.body);
  await bob.post("/keys/device_signing/upload", xb.body);
  const signedDevice = sign({ ...device, signatures: {} }, alice.id, `ed25519:${xa.self.pub}`, xa.self);
  const signedBob = sign({ ...xb.body.master_key, signatures: {} }, alice.id, `ed25519:${xa.user.pub}`, xa.user);
  const forged = { ...signedDevice, signatures: { [alice.id]: { [`ed25519:${xa.self.pub}`]: b64(Buffer.alloc(64)) } } };
  const bad = await alice.post("/keys/signatures/upload", { [alice.id]: { [alice.device]: forged, NOSUCH: signedDevice } });
  assert.ok(bad.failures[alice.id][alice.device]?.errcode, JSON.stringify(bad));
  assert.ok(bad.failures[alice.id].NOSUCH?.errcode, JSON.stringify(bad));
  const up = await alice.post("/keys/signatures/upload", { [alice.id]: { [alice.device]: signedDevice }, [bob.id]: { [xb.master.pub]: signedBob } });
  assert.deepEqual(up.failures ?? {}, {});
  const own = await alice.post("/keys/query", { device_keys: { [alice.id]: [], [bob.id]: [] } });
  const sigs = own.device_keys[alice.id][alice.device].signatures[alice.id];
  assert.ok(sigs[`ed25519:${alice.device}`] && sigs[`ed25519:${xa.self.pub}`], "both signatures stand on the device");
  assert.ok(own.master_keys[bob.id].signatures[alice.id][`ed25519:${xa.user.pub}`]);
  const bobs = await bob.post("/keys/query", { device_keys: { [alice.id]: [], [bob.id]: [] } });
  assert.ok(bobs.device_keys[alice.id][alice.device].signatures[alice.id][`ed25519:${xa.self.pub}`], "self-signatures are for everybody");
  assert.equal(bobs.master_keys[bob.id].signatures?.[alice.id], undefined, "who trusts whom is the signer's alone");
});

test("keys/changes tells who changed between two tokens", async () => {
  const [alice, bob, carol] = await hs.users("alice", "bob", "carol");
  const room = await alice.createRoom({ preset: "public_chat" });
  await bob.join(room);
  const s = await alice.stream();
  const from = s.since;
  await bob.post("/keys/upload", { device_keys: deviceKeys(bob) });
  await carol.post("/keys/upload", { device_keys: deviceKeys(carol) });
  await s.until("bob's keys", r => r.device_lists?.changed?.includes(bob.id));
  const c = await alice.get(`/keys/changes?from=${E(from)}&to=${E(s.since)}`);
  assert.ok(c.changed.includes(bob.id));
  assert.equal(c.changed.includes(carol.id), false);
  const later = await alice.get(`/keys/changes?from=${E(s.since)}&to=${E(s.since)}`);
  assert.equal(later.changed.includes(bob.id), false);
});

test("a deleted device is gone from queries and takes its keys along", async () => {
  const [alice, bob] = await hs.users("alice", "bob");
  const second = await alice.another();
  await second.post("/keys/upload", { device_keys: deviceKeys(second), one_time_keys: { "signed_curve25519:A": oneTime(second) } });
  await second.post("/logout");
  const q = await bob.post("/keys/query", { device_keys: { [alice.id]: [] } });
  assert.equal(q.device_keys[alice.id]?.[second.device], undefined);
  const c = await bob.post("/keys/claim", { one_time_keys: { [alice.id]: { [second.device]: "signed_curve25519" } } });
  assert.deepEqual(c.one_time_keys[alice.id]?.[second.device] ?? {}, {});
});

test("to-device: one transaction id sends once; a star reaches every device", async () => {
  const [alice, bob] = await hs.users("alice", "bob");
  const second = await bob.another();
  const body = { messages: { [bob.id]: { "*": { n: 1 } } } };
  for (let i = 0; i < 3; i++) await alice.put("/sendToDevice/org.example.once/same-id", body);
  await alice.put("/sendToDevice/org.example.end/other-id", body);
  for (const u of [bob, second]) {
    const got = [];
    let since;
    await eventually("both messages", async () => {
      const r = await u.sync({ since, timeout: "500" });
      since = r.next_batch;
      got.push(...(r.to_device?.events ?? []));
      return got.some(e => e.type === "org.example.end");
    });
    assert.deepEqual(got.map(e => e.type), ["org.example.once", "org.example.end"]);
  }
  const bad = await hs.req("PUT", "/sendToDevice/org.example.x/bad", { token: alice.token, body: { messages: { [bob.id]: "no" } } });
  assert.equal(bad.status, 400);
});

test("to-device idempotency survives a restart", OWN_SERVER, async () => {
  const [alice, bob] = await hs.users("alice", "bob");
  const body = { messages: { [bob.id]: { [bob.device]: { n: 1 } } } };
  await alice.put("/sendToDevice/org.example.once/over-restart", body);
  await hs.restart();
  await alice.put("/sendToDevice/org.example.once/over-restart", body);
  const r = await bob.sync();
  assert.equal(r.to_device.events.length, 1);
});

// ---- key backup
const session = (o = {}) => ({ first_message_index: 5, forwarded_count: 1, is_verified: false, session_data: { ephemeral: "e", ciphertext: unique("c"), mac: "m" }, ...o });
const auth = n => ({ algorithm: "m.megolm_backup.v1.curve25519-aes-sha2", auth_data: { public_key: `key${n}`, signatures: {} } });

test("backup versions: made, read, updated, replaced, deleted", async () => {
  const alice = await hs.user("alice");
  await alice.fails(404, "M_NOT_FOUND", "GET", "/room_keys/version");
  const one = (await alice.post("/room_keys/version", auth(1))).version;
  assert.equal(typeof one, "string");
  const info = await alice.get("/room_keys/version");
  assert.equal(info.version, one);
  assert.equal(info.algorithm, auth(1).algorithm);
  assert.deepEqual(info.auth_data, auth(1).auth_data);
  assert.equal(info.count, 0);
  assert.equal(typeof info.etag, "string");
  await alice.put(`/room_keys/version/${one}`, { ...auth(2), version: one });
  assert.deepEqual((await alice.get(`/room_keys/version/${one}`)).auth_data, auth(2).auth_data);
  await alice.fails(400, "M_INVALID_PARAM", "PUT", `/room_keys/version/${one}`, { ...auth(2), algorithm: "other" });
  await alice.fails(400, "M_INVALID_PARAM", "PUT", `/room_keys/version/${one}`, { ...auth(2), version: "999" });
  const two = (await alice.post("/room_keys/version", auth(3))).version;
  assert.notEqual(two, one);
  assert.equal((await alice.get("/room_keys/version")).version, two);
  await alice.get(`/room_keys/version/${one}`);
  await alice.del(`/room_keys/version/${two}`);
  await alice.fails(404, "M_NOT_FOUND", "GET", `/room_keys/version/${two}`);
  assert.equal((await alice.get("/room_keys/version")).version, one, "the previous one is current again");
  await alice.fails(404, "M_NOT_FOUND", "PUT", "/room_keys/version/12345", auth(1));
});

test("backup keys: by session, by room, all at once; counts and etags follow", async () => {
  const alice = await hs.user("alice");
  const version = (await alice.post("/room_keys/version", auth(1))).version;
  const at = (p = "") => `/room_keys/keys${p}?version=${version}`;
  const [r1, r2] = ["!one:localhost", "!two:localhost"];
  const s1 = session();
  const put = await alice.put(at(`/${E(r1)}/${E("sess/1")}`), s1);
  assert.equal(put.count, 1);
  assert.deepEqual(await alice.get(at(`/${E(r1)}/${E("sess/1")}`)), s1);
  const two = await alice.put(at(`/${E(r1)}`), { sessions: { b: session(), c: session() } });
  assert.equal(two.count, 3);
  assert.notEqual(two.etag, put.etag);
  const three = await alice.put(at(), { rooms: { [r1]: { sessions: { d: session() } }, [r2]: { sessions: { e: session() } } } });
  assert.equal(three.count, 5);
  const all = await alice.get(at());
  assert.deepEqual(Object.keys(all.rooms[r1].sessions).sort(), ["b", "c", "d", "sess/1"]);
  assert.deepEqual(Object.keys((await alice.get(at(`/${E(r2)}`))).sessions), ["e"]);
  const info = await alice.get("/room_keys/version");
  assert.equal(info.count, 5);
  assert.equal(info.etag, three.etag);
  await alice.fails(404, "M_NOT_FOUND", "GET", at(`/${E(r1)}/nosuch`));
  assert.deepEqual((await alice.get(at(`/${E("!none:localhost")}`))).sessions, {});
  const del = await alice.del(at(`/${E(r1)}/b`));
  assert.equal(del.count, 4);
  assert.equal((await alice.del(at(`/${E(r1)}`))).count, 1);
  assert.equal((await alice.del(at())).count, 0);
  assert.deepEqual((await alice.get(at())).rooms, {});
});

test("a better key replaces a worse one, never the other way round", async () => {
  const alice = await hs.user("alice");
  const version = (await alice.post("/room_keys/version", auth(1))).version;
  const at = `/room_keys/keys/${E("!r:localhost")}/s?version=${version}`;
  const steps = [ // [upload, is it taken?]
    [session({ first_message_index: 5, forwarded_count: 2 }), true],
    [session({ first_message_index: 9, forwarded_count: 0 }), false],
    [session({ first_message_index: 5, forwarded_count: 3 }), false],
    [session({ first_message_index: 5, forwarded_count: 1 }), true],
    [session({ first_message_index: 2, forwarded_count: 9 }), true],
    [session({ first_message_index: 7, forwarded_count: 9, is_verified: true }), true],
    [session({ first_message_index: 0, forwarded_count: 0, is_verified: false }), false],
  ];
  let current;
  let etag = (await alice.get("/room_keys/version")).etag;
  for (const [key, taken] of steps) {
    const r = await alice.put(at, key);
    if (taken) current = key;
    assert.deepEqual(await alice.get(at), current, JSON.stringify(key));
    assert.equal(r.etag !== etag, taken, "the etag changes exactly with the keys");
    etag = r.etag;
  }
});

test("a cross-signing key may not have the name of a device", async () => {
  const alice = await hs.user("alice"), keys = crossSigning(alice);
  await alice.another({ device_id: keys.master.pub });
  await alice.fails(403, "M_FORBIDDEN", "POST", "/keys/device_signing/upload", keys.body);
});

test("keys go only into the current version", async () => {
  const alice = await hs.user("alice");
  const old = (await alice.post("/room_keys/version", auth(1))).version;
  const now = (await alice.post("/room_keys/version", auth(2))).version;
  const e = await alice.fails(403, "M_WRONG_ROOM_KEYS_VERSION", "PUT", `/room_keys/keys/${E("!r:localhost")}/s?version=${old}`, session());
  assert.equal(e.current_version, now);
  const rooms = { "!r:localhost": { sessions: { s: session() } } };
  for (const [path, body] of [["", { rooms }], [`/${E("!r:localhost")}`, rooms["!r:localhost"]]]) {
    assert.equal((await alice.fails(403, "M_WRONG_ROOM_KEYS_VERSION", "PUT", `/room_keys/keys${path}?version=${old}`, body)).current_version, now);
  }
  const none = await hs.req("PUT", `/room_keys/keys/${E("!r:localhost")}/s?version=999`, { token: alice.token, body: session() });
  assert.ok([403, 404].includes(none.status), `${none.status}`);
  const m = await hs.req("PUT", `/room_keys/keys/${E("!r:localhost")}/s`, { token: alice.token, body: session() });
  assert.equal(m.status, 400);
});

test("one user's backup is no other user's", async () => {
  const [alice, bob] = await hs.users("alice", "bob");
  const va = (await alice.post("/room_keys/version", auth(1))).version;
  const vb = (await bob.post("/room_keys/version", auth(1))).version;
  await alice.put(`/room_keys/keys/${E("!r:localhost")}/s?version=${va}`, session());
  assert.deepEqual((await bob.get(`/room_keys/keys?version=${vb}`)).rooms, {});
});

// ---- what /sync tells of all this
const listed = (r, kind, who) => r.device_lists?.[kind]?.includes(who.id) ?? false;

test("more to-device messages than one answer holds come in several, each once and in order", async () => {
  const [alice, bob] = await hs.users("alice", "bob");
  const s = await bob.stream();
  const total = 250;
  await Promise.all(Array.from({ length: total }, (_, n) => alice.put(`/sendToDevice/org.example.many/n${n}`, { messages: { [bob.id]: { "*": { n } } } })));
  const got = [], sizes = [];
  while (got.length < total) {
    const before = s.since;
    const events = (await s.next(2000)).to_device?.events ?? [];
    assert.ok(events.length > 0, `${got.length} messages came`);
    const again = (await bob.sync({ since: before })).to_device.events;
    assert.deepEqual(again.slice(0, events.length), events, "what was not acknowledged comes again");
    got.push(...events.map(e => e.content.n));
    sizes.push(events.length);
  }
  assert.deepEqual([...got].sort((a, b) => a - b), Array.from({ length: total }, (_, n) => n));
  assert.ok(sizes.length > 1, "an answer has a bound");
  assert.equal((await s.next()).to_device?.events?.length ?? 0, 0);
  assert.equal((await bob.sync()).to_device?.events?.length ?? 0, 0, "all are deleted");
});

test("messages that wait for a new device's first sync come with it, all of them", async () => {
  const [alice, bob] = await hs.users("alice", "bob");
  const second = await bob.another();
  for (let n = 0; n < 120; n++) await alice.put(`/sendToDevice/org.example.early/e${n}`, { messages: { [bob.id]: { [second.device]: { n } } } });
  const got = [];
  const s = await second.stream();
  got.push(...s.last.to_device.events);
  await s.until("the rest", r => { got.push(...(r.to_device?.events ?? [])); return got.length >= 120; });
  assert.deepEqual(got.map(e => e.content.n), Array.from({ length: 120 }, (_, n) => n));
});

test("to-device: what is too large or no object is refused, unknown people and devices are passed over", async () => {
  const [alice, bob] = await hs.users("alice", "bob");
  const send = messages => hs.req("PUT", `/sendToDevice/org.example.x/${unique("t")}`, { token: alice.token, body: { messages } });
  assert.equal((await send({ [bob.id]: { [bob.device]: { a: "x".repeat(70000) } } })).status, 413);
  assert.equal((await send({ [bob.id]: { [bob.device]: "text" } })).status, 400);
  assert.equal((await send(undefined)).status, 400);
  assert.equal((await send({ [bob.id]: { NOSUCH: {} }, "@nobody:localhost": { "*": {} }, "@far:elsewhere.example": { "*": {} } })).status, 200);
  assert.equal((await bob.sync()).to_device?.events?.length ?? 0, 0);
});

test("whom one has verified, one's other devices are told and nobody else", async () => {
  const [alice, bob, carol] = await hs.users("alice", "bob", "carol");
  const room = await alice.createRoom({ preset: "public_chat" });
  for (const u of [bob, carol]) await u.join(room);
  const [xa, xb] = [crossSigning(alice), crossSigning(bob)];
  await alice.post("/keys/device_signing/upload", xa.body);
  await bob.post("/keys/device_signing/upload", xb.body);
  const second = await alice.another();
  const [mine, bobs, carols] = [await second.stream(), await bob.stream(), await carol.stream()];
  const from = mine.since;
  const signed = sign({ ...xb.body.master_key, signatures: {} }, alice.id, `ed25519:${xa.user.pub}`, xa.user);
  assert.deepEqual((await alice.post("/keys/signatures/upload", { [bob.id]: { [xb.master.pub]: signed } })).failures ?? {}, {});
  await mine.until("bob's keys have a new signature", r => listed(r, "changed", bob));
  for (const s of [bobs, carols]) assert.equal((await s.next()).device_lists?.changed?.length ?? 0, 0);
  assert.ok((await alice.get(`/keys/changes?from=${E(from)}&to=${E(mine.since)}`)).changed.includes(bob.id));
});

test("signatures that do not fit are refused one by one", async () => {
  const [alice, bob] = await hs.users("alice", "bob");
  const [xa, xb] = [crossSigning(alice), crossSigning(bob)];
  const device = deviceKeys(alice);
  await alice.post("/keys/upload", { device_keys: device });
  await alice.post("/keys/device_signing/upload", xa.body);
  await bob.post("/keys/device_signing/upload", xb.body);
  const by = (o, pair) => sign({ ...o, signatures: {} }, alice.id, `ed25519:${pair.pub}`, pair);
  const own = sign({ ...xa.body.master_key, signatures: {} }, alice.id, `ed25519:${alice.device}`, alice.pair);
  const cases = {
    [alice.id]: { [alice.device]: by({ ...device, algorithms: [] }, xa.self), [xa.self.pub]: by(xa.body.self_signing_key, xa.master), [xa.master.pub]: own },
    [bob.id]: { [xb.master.pub]: by(xb.body.master_key, xa.self), [xb.self.pub]: by(xb.body.self_signing_key, xa.user) },
    "@nobody:localhost": { X: by(xb.body.master_key, xa.user) },
  };
  const { failures } = await alice.post("/keys/signatures/upload", cases);
  assert.deepEqual(Object.keys(failures[alice.id]).sort(), [alice.device, xa.self.pub].sort(), "the device signs the master key");
  assert.equal(failures[bob.id][xb.master.pub].errcode, "M_INVALID_SIGNATURE");
  assert.equal(failures[bob.id][xb.self.pub].errcode, "M_NOT_FOUND");
  assert.ok(failures["@nobody:localhost"].X);
  assert.ok((await bob.post("/keys/query", { device_keys: { [alice.id]: [] } })).master_keys[alice.id].signatures[alice.id][`ed25519:${alice.device}`]);
});

test("new identity keys of a device have none of the old signatures", async () => {
  const alice = await hs.user("alice");
  const x = crossSigning(alice);
  const device = deviceKeys(alice);
  await alice.post("/keys/upload", { device_keys: device });
  await alice.post("/keys/device_signing/upload", x.body);
  await alice.post("/keys/signatures/upload", { [alice.id]: { [alice.device]: sign({ ...device, signatures: {} }, alice.id, `ed25519:${x.self.pub}`, x.self) } });
  const signatures = async () => Object.keys((await alice.post("/keys/query", { device_keys: { [alice.id]: [] } })).device_keys[alice.id][alice.device].signatures[alice.id]);
  assert.equal((await signatures()).length, 2);
  await alice.post("/keys/upload", { device_keys: device });
  assert.equal((await signatures()).length, 2, "the same keys again change nothing");
  await alice.post("/keys/upload", { device_keys: deviceKeys(alice) });
  assert.deepEqual(await signatures(), [`ed25519:${alice.device}`]);
});

test("device lists: who enters a room is told of all in it; who leaves, of those they meet nowhere else", async () => {
  const [alice, bob, carol] = await hs.users("alice", "bob", "carol");
  const one = await alice.createRoom({ preset: "public_chat" }), two = await alice.createRoom({ preset: "public_chat" });
  await bob.join(one);
  await carol.join(two);
  const s = await alice.stream();
  const bobs = await bob.stream();
  await bob.join(two);
  await bobs.until("carol is there", r => listed(r, "changed", carol));
  await s.until("bob in the second room", r => r.rooms?.join?.[two]);
  await bob.leave(one);
  const left = await s.until("bob left the first room", r => r.rooms?.join?.[one] && r);
  assert.equal(listed(left, "left", bob), false, "they still share the other");
  await bob.leave(two);
  await s.until("bob is gone", r => listed(r, "left", bob));
  const gone = await bobs.until("alice and carol are gone", r => listed(r, "left", carol) && r);
  assert.ok(listed(gone, "left", alice));
  assert.equal(listed(gone, "left", bob), false);
});

test("device lists: a new name in a room is no new device", async () => {
  const [alice, bob] = await hs.users("alice", "bob");
  const room = await alice.createRoom({ preset: "public_chat" });
  await bob.join(room);
  const s = await alice.stream();
  await bob.put(`/profile/${E(bob.id)}/displayname`, { displayname: "Robert" });
  const r = await s.until("the new name", x => x.rooms?.join?.[room]?.timeline?.events.length && x);
  assert.equal(listed(r, "changed", bob), false);
});

test("device lists are caught up with after a restart", OWN_SERVER, async () => {
  const [alice, bob, carol] = await hs.users("alice", "bob", "carol");
  const room = await alice.createRoom({ preset: "public_chat" });
  for (const u of [bob, carol]) await u.join(room);
  const s = await alice.stream();
  await bob.post("/keys/upload", { device_keys: deviceKeys(bob) });
  await carol.leave(room);
  await alice.put("/sendToDevice/org.example.r/restart", { messages: { [alice.id]: { "*": {} } } });
  await hs.restart();
  const r = await s.next();
  assert.ok(listed(r, "changed", bob));
  assert.ok(listed(r, "left", carol));
  assert.equal(r.to_device.events.length, 1);
  assert.equal(r.device_one_time_keys_count.signed_curve25519, 0);
});

test("a claim wakes the device it was made of, with the new count", async () => {
  const [alice, bob] = await hs.users("alice", "bob");
  const one_time_keys = Object.fromEntries(["A", "B", "C"].map(n => [`signed_curve25519:${n}`, oneTime(alice)]));
  await alice.post("/keys/upload", { one_time_keys });
  const s = await alice.stream();
  assert.equal(s.last.device_one_time_keys_count.signed_curve25519, 3);
  const waiting = s.next(20000);
  await bob.post("/keys/claim", { one_time_keys: { [alice.id]: { [alice.device]: "signed_curve25519" } } });
  assert.equal((await waiting).device_one_time_keys_count.signed_curve25519, 2);
});

test("users of servers that cannot be reached are failures", async () => {
  const alice = await hs.user("alice");
  const q = await alice.post("/keys/query", { device_keys: { "@far:unreachable.invalid": [], [alice.id]: [] } });
  assert.ok(q.failures["unreachable.invalid"]);
  const c = await alice.post("/keys/claim", { one_time_keys: { "@far:unreachable.invalid": { X: "signed_curve25519" } } });
  assert.ok(c.failures["unreachable.invalid"]);
  assert.equal((await hs.req("POST", "/keys/query", { token: alice.token, body: { device_keys: { nobody: [] } } })).status, 400);
  assert.equal((await hs.req("POST", "/keys/query", { token: alice.token, body: { device_keys: { [alice.id]: "all" } } })).status, 400);
});

test("a backup version that was deleted can be deleted again, one that never was cannot", async () => {
  const alice = await hs.user("alice");
  const { version } = await alice.post("/room_keys/version", auth(1));
  await alice.del(`/room_keys/version/${version}`);
  await alice.del(`/room_keys/version/${version}`);
  await alice.fails(404, "M_NOT_FOUND", "DELETE", "/room_keys/version/777");
  await alice.fails(404, "M_NOT_FOUND", "DELETE", "/room_keys/version/no-number");
  await alice.fails(404, "M_NOT_FOUND", "GET", `/room_keys/keys?version=${version}`);
  await alice.fails(404, "M_NOT_FOUND", "DELETE", `/room_keys/keys?version=${version}`);
  await alice.fails(404, "M_NOT_FOUND", "PUT", `/room_keys/keys/${E("!r:localhost")}/s?version=${version}`, session());
  const next = (await alice.post("/room_keys/version", auth(1))).version;
  assert.notEqual(next, version, "numbers are not used again");
  for (const bad of [{ ...session(), is_verified: "yes" }, { ...session(), session_data: [] }, { ...session(), first_message_index: -1 }]) {
    assert.equal((await hs.req("PUT", `/room_keys/keys/${E("!r:localhost")}/s?version=${next}`, { token: alice.token, body: bad })).status, 400);
  }
});
