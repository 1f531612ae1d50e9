// SPDX-License-Identifier: Apache-2.0
// Whoever sends gets the answer to that before the same device hears of it by /sync: clients put their local echo away
// with the answer. Two sockets of one device, read by one process: what the kernel had first comes first.
import assert from "node:assert/strict";
import http from "node:http";
import { test } from "node:test";
import { CLIENT, E, timeline, useServer } from "./harness.mjs";

const hs = useServer();
const ROUNDS = 20;

/** A connection of its own that notes when the whole of an answer is here. */
class Line {
  constructor(user, log) { Object.assign(this, { user, log, agent: new http.Agent({ keepAlive: true, maxSockets: 1 }) }); }
  ask(name, method, path, body) {
    const payload = body && JSON.stringify(body);
    return new Promise((resolve, reject) => {
      const rq = http.request(hs.base + CLIENT + path, { method, agent: this.agent, headers: { Authorization: `Bearer ${this.user.token}`, ...(payload && { "Content-Length": Buffer.byteLength(payload) }) } }, rs => {
        let text = "";
        rs.on("data", d => { text += d; }).on("error", reject).on("end", () => { this.log.push(name); assert.equal(rs.statusCode, 200, text); resolve(JSON.parse(text)); });
      });
      rq.on("error", reject);
      rq.end(payload);
    });
  }
  close() { this.agent.destroy(); }
}

/** Runs each of the requests beside a parked /sync of the same device, and checks who was answered first. */
async function inOrder(user, requests) {
  const log = [], sync = new Line(user, log), send = new Line(user, log);
  let { next_batch: since } = await user.sync();
  for (const [method, path, body] of requests) {
    const parked = sync.ask("sync", "GET", `/sync?${new URLSearchParams({ since, timeout: "20000", set_presence: "offline", filter: JSON.stringify({ room: { account_data: { types: [] }, ephemeral: { types: [] } } }) })}`);
    await user.getState(user.idle, "m.room.create"); // by then it is parked, most times; the rule holds at any time
    await send.ask("sent", method, path, body);
    ({ next_batch: since } = await parked);
    assert.deepEqual(log.splice(0), ["sent", "sync"], `${method} ${path}`);
  }
  sync.close();
  send.close();
}

test("a device gets the answer to what it sends before it hears of it, whichever way it sends", async () => {
  const [alice, bob] = await hs.users("alice", "bob");
  const room = await alice.createRoom({ preset: "public_chat" });
  const theirs = await bob.createRoom({ preset: "public_chat" });
  alice.idle = await alice.createRoom();
  const said = await alice.say(room, "x");
  const at = `/rooms/${E(room)}`;
  await inOrder(alice, Array.from({ length: ROUNDS }, (_, i) => ["PUT", `${at}/send/m.room.message/m${i}`, { msgtype: "m.text", body: `${i}` }]));
  await inOrder(alice, [
    ["PUT", `${at}/state/m.room.topic/`, { topic: "order" }],
    ["PUT", `${at}/redact/${E(said)}/r1`, {}],
    ["POST", `${at}/invite`, { user_id: bob.id }],
    ["POST", `${at}/ban`, { user_id: bob.id }],
    ["POST", `${at}/unban`, { user_id: bob.id }],
    ["POST", `/join/${E(theirs)}`, {}],
    ["POST", `/rooms/${E(theirs)}/leave`, {}],
    ["POST", `/rooms/${E(theirs)}/join`, {}],
    ["POST", "/createRoom", { name: "new" }],
    ["POST", `${at}/upgrade`, { new_version: "11" }],
  ]);
});

test("the other devices and people do not wait for that answer, nor does what came before it", async () => {
  const [alice, bob] = await hs.users("alice", "bob");
  const room = await alice.createRoom({ preset: "public_chat" });
  await bob.join(room);
  const other = await alice.another();
  const [here, there, bobs] = await Promise.all([alice, other, bob].map(u => u.stream({ filter: { room: { timeline: { limit: 1000 } } } })));
  // Alice sends without a pause: Alice's own /sync goes on all the same, and nothing is told twice or left out.
  const wanted = [];
  const heard = new Map([here, there, bobs].map(s => [s, []]));
  const listen = async s => { while (heard.get(s).length < 400) for (const e of timeline(await s.next(20000), room)) heard.get(s).push(e.event_id); };
  const listening = [here, there, bobs].map(listen);
  await Promise.all(Array.from({ length: 4 }, async () => { for (let i = 0; i < 100; i++) wanted.push(await alice.say(room, "m")); }));
  await Promise.all(listening);
  for (const ids of heard.values()) assert.deepEqual([...ids].sort(), [...wanted].sort());
});

test("what was answered is in the next /sync that must answer, though another one of the device waits", async () => {
  const alice = await hs.user("alice");
  const room = await alice.createRoom();
  const waiting = new Line(alice, []);
  let { next_batch: since } = await alice.sync();
  for (let i = 0; i < ROUNDS; i++) {
    const parked = waiting.ask("sync", "GET", `/sync?${new URLSearchParams({ since, timeout: "20000", set_presence: "offline" })}`);
    await alice.getState(room, "m.room.create");
    const id = await alice.say(room, `${i}`);
    const now = await alice.sync({ since, timeout: 0 });
    assert.ok(timeline(now, room).some(e => e.event_id === id), "in the one that answers at once");
    ({ next_batch: since } = await parked);
  }
  waiting.close();
});
