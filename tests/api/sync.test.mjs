// SPDX-License-Identifier: Apache-2.0
// /sync: what it holds, what filters take away, gaps, and waking up.
import assert from "node:assert/strict";
import test from "node:test";
import { E, EXTERNAL, OWN_SERVER, accountData, ephemeral, eventually, find, roomAccountData, stateOf, timeline, unique, useServer } from "./harness.mjs";

const hs = useServer();
const bodies = events => events.filter(e => e.type === "m.room.message").map(e => e.content.body);

test("an initial sync holds the rooms, their state before the timeline, and the summary", async () => {
  const [alice, bob] = await hs.users("alice", "bob");
  const room = await alice.createRoom({ preset: "public_chat", name: "Room" });
  await bob.join(room);
  for (let i = 0; i < 3; i++) await alice.say(room, `m${i}`);
  const r = await alice.sync({ filter: { room: { timeline: { limit: 2 } } } });
  const j = r.rooms.join[room];
  assert.deepEqual(bodies(j.timeline.events), ["m1", "m2"]);
  assert.equal(j.timeline.limited, true);
  assert.ok(j.timeline.prev_batch);
  assert.ok(find(j.state.events, "m.room.create"));
  assert.equal(find(j.state.events, "m.room.name").content.name, "Room");
  assert.ok(find(j.state.events, "m.room.member", bob.id));
  for (const e of [...j.timeline.events, ...j.state.events]) {
    assert.ok(e.event_id && e.sender && e.origin_server_ts && e.type && e.content, JSON.stringify(e));
    assert.equal(e.auth_events ?? e.prev_events ?? e.hashes ?? e.signatures ?? e.depth, undefined, "server-only members leak");
  }
  const inTimeline = new Set(j.timeline.events.map(e => e.event_id));
  assert.equal(j.state.events.some(e => inTimeline.has(e.event_id)), false);
});

test("state in the initial sync is the state before the first event of the timeline", async () => {
  const alice = await hs.user("alice");
  const room = await alice.createRoom({ name: "old" });
  await alice.say(room, "x");
  await alice.setState(room, "m.room.name", "", { name: "new" });
  const r = await alice.sync({ filter: { room: { timeline: { limit: 1 } } } });
  assert.equal(find(timeline(r, room), "m.room.name").content.name, "new");
  assert.equal(find(stateOf(r, room), "m.room.name")?.content.name, "old");
  const s = r.rooms.join[room].timeline.events[0];
  assert.equal(s.unsigned.prev_content.name, "old");
});

test("an incremental sync holds exactly what is new; without news it is empty", async () => {
  const [alice, bob] = await hs.users("alice", "bob");
  const room = await alice.createRoom({ preset: "public_chat" });
  const quiet = await alice.createRoom();
  const s = await alice.stream();
  await bob.join(room);
  await bob.say(room, "hi");
  const r = await s.until("bob's message", x => bodies(timeline(x, room)).includes("hi") && x);
  assert.equal(r.rooms.join[quiet], undefined);
  assert.equal(r.rooms.join[room].timeline.limited, false);
  await eventually("nothing more to tell", async () => { const e = await s.next(); return e.rooms?.join === undefined || Object.keys(e.rooms.join).length === 0; });
});

test("a parked sync wakes at once for a message, and returns empty at its timeout", async () => {
  const [alice, bob] = await hs.users("alice", "bob");
  const room = await alice.createRoom({ preset: "public_chat" });
  await bob.join(room);
  const s = await alice.stream();
  await s.next();
  const t0 = Date.now();
  const empty = await alice.sync({ since: s.since, timeout: "300" });
  assert.ok(Date.now() - t0 >= 250, "came back early");
  assert.equal(empty.rooms?.join?.[room], undefined);
  const t1 = Date.now();
  const poll = alice.sync({ since: s.since, timeout: "15000" });
  await bob.say(room, "wake up");
  assert.deepEqual(bodies(timeline(await poll, room)), ["wake up"]);
  assert.ok(Date.now() - t1 < 10000, "woke only at the timeout");
});

test("a gap is limited, its prev_batch leads to exactly the missing events, and state bridges it", async () => {
  const [alice, bob] = await hs.users("alice", "bob");
  const room = await alice.createRoom({ preset: "public_chat", name: "one" });
  await bob.join(room);
  const s = await alice.stream({ filter: { room: { timeline: { limit: 3 } } } });
  await bob.say(room, "g0");
  await bob.setState(room, "m.room.member", bob.id, { membership: "join", displayname: "Gap Bob" });
  for (let i = 1; i < 9; i++) await bob.say(room, `g${i}`);
  const r = await s.next();
  const t = r.rooms.join[room].timeline;
  assert.equal(t.limited, true);
  assert.deepEqual(bodies(t.events), ["g6", "g7", "g8"]);
  assert.equal(find(stateOf(r, room), "m.room.member", bob.id).content.displayname, "Gap Bob");
  assert.equal(find(stateOf(r, room), "m.room.name"), undefined, "unchanged state does not come again");
  const missing = [];
  let from = t.prev_batch;
  while (from) {
    const page = await alice.messages(room, { from, limit: 4 });
    missing.push(...bodies(page.chunk));
    from = page.end;
  }
  assert.deepEqual(missing, ["g5", "g4", "g3", "g2", "g1", "g0"]);
});

