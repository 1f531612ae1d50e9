// SPDX-License-Identifier: Apache-2.0
// Guest access: what guests may do and that they may do nothing else, over all routes that the server has.
import assert from "node:assert/strict";
import test, { before } from "node:test";
import { BIN, E, OWN_SERVER, User, timeline, unique, useServer } from "./harness.mjs";

const hs = useServer({ config: { registration: { guests: true } } });
const GUEST_ACCESS = value => ({ type: "m.room.guest_access", state_key: "", content: { guest_access: value } });

/** client-server API, "Guest Access", and three more: a session can be ended, and joining by alias is joining. */
// Sending without a transaction id, as old clients do, is the same act as sending with one.
const ALLOWED = new Set(`
GET /_matrix/client/v3/rooms/{roomId}/state
GET /_matrix/client/v3/rooms/{roomId}/context/{eventId}
GET /_matrix/client/v3/rooms/{roomId}/event/{eventId}
GET /_matrix/client/v3/rooms/{roomId}/state/{eventType}
GET /_matrix/client/v3/rooms/{roomId}/state/{eventType}/{stateKey}
GET /_matrix/client/v3/rooms/{roomId}/messages
GET /_matrix/client/v3/rooms/{roomId}/members
GET /_matrix/client/v3/rooms/{roomId}/initialSync
GET /_matrix/client/v3/sync
GET /_matrix/client/v3/events
GET /_matrix/client/v1/media/download/{serverName}/{mediaId}
GET /_matrix/client/v1/media/download/{serverName}/{mediaId}/{fileName}
GET /_matrix/client/v1/media/thumbnail/{serverName}/{mediaId}
POST /_matrix/client/v3/rooms/{roomId}/join
POST /_matrix/client/v3/rooms/{roomId}/leave
PUT /_matrix/client/v3/rooms/{roomId}/send/{eventType}/{txnId}
POST /_matrix/client/v3/rooms/{roomId}/send/{eventType}
PUT /_matrix/client/v3/rooms/{roomId}/state/{eventType}
PUT /_matrix/client/v3/rooms/{roomId}/state/{eventType}/{stateKey}
PUT /_matrix/client/v3/sendToDevice/{eventType}/{txnId}
PUT /_matrix/client/v3/profile/{userId}/{keyName}
DELETE /_matrix/client/v3/profile/{userId}/{keyName}
GET /_matrix/client/v3/devices
GET /_matrix/client/v3/devices/{deviceId}
PUT /_matrix/client/v3/devices/{deviceId}
GET /_matrix/client/v3/account/whoami
POST /_matrix/client/v3/keys/upload
POST /_matrix/client/v3/keys/query
POST /_matrix/client/v3/keys/claim
POST /_matrix/client/v3/logout
POST /_matrix/client/v3/logout/all
POST /_matrix/client/v3/join/{roomIdOrAlias}`.trim().split("\n"));

async function newGuest(server = hs) {
  const r = await server.req("POST", "/register?kind=guest", { body: { initial_device_display_name: "Kiosk" }, expect: 200 });
  return new User(server, { id: r.body.user_id, name: r.body.user_id.slice(1).split(":")[0], token: r.body.access_token, device: r.body.device_id });
}

let routes = [];
before(async () => {
  const r = await hs.command(["routes", "--json"], { bin: BIN });
  routes = r.stdout.trim().split("\n").map(l => JSON.parse(l)).filter(x => !x.alias_of);
});

test("the routes that let guests in are those of the specification", async () => {
  const open = routes.filter(r => r.auth === "guest").map(r => `${r.method} ${r.path}`);
  assert.deepEqual(open.sort(), [...ALLOWED].sort());
});

test("every other route that wants a token refuses guests", async () => {
  const guest = await newGuest();
  const closed = routes.filter(r => ["user", "admin", "appservice"].includes(r.auth));
  assert.ok(closed.length > 60, `${closed.length}`);
  for (const { method, path, auth } of closed) {
    const r = await hs.req(method, path.replace(/\{\w+\*?\}/g, "x"), { token: guest.token, body: method === "GET" ? undefined : {} });
    assert.equal(r.status, 403, `${method} ${path} ${r.raw}`);
    assert.equal(r.body.errcode, auth === "user" ? "M_GUEST_ACCESS_FORBIDDEN" : "M_FORBIDDEN", `${method} ${path}`);
  }
  // These can be called without a token too; with a guest's they are refused.
  await guest.fails(403, "M_GUEST_ACCESS_FORBIDDEN", "POST", "/account/password", { new_password: "a long password" });
  await guest.fails(403, "M_GUEST_ACCESS_FORBIDDEN", "POST", "/account/deactivate", {});
});

