// SPDX-License-Identifier: Apache-2.0
// The edges of a session: logged out while it waits, locked, suspended, too many; over all routes that the server has.
import assert from "node:assert/strict";
import test, { before } from "node:test";
import { BIN, CLIENT, E, OWN_SERVER, eventually, exchange, unique, useServer, withServer } from "./harness.mjs";

const hs = useServer();
let routes = [];
before(async () => {
  const r = await hs.command(["routes", "--json"], { bin: BIN });
  routes = r.stdout.trim().split("\n").map(l => JSON.parse(l)).filter(x => !x.alias_of);
});
const fill = path => path.replace(/\{\w+\*?\}/g, "x");

const parked = server => eventually("a sync is parked", async () => /ingot_http_parked [1-9]/.test((await server.req("GET", "/metrics")).raw.toString()));

/** A /sync that waits, when it does: what it will be answered. */
async function waitingSync(user) {
  const since = (await user.sync()).next_batch;
  const answer = exchange(user.server.base, "GET", `${CLIENT}/sync?timeout=30000&since=${since}&set_presence=offline`, { token: user.token });
  await parked(user.server);
  return { answer };
}

test("a /sync that waits while its session is logged out gets 401 and nothing that comes after", OWN_SERVER, async () => {
  const [alice, bob] = await hs.users("alice", "bob");
  const room = await alice.createRoom({ preset: "public_chat" });
  await bob.join(room);
  const other = await bob.another();
  for (const [session, end] of [[bob, () => bob.post("/logout")], [await bob.another(), () => other.post("/logout/all")]]) {
    const { answer } = await waitingSync(session);
    await end();
    await alice.say(room, "not for you any more");
    const r = await answer;
    assert.equal(r.status, 401);
    assert.equal(r.body.errcode, "M_UNKNOWN_TOKEN");
    assert.notEqual(r.body.soft_logout, true);
  }
});

test("a /sync that waits while the account is locked gets M_USER_LOCKED", OWN_SERVER, async () => {
  const [root, bob] = [await hs.user("root", { admin: true }), await hs.user("bob")];
  const room = await root.createRoom({ preset: "public_chat" });
  await bob.join(room);
  const { answer } = await waitingSync(bob);
  await root.put(`/_matrix/client/v1/admin/lock/${E(bob.id)}`, { locked: true });
  await root.say(room, "not for you now");
  const r = await answer;
  assert.equal(r.status, 401);
  assert.equal(r.body.errcode, "M_USER_LOCKED");
  assert.equal(r.body.soft_logout, true);
});

test("a /sync that waits while its token is refreshed ends softly", OWN_SERVER, async () => {
  const bob = await hs.user("bob");
  const session = await hs.login(bob.name, bob.password, { refresh_token: true });
  const room = await bob.createRoom();
  const { answer } = await waitingSync(session);
  const fresh = (await hs.req("POST", "/refresh", { body: { refresh_token: session.refresh }, expect: 200 })).body;
  await hs.req("GET", "/account/whoami", { token: fresh.access_token, expect: 200 });
  await bob.say(room, "go on with the new token");
  const r = await answer;
  assert.equal(r.status, 401);
  assert.equal(r.body.soft_logout, true);
});

test("a locked account is refused on every route but logout", async () => {
  const [root, bob] = [await hs.user("root", { admin: true }), await hs.user("bob")];
  await root.put(`/_matrix/client/v1/admin/lock/${E(bob.id)}`, { locked: true });
  const wanting = routes.filter(r => ["user", "guest", "admin", "optional"].includes(r.auth) && !r.path.startsWith("/_matrix/client/v3/logout"));
  assert.ok(wanting.length > 90);
  for (const { method, path } of wanting) {
    const r = await hs.req(method, fill(path), { token: bob.token, body: method === "GET" ? undefined : {} });
    assert.equal(r.status, 401, `${method} ${path} ${r.raw}`);
    assert.equal(r.body.errcode, "M_USER_LOCKED", `${method} ${path}`);
    assert.equal(r.body.soft_logout, true, `${method} ${path}`);
  }
  await root.put(`/_matrix/client/v1/admin/lock/${E(bob.id)}`, { locked: false });
  await bob.get("/account/whoami"); // the token was kept
  await root.put(`/_matrix/client/v1/admin/lock/${E(bob.id)}`, { locked: true });
  await bob.post("/logout");
  await hs.fails(401, "M_USER_LOCKED", "POST", "/login", { body: { type: "m.login.password", identifier: { type: "m.id.user", user: bob.id }, password: bob.password } });
});