test("an old token stays good and gives the same view again", async () => {
  const alice = await hs.user("alice");
  const room = await alice.createRoom();
  const { next_batch: since } = await alice.sync();
  await alice.say(room, "a");
  const one = await alice.sync({ since });
  await alice.say(room, "b");
  const two = await alice.sync({ since });
  assert.deepEqual(bodies(timeline(one, room)), ["a"]);
  assert.deepEqual(bodies(timeline(two, room)), ["a", "b"]);
});

test("full_state brings all state of all rooms even without news", async () => {
  const alice = await hs.user("alice");
  const room = await alice.createRoom({ name: "Full" });
  const { next_batch: since } = await alice.sync();
  const r = await alice.sync({ since, full_state: "true", timeout: "10000" });
  assert.equal(find(stateOf(r, room), "m.room.name").content.name, "Full");
  assert.ok(find(stateOf(r, room), "m.room.create"));
});

test("bad parameters are refused", async () => {
  const alice = await hs.user("alice");
  for (const q of ["since=garbage", "timeout=soon", "filter=%7Bbroken", "filter=987654", "set_presence=asleep"]) {
    const r = await hs.req("GET", `/sync?${q}`, { token: alice.token });
    assert.ok(r.status >= 400 && r.status < 500, `${q}: ${r.status}`);
  }
});

test("stored and inline filters do the same", async () => {
  const [alice, bob] = await hs.users("alice", "bob");
  const room = await alice.createRoom({ preset: "public_chat" });
  await bob.join(room);
  await bob.say(room, "from bob");
  await alice.say(room, "from alice");
  const filter = { room: { timeline: { types: ["m.room.message"], senders: [bob.id], limit: 10 }, state: { types: [] } }, presence: { types: [] }, account_data: { types: [] } };
  const id = await alice.addFilter(filter);
  const stored = await alice.get(`/user/${E(alice.id)}/filter/${id}`);
  assert.deepEqual(stored.room.timeline, filter.room.timeline);
  for (const f of [id, filter]) {
    const r = await alice.sync({ filter: f });
    assert.deepEqual(bodies(timeline(r, room)), ["from bob"]);
    assert.deepEqual(stateOf(r, room), []);
    assert.equal(r.account_data?.events?.length ?? 0, 0);
  }
  await alice.fails(404, "M_NOT_FOUND", "GET", `/user/${E(alice.id)}/filter/987654`);
  const strange = await hs.req("GET", `/user/${E(bob.id)}/filter/${id}`, { token: alice.token });
  assert.ok([403, 404].includes(strange.status));
});

test("a filter that is ill-formed, or names what is no id, is refused wherever one is taken", async () => {
  const alice = await hs.user("alice");
  const room = await alice.createRoom(), event = await alice.say(room, "x");
  const refused = async (method, target, body) => {
    const r = await hs.req(method, target, { token: alice.token, body, expect: 400 });
    assert.ok(["M_BAD_JSON", "M_INVALID_PARAM"].includes(r.body.errcode), `${target} ${JSON.stringify(body)}: ${r.raw}`);
  };
  const parts = [{ senders: ["alice"] }, { senders: [alice.id, "@alice"] }, { not_senders: [room] }, { rooms: ["#a:localhost"] }, { not_rooms: [""] }, { related_by_senders: ["$x"] },
    { types: "m.room.message" }, { limit: "1" }, { limit: -1 }, { contains_url: 1 }, [], 5];
  for (const part of parts) {
    for (const [method, target] of [["GET", `/rooms/${E(room)}/messages?dir=b`], ["GET", `/rooms/${E(room)}/context/${E(event)}?x=1`]]) await refused(method, `${target}&filter=${E(JSON.stringify(part))}`);
    await refused("POST", "/search", { search_categories: { room_events: { search_term: "x", filter: part } } });
    for (const where of ["timeline", "state", "ephemeral", "account_data", null]) {
      const whole = where ? { room: { [where]: part } } : { presence: part };
      await refused("POST", `/user/${E(alice.id)}/filter`, whole);
      await refused("GET", `/sync?filter=${E(JSON.stringify(whole))}`);
    }
  }
  for (const list of ["rooms", "not_rooms"]) await refused("POST", `/user/${E(alice.id)}/filter`, { room: { [list]: ["room"] } });
  for (const word of ["nonsense", "[]", "5", "null", "{"]) await hs.req("GET", `/rooms/${E(room)}/messages?dir=b&filter=${E(word)}`, { token: alice.token, expect: 400 });
});

test("filters on rooms, types with wildcards, fields and URLs", async () => {
  const alice = await hs.user("alice");
  const [one, two] = [await alice.createRoom(), await alice.createRoom()];
  await alice.say(one, "in one");
  await alice.say(two, "in two", { url: "mxc://localhost/x" });
  await alice.event(two, "org.example.custom", { a: { b: 1, c: 2 } });
  const rooms = async f => Object.keys((await alice.sync({ filter: f })).rooms?.join ?? {}).sort();
  assert.deepEqual(await rooms({ room: { rooms: [one] } }), [one]);
  assert.deepEqual(await rooms({ room: { not_rooms: [one] } }), [two]);
  assert.deepEqual(await rooms({ room: { rooms: [one], not_rooms: [one] } }), []);
  const t = async f => timeline(await alice.sync({ filter: { room: { timeline: f } } }), two);
  assert.deepEqual((await t({ types: ["org.*"] })).map(e => e.type), ["org.example.custom"]);
  assert.equal((await t({ types: ["m.room.*"], not_types: ["m.room.message"] })).some(e => e.type === "m.room.message" || !e.type.startsWith("m.room.")), false);
  assert.deepEqual(bodies(await t({ contains_url: true })), ["in two"]);
  const fields = timeline(await alice.sync({ filter: { event_fields: ["type", "content.a.b"], room: { timeline: { types: ["org.*"] } } } }), two);
  assert.deepEqual(fields, [{ type: "org.example.custom", content: { a: { b: 1 } } }]);
});

