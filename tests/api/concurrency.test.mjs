// SPDX-License-Identifier: Apache-2.0
// Many people doing many things at once; afterwards everybody's view is one and the same. Also run on a TSan build.
import assert from "node:assert/strict";
import test from "node:test";
import { E, EXTERNAL, PATIENCE, ephemeral, png, useServer } from "./harness.mjs";

const hs = useServer();
const SEED = Number(process.env.TEST_SEED ?? 20240607);
const STEPS = Number(process.env.TEST_STEPS ?? 40);

/** A small generator of numbers that can be repeated. */
function numbers(seed) {
  let s = seed >>> 0;
  return n => { s = (Math.imul(s, 1664525) + 1013904223) >>> 0; return Math.floor(s / 2 ** 32 * n); };
}

/** What a client knows of its rooms, kept up from /sync answers alone. */
class View {
  constructor() { this.state = new Map(); this.events = new Map(); this.gaps = 0; }
  apply(r, stateAfter) {
    for (const [room, j] of Object.entries(r.rooms?.join ?? {})) {
      const known = this.state.get(room) ?? this.state.set(room, new Map()).get(room);
      const put = e => { if (e.state_key !== undefined) known.set(`${e.type}|${e.state_key}`, e.event_id); };
      (j.state?.events ?? []).forEach(put);
      if (!stateAfter) j.timeline.events.forEach(put);
      (j.state_after?.events ?? []).forEach(put);
      const list = this.events.get(room) ?? this.events.set(room, []).get(room);
      if (j.timeline.limited && list.length) this.gaps++;
      list.push(...j.timeline.events.map(e => e.event_id));
    }
    for (const room of Object.keys(r.rooms?.leave ?? {})) { assert.equal(r.rooms.join?.[room], undefined, "a room both joined and left"); this.state.delete(room); this.events.delete(room); }
  }
}

const ACTIONS = [
  (u, room) => u.say(room, "word"),
  (u, room) => u.say(room, "word"),
  (u, room, n) => u.setState(room, "org.example.slot", `k${n(5)}`, { n: n(1000) }),
  (u, room) => u.typing(room, true),
  async (u, room) => u.receipt(room, await u.say(room, "read this")),
  (u, room, n) => u.setState(room, "m.room.topic", "", { topic: `t${n(1000)}` }),
  (u, room, n) => u.put(`/profile/${E(u.id)}/displayname`, { displayname: `Name ${n(1000)}` }),
  async (u, room) => { await u.leave(room); await u.join(room); },
  (u, room, n) => u.setAccountData("org.example.n", { n: n(100) }),
  async (u, room) => u.redact(room, await u.say(room, "take back")),
  (u, _room, n) => hs.req("POST", "/_matrix/media/v3/upload", { token: u.token, body: png(16 + n(16), 16), type: "image/png", expect: 200 }),
  async u => { const d = await u.another(); await d.post("/logout"); },
  (u, room) => u.messages(room, { limit: 10 }),
  (u, room) => u.get(`/rooms/${E(room)}/members`),
];

