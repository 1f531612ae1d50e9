// SPDX-License-Identifier: Apache-2.0
// Ways around the rules that somebody with an account might try: each is closed (docs/threat-model.md).
import assert from "node:assert/strict";
import test from "node:test";
import { E, OWN_SERVER, useServer, withServer } from "./harness.mjs";

const hs = useServer({ config: { registration: { guests: true }, log: { level: "debug" } } });
const refused = async (user, status, method, target, body) => {
  const r = await hs.req(method, target, { token: user.token ?? user.access_token, body });
  assert.equal(r.status, status, `${method} ${target} -> ${r.status} ${r.raw}`);
};
const memberState = (room, id) => `/rooms/${E(room)}/state/m.room.member/${E(id)}`;

test("nobody authorises their own join to a restricted room", async () => {
  const [alice, bob, mallory] = await hs.users("alice", "bob", "mallory");
  const club = await alice.createRoom({ preset: "public_chat" });
  const room = await alice.createRoom({ initial_state: [{ type: "m.room.join_rules", content: { join_rule: "restricted", allow: [{ type: "m.room_membership", room_id: club }] } }] });
  const content = { membership: "join", join_authorised_via_users_server: alice.id };
  await refused(mallory, 403, "PUT", memberState(room, mallory.id), content);
  await refused(mallory, 403, "POST", `/join/${E(room)}`, {});
  await refused(mallory, 403, "GET", `/rooms/${E(room)}/state`);
  // Who belongs to the club gets in either way, and the server says by whom.
  await bob.join(club);
  await bob.put(memberState(room, bob.id), { membership: "join", join_authorised_via_users_server: mallory.id });
  assert.equal((await bob.getState(room, "m.room.member", bob.id)).join_authorised_via_users_server, alice.id);
});

test("invites that somebody blocks do not come by way of state either", async () => {
  const [alice, bob] = await hs.users("alice", "bob");
  await bob.setAccountData("m.invite_permission_config", { default_action: "block" });
  const room = await alice.createRoom();
  await alice.fails(403, "M_INVITE_BLOCKED", "POST", `/rooms/${E(room)}/invite`, { user_id: bob.id });
  await alice.fails(403, "M_INVITE_BLOCKED", "PUT", memberState(room, bob.id), { membership: "invite" });
  await alice.fails(403, "M_INVITE_BLOCKED", "POST", "/createRoom", { initial_state: [{ type: "m.room.member", state_key: bob.id, content: { membership: "invite" } }] });
});

test("guests join rooms that let them in, whichever way they try", OWN_SERVER, async () => {
  const alice = await hs.user("alice");
  const guest = (await hs.req("POST", "/register?kind=guest", { body: {}, expect: 200 })).body;
  const closed = await alice.createRoom({ preset: "public_chat" });
  await refused(guest, 403, "POST", `/join/${E(closed)}`, {});
  await refused(guest, 403, "PUT", memberState(closed, guest.user_id), { membership: "join" });
  const open = await alice.createRoom({ preset: "public_chat", initial_state: [{ type: "m.room.guest_access", content: { guest_access: "can_join" } }] });
  await refused(guest, 200, "PUT", memberState(open, guest.user_id), { membership: "join" });
});

test("a page of the directory cannot begin beyond all numbers, nor the search be without end", async () => {
  const alice = await hs.user("alice");
  for (const since of ["p9223372036854775807", "p9223372036854775800", "p-1"]) await alice.fails(400, "M_INVALID_PARAM", "GET", `/publicRooms?since=${since}`);
  await alice.fails(400, "M_INVALID_PARAM", "POST", "/publicRooms", { filter: { generic_search_term: "a".repeat(10000) } });
});

test("the log holds no token, no password and nothing that was said", OWN_SERVER, async () => {
  const alice = await hs.user("alice");
  const bob = await hs.login(alice.name, alice.password, { refresh_token: true });
  const room = await alice.createRoom();
  await alice.say(room, "said in confidence");
  await hs.req("POST", "/login", { body: { type: "m.login.password", identifier: { type: "m.id.user", user: alice.name }, password: "wrong-but-telling" } });
  await hs.req("POST", "/login", { body: { type: "m.login.token", token: "mlt_telling" } });
  await hs.req("GET", `/account/whoami?access_token=${alice.token}`);
  await hs.req("POST", "/refresh", { body: { refresh_token: bob.refresh } });
  await alice.withPassword("POST", "/account/password", { new_password: "another-telling-one", logout_devices: false });
  for (const secret of [alice.token, bob.token, bob.refresh, alice.password, "telling", "said in confidence", hs.secret]) {
    assert.equal(hs.stderr.includes(secret), false, `${secret} is in the log`);
  }
  assert.match(hs.stderr, /account\/whoami/);
});

test("what one user can make the server keep has a limit", async () => {
  const alice = await hs.user("alice");
  const data = { text: "x".repeat(1000000) };
  for (let i = 0; i < 16; i++) await alice.setAccountData(`m.big.${i}`, data);
  await alice.fails(413, "M_TOO_LARGE", "PUT", `/user/${E(alice.id)}/account_data/m.big.16`, data);
  await alice.setAccountData("m.big.0", {});
  await alice.setAccountData("m.big.16", data);
  await alice.fails(413, "M_TOO_LARGE", "POST", `/user/${E(alice.id)}/filter`, { room: { timeline: { types: ["x".repeat(70000)] } } });
  for (let i = 0; i < 1000; i += 50) await Promise.all(Array.from({ length: 50 }, (_, k) => alice.addFilter({ room: { timeline: { limit: i + k + 1 } } })));
  await alice.fails(413, "M_TOO_LARGE", "POST", `/user/${E(alice.id)}/filter`, { room: { timeline: { limit: 2000 } } });
  await alice.addFilter({ room: { timeline: { limit: 1 } } }); // known already
  const keys = n => Object.fromEntries(Array.from({ length: n }, (_, i) => [`algorithm${i}:AAAA`, "key"]));
  await alice.fails(400, "M_INVALID_PARAM", "POST", "/keys/upload", { one_time_keys: keys(21) });
  await alice.post("/keys/upload", { one_time_keys: keys(20) });
});

test("invites are limited by rate, whichever way they are sent", OWN_SERVER, async () => {
  await withServer({ config: { rate_limits: { enabled: true, invite: { per_second: 0.01, burst: 3 } } } }, async s => {
    const [alice, mallory] = [await s.user("alice"), await s.user("mallory")];
    const room = await mallory.createRoom();
    await mallory.fails(429, "M_LIMIT_EXCEEDED", "POST", "/createRoom", { invite: Array.from({ length: 10 }, (_, i) => `@u${i}:localhost`) });
    await mallory.fails(429, "M_LIMIT_EXCEEDED", "PUT", memberState(room, alice.id), { membership: "invite" });
  });
});

test("who is locked out does not change the password, nor end the account, without a token either", OWN_SERVER, async () => {
  const alice = await hs.user("alice"), root = await hs.user("root", { admin: true });
  await root.put(`/_matrix/client/v1/admin/lock/${E(alice.id)}`, { locked: true });
  for (const [target, body] of [["/account/password", { new_password: "another-one" }], ["/account/deactivate", {}]]) {
    await hs.fails(401, "M_USER_LOCKED", "POST", target, { body: { ...body, auth: alice.passwordAuth() } });
  }
});
