// SPDX-License-Identifier: Apache-2.0
// Spaces and rooms as a stranger sees them: hierarchy, room_summary, mutual_rooms.
import assert from "node:assert/strict";
import test from "node:test";
import { E, useServer } from "./harness.mjs";

const hs = useServer();
const V1 = "/_matrix/client/v1";
const via = ["localhost"];
const space = (who, o = {}) => who.createRoom({ preset: "public_chat", creation_content: { type: "m.space" }, ...o });
const open = (who, name) => who.createRoom({ preset: "public_chat", name });
const child = (who, parent, room, content = {}) => who.setState(parent, "m.space.child", room, { via, ...content });
const query = q => Object.keys(q).length ? `?${new URLSearchParams(q)}` : "";
const hierarchy = (who, room, q = {}) => who.get(`${V1}/rooms/${E(room)}/hierarchy${query(q)}`);
const ids = r => r.rooms.map(x => x.room_id);

test("the tree is walked depth first, in the order of the children", async () => {
  const alice = await hs.user("alice");
  const root = await space(alice, { name: "Root", topic: "all of it" });
  const [last, first, sub] = [await open(alice, "last"), await open(alice, "first"), await space(alice, { name: "Sub" })];
  const leaf = await open(alice, "leaf");
  const [unordered1, unordered2] = [await open(alice, "u1"), await open(alice, "u2")];
  await child(alice, root, unordered1, { order: "\u0001 not valid" });
  await child(alice, root, unordered2);
  await child(alice, root, last, { order: "c" });
  await child(alice, root, sub, { order: "b" });
  await child(alice, root, first, { order: "a" });
  await child(alice, sub, leaf, { order: "a" });
  await child(alice, sub, last, { order: "b" });
  await child(alice, sub, root, { order: "c" });
  const r = await hierarchy(alice, root);
  assert.deepEqual(ids(r), [root, first, sub, leaf, last, unordered1, unordered2]);
  assert.equal(r.next_batch, undefined);
  const [top, one] = r.rooms;
  assert.equal(top.room_type, "m.space");
  assert.equal(top.name, "Root");
  assert.equal(top.topic, "all of it");
  assert.equal(top.num_joined_members, 1);
  assert.equal(top.join_rule, "public");
  assert.equal(typeof top.room_version, "string");
  assert.deepEqual(top.children_state.map(e => e.state_key), [first, sub, last, unordered1, unordered2]);
  assert.deepEqual(Object.keys(top.children_state[0]).sort(), ["content", "origin_server_ts", "sender", "state_key", "type"]);
  assert.deepEqual(one.children_state, []);
});

test("pages go on where the last one ended, and keep their parameters", async () => {
  const alice = await hs.user("alice");
  const root = await space(alice);
  const rooms = [];
  for (let i = 0; i < 7; i++) { rooms.push(await open(alice, `r${i}`)); await child(alice, root, rooms[i], { order: `${i}` }); }
  const seen = [];
  let from, pages = 0;
  do {
    const r = await hierarchy(alice, root, { limit: 3, ...(from ? { from } : {}) });
    seen.push(...ids(r));
    from = r.next_batch;
    pages++;
  } while (from);
  assert.deepEqual(seen, [root, ...rooms]);
  assert.equal(pages, 3);
  const { next_batch } = await hierarchy(alice, root, { limit: 1, max_depth: 2 });
  const path = `${V1}/rooms/${E(root)}/hierarchy`;
  await alice.fails(400, "M_INVALID_PARAM", "GET", `${path}?from=${next_batch}&max_depth=3`);
  await alice.fails(400, "M_INVALID_PARAM", "GET", `${path}?from=${next_batch}&suggested_only=true`);
  await alice.fails(400, "M_INVALID_PARAM", "GET", `${path}?from=nonsense`);
  await alice.fails(400, "M_INVALID_PARAM", "GET", `${path}?limit=0`);
  await alice.fails(400, "M_INVALID_PARAM", "GET", `${path}?max_depth=-1`);
});

test("suggested_only and max_depth narrow the tree, cycles end, removed children are gone", async () => {
  const alice = await hs.user("alice");
  const [root, sub] = [await space(alice), await space(alice)];
  const [leaf, gone] = [await open(alice, "leaf"), await open(alice, "gone")];
  await child(alice, root, sub, { suggested: true });
  await child(alice, sub, root);
  await child(alice, sub, leaf);
  await child(alice, root, gone);
  await alice.setState(root, "m.space.child", gone, {});
  await child(alice, root, "not a room id");
  assert.deepEqual(ids(await hierarchy(alice, root)), [root, sub, leaf]);
  assert.deepEqual(ids(await hierarchy(alice, root, { max_depth: 1 })), [root, sub]);
  assert.deepEqual(ids(await hierarchy(alice, root, { max_depth: 0 })), [root]);
  assert.deepEqual(ids(await hierarchy(alice, root, { suggested_only: true })), [root, sub]);
});

