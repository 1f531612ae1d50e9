// SPDX-License-Identifier: Apache-2.0
// Registration, login, tokens, devices, passwords, deactivation, user-interactive authentication.
import assert from "node:assert/strict";
import test from "node:test";
import { E, EXTERNAL, OWN_SERVER, User, eventually, unique, useServer, withServer } from "./harness.mjs";

const hs = useServer();

async function register(server, body, auth) {
  const first = await server.req("POST", "/register", { body, expect: 401 });
  assert.equal(typeof first.body.session, "string");
  assert.ok(Array.isArray(first.body.flows));
  return server.req("POST", "/register", { body: { ...body, auth: { session: first.body.session, ...auth } } });
}

test("capitals in a name are lowered when the account is made, and understood when signing in", async () => {
  const name = unique("carol");
  const shouted = name.toUpperCase();
  await hs.req("GET", `/register/available?username=${shouted}`, { expect: 200 });
  const made = (await register(hs, { username: shouted, password: "a good password" }, { type: "m.login.dummy" })).body;
  assert.equal(made.user_id, `@${name}:localhost`);
  await hs.fails(400, "M_USER_IN_USE", "GET", `/register/available?username=${shouted}`);
  for (const user of [name, shouted, `@${shouted}:localhost`]) assert.equal((await hs.login(user, "a good password")).id, made.user_id);
  await hs.fails(403, "M_FORBIDDEN", "POST", "/login", { body: { type: "m.login.password", identifier: { type: "m.id.user", user: shouted }, password: "wrong" } });
});

test("registration with m.login.dummy signs in a new user", async () => {
  const username = unique("dummy");
  const r = await register(hs, { username, password: "a good password" }, { type: "m.login.dummy" });
  assert.equal(r.status, 200, `${r.raw}`);
  assert.equal(r.body.user_id, `@${username}:localhost`);
  assert.ok(r.body.access_token && r.body.device_id);
  const me = await new User(hs, { token: r.body.access_token }).get("/account/whoami");
  assert.equal(me.user_id, r.body.user_id);
  assert.equal(me.device_id, r.body.device_id);
  assert.notEqual(me.is_guest, true);
});

test("registration keeps the wanted device, and inhibit_login gives no token", async () => {
  const a = await register(hs, { username: unique("dev"), password: "pw-pw-pw-pw", device_id: "MYDEVICE", initial_device_display_name: "Kitchen" }, { type: "m.login.dummy" });
  assert.equal(a.body.device_id, "MYDEVICE");
  const me = new User(hs, { token: a.body.access_token });
  assert.equal((await me.get("/devices/MYDEVICE")).display_name, "Kitchen");
  const b = await register(hs, { username: unique("inh"), password: "pw-pw-pw-pw", inhibit_login: true }, { type: "m.login.dummy" });
  assert.equal(b.status, 200);
  assert.equal(b.body.access_token, undefined);
  assert.equal(b.body.device_id, undefined);
});

test("registration without a name makes one up", async () => {
  const r = await register(hs, { password: "pw-pw-pw-pw" }, { type: "m.login.dummy" });
  assert.equal(r.status, 200, `${r.raw}`);
  assert.match(r.body.user_id, /^@[a-z0-9._=/+-]+:localhost$/);
});

test("names that are taken or impossible are refused", async () => {
  const alice = await hs.user();
  await hs.fails(400, "M_USER_IN_USE", "GET", `/register/available?username=${alice.name}`);
  await hs.fails(400, "M_INVALID_USERNAME", "GET", `/register/available?username=${E("Bad Name!")}`);
  assert.equal((await hs.req("GET", `/register/available?username=${unique("free")}`, { expect: 200 })).body.available, true);
  await hs.fails(400, "M_USER_IN_USE", "POST", "/register", { body: { username: alice.name, password: "pw-pw-pw-pw" } });
  await hs.fails(400, "M_INVALID_USERNAME", "POST", "/register", { body: { username: "sp ace", password: "pw-pw-pw-pw" } });
  const r = await hs.req("POST", "/register", { body: { username: "n".repeat(256), password: "pw-pw-pw-pw" } });
  assert.equal(r.status, 400);
});