test("a suspended account may read and leave, but not do what suspension forbids", async () => {
  const [root, alice, bob] = [await hs.user("root", { admin: true }), await hs.user("alice"), await hs.user("bob")];
  const room = await alice.createRoom({ preset: "public_chat", power_level_content_override: { users_default: 100 } });
  const knocks = await alice.createRoom({ initial_state: [{ type: "m.room.join_rules", content: { join_rule: "knock" } }] });
  const open = await alice.createRoom({ preset: "public_chat" });
  const invited = await alice.createRoom({ invite: [bob.id] });
  await bob.join(room);
  const [mine, hers] = [await bob.say(room, "mine"), await alice.say(room, "hers")];
  await root.put(`/_matrix/client/v1/admin/suspend/${E(bob.id)}`, { suspended: true });
  const forbidden = [
    ["POST", `/join/${E(open)}`], ["POST", `/rooms/${E(open)}/join`], ["POST", `/rooms/${E(invited)}/join`], ["POST", `/knock/${E(knocks)}`],
    ["POST", `/rooms/${E(room)}/invite`, { user_id: root.id }], ["POST", `/rooms/${E(room)}/kick`, { user_id: alice.id }], ["POST", `/rooms/${E(room)}/ban`, { user_id: alice.id }],
    ["POST", `/rooms/${E(room)}/unban`, { user_id: alice.id }],
    ["PUT", `/rooms/${E(room)}/send/m.room.message/1`, { msgtype: "m.text", body: "no" }], ["PUT", `/rooms/${E(room)}/state/m.room.name`, { name: "no" }], ["PUT", `/rooms/${E(room)}/state/m.test/x`, {}],
    ["PUT", `/rooms/${E(room)}/redact/${E(hers)}/2`, {}], ["POST", "/createRoom", {}], ["POST", `/rooms/${E(room)}/upgrade`, { new_version: "11" }],
    ["PUT", `/profile/${E(bob.id)}/displayname`, { displayname: "no" }], ["DELETE", `/profile/${E(bob.id)}/displayname`],
  ];
  for (const [method, path, body = {}] of forbidden) await bob.fails(403, "M_USER_SUSPENDED", method, path, body);
  const more = await bob.another();
  await more.sync();
  await bob.messages(room);
  await bob.redact(room, mine);
  await bob.leave(invited);
  await bob.leave(room);
  await more.post("/logout");
  await bob.withPassword("POST", "/account/deactivate", {});
});

test("limits of devices, rooms and accounts are told as the specification says", OWN_SERVER, async () => {
  await withServer({ config: { limits: { devices_per_user: 2, rooms_per_user: 2, info_uri: "https://help.example.org/limits", admin_contact: "mailto:admin@example.org" }, registration: { max_accounts: 2 } } }, async s => {
    const alice = await s.user("alice"), bob = await s.user("bob"), carol = await s.user("carol"); // made by the operator's tool: not limited
    const second = await alice.another();
    const full = await s.fails(403, "M_USER_LIMIT_EXCEEDED", "POST", "/login", { body: { type: "m.login.password", identifier: { type: "m.id.user", user: alice.id }, password: alice.password } });
    assert.equal(full.info_uri, "https://help.example.org/limits");
    await s.login(alice.name, alice.password, { device_id: second.device }); // one that they have
    await alice.post("/logout");
    await s.login(alice.name, alice.password);
    await bob.createRoom();
    await bob.createRoom();
    const room = await carol.createRoom({ preset: "public_chat" });
    for (const [method, path, body] of [["POST", "/createRoom", {}], ["POST", `/join/${E(room)}`, {}], ["PUT", `/rooms/${E(room)}/state/m.room.member/${E(bob.id)}`, { membership: "join" }]]) {
      assert.equal((await bob.fails(403, "M_USER_LIMIT_EXCEEDED", method, path, body)).info_uri, "https://help.example.org/limits");
    }
    const refused = await s.fails(403, "M_RESOURCE_LIMIT_EXCEEDED", "POST", "/register", { body: { username: unique("dave"), password: "a long password" } });
    assert.equal(refused.admin_contact, "mailto:admin@example.org");
    await carol.withPassword("POST", "/account/deactivate", {});
    await bob.withPassword("POST", "/account/deactivate", {});
    const wish = { username: unique("erin"), password: "a long password" };
    const { session } = (await s.req("POST", "/register", { body: wish, expect: 401 })).body;
    await s.req("POST", "/register", { body: { ...wish, auth: { type: "m.login.dummy", session } }, expect: 200 });
  });
});

test("of messages to a device that never fetches them the newest are kept", OWN_SERVER, async () => {
  await withServer({ config: { limits: { to_device_messages: 5 } } }, async s => {
    const [alice, bob] = await s.users("alice", "bob");
    for (let i = 0; i < 12; i++) await alice.put(`/sendToDevice/m.test/${alice.nextTxn()}`, { messages: { [bob.id]: { "*": { i } } } });
    assert.deepEqual((await bob.sync()).to_device.events.map(e => e.content.i), [7, 8, 9, 10, 11]);
  });
});

test("asking for news has a rate limit of its own", OWN_SERVER, async () => {
  await withServer({ config: { rate_limits: { enabled: true, sync: { per_second: 0.01, burst: 3 } } } }, async s => {
    const alice = await s.user("alice");
    for (let i = 0; i < 3; i++) await alice.sync();
    await alice.fails(429, "M_LIMIT_EXCEEDED", "GET", "/sync?timeout=0");
    await alice.get("/account/whoami");
  });
});