test("what one may not know of is left out, with what is beneath it", async () => {
  const [alice, bob] = await hs.users("alice", "bob");
  const root = await space(alice);
  const hidden = await space(alice, { preset: "private_chat" });
  const beneath = await open(alice, "beneath");
  const readable = await alice.createRoom({ preset: "private_chat", initial_state: [{ type: "m.room.history_visibility", content: { history_visibility: "world_readable" } }] });
  const knockable = await alice.createRoom({ preset: "private_chat", initial_state: [{ type: "m.room.join_rules", content: { join_rule: "knock" } }] });
  const invited = await alice.createRoom({ preset: "private_chat", invite: [bob.id] });
  const restricted = await alice.createRoom({ preset: "private_chat", initial_state: [{ type: "m.room.join_rules", content: { join_rule: "restricted", allow: [{ type: "m.room_membership", room_id: root }] } }] });
  for (const room of [hidden, readable, knockable, invited, restricted, "!unknown:localhost"]) await child(alice, root, room);
  await child(alice, hidden, beneath);
  assert.deepEqual(new Set(ids(await hierarchy(bob, root))), new Set([root, readable, knockable, invited]));
  await bob.join(root);
  const r = await hierarchy(bob, root);
  assert.deepEqual(new Set(ids(r)), new Set([root, readable, knockable, invited, restricted]));
  assert.deepEqual(r.rooms.find(x => x.room_id === restricted).allowed_room_ids, [root]);
  await bob.fails(403, "M_FORBIDDEN", "GET", `${V1}/rooms/${E(hidden)}/hierarchy`);
  await bob.fails(403, "M_FORBIDDEN", "GET", `${V1}/rooms/${E("!unknown:localhost")}/hierarchy`);
  await alice.ban(root, bob);
  await bob.fails(403, "M_FORBIDDEN", "GET", `${V1}/rooms/${E(root)}/hierarchy`);
});

test("a summary is for whoever may find the room, with their membership", async () => {
  const [alice, bob] = await hs.users("alice", "bob");
  const alias = `s${Date.now()}`;
  const room = await alice.createRoom({ preset: "public_chat", name: "Summed up", room_alias_name: alias, initial_state: [{ type: "m.room.encryption", content: { algorithm: "m.megolm.v1.aes-sha2" } }] });
  const path = r => `${V1}/room_summary/${E(r)}?via=localhost`;
  const own = await alice.get(path(room));
  assert.equal(own.membership, "join");
  assert.equal(own.name, "Summed up");
  assert.equal(own.encryption, "m.megolm.v1.aes-sha2");
  assert.equal(own.num_joined_members, 1);
  assert.equal((await bob.get(path(`#${alias}:localhost`))).room_id, room);
  const nobody = (await hs.req("GET", path(room), { expect: 200 })).body;
  assert.equal(nobody.membership, undefined);
  const secret = await alice.createRoom({ preset: "private_chat" });
  await bob.fails(404, "M_NOT_FOUND", "GET", path(secret));
  await hs.fails(404, "M_NOT_FOUND", "GET", path(secret));
  await bob.fails(404, "M_NOT_FOUND", "GET", path("!nowhere:localhost"));
  await bob.fails(404, "M_NOT_FOUND", "GET", path("#nowhere:localhost"));
  await alice.invite(secret, bob);
  assert.equal((await bob.get(path(secret))).membership, "invite");
  const older = "/_matrix/client/unstable/im.nheko.summary";
  assert.deepEqual(await alice.get(`${older}/summary/${E(room)}`), own, "as clients asked before it was specified");
  assert.deepEqual(await alice.get(`${older}/rooms/${E(room)}/summary`), own);
});

test("mutual rooms are those where both are now", async () => {
  const [alice, bob] = await hs.users("alice", "bob");
  const both = await open(alice, "both"), left = await open(alice, "left"), invited = await open(alice, "invited");
  await open(alice, "alone");
  await bob.join(both);
  await bob.join(left);
  await bob.leave(left);
  await alice.invite(invited, bob);
  const path = u => `${V1}/mutual_rooms?user_id=${E(u)}`;
  assert.deepEqual(await alice.get(path(bob.id)), { joined: [both], count: 1 });
  assert.deepEqual(await bob.get(path(alice.id)), { joined: [both], count: 1 });
  assert.deepEqual(await alice.get(path("@nobody:localhost")), { joined: [], count: 0 });
  await alice.fails(400, "M_INVALID_PARAM", "GET", path(alice.id));
  await alice.fails(400, "M_INVALID_PARAM", "GET", path("nonsense"));
  await alice.fails(400, "M_INVALID_PARAM", "GET", `${V1}/mutual_rooms`);
  await alice.fails(400, "M_INVALID_PARAM", "GET", `${path(bob.id)}&from=nonsense`);
});

test("many mutual rooms come in pages", async () => {
  const [alice, bob] = await hs.users("alice", "bob");
  const rooms = await Promise.all(Array.from({ length: 105 }, () => alice.createRoom({ preset: "public_chat" })));
  await Promise.all(rooms.map(room => bob.join(room)));
  const seen = [];
  for (let from = "", pages = 0; from !== undefined; pages++) {
    const page = await alice.get(`${V1}/mutual_rooms?user_id=${E(bob.id)}${from && `&from=${E(from)}`}`);
    assert.equal(page.count, rooms.length);
    assert.ok(pages < 10, "the pages have no end");
    seen.push(...page.joined);
    from = page.next_batch;
  }
  assert.deepEqual(seen.sort(), rooms.sort());
});
