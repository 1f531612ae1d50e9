// SPDX-License-Identifier: Apache-2.0
// The user directory: who is found, by what, and by whom.
import assert from "node:assert/strict";
import test from "node:test";
import { E, OWN_SERVER, Server, unique, useServer } from "./harness.mjs";

const hs = useServer();
const search = (who, search_term, extra = {}) => who.post("/user_directory/search", { search_term, ...extra });
const found = async (who, term, extra) => (await search(who, term, extra)).results.map(u => u.user_id);
const rename = (who, displayname) => who.put(`/profile/${E(who.id)}/displayname`, { displayname });

test("people are found by any part of their name, in any case, best first", async () => {
  const alice = await hs.user("alice");
  const tag = unique("q");
  const [inside, start, both] = [await hs.user("x"), await hs.user("y"), await hs.user("z")];
  await rename(inside, `Mac${tag}son`);
  await rename(start, `Old ${tag.toUpperCase()}`);
  await rename(both, `Jürgen ÄRMEL ${tag}`);
  const room = await alice.createRoom({ preset: "public_chat" });
  for (const u of [inside, start, both]) await u.join(room);
  const all = await found(alice, tag);
  assert.deepEqual(new Set(all.slice(0, 2)), new Set([start.id, both.id]));
  assert.deepEqual(all.slice(2), [inside.id]);
  assert.deepEqual(await found(alice, `ärm ${tag}`), [both.id]);
  assert.deepEqual(await found(alice, `${tag} old`), [start.id]);
  assert.deepEqual(await found(alice, inside.id), [inside.id]);
  assert.deepEqual(await found(alice, inside.name), [inside.id]);
  assert.deepEqual(await found(alice, `${tag}nothing`), []);
  assert.deepEqual(await found(alice, ""), []);
  const r = await search(alice, tag, { limit: 2 });
  assert.equal(r.results.length, 2);
  assert.equal(r.limited, true);
  assert.equal((await search(alice, tag, { limit: 3 })).limited, false);
});

test("an entry has name and picture, and follows the profile", async () => {
  const [alice, bob] = await hs.users("alice", "bob");
  const tag = unique("n");
  await rename(bob, tag);
  await bob.put(`/profile/${E(bob.id)}/avatar_url`, { avatar_url: "mxc://localhost/abc" });
  await bob.createRoom({ preset: "public_chat" });
  assert.deepEqual((await search(alice, tag)).results, [{ user_id: bob.id, display_name: tag, avatar_url: "mxc://localhost/abc" }]);
  await rename(bob, "somebody else");
  assert.deepEqual(await found(alice, tag), []);
});

test("strangers in private rooms are not found; sharing a room or being in a public one is what counts", async () => {
  const [alice, bob] = await hs.users("alice", "bob");
  await bob.createRoom({ preset: "private_chat" });
  assert.deepEqual(await found(alice, bob.name), []);
  const room = await alice.createRoom({ preset: "private_chat", invite: [bob.id] });
  assert.deepEqual(await found(alice, bob.name), []);
  await bob.join(room);
  assert.deepEqual(await found(alice, bob.name), [bob.id]);
  await bob.leave(room);
  assert.deepEqual(await found(alice, bob.name), []);
  await bob.createRoom({ preset: "private_chat", initial_state: [{ type: "m.room.history_visibility", content: { history_visibility: "world_readable" } }] });
  assert.deepEqual(await found(alice, bob.name), [bob.id]);
});

test("who has deactivated their account is found no more", async () => {
  const [alice, bob] = await hs.users("alice", "bob");
  await bob.createRoom({ preset: "public_chat" });
  assert.deepEqual(await found(alice, bob.name), [bob.id]);
  await bob.withPassword("POST", "/account/deactivate", {});
  assert.deepEqual(await found(alice, bob.name), []);
});

test("bad searches are refused", async () => {
  const alice = await hs.user("alice");
  await alice.fails(400, "M_MISSING_PARAM", "POST", "/user_directory/search", {});
  await alice.fails(400, "M_BAD_JSON", "POST", "/user_directory/search", { search_term: 1 });
  await alice.fails(400, "M_INVALID_PARAM", "POST", "/user_directory/search", { search_term: "x".repeat(257) });
});

test("the directory may be open to all, or shut", OWN_SERVER, async () => {
  const all = await Server.create({ config: { user_directory: { search_all_users: true } } });
  try {
    const [alice, bob] = await all.users("alice", "bob");
    assert.deepEqual(await found(alice, bob.name), [bob.id]);
    all.editConfig(c => { c.user_directory.enabled = false; });
    await all.restart();
    await alice.fails(403, "M_FORBIDDEN", "POST", "/user_directory/search", { search_term: "x" });
  } finally { await all.remove(); }
});
