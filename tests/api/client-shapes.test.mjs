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
  await both("POST", "/account/3pid/unbind", { medium: "email", address: "a@example.org", id_server: "id.example.org" });
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