test("a limit of the timeline counts matching events, and limited follows it", async () => {
  const alice = await hs.user("alice");
  const room = await alice.createRoom();
  for (let i = 0; i < 4; i++) await alice.say(room, `m${i}`);
  const { next_batch: since } = await alice.sync();
  await alice.say(room, "m4");
  for (let i = 0; i < 5; i++) await alice.event(room, "org.example.noise", { i });
  const r = await alice.sync({ since, filter: { room: { timeline: { types: ["m.room.message"], limit: 3 } } } });
  assert.deepEqual(bodies(timeline(r, room)), ["m4"]);
  assert.equal(r.rooms.join[room].timeline.limited, false, "all that matches is there");
});

test("limited says whether something older matches, not whether the limit was reached", async () => {
  const alice = await hs.user("alice");
  const room = await alice.createRoom();
  const { next_batch: since } = await alice.sync();
  const look = async (timelineFilter, o = {}) => { const r = await alice.sync({ since, filter: { room: { timeline: timelineFilter } }, ...o }); return [bodies(timeline(r, room)), r.rooms?.join?.[room]?.timeline.limited, find(r.rooms?.join?.[room]?.state?.events ?? [], "m.room.topic")?.content.topic]; };
  await alice.setState(room, "m.room.topic", "", { topic: "between" });
  for (let i = 0; i < 3; i++) await alice.say(room, `m${i}`);
  const types = ["m.room.message"];
  assert.deepEqual(await look({ types, limit: 3 }), [["m0", "m1", "m2"], false, "between"]);
  assert.deepEqual(await look({ types, limit: 2 }), [["m1", "m2"], true, "between"]);
  assert.deepEqual(await look({ types, limit: 4 }), [["m0", "m1", "m2"], false, "between"]);
  assert.deepEqual(await look({ limit: 3 }), [["m0", "m1", "m2"], true, "between"]);
  assert.deepEqual(await look({ limit: 4 }), [["m0", "m1", "m2"], false, undefined]);
  assert.deepEqual(await look({ limit: 0 }), [[], true, "between"], "none, and the state up to now");
  assert.deepEqual(await look({ limit: 0, types: ["org.example.never"] }), [[], false, "between"]);
  const all = await alice.sync({ filter: { room: { timeline: { limit: 0 } } } });
  assert.deepEqual(all.rooms.join[room].timeline.events, []);
  assert.equal(find(all.rooms.join[room].state.events, "m.room.topic").content.topic, "between");
  const id = await alice.addFilter({ room: { timeline: { limit: 0 } } });
  assert.deepEqual((await alice.sync({ filter: id })).rooms.join[room].timeline.events, []);
});

test("lazy loading brings only the members that speak, again on request", async () => {
  const [alice, bob, carol, dave] = await hs.users("alice", "bob", "carol", "dave");
  const room = await alice.createRoom({ preset: "public_chat", name: "named, so without heroes" });
  for (const u of [bob, carol, dave]) await u.join(room);
  await bob.say(room, "old");
  await carol.say(room, "c");
  const members = (r, where = stateOf(r, room)) => where.filter(e => e.type === "m.room.member").map(e => e.state_key).sort();
  const filter = { room: { timeline: { limit: 1 }, state: { lazy_load_members: true } } };
  const s = await alice.stream({ filter });
  assert.deepEqual(members(s.last), [alice.id, carol.id].sort(), "own membership and the speaker");
  await dave.say(room, "d");
  await s.next();
  assert.deepEqual(members(s.last), [dave.id]);
  await dave.say(room, "d2");
  await s.next();
  assert.deepEqual(members(s.last), [], "sent once is enough");
  const again = { room: { timeline: { limit: 1 }, state: { lazy_load_members: true, include_redundant_members: true } } };
  const { next_batch } = await alice.sync({ filter: again });
  await dave.say(room, "d3");
  assert.deepEqual(members(await alice.sync({ since: next_batch, filter: again })), [dave.id]);
  const full = await alice.sync({ filter: { room: { timeline: { limit: 1 } } } });
  assert.equal(members(full).length, 4);
});

test("the summary counts members and names heroes", async () => {
  const [alice, bob, carol] = await hs.users("alice", "bob", "carol");
  const room = await alice.createRoom({ invite: [carol.id] });
  await alice.invite(room, bob);
  await bob.join(room);
  const filter = { room: { state: { lazy_load_members: true } } };
  const s = await alice.stream({ filter });
  const { summary } = s.last.rooms.join[room];
  assert.equal(summary["m.joined_member_count"], 2);
  assert.equal(summary["m.invited_member_count"], 1);
  assert.deepEqual([...summary["m.heroes"]].sort(), [bob.id, carol.id].sort());
  const told = [...stateOf(s.last, room), ...timeline(s.last, room)];
  for (const u of [bob, carol]) assert.ok(find(told, "m.room.member", u.id), "a hero comes with its member event");
  await carol.join(room);
  const after = await s.until("a new summary", r => r.rooms?.join?.[room]?.summary);
  assert.equal(after["m.joined_member_count"], 3);
  assert.equal(after["m.invited_member_count"] ?? 0, 0);
  for (const u of [bob, carol]) await u.leave(room);
  const left = (await alice.sync({ filter })).rooms.join[room].summary;
  assert.equal(left["m.joined_member_count"], 1);
  assert.deepEqual([...left["m.heroes"]].sort(), [bob.id, carol.id].sort(), "the departed stand in when nobody else is left");
});

