// SPDX-License-Identifier: Apache-2.0
// Every route of `ingot routes` with people who send half a body and drip, send bodies made to grow when they are parsed,
// or ask and do not read; without a token and with one. The configuration says how much memory all that may take
// (limits.under_way), and the server keeps to it; whoever is slow is cut off; and somebody who only wants to talk does,
// all the while. A new route is in here by itself.
import assert from "node:assert/strict";
import fs from "node:fs";
import net from "node:net";
import test from "node:test";
import { BIN, CLIENT, E, eventually, exchange, OWN_SERVER, PATIENCE, png, SERVER_NAME, THRIFTY, useServer } from "../api/harness.mjs";
import { routes } from "../api/spec/routes.mjs";

const KIB = 1024, MIB = 1024 * KIB;
const EACH = 12; // attackers for each route, of each kind
const HALF = 300 * KIB; // of a body, where a route takes so much

const MEMORY = 32 * MIB, CACHES = 16 * MIB, CONNECTION = 48 * KIB;
/** What else there may be: the program, its threads, what the allocator has not given back yet. The address sanitizer
 * pads each block, and keeps some that are free. */
const SLACK = (/-asan|-tsan|-ubsan/.test(BIN) ? 256 : 64) * MIB;

const hs = useServer({
  ...THRIFTY,
  config: { limits: { memory_budget: "16M", under_way: { memory: "32M", memory_per_address: "16M", memory_per_user: "16M", disk: "512M", disk_per_address: "256M", disk_per_user: "128M", min_bytes_per_second: "2K", window: "3s" } } },
  edit: c => { c.listeners[0].trusted_proxies = ["127.0.0.1"]; }, // each address that is named counts
});

