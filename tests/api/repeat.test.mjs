// SPDX-License-Identifier: Apache-2.0
// Requests that come once more, because the answer was lost or because an old client repeats only a part of them.
import assert from "node:assert/strict";
import { test } from "node:test";
import { E, OWN_SERVER, find, timeline, unique, useServer, withServer } from "./harness.mjs";

const hs = useServer();
const register = (s, body) => s.req("POST", "/register", { body });
const dummy = session => ({ type: "m.login.dummy", ...session && { session } });

test("one transaction id redacts several events, and each only once", async () => {
  const alice = await hs.user("alice");
  const room = await alice.createRoom();
  const events = [await alice.say(room, "one"), await alice.say(room, "two"), await alice.say(room, "three")];
  const redact = async event => (await alice.put(`/rooms/${E(room)}/redact/${E(event)}/same`, { reason: "x" })).event_id;
  const ids = [];
  for (const event of events) ids.push(await redact(event));
  assert.equal(new Set(ids).size, 3);
  for (const [i, event] of events.entries()) {
    assert.deepEqual((await alice.getEvent(room, event)).content, {});
    assert.equal(await redact(event), ids[i], "a repetition is the same");
  }
  const all = timeline(await alice.sync({ filter: { room: { timeline: { limit: 50 } } } }), room);
  assert.equal(all.filter(e => e.type === "m.room.redaction").length, 3);
  assert.equal(find(all, "m.room.redaction").unsigned.transaction_id, "same");
});

test("a registration whose answer was lost gives the same account and device again", async () => {
  const username = unique("lost"), password = `pw-${username}`, wish = { username, password, initial_device_display_name: "phone" };
  const { session } = (await register(hs, wish)).body;
  const request = { ...wish, auth: dummy(session) };
  const first = (await register(hs, request)).body;
  assert.equal(first.user_id, `@${username}:localhost`);
  let token;
  for (const again of [request, { auth: dummy(session) }]) {
    const r = await register(hs, again);
    assert.equal(r.status, 200, JSON.stringify(r.body));
    assert.equal(r.body.user_id, first.user_id);
    assert.equal(r.body.device_id, first.device_id);
    token = r.body.access_token;
  }
  const me = (await hs.req("GET", "/account/whoami", { token, expect: 200 })).body;
  assert.deepEqual([me.user_id, me.device_id], [first.user_id, first.device_id]);
  assert.equal((await hs.req("GET", "/devices", { token, expect: 200 })).body.devices.length, 1);
  // Somebody has come with the token, so the answer was not lost: the device must not be taken from them.
  for (const again of [request, { auth: dummy(session) }]) assert.equal((await register(hs, again)).body.errcode, "M_USER_IN_USE");
  await hs.req("GET", "/account/whoami", { token, expect: 200 });
});

test("so does one without a session, to who knows all of it", async () => {
  const username = unique("lost"), password = `pw-${username}`, request = { username, password, auth: dummy() };
  const first = (await register(hs, request)).body;
  const again = await register(hs, request);
  assert.equal(again.status, 200);
  assert.equal(again.body.device_id, first.device_id);
  for (const other of [{ ...request, password: "another password" }, { ...request, device_id: "OTHER" }]) {
    assert.equal((await register(hs, other)).body.errcode, "M_USER_IN_USE");
  }
});

test("nobody gets the account of somebody else: names made up, taken meanwhile, ended", async () => {
  const made = { password: "a password of many", auth: dummy() };
  const [one, two] = [(await register(hs, made)).body, (await register(hs, made)).body];
  assert.notEqual(one.user_id, two.user_id);
  const username = unique("race"), password = `pw-${username}`, wish = { username, password };
  const { session } = (await register(hs, wish)).body;
  await hs.user("owner", { name: username }); // was faster
  assert.equal((await register(hs, { ...wish, auth: dummy(session) })).body.errcode, "M_USER_IN_USE");
  assert.equal((await register(hs, { ...wish, auth: dummy(session) })).body.errcode, "M_USER_IN_USE");
  const gone = unique("gone"), last = { username: gone, password: `pw-${gone}`, auth: dummy() };
  const account = (await register(hs, last)).body;
  const auth = { type: "m.login.password", identifier: { type: "m.id.user", user: gone }, password: last.password };
  await hs.req("POST", "/account/deactivate", { token: account.access_token, body: { auth }, expect: 200 });
  assert.notEqual((await register(hs, last)).status, 200);
});