test("use_state_after moves the state to the end of the timeline", async () => {
  const alice = await hs.user("alice");
  const room = await alice.createRoom({ name: "one" });
  const key = EXTERNAL ? "org.matrix.msc4222.use_state_after" : "use_state_after", out = EXTERNAL ? "org.matrix.msc4222.state_after" : "state_after";
  const first = await alice.sync({ [key]: "true" });
  assert.equal(first.rooms.join[room].state, undefined);
  assert.equal(find(first.rooms.join[room][out].events, "m.room.name").content.name, "one");
  await alice.setState(room, "m.room.name", "", { name: "two" });
  const next = await alice.sync({ since: first.next_batch, [key]: "true" });
  assert.equal(find(next.rooms.join[room][out].events, "m.room.name").content.name, "two");
  assert.equal(find(timeline(next, room), "m.room.name").content.name, "two");
  await alice.say(room, "x");
  const plain = await alice.sync({ since: next.next_batch, [key]: "true" });
  assert.deepEqual(plain.rooms.join[room][out].events, [], "there even when empty");
});

test("invitations come with stripped state and go when answered", async () => {
  const [alice, bob] = await hs.users("alice", "bob");
  const s = await bob.stream();
  const room = await alice.createRoom({ name: "Come in", topic: "T", invite: [bob.id], initial_state: [{ type: "m.room.encryption", state_key: "", content: { algorithm: "m.megolm.v1.aes-sha2" } }] });
  const invite = await s.until("the invitation", r => r.rooms?.invite?.[room]);
  const events = invite.invite_state.events;
  assert.equal(find(events, "m.room.member", bob.id).content.membership, "invite");
  assert.equal(find(events, "m.room.member", bob.id).sender, alice.id);
  for (const type of ["m.room.create", "m.room.join_rules", "m.room.name", "m.room.encryption"]) assert.ok(find(events, type), type);
  for (const e of events) assert.deepEqual(Object.keys(e).filter(k => !["type", "state_key", "content", "sender", "origin_server_ts", "event_id", "unsigned", "room_id"].includes(k)), [], "stripped state only");
  assert.ok((await bob.sync()).rooms.invite[room], "still there in an initial sync");
  await bob.leave(room);
  const left = await s.until("the rejected invitation", r => r.rooms?.leave?.[room]);
  assert.ok(left);
  assert.equal((await bob.sync()).rooms?.invite?.[room], undefined);
  await alice.invite(room, bob);
  await s.until("the second invitation", r => r.rooms?.invite?.[room]);
  await bob.join(room);
  const joined = await s.until("the joined room", r => r.rooms?.join?.[room]);
  assert.ok(find([...joined.state.events, ...joined.timeline.events], "m.room.create"), "a newly joined room comes with its full state");
});

test("a withdrawn invitation disappears", async () => {
  const [alice, bob] = await hs.users("alice", "bob");
  const room = await alice.createRoom({ invite: [bob.id] });
  const s = await bob.stream();
  assert.ok(s.last.rooms.invite[room]);
  await alice.kick(room, bob);
  await s.until("the withdrawal", r => r.rooms?.leave?.[room]);
  assert.equal((await bob.sync()).rooms?.invite?.[room], undefined);
});

test("knocks come with stripped state", async () => {
  const [alice, bob] = await hs.users("alice", "bob");
  const room = await alice.createRoom({ name: "Knock here", initial_state: [{ type: "m.room.join_rules", content: { join_rule: "knock" } }] });
  const s = await bob.stream();
  await bob.post(`/knock/${E(room)}`);
  const k = await s.until("the knock", r => r.rooms?.knock?.[room]);
  assert.equal(find(k.knock_state.events, "m.room.member", bob.id).content.membership, "knock");
  assert.equal(find(k.knock_state.events, "m.room.name").content.name, "Knock here");
  await alice.invite(room, bob);
  await s.until("the invitation", r => r.rooms?.invite?.[room]);
});

test("left rooms come once, up to the leave, and in archives when asked", async () => {
  const [alice, bob] = await hs.users("alice", "bob");
  const room = await alice.createRoom({ preset: "public_chat" });
  await bob.join(room);
  const s = await bob.stream();
  await alice.say(room, "before");
  await alice.kick(room, bob, { reason: "bye" });
  await alice.say(room, "after");
  const left = await s.until("the kick", r => r.rooms?.leave?.[room]);
  assert.deepEqual(bodies(left.timeline.events), ["before"]);
  assert.equal(find(left.timeline.events, "m.room.member", bob.id).content.membership, "leave");
  await s.next();
  assert.equal(s.last.rooms?.leave?.[room], undefined);
  const archive = await bob.sync({ filter: { room: { include_leave: true } } });
  assert.ok(archive.rooms.leave[room]);
  assert.equal(JSON.stringify(archive).includes("after"), false);
});

