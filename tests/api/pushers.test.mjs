// SPDX-License-Identifier: Apache-2.0
// What push gateways are told, by a real one on loopback: formats, counts, retries, rejected keys, restarts.
import assert from "node:assert/strict";
import http from "node:http";
import test, { after, before } from "node:test";
import { EXTERNAL, OWN_SERVER, eventually, unique, useServer, withServer } from "./harness.mjs";

const PATH = "/_matrix/push/v1/notify";

/** A push gateway. `answers` maps a push key to what it is answered, a function of the notification: a status, or the
 *  body of a 200. Of the others everything is accepted. */
class Gateway {
  answers = new Map();
  got = []; // {key, n: notification}
  sockets = new Set(); // that requests came on
  async start() {
    this.server = http.createServer((rq, rs) => {
      const parts = [];
      rq.on("data", d => parts.push(d)).on("end", () => {
        assert.equal(rq.method, "POST");
        assert.equal(rq.url, PATH);
        assert.match(rq.headers["content-type"], /^application\/json/);
        const { notification } = JSON.parse(Buffer.concat(parts).toString());
        const key = notification.devices[0].pushkey;
        this.got.push({ key, n: notification });
        this.sockets.add(rq.socket);
        const answer = this.answers.get(key)?.(notification) ?? { rejected: [] };
        if (answer === "hang") return;
        rs.writeHead(typeof answer === "number" ? answer : 200, { "Content-Type": "application/json" });
        rs.end(typeof answer === "number" ? "" : JSON.stringify(answer));
      });
    });
    await new Promise(resolve => this.server.listen(0, "127.0.0.1", resolve));
    this.url = `http://127.0.0.1:${this.server.address().port}${PATH}`;
  }
  stop() { this.server.closeAllConnections(); this.server.close(); }
  of(key) { return this.got.filter(g => g.key === key).map(g => g.n); }
  /** Waits until something that satisfies `wanted` has come for the key. */
  has(key, what, wanted) { return eventually(what, () => this.of(key).find(wanted)); }
  /** A pusher with a key of its own, which is returned. */
  async pusher(user, data = {}, more = {}) {
    const pushkey = unique("key");
    await user.post("/pushers/set", { kind: "http", app_id: "org.example.app", pushkey, app_display_name: "App", device_display_name: "Phone", lang: "en", data: { url: this.url, ...data }, ...more });
    return pushkey;
  }
}

const config = { push: { allow_private_addresses: true } };
const hs = useServer({ config });
const gateway = new Gateway();
before(() => gateway.start());
after(() => gateway.stop());

async function pair(s = hs) {
  const [alice, bob] = await s.users("alice", "bob");
  const room = await alice.createRoom({ preset: "public_chat", name: "Den" });
  await bob.join(room);
  return { alice, bob, room };
}
const about = id => n => n.event_id === id;

test("the full format has the event, its room and sender, tweaks, counts and the pusher's data", OWN_SERVER, async () => {
  const { alice, bob, room } = await pair();
  await (await hs.user("carol")).join(room); // with two in a room every message would make a sound
  const key = await gateway.pusher(bob, { default_payload: { aps: { "mutable-content": 1 } } });
  await alice.setState(room, "m.room.member", alice.id, { membership: "join", displayname: "Alice A." });
  const id = await alice.say(room, "hello");
  const n = await gateway.has(key, "the message", about(id));
  const [device] = n.devices;
  assert.equal(typeof device.pushkey_ts, "number");
  delete device.pushkey_ts;
  assert.deepEqual(n, {
    event_id: id, room_id: room, type: "m.room.message", sender: alice.id, sender_display_name: "Alice A.", room_name: "Den",
    prio: "low", content: { msgtype: "m.text", body: "hello" }, counts: { unread: 1 },
    devices: [{ app_id: "org.example.app", pushkey: key, data: { default_payload: { aps: { "mutable-content": 1 } } }, tweaks: {} }],
  });
  const mention = await alice.say(room, "you", { "m.mentions": { user_ids: [bob.id] } });
  const m = await gateway.has(key, "the mention", about(mention));
  assert.equal(m.prio, "high");
  assert.deepEqual(m.devices[0].tweaks, { sound: "default", highlight: true });
  assert.deepEqual(m.counts, { unread: 2 });
});

