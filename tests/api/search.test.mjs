// SPDX-License-Identifier: Apache-2.0
// Full text search of rooms.
import assert from "node:assert/strict";
import test from "node:test";
import { E, OWN_SERVER, eventually, unique, useServer, withServer } from "./harness.mjs";

const hs = useServer();
const search = async (user, search_term, more = {}, next_batch = null) =>
  (await user.post(`/search${next_batch ? `?next_batch=${E(next_batch)}` : ""}`, { search_categories: { room_events: { search_term, order_by: "recent", ...more } } })).search_categories.room_events;
const ids = r => r.results.map(x => x.result.event_id);
/** A word that no other test uses. */
const word = () => unique("word");

test("what was said is found at once, newest first, with words to highlight", async () => {
  const alice = await hs.user("alice");
  const room = await alice.createRoom();
  const w = word();
  const a = await alice.say(room, `The ${w} is here`);
  await alice.say(room, "nothing of it");
  const b = await alice.say(room, `${w.toUpperCase()}, again!`);
  const r = await search(alice, w.toUpperCase());
  assert.deepEqual(ids(r), [b, a]);
  assert.equal(r.count, 2);
  assert.deepEqual(r.highlights, [w]);
  assert.equal(r.next_batch, undefined);
  assert.equal(r.results[0].context, undefined);
  assert.equal(r.results[0].result.room_id, room);
  assert.equal(r.results[0].result.content.body, `${w.toUpperCase()}, again!`);
});

test("all words must be there, in any order; quotes hold words together", async () => {
  const alice = await hs.user("alice");
  const room = await alice.createRoom();
  const [one, two] = [word(), word()];
  const both = await alice.say(room, `${one} and then ${two}`);
  const near = await alice.say(room, `see ${two} ${one} there`);
  await alice.say(room, one);
  assert.deepEqual(ids(await search(alice, `${two} ${one}`)), [near, both]);
  assert.deepEqual(ids(await search(alice, `"${two} ${one}"`)), [near]);
  assert.deepEqual(ids(await search(alice, `${one} "${two}`)), [near, both]);
});

test("no term is taken for a language", async () => {
  const alice = await hs.user("alice");
  const room = await alice.createRoom();
  const w = word();
  const id = await alice.say(room, `${w}: a-b (c) don't NOT OR near*`);
  for (const term of [`${w}*`, `${w} NOT`, `body:${w}`, `(${w}`, `${w})`, `"${w}`, `${w} -`, `${w} 🎉`, `^${w}`, `${w} don't`, `{${w}}`, `NEAR(${w})`, `${w} a-b`]) {
    const r = await search(alice, term);
    assert.ok(r.results.every(x => x.result.event_id === id), term);
  }
  await alice.fails(400, "M_INVALID_PARAM", "POST", "/search", { search_categories: { room_events: { search_term: `${w}\u0000` } } });
  assert.deepEqual(ids(await search(alice, `${w} 🎉`)), []);
  assert.deepEqual(ids(await search(alice, `${w} !!!`)), [id]);
  for (const term of ["", " ", '"', "!!!", "„”", "*"]) assert.deepEqual(await search(alice, term), { count: 0, highlights: (await search(alice, term)).highlights, results: [] });
});

/** What is said, and what finds it: for messages, people and rooms alike. */
const FOLDED = [
  ["Übergröße naïve", ["ubergrosse naive", "ÜBERGRÖSSE", "NAI\u0308VE", "ＮＡＩＶＥ"]], ["Łódź und Ærø", ["lodz", "AERO"]], ["İstanbul ışık", ["istanbul isik", "IŞIK"]],
  ["Ο ΣΊΣΥΦΟΣ στην Ἀθήνᾳ", ["σισυφος", "Σίσυφοσ", "αθηνα"]], ["Ещё ЁЖИК", ["еще ежик"]], ["שָׁלוֹם", ["שלום"]], ["مُحَمَّد", ["محمد", "محـمد"]], ["ﬁne ①", ["fine 1"]],
  ["今天天气很好", ["天气", "很好"]], ["ｶﾞｲﾄﾞ", ["ガイド"]], ["ผู้ใหญ่บ้านมาแล้ว", ["ใหญ่", "บ้าน", "มาแล้ว"]], ["ພາສາລາວ", ["ລາວ"]], ["ខ្ញុំ\u200bស្រឡាញ់ភាសាខ្មែរ", ["ភាសា", "ខ្មែរ", "ស្រឡាញ់ភាសា"]],
  ["မြန်မာစာသည်", ["မာ", "စာ", "မြန်မာ"]], ["party 🎉!", ["🎉"]], ["I ❤️ you", ["❤", "❤️"]], ["nice👍🏽work", ["👍", "👍🏿"]], ["👩‍💻 at work", ["👩‍💻", "💻"]], ["from 🇩🇪🇦🇹", ["🇩🇪", "🇦🇹"]],
];
const NOT_FOLDED = [["今天天气很好", "天很"], ["ที่นี่", "ที"], ["हिन्दी", "हन्दी"], ["かき", "がき"], ["party 🎉", "🎊"]];