test("receipts: public to all, private only to oneself, threaded kept apart", async () => {
  const [alice, bob] = await hs.users("alice", "bob");
  const room = await alice.createRoom({ preset: "public_chat" });
  await bob.join(room);
  const one = await alice.say(room, "1");
  const two = await alice.say(room, "2", { "m.relates_to": { rel_type: "m.thread", event_id: one } });
  const [sa, sb] = [await alice.stream(), await bob.stream()];
  await bob.receipt(room, one, "m.read.private");
  await sb.until("own private receipt", r => ephemeral(r, room, "m.receipt")?.[one]?.["m.read.private"]?.[bob.id]);
  await bob.receipt(room, two, "m.read", { thread_id: one });
  const seen = [];
  const r = await sa.until("bob's threaded receipt", x => ephemeral(x, room, "m.receipt")?.[two]?.["m.read"]?.[bob.id], seen);
  assert.equal(r.thread_id, one);
  assert.ok(Math.abs(r.ts - Date.now()) < 60000);
  assert.equal(JSON.stringify(seen).includes("m.read.private"), false, "private receipts are nobody else's business");
  await bob.receipt(room, one, "m.read", { thread_id: "main" });
  await sa.until("the one of the main thread", x => ephemeral(x, room, "m.receipt")?.[one]?.["m.read"]?.[bob.id]?.thread_id === "main");
  const initial = ephemeral(await alice.sync(), room, "m.receipt");
  assert.equal(initial[one]["m.read"][bob.id].thread_id, "main");
  assert.equal(initial[two]["m.read"][bob.id].thread_id, one, "both receipts stand side by side");
});

test("typing comes and goes", async () => {
  const [alice, bob] = await hs.users("alice", "bob");
  const room = await alice.createRoom({ preset: "public_chat" });
  await bob.join(room);
  const s = await alice.stream();
  await bob.typing(room, true);
  await s.until("bob types", r => ephemeral(r, room, "m.typing")?.user_ids.includes(bob.id));
  await bob.typing(room, false);
  await s.until("bob stops", r => ephemeral(r, room, "m.typing")?.user_ids.length === 0);
  await bob.typing(room, true, 500);
  await s.until("bob types again", r => ephemeral(r, room, "m.typing")?.user_ids.includes(bob.id));
  await s.until("the notice runs out", r => ephemeral(r, room, "m.typing")?.user_ids.length === 0);
  const other = await hs.req("PUT", `/rooms/${E(room)}/typing/${E(alice.id)}`, { token: bob.token, body: { typing: true } });
  assert.ok([400, 403].includes(other.status) && other.body.errcode === "M_FORBIDDEN", `${other.raw}`);
});

test("presence of those who share a room", async () => {
  const [alice, bob, carol] = await hs.users("alice", "bob", "carol");
  const room = await alice.createRoom({ preset: "public_chat" });
  await bob.join(room);
  const s = await alice.stream();
  await carol.put(`/presence/${E(carol.id)}/status`, { presence: "online", status_msg: "stranger" });
  await bob.put(`/presence/${E(bob.id)}/status`, { presence: "unavailable", status_msg: "at lunch" });
  const seen = [];
  const p = await s.until("bob's presence", r => r.presence?.events?.find(e => e.sender === bob.id && e.content.status_msg === "at lunch"), seen);
  assert.equal(p.type, "m.presence");
  assert.equal(p.content.presence, "unavailable");
  assert.equal(JSON.stringify(seen).includes("stranger"), false);
  const q = await alice.get(`/presence/${E(bob.id)}/status`);
  assert.equal(q.status_msg, "at lunch");
  const own = await hs.req("PUT", `/presence/${E(bob.id)}/status`, { token: alice.token, body: { presence: "online" } });
  assert.equal(own.status, 403);
  const bad = await hs.req("PUT", `/presence/${E(alice.id)}/status`, { token: alice.token, body: { presence: "asleep" } });
  assert.equal(bad.status, 400);
});

test("a syncing client is online unless it says otherwise", async () => {
  const [alice, bob] = await hs.users("alice", "bob");
  const room = await alice.createRoom({ preset: "public_chat" });
  await bob.join(room);
  const s = await alice.stream();
  await bob.sync({ set_presence: undefined });
  await s.until("bob is online", r => r.presence?.events?.find(e => e.sender === bob.id && e.content.presence === "online"));
});

test("set_presence counts: the best that one's devices ask for", async () => {
  const [alice, bob] = await hs.users("alice", "bob");
  await bob.join(await alice.createRoom({ preset: "public_chat" }));
  const phone = await bob.another();
  const state = async () => (await alice.get(`/presence/${E(bob.id)}/status`)).presence;
  await bob.sync({ set_presence: "unavailable" });
  assert.equal(await state(), "unavailable");
  await phone.sync({ set_presence: "online" });
  assert.equal(await state(), "online");
  await bob.sync({ set_presence: "unavailable" });
  assert.equal(await state(), "online", "the other device is");
  await phone.sync({ set_presence: "unavailable" });
  assert.equal(await state(), "unavailable");
  await bob.sync({ set_presence: undefined });
  assert.equal(await state(), "online", "left out it is online");
  await bob.put(`/presence/${E(bob.id)}/status`, { presence: "unavailable" });
  await bob.sync({ set_presence: "online" });
  assert.equal(await state(), "unavailable", "what one says oneself holds while the device asks for the same");
  await bob.sync({ set_presence: "offline" });
  assert.equal(await state(), "unavailable");
});

test("whom one comes to share a room with is told with their presence, both ways", async () => {
  const [alice, bob] = await hs.users("alice", "bob");
  for (const u of [alice, bob]) await u.put(`/presence/${E(u.id)}/status`, { presence: "online", status_msg: `of ${u.id}` });
  const room = await alice.createRoom({ preset: "public_chat" });
  const [alices, bobs] = [await alice.stream(), await bob.stream()];
  const seen = [];
  await bob.join(room);
  const status = (s, who) => s.until(`presence of ${who.id}`, r => r.presence?.events?.find(e => e.sender === who.id)?.content.status_msg, seen);
  assert.equal(await status(alices, bob), `of ${bob.id}`);
  assert.equal(await status(bobs, alice), `of ${alice.id}`);
  await alice.say(room, "x");
  await alices.until("the message", r => timeline(r, room).length > 0, seen);
  assert.equal(seen.flatMap(r => r.presence?.events ?? []).filter(e => e.sender === bob.id).length, 1, "once");
});