/** One of a kind, and for what is served over plain HTTP to clients. */
const table = OWN_SERVER.skip ? [] : routes(BIN).filter(r => !r.alias_of && !r.serve.includes("federation"));
const takesBody = r => ["json", "raw", "file"].includes(r.body);
const isPublic = r => ["none", "optional"].includes(r.auth);
const endsSomething = r => /\/logout|\/deactivate|\/delete_devices|\/erase|\/leave|\/forget|\/devices\/\{/.test(r.path) && r.method !== "GET";

// ---- people

let attacker, talker, things;

async function prepare() {
  attacker = await hs.user("attacker", { admin: true });
  talker = await hs.user("talker");
  const room = await attacker.createRoom({ name: "much", room_alias_name: attacker.name });
  for (let i = 0; i < 40; i++) await attacker.say(room, "x".repeat(50 * KIB));
  const event = await attacker.say(room, "last");
  for (let i = 0; i < 40; i++) await attacker.setAccountData(`org.example.${i}`, { text: "x".repeat(50 * KIB) });
  const filterId = await attacker.addFilter({ room: { timeline: { limit: 1000 } } });
  const { version } = await attacker.post("/room_keys/version", { algorithm: "m.megolm_backup.v1.curve25519-aes-sha2", auth_data: {} });
  const session = { first_message_index: 0, forwarded_count: 0, is_verified: true, session_data: { text: "x".repeat(20 * KIB) } };
  await attacker.put(`/room_keys/keys?version=${version}`, { rooms: { [room]: { sessions: Object.fromEntries(Array.from({ length: 100 }, (_, i) => [`s${i}`, session])) } } });
  const up = await hs.req("POST", "/_matrix/media/v3/upload", { token: attacker.token, body: Buffer.concat([png(8, 8), Buffer.alloc(4 * MIB)]), type: "image/png", expect: 200 });
  things = {
    userId: attacker.id, roomId: room, roomIdOrAlias: room, roomAlias: `#${attacker.name}:${SERVER_NAME}`, eventId: event, eventType: "m.room.name", stateKey: "", serverName: SERVER_NAME,
    mediaId: up.body.content_uri.split("/").pop(), fileName: "a.png", receiptType: "m.read", kind: "override", ruleId: "x", type: "org.example.1", keyName: "displayname", deviceId: attacker.device,
    filterId, version, sessionId: "s1", tag: "x", txnId: "slow",
  };
  for (const [name, value] of Object.entries(QUERY)) query.set(name, typeof value === "function" ? value() : value);
}

const QUERY = { dir: "b", limit: "1000", version: () => things.version, timeout: "0", timeout_ms: "0", width: "32", height: "32", method: "scale", user_id: () => things.userId };
const query = new URLSearchParams();
const targetOf = r => `${r.path.replace(/\{(\w+)\*?\}/g, (_, name) => E(things[name] ?? "x"))}?${query}`;

// ---- what the server takes, and what somebody else gets, from now to the end

const watch = { peak: 0, worst: 0, asked: 0, ended: false, failed: null };
const resident = () => Number(/VmRSS:\s+(\d+)/.exec(fs.readFileSync(`/proc/${hs.process.pid}/status`, "utf8"))[1]) * KIB;
const mib = n => `${(n / MIB).toFixed(0)} MiB`;

/** Asks from an address of their own, on a connection of their own each time: as a client that has just come. */
async function talk() {
  const room = await talker.createRoom();
  let since = (await talker.sync()).next_batch;
  const o = { token: talker.token, headers: { "X-Forwarded-For": "198.51.100.7" }, timeout: PATIENCE };
  while (!watch.ended) {
    for (const [method, target, body] of [["GET", "/_matrix/client/versions"], ["PUT", `${CLIENT}/rooms/${E(room)}/send/m.room.message/${talker.nextTxn()}`, { msgtype: "m.text", body: "hello" }], ["GET", `${CLIENT}/sync?timeout=0&since=${since}`]]) {
      const begun = performance.now();
      const r = await exchange(hs.base, method, target, { ...o, body });
      assert.equal(r.status, 200, `${method} ${target}: ${r.raw.toString().slice(0, 300)}`);
      since = r.body.next_batch ?? since;
      watch.worst = Math.max(watch.worst, performance.now() - begun);
      watch.asked++;
    }
    await new Promise(resolve => setTimeout(resolve, 20));
  }
}

async function metric(name) {
  const line = (await hs.req("GET", "/metrics", { expect: 200 })).raw.toString().split("\n").find(l => l.startsWith(`${name} `));
  return Number(line?.split(" ")[1] ?? 0);
}
const underWay = kind => metric(`ingot_http_bytes_under_way{kind="${kind}"}`);

// ---- attackers

const attackers = new Set();

/** A connection that asks, sends what it is told of its body, and reads only if it `reads`. */
class Attacker {
  constructor(route, n, { token, length = 0, body = "", reads = true }) {
    this.name = `${route.method} ${route.path}`;
    this.text = "";
    this.isClosed = false;
    attackers.add(this);
    const head = [`${route.method} ${targetOf(route)} HTTP/1.1`, "Host: x", `X-Forwarded-For: 192.0.2.${1 + n % 4}`];
    if (token) head.push(`Authorization: Bearer ${token}`);
    if (length || route.method !== "GET") head.push("Content-Type: application/json", `Content-Length: ${length}`);
    const s = this.socket = net.connect({ port: hs.port, host: "127.0.0.1", highWaterMark: 1024 });
    if (reads) s.on("data", d => { if (this.text.length < 1000) this.text += d.toString("latin1"); });
    s.on("error", () => {}).on("close", () => { this.isClosed = true; attackers.delete(this); });
    s.write(`${head.join("\r\n")}\r\n\r\n`);
    this.isSent = new Promise(resolve => { s.once("close", resolve); s.write(body, resolve); });
    if (!reads) s.pause();
  }
  get status() { return Number(this.text.split(" ")[1] ?? 0); }
  drip() { if (!this.isClosed) this.socket.write("x"); }
  destroy() { this.socket.destroy(); }
}

/** What holds after each attack. */
async function assertKept(what) {
  const bound = CACHES + MEMORY + watch.connections * CONNECTION + SLACK;
  console.error(`# ${what}: at most ${mib(watch.peak)} of ${mib(bound)}, ${watch.connections} connections; somebody else asked ${watch.asked} times and waited ${watch.worst.toFixed(0)} ms at most`);
  assert.equal(watch.failed, null);
  assert.ok(watch.asked > 10);
  assert.ok(watch.worst < PATIENCE);
  assert.ok(watch.peak < bound, `${what}: ${mib(watch.peak)}, and ${mib(bound)} was promised`);
  for (const a of attackers) a.destroy();
  await eventually("all is given back", async () => await underWay("memory") === 0 && await underWay("disk") === 0);
  Object.assign(watch, { peak: 0, worst: 0, asked: 0, connections: 0 });
}

/** As many as were sent at a time, a few at a time. */
async function launch(list, make) {
  const out = [];
  for (let i = 0; i < list.length; i += 16) {
    const some = list.slice(i, i + 16).flatMap(r => Array.from({ length: EACH }, (_, n) => make(r, n)));
    out.push(...some);
    await Promise.all(some.map(a => a.isSent));
  }
  watch.connections = out.length;
  return out;
}

const writers = table.filter(takesBody);

async function slowWriters(what, token) {
  const all = await launch(writers, (r, n) => {
    const length = Math.min(r.body_max, 2 * MIB);
    return new Attacker(r, n, { token, length, body: "x".repeat(Math.min(HALF, length - 8)) });
  });
  const drip = setInterval(() => { for (const a of all) a.drip(); }, 200);
  try {
    const limit = MEMORY + 4 * MIB; // what was counted at once, by threads that do not wait for each other
    assert.ok(await underWay("memory") <= limit);
    await eventually("all are answered or cut off", () => all.every(a => a.isClosed || a.status), 4 * PATIENCE);
    for (const a of all) assert.ok(!a.text || a.status >= 400, `${a.name}: ${a.text.slice(0, 200)}`);
    if (!token) for (const a of all) assert.ok(a.status !== 200);
  } finally {
    clearInterval(drip);
  }
  await assertKept(what);
}

async function growingBodies() {
  const grown = writers.filter(r => r.body === "json" && !endsSomething(r));
  const all = await launch(grown, (r, n) => {
    const room = Math.min(r.body_max, 4 * MIB) - 16;
    const body = `{"x":[${'{"":0},'.repeat(Math.floor(room / 7) - 1)}0]}`;
    return new Attacker(r, n, { token: isPublic(r) ? null : attacker.token, length: body.length, body });
  });
  await eventually("all are answered", () => all.every(a => a.isClosed || a.status), 4 * PATIENCE);
  await assertKept("bodies made to grow");
}

async function slowReaders() {
  const asked = table.filter(r => !endsSomething(r) && r.body !== "file" && r.body !== "raw");
  const before = await metric("ingot_http_too_slow_total");
  const all = await launch(asked, (r, n) => new Attacker(r, n, { token: r.auth === "none" ? null : attacker.token, length: r.method === "GET" ? 0 : 2, body: r.method === "GET" ? "" : "{}", reads: false }));
  await eventually("those with much to say are cut off", async () => await metric("ingot_http_too_slow_total") >= before + EACH);
  await eventually("what they held is given back", async () => await underWay("memory") === 0 && await underWay("disk") === 0, 4 * PATIENCE);
  assert.ok(all.length >= 100 * EACH);
  await assertKept("answers that nobody reads");
}

test("every route is besieged", OWN_SERVER, async t => {
  await prepare();
  const sampling = setInterval(() => { watch.peak = Math.max(watch.peak, resident()); }, 50);
  const talking = talk().catch(e => { watch.failed = e; });
  try {
    await t.test("half a body from people without a token", () => slowWriters("half a body, no token", null));
    await t.test("half a body from somebody who has one", () => slowWriters("half a body, signed in", attacker.token));
    await t.test("bodies made to grow", growingBodies);
    await t.test("answers that nobody reads", slowReaders);
  } finally {
    for (const a of attackers) a.destroy();
    watch.ended = true;
    clearInterval(sampling);
    await talking;
  }
});
