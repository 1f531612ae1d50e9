// SPDX-License-Identifier: Apache-2.0
// Application services as the server sees them: who they may be, what is theirs alone, and what they are asked. What
// they are told is in appservice-queue.test.mjs, a real bridge in bridge.test.mjs.
import assert from "node:assert/strict";
import crypto from "node:crypto";
import fs from "node:fs";
import path from "node:path";
import test, { after } from "node:test";
import YAML from "yaml";
import { AppService, registrations, writeRegistration } from "./appservice-support.mjs";
import { E, OWN_SERVER, SERVER_NAME, eventually, freePort, unique, useServer, withServer } from "./harness.mjs";

const irc = new AppService("irc", { protocols: ["irc"] });
const xmpp = new AppService("xmpp", { protocols: ["xmpp", "irc"] });
const silent = new AppService("silent", { url: null });
await irc.listen();
await xmpp.listen();
const hs = useServer({ edit: registrations(irc, xmpp, silent) });
after(async () => { await irc.stop(); await xmpp.stop(); });

const register = (token, body, expect = 200) => hs.req("POST", "/register", { token, body: { type: "m.login.application_service", ...body }, expect });

test("the token alone acts as the sender, whose account was made at the start", OWN_SERVER, async () => {
  const { body } = await hs.req("GET", "/account/whoami", { token: irc.token, expect: 200 });
  assert.deepEqual(body, { user_id: irc.bot, is_guest: false });
});

test("user_id acts as a user of the namespace, and as nobody else", OWN_SERVER, async () => {
  const ghost = await irc.ghost(hs);
  const alice = await hs.user("alice");
  assert.equal((await ghost.get("/account/whoami")).user_id, ghost.id);
  for (const id of [alice.id, xmpp.bot, irc.userId("not.registered"), "@_irc_x:elsewhere.org", "nonsense", ""]) {
    await hs.fails(403, "M_FORBIDDEN", "GET", `/account/whoami?user_id=${E(id)}`, { token: irc.token });
  }
  // The parameters are nothing to those who are no application service.
  assert.equal((await alice.get(`/account/whoami?user_id=${E(ghost.id)}`)).user_id, alice.id);
});

test("device_id acts as one of the user's devices", OWN_SERVER, async () => {
  const ghost = await irc.ghost(hs);
  const { body: made } = await hs.req("PUT", ghost.masked("/devices/BRIDGE"), { token: irc.token, body: { display_name: "Bridge" }, expect: 201 });
  assert.deepEqual(made, {});
  await hs.req("PUT", ghost.masked("/devices/BRIDGE"), { token: irc.token, body: { display_name: "The bridge" }, expect: 200 });
  assert.equal((await ghost.get("/devices/BRIDGE")).display_name, "The bridge");
  assert.deepEqual(await ghost.get("/account/whoami?device_id=BRIDGE"), { user_id: ghost.id, device_id: "BRIDGE", is_guest: false });
  await ghost.fails(400, "M_UNKNOWN_DEVICE", "GET", "/account/whoami?device_id=OTHER");
  await hs.fails(400, "M_UNKNOWN_DEVICE", "GET", "/account/whoami?device_id=BRIDGE", { token: irc.token });
  // Without a device what needs one fails; with one it works, and the device goes without further proof.
  await ghost.fails(400, "M_INVALID_PARAM", "POST", "/keys/upload", {});
  await ghost.post("/keys/upload?device_id=BRIDGE", {});
  await ghost.del("/devices/BRIDGE");
  await ghost.fails(404, "M_NOT_FOUND", "GET", "/devices/BRIDGE");
  // People cannot make devices this way.
  const alice = await hs.user("alice");
  await alice.fails(404, "M_NOT_FOUND", "PUT", "/devices/NEW", {});
});