test("account data, global and per room, tags and direct chats", async () => {
  const alice = await hs.user("alice");
  const room = await alice.createRoom();
  const s = await alice.stream();
  await alice.setAccountData("org.example.one", { a: 1 });
  assert.deepEqual(await s.until("account data", r => accountData(r, "org.example.one")), { a: 1 });
  await alice.setRoomAccountData(room, "org.example.two", { b: 2 });
  assert.deepEqual(await s.until("room account data", r => roomAccountData(r, room, "org.example.two")), { b: 2 });
  await alice.put(`/user/${E(alice.id)}/rooms/${E(room)}/tags/m.favourite`, { order: 0.25 });
  assert.deepEqual(await s.until("the tag", r => roomAccountData(r, room, "m.tag")), { tags: { "m.favourite": { order: 0.25 } } });
  await alice.del(`/user/${E(alice.id)}/rooms/${E(room)}/tags/m.favourite`);
  assert.deepEqual(await s.until("the tag goes", r => roomAccountData(r, room, "m.tag")), { tags: {} });
  const all = await alice.sync();
  assert.deepEqual(accountData(all, "org.example.one"), { a: 1 });
  assert.ok(accountData(all, "m.push_rules").global.underride.length);
  assert.deepEqual(roomAccountData(all, room, "org.example.two"), { b: 2 });
});

test("to-device messages come in order and stay until acknowledged by the token", async () => {
  const [alice, bob] = await hs.users("alice", "bob");
  const s = await bob.stream();
  const since = s.since;
  for (let i = 0; i < 5; i++) await alice.put(`/sendToDevice/org.example.ping/${alice.nextTxn()}`, { messages: { [bob.id]: { [bob.device]: { i } } } });
  const got = [];
  await s.until("five messages", r => { got.push(...(r.to_device?.events ?? [])); return got.length >= 5; });
  assert.deepEqual(got.map(e => e.content.i), [0, 1, 2, 3, 4]);
  assert.equal(got[0].sender, alice.id);
  assert.equal(got[0].type, "org.example.ping");
  await s.next();
  assert.equal(s.last.to_device?.events?.length ?? 0, 0, "acknowledged ones do not come again");
  const old = await bob.sync({ since });
  assert.equal(old.to_device?.events?.length ?? 0, 0, "they are deleted");
});

test("to-device messages that were not acknowledged come again", async () => {
  const [alice, bob] = await hs.users("alice", "bob");
  const { next_batch: since } = await bob.sync();
  await alice.put(`/sendToDevice/org.example.ping/${alice.nextTxn()}`, { messages: { [bob.id]: { "*": { n: 1 } } } });
  for (let i = 0; i < 2; i++) {
    const r = await eventually("the message", async () => { const x = await bob.sync({ since }); return x.to_device?.events?.length ? x : null; });
    assert.equal(r.to_device.events[0].content.n, 1);
  }
});

test("unread counts rise with messages, highlights with mentions, and fall with a receipt", async () => {
  const [alice, bob] = await hs.users("alice", "bob");
  const room = await alice.createRoom({ preset: "public_chat" });
  await bob.join(room);
  await alice.receipt(room, await alice.say(room, "start"));
  const s = await alice.stream();
  await bob.say(room, "one");
  const last = await bob.say(room, "two", { "m.mentions": { user_ids: [alice.id] } });
  const counts = async () => (await alice.sync({ filter: { room: { timeline: { limit: 1 } } } })).rooms.join[room].unread_notifications;
  await s.event(room, last);
  assert.deepEqual(await counts(), { notification_count: 2, highlight_count: 1 });
  const n = s.last.rooms.join[room].unread_notifications;
  assert.equal(n.highlight_count, 1);
  await alice.receipt(room, last);
  const zero = await s.until("the counts fall", r => r.rooms?.join?.[room]?.unread_notifications);
  assert.deepEqual(zero, { notification_count: 0, highlight_count: 0 });
  await bob.say(room, "three");
  await alice.say(room, "my answer");
  await eventually("own messages read what is before them", async () => (await counts()).notification_count === 0);
});

test("threads count on their own when asked", async () => {
  const [alice, bob] = await hs.users("alice", "bob");
  const room = await alice.createRoom({ preset: "public_chat" });
  await bob.join(room);
  const root = await alice.say(room, "root");
  await alice.receipt(room, root);
  const inThread = { "m.relates_to": { rel_type: "m.thread", event_id: root } };
  await bob.say(room, "in thread", inThread);
  const last = await bob.say(room, "in thread too", inThread);
  await bob.say(room, "in main");
  const j = async threads => (await alice.sync({ filter: { room: { timeline: { limit: 1, unread_thread_notifications: threads } } } })).rooms.join[room];
  const apart = await j(true);
  assert.equal(apart.unread_notifications.notification_count, 1);
  assert.equal(apart.unread_thread_notifications[root].notification_count, 2);
  assert.equal((await j(false)).unread_notifications.notification_count, 3);
  await alice.receipt(room, last, "m.read", { thread_id: root });
  const read = await j(true);
  assert.equal(read.unread_thread_notifications?.[root]?.notification_count ?? 0, 0);
  assert.equal(read.unread_notifications.notification_count, 1);
});