test("the format event_id_only says no more than it must", OWN_SERVER, async () => {
  const { alice, bob, room } = await pair();
  const key = await gateway.pusher(bob, { format: "event_id_only" });
  const id = await alice.say(room, "secret");
  const n = await gateway.has(key, "the message", about(id));
  assert.deepEqual(Object.keys(n).sort(), ["counts", "devices", "event_id", "prio", "room_id"]);
  assert.deepEqual(n.devices[0].data, { format: "event_id_only" });
  assert.equal(n.devices[0].tweaks, undefined);
});

test("several pushers of a user each get everything, in order; nobody hears of their own or of muted messages", OWN_SERVER, async () => {
  const { alice, bob, room } = await pair();
  const keys = [await gateway.pusher(bob), await gateway.pusher(bob, {}, { app_id: "org.example.other" })];
  const own = await gateway.pusher(alice);
  const ids = [];
  for (let i = 0; i < 5; i++) ids.push(await alice.say(room, `message ${i}`));
  for (const key of keys) {
    await gateway.has(key, "the last", about(ids.at(-1)));
    assert.deepEqual(gateway.of(key).map(n => n.event_id).filter(Boolean), ids);
  }
  await bob.put(`/pushrules/global/room/${encodeURIComponent(room)}`, { actions: [] });
  const muted = await alice.say(room, "muted");
  const other = await alice.createRoom({ preset: "private_chat", invite: [bob.id] });
  await bob.join(other);
  const heard = await alice.say(other, "heard");
  await gateway.has(keys[0], "what is not muted", about(heard));
  assert.equal(gateway.of(keys[0]).some(about(muted)), false);
  assert.deepEqual(gateway.of(own), []);
});

test("an invitation is pushed to whom it is for", OWN_SERVER, async () => {
  const { alice, bob } = await pair();
  const key = await gateway.pusher(bob);
  const room = await alice.createRoom({ preset: "private_chat", name: "Party" });
  await alice.invite(room, bob);
  const n = await gateway.has(key, "the invitation", x => x.room_id === room);
  assert.equal(n.user_is_target, true);
  assert.equal(n.type, "m.room.member");
  assert.equal(n.content.membership, "invite");
  assert.equal(n.room_name, "Party");
  assert.deepEqual(n.counts, { unread: 1 });
  await bob.leave(room);
  assert.deepEqual((await gateway.has(key, "the count after it was declined", x => !x.event_id)).counts, { unread: 0 });
});

test("counts are of unread messages and missed calls, and go down when something is read", OWN_SERVER, async () => {
  const { alice, bob, room } = await pair();
  const second = await alice.createRoom({ preset: "public_chat" });
  await bob.join(second);
  const key = await gateway.pusher(bob);
  const first = await alice.say(room, "one");
  await gateway.has(key, "the first", about(first));
  const other = await alice.say(second, "two");
  assert.deepEqual((await gateway.has(key, "the other room", about(other))).counts, { unread: 2 });
  const call = await alice.event(second, "m.call.invite", { call_id: "1", party_id: "a", version: "1", lifetime: 60000, offer: { type: "offer", sdp: "v=0" } });
  assert.deepEqual((await gateway.has(key, "the call", about(call))).counts, { unread: 3, missed_calls: 1 });
  await bob.receipt(second, call);
  assert.deepEqual((await gateway.has(key, "the count", n => !n.event_id)).counts, { unread: 1 });
  await bob.receipt(room, first, "m.read.private");
  await gateway.has(key, "nothing unread", n => !n.event_id && n.counts.unread === 0);
  assert.equal(gateway.of(key).filter(n => !n.event_id).length, 2, "each change is told once");
});