test("an application service replaces cross-signing keys without further proof", OWN_SERVER, async () => {
  const ghost = await irc.ghost(hs);
  const upload = () => {
    const key = crypto.generateKeyPairSync("ed25519").publicKey.export({ format: "jwk" }).x;
    const public_key = Buffer.from(key, "base64url").toString("base64").replace(/=+$/, "");
    return ghost.post("/keys/device_signing/upload", { master_key: { user_id: ghost.id, usage: ["master"], keys: { [`ed25519:${public_key}`]: public_key } } });
  };
  await upload();
  await upload();
});

test("a user that an application service acts for can sync, also without a device, and logging out ends nothing", OWN_SERVER, async () => {
  const ghost = await irc.ghost(hs), alice = await hs.user("alice");
  const room = await alice.createRoom({ preset: "public_chat" });
  await ghost.join(room);
  const stream = await ghost.stream();
  const said = await alice.say(room, "hello");
  await stream.event(room, said);
  await ghost.post("/logout");
  assert.equal((await ghost.get("/account/whoami")).user_id, ghost.id);
});

test("registration and login by m.login.application_service keep to the namespaces", OWN_SERVER, async () => {
  const name = `_irc_${unique()}`;
  const { body: quiet } = await register(irc.token, { username: name, inhibit_login: true });
  assert.deepEqual([quiet.user_id, quiet.access_token], [`@${name}:${SERVER_NAME}`, undefined]);
  const { body: loud } = await register(irc.token, { username: `${name}2`, device_id: "DEV" });
  assert.equal(loud.device_id, "DEV");
  assert.equal((await hs.req("GET", "/account/whoami", { token: loud.access_token, expect: 200 })).body.user_id, loud.user_id);
  const as = { type: "m.login.application_service" };
  await hs.fails(401, "M_MISSING_TOKEN", "POST", "/register", { body: { ...as, username: "_irc_y" } });
  await hs.fails(401, "M_UNKNOWN_TOKEN", "POST", "/register", { token: "nonsense", body: { ...as, username: "_irc_y" } });
  await hs.fails(400, "M_EXCLUSIVE", "POST", "/register", { token: irc.token, body: { ...as, username: "outside" } });
  await hs.fails(400, "M_EXCLUSIVE", "POST", "/register", { token: irc.token, body: { ...as, username: "_xmpp_x" } });
  await hs.fails(400, "M_EXCLUSIVE", "POST", "/register", { token: irc.token, body: { ...as, username: (await hs.user("taken")).name } });
  await hs.fails(400, "M_USER_IN_USE", "POST", "/register", { token: irc.token, body: { ...as, username: name } });
  await hs.fails(400, "M_INVALID_USERNAME", "POST", "/register", { token: irc.token, body: { ...as, username: "_irc_Ä" } });
  await hs.fails(400, "M_MISSING_PARAM", "POST", "/register", { token: irc.token, body: as });
  const login = user => ({ ...as, identifier: { type: "m.id.user", user } });
  assert.ok((await hs.req("GET", "/login", { expect: 200 })).body.flows.some(f => f.type === as.type));
  const { body: session } = await hs.req("POST", "/login", { token: irc.token, body: login(name), expect: 200 });
  assert.equal(session.user_id, quiet.user_id);
  await hs.req("POST", "/login", { token: irc.token, body: login(quiet.user_id), expect: 200 });
  await hs.fails(403, "M_EXCLUSIVE", "POST", "/login", { token: irc.token, body: login("_xmpp_x") });
  await hs.fails(403, "M_FORBIDDEN", "POST", "/login", { token: irc.token, body: login("_irc_nobody") });
  await hs.fails(401, "M_MISSING_TOKEN", "POST", "/login", { body: login(name) });
});

