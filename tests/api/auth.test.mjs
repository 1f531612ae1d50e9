// SPDX-License-Identifier: Apache-2.0
// The corners of proving who one is: sessions of user-interactive authentication, one-time tokens, races, limits.
import assert from "node:assert/strict";
import crypto from "node:crypto";
import test from "node:test";
import { E, OWN_SERVER, User, unique, useServer, withServer } from "./harness.mjs";

const hs = useServer();
const GET_TOKEN = "/_matrix/client/v1/login/get_token";
const passwordLogin = (user, password, extra = {}) => ({ body: { type: "m.login.password", identifier: { type: "m.id.user", user }, password, ...extra } });

test("a session passes exactly once, also when requests race", async () => {
  const alice = await hs.user("alice");
  const { session } = (await hs.req("POST", GET_TOKEN, { token: alice.token, body: {}, expect: 401 })).body;
  const auth = alice.passwordAuth(session);
  const all = await Promise.all(Array.from({ length: 8 }, () => hs.req("POST", GET_TOKEN, { token: alice.token, body: { auth } })));
  assert.equal(all.filter(r => r.status === 200).length, 1, all.map(r => r.status).join());
  const late = await hs.req("POST", GET_TOKEN, { token: alice.token, body: { auth }, expect: 401 });
  assert.notEqual(late.body.session, session);
  assert.equal(typeof late.body.errcode, "string");
});

test("a client that knows the flow needs no session, and may ask for the flows with an empty body", async () => {
  const alice = await hs.user("alice");
  const { session, ...auth } = alice.passwordAuth("unused");
  assert.ok((await hs.req("POST", GET_TOKEN, { token: alice.token, body: { auth }, expect: 200 })).body.login_token);
  const first = await hs.req("POST", "/register", { body: {}, expect: 401 });
  const r = await hs.req("POST", "/register", { body: { username: unique("late"), password: "pw-pw-pw-pw", auth: { type: "m.login.dummy", session: first.body.session } } });
  assert.equal(r.status, 200, `${r.raw}`);
});

test("a session that was opened for one body does not serve another", async () => {
  const alice = await hs.user("alice");
  await alice.another({ device_id: "AA" });
  await alice.another({ device_id: "BB" });
  const { session } = (await hs.req("POST", "/delete_devices", { token: alice.token, body: { devices: ["AA"] }, expect: 401 })).body;
  await alice.fails(403, "M_FORBIDDEN", "POST", "/delete_devices", { devices: ["BB"], auth: alice.passwordAuth(session) });
  await alice.get("/devices/BB");
  await alice.post("/delete_devices", { devices: ["AA"], auth: alice.passwordAuth(session) });
  await alice.fails(404, "M_NOT_FOUND", "GET", "/devices/AA");
  await alice.withPassword("POST", "/delete_devices", { devices: ["AA", "never there"] });
});

test("a session belongs to who opened it", async () => {
  const [alice, mallory] = await hs.users("alice", "mallory");
  const { session } = (await hs.req("POST", GET_TOKEN, { token: alice.token, body: {}, expect: 401 })).body;
  await mallory.fails(403, "M_FORBIDDEN", "POST", GET_TOKEN, { auth: mallory.passwordAuth(session) });
});

test("a login token signs in once", async () => {
  const alice = await hs.user("alice");
  const { login_token: token, expires_in_ms } = await alice.withPassword("POST", GET_TOKEN, {});
  assert.ok(expires_in_ms > 0);
  const r = await hs.req("POST", "/login", { body: { type: "m.login.token", token, device_id: "PHONE" }, expect: 200 });
  assert.equal(r.body.user_id, alice.id);
  assert.equal(r.body.device_id, "PHONE");
  await hs.fails(403, "M_FORBIDDEN", "POST", "/login", { body: { type: "m.login.token", token } });
  await hs.fails(403, "M_FORBIDDEN", "POST", "/login", { body: { type: "m.login.token", token: "igl_madeup" } });
  await hs.fails(400, "M_MISSING_PARAM", "POST", "/login", { body: { type: "m.login.token" } });
});

test("malformed logins and registrations get the right error", async () => {
  await hs.fails(400, "M_MISSING_PARAM", "POST", "/login", { body: {} });
  await hs.fails(400, "M_BAD_JSON", "POST", "/login", { body: { type: 7 } });
  await hs.fails(400, "M_MISSING_PARAM", "POST", "/login", { body: { type: "m.login.password", password: "x" } });
  await hs.fails(400, "M_BAD_JSON", "POST", "/login", { body: { type: "m.login.password", identifier: "alice", password: "x" } });
  await hs.fails(400, "M_MISSING_PARAM", "POST", "/login", { body: { type: "m.login.password", identifier: { type: "m.id.user", user: "alice" } } });
  await hs.fails(400, "M_WEAK_PASSWORD", "POST", "/register", { body: { username: unique("weak"), password: "short" } });
  await hs.fails(400, "M_INVALID_PARAM", "POST", "/register?kind=robot", { body: {} });
  await hs.fails(400, "M_MISSING_PARAM", "POST", "/register", { body: { username: unique("nopw"), auth: { type: "m.login.dummy" } } });
  await hs.fails(400, "M_MISSING_PARAM", "GET", "/register/available");
  await hs.fails(400, "M_MISSING_PARAM", "POST", "/refresh", { body: {} });
});