test("UIA: a wrong session, a wrong stage, and a session bound to its request", async () => {
  const alice = await hs.user();
  const second = await alice.another({ device_id: "SECOND" });
  const third = await alice.another({ device_id: "THIRD" });
  const start = await hs.req("DELETE", `/devices/${second.device}`, { token: alice.token, body: {}, expect: 401 });
  assert.equal(start.body.errcode, undefined);
  const bad = await hs.req("DELETE", `/devices/${second.device}`, { token: alice.token, body: { auth: { ...alice.passwordAuth(start.body.session), password: "wrong" } }, expect: 401 });
  assert.equal(bad.body.errcode, "M_FORBIDDEN");
  assert.equal(bad.body.session, start.body.session);
  assert.deepEqual(bad.body.completed ?? [], []);
  // The session was opened for SECOND: it must not open the door to THIRD.
  const other = await hs.req("DELETE", `/devices/${third.device}`, { token: alice.token, body: { auth: alice.passwordAuth(start.body.session) } });
  assert.ok([400, 401, 403].includes(other.status), `${other.status} ${other.raw}`);
  await alice.get(`/devices/${third.device}`);
  const none = await hs.req("DELETE", `/devices/${third.device}`, { token: alice.token, body: { auth: { ...alice.passwordAuth("nosuchsession") } } });
  assert.ok([400, 401, 403].includes(none.status), `${none.status}`);
  await alice.get(`/devices/${third.device}`);
});

test("UIA: another person's password does not help", async () => {
  const [alice, mallory] = await hs.users("alice", "mallory");
  const start = await hs.req("DELETE", `/devices/${alice.device}`, { token: alice.token, body: {}, expect: 401 });
  const r = await hs.req("DELETE", `/devices/${alice.device}`, { token: alice.token, body: { auth: mallory.passwordAuth(start.body.session) } });
  assert.ok([401, 403].includes(r.status), `${r.status}`);
  await alice.get("/account/whoami");
});

test("the shared secret registers, admins too; a wrong or used nonce does not", async () => {
  const admin = await hs.user("admin", { admin: true });
  await admin.get("/account/whoami");
  const p = "/_synapse/admin/v1/register";
  const { nonce } = (await hs.req("GET", p, { expect: 200 })).body;
  const body = { nonce, username: unique("x"), password: "p", admin: false, mac: "00".repeat(20) };
  const wrong = await hs.req("POST", p, { body });
  assert.equal(wrong.status, 403);
  const again = await hs.req("POST", p, { body: { ...body, nonce: "unheard-of" } });
  assert.equal(again.status, 400);
});

test("login lists its flows and signs in by localpart, by full id and by the old `user` field", async () => {
  const alice = await hs.user("alice");
  const { flows } = (await hs.req("GET", "/login", { expect: 200 })).body;
  assert.ok(flows.some(f => f.type === "m.login.password"));
  for (const who of [{ identifier: { type: "m.id.user", user: alice.name } }, { identifier: { type: "m.id.user", user: alice.id } }, { user: alice.name }, { user: alice.id }]) {
    const r = await hs.req("POST", "/login", { body: { type: "m.login.password", password: alice.password, ...who }, expect: 200 });
    assert.equal(r.body.user_id, alice.id);
    assert.ok(r.body.access_token && r.body.device_id);
  }
});