test("device lists: changes of those who share a room, and who left", async () => {
  const [alice, bob, carol] = await hs.users("alice", "bob", "carol");
  const room = await alice.createRoom({ preset: "public_chat", initial_state: [{ type: "m.room.encryption", state_key: "", content: { algorithm: "m.megolm.v1.aes-sha2" } }] });
  const s = await alice.stream();
  await bob.join(room);
  await s.until("bob came", r => r.device_lists?.changed?.includes(bob.id));
  const second = await bob.another();
  const keys = { user_id: bob.id, device_id: second.device, algorithms: ["m.olm.v1.curve25519-aes-sha2"], keys: { [`ed25519:${second.device}`]: "x".repeat(43) }, signatures: {} };
  const from = s.since;
  await second.post("/keys/upload", { device_keys: keys });
  await s.until("bob's new device", r => r.device_lists?.changed?.includes(bob.id));
  const changes = await alice.get(`/keys/changes?from=${E(from)}&to=${E(s.since)}`);
  assert.ok(changes.changed.includes(bob.id));
  await bob.leave(room);
  await s.until("bob left", r => r.device_lists?.left?.includes(bob.id));
  assert.equal((s.last.device_lists.changed ?? []).includes(carol.id), false);
});

test("one-time key counts and unused fallback keys are told", async () => {
  const alice = await hs.user("alice");
  const s = await alice.stream();
  assert.equal(s.last.device_one_time_keys_count?.signed_curve25519 ?? 0, 0);
  const key = i => ({ key: `k${i}`.padEnd(43, "A"), signatures: {} });
  const up = await alice.post("/keys/upload", { one_time_keys: { "signed_curve25519:AAAA": key(1), "signed_curve25519:AAAB": key(2) }, fallback_keys: { "signed_curve25519:F": { ...key(3), fallback: true } } });
  assert.equal(up.one_time_key_counts.signed_curve25519, 2);
  const r = await alice.sync({ since: s.since });
  assert.equal(r.device_one_time_keys_count.signed_curve25519, 2);
  assert.deepEqual(r.device_unused_fallback_key_types, ["signed_curve25519"]);
});

test("unsigned: transaction id for the sender's device, membership, age, previous content", async () => {
  const [alice, bob] = await hs.users("alice", "bob");
  const room = await alice.createRoom({ preset: "public_chat", name: "a" });
  await bob.join(room);
  const [sa, sb] = [await alice.stream(), await bob.stream()];
  const txn = unique("txn");
  const id = await alice.event(room, "m.room.message", { msgtype: "m.text", body: "x" }, txn);
  const mine = await sa.event(room, id), theirs = await sb.event(room, id);
  assert.equal(mine.unsigned.transaction_id, txn);
  assert.equal(theirs.unsigned?.transaction_id, undefined);
  assert.ok(theirs.unsigned.age >= 0 && theirs.unsigned.age < 600000);
  assert.equal(theirs.unsigned.membership, "join");
  const name = await alice.setState(room, "m.room.name", "", { name: "b" });
  const e = await sb.event(room, name);
  assert.deepEqual(e.unsigned.prev_content, { name: "a" });
  assert.ok(e.unsigned.replaces_state);
  await bob.leave(room);
  const left = await sb.until("the leave", r => r.rooms?.leave?.[room]);
  assert.equal(find(left.timeline.events, "m.room.member", bob.id).unsigned.membership, "leave");
});

test("relations are bundled: edits, threads; references and redactions", async () => {
  const [alice, bob] = await hs.users("alice", "bob");
  const room = await alice.createRoom({ preset: "public_chat" });
  await bob.join(room);
  const root = await alice.say(room, "root");
  const edit = await alice.say(room, "* edited", { "m.new_content": { msgtype: "m.text", body: "edited" }, "m.relates_to": { rel_type: "m.replace", event_id: root } });
  await bob.say(room, "not his to edit", { "m.new_content": { msgtype: "m.text", body: "evil" }, "m.relates_to": { rel_type: "m.replace", event_id: root } });
  await bob.say(room, "t1", { "m.relates_to": { rel_type: "m.thread", event_id: root } });
  const reply = await bob.say(room, "t2", { "m.relates_to": { rel_type: "m.thread", event_id: root } });
  const check = e => {
    const rel = e.unsigned["m.relations"];
    assert.equal(rel["m.replace"].event_id, edit);
    assert.equal(rel["m.thread"].count, 2);
    assert.equal(rel["m.thread"].latest_event.event_id, reply);
    assert.equal(rel["m.thread"].current_user_participated, true);
    assert.equal(e.content.body, "root", "the content itself is not replaced");
  };
  check(await alice.getEvent(room, root));
  check(find(timeline(await alice.sync(), room).filter(e => e.event_id === root), "m.room.message"));
  check((await alice.messages(room)).chunk.find(e => e.event_id === root));
  check((await alice.get(`/rooms/${E(room)}/context/${E(root)}`)).event);
  await bob.redact(room, reply);
  assert.equal((await alice.getEvent(room, root)).unsigned["m.relations"]["m.thread"].count, 1);
});

test("annotations may not be sent twice", async () => {
  const alice = await hs.user("alice");
  const room = await alice.createRoom();
  const id = await alice.say(room, "x");
  const like = { "m.relates_to": { rel_type: "m.annotation", event_id: id, key: "👍" } };
  await alice.event(room, "m.reaction", like);
  await alice.fails(400, "M_DUPLICATE_ANNOTATION", "PUT", `/rooms/${E(room)}/send/m.reaction/${alice.nextTxn()}`, like);
});

