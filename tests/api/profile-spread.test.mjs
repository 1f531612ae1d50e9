// SPDX-License-Identifier: Apache-2.0
// A new display name or picture is answered when it is stored, and goes into the rooms afterwards: also after the server
// was killed, in order, and the newest wins.
import assert from "node:assert/strict";
import { test } from "node:test";
import { E, OWN_SERVER, eventually, useServer } from "./harness.mjs";

const hs = useServer();
const ROOMS = 45; // more than twice what is sent before it is the next user's turn

async function withRooms(prefix) {
  const user = await hs.user(prefix);
  const rooms = [];
  for (let i = 0; i < ROOMS; i++) rooms.push(await user.createRoom());
  return { user, rooms };
}
const setName = (user, displayname) => user.put(`/profile/${E(user.id)}/displayname`, { displayname });
const nameIn = async (user, room) => (await user.getState(room, "m.room.member", user.id)).displayname;
const allHave = (user, rooms, name) => eventually(`all rooms have ${name}`, async () => (await Promise.all(rooms.map(r => nameIn(user, r)))).every(n => n === name));

test("a change that was answered reaches every room, though the server is killed right after", OWN_SERVER, async () => {
  const { user, rooms } = await withRooms("killed");
  await setName(user, "New Name");
  await hs.kill9();
  await hs.start();
  await allHave(user, rooms, "New Name");
});

test("also when it is stopped in order", OWN_SERVER, async () => {
  const { user, rooms } = await withRooms("stopped");
  await user.put(`/profile/${E(user.id)}/avatar_url`, { avatar_url: "mxc://localhost/x" });
  await setName(user, "Newer Name");
  await hs.restart();
  await allHave(user, rooms, "Newer Name");
  for (const room of rooms) assert.equal((await user.getState(room, "m.room.member", user.id)).avatar_url, "mxc://localhost/x");
});

test("of several changes each room sees them in order, the last one at the end, and none twice", async () => {
  const { user, rooms } = await withRooms("often");
  const names = Array.from({ length: 8 }, (_, i) => `Name ${i}`);
  for (const name of names) await setName(user, name);
  await allHave(user, rooms, names.at(-1));
  await setName(user, names.at(-1)); // has it already
  const other = await hs.user("other");
  await setName(other, "Other");
  for (const room of rooms) {
    const { chunk } = await user.messages(room, { dir: "f", limit: "100" });
    const seen = chunk.filter(e => e.type === "m.room.member").map(e => names.indexOf(e.content.displayname)).filter(i => i >= 0);
    assert.deepEqual(seen, [...new Set(seen)].sort((a, b) => a - b));
    assert.equal(seen.at(-1), names.length - 1);
  }
});

test("a room where one may not speak any more holds up no other; a left one is left alone", async () => {
  const { user, rooms } = await withRooms("quiet");
  const owner = await hs.user("owner");
  const left = await owner.createRoom({ preset: "public_chat" });
  await user.join(left);
  await user.leave(left);
  const banned = await owner.createRoom({ preset: "public_chat" });
  await user.join(banned);
  await owner.ban(banned, user);
  await setName(user, "Still There");
  await allHave(user, rooms, "Still There");
  assert.equal((await owner.getState(left, "m.room.member", user.id)).membership, "leave");
  assert.equal((await owner.getState(banned, "m.room.member", user.id)).membership, "ban");
});

test("who leaves, or is made to, stays out: a new name makes nobody join", OWN_SERVER, async () => {
  const { user, rooms } = await withRooms("leaver");
  const owner = await hs.user("owner");
  const theirs = [];
  for (let i = 0; i < 12; i++) {
    theirs.push(await owner.createRoom({ preset: "public_chat" }));
    await user.join(theirs[i]);
  }
  await setName(user, "On The Way Out");
  await Promise.all([...rooms.slice(-6).map(room => user.leave(room)), ...theirs.map(room => owner.kick(room, user))]);
  await allHave(user, rooms.slice(0, -6), "On The Way Out");
  // Rooms are told in the order in which they were made, so one that is made later shows that all before it were.
  const last = await user.createRoom();
  await setName(user, "Outside");
  await allHave(user, [last], "Outside");
  const { joined_rooms } = await user.get("/joined_rooms");
  assert.deepEqual(joined_rooms.filter(room => theirs.includes(room) || rooms.slice(-6).includes(room)), []);
});