for (const stateAfter of EXTERNAL ? [false] : [false, true]) {
  test(`a client that only follows /sync${stateAfter ? " with state_after" : ""} knows the true state in the end`, { timeout: 10 * PATIENCE }, async () => {
    const n = numbers(SEED);
    const people = await hs.users(...Array(6).fill("busy"));
    const rooms = [];
    for (let i = 0; i < 2; i++) {
      rooms.push(await people[0].createRoom({ preset: "public_chat", power_level_content_override: { state_default: 0 } }));
      for (const p of people.slice(1)) await p.join(rooms[i]);
    }
    let busy = true;
    const watchers = await Promise.all(people.map(async (p, i) => {
      const view = new View();
      // Half of the watchers see every event, half stumble from gap to gap.
      const s = await p.stream({ filter: { room: { timeline: { limit: i % 2 ? 2 : 500 } } }, ...(stateAfter && { use_state_after: "true" }) });
      view.apply(s.last, stateAfter);
      return { p, s, view };
    }));
    const following = watchers.map(async w => { while (busy) { await w.s.next(500); w.view.apply(w.s.last, stateAfter); } });
    await Promise.all(people.map(async (p, i) => {
      const mine = numbers(SEED + i + n(1000));
      for (let k = 0; k < STEPS; k++) await ACTIONS[mine(ACTIONS.length)](p, rooms[mine(rooms.length)], mine);
    }));
    busy = false;
    await Promise.all(following);
    for (const { p, s, view } of watchers) {
      do { await s.next(); view.apply(s.last, stateAfter); } while (Object.keys(s.last.rooms?.join ?? {}).length);
      for (const room of rooms) {
        const truth = new Map((await p.get(`/rooms/${E(room)}/state`)).map(e => [`${e.type}|${e.state_key}`, e.event_id]));
        const seen = view.state.get(room);
        for (const [key, id] of truth) assert.equal(seen.get(key), id, `${p.name}: ${key}, seed ${SEED}`);
        assert.equal(seen.size, truth.size);
        const order = view.events.get(room);
        assert.equal(new Set(order).size, order.length, "an event came twice");
      }
    }
    const all = async p => { const out = []; let from; do { const r = await p.messages(rooms[0], { dir: "f", limit: 200, ...(from && { from }) }); out.push(...r.chunk.map(e => e.event_id)); from = r.end; } while (from); return out; };
    const [first, ...others] = await Promise.all(people.map(all));
    for (const o of others) assert.deepEqual(o, first, "one history for all");
  });
}

test("races for one thing have one winner", async () => {
  const people = await hs.users(...Array(5).fill("racer"));
  const [owner] = people;
  const room = await owner.createRoom({ preset: "public_chat" });
  const name = `#race${owner.name}:localhost`;
  const claims = await Promise.all(people.map(p => p.createRoom({ preset: "public_chat" }).then(r => hs.req("PUT", `/directory/room/${E(name)}`, { token: p.token, body: { room_id: r } }))));
  assert.deepEqual(claims.map(r => r.status).sort(), [200, 409, 409, 409, 409]);
  const joins = await Promise.all(Array.from({ length: 10 }, () => people[1].join(room)));
  assert.equal(joins.length, 10);
  const members = (await owner.messages(room, { limit: 100 })).chunk.filter(e => e.type === "m.room.member" && e.state_key === people[1].id);
  assert.equal(members.length, 1, "ten joins at the same time are one event");
  const ban = await Promise.all([owner.ban(room, people[1]), hs.req("PUT", `/rooms/${E(room)}/send/m.test/x`, { token: people[1].token, body: {} })]);
  assert.ok([200, 403].includes(ban[1].status));
  await people[1].fails(403, "M_FORBIDDEN", "PUT", `/rooms/${E(room)}/send/m.test/y`, {});
});

test("a hundred parked polls of one user are all answered", async () => {
  const [alice, bob] = await hs.users("alice", "bob");
  const room = await alice.createRoom({ preset: "public_chat" });
  await bob.join(room);
  const { next_batch: since } = await alice.sync();
  const polls = Array.from({ length: 100 }, (_, i) => alice.sync({ since, timeout: String(15000 + i), filter: { presence: { types: [] } } }));
  await bob.typing(room, true);
  const id = await bob.say(room, "for all");
  for (const r of await Promise.all(polls)) {
    const woke = ephemeral(r, room, "m.typing") || r.rooms.join[room].timeline.events.some(e => e.event_id === id);
    assert.ok(woke, JSON.stringify(r).slice(0, 300));
  }
});

test("rooms that one person makes in the same moment are different rooms", async () => {
  const alice = await hs.user("alice");
  const rooms = await Promise.all(Array.from({ length: 20 }, () => alice.createRoom()));
  assert.equal(new Set(rooms).size, 20);
});