test("messages are found whatever letters they are written in: case, accents, scripts without spaces, emoji", async () => {
  const alice = await hs.user("alice");
  const room = await alice.createRoom();
  const w = word();
  for (const [text, terms] of FOLDED) {
    const id = await alice.say(room, `${w} ${text}`);
    for (const term of terms) assert.deepEqual(ids(await search(alice, `${w} ${term}`)), [id], `${term} in ${text}`);
    await alice.redact(room, id);
    assert.deepEqual(ids(await search(alice, `${w} ${terms[0]}`)), [], `${terms[0]} when it is redacted`);
  }
  for (const [text, term] of NOT_FOLDED) {
    await alice.say(room, `${w} ${text}`);
    assert.deepEqual(ids(await search(alice, `${w} ${term}`)), [], `${term} in ${text}`);
  }
});

test("people and rooms are found by the same folding", async () => {
  const [alice, bob] = await hs.users("alice", "bob");
  const w = word();
  const room = await alice.createRoom({ visibility: "public", preset: "public_chat" });
  await bob.join(room);
  const people = async term => (await alice.post("/user_directory/search", { search_term: `${w} ${term}` })).results.map(u => u.user_id);
  const rooms = async term => (await bob.post("/publicRooms", { filter: { generic_search_term: term } })).chunk.map(r => r.room_id).filter(id => id === room);
  for (const [text, terms] of FOLDED) {
    await bob.put(`/profile/${E(bob.id)}/displayname`, { displayname: `${w} ${text}` });
    await alice.setState(room, "m.room.name", "", { name: text });
    for (const term of terms) {
      assert.deepEqual(await people(term), [bob.id], `${term} in ${text}`);
      assert.deepEqual(await rooms(term), [room], `${term} in ${text}`);
    }
  }
});

test("names and topics are found, and keys choose", async () => {
  const alice = await hs.user("alice");
  const w = word();
  const room = await alice.createRoom({ name: `Room of ${w}`, topic: `About ${w}` });
  const said = await alice.say(room, w);
  const types = async keys => (await search(alice, w, keys ? { keys } : {})).results.map(x => x.result.type).sort();
  assert.deepEqual(await types(), ["m.room.message", "m.room.name", "m.room.topic"]);
  assert.deepEqual(await types(["content.name"]), ["m.room.name"]);
  assert.deepEqual(await types(["content.topic", "content.name"]), ["m.room.name", "m.room.topic"]);
  assert.deepEqual(ids(await search(alice, w, { keys: ["content.body"] })), [said]);
});

test("by rank the best comes first, with a rank", async () => {
  const alice = await hs.user("alice");
  const room = await alice.createRoom();
  const w = word();
  const much = await alice.say(room, `${w} ${w} ${w}`);
  const little = await alice.say(room, `${w} in a long sentence in which hardly anything else is about that word at all`);
  const r = await search(alice, w, { order_by: "rank" });
  assert.deepEqual(ids(r), [much, little]);
  assert.ok(r.results[0].rank > r.results[1].rank);
  assert.deepEqual(ids(await search(alice, w, { order_by: undefined })), [much, little]);
});

for (const order_by of ["recent", "rank"]) {
  test(`pages by ${order_by} join without a gap while more is said`, async () => {
    const alice = await hs.user("alice");
    const room = await alice.createRoom();
    const w = word();
    const all = [];
    for (let i = 0; i < 7; i++) all.push(await alice.say(room, `${w} ${"x ".repeat(i)}`));
    const got = [];
    let next = null;
    do {
      const r = await search(alice, w, { order_by, filter: { limit: 3 } }, next);
      assert.equal(r.count, 7);
      got.push(...ids(r));
      next = r.next_batch;
      if (next) await alice.say(room, `${w} later`);
    } while (next);
    assert.deepEqual(got, order_by === "recent" ? [...all].reverse() : all);
  });
}