test("login refuses wrong passwords, unknown people and unknown kinds", async () => {
  const alice = await hs.user("alice");
  const body = { type: "m.login.password", identifier: { type: "m.id.user", user: alice.name }, password: "wrong" };
  await hs.fails(403, "M_FORBIDDEN", "POST", "/login", { body });
  await hs.fails(403, "M_FORBIDDEN", "POST", "/login", { body: { ...body, identifier: { type: "m.id.user", user: unique("nobody") } } });
  await hs.fails(403, "M_FORBIDDEN", "POST", "/login", { body: { ...body, identifier: { type: "m.id.user", user: `@${alice.name}:elsewhere.example` } } });
  const odd = await hs.req("POST", "/login", { body: { type: "m.login.magic" }, expect: 400 });
  assert.ok(["M_UNKNOWN", "M_INVALID_PARAM", "M_UNRECOGNIZED"].includes(odd.body.errcode), odd.body.errcode);
});

test("login with a known device replaces its token", async () => {
  const alice = await hs.user("alice");
  const one = await alice.another({ device_id: "LAPTOP", initial_device_display_name: "Laptop" });
  const two = await alice.another({ device_id: "LAPTOP", initial_device_display_name: "Changed" });
  await hs.fails(401, "M_UNKNOWN_TOKEN", "GET", "/account/whoami", { token: one.token });
  await two.get("/account/whoami");
  assert.equal((await two.get("/devices/LAPTOP")).display_name, "Laptop", "a second login keeps the name");
});

test("logout ends one device, logout/all ends them all", async () => {
  const alice = await hs.user("alice");
  const [b, c] = [await alice.another(), await alice.another()];
  await b.post("/logout");
  await hs.fails(401, "M_UNKNOWN_TOKEN", "GET", "/account/whoami", { token: b.token });
  assert.equal((await alice.get("/devices")).devices.some(d => d.device_id === b.device), false);
  await c.post("/logout/all");
  for (const u of [alice, c]) await hs.fails(401, "M_UNKNOWN_TOKEN", "GET", "/account/whoami", { token: u.token });
  const again = await alice.another();
  assert.deepEqual((await again.get("/devices")).devices.map(d => d.device_id), [again.device]);
});

test("registration gives a refresh token to who asks for one", async () => {
  const body = { username: unique("fresh"), password: "a long password", refresh_token: true };
  const { session } = (await hs.req("POST", "/register", { body, expect: 401 })).body;
  const r = (await hs.req("POST", "/register", { body: { ...body, auth: { type: "m.login.dummy", session } }, expect: 200 })).body;
  assert.ok(r.expires_in_ms > 0);
  assert.ok((await hs.req("POST", "/refresh", { body: { refresh_token: r.refresh_token }, expect: 200 })).body.access_token);
});

test("refresh tokens: a new pair, the old access token ends, an unknown one is refused", async () => {
  const alice = await hs.user("alice");
  const d = await alice.another({ refresh_token: true });
  assert.ok(d.refresh, "no refresh_token in the login answer");
  const r = (await hs.req("POST", "/refresh", { body: { refresh_token: d.refresh }, expect: 200 })).body;
  assert.ok(r.access_token);
  assert.notEqual(r.access_token, d.token);
  const fresh = new User(hs, { token: r.access_token, id: alice.id });
  assert.equal((await fresh.get("/account/whoami")).device_id, d.device);
  // Once the new pair is in use the old refresh token is worth nothing.
  if (r.refresh_token && r.refresh_token !== d.refresh) {
    const old = await hs.req("POST", "/refresh", { body: { refresh_token: d.refresh } });
    assert.ok([401, 403].includes(old.status), `${old.status}`);
  }
  const none = await hs.req("POST", "/refresh", { body: { refresh_token: "unheard-of" } });
  assert.ok([401, 403].includes(none.status), `${none.status}`);
  const plain = await alice.another();
  assert.equal(plain.refresh, undefined, "a refresh token only for those who ask");
});