test("a gateway that fails is asked again, and what was read meanwhile is not told", OWN_SERVER, async () => {
  const { alice, bob, room } = await pair();
  const key = await gateway.pusher(bob);
  let failures = 0;
  gateway.answers.set(key, () => (failures++ < 2 ? 502 : undefined));
  const ids = [await alice.say(room, "one"), await alice.say(room, "two")];
  await gateway.has(key, "the second message", about(ids[1]));
  assert.deepEqual(gateway.of(key).map(n => n.event_id), [ids[0], ids[0], ids[0], ids[1]]);
  gateway.answers.set(key, () => 500);
  const read = await alice.say(room, "read before it is told again");
  await gateway.has(key, "the first attempt", about(read));
  await bob.receipt(room, read);
  const attempts = gateway.of(key).filter(about(read)).length;
  gateway.answers.delete(key);
  await gateway.has(key, "only the count", n => !n.event_id && n.counts.unread === 0);
  assert.equal(gateway.of(key).filter(about(read)).length, attempts);
});

test("a rejected key's pusher is removed, and only that", OWN_SERVER, async () => {
  const { alice, bob, room } = await pair();
  const [good, bad] = [await gateway.pusher(bob), await gateway.pusher(bob, {}, { append: true })];
  gateway.answers.set(good, () => ({ rejected: [bad, "unknown"] })); // not its own: no business of this pusher
  gateway.answers.set(bad, () => ({ rejected: [bad] }));
  await alice.say(room, "one");
  await eventually("the removal", async () => (await bob.get("/pushers")).pushers.length === 1);
  assert.equal((await bob.get("/pushers")).pushers[0].pushkey, good);
  const id = await alice.say(room, "two");
  await gateway.has(good, "the second message", about(id));
  assert.equal(gateway.of(bad).length, 1);
});

test("a pusher that is deleted, or whose device signs out, gets nothing more", OWN_SERVER, async () => {
  const { alice, bob, room } = await pair();
  const stays = await gateway.pusher(bob);
  const deleted = await gateway.pusher(bob);
  const phone = await hs.login(bob.id, bob.password);
  const gone = await gateway.pusher(phone);
  const first = await alice.say(room, "one");
  for (const key of [stays, deleted, gone]) await gateway.has(key, "the first message", about(first));
  await bob.post("/pushers/set", { kind: null, app_id: "org.example.app", pushkey: deleted });
  await phone.post("/logout", {});
  const second = await alice.say(room, "two");
  await gateway.has(stays, "the second message", about(second));
  assert.equal(gateway.of(deleted).some(about(second)), false);
  assert.equal(gateway.of(gone).some(about(second)), false);
});

test("where the operator wants it, rooms are counted, however much is unread in them", OWN_SERVER, async () => {
  await withServer({ config: { push: { ...config.push, group_unread_count_by_room: true } } }, async s => {
    const { alice, bob, room } = await pair(s);
    const key = await gateway.pusher(bob);
    for (const body of ["one", "two"]) await alice.say(room, body);
    const other = await alice.createRoom({ preset: "public_chat" });
    await bob.join(other);
    const last = await alice.say(other, "three");
    assert.deepEqual((await gateway.has(key, "the last", about(last))).counts, { unread: 2 });
  });
});

test("what is redacted counts no more and is not pushed any more, an edit is not pushed", OWN_SERVER, async () => {
  const { alice, bob, room } = await pair();
  const key = await gateway.pusher(bob);
  let asked = 0;
  gateway.answers.set(key, () => (asked++ < 2 ? 503 : undefined));
  const first = await alice.say(room, "first");
  const gone = await alice.say(room, "gone");
  await gateway.has(key, "the first attempt", about(first));
  await alice.redact(room, gone);
  const edit = await alice.say(room, "* edited", { "m.new_content": { msgtype: "m.text", body: "edited" }, "m.relates_to": { rel_type: "m.replace", event_id: first } });
  const last = await alice.say(room, "last");
  assert.deepEqual((await gateway.has(key, "the last", about(last))).counts, { unread: 2 });
  assert.equal(gateway.of(key).some(n => n.event_id === gone || n.event_id === edit), false);
  assert.equal(JSON.stringify(gateway.of(key)).includes("gone"), false);
});

test("reading some of what is unread takes it off the queue and tells the new count", OWN_SERVER, async () => {
  const { alice, bob, room } = await pair();
  const key = await gateway.pusher(bob);
  let down = true;
  gateway.answers.set(key, () => (down ? 500 : undefined));
  const ids = [];
  for (let i = 0; i < 4; i++) ids.push(await alice.say(room, `message ${i}`));
  await gateway.has(key, "the first attempt", about(ids[0]));
  await bob.receipt(room, ids[1]);
  down = false;
  assert.deepEqual((await gateway.has(key, "the last", about(ids[3]))).counts, { unread: 2 });
  assert.equal(gateway.of(key).some(about(ids[1])), false);
});