test("the filter counts: rooms, senders, types, limit", async () => {
  const [alice, bob] = await hs.users("alice", "bob");
  const [one, two] = [await alice.createRoom({ preset: "public_chat" }), await alice.createRoom({ preset: "public_chat" })];
  await bob.join(one);
  await bob.join(two);
  const w = word();
  const a = await alice.say(one, w), b = await bob.say(one, w), c = await alice.say(two, w);
  await alice.setState(two, "m.room.topic", "", { topic: w });
  const found = async filter => ids(await search(alice, w, { filter, keys: ["content.body"] }));
  assert.deepEqual(await found({ rooms: [one] }), [b, a]);
  assert.deepEqual(await found({ not_rooms: [one] }), [c]);
  assert.deepEqual(await found({ rooms: [] }), []);
  assert.deepEqual(await found({ rooms: ["!none:localhost"] }), []);
  assert.deepEqual(await found({ senders: [bob.id] }), [b]);
  assert.deepEqual(await found({ senders: ["@nobody:localhost"] }), []);
  assert.deepEqual(await found({ not_senders: [bob.id] }), [c, a]);
  assert.deepEqual(await found({ limit: 1 }), [c]);
  assert.deepEqual(await found({ types: ["m.room.topic"] }), []);
  assert.equal((await search(alice, w, { filter: { types: ["m.room.topic"] } })).results.length, 1);
});

test("groups by room and sender have their own pages", async () => {
  const [alice, bob] = await hs.users("alice", "bob");
  const [one, two] = [await alice.createRoom({ preset: "public_chat" }), await alice.createRoom({ preset: "public_chat" })];
  await bob.join(one);
  const w = word();
  const a = await alice.say(one, w), b = await alice.say(two, w), c = await bob.say(one, w), d = await alice.say(two, w);
  const groupings = { group_by: [{ key: "room_id" }, { key: "sender" }] };
  const all = await search(alice, w, { groupings });
  assert.deepEqual(all.groups, {
    room_id: { [two]: { order: 1, results: [d, b] }, [one]: { order: 2, results: [c, a] } },
    sender: { [alice.id]: { order: 1, results: [d, b, a] }, [bob.id]: { order: 2, results: [c] } },
  });
  const first = await search(alice, w, { groupings, filter: { limit: 2 } });
  assert.deepEqual(ids(first), [d, c]);
  assert.deepEqual(ids(await search(alice, w, {}, first.next_batch)), [b, a]);
  assert.deepEqual(ids(await search(alice, w, {}, first.groups.room_id[one].next_batch)), [a]);
  assert.deepEqual(ids(await search(alice, w, {}, first.groups.room_id[two].next_batch)), [b]);
  assert.deepEqual(ids(await search(alice, w, {}, first.groups.sender[alice.id].next_batch)), [b, a]);
  assert.deepEqual(ids(await search(alice, w, {}, first.groups.sender[bob.id].next_batch)), []);
});

test("the context of a result: events around it, tokens that go on, profiles of then, state", async () => {
  const alice = await hs.user("alice");
  const room = await alice.createRoom({ name: "A name" });
  await alice.rename("Alice of then", room);
  const w = word();
  const around = [];
  for (let i = 0; i < 3; i++) around.push(await alice.say(room, `before ${i}`));
  const id = await alice.say(room, w);
  for (let i = 0; i < 3; i++) around.push(await alice.say(room, `after ${i}`));
  const r = await search(alice, w, { event_context: { before_limit: 2, after_limit: 1, include_profile: true }, include_state: true });
  const [{ result, context }] = r.results;
  assert.equal(result.event_id, id);
  assert.deepEqual(context.events_before.map(e => e.event_id), [around[2], around[1]]);
  assert.deepEqual(context.events_after.map(e => e.event_id), [around[3]]);
  assert.equal(context.profile_info[alice.id].displayname, "Alice of then");
  assert.deepEqual((await alice.messages(room, { from: context.start, limit: 1 })).chunk.map(e => e.event_id), [around[0]]);
  assert.deepEqual((await alice.messages(room, { from: context.end, dir: "f", limit: 1 })).chunk.map(e => e.event_id), [around[4]]);
  assert.equal(r.state[room].find(e => e.type === "m.room.name").content.name, "A name");
  const plain = (await search(alice, w, { event_context: {} })).results[0].context;
  assert.equal(plain.events_after.length, 3);
  assert.equal(plain.events_before.length, 5);
  assert.equal(plain.profile_info, undefined);
});

