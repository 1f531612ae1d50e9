// SPDX-License-Identifier: Apache-2.0
// What clients that people have expect beyond the letter of the specification.
import assert from "node:assert/strict";
import test from "node:test";
import { E, useServer } from "./harness.mjs";

const hs = useServer();

test("what is not known of a device is null, not absent", async () => {
  const alice = await hs.user("alice");
  const { devices: [listed] } = await alice.get("/devices");
  const one = await alice.get(`/devices/${E(alice.device)}`);
  for (const device of [listed, one]) {
    for (const member of ["device_id", "display_name", "last_seen_ip", "last_seen_ts"]) assert.ok(member in device, member);
    assert.equal(device.display_name, null);
  }
});

test("what a member has not set is null in joined_members", async () => {
  const alice = await hs.user("alice");
  const room = await alice.createRoom();
  const { joined: { [alice.id]: member } } = await alice.get(`/rooms/${E(room)}/joined_members`);
  assert.equal(member.avatar_url, null);
  assert.equal(typeof member.display_name, "string");
});

test("a display name and a picture that are not set are null, other fields and people are not found", async () => {
  const [alice, bob] = await hs.users("alice", "bob");
  const at = (id, field) => `/profile/${E(id)}/${field}`;
  await alice.del(at(alice.id, "displayname"));
  for (const who of [alice, bob]) {
    assert.deepEqual(await who.get(at(alice.id, "displayname")), { displayname: null });
    assert.deepEqual(await who.get(at(alice.id, "avatar_url")), { avatar_url: null });
    await who.fails(404, "M_NOT_FOUND", "GET", at(alice.id, "m.tz"));
    await who.fails(404, "M_NOT_FOUND", "GET", at("@nobody-at-all:localhost", "displayname"));
    assert.deepEqual(await who.get(`/profile/${E(alice.id)}`), {});
  }
  await alice.put(at(alice.id, "displayname"), { displayname: "Alice" });
  assert.deepEqual(await bob.get(at(alice.id, "displayname")), { displayname: "Alice" });
});

test("what clients read without asking whether it is there is there", async () => {
  const [alice, bob] = await hs.users("alice", "bob");
  const room = await alice.createRoom({ preset: "public_chat" }), event = await alice.say(room, "hello");
  await bob.join(room);
  const has = (what, object, ...members) => { for (const m of members) assert.ok(m in object, `${what} has ${m}: ${JSON.stringify(object).slice(0, 300)}`); };
  const stream = await bob.stream(), left = await alice.stream({ filter: { room: { include_leave: true } } });
  const sections = ["timeline", "state", "ephemeral", "account_data", "unread_notifications"];
  const check = r => {
    has("/sync", r, "next_batch", "rooms", "device_one_time_keys_count", "device_unused_fallback_key_types");
    has("one-time keys", r.device_one_time_keys_count, "signed_curve25519");
    for (const joined of Object.values(r.rooms.join)) {
      has("a joined room", joined, ...sections);
      has("a timeline", joined.timeline, "events", "limited", "prev_batch");
      for (const part of ["state", "ephemeral", "account_data"]) assert.ok(Array.isArray(joined[part].events), part);
      has("counts", joined.unread_notifications, "notification_count", "highlight_count");
      for (const e of joined.timeline.events) has("an event", e, "type", "content", "event_id", "sender", "origin_server_ts", "unsigned");
    }
    for (const gone of Object.values(r.rooms.leave)) {
      has("a room that was left", gone, "timeline", "state", "account_data");
      assert.ok(Array.isArray(gone.account_data.events));
    }
  };
  check(stream.last);
  await alice.say(room, "more");
  check(await stream.next());
  await alice.typing(room, true);
  check(await stream.next(2000));
  await alice.leave(room);
  await left.next();
  assert.ok(left.last.rooms.leave[room]);
  check(left.last);
  await alice.join(room);
  const login = (await hs.req("POST", "/login", { body: { type: "m.login.password", identifier: { type: "m.id.user", user: bob.name }, password: bob.password }, expect: 200 })).body;
  has("/login", login, "user_id", "access_token", "device_id", "home_server");
  has("/whoami", await bob.get("/account/whoami"), "user_id", "device_id", "is_guest");
  has("/keys/query", await bob.post("/keys/query", { device_keys: {} }), "device_keys", "failures", "master_keys", "self_signing_keys", "user_signing_keys");
  has("/keys/claim", await bob.post("/keys/claim", { one_time_keys: {} }), "one_time_keys", "failures");
  has("/keys/upload", (await bob.post("/keys/upload", {})).one_time_key_counts, "signed_curve25519");
  has("/keys/signatures/upload", await bob.post("/keys/signatures/upload", {}), "failures");
  has("/context", await bob.get(`/rooms/${E(room)}/context/${E(event)}?limit=0`), "start", "end", "event", "events_before", "events_after", "state");
  has("/messages", await bob.get(`/rooms/${E(room)}/messages?dir=b`), "start", "chunk");
  has("/publicRooms", await bob.post("/publicRooms", { filter: { generic_search_term: "nothing of it" } }), "chunk", "total_room_count_estimate");
  has("/user_directory/search", await bob.post("/user_directory/search", { search_term: "nobody" }), "results", "limited");
  has("/search", (await bob.post("/search", { search_categories: { room_events: { search_term: "nothing" } } })).search_categories.room_events, "count", "results", "highlights");
  has("/notifications", await bob.get("/notifications"), "notifications");
  has("a notification", (await bob.get("/notifications")).notifications[0], "room_id", "profile_tag", "actions", "ts", "event", "read");
  await bob.post("/pushers/set", { pushkey: "k", kind: "http", app_id: "a", app_display_name: "x", device_display_name: "x", lang: "en", data: { url: "https://push.example.org/_matrix/push/v1/notify" } });
  has("a pusher", (await bob.get("/pushers")).pushers[0], "app_display_name", "app_id", "data", "device_display_name", "kind", "lang", "profile_tag", "pushkey");
  has("the push rules", (await bob.get("/pushrules/")).global, "override", "content", "room", "sender", "underride");
  has("addresses", await bob.get("/account/3pid"), "threepids");
  has("/capabilities", (await bob.get("/capabilities")).capabilities, "m.change_password", "m.room_versions");
});

