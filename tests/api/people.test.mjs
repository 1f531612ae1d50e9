// SPDX-License-Identifier: Apache-2.0
// Profiles, account data, tags, receipts and read markers, the user directory.
import assert from "node:assert/strict";
import test from "node:test";
import { E, EXTERNAL, OWN_SERVER, ephemeral, eventually, find, roomAccountData, timeline, unique, useServer, withServer } from "./harness.mjs";

const hs = useServer();

test("a profile: name and picture are set, read without being in a room, and removed", async () => {
  const [alice, bob] = await hs.users("alice", "bob");
  const p = `/profile/${E(alice.id)}`;
  await alice.put(`${p}/displayname`, { displayname: "Alice in Chains" });
  await alice.put(`${p}/avatar_url`, { avatar_url: "mxc://localhost/picture" });
  assert.equal((await bob.get(`${p}/displayname`)).displayname, "Alice in Chains");
  assert.equal((await hs.req("GET", p, { expect: 200 })).body.avatar_url, "mxc://localhost/picture");
  await bob.fails(403, "M_FORBIDDEN", "PUT", `${p}/displayname`, { displayname: "Mallory" });
  await hs.fails(404, "M_NOT_FOUND", "GET", `/profile/${E("@nobody-at-all:localhost")}`);
  if (!EXTERNAL) {
    await alice.del(`${p}/avatar_url`);
    assert.equal((await bob.get(p)).avatar_url, undefined);
  }
});

test("profile fields of any name: limits, wrong bodies, deletion", OWN_SERVER, async () => {
  const alice = await hs.user("alice");
  const p = `/profile/${E(alice.id)}`;
  await alice.put(`${p}/m.tz`, { "m.tz": "Europe/Berlin" });
  await alice.put(`${p}/org.example.pronouns`, { "org.example.pronouns": [{ summary: "she/her" }] });
  const all = await alice.get(p);
  assert.equal(all["m.tz"], "Europe/Berlin");
  assert.deepEqual((await alice.get(`${p}/org.example.pronouns`))["org.example.pronouns"], [{ summary: "she/her" }]);
  await alice.del(`${p}/m.tz`);
  await alice.fails(404, "M_NOT_FOUND", "GET", `${p}/m.tz`);
  await alice.fails(400, "M_MISSING_PARAM", "PUT", `${p}/m.tz`, { wrong: 1 });
  const long = `org.example.${"x".repeat(256)}`;
  await alice.fails(400, "M_KEY_TOO_LARGE", "PUT", `${p}/${long}`, { [long]: 1 });
  await alice.fails(400, "M_PROFILE_TOO_LARGE", "PUT", `${p}/org.example.big`, { "org.example.big": "x".repeat(65536) });
  const cap = (await alice.get("/capabilities")).capabilities["m.profile_fields"];
  assert.equal(cap?.enabled ?? true, true);
});

test("a new name reaches the rooms as member events", async () => {
  const [alice, bob] = await hs.users("alice", "bob");
  const room = await alice.createRoom({ preset: "public_chat" });
  await bob.join(room);
  const s = await bob.stream();
  await alice.put(`/profile/${E(alice.id)}/displayname`, { displayname: "Renamed" });
  await s.until("the member event", r => find(timeline(r, room), "m.room.member", alice.id)?.content.displayname === "Renamed");
  await alice.put(`/profile/${E(alice.id)}/avatar_url`, { avatar_url: "mxc://localhost/new" });
  const m = await s.until("the picture", r => find(timeline(r, room), "m.room.member", alice.id));
  assert.equal(m.content.avatar_url, "mxc://localhost/new");
  assert.equal(m.content.displayname, "Renamed");
  assert.equal(m.content.membership, "join");
});

test("new rooms take the profile along", async () => {
  const [alice, bob] = await hs.users("alice", "bob");
  for (const u of [alice, bob]) await u.put(`/profile/${E(u.id)}/displayname`, { displayname: `Name of ${u.name}` });
  const room = await alice.createRoom({ invite: [bob.id] });
  assert.equal((await alice.getState(room, "m.room.member", bob.id)).displayname, `Name of ${bob.name}`);
  await bob.join(room);
  const { joined } = await alice.get(`/rooms/${E(room)}/joined_members`);
  assert.equal(joined[alice.id].display_name, `Name of ${alice.name}`);
  assert.equal(joined[bob.id].display_name, `Name of ${bob.name}`);
});

