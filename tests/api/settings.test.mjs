// SPDX-License-Identifier: Apache-2.0
// What a client asks first (versions, capabilities, well-known files) and what it keeps on the server: pushers, and the
// errors of filters, receipts, presence and profile fields.
import assert from "node:assert/strict";
import test from "node:test";
import { E, OWN_SERVER, useServer, withServer } from "./harness.mjs";

const hs = useServer();
const GATEWAY = "https://push.example.org/_matrix/push/v1/notify";
const pusher = (more = {}) => ({ kind: "http", app_id: "org.example.app", pushkey: "key", app_display_name: "App", device_display_name: "Phone", lang: "en", data: { url: GATEWAY }, ...more });

test("versions go up to the newest, capabilities name room versions and profile fields", OWN_SERVER, async () => {
  const alice = await hs.user("alice");
  const { versions } = (await hs.req("GET", "/_matrix/client/versions", {})).body;
  assert.ok(versions.includes("v1.1") && versions.includes("v1.19"));
  const { capabilities } = await alice.get("/capabilities");
  const { default: chosen, available } = capabilities["m.room_versions"];
  assert.deepEqual(Object.keys(available), Array.from({ length: 12 }, (_, i) => `${i + 1}`));
  assert.equal(available[chosen], "stable");
  for (const name of ["m.change_password", "m.set_displayname", "m.set_avatar_url", "m.profile_fields"]) assert.equal(capabilities[name].enabled, true, name);
  assert.equal(capabilities["m.3pid_changes"].enabled, false);
  assert.deepEqual(await alice.get("/voip/turnServer"), {});
});

test("well-known files say what the configuration says", OWN_SERVER, async () => {
  const config = { well_known: { client_base_url: "https://m.example.org", identity_server: "https://id.example.org", extra_client: { "org.example.key": { a: 1 } }, support: { support_page: "https://help.example.org" } } };
  await withServer({ config }, async s => {
    assert.deepEqual((await s.req("GET", "/.well-known/matrix/client", {})).body, { "org.example.key": { a: 1 }, "m.homeserver": { base_url: "https://m.example.org" }, "m.identity_server": { base_url: "https://id.example.org" } });
    assert.deepEqual((await s.req("GET", "/.well-known/matrix/support", {})).body, { support_page: "https://help.example.org" });
  });
  assert.equal((await hs.req("GET", "/.well-known/matrix/support", {})).status, 404);
});

test("pushers are set, listed, replaced, deleted, and move with their key unless told to stay", async () => {
  const [alice, bob] = await hs.users("alice", "bob");
  const of = async who => (await who.get("/pushers")).pushers;
  await alice.post("/pushers/set", pusher({ profile_tag: "tag", data: { url: GATEWAY, format: "event_id_only", "org.example.level": 1.5 } }));
  assert.deepEqual(await of(alice), [{ ...pusher(), profile_tag: "tag", data: { url: GATEWAY, format: "event_id_only", "org.example.level": 1.5 } }]);
  await alice.post("/pushers/set", pusher({ lang: "de" }));
  assert.deepEqual((await of(alice)).map(p => p.lang), ["de"]);
  await bob.post("/pushers/set", pusher({ append: true }));
  assert.equal((await of(alice)).length, 1);
  await bob.post("/pushers/set", pusher());
  assert.deepEqual(await of(alice), []);
  await bob.post("/pushers/set", { kind: null, app_id: "org.example.app", pushkey: "key" });
  assert.deepEqual(await of(bob), []);
});

test("bad pushers are refused", async () => {
  const alice = await hs.user("alice");
  const bad = (errcode, more) => alice.fails(400, errcode, "POST", "/pushers/set", pusher(more));
  await bad("M_MISSING_PARAM", { kind: undefined });
  await bad("M_MISSING_PARAM", { lang: undefined });
  await bad("M_MISSING_PARAM", { data: {} });
  await bad("M_INVALID_PARAM", { kind: "pigeon" });
  await bad("M_INVALID_PARAM", { app_id: "x".repeat(65) });
  await bad("M_INVALID_PARAM", { pushkey: "x".repeat(513) });
  await bad("M_INVALID_PARAM", { data: { url: "https://push.example.org/elsewhere" } });
  await bad("M_INVALID_PARAM", { data: { url: "gopher://push.example.org/_matrix/push/v1/notify" } });
});

test("a pusher ends with its device", async () => {
  const alice = await hs.user("alice");
  const phone = await alice.another();
  await phone.post("/pushers/set", pusher({ pushkey: `key of ${phone.id}` }));
  assert.equal((await alice.get("/pushers")).pushers.length, 1);
  await phone.post("/logout");
  assert.deepEqual((await alice.get("/pushers")).pushers, []);
});

test("messages of ignored users are not counted, and count again when they are heard again", async () => {
  const [alice, bob, carol] = await hs.users("alice", "bob", "carol");
  const room = await alice.createRoom({ preset: "public_chat" });
  await bob.join(room);
  await carol.join(room);
  const count = async () => (await bob.stream()).last.rooms.join[room].unread_notifications.notification_count;
  const ignore = users => bob.put(`/user/${E(bob.id)}/account_data/m.ignored_user_list`, { ignored_users: Object.fromEntries(users.map(u => [u.id, {}])) });
  await alice.say(room, "one");
  await carol.say(room, "two");
  assert.equal(await count(), 2);
  await ignore([alice]);
  assert.equal(await count(), 1);
  await ignore([]);
  assert.equal(await count(), 2);
});

test("thread_id of a receipt must fit", async () => {
  const alice = await hs.user("alice");
  const room = await alice.createRoom();
  const root = await alice.say(room, "root");
  const inside = await alice.say(room, "in it", { "m.relates_to": { rel_type: "m.thread", event_id: root } });
  const at = (type, id) => `/rooms/${E(room)}/receipt/${type}/${E(id)}`;
  for (const thread_id of ["", 5, null, "$elsewhere"]) await alice.fails(400, "M_INVALID_PARAM", "POST", at("m.read", root), { thread_id });
  await alice.fails(400, "M_INVALID_PARAM", "POST", at("m.read", inside), { thread_id: "main" });
  await alice.fails(400, "M_INVALID_PARAM", "POST", at("m.fully_read", root), { thread_id: "main" });
  await alice.fails(404, "M_NOT_FOUND", "POST", at("m.read", "$nowhere"), {});
  await alice.post(at("m.read", inside), { thread_id: root });
  await alice.post(at("m.read", root), { thread_id: "main" });
});

test("account data has its own errors for rooms and types", async () => {
  const alice = await hs.user("alice");
  const at = (room, type) => `/user/${E(alice.id)}/rooms/${E(room)}/account_data/${type}`;
  await alice.fails(400, "M_INVALID_PARAM", "PUT", at("nonsense", "org.example.x"), {});
  await alice.fails(404, "M_NOT_FOUND", "GET", at("!nowhere:localhost", "org.example.x"));
  await alice.fails(405, "M_BAD_JSON", "PUT", at(await alice.createRoom(), "m.fully_read"), {});
  await alice.fails(404, "M_NOT_FOUND", "GET", `/user/${E(alice.id)}/filter/nonsense`);
});

test("presence is for those who share a room", async () => {
  const [alice, bob] = await hs.users("alice", "bob");
  await alice.fails(403, "M_FORBIDDEN", "GET", `/presence/${E(bob.id)}/status`);
  await alice.fails(404, "M_NOT_FOUND", "GET", `/presence/${E("@nobody.at.all:localhost")}/status`);
  assert.ok((await alice.get(`/presence/${E(alice.id)}/status`)).presence);
});