test("an event that its gateway does not take is given up after a time, later ones are not", OWN_SERVER, async () => {
  await withServer({ config: { push: { ...config.push, give_up_after: "2s" } } }, async s => {
    const { alice, bob, room } = await pair(s);
    const key = await gateway.pusher(bob);
    let down = true;
    gateway.answers.set(key, () => (down ? 500 : undefined));
    const old = await alice.say(room, "old");
    await eventually("a third attempt", () => gateway.of(key).filter(about(old)).length >= 2);
    await s.kill9(); // the clock runs on
    const sent = Date.now();
    await eventually("time to have passed", () => Date.now() - sent > 2100);
    await s.start();
    const tried = gateway.of(key).filter(about(old)).length;
    down = false;
    const fresh = await alice.say(room, "fresh");
    await gateway.has(key, "what is new", about(fresh));
    assert.equal(gateway.of(key).filter(about(old)).length, tried);
  });
});

test("a gateway that never answers does not hold up another one", OWN_SERVER, async () => {
  const { alice, bob, room } = await pair();
  const slow = new Gateway();
  await slow.start();
  try {
    const stuck = [];
    for (let i = 0; i < 12; i++) {
      stuck.push(await slow.pusher(bob));
      slow.answers.set(stuck[i], () => "hang");
    }
    const key = await gateway.pusher(bob);
    const ids = [];
    for (let i = 0; i < 5; i++) ids.push(await alice.say(room, `message ${i}`));
    await gateway.has(key, "the last", about(ids.at(-1)));
    assert.ok(slow.got.length > 0);
  } finally {
    slow.stop();
  }
});

test("connections to a gateway are used again", OWN_SERVER, async () => {
  const { alice, bob, room } = await pair();
  const own = new Gateway();
  await own.start();
  try {
    const key = await own.pusher(bob);
    for (let i = 0; i < 20; i++) {
      const id = await alice.say(room, `message ${i}`);
      await own.has(key, "the message", about(id));
    }
    assert.equal(own.sockets.size, 1);
  } finally {
    own.stop();
  }
});

test("an account that is locked or suspended is not pushed to, and what it missed is not made up for", OWN_SERVER, async () => {
  const { alice, bob, room } = await pair();
  const admin = await hs.user("admin", { admin: true });
  const other = await hs.user("other");
  await other.join(room);
  const [key, witness] = [await gateway.pusher(bob), await gateway.pusher(other)];
  for (const [what, field] of [["lock", "locked"], ["suspend", "suspended"]]) {
    const path = `/_matrix/client/v1/admin/${what}/${encodeURIComponent(bob.id)}`;
    await admin.put(path, { [field]: true });
    const missed = await alice.say(room, `while ${field}`);
    await gateway.has(witness, "the message at another one", about(missed));
    await admin.put(path, { [field]: false });
    const heard = await alice.say(room, "afterwards");
    await gateway.has(key, "the message afterwards", about(heard));
    assert.equal(gateway.of(key).some(about(missed)), false);
  }
  await bob.withPassword("POST", "/account/deactivate", {});
  const last = await alice.say(room, "to nobody");
  await gateway.has(witness, "the last message", about(last));
  assert.equal(gateway.of(key).some(about(last)), false);
});

test("a key that another user sets without append is taken from the first, with append both have it", OWN_SERVER, async () => {
  const { alice, bob, room } = await pair();
  const carol = await hs.user("carol");
  await carol.join(room);
  const set = (user, pushkey, append) => user.post("/pushers/set", { kind: "http", app_id: "org.example.app", pushkey, app_display_name: "App", device_display_name: "Phone", lang: "en", data: { url: gateway.url, of: user.id }, append });
  const shared = unique("key"), moved = unique("key");
  for (const pushkey of [shared, moved]) await set(bob, pushkey, false);
  await set(carol, shared, true);
  await set(carol, moved, false);
  assert.deepEqual((await bob.get("/pushers")).pushers.map(p => p.pushkey), [shared]);
  assert.deepEqual((await carol.get("/pushers")).pushers.map(p => p.pushkey), [shared, moved]);
  const id = await alice.say(room, "hello");
  for (const key of [shared, moved]) await gateway.has(key, "the message for carol", n => n.event_id === id && n.devices[0].data.of === carol.id);
  await gateway.has(shared, "the message for bob", n => n.event_id === id && n.devices[0].data.of === bob.id);
  assert.equal(gateway.of(moved).some(n => n.devices[0].data.of === bob.id && n.event_id), false);
});