test("an empty token means none", async () => {
  const alice = await hs.user("alice");
  const bob = await hs.user("bob");
  const room = await alice.createRoom();
  const event = await alice.say(room, "hello");
  const paths = [
    `/sync?timeout=0&since=`, `/rooms/${E(room)}/messages?dir=b&from=`, `/rooms/${E(room)}/messages?dir=f&from=&to=`, `/notifications?from=`, `/events?timeout=0&from=`,
    `/publicRooms?since=`, `/_matrix/client/v1/rooms/${E(room)}/relations/${E(event)}?from=&to=`, `/_matrix/client/v1/rooms/${E(room)}/threads?from=`,
    `/_matrix/client/v1/rooms/${E(room)}/hierarchy?from=`, `/_matrix/client/v1/mutual_rooms?user_id=${E(bob.id)}&from=`,
  ];
  for (const path of paths) await alice.get(path);
  await alice.post("/search?next_batch=", { search_categories: { room_events: { search_term: "hello" } } });
});

// ---- paths of before, in clients and bots that people still have

test("events and redactions go without a transaction id, each time anew", async () => {
  const [alice, bob] = await hs.users("alice", "bob");
  const room = await alice.createRoom({ preset: "public_chat" });
  await bob.join(room);
  const content = { msgtype: "m.text", body: "from a script" };
  const at = version => `/_matrix/client/${version}/rooms/${E(room)}`;
  const first = await alice.post(`${at("v3")}/send/m.room.message`, content), second = await alice.post(`${at("r0")}/send/m.room.message`, content);
  assert.notEqual(first.event_id, second.event_id);
  for (const { event_id } of [first, second]) {
    const event = await alice.getEvent(room, event_id);
    assert.deepEqual(event.content, content);
    assert.equal(event.unsigned.transaction_id, undefined);
  }
  const { event_id } = await alice.post(`${at("r0")}/redact/${E(first.event_id)}`, { reason: "a test" });
  const gone = await bob.getEvent(room, first.event_id);
  assert.deepEqual(gone.content, {});
  assert.equal(gone.unsigned.redacted_because.event_id, event_id);
  await alice.post(`${at("v3")}/redact/${E(second.event_id)}`, undefined);
  await bob.fails(404, "M_NOT_FOUND", "POST", `${at("v3")}/redact/${E("$nowhere")}`, {});
  const mallory = await hs.user("mallory");
  await mallory.fails(403, "M_FORBIDDEN", "POST", `${at("v3")}/send/m.room.message`, content);
  await alice.fails(400, "M_BAD_JSON", "POST", `${at("v3")}/send/m.room.message`, []);
});

test("push rules of one kind are a list", async () => {
  const alice = await hs.user("alice");
  const { global } = await alice.get("/pushrules/");
  for (const kind of Object.keys(global)) assert.deepEqual(await alice.get(`/pushrules/global/${kind}/`), global[kind]);
  await alice.fails(404, "M_NOT_FOUND", "GET", "/pushrules/global/device/");
});

test("names of before a thing was specified are those of now", async () => {
  const alice = await hs.user("alice");
  const room = await alice.createRoom();
  const both = async (method, rest, body, older = `/_matrix/client/unstable${rest}`) => {
    const [now, before] = [await hs.req(method, rest, { token: alice.token, body }), await hs.req(method, older, { token: alice.token, body })];
    const told = r => [r.status, r.body.errcode ?? r.body];
    assert.notEqual(before.body.errcode, "M_UNRECOGNIZED", older);
    if (now.status !== 401) assert.deepEqual(told(before), told(now), older);
    else assert.deepEqual(before.body.flows, now.body.flows, older);
  };
  const proof = { sid: "x", client_secret: "y", id_server: "id.example.org", id_access_token: "z" };
  await both("POST", "/account/3pid/bind", proof);
  await both("POST", "/account/3pid/unbind", { medium: "email", address: "a@example.org" });
  await both("POST", "/account/3pid/add", proof);
  await both("POST", "/account/3pid/delete", { medium: "email", address: "a@example.org" });
  await both("POST", "/keys/device_signing/upload", {});
  await both("POST", "/keys/signatures/upload", {});
  await both("GET", `/rooms/${E(room)}/aliases`, undefined, `/_matrix/client/unstable/org.matrix.msc2432/rooms/${E(room)}/aliases`);
  const { version } = await alice.post("/_matrix/client/unstable/room_keys/version", { algorithm: "m.megolm_backup.v1.curve25519-aes-sha2", auth_data: {} });
  const session = { first_message_index: 0, forwarded_count: 0, is_verified: true, session_data: { x: 1.5 } };
  await alice.put(`/_matrix/client/unstable/room_keys/keys/${E(room)}/s?version=${version}`, session);
  for (const path of ["/room_keys/version", `/room_keys/version/${version}`, `/room_keys/keys?version=${version}`, `/room_keys/keys/${E(room)}?version=${version}`, `/room_keys/keys/${E(room)}/s?version=${version}`]) await both("GET", path);
});