test("an access token that can be refreshed expires with soft_logout", OWN_SERVER, async () => {
  await withServer({ config: { access_tokens: { lifetime: "1s" } } }, async s => {
    const alice = await s.user("alice");
    const r = await s.req("POST", "/login", { body: { type: "m.login.password", identifier: { type: "m.id.user", user: alice.name }, password: alice.password, refresh_token: true }, expect: 200 });
    assert.ok(r.body.expires_in_ms > 0 && r.body.expires_in_ms <= 1000);
    const gone = await eventually("the token expires", async () => {
      const w = await s.req("GET", "/account/whoami", { token: r.body.access_token });
      return w.status === 401 ? w : null;
    });
    assert.equal(gone.body.errcode, "M_UNKNOWN_TOKEN");
    assert.equal(gone.body.soft_logout, true);
    const next = (await s.req("POST", "/refresh", { body: { refresh_token: r.body.refresh_token }, expect: 200 })).body;
    await s.req("GET", "/account/whoami", { token: next.access_token, expect: 200 });
    await alice.get("/account/whoami"); // not refreshable, so not expiring
  });
});

test("devices: list, get, rename, delete with UIA, delete several", async () => {
  const alice = await hs.user("alice");
  const [b, c, d] = [await alice.another({ device_id: "BB" }), await alice.another({ device_id: "CC" }), await alice.another({ device_id: "DD" })];
  assert.deepEqual((await alice.get("/devices")).devices.map(x => x.device_id).sort(), [alice.device, "BB", "CC", "DD"].sort());
  await alice.put("/devices/BB", { display_name: "Bee" });
  const bee = await alice.get("/devices/BB");
  assert.equal(bee.display_name, "Bee");
  await b.get("/account/whoami");
  await eventually("last_seen_ts is kept", async () => { const ts = (await alice.get("/devices/BB")).last_seen_ts; return EXTERNAL || (ts && Math.abs(ts - Date.now()) < 3600e3); });
  await alice.fails(404, "M_NOT_FOUND", "GET", "/devices/NOPE");
  await alice.fails(404, "M_NOT_FOUND", "PUT", "/devices/NOPE", { display_name: "x" });
  await alice.withPassword("DELETE", "/devices/BB", {});
  await hs.fails(401, "M_UNKNOWN_TOKEN", "GET", "/account/whoami", { token: b.token });
  await alice.withPassword("POST", "/delete_devices", { devices: ["CC", "DD"] });
  for (const x of [c, d]) await hs.fails(401, "M_UNKNOWN_TOKEN", "GET", "/account/whoami", { token: x.token });
  assert.deepEqual((await alice.get("/devices")).devices.map(x => x.device_id), [alice.device]);
});

test("a password change signs out the other devices, or keeps them if asked", async () => {
  const alice = await hs.user("alice");
  const b = await alice.another();
  await alice.withPassword("POST", "/account/password", { new_password: "second password", logout_devices: false });
  alice.password = "second password";
  await b.get("/account/whoami");
  await alice.withPassword("POST", "/account/password", { new_password: "third password" });
  await hs.fails(401, "M_UNKNOWN_TOKEN", "GET", "/account/whoami", { token: b.token });
  await alice.get("/account/whoami");
  await hs.fails(403, "M_FORBIDDEN", "POST", "/login", { body: { type: "m.login.password", identifier: { type: "m.id.user", user: alice.name }, password: "second password" } });
  alice.password = "third password";
  await alice.another();
});

test("deactivation leaves the rooms, ends every token and keeps the name taken", async () => {
  const [alice, bob] = await hs.users("alice", "bob");
  const room = await bob.createRoom({ preset: "public_chat" });
  await alice.join(room);
  const r = await alice.withPassword("POST", "/account/deactivate", {});
  assert.ok(["success", "no-support"].includes(r.id_server_unbind_result));
  await hs.fails(401, "M_UNKNOWN_TOKEN", "GET", "/account/whoami", { token: alice.token });
  const again = await hs.req("POST", "/login", { body: { type: "m.login.password", identifier: { type: "m.id.user", user: alice.name }, password: alice.password } });
  assert.equal(again.status, 403);
  await hs.fails(400, "M_USER_IN_USE", "GET", `/register/available?username=${alice.name}`);
  await eventually("the deactivated user left", async () => !(alice.id in (await bob.get(`/rooms/${E(room)}/joined_members`)).joined));
});