test("a registration is not answered again when the account has another password, by either way", OWN_SERVER, async () => {
  for (const named of [true, false]) {
    const username = unique("changed"), password = `pw-${username}`, wish = { username, password };
    const { session } = (await register(hs, wish)).body;
    const request = named ? { ...wish, auth: dummy() } : { ...wish, auth: dummy(session) };
    assert.equal((await register(hs, request)).status, 200);
    const r = await hs.command(["user", "password", username, "--password-stdin", "--config", hs.configFile], { input: "another password\n" });
    assert.equal(r.status, 0, r.stderr);
    assert.notEqual((await register(hs, request)).status, 200);
  }
});

test("a registration with a made-up name can be repeated in its session", async () => {
  const wish = { password: "a password of many" };
  const { session } = (await register(hs, wish)).body;
  const ids = [];
  for (let i = 0; i < 2; i++) ids.push((await register(hs, { ...wish, auth: dummy(session) })).body.user_id);
  assert.ok(ids[0]);
  assert.equal(ids[0], ids[1]);
});

test("a retry that carries nothing but auth with the session works for each endpoint", async () => {
  const password = "a good password";
  const alice = await hs.user("alice", { password });
  const proof = (session, secret = password) => ({ auth: { type: "m.login.password", identifier: { type: "m.id.user", user: alice.id }, password: secret, session } });
  const through = async (method, target, body, user = alice, secret) => {
    const asked = await hs.req(method, target, { token: user.token, body, expect: 401 });
    return hs.req(method, target, { token: user.token, body: proof(asked.body.session, secret), expect: 200 });
  };
  const second = await alice.another(), third = await alice.another();
  await through("DELETE", `/devices/${second.device}`, {});
  await through("POST", "/delete_devices", { devices: [third.device] });
  assert.deepEqual((await alice.get("/devices")).devices.map(d => d.device_id), [alice.device]);
  await through("POST", "/account/password", { new_password: "another good one", logout_devices: false });
  await hs.login(alice.name, "another good one");
  const username = unique("old"), wish = { username, password };
  const asked = (await register(hs, wish)).body;
  const { body } = await hs.req("POST", "/register", { body: { auth: dummy(asked.session) }, expect: 200 });
  assert.equal(body.user_id, `@${username}:localhost`);
  await hs.login(username, password);
  await through("POST", "/account/deactivate", { erase: false }, alice, "another good one");
});

test("the session of one request or person does not do for another", async () => {
  const [alice, bob] = await hs.users("alice", "bob");
  const { body } = await hs.req("POST", "/delete_devices", { token: alice.token, body: { devices: [alice.device] }, expect: 401 });
  const auth = { type: "m.login.password", identifier: { type: "m.id.user", user: bob.id }, password: bob.password, session: body.session };
  for (const [who, target] of [[bob, "/delete_devices"], [alice, "/account/password"]]) {
    assert.ok((await hs.req("POST", target, { token: who.token, body: { auth } })).status >= 400);
  }
  await alice.get("/account/whoami");
});

test("two stages of one session that are attempted at once are both done", OWN_SERVER, async () => {
  const terms = { version: "1", name: "Terms", url: "https://example.org/terms" };
  await withServer({ config: { registration: { mode: "token", tokens: ["sesame"], terms } } }, async s => {
    for (let i = 0; i < 10; i++) {
      const username = unique("both"), wish = { username, password: `pw-${username}` };
      const { session } = (await register(s, wish)).body;
      const attempts = [{ type: "m.login.registration_token", token: "sesame", session }, { type: "m.login.terms", session }];
      const answers = await Promise.all(attempts.map(auth => register(s, { ...wish, auth })));
      const last = answers.find(a => a.status === 200) ?? await register(s, { ...wish, auth: { session } });
      assert.equal(last.status, 200, `${JSON.stringify(answers.map(a => a.body))} ${JSON.stringify(last.body)}`);
      assert.equal(answers.filter(a => a.status === 200).length <= 2, true);
      await s.login(username, wish.password);
    }
  });
});