test("without access tokens for application services they register with inhibit_login only", OWN_SERVER, async () => {
  const as = new AppService("quiet", { url: null });
  await withServer({ config: { access_tokens: { appservices: false, query_string_allowed: true } }, edit: registrations(as) }, async s => {
    const body = { type: "m.login.application_service", username: "_quiet_x" };
    // Where tokens may stand in the query, theirs may too.
    await s.req("POST", `/register?access_token=${as.token}`, { body: { ...body, username: "_quiet_q", inhibit_login: true }, expect: 200 });
    await s.fails(400, "M_APPSERVICE_LOGIN_UNSUPPORTED", "POST", "/register", { token: as.token, body });
    await s.req("POST", "/register", { token: as.token, body: { ...body, inhibit_login: true }, expect: 200 });
    await s.fails(400, "M_APPSERVICE_LOGIN_UNSUPPORTED", "POST", "/login", { token: as.token, body: { type: body.type, identifier: { type: "m.id.user", user: "_quiet_x" } } });
    assert.ok(!(await s.req("GET", "/login", { expect: 200 })).body.flows.some(f => f.type === body.type));
  });
});

test("names and aliases that an application service has for itself are for nobody else", OWN_SERVER, async () => {
  const alice = await hs.user("alice");
  const name = `_irc_${unique()}`, alias = `#_irc_${unique()}:${SERVER_NAME}`;
  await hs.fails(400, "M_EXCLUSIVE", "POST", "/register", { body: { username: name, password: "password1", auth: { type: "m.login.dummy" } } });
  await hs.fails(400, "M_EXCLUSIVE", "GET", `/register/available?username=${name}`);
  await hs.fails(400, "M_USER_IN_USE", "GET", "/register/available?username=ircbot");
  const room = await alice.createRoom({ preset: "public_chat" });
  await alice.fails(400, "M_EXCLUSIVE", "PUT", `/directory/room/${E(alias)}`, { room_id: room });
  await alice.fails(400, "M_EXCLUSIVE", "POST", "/createRoom", { room_alias_name: alias.slice(1).split(":")[0] });
  const bot = irc.as(hs);
  await bot.join(room);
  await bot.put(`/directory/room/${E(alias)}`, { room_id: room });
  await alice.fails(400, "M_EXCLUSIVE", "DELETE", `/directory/room/${E(alias)}`);
  await bot.fails(400, "M_EXCLUSIVE", "PUT", `/directory/room/${E(`#${unique()}:${SERVER_NAME}`)}`, { room_id: room });
  await bot.fails(400, "M_EXCLUSIVE", "POST", "/createRoom", { room_alias_name: unique() });
  // "full control over its namespace": any of its users may remove it.
  await (await irc.ghost(hs)).del(`/directory/room/${E(alias)}`);
});

test("an application service maps its aliases to rooms that its users are not in, and no others", OWN_SERVER, async () => {
  const alice = await hs.user("alice");
  const room = await alice.createRoom();
  const bot = irc.as(hs), ghost = await irc.ghost(hs);
  const at = name => `/directory/room/${E(`#${name}:${SERVER_NAME}`)}`;
  for (const who of [bot, ghost]) {
    const name = `_irc_${unique()}`;
    await who.put(at(name), { room_id: room });
    assert.equal((await alice.get(at(name))).room_id, room);
    await who.fails(409, "M_UNKNOWN", "PUT", at(name), { room_id: room });
    await who.fails(403, "M_FORBIDDEN", "PUT", at(`_irc_${unique()}`), { room_id: "!nowhere:localhost" });
    await who.fails(400, "M_EXCLUSIVE", "PUT", at(unique()), { room_id: room });
    await who.fails(403, "M_FORBIDDEN", "GET", `/rooms/${E(room)}/state`);
  }
  const bob = await hs.user("bob");
  await bob.fails(403, "M_FORBIDDEN", "PUT", at(unique()), { room_id: room });
});

test("an application service ends the accounts of its users without a password, but neither its sender's nor others", OWN_SERVER, async () => {
  const alice = await hs.user("alice");
  const room = await alice.createRoom({ preset: "public_chat" });
  const ghost = await irc.ghost(hs), other = await irc.ghost(hs), bot = irc.as(hs);
  for (const who of [ghost, other]) await who.join(room);
  const said = await ghost.say(room, "hello");
  await bot.fails(403, "M_FORBIDDEN", "POST", "/account/deactivate", {});
  await hs.fails(403, "M_FORBIDDEN", "POST", `/account/deactivate?user_id=${E(alice.id)}`, { token: irc.token, body: {} });
  assert.deepEqual(await ghost.post("/account/deactivate", { erase: true }), { id_server_unbind_result: "success" });
  await ghost.fails(403, "M_USER_DEACTIVATED", "GET", "/account/whoami");
  assert.equal((await alice.getState(room, "m.room.member", ghost.id)).membership, "leave");
  assert.equal((await alice.getEvent(room, said)).content.body, "hello");
  await hs.fails(400, "M_USER_IN_USE", "POST", "/register", { token: irc.token, body: { type: "m.login.application_service", username: ghost.id.slice(1).split(":")[0], inhibit_login: true } });
  for (const who of [other, bot, alice]) await who.get("/account/whoami");
});

test("ts sets when an event happened, for application services only", OWN_SERVER, async () => {
  const ghost = await irc.ghost(hs), alice = await hs.user("alice");
  const room = await ghost.createRoom({ preset: "public_chat" });
  await alice.join(room);
  const { event_id } = await ghost.put(`/rooms/${E(room)}/send/m.room.message/1?ts=1234567890123`, { msgtype: "m.text", body: "long ago" });
  assert.equal((await alice.getEvent(room, event_id)).origin_server_ts, 1234567890123);
  const state = await ghost.put(`/rooms/${E(room)}/state/m.room.topic?ts=1234567890124`, { topic: "old" });
  assert.equal((await alice.getEvent(room, state.event_id)).origin_server_ts, 1234567890124);
  await ghost.fails(400, "M_INVALID_PARAM", "PUT", `/rooms/${E(room)}/send/m.room.message/2?ts=-1`, { msgtype: "m.text", body: "x" });
  await ghost.fails(400, "M_INVALID_PARAM", "PUT", `/rooms/${E(room)}/send/m.room.message/3?ts=9007199254740992`, { msgtype: "m.text", body: "x" });
  const redaction = await ghost.put(`/rooms/${E(room)}/redact/${E(event_id)}/4?ts=5`, {});
  assert.notEqual((await alice.getEvent(room, redaction.event_id)).origin_server_ts, 5, "other requests do not know it");
  const now = await alice.put(`/rooms/${E(room)}/send/m.room.message/1?ts=1234567890123`, { msgtype: "m.text", body: "now" });
  assert.notEqual((await alice.getEvent(room, now.event_id)).origin_server_ts, 1234567890123);
});

test("a transaction id is good once for each user that an application service acts for", OWN_SERVER, async () => {
  const [one, two] = [await irc.ghost(hs), await irc.ghost(hs)];
  const room = await one.createRoom({ preset: "public_chat" });
  await two.join(room);
  const first = await one.say(room, "hello", {}, "t");
  const send = u => u.put(`/rooms/${E(room)}/send/m.room.message/same`, { msgtype: "m.text", body: "x" });
  const a = await send(one), b = await send(one), c = await send(two);
  assert.equal(a.event_id, b.event_id);
  assert.notEqual(a.event_id, c.event_id);
  assert.notEqual(first, a.event_id);
});

test("rate limits spare the sender always and the others unless rate_limited", OWN_SERVER, async () => {
  const free = new AppService("free", { url: null, rate_limited: false }), bound = new AppService("bound", { url: null, rate_limited: true });
  const limits = { rate_limits: { enabled: true, message: { per_second: 0.01, burst: 2 }, register: { per_second: 0.01, burst: 2 } } };
  await withServer({ config: limits, edit: registrations(free, bound) }, async s => {
    const flood = async user => {
      const room = await user.createRoom({});
      for (let i = 0; i < 3; i++) await user.say(room, "x");
    };
    await flood(await free.ghost(s));
    await flood(bound.as(s));
    await assert.rejects(flood(await bound.ghost(s)), /429/);
    // Ghosts are registered by the hundred, from one address; people are not.
    for (let i = 0; i < 5; i++) await bound.ghost(s);
    const body = { username: unique(), password: "password1", auth: { type: "m.login.dummy" } };
    await s.req("POST", "/register", { body });
    await s.req("POST", "/register", { body });
    await s.fails(429, "M_LIMIT_EXCEEDED", "POST", "/register", { body });
  });
});

test("a ping says whether the application service can be reached", OWN_SERVER, async () => {
  const ping = (as, id = as.name, body = {}) => hs.req("POST", `/_matrix/client/v1/appservice/${id}/ping`, { token: as.token, body });
  irc.onQuery = q => ({ status: q.url === "/_matrix/app/v1/ping" && q.body.transaction_id === "meow" ? 200 : 403, body: { errcode: "M_FORBIDDEN" } });
  const good = await ping(irc, "irc", { transaction_id: "meow" });
  assert.equal(good.status, 200);
  assert.ok(Number.isInteger(good.body.duration_ms));
  assert.equal(irc.queries.at(-1).token, `Bearer ${irc.registration.hs_token}`);
  const bad = await ping(irc);
  assert.deepEqual([bad.status, bad.body.errcode, bad.body.status], [502, "M_BAD_STATUS", 403]);
  assert.deepEqual(JSON.parse(bad.body.body), { errcode: "M_FORBIDDEN" });
  assert.deepEqual([(await ping(irc, "xmpp")).body.errcode, (await ping(silent)).body.errcode], ["M_FORBIDDEN", "M_URL_NOT_SET"]);
  const alice = await hs.user("alice");
  await alice.fails(403, "M_FORBIDDEN", "POST", "/_matrix/client/v1/appservice/irc/ping", {});
});

test("a ping to nobody and one that is never answered", OWN_SERVER, async () => {
  const gone = new AppService("gone", { url: `http://127.0.0.1:${await freePort()}` });
  const hangs = await new AppService("hangs").listen();
  hangs.onQuery = () => "hang";
  await withServer({ edit: registrations(gone, hangs) }, async s => {
    await s.fails(502, "M_CONNECTION_FAILED", "POST", "/_matrix/client/v1/appservice/gone/ping", { token: gone.token, body: {} });
    await s.fails(504, "M_CONNECTION_TIMEOUT", "POST", "/_matrix/client/v1/appservice/hangs/ping", { token: hangs.token, body: {} });
  });
  await hangs.stop();
});

// ---- what it is asked

test("an unknown user of a namespace is asked for when it is invited or looked at", OWN_SERVER, async () => {
  const alice = await hs.user("alice");
  const room = await alice.createRoom({});
  const asked = name => irc.queries.filter(q => q.url === `/_matrix/app/v1/users/${E(irc.userId(name))}`).length;
  irc.onQuery = async q => {
    const id = decodeURIComponent(q.url.split("/").at(-1));
    if (!id.includes("_yes")) return { status: 404, body: { errcode: "M_NOT_FOUND" } };
    const localpart = id.slice(1).split(":")[0];
    await register(irc.token, { username: localpart, inhibit_login: true });
    await irc.as(hs, id).put(`/profile/${E(id)}/displayname`, { displayname: "From IRC" });
    return { status: 200, body: {} };
  };
  const yes = `yes${unique()}`, other = `yes${unique()}`, third = `yes${unique()}`;
  assert.deepEqual(await alice.get(`/profile/${E(irc.userId(`_${yes}`))}`), { displayname: "From IRC" });
  assert.deepEqual(await alice.get(`/profile/${E(irc.userId(`_${yes}`))}/displayname`), { displayname: "From IRC" });
  assert.equal(asked(`_${yes}`), 1);
  await alice.fails(404, "M_NOT_FOUND", "GET", `/profile/${E(irc.userId("no"))}`);
  assert.equal(asked("no"), 1);
  await alice.invite(room, irc.userId(`_${other}`));
  assert.equal((await alice.getState(room, "m.room.member", irc.userId(`_${other}`))).displayname, "From IRC");
  const made = await alice.createRoom({ name: "Two", invite: [irc.userId(`_${third}`), irc.userId(`_${yes}`)] });
  assert.equal((await alice.getState(made, "m.room.member", irc.userId(`_${third}`))).displayname, "From IRC");
  assert.equal((await alice.getState(made, "m.room.name")).name, "Two");
  // It is not asked about what it asks itself.
  await irc.as(hs).fails(404, "M_NOT_FOUND", "GET", `/profile/${E(irc.userId("own"))}`);
  assert.equal(asked("own"), 0);
});

test("an unknown alias of a namespace is asked for when somebody looks it up or joins by it", OWN_SERVER, async () => {
  const alice = await hs.user("alice");
  irc.onQuery = async q => {
    const alias = decodeURIComponent(q.url.split("/").at(-1));
    if (!alias.includes("_yes")) return { status: 404, body: { errcode: "M_NOT_FOUND" } };
    await irc.as(hs).createRoom({ preset: "public_chat", room_alias_name: alias.slice(1).split(":")[0] });
    return { status: 200, body: {} };
  };
  const yes = `#_irc_yes${unique()}:${SERVER_NAME}`, other = `#_irc_yes${unique()}:${SERVER_NAME}`, no = `#_irc_no:${SERVER_NAME}`;
  const { room_id } = await alice.get(`/directory/room/${E(yes)}`);
  const { room_id: joined } = await alice.post(`/join/${E(other)}`, { reason: "curious" });
  assert.notEqual(room_id, joined);
  assert.equal((await alice.getState(joined, "m.room.member", alice.id)).reason, "curious");
  await alice.fails(404, "M_NOT_FOUND", "GET", `/directory/room/${E(no)}`);
  await alice.fails(404, "M_NOT_FOUND", "POST", `/join/${E(no)}`, {});
});

test("one that hangs delays only who needs it, and ends as a time-out", OWN_SERVER, async () => {
  const hangs = await new AppService("hangs").listen();
  hangs.onQuery = () => "hang";
  await withServer({ config: { limits: { workers: 4, slow_workers: 1 } }, edit: registrations(hangs) }, async s => {
    const alice = await s.user("alice");
    const stuck = Array.from({ length: 40 }, (_, i) => s.req("GET", `/profile/${E(hangs.userId(`u${i}`))}`, {}));
    await eventually("it is asked", () => hangs.queries.length > 0);
    const started = Date.now();
    await alice.createRoom({});
    assert.ok(Date.now() - started < 5000, "others wait for it");
    const r = await stuck[0];
    assert.deepEqual([r.status, r.body.errcode], [504, "M_CONNECTION_TIMEOUT"]);
    await Promise.all(stuck);
  });
  await hangs.stop();
});

// ---- third-party networks

const protocol = (...networks) => ({ user_fields: ["nick"], location_fields: ["channel"], icon: "mxc://localhost/a", field_types: { nick: { regexp: ".*", placeholder: "nick" }, channel: { regexp: ".*", placeholder: "#c" } }, instances: networks.map(n => ({ desc: n, network_id: n, fields: { network: n } })) });

test("protocols of all application services stand together, and are asked for once", OWN_SERVER, async () => {
  const alice = await hs.user("alice");
  irc.queries = [];
  irc.onQuery = () => ({ status: 200, body: protocol("libera", "oftc") });
  xmpp.onQuery = q => (q.url.endsWith("/irc") ? { status: 200, body: protocol("biboumi") } : { status: 200, body: { lies: true } });
  const all = await alice.get("/thirdparty/protocols");
  assert.deepEqual(Object.keys(all), ["irc"]);
  assert.deepEqual(all.irc.instances.map(i => [i.network_id, i.instance_id]).sort(), [["biboumi", "xmpp|biboumi"], ["libera", "irc|libera"], ["oftc", "irc|oftc"]]);
  assert.deepEqual(await alice.get("/thirdparty/protocol/irc"), all.irc);
  assert.equal(irc.queries.length, 1);
  assert.equal(irc.queries[0].url, "/_matrix/app/v1/thirdparty/protocol/irc");
  await alice.fails(404, "M_NOT_FOUND", "GET", "/thirdparty/protocol/xmpp");
  await alice.fails(404, "M_NOT_FOUND", "GET", "/thirdparty/protocol/smoke");
});

test("users and locations of networks are looked for with the fields that the client gives", OWN_SERVER, async () => {
  const alice = await hs.user("alice");
  const user = { userid: irc.userId("x"), protocol: "irc", fields: { nick: "x" } };
  const place = { alias: `#_irc_c:${SERVER_NAME}`, protocol: "irc", fields: { channel: "#c" } };
  irc.queries = [];
  irc.onQuery = q => ({ status: 200, body: q.url.includes("/user") ? [user, { not: "a user" }] : [place] });
  xmpp.onQuery = () => "rubbish";
  assert.deepEqual(await alice.get("/thirdparty/user/irc?nick=x%20y&access_token=secret"), [user]);
  assert.equal(irc.queries[0].url, "/_matrix/app/v1/thirdparty/user/irc?nick=x%20y");
  assert.deepEqual(await alice.get("/thirdparty/location/irc?channel=%23c"), [place]);
  assert.deepEqual(await alice.get(`/thirdparty/user?userid=${E(user.userid)}`), [user]);
  assert.deepEqual(await alice.get(`/thirdparty/location?alias=${E(place.alias)}`), [place]);
  irc.onQuery = () => ({ status: 200, body: [] });
  await alice.fails(404, "M_NOT_FOUND", "GET", "/thirdparty/user/irc?nick=z");
  await alice.fails(404, "M_NOT_FOUND", "GET", "/thirdparty/location/nothing");
  await alice.fails(400, "M_MISSING_PARAM", "GET", "/thirdparty/user");
  await alice.fails(400, "M_MISSING_PARAM", "GET", "/thirdparty/location");
});

test("a network has a room directory of its own", OWN_SERVER, async () => {
  const alice = await hs.user("alice");
  const bot = irc.as(hs);
  const [listed, own] = [await bot.createRoom({ name: unique("net"), preset: "public_chat" }), await alice.createRoom({ name: unique("own"), visibility: "public" })];
  const list = (visibility, expect = 200) => hs.req("PUT", `/directory/list/appservice/libera/${E(listed)}`, { token: irc.token, body: { visibility }, expect });
  await list("public");
  const rooms = async body => (await alice.post("/publicRooms", body)).chunk.map(r => r.room_id);
  assert.deepEqual(await rooms({ third_party_instance_id: "irc|libera" }), [listed]);
  assert.deepEqual(await rooms({ third_party_instance_id: "irc|oftc" }), []);
  assert.ok(!(await rooms({})).includes(listed));
  const all = await rooms({ include_all_networks: true });
  assert.ok(all.includes(listed) && all.includes(own));
  await alice.fails(400, "M_INVALID_PARAM", "POST", "/publicRooms", { include_all_networks: true, third_party_instance_id: "irc|libera" });
  await list("private");
  assert.deepEqual(await rooms({ third_party_instance_id: "irc|libera" }), []);
  await hs.fails(400, "M_INVALID_PARAM", "PUT", `/directory/list/appservice/libera/${E(listed)}`, { token: irc.token, body: { visibility: "maybe" } });
  await alice.fails(403, "M_FORBIDDEN", "PUT", `/directory/list/appservice/libera/${E(listed)}`, { visibility: "public" });
  await hs.fails(404, "M_NOT_FOUND", "PUT", "/directory/list/appservice/libera/!none", { token: irc.token, body: { visibility: "public" } });
});

// ---- registration files

test("SIGHUP takes changed registrations, and keeps the old ones when a file is broken", OWN_SERVER, async () => {
  const one = new AppService("one", { url: null }), two = new AppService("two", { url: null });
  await withServer({ edit: registrations(one) }, async s => {
    const whoami = token => s.req("GET", "/account/whoami", { token });
    await s.editConfig(c => registrations(one, two)(c, s));
    s.process.kill("SIGHUP");
    await eventually("the second is known", async () => (await whoami(two.token)).status === 200);
    const before = one.token;
    fs.writeFileSync(path.join(s.dir, "one.yaml"), "id: one\nurl: null\nas_token: [\n");
    s.process.kill("SIGHUP");
    await eventually("the log says where", () => /application services not reloaded.*one\.yaml, line/.test(s.stderr));
    assert.equal((await whoami(before)).status, 200);
    const check = await s.command(["config", "check", "--config", s.configFile]);
    assert.equal(check.status, 1);
    assert.match(check.stdout + check.stderr, /one\.yaml, line/);
    one.registration.as_token = unique("as");
    writeRegistration(s, one);
    s.process.kill("SIGHUP");
    await eventually("the new token is good", async () => (await whoami(one.token)).status === 200);
    assert.equal((await whoami(before)).status, 401);
  });
});

test("a server does not start with two registrations of one token", OWN_SERVER, async () => {
  const one = new AppService("one", { url: null }), two = new AppService("two", { url: null });
  two.registration.as_token = one.token;
  await assert.rejects(withServer({ edit: registrations(one, two) }, () => {}), /two\.yaml has the same as_token as .*one\.yaml/);
});

// ---- commands

test("appservice generate makes what the server takes, list and ping tell of it", OWN_SERVER, async () => {
  await withServer({}, async s => {
    const file = path.join(s.dir, "made.yaml");
    const port = await freePort();
    const generate = () => s.command(["appservice", "generate", "made", "--url", `http://127.0.0.1:${port}/`, "--sender", "madebot", "--users", "@made_'.*", "--output", file]);
    assert.equal((await generate()).status, 0);
    assert.equal(fs.statSync(file).mode & 0o777, 0o600);
    assert.match((await generate()).stderr, /cannot be written/);
    s.editConfig(c => { c.appservices = ["made.yaml"]; });
    const made = new AppService("made", YAML.parse(fs.readFileSync(file, "utf8")));
    s.process.kill("SIGHUP");
    await eventually("it is known", async () => (await s.req("GET", "/account/whoami", { token: made.token })).body.user_id === `@madebot:${SERVER_NAME}`);
    const run = (...args) => s.command(["appservice", ...args, "--config", s.configFile]);
    assert.match((await run("ping", "made")).stderr, /cannot be reached/);
    assert.match((await run("ping", "other")).stderr, /no registration has the id "other"/);
    await made.as(s, `@madebot:${SERVER_NAME}`).createRoom({});
    assert.match((await run("list")).stdout, /^ID +USER +URL\nmade +@madebot:localhost/);
    await eventually("events wait", async () => /made +@madebot:localhost +http.*events wait/.test((await run("list")).stdout));
    await made.listen(port);
    made.onQuery = q => ({ status: q.token === `Bearer ${made.registration.hs_token}` && q.url === "/_matrix/app/v1/ping" ? 200 : 403, body: {} });
    assert.match((await run("ping", "made")).stdout, /It answers/);
    made.onQuery = () => ({ status: 403, body: { errcode: "M_FORBIDDEN" } });
    assert.match((await run("ping", "made")).stderr, /status 403/);
    await eventually("all is told", async () => JSON.parse((await run("list", "--json")).stdout).waiting === 0);
    assert.match((await s.command(["doctor", "--config", s.configFile])).stdout, /1 registration in order/);
    await made.stop();
  });
});