test("account data: set, get, refused for others and for what the server owns", async () => {
  const [alice, bob] = await hs.users("alice", "bob");
  const room = await alice.createRoom();
  const at = t => `/user/${E(alice.id)}/account_data/${t}`, inRoom = t => `/user/${E(alice.id)}/rooms/${E(room)}/account_data/${t}`;
  await alice.put(at("org.example.x"), { n: 1 });
  assert.deepEqual(await alice.get(at("org.example.x")), { n: 1 });
  await alice.put(inRoom("org.example.x"), { n: 2 });
  assert.deepEqual(await alice.get(inRoom("org.example.x")), { n: 2 });
  await alice.fails(404, "M_NOT_FOUND", "GET", at("org.example.none"));
  await alice.fails(404, "M_NOT_FOUND", "GET", inRoom("org.example.none"));
  await bob.fails(403, "M_FORBIDDEN", "GET", at("org.example.x"));
  await bob.fails(403, "M_FORBIDDEN", "PUT", at("org.example.x"), {});
  for (const t of ["m.push_rules", "m.fully_read"]) {
    const r = await hs.req("PUT", t === "m.fully_read" ? inRoom(t) : at(t), { token: alice.token, body: {} });
    assert.equal(r.status, 405, `${t}: ${r.status}`);
  }
});

test("tags: listed, ordered, removed, validated", async () => {
  const [alice, bob] = await hs.users("alice", "bob");
  const room = await alice.createRoom();
  const base = `/user/${E(alice.id)}/rooms/${E(room)}/tags`;
  await alice.put(`${base}/m.favourite`, { order: 0.1 });
  await alice.put(`${base}/u.work`, {});
  assert.deepEqual((await alice.get(base)).tags, { "m.favourite": { order: 0.1 }, "u.work": {} });
  await alice.del(`${base}/u.work`);
  assert.deepEqual((await alice.get(base)).tags, { "m.favourite": { order: 0.1 } });
  const r = await hs.req("GET", base, { token: bob.token });
  assert.equal(r.status, 403);
});

test("read markers move the fully-read mark and both receipts in one request", async () => {
  const [alice, bob] = await hs.users("alice", "bob");
  const room = await alice.createRoom({ preset: "public_chat" });
  await bob.join(room);
  const [one, two] = [await alice.say(room, "1"), await alice.say(room, "2")];
  const [sa, sb] = [await alice.stream(), await bob.stream()];
  await bob.post(`/rooms/${E(room)}/read_markers`, { "m.fully_read": one, "m.read": two, "m.read.private": one });
  await sa.until("the receipt", r => ephemeral(r, room, "m.receipt")?.[two]?.["m.read"]?.[bob.id]);
  assert.equal((await bob.get(`/user/${E(bob.id)}/rooms/${E(room)}/account_data/m.fully_read`)).event_id, one);
  await sb.until("the mark", r => roomAccountData(r, room, "m.fully_read")?.event_id === one);
  await bob.post(`/rooms/${E(room)}/receipt/m.fully_read/${E(two)}`);
  assert.equal((await bob.get(`/user/${E(bob.id)}/rooms/${E(room)}/account_data/m.fully_read`)).event_id, two);
});

test("receipts: never backwards, never for unknown kinds, unthreaded and threaded rules", async () => {
  const [alice, bob] = await hs.users("alice", "bob");
  const room = await alice.createRoom({ preset: "public_chat" });
  await bob.join(room);
  const [one, two] = [await alice.say(room, "1"), await alice.say(room, "2")];
  const s = await alice.stream();
  await bob.receipt(room, two);
  await s.until("the receipt", r => ephemeral(r, room, "m.receipt")?.[two]?.["m.read"]?.[bob.id]);
  await bob.receipt(room, one);
  const marker = await bob.say(room, "marker");
  const seen = [];
  await s.event(room, marker, seen);
  assert.equal(seen.some(r => ephemeral(r, room, "m.receipt")?.[one]), false, "a receipt went backwards");
  for (const [type, body] of [["m.unheard_of", {}], ["m.read", { thread_id: "" }], ["m.read", { thread_id: 5 }], ["m.fully_read", { thread_id: "main" }]]) {
    const r = await hs.req("POST", `/rooms/${E(room)}/receipt/${type}/${E(two)}`, { token: bob.token, body });
    assert.equal(r.status, 400, `${type} ${JSON.stringify(body)}: ${r.status}`);
  }
});