test("a new password ends the pushers of other devices, not of the one that sets it", OWN_SERVER, async () => {
  const { bob } = await pair();
  const phone = await hs.login(bob.id, bob.password);
  const mine = await gateway.pusher(bob);
  await gateway.pusher(phone);
  await bob.withPassword("POST", "/account/password", { new_password: "another secret" });
  assert.deepEqual((await bob.get("/pushers")).pushers.map(p => p.pushkey), [mine]);
});

test("a pusher that is set again keeps its place and says when it was", OWN_SERVER, async () => {
  const { alice, bob, room } = await pair();
  const key = await gateway.pusher(bob, { brand: "one" });
  const first = await alice.say(room, "one");
  const before = (await gateway.has(key, "the first", about(first))).devices[0];
  await gateway.pusher(bob, { brand: "two" }, { pushkey: key });
  const second = await alice.say(room, "two");
  const after = (await gateway.has(key, "the second", about(second))).devices[0];
  assert.deepEqual([before.data, after.data], [{ brand: "one" }, { brand: "two" }]);
  assert.ok(after.pushkey_ts >= before.pushkey_ts);
  assert.equal(gateway.of(key).filter(about(first)).length, 1);
});

test("after a restart, orderly or not, what was not delivered is, and what was is not again", OWN_SERVER, async () => {
  await withServer({ config }, async s => {
    const { alice, bob, room } = await pair(s);
    const key = await gateway.pusher(bob);
    const ids = [await alice.say(room, "delivered")];
    await gateway.has(key, "the first message", about(ids[0]));
    gateway.answers.set(key, () => "hang");
    ids.push(await alice.say(room, "not answered"));
    await gateway.has(key, "the attempt", about(ids[1]));
    ids.push(await alice.say(room, "waiting"));
    await s.stop();
    const tried = gateway.of(key).length;
    gateway.answers.delete(key);
    await s.start();
    await gateway.has(key, "the last", about(ids[2]));
    assert.deepEqual(gateway.of(key).slice(tried).map(n => n.event_id), ids.slice(1));
    gateway.answers.set(key, () => 500);
    ids.push(await alice.say(room, "before the crash"));
    await gateway.has(key, "the attempt", about(ids[3]));
    await s.kill9();
    gateway.answers.delete(key);
    const before = gateway.of(key).length;
    await s.start();
    await eventually("the message after the crash", () => gateway.of(key).slice(before).some(about(ids[3])));
    ids.push(await alice.say(room, "after"));
    await gateway.has(key, "the newest", about(ids[4]));
    // What was delivered in the last moments may come once more, if that was not stored yet.
    assert.deepEqual(gateway.of(key).slice(before).map(n => n.event_id).filter(id => id !== ids[2]), ids.slice(3));
  });
});

test("without leave no private address is reached, and push can be turned off", { skip: EXTERNAL ? "needs a server of its own" : false }, async () => {
  const secure = gateway.url.replace("http://127.0.0.1", "https://localhost");
  for (const push of [{}, { enabled: false, allow_private_addresses: true }]) {
    await withServer({ config: { push, log: { level: "debug" } } }, async s => {
      const { alice, bob, room } = await pair(s);
      const connections = [];
      gateway.server.on("connection", c => connections.push(c));
      const key = await gateway.pusher(bob, { url: secure });
      await alice.say(room, "to nobody");
      if (push.enabled !== false) await eventually("the refusal", () => /The address is not a public one/.test(s.stderr));
      await s.stop();
      assert.deepEqual(gateway.of(key), []);
      assert.deepEqual(connections, []);
    });
  }
});