test("a refresh token stays good until what it was exchanged for is used", async () => {
  const alice = await hs.user("alice");
  const d = await alice.another({ refresh_token: true });
  const refresh = token => hs.req("POST", "/refresh", { body: { refresh_token: token } });
  const lost = await refresh(d.refresh);
  assert.equal(lost.status, 200);
  const again = await refresh(d.refresh);
  assert.equal(again.status, 200, "the answer was lost: the client asks again");
  assert.equal((await refresh(lost.body.refresh_token)).status, 401, "the lost pair has ended");
  await d.get("/account/whoami");
  await hs.req("GET", "/account/whoami", { token: again.body.access_token, expect: 200 });
  assert.equal((await refresh(d.refresh)).status, 401);
  await hs.fails(401, "M_UNKNOWN_TOKEN", "GET", "/account/whoami", { token: d.token });
  await hs.fails(401, "M_UNKNOWN_TOKEN", "POST", "/refresh", { body: { refresh_token: again.body.access_token } });
});

test("password and account can be changed without an access token, by password alone", async () => {
  const alice = await hs.user("alice");
  const auth = password => ({ type: "m.login.password", identifier: { type: "m.id.user", user: alice.id }, password });
  await hs.req("POST", "/account/password", { body: { new_password: "the second one", auth: auth(alice.password) }, expect: 200 });
  await hs.fails(401, "M_UNKNOWN_TOKEN", "GET", "/account/whoami", { token: alice.token });
  const wrong = await hs.req("POST", "/account/deactivate", { body: { auth: auth(alice.password) }, expect: 401 });
  assert.equal(wrong.body.errcode, "M_FORBIDDEN");
  assert.ok(wrong.body.flows.length > 0);
  await hs.req("POST", "/account/deactivate", { body: { erase: true, auth: auth("the second one") }, expect: 200 });
  await hs.fails(403, "M_USER_DEACTIVATED", "POST", "/login", passwordLogin(alice.name, "the second one"));
});

test("the shared secret signs one wish: not another, not twice, not with a nonce of one's own", async () => {
  const p = "/_synapse/admin/v1/register";
  const { nonce } = (await hs.req("GET", p, { expect: 200 })).body;
  const [username, password] = [unique("nonce"), "a good password"];
  const sign = n => crypto.createHmac("sha1", hs.secret).update([n, username, password, "notadmin"].join("\0")).digest("hex");
  const mac = sign(nonce);
  await hs.fails(403, "M_FORBIDDEN", "POST", p, { body: { nonce, username, password, admin: true, mac } });
  await hs.fails(403, "M_FORBIDDEN", "POST", p, { body: { nonce, username: `${username}2`, password, mac } });
  const bent = nonce.replace(/.$/, c => (c === "0" ? "1" : "0"));
  await hs.fails(400, "M_UNKNOWN", "POST", p, { body: { nonce: bent, username, password, mac: sign(bent) } });
  await hs.req("POST", p, { body: { nonce, username, password, mac }, expect: 200 });
  await hs.fails(400, "M_USER_IN_USE", "POST", p, { body: { nonce, username, password, mac } });
});

test("a new user is called by their local part", async () => {
  const alice = await hs.user("alice");
  assert.equal((await alice.get(`/profile/${E(alice.id)}`)).displayname, alice.name);
});

test("who shares a room hears of a device that ended or was renamed", async () => {
  const [alice, bob] = await hs.users("alice", "bob");
  const phone = await alice.another({ device_id: "PHONE" });
  const room = await bob.createRoom({ preset: "public_chat" });
  await alice.join(room);
  const stream = await bob.stream();
  const changed = r => r.device_lists?.changed?.includes(alice.id);
  await alice.put("/devices/PHONE", { display_name: "new name" });
  await stream.until("the renamed device", changed);
  await phone.post("/logout");
  await stream.until("the ended device", changed);
});

test("guests have a token and little else, where guests are let in", OWN_SERVER, async () => {
  await withServer({ config: { registration: { guests: true } } }, async s => {
    const r = await s.req("POST", "/register?kind=guest", { body: { username: "ignored", device_id: "IGNORED", initial_device_display_name: "Kiosk" }, expect: 200 });
    assert.notEqual(r.body.user_id, "@ignored:localhost");
    assert.notEqual(r.body.device_id, "IGNORED");
    const guest = new User(s, { token: r.body.access_token });
    assert.equal((await guest.get("/account/whoami")).is_guest, true);
    assert.equal((await guest.get("/devices")).devices.length, 1);
    await guest.fails(403, "M_GUEST_ACCESS_FORBIDDEN", "POST", "/createRoom", {});
    await guest.post("/logout");
  });
});

test("too many wrong passwords for one account are stopped; others are not touched", OWN_SERVER, async () => {
  const rate_limits = { enabled: true, login: { per_second: 0.001, burst: 3 } };
  await withServer({ config: { rate_limits }, edit: c => { c.listeners[0].trusted_proxies = ["127.0.0.1"]; } }, async s => {
    const [alice, bob] = await s.users("alice", "bob");
    const from = i => ({ headers: { "X-Forwarded-For": `192.0.2.${i}` } });
    for (let i = 1; i <= 3; i++) await s.fails(403, "M_FORBIDDEN", "POST", "/login", { ...passwordLogin(alice.name, "wrong"), ...from(i) });
    const stopped = await s.fails(429, "M_LIMIT_EXCEEDED", "POST", "/login", { ...passwordLogin(alice.name, alice.password), ...from(4) });
    assert.ok(stopped.retry_after_ms > 0);
    await s.req("POST", "/login", { ...passwordLogin(bob.name, bob.password), ...from(5), expect: 200 });
  });
});