test("the user directory finds people in shared and public rooms", OWN_SERVER, async () => {
  const [alice, bob] = await hs.users("alice", "bob");
  await bob.put(`/profile/${E(bob.id)}/displayname`, { displayname: `Zaphod ${bob.name}` });
  const room = await alice.createRoom({ preset: "public_chat" });
  await bob.join(room);
  await eventually("bob is found", async () => {
    const r = await hs.req("POST", "/user_directory/search", { token: alice.token, body: { search_term: bob.name } });
    if (r.status === 404) return true;
    return r.body.results?.some(u => u.user_id === bob.id);
  });
});

test("presence can be switched off", OWN_SERVER, async () => {
  await withServer({ config: { presence: "off" } }, async s => {
    const [alice, bob] = await s.users("alice", "bob");
    const room = await alice.createRoom({ preset: "public_chat" });
    await bob.join(room);
    const stream = await alice.stream();
    await s.req("PUT", `/presence/${E(bob.id)}/status`, { token: bob.token, body: { presence: "online", status_msg: "hello" } });
    const seen = [];
    await stream.event(room, await bob.say(room, "marker"), seen);
    assert.equal(JSON.stringify(seen).includes("m.presence"), false);
  });
});

test("a new name and picture reach those who share a room by m.presence too", async () => {
  const [alice, bob, carol] = await hs.users("alice", "bob", "carol");
  const room = await alice.createRoom({ preset: "public_chat" });
  await bob.join(room);
  const [hears, strange] = [await bob.stream(), await carol.stream()];
  const named = (r, key, value) => r.presence?.events.some(e => e.sender === alice.id && e.content[key] === value);
  await alice.put(`/profile/${E(alice.id)}/displayname`, { displayname: "Alice II" });
  await hears.until("the new name", r => named(r, "displayname", "Alice II"));
  await alice.put(`/profile/${E(alice.id)}/avatar_url`, { avatar_url: "mxc://localhost/two" });
  await hears.until("the new picture", r => named(r, "avatar_url", "mxc://localhost/two"));
  assert.ok(!named(await strange.next(), "displayname", "Alice II"));
});

test("profiles can be kept to users, or to those who share a room", OWN_SERVER, async () => {
  await withServer({ config: { profiles: { lookup: "users" } } }, async s => {
    const [alice, bob] = await s.users("alice", "bob");
    await s.fails(401, "M_MISSING_TOKEN", "GET", `/profile/${E(alice.id)}`);
    await s.fails(401, "M_MISSING_TOKEN", "GET", `/profile/${E(alice.id)}/displayname`);
    await bob.get(`/profile/${E(alice.id)}`);
  });
  await withServer({ config: { profiles: { lookup: "shared_rooms" } } }, async s => {
    const [alice, bob] = await s.users("alice", "bob");
    await alice.get(`/profile/${E(alice.id)}`);
    await bob.fails(403, "M_FORBIDDEN", "GET", `/profile/${E(alice.id)}`);
    await bob.fails(403, "M_FORBIDDEN", "GET", `/profile/${E("@nobody:localhost")}/displayname`);
    const room = await alice.createRoom({ preset: "public_chat" });
    await bob.join(room);
    assert.ok((await bob.get(`/profile/${E(alice.id)}/displayname`)).displayname);
  });
});

test("a room with a thousand people whom nobody has heard of is made in one go", async () => {
  const alice = await hs.user("alice");
  const invite = Array.from({ length: 1000 }, (_, i) => `@${unique(`unheard${i}`)}:localhost`);
  const room = await alice.createRoom({ invite });
  const { chunk } = await alice.get(`/rooms/${E(room)}/members?membership=invite`);
  assert.deepEqual(chunk.map(e => e.state_key).sort(), invite.sort());
});
