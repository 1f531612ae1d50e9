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