test("a guest joins, reads, speaks and leaves where guests are let in", async () => {
  const [alice, guest] = [await hs.user("alice"), await newGuest()];
  const room = await alice.createRoom({ preset: "public_chat", room_alias_name: unique("open"), initial_state: [GUEST_ACCESS("can_join"), { type: "m.room.history_visibility", content: { history_visibility: "world_readable" } }], power_level_content_override: { events: { "m.test": 0 } } });
  const said = await alice.say(room, "welcome");
  await guest.post(`/rooms/${E(room)}/join`);
  assert.ok((await guest.get(`/rooms/${E(room)}/state`)).length > 3);
  await guest.getState(room, "m.room.create");
  await guest.get(`/rooms/${E(room)}/members`);
  await guest.get(`/rooms/${E(room)}/initialSync`);
  assert.equal((await guest.getEvent(room, said)).content.body, "welcome");
  await guest.get(`/rooms/${E(room)}/context/${E(said)}`);
  assert.ok((await guest.messages(room)).chunk.length > 3);
  await guest.say(room, "hello");
  await guest.setState(room, "m.test", "", { by: "a guest" });
  assert.ok(timeline(await guest.sync(), room).length > 0);
  await guest.get(`/events?room_id=${E(room)}&timeout=0`);
  await guest.put(`/profile/${E(guest.id)}/displayname`, { displayname: "Passer-by" });
  await guest.fails(403, "M_GUEST_ACCESS_FORBIDDEN", "PUT", `/profile/${E(guest.id)}/m.tz`, { "m.tz": "UTC" });
  await guest.del(`/profile/${E(guest.id)}/displayname`);
  await guest.put(`/devices/${guest.device}`, { display_name: "Kiosk 2" });
  assert.equal((await guest.get(`/devices/${guest.device}`)).display_name, "Kiosk 2");
  assert.equal((await guest.get("/devices")).devices.length, 1);
  await guest.post("/keys/query", { device_keys: { [alice.id]: [] } });
  await guest.put(`/sendToDevice/m.test/${guest.nextTxn()}`, { messages: { [alice.id]: { "*": {} } } });
  assert.equal((await guest.get("/account/whoami")).is_guest, true);
  await guest.leave(room);
  await guest.post("/logout");
});

test("guests leave a room that takes no guests any more, others stay", async () => {
  for (const withdraw of [
    (alice, room) => alice.setState(room, "m.room.guest_access", "", { guest_access: "forbidden" }),
    async (alice, room) => alice.redact(room, (await alice.get(`/rooms/${E(room)}/state`)).find(e => e.type === "m.room.guest_access").event_id),
  ]) {
    const [alice, bob] = await hs.users("alice", "bob");
    const guests = [await newGuest(), await newGuest()];
    const room = await alice.createRoom({ preset: "public_chat", initial_state: [GUEST_ACCESS("can_join")] });
    for (const who of [bob, ...guests]) await who.post(`/rooms/${E(room)}/join`);
    const stream = await guests[0].stream();
    await withdraw(alice, room);
    assert.deepEqual(Object.keys((await alice.get(`/rooms/${E(room)}/joined_members`)).joined).sort(), [alice.id, bob.id].sort());
    for (const g of guests) assert.equal((await alice.getState(room, "m.room.member", g.id)).membership, "leave");
    await stream.until("that the guest has left", r => r.rooms?.leave?.[room]);
    await guests[1].fails(403, "M_GUEST_ACCESS_FORBIDDEN", "POST", `/rooms/${E(room)}/join`, {});
  }
});

test("a guest becomes a user of the same name and keeps their rooms", OWN_SERVER, async () => {
  const [alice, guest] = [await hs.user("alice"), await newGuest()];
  const room = await alice.createRoom({ preset: "public_chat", initial_state: [GUEST_ACCESS("can_join")] });
  await guest.post(`/rooms/${E(room)}/join`);
  const wish = { username: guest.name, password: "a long password", guest_access_token: guest.token };
  await hs.fails(400, "M_INVALID_PARAM", "POST", "/register", { body: { ...wish, username: unique("other") } });
  await hs.fails(403, "M_FORBIDDEN", "POST", "/register", { body: { ...wish, guest_access_token: alice.token } });
  await hs.fails(400, "M_USER_IN_USE", "POST", "/register", { body: { ...wish, guest_access_token: undefined } });
  const { session } = (await hs.req("POST", "/register", { body: wish, expect: 401 })).body;
  const done = (await hs.req("POST", "/register", { body: { ...wish, auth: { type: "m.login.dummy", session } }, expect: 200 })).body;
  assert.equal(done.user_id, guest.id);
  const user = new User(hs, { id: guest.id, name: guest.name, token: done.access_token });
  assert.equal((await user.get("/account/whoami")).is_guest, false);
  assert.deepEqual((await user.get("/joined_rooms")).joined_rooms, [room]);
  await alice.setState(room, "m.room.guest_access", "", { guest_access: "forbidden" });
  assert.deepEqual((await user.get("/joined_rooms")).joined_rooms, [room]);
  await hs.login(guest.name, "a long password");
  await hs.fails(403, "M_FORBIDDEN", "POST", "/register", { body: wish });
});