test("nobody finds, or is told the number of, what they may not read", async () => {
  const [alice, bob, carol, dora] = await hs.users("alice", "bob", "carol", "dora");
  const room = await alice.createRoom({ preset: "public_chat", initial_state: [{ type: "m.room.history_visibility", content: { history_visibility: "joined" } }] });
  const w = word();
  await alice.say(room, `${w} before`);
  await bob.join(room);
  const seen = await alice.say(room, `${w} seen`);
  await bob.leave(room);
  await alice.say(room, `${w} after`);
  await dora.join(room);
  const late = await alice.say(room, `${w} late`);
  const expected = [[alice, 4, null], [bob, 1, [seen]], [carol, 0, []], [dora, 1, [late]]];
  for (const [user, count, events] of expected) {
    for (const order_by of ["recent", "rank"]) {
      const r = await search(user, w, { order_by, event_context: {} });
      assert.equal(r.count, count, user.id);
      if (events) assert.deepEqual(ids(r), events);
    }
  }
  const around = (await search(bob, w, { event_context: {} })).results[0].context;
  assert.ok(!JSON.stringify(around).includes(`${w} before`) && !JSON.stringify(around).includes(`${w} after`));
  await bob.post(`/rooms/${E(room)}/forget`);
  assert.equal((await search(bob, w)).count, 0);
});

test("what is redacted, encrypted or from whom one ignores is not found", async () => {
  const [alice, bob] = await hs.users("alice", "bob");
  const room = await alice.createRoom({ preset: "public_chat", topic: "x" });
  await bob.join(room);
  const w = word();
  const gone = await alice.say(room, w);
  const topic = await alice.setState(room, "m.room.topic", "", { topic: w });
  const bobs = await bob.say(room, w);
  await alice.event(room, "m.room.encrypted", { algorithm: "m.megolm.v1.aes-sha2", ciphertext: w, body: w });
  assert.deepEqual(ids(await search(alice, w)), [bobs, topic, gone]);
  await alice.redact(room, gone);
  await alice.redact(room, topic);
  const left = await search(alice, w);
  assert.deepEqual(ids(left), [bobs]);
  assert.equal(left.count, 1);
  await alice.setAccountData("m.ignored_user_list", { ignored_users: { [bob.id]: {} } });
  assert.deepEqual(ids(await search(alice, w)), []);
});

test("a search without a category finds nothing; bad ones are refused", async () => {
  const alice = await hs.user("alice");
  assert.deepEqual(await alice.post("/search", { search_categories: {} }), { search_categories: {} });
  const refused = (code, body, q = "") => alice.fails(400, code, "POST", `/search${q}`, body);
  const rooms = room_events => ({ search_categories: { room_events } });
  await refused("M_MISSING_PARAM", {});
  await refused("M_BAD_JSON", { search_categories: [] });
  await refused("M_BAD_JSON", rooms([]));
  await refused("M_MISSING_PARAM", rooms({}));
  await refused("M_BAD_JSON", rooms({ search_term: 5 }));
  await refused("M_INVALID_PARAM", rooms({ search_term: "x", keys: ["content.msgtype"] }));
  await refused("M_INVALID_PARAM", rooms({ search_term: "x", order_by: "size" }));
  await refused("M_INVALID_PARAM", rooms({ search_term: "x", groupings: { group_by: [{ key: "type" }] } }));
  await refused("M_INVALID_PARAM", rooms({ search_term: "x", event_context: { before_limit: -1 } }));
  for (const token of ["nonsense", "k.0.0.0.-.0", "n.1", "n.x.1.1.-.0", "n.1.1.1.--.0"]) await refused("M_INVALID_PARAM", rooms({ search_term: "x", order_by: "recent" }), `?next_batch=${token}`);
  await hs.fails(401, "M_MISSING_TOKEN", "POST", "/search", { body: rooms({ search_term: "x" }) });
});

test("what is in the index is still there after a restart", OWN_SERVER, async () => {
  await withServer({}, async server => {
    const alice = await server.user("alice");
    const room = await alice.createRoom();
    const id = await alice.say(room, "remember this");
    await server.restart();
    await eventually("the server finds it", async () => ids(await search(alice, "remember")).includes(id));
    await alice.redact(room, id);
    assert.deepEqual(ids(await search(alice, "remember")), []);
  });
});