test("closed registration refuses, the shared secret still works", OWN_SERVER, async () => {
  await withServer({ config: { registration: { mode: "closed" } } }, async s => {
    await s.fails(403, "M_FORBIDDEN", "POST", "/register", { body: { username: "nope", password: "pw-pw-pw-pw" } });
    await (await s.user("alice")).get("/account/whoami");
  });
});

test("token registration wants a token, checks it and honours its limits", OWN_SERVER, async () => {
  await withServer({ config: { registration: { mode: "token", tokens: ["golden-ticket"] } } }, async s => {
    const body = { username: unique("tok"), password: "pw-pw-pw-pw" };
    const first = await s.req("POST", "/register", { body, expect: 401 });
    assert.ok(first.body.flows.every(f => f.stages.includes("m.login.registration_token")));
    const bad = await s.req("POST", "/register", { body: { ...body, auth: { type: "m.login.registration_token", token: "brass", session: first.body.session } }, expect: 401 });
    assert.equal(bad.body.errcode, "M_UNAUTHORIZED");
    const ok = await register(s, body, { type: "m.login.registration_token", token: "golden-ticket" });
    assert.equal(ok.status, 200, `${ok.raw}`);
    const v = t => s.req("GET", `/_matrix/client/v1/register/m.login.registration_token/validity?token=${t}`, { expect: 200 });
    assert.equal((await v("golden-ticket")).body.valid, true);
    assert.equal((await v("brass")).body.valid, false);
    await s.fails(401, "M_MISSING_TOKEN", "GET", "/account/whoami");
    const dummy = await register(s, { ...body, username: unique("tok") }, { type: "m.login.dummy" });
    assert.equal(dummy.status, 401, "m.login.dummy must not open a token-only server");
  });
});

test("terms have to be accepted where there are some", OWN_SERVER, async () => {
  const terms = { version: "1.0", name: "Privacy", url: "https://example.org/privacy" };
  await withServer({ config: { registration: { terms } } }, async s => {
    const body = { username: unique("terms"), password: "pw-pw-pw-pw" };
    const first = await s.req("POST", "/register", { body, expect: 401 });
    assert.ok(first.body.flows.every(f => f.stages.includes("m.login.terms")), JSON.stringify(first.body));
    const [policy] = Object.values(first.body.params["m.login.terms"].policies);
    assert.equal(policy.version, "1.0");
    assert.deepEqual(policy.en, { name: terms.name, url: terms.url });
    const stages = first.body.flows[0].stages;
    let r;
    for (const type of stages) r = await s.req("POST", "/register", { body: { ...body, auth: { type, session: first.body.session } } });
    assert.equal(r.status, 200, `${r.raw}`);
  });
});

test("tokens in the query string are taken where the configuration says so", OWN_SERVER, async () => {
  await withServer({ config: { access_tokens: { query_string_allowed: true } } }, async s => {
    const alice = await s.user("alice");
    assert.equal((await s.req("GET", `/account/whoami?access_token=${E(alice.token)}`, { expect: 200 })).body.user_id, alice.id);
  });
});

test("accounts, tokens and devices survive a restart", OWN_SERVER, async () => {
  await withServer({}, async s => {
    const alice = await s.user("alice");
    await alice.put(`/devices/${alice.device}`, { display_name: "kept" });
    await s.restart();
    assert.equal((await alice.get(`/devices/${alice.device}`)).display_name, "kept");
    await alice.another();
  });
});

test("openid, 3pid and pushers answer like a server without identity service", async () => {
  const alice = await hs.user();
  assert.deepEqual((await alice.get("/account/3pid")).threepids, []);
});

test("guests stay outside unless they are let in", async () => {
  const r = await hs.req("POST", "/register?kind=guest", { body: {} });
  assert.equal(r.status, 403, `${r.status}`);
});
