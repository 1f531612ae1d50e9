// SPDX-License-Identifier: Apache-2.0
// Unread counts against a model: whatever happens in whatever order, /sync's numbers are those that counting from
// scratch gives ("Receiving notifications", "Marking notifications as read", "Threaded read receipts").
import assert from "node:assert/strict";
import test from "node:test";
import { E, OWN_SERVER, useServer, withServer } from "./harness.mjs";

const STEPS = Number(process.env.UNREAD_STEPS ?? 120);
const SEEDS = process.env.UNREAD_SEED ? [Number(process.env.UNREAD_SEED)] : [1, 2, 3];

/** Numbers that come again with the same seed (mulberry32). */
function dice(seed) {
  const next = () => {
    seed = (seed + 0x6d2b79f5) | 0;
    let t = Math.imul(seed ^ (seed >>> 15), 1 | seed);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
  return { below: n => Math.floor(next() * n), of: list => list[Math.floor(next() * list.length)] };
}

const mentions = (...who) => ({ "m.mentions": { user_ids: who.map(w => w.id) } });
const text = (body, more = {}) => ({ msgtype: "m.text", body, ...more });
const relation = (rel_type, event_id, more = {}) => ({ "m.relates_to": { rel_type, event_id, ...more } });

/** What is known of one reader: their receipts, whom they ignore, their rules, since when they are there. */
class Reader {
  receipts = { "": -1 }; // thread, "main" or "" (unthreaded) -> index of the event
  ignored = new Set();
  isMuted = false;
  likesCheese = false;
  from = 0; // index of their join
  constructor(user) { this.user = user; }

  /** What their rules say of an event. */
  verdict(e) {
    if (e.mentioned?.includes(this.user.id) || e.mentionsRoom) return { notify: true, highlight: true };
    if (e.kind === "notice" || e.kind === "reaction" || e.kind === "state" || e.kind === "edit") return { notify: false };
    if (this.likesCheese && e.body?.includes("cheese")) return { notify: true, highlight: true };
    return { notify: !this.isMuted };
  }

  /** From scratch: unread and highlighted per thread. */
  count(log) {
    const out = new Map();
    const read = thread => Math.max(this.receipts[""], this.receipts[thread] ?? -1, ...log.map((e, i) => (e.sender === this.user && e.reads === thread ? i : -1)));
    for (const [i, e] of log.entries()) {
      if (i < this.from || e.sender === this.user || e.isRedacted || this.ignored.has(e.sender)) continue;
      const { notify, highlight } = this.verdict(e);
      if (!notify || i <= read(e.thread)) continue;
      const c = out.get(e.thread) ?? { notification_count: 0, highlight_count: 0 };
      c.notification_count++;
      c.highlight_count += highlight ? 1 : 0;
      out.set(e.thread, c);
    }
    return out;
  }
}

const NONE = { notification_count: 0, highlight_count: 0 };
const add = (a, b) => ({ notification_count: a.notification_count + b.notification_count, highlight_count: a.highlight_count + b.highlight_count });

/** The parts of /sync that are compared. */
const expectedApart = counts => ({ main: counts.get("main") ?? NONE, threads: Object.fromEntries([...counts].filter(([thread]) => thread !== "main").sort()) });
const expectedTogether = counts => [...counts.values()].reduce(add, NONE);
const shown = room => ({ main: room.unread_notifications, threads: Object.fromEntries(Object.entries(room.unread_thread_notifications ?? {}).sort()) });
const filter = threads => ({ room: { timeline: { limit: 1, unread_thread_notifications: threads } } });

class Scene {
  log = []; // {id, sender, kind, thread, body, mentioned, mentionsRoom, reads, isRedacted}
  constructor(s, seed) { this.server = s; this.dice = dice(seed); this.steps = []; }

  async open() {
    [this.alice, this.bob, this.carol, this.erin] = await this.server.users("alice", "bob", "carol", "erin");
    this.room = await this.alice.createRoom({ preset: "public_chat" });
    this.readers = [];
    for (const user of [this.carol, this.bob, this.erin]) await user.join(this.room);
    for (const user of [this.bob, this.erin]) {
      const stream = await user.stream({ filter: filter(true) });
      this.readers.push(Object.assign(new Reader(user), { stream, seen: { main: NONE, threads: {} } }));
    }
  }

  /** Something that is said; `reads`: the thread in which its sender has read what came before. */
  async said(sender, type, content, e) {
    const id = await sender.event(this.room, type, content);
    this.log.push({ id, sender, thread: "main", ...e });
    return id;
  }

  talk(sender, thread) {
    const inThread = thread === "main" ? {} : relation("m.thread", thread);
    const e = { kind: "message", thread, reads: thread };
    switch (this.dice.below(6)) {
      case 0: return this.said(sender, "m.room.message", text("you", { ...inThread, ...mentions(this.bob) }), { ...e, mentioned: [this.bob.id] });
      case 1: return this.said(sender, "m.room.message", text("all", { ...inThread, "m.mentions": { room: true } }), { ...e, mentionsRoom: sender === this.alice });
      case 2: return this.said(sender, "m.room.message", text("more cheese", inThread), { ...e, body: "more cheese" });
      case 3: return this.said(sender, "m.room.message", { ...text("beep", inThread), msgtype: "m.notice" }, { ...e, kind: "notice" });
      case 4: return this.said(sender, "m.room.encrypted", { algorithm: "m.megolm.v1.aes-sha2", ciphertext: "x", device_id: "D", sender_key: "k", session_id: "s", ...inThread }, e);
      default: return this.said(sender, "m.room.message", text("hello", inThread), e);
    }
  }

  /** What can be answered, edited or reacted to. */
  messages() { return this.log.filter(e => e.kind === "message" && !e.isRedacted); }
  roots() { return this.messages().filter(e => e.thread === "main").map(e => e.id).slice(-4); }

  async edit(sender) {
    const mine = this.messages().filter(e => e.sender === sender && e.body !== undefined);
    if (!mine.length) return this.talk(sender, "main");
    const target = this.dice.of(mine), tells = this.dice.below(3) === 0;
    target.hasChild = true;
    const extra = tells ? mentions(this.bob) : {};
    return this.said(sender, "m.room.message", { ...text("* cheese"), "m.new_content": text("cheese"), ...relation("m.replace", target.id), ...extra }, { kind: "edit", thread: target.thread, mentioned: tells ? [this.bob.id] : [] });
  }

  async react(sender) {
    const target = this.messages().filter(e => !e.reactors?.has(sender)).at(-1);
    if (!target) return this.talk(sender, "main");
    (target.reactors ??= new Set()).add(sender);
    return this.said(sender, "m.reaction", relation("m.annotation", target.id, { key: "+" }), { kind: "reaction", thread: target.thread });
  }

  async redact() {
    const target = this.dice.of(this.log.filter(e => e.kind !== "state" && !e.isRedacted && !e.hasChild && e.kind !== "redaction").slice(-12));
    if (!target) return;
    const by = this.dice.below(2) ? this.alice : target.sender;
    const id = await by.redact(this.room, target.id);
    target.isRedacted = true;
    this.log.push({ id, sender: by, kind: "state", thread: "main" });
  }

  /** Anywhere in the room, also long ago: a receipt does not go back. */
  async receipt(r) {
    const i = Math.max(0, this.log.length - 1 - this.dice.below(20)), e = this.log[i];
    if (!e) return;
    const thread = this.dice.of(["", e.thread]);
    await r.user.receipt(this.room, e.id, this.dice.of(["m.read", "m.read.private"]), thread ? { thread_id: thread } : {});
    r.receipts[thread] = Math.max(r.receipts[thread] ?? -1, i);
  }

  async markers(r) {
    const i = this.dice.below(this.log.length), e = this.log[i];
    await r.user.post(`/rooms/${E(this.room)}/read_markers`, { "m.fully_read": e.id, [this.dice.of(["m.read", "m.read.private"])]: e.id });
    r.receipts[""] = Math.max(r.receipts[""], i);
  }

  async comeBack(r) {
    await r.user.leave(this.room);
    await this.talk(this.alice, "main");
    await r.user.join(this.room);
    r.from = this.log.length;
  }

  async rules(r) {
    r.isQuiet = true; // nothing happened in the room: its counts come with what happens next
    if (this.dice.below(2)) {
      r.isMuted = !r.isMuted;
      const rule = `/pushrules/global/room/${E(this.room)}`;
      return r.isMuted ? r.user.put(rule, { actions: [] }) : r.user.del(rule);
    }
    r.likesCheese = !r.likesCheese;
    const rule = "/pushrules/global/content/cheese";
    return r.likesCheese ? r.user.put(rule, { pattern: "cheese", actions: ["notify", { set_tweak: "highlight" }] }) : r.user.del(rule);
  }

  async ignore(r) {
    r.isQuiet = true;
    r.ignored.has(this.carol) ? r.ignored.delete(this.carol) : r.ignored.add(this.carol);
    await r.user.setAccountData("m.ignored_user_list", { ignored_users: Object.fromEntries([...r.ignored].map(u => [u.id, {}])) });
  }

  async state() {
    const id = this.dice.below(2) ? await this.alice.setState(this.room, "m.room.topic", "", { topic: `topic ${this.log.length}` })
      : await this.carol.setState(this.room, "m.room.member", this.carol.id, { membership: "join", displayname: `Carol ${this.log.length}` });
    this.log.push({ id, sender: null, kind: "state", thread: "main" });
  }

  async step() {
    const d = this.dice, r = d.of(this.readers), other = d.of([this.alice, this.alice, this.carol]);
    const roots = this.roots();
    const moves = [
      [8, "talk", () => this.talk(other, "main")],
      [8, "talk in a thread", () => this.talk(other, roots.length ? d.of(roots) : "main")],
      [2, "own message", () => this.talk(r.user, "main")],
      [2, "own message in a thread", () => this.talk(r.user, roots.length ? d.of(roots) : "main")],
      [3, "edit", () => this.edit(d.of([other, r.user]))],
      [2, "reaction", () => this.react(d.of([other, r.user]))],
      [4, "redaction", () => this.redact()],
      [8, "receipt", () => this.receipt(r)],
      [2, "markers", () => this.log.length && this.markers(r)],
      [1, "state", () => this.state()],
      [1, "rejoin", () => this.comeBack(r)],
      [2, "rules", () => this.rules(r)],
      [1, "ignore", () => this.ignore(r)],
      [1, "marked unread", () => r.user.setRoomAccountData(this.room, "m.marked_unread", { unread: true })],
      [1, "restart", () => this.restart()],
    ];
    let at = d.below(moves.reduce((n, m) => n + m[0], 0));
    const [, name, move] = moves.find(m => (at -= m[0]) < 0);
    this.steps.push(name);
    await move();
  }

  async restart() {
    if (this.dice.below(2)) return this.server.restart();
    await this.server.kill9();
    await this.server.start();
  }

  async check() {
    for (const r of this.readers) {
      const counts = r.count(this.log), said = `after ${this.steps.slice(-12).join(", ")} (${this.log.length} events), for ${r.user.name}`;
      const apart = await r.user.sync({ filter: filter(true) }), together = await r.user.sync({ filter: filter(false) });
      assert.deepEqual(shown(apart.rooms.join[this.room]), expectedApart(counts), said);
      assert.deepEqual(together.rooms.join[this.room].unread_notifications, expectedTogether(counts), `threads included, ${said}`);
      const news = (await r.stream.next()).rooms?.join?.[this.room];
      if (news) Object.assign(r, { seen: shown(news), isQuiet: false });
      if (!r.isQuiet) assert.deepEqual(r.seen, expectedApart(counts), `what a client has that follows, ${said}`);
    }
  }
}

test("what nobody reads is still counted after a crash, however much was said since that does not count", OWN_SERVER, async () => {
  await withServer({}, async s => {
    const [alice, bob, carol] = await s.users("alice", "bob", "carol");
    const room = await alice.createRoom({ preset: "public_chat" });
    for (const u of [bob, carol]) await u.join(room);
    const count = async () => (await bob.sync({ filter: filter(false) })).rooms.join[room].unread_notifications;
    const say = msgtype => Promise.all(Array.from({ length: 100 }, (_, i) => alice.event(room, "m.room.message", { msgtype, body: `message ${i}` })));
    const first = await say("m.text"), border = await alice.say(room, "border");
    for (let i = 1; i < 14; i++) {
      await say(i < 6 ? "m.text" : "m.notice");
      assert.equal((await count()).notification_count, 1 + 100 * Math.min(i + 1, 6));
    }
    await s.kill9();
    await s.start();
    assert.equal((await count()).notification_count, 601);
    await alice.redact(room, first[50]);
    assert.equal((await count()).notification_count, 600, "one of the oldest is redacted");
    await bob.receipt(room, border, "m.read.private");
    assert.equal((await count()).notification_count, 500, "the oldest are read");
  });
});

for (const seed of SEEDS) {
  test(`unread counts are those of the model, whatever happens (seed ${seed})`, OWN_SERVER, async () => {
    await withServer({}, async s => {
      const scene = new Scene(s, seed);
      await scene.open();
      for (let i = 0; i < STEPS; i++) {
        await scene.step();
        await scene.check();
      }
    });
  });
}