test("a room joined since the token comes with full state, one left and rejoined too", async () => {
  const [alice, bob] = await hs.users("alice", "bob");
  const room = await alice.createRoom({ preset: "public_chat", name: "Here" });
  for (let i = 0; i < 15; i++) await alice.say(room, `m${i}`);
  const s = await bob.stream();
  await bob.join(room);
  const j = await s.until("the room", r => r.rooms?.join?.[room]);
  assert.equal(find(j.state.events, "m.room.name").content.name, "Here");
  assert.equal(j.timeline.limited, true);
  await bob.leave(room);
  await s.until("the leave", r => r.rooms?.leave?.[room]);
  assert.equal((await bob.sync()).rooms?.leave?.[room], undefined, "rooms left before an initial sync only with include_leave");
  await alice.setState(room, "m.room.topic", "", { topic: "meanwhile" });
  await bob.join(room);
  const again = await s.until("the room again", r => r.rooms?.join?.[room]);
  const state = [...again.state.events, ...again.timeline.events];
  assert.equal(find(state, "m.room.topic").content.topic, "meanwhile");
});

test("leaving and rejoining between two syncs shows one joined room", async () => {
  const [alice, bob] = await hs.users("alice", "bob");
  const room = await alice.createRoom({ preset: "public_chat" });
  await bob.join(room);
  const s = await bob.stream();
  await bob.leave(room);
  await bob.join(room);
  await s.next();
  assert.ok(s.last.rooms.join[room]);
  assert.equal(s.last.rooms?.leave?.[room], undefined);
});

test("ten people talking at once: everyone sees everything, in one order", async () => {
  const people = await hs.users(...Array(10).fill("p"));
  const room = await people[0].createRoom({ preset: "public_chat" });
  for (const p of people.slice(1)) await p.join(room);
  const streams = await Promise.all(people.map(p => p.stream()));
  const total = 100;
  const orders = streams.map(() => []);
  const readers = streams.map((s, i) => s.until("all messages", r => {
    assert.notEqual(r.rooms?.join?.[room]?.timeline.limited, true, "ten at a time fit into the default timeline");
    orders[i].push(...timeline(r, room).filter(e => e.type === "m.room.message").map(e => e.event_id));
    return orders[i].length >= total;
  }).catch(e => e));
  await Promise.all(people.map(async (p, i) => { for (let n = 0; n < total / 10; n++) await p.say(room, `${i}.${n}`); }));
  for (const r of await Promise.all(readers)) if (r instanceof Error && !/fit into/.test(r.message)) throw r;
  const { chunk } = await people[0].messages(room, { dir: "f", limit: 200, filter: JSON.stringify({ types: ["m.room.message"] }) });
  assert.equal(new Set(chunk.map(e => e.event_id)).size, total);
  const truth = chunk.map(e => e.event_id);
  for (const o of orders) {
    const at = o.map(id => truth.indexOf(id));
    assert.deepEqual(at, [...at].sort((a, b) => a - b), "one order for all");
  }
});

test("sync tokens survive a restart, typing and presence streams included", OWN_SERVER, async () => {
  const [alice, bob] = await hs.users("alice", "bob");
  const room = await alice.createRoom({ preset: "public_chat" });
  await bob.join(room);
  await bob.typing(room, true);
  const s = await alice.stream();
  await hs.restart();
  const id = await bob.say(room, "after the restart");
  await s.event(room, id);
  await bob.typing(room, true);
  await s.until("typing works after the restart", r => ephemeral(r, room, "m.typing")?.user_ids.includes(bob.id));
});

test("an initial sync is the same before and after a restart", OWN_SERVER, async () => {
  const [alice, bob, carol] = await hs.users("alice", "bob", "carol");
  const room = await alice.createRoom({ preset: "public_chat", name: "Kept", topic: "T" });
  await bob.join(room);
  const root = await alice.say(room, "root");
  await bob.say(room, "reply", { "m.relates_to": { rel_type: "m.thread", event_id: root } });
  await bob.say(room, "* edit", { "m.new_content": { body: "edit", msgtype: "m.text" }, "m.relates_to": { rel_type: "m.replace", event_id: root } });
  await alice.redact(room, await alice.say(room, "gone"));
  await bob.receipt(room, root, "m.read", { thread_id: "main" });
  await bob.say(room, "ping", { "m.mentions": { user_ids: [alice.id] } });
  await alice.setAccountData("org.example.a", { a: [1, { b: null }] });
  await alice.setRoomAccountData(room, "m.fully_read.test", {});
  await carol.createRoom({ name: "Invited", invite: [alice.id] });
  await carol.put(`/sendToDevice/org.example.x/${carol.nextTxn()}`, { messages: { [alice.id]: { "*": { n: 1 } } } });
  const view = async () => {
    const plain = JSON.parse(JSON.stringify(await alice.sync({ filter: { presence: { types: [] }, room: { timeline: { limit: 50, unread_thread_notifications: true } } } }), (k, v) => ["age", "next_batch", "prev_batch"].includes(k) ? undefined : v));
    for (const where of ["join", "invite"]) for (const r of Object.values(plain.rooms[where])) for (const part of Object.values(r)) part.events?.sort((a, b) => (a.event_id ?? a.type + a.state_key).localeCompare(b.event_id ?? b.type + b.state_key));
    return plain;
  };
  const before = await view();
  await hs.restart();
  assert.deepEqual(await view(), before);
});
