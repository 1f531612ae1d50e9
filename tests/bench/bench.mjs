#!/usr/bin/env node
// SPDX-License-Identifier: Apache-2.0
// Prints the table of docs/performance.md. See README.md.
//   node bench.mjs [--quick] [--only=NAME,NAME] [--engine=postgresql] [--generator=FILE] [--json=FILE]
//   names: start send many busy wake herd initial burst wide cpu disk; messages search hierarchy members push pushers totals purging
import { execFileSync, spawn, spawnSync } from "node:child_process";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";

const here = path.dirname(fileURLToPath(import.meta.url));
process.env.INGOT_BIN ??= path.join(here, "../../build/ingot");
const options = Object.fromEntries(process.argv.slice(2).map(a => /^--([^=]+)(?:=(.*))?$/.exec(a)).filter(Boolean).map(m => [m[1], m[2] ?? true]));
const endPostgres = options.engine === "postgresql" ? startPostgres() : () => {};
const { BIN, E, EXTERNAL, Server } = await import("../api/harness.mjs");

/** A PostgreSQL that flushes as one in earnest does, unless INGOT_TEST_POSTGRES names one. */
function startPostgres() {
  process.env.INGOT_TEST_ENGINE = "postgresql";
  if (process.env.INGOT_TEST_POSTGRES) return () => {};
  const script = path.join(here, "../support/postgres.sh"), dir = path.join(os.tmpdir(), `ingot-bench-pg-${process.pid}`);
  process.env.INGOT_TEST_POSTGRES = execFileSync(script, ["start", dir], { env: { ...process.env, PG_FSYNC: "on" } }).toString().trim();
  return () => execFileSync(script, ["stop", dir], { stdio: "ignore" });
}

const quick = Boolean(options.quick);
const only = options.only?.split(",");
const wants = name => !only || only.includes(name);
const GENERATOR = path.resolve(options.generator ?? path.join(path.dirname(BIN), "tests/bench/bench_load"));
const RUNS = quick ? 1 : 5, SECONDS = quick ? 2 : 5;
const PARKED = quick ? 500 : 5000, HERD = quick ? 200 : 1000;
const ROOMS = quick ? 30 : 300, MEMBERS = quick ? 30 : 300;

const median = a => { const b = [...a].sort((x, y) => x - y); return b.length % 2 ? b[b.length >> 1] : (b[b.length / 2 - 1] + b[b.length / 2]) / 2; };
const round = (x, digits = 1) => Number(x.toFixed(digits));
const nap = ms => new Promise(resolve => setTimeout(resolve, ms));
const rows = [];
const row = (what, value, aim = "") => { rows.push({ what, value, aim }); process.stderr.write(`${what}: ${value}\n`); };

// ---- the process under test
const rssKiB = s => Number(/VmRSS:\s+(\d+)/.exec(fs.readFileSync(`/proc/${s.process.pid}/status`, "utf8"))[1]);
const cpuMs = s => { const f = fs.readFileSync(`/proc/${s.process.pid}/stat`, "utf8"); const g = f.slice(f.lastIndexOf(")") + 2).split(" "); return (Number(g[11]) + Number(g[12])) * 10; };
const diskBytes = dir => fs.readdirSync(dir, { recursive: true, withFileTypes: true }).filter(f => f.isFile()).reduce((n, f) => n + fs.statSync(path.join(f.parentPath ?? f.path, f.name)).size, 0);

/** A server as it is configured by default, but without rate limits and with cheap password hashes for the thousands of accounts. */
async function withServer(body, config = {}) {
  const s = await Server.create({ config: { presence: "own", log: { level: "warn" }, ...config } });
  try { return await body(s); } finally { await s.remove(); }
}

function generator(...args) { return JSON.parse(execFileSync(GENERATOR, args.map(String), { stdio: ["ignore", "pipe", "inherit"], maxBuffer: 1 << 26 }).toString()); }

const scratch = fs.mkdtempSync(path.join(os.tmpdir(), "ingot-bench-"));
let files = 0;
function listFile(lines) {
  const file = path.join(scratch, `list${files++}`);
  fs.writeFileSync(file, lines.join("\n") + "\n");
  return file;
}

/** Runs `job(i)` for 0 ≤ i < n, `width` at a time. */
async function inParallel(n, width, job) {
  const out = new Array(n);
  let next = 0;
  await Promise.all(Array.from({ length: Math.min(width, n) }, async () => { while (next < n) { const i = next++; out[i] = await job(i); } }));
  return out;
}
const makeUsers = (s, n, prefix) => inParallel(n, 32, () => s.user(prefix));
const makeRooms = (owner, n) => inParallel(n, 8, i => owner.createRoom({ preset: "public_chat", name: `Bench room ${i}`, creation_content: { "org.example.number": i } }));
const joinAll = (s, pairs) => generator("batch", s.port, 32, listFile(pairs.map(([u, room]) => `${u.token} POST /_matrix/client/v3/join/${E(room)} {}`)));
const sinces = users => inParallel(users.length, 32, async i => `${users[i].token} ${E((await users[i].sync({ filter: '{"room":{"timeline":{"limit":1}}}' })).next_batch)}`);

// ---- what is measured
async function start() {
  const times = [], memory = [];
  for (let i = 0; i < (quick ? 3 : 11); i++) {
    await withServer(async s => {
      await s.stop();
      const t0 = performance.now();
      await s.start({ probe: 1 });
      times.push(performance.now() - t0);
      await nap(1000); // memory once it has come to rest
      memory.push(rssKiB(s) / 1024);
    });
  }
  row("start to first answer", `${round(median(times), 0)} ms`, "< 200 ms");
  row("memory after start", `${round(median(memory))} MB`, "< 25 MB");
}

async function sendRun(s, connections, list) {
  const results = [];
  generator("send", s.port, connections, 1, list);
  for (let i = 0; i < RUNS; i++) results.push(generator("send", s.port, connections, SECONDS, list));
  return { rate: median(results.map(r => r.per_second)), p50: median(results.map(r => r.p50_ms)), p99: median(results.map(r => r.p99_ms)), load: median(results.map(r => r.generator_cpu / r.seconds)) };
}

async function send() {
  await withServer(async s => {
    const [alice] = await makeUsers(s, 1, "alice");
    const room = await alice.createRoom();
    const r = await sendRun(s, 1, listFile([`${alice.token} ${E(room)}`]));
    row("one sender, one room: messages/s", round(r.rate, 0), ">= 1500");
    row("one sender, one room: p50 / p99", `${round(r.p50, 2)} / ${round(r.p99, 2)} ms`, "p50 < 0.6 ms");
    row("… generator's share of a core", round(r.load, 2));
  });
}

async function many() {
  await withServer(async s => {
    const people = await makeUsers(s, 64, "sender");
    const rooms = await makeRooms(people[0], 24);
    joinAll(s, people.slice(1).map((p, i) => [p, rooms[(i + 1) % 24]]));
    const r = await sendRun(s, 64, listFile(people.map((p, i) => `${p.token} ${E(rooms[i % 24])}`)));
    row("64 senders, 24 rooms: messages/s", round(r.rate, 0), ">= 8000");
    row("64 senders, 24 rooms: p50 / p99", `${round(r.p50, 2)} / ${round(r.p99, 2)} ms`);
    row("… generator's share of a core", round(r.load, 2));
  });
}

/** How somebody fares who has nothing to do with a room in which many send. */
async function busy() {
  await withServer(async s => {
    const people = await makeUsers(s, 257, "sender");
    const room = await people[0].createRoom({ preset: "public_chat" });
    joinAll(s, people.slice(1, 256).map(p => [p, room]));
    const alice = people[256], quiet = listFile([`${alice.token} ${E(await alice.createRoom())}`]);
    for (const n of [0, 64, 256]) {
      const list = listFile(people.slice(0, Math.max(n, 1)).map(p => `${p.token} ${E(room)}`));
      const crowd = n ? spawn(GENERATOR, ["send", String(s.port), String(n), String(2 * SECONDS + 3), list], { stdio: ["ignore", "pipe", "inherit"] }) : null;
      const said = crowd && new Promise(resolve => crowd.stdout.once("data", d => resolve(JSON.parse(d.toString()))));
      await nap(1000);
      const own = generator("send", s.port, 1, SECONDS, quiet);
      const versions = generator("get", s.port, quick ? 500 : 2000, alice.token, "/_matrix/client/versions");
      row(`${n} senders in one room, a sender elsewhere: p50 / p99`, ms(own), n === 256 ? "p50 < 1 ms" : "");
      row(`${n} senders in one room, /versions: p50 / p99`, ms(versions));
      if (said) {
        const r = await said;
        row(`… the ${n} senders: messages/s; p50 / p99 / longest`, `${round(r.per_second, 0)}; ${ms(r)}; ${round(r.max_ms)} ms`);
      }
    }
    if (!EXTERNAL) row("… memory of the server then, and 15 s later", `${round(rssKiB(s) / 1024)} / ${round((await nap(15000), rssKiB(s)) / 1024)} MB`);
  });
}

async function wake() {
  await withServer(async s => {
    const [alice, bob, ...others] = await makeUsers(s, PARKED + 2, "parked");
    const room = await alice.createRoom({ preset: "public_chat" });
    await bob.join(room);
    const rooms = await makeRooms(others[0], Math.ceil(PARKED / 50));
    joinAll(s, others.slice(1).map((p, i) => [p, rooms[Math.floor((i + 1) / 50)]]));
    const parked = await sinces(others), receiver = await sinces([bob]);
    const list = listFile([`${alice.token} ${E(room)}`, ...receiver, ...parked]);
    if (!EXTERNAL) await parkedMemory(s, listFile(parked)); // first, before other polls have left memory to use again
    const results = [];
    for (let i = 0; i < Math.min(RUNS, 3); i++) results.push(generator("wake", s.port, PARKED, quick ? 100 : 500, list));
    row(`sent to seen in a parked /sync, ${PARKED} others parked: p50 / p99`, `${round(median(results.map(r => r.p50_ms)), 2)} / ${round(median(results.map(r => r.p99_ms)), 2)} ms`, "1.5 / 6 ms");
  });
}

async function parkedMemory(s, list) {
  await nap(2000);
  const before = rssKiB(s);
  const p = spawn(GENERATOR, ["park", String(s.port), String(PARKED), list], { stdio: ["pipe", "pipe", "inherit"] });
  await new Promise((resolve, reject) => { p.stdout.once("data", resolve); p.once("close", reject); });
  await nap(2000);
  const cpu0 = cpuMs(s), after = rssKiB(s);
  await nap(5000);
  row("memory per parked client (beside the socket buffers of the kernel)", `${round((after - before) / PARKED)} KB`, "< 12 KB");
  row(`idle CPU with ${PARKED} parked clients`, `${round((cpuMs(s) - cpu0) / 50)} %`);
  p.removeAllListeners("close");
  p.stdin.end();
  await new Promise(resolve => p.once("close", resolve));
}

async function herd() {
  await withServer(async s => {
    const people = await makeUsers(s, HERD + 1, "herd");
    const room = await people[0].createRoom({ preset: "public_chat" });
    joinAll(s, people.slice(1).map(p => [p, room]));
    const list = listFile([`${people[0].token} ${E(room)}`, ...await sinces(people.slice(1))]);
    const r = generator("herd", s.port, HERD, quick ? 5 : 20, list);
    row(`one message that wakes ${HERD} parked clients: all answered`, `${round(r.p50_ms)} ms`, "< 100 ms");
  });
}

async function initial() {
  await withServer(async s => {
    const people = await makeUsers(s, MEMBERS, "member");
    const rooms = await makeRooms(people[0], ROOMS);
    const t0 = performance.now();
    const joins = rooms.flatMap(room => people.slice(1).map(p => [p, room]));
    for (let i = joins.length - 1; i > 0; i--) { const k = (i * 7919 + 13) % (i + 1); [joins[i], joins[k]] = [joins[k], joins[i]]; } // spread over the rooms
    joinAll(s, joins);
    row(`joins/s while making ${joins.length} memberships (32 connections)`, round(joins.length / ((performance.now() - t0) / 1000), 0));
    generator("batch", s.port, 32, listFile(rooms.flatMap((room, i) => Array.from({ length: 12 }, (_, k) => `${people[k].token} PUT /_matrix/client/v3/rooms/${E(room)}/send/m.room.message/i${i}.${k} {"msgtype":"m.text","body":"message ${k}"}`))));
    const me = people[MEMBERS - 1];
    const measure = (name, filter, aim) => {
      const r = generator("get", s.port, quick ? 3 : 7, me.token, `/_matrix/client/v3/sync?set_presence=offline&filter=${E(JSON.stringify(filter))}`);
      row(`initial /sync, ${ROOMS} rooms x ${MEMBERS} members, timeline 10, ${name}`, `${round(r.p50_ms, 0)} ms (${round(r.bytes / 1e6)} MB)`, aim);
    };
    measure("all members", { room: { timeline: { limit: 10 } } }, "< 1 s");
    measure("lazy-loaded", { room: { timeline: { limit: 10 }, state: { lazy_load_members: true } } }, "< 150 ms");
    if (EXTERNAL) return;
    await s.restart();
    const cold = generator("get", s.port, 1, me.token, `/_matrix/client/v3/sync?set_presence=offline&filter=${E('{"room":{"timeline":{"limit":10},"state":{"lazy_load_members":true}}}')}`);
    row("… lazy-loaded, first one after a start", `${round(cold.p50_ms, 0)} ms`);
    row("… memory of the server", `${round(rssKiB(s) / 1024)} MB`);
  });
}

// ---- memory: what is held at the worst, and what is given back when it is quiet
const QUIET_MS = quick ? 20_000 : 75_000;
/** The largest resident set while `work` runs: the kernel keeps it, and forgets it when 5 is written to clear_refs. */
async function peakMiB(s, work) {
  fs.writeFileSync(`/proc/${s.process.pid}/clear_refs`, "5");
  await work();
  return round(Number(/VmHWM:\s+(\d+)/.exec(fs.readFileSync(`/proc/${s.process.pid}/status`, "utf8"))[1]) / 1024, 0);
}
async function quietMiB(s) {
  await nap(QUIET_MS);
  return round(rssKiB(s) / 1024, 0);
}

async function burst() {
  if (EXTERNAL) return;
  const n = quick ? 8000 : 80000;
  await withServer(async s => {
    const people = await makeUsers(s, 64, "sender");
    const rooms = await makeRooms(people[0], 24);
    joinAll(s, [...people.slice(1).map((p, i) => [p, rooms[(i + 1) % 24]]), ...rooms.flatMap((room, i) => i % 24 === 1 ? [] : [[people[1], room]])]);
    const lines = Array.from({ length: n }, (_, i) => message(people[i % 64].token, rooms[i % 64 % 24], `b${i}`, `message ${i} of the load generator`));
    const peak = await peakMiB(s, () => generator("batch", s.port, 64, listFile(lines)));
    row(`memory after ${n} messages by 64 senders in 24 rooms; at the worst`, `${round(rssKiB(s) / 1024, 0)} MiB; ${peak} MiB`);
    const sync = () => round(generator("get", s.port, 1, people[1].token, "/_matrix/client/v3/sync?set_presence=offline").p50_ms, 0);
    row("… initial /sync of 24 rooms: first; again", `${sync()}; ${sync()} ms`, "first 40 ms");
    row("… memory when it has been quiet for a minute", `${await quietMiB(s)} MiB`, "< 64 MiB");
  });
}

async function wide() {
  if (EXTERNAL) return;
  const n = quick ? 1000 : 10000;
  await withServer(async s => {
    const [alice] = await makeUsers(s, 1, "alice");
    generator("batch", s.port, 8, listFile(Array.from({ length: n }, (_, i) => `${alice.token} POST /_matrix/client/v3/createRoom {"name":"Room ${i}"}`)));
    await s.restart();
    const list = listFile(Array.from({ length: 10 }, () => `${alice.token} GET /_matrix/client/v3/sync?set_presence=offline `));
    const peak = await peakMiB(s, () => generator("batch", s.port, 10, list));
    row(`memory at the worst of ten initial /sync at once, ${n} rooms`, `${peak} MiB`, "< 200 MiB");
    row("… when it has been quiet for a minute", `${await quietMiB(s)} MiB`, "< 64 MiB");
  });
}

/** Instructions in user space by perf while `work` runs, or null where perf is not allowed. */
async function instructions(s, work) {
  const out = path.join(scratch, "perf");
  const p = spawn("perf", ["stat", "-x,", "-e", "instructions:u", "-p", String(s.process.pid), "-o", out], { stdio: "ignore" });
  const failed = new Promise(resolve => p.once("error", () => resolve(true)));
  const ended = new Promise(resolve => p.once("close", resolve));
  await nap(500);
  const result = await work();
  p.kill("SIGINT");
  await Promise.race([ended, failed]);
  let count = null;
  try { count = Number(fs.readFileSync(out, "utf8").split("\n").find(l => l.includes("instructions"))?.split(",")[0]) || null; } catch { /* no perf */ }
  return { result, count };
}

async function cpu() {
  if (EXTERNAL) return;
  await withServer(async s => {
    const [alice] = await makeUsers(s, 1, "alice");
    const room = await alice.createRoom();
    const list = listFile([`${alice.token} ${E(room)}`]);
    generator("send", s.port, 1, 1, list);
    const before = cpuMs(s);
    const { result, count } = await instructions(s, async () => generator("send", s.port, 1, SECONDS, list));
    row("CPU per message, one sender", `${round((cpuMs(s) - before) * 1000 / result.n, 0)} µs${count ? `, ${round(count / result.n / 1000, 0)} k instructions (perf, user space)` : ""}`);
    if (!count) await callgrind(s, list);
  });
}

/** Instructions per message by callgrind: two runs of different length, so that starting up cancels out. */
async function callgrind(s, list) {
  try { execFileSync("valgrind", ["--version"], { stdio: "ignore" }); } catch { return; }
  const counts = [];
  for (const seconds of [2, 8]) {
    await s.stop();
    const out = path.join(scratch, `callgrind${seconds}`);
    await s.start({ prefix: ["valgrind", "--tool=callgrind", `--callgrind-out-file=${out}`, "-q"] });
    const r = generator("send", s.port, 1, seconds, list);
    await s.stop();
    counts.push([r.n, Number(/^(?:summary|totals): (\d+)/m.exec(fs.readFileSync(out, "utf8"))[1])]);
  }
  await s.start();
  row("instructions per message (callgrind, user space)", `${round((counts[1][1] - counts[0][1]) / (counts[1][0] - counts[0][0]) / 1000, 0)} k`);
}

async function disk() {
  if (EXTERNAL) return;
  await withServer(async s => {
    const n = quick ? 2000 : 20000;
    const [alice, ...people] = await makeUsers(s, quick ? 30 : 300, "member");
    const room = await alice.createRoom({ preset: "public_chat", power_level_content_override: { state_default: 0 } });
    joinAll(s, people.map(p => [p, room]));
    const size = async () => { await s.stop(); const b = diskBytes(s.dir); await s.start(); return b; }; // stopping folds the write-ahead log in
    const at0 = await size();
    generator("batch", s.port, 16, listFile(Array.from({ length: n }, (_, i) => `${alice.token} PUT /_matrix/client/v3/rooms/${E(room)}/send/m.room.message/d${i} {"msgtype":"m.text","body":"message ${i} of the load generator"}`)));
    const at1 = await size();
    row("bytes on disk per message", round((at1 - at0) / n, 0));
    const m = n / 4;
    generator("batch", s.port, 16, listFile(Array.from({ length: m }, (_, i) => `${alice.token} PUT /_matrix/client/v3/rooms/${E(room)}/state/org.example.state/${i % 500} {"n":${i}}`)));
    row(`bytes on disk per state change (room of ${people.length + 1} members, 500 keys)`, round((await size() - at1) / m, 0));
  });
}

// ---- reading
/** While the generator runs, nothing else does here: then what the server has closed meanwhile must be seen first. */
const sendBatch = async (s, lines) => { const r = generator("batch", s.port, 32, listFile(lines)); await nap(50); return r; };
const message = (token, room, txn, body) => `${token} PUT /_matrix/client/v3/rooms/${E(room)}/send/m.room.message/${txn} ${JSON.stringify({ msgtype: "m.text", body })}`;
const ms = r => `${round(r.p50_ms, 2)} / ${round(r.p99_ms, 2)} ms`;

/** Pages of a list; gives what was measured and the token after them. */
function pages(s, n, token, target, key, from) {
  const p = spawnSync(GENERATOR, ["page", s.port, n, token, target, key, from].map(String), { maxBuffer: 1 << 26 });
  if (p.status !== 0) throw new Error(p.stderr.toString());
  return { ...JSON.parse(p.stdout.toString()), next: p.stderr.toString().trim() };
}

async function messages() {
  const n = quick ? 6000 : 30000, size = 100, some = 10;
  await withServer(async s => {
    const [alice] = await makeUsers(s, 1, "alice");
    const room = await alice.createRoom();
    await sendBatch(s, Array.from({ length: n }, (_, i) => message(alice.token, room, `m${i}`, `message ${i} of the load generator`)));
    if (!EXTERNAL) await s.restart();
    const target = `/_matrix/client/v3/rooms/${E(room)}/messages?dir=b&limit=${size}&from=`;
    const newest = encodeURIComponent((await alice.messages(room, { limit: "1" })).start);
    const say = (what, r) => row(`/messages, pages of ${size}, ${what}: events/s; p50 / p99 of a page`, `${round(size * r.per_second, 0)}; ${ms(r)}`);
    const first = pages(s, some, alice.token, target, "end", newest);
    say(`the first ${some} after a start`, first);
    say(`the same again`, pages(s, some, alice.token, target, "end", newest));
    const middle = pages(s, n / size - 3 * some, alice.token, target, "end", first.next);
    say("all between", middle);
    say(`${some} pages ${n} events back`, pages(s, some, alice.token, target, "end", middle.next));
  });
}

async function search() {
  const n = quick ? 5000 : 100000, rooms = 20, width = Math.ceil(n / rooms);
  await withServer(async s => {
    const [alice] = await makeUsers(s, 1, "alice");
    const ids = await makeRooms(alice, rooms);
    const words = ["meeting", "river", "paper", "cloud", "window", "garden", "signal", "bridge"];
    const body = i => `message ${words[i % 8]} ${words[(i * 7 + 3) % 8]} number${i}${i % (n / 10) === 5 ? " zephyr" : ""}`;
    await sendBatch(s, Array.from({ length: n }, (_, i) => message(alice.token, ids[Math.floor(i / width)], `s${i}`, body(i))));
    const ask = (term, order, more = {}) => ({ search_categories: { room_events: { search_term: term, order_by: order, ...more } } });
    for (let end = Date.now() + 120000; Date.now() < end; await nap(100)) { // indexing follows the commits
      const r = await alice.post("/search", ask(`number${n - 1}`, "recent"));
      if (r.search_categories.room_events.results.length) break;
    }
    for (const [what, term] of [["in every message", "message"], ["in every eighth", "river"], ["in ten", "zephyr"]]) {
      for (const order of ["recent", "rank"]) {
        row(`search in ${n} messages of ${rooms} rooms, a word ${what}, ${order}: p50 / p99`, ms(generator("post", s.port, quick ? 10 : 50, alice.token, "/_matrix/client/v3/search", JSON.stringify(ask(term, order)))));
      }
    }
    row("… a word in every message, one room, rank", ms(generator("post", s.port, quick ? 10 : 50, alice.token, "/_matrix/client/v3/search", JSON.stringify(ask("message", "rank", { filter: { rooms: [ids[0]] } })))));
  });
}

async function hierarchy() {
  const n = quick ? 50 : 500;
  await withServer(async s => {
    const [alice, bob] = await makeUsers(s, 2, "alice");
    const rooms = await makeRooms(alice, n);
    const space = await alice.createRoom({ preset: "public_chat", name: "Space", creation_content: { type: "m.space" } });
    await sendBatch(s, rooms.map(r => `${alice.token} PUT /_matrix/client/v3/rooms/${E(space)}/state/m.space.child/${E(r)} {"via":["localhost"]}`));
    for (const [what, cold] of [["first time after a start", true], ["again", false]]) {
      if (cold && !EXTERNAL) await s.restart();
      const t0 = performance.now();
      const r = pages(s, n, bob.token, `/_matrix/client/v1/rooms/${E(space)}/hierarchy?limit=50&from=`, "next_batch", "");
      row(`hierarchy of ${n} rooms in pages of 50, ${what}: all; p50 of a page`, `${round(performance.now() - t0, 0)} ms; ${round(r.p50_ms, 1)} ms`);
    }
  });
}

async function members() {
  const n = quick ? 500 : 10000;
  await withServer(async s => {
    const people = await makeUsers(s, n, "member");
    const room = await people[0].createRoom({ preset: "public_chat" });
    const t0 = performance.now();
    joinAll(s, people.slice(1).map(p => [p, room]));
    row(`${n} users join one room: joins/s`, round(n / ((performance.now() - t0) / 1000), 0));
    await nap(50);
    const ask = (what, target) => { const r = generator("get", s.port, 7, people[1].token, `/_matrix/client/v3/rooms/${E(room)}/${target}`); row(`room of ${n} members, ${what}: p50 / p99`, `${ms(r)} (${round(r.bytes / 1e6, 2)} MB)`); };
    if (!EXTERNAL) {
      await s.restart();
      const cold = generator("get", s.port, 1, people[1].token, `/_matrix/client/v3/rooms/${E(room)}/members`);
      row(`room of ${n} members, /members, first time after a start`, `${round(cold.p50_ms, 0)} ms`);
    }
    ask("/members", "members");
    ask("/joined_members", "joined_members");
    const r = await sendRun(s, 1, listFile([`${people[0].token} ${E(room)}`]));
    row(`room of ${n} members, one sender: messages/s; p50 / p99`, `${round(r.rate, 0)}; ${round(r.p50, 2)} / ${round(r.p99, 2)} ms`);
  });
}

// ---- notifications
const setPushers = (s, people, url) => sendBatch(s, people.map((p, i) => `${p.token} POST /_matrix/client/v3/pushers/set ${JSON.stringify({ kind: "http", app_id: "org.example.bench", pushkey: `key${i}`, app_display_name: "Bench", device_display_name: "Phone", lang: "en", data: { url } })}`));

/** Waits until the server has next to nothing to do. */
async function calm(s) {
  for (let quiet = 0, before = cpuMs(s), end = Date.now() + 300000; quiet < 3 && Date.now() < end;) {
    await nap(1000);
    const now = cpuMs(s);
    quiet = now - before < 30 ? quiet + 1 : 0;
    before = now;
  }
}

/** What it costs to find out whom a message notifies: the gateway may not be reached, and once all pushers wait for their next
 *  attempt, nothing is sent. */
async function push() {
  if (EXTERNAL) return;
  const n = quick ? 300 : 5000, k = quick ? 50 : 200;
  await withServer(async s => {
    const people = await makeUsers(s, n, "member");
    const room = await people[0].createRoom({ preset: "public_chat" });
    joinAll(s, people.slice(1).map(p => [p, room]));
    const [alice, ...others] = people;
    const cost = async (what, from) => {
      await sendBatch(s, [message(alice.token, room, `${what}`, "warm")]);
      await nap(2000);
      const before = cpuMs(s);
      for (let i = 0; i < k; i += 10) { // as in a lively room: a few at a time
        await sendBatch(s, Array.from({ length: 10 }, (_, j) => message(alice.token, room, `${what}.${from + i + j}`, `message ${i + j}`)));
        await nap(50);
      }
      await nap(2000);
      return (cpuMs(s) - before) / k;
    };
    const alone = await cost("alone", 0);
    await setPushers(s, others, "https://127.0.0.1/_matrix/push/v1/notify"); // not a public address: refused at once
    await sendBatch(s, [message(alice.token, room, "first", "first")]);
    await nap(quick ? 8000 : 16000); // the fifth attempt is over then, the next one is due in a quarter of a minute
    await calm(s);
    const pushed = await cost("pushed", 0);
    row(`push rules of ${n} members for one message (CPU, beside ${round(alone, 2)} ms for the message)`, `${round(pushed - alone, 2)} ms; ${round((pushed - alone) * 1000 / n, 2)} µs each`);
  });
}

async function pushers() {
  if (EXTERNAL) return;
  const n = quick ? 100 : 500;
  await withServer(async s => {
    const people = await makeUsers(s, n + 1, "member");
    const room = await people[0].createRoom({ preset: "public_chat" });
    joinAll(s, people.slice(1).map(p => [p, room]));
    const list = listFile([`${people[0].token} ${E(room)}`]);
    const say = (what, r) => row(`one sender, ${n} members ${what}: messages/s; p50 / p99`, `${round(r.rate, 0)}; ${round(r.p50, 2)} / ${round(r.p99, 2)} ms`);
    say("without pushers", await sendRun(s, 1, list));
    const port = s.port + 1;
    const gateway = spawn(GENERATOR, ["gateway", String(port)], { stdio: ["pipe", "pipe", "inherit"] });
    const counted = new Promise(resolve => gateway.stdout.once("data", d => resolve(JSON.parse(d.toString()).n)));
    await setPushers(s, people.slice(1), `http://127.0.0.1:${port}/_matrix/push/v1/notify`);
    const t0 = performance.now();
    const r = await sendRun(s, 1, list);
    const seconds = (performance.now() - t0) / 1000;
    gateway.stdin.end();
    say("with pushers", r);
    row("… notifications delivered meanwhile, per second", round(await counted / seconds, 0));
  }, { push: { allow_private_addresses: true } });
}

/** One sender's rate, alone and while `others` runs: beside a generator that does so, given as [mode, arguments]. */
async function sendBeside(s, what, others) {
  const alice = await s.user("alice"), room = await alice.createRoom();
  const list = listFile([`${alice.token} ${E(room)}`]);
  const say = (name, r) => row(`one sender, ${name}: messages/s; p50 / p99`, `${round(r.rate, 0)}; ${round(r.p50, 2)} / ${round(r.p99, 2)} ms`);
  say("alone", await sendRun(s, 1, list));
  const stop = await others();
  say(what, await sendRun(s, 1, list));
  await stop();
}

/** A user whose account data has reached its limit, and who goes on writing to it. */
async function totals() {
  await withServer(s => sendBeside(s, "beside 4 writers of tiny account data of a user who has 16 MB of it", async () => {
    const heavy = await s.user("heavy");
    for (let i = 0; i < 255; i++) await heavy.setAccountData(`org.example.${i}`, { x: "x".repeat(65_000) });
    const path = `/_matrix/client/v3/user/${E(heavy.id)}/account_data/org.example.tiny`;
    const p = spawn(GENERATOR, ["batch", String(s.port), "4", listFile(Array.from({ length: 1_000_000 }, (_, i) => `${heavy.token} PUT ${path} {"i":${i % 10}}`))], { stdio: "ignore" });
    return () => new Promise(resolve => { p.once("close", resolve); p.kill(); });
  }));
}

/** A room's history is purged while others send. */
async function purging() {
  if (EXTERNAL) return;
  await withServer(s => sendBeside(s, "while the history of another room is purged", async () => {
    const people = await makeUsers(s, 32, "old");
    const room = await people[0].createRoom({ preset: "public_chat" });
    joinAll(s, people.slice(1).map(p => [p, room]));
    const n = quick ? 20_000 : 100_000;
    generator("batch", s.port, 32, listFile(Array.from({ length: n }, (_, i) => `${people[i % 32].token} PUT /_matrix/client/v3/rooms/${E(room)}/send/m.room.message/p${i} {"msgtype":"m.text","body":"an old message ${i}"}`)));
    const p = spawn(BIN, ["room", "purge-history", room, "--before", "0s", "--config", s.configFile], { stdio: "ignore" });
    return async () => {
      const left = p.exitCode === null ? "it was not through" : "it was through before the end: make it longer";
      row("… the purge", left);
      p.kill();
    };
  }));
}

// ---- the machine
function fsyncMs(dir) {
  const file = path.join(dir, "fsync"), fd = fs.openSync(file, "w"), t = [];
  for (let i = 0; i < 200; i++) { fs.writeSync(fd, Buffer.alloc(4096)); const t0 = performance.now(); fs.fsyncSync(fd); t.push(performance.now() - t0); }
  fs.closeSync(fd);
  fs.rmSync(file);
  return median(t);
}
function machine() {
  const fsType = execFileSync("stat", ["-f", "-c", "%T", os.tmpdir()]).toString().trim();
  const cpus = os.cpus();
  return `${cpus.length} × ${cpus[0].model}, ${round(os.totalmem() / 2 ** 30, 0)} GB, Linux ${os.release()}, data on ${fsType} (4 KiB write + fsync: ${round(fsyncMs(scratch), 2)} ms), load before the run ${round(os.loadavg()[0], 2)}`;
}

const facts = machine();
try {
  for (const [name, measure] of Object.entries({ start, send, many, busy, wake, herd, initial, burst, wide, cpu, disk, messages, search, hierarchy, members, push, pushers, totals, purging })) {
    if (!wants(name) || (EXTERNAL && name === "start")) continue;
    try { await measure(); } catch (e) { row(`${name} FAILED`, String(e.message).split("\n")[0]); }
  }
} finally {
  fs.rmSync(scratch, { recursive: true, force: true });
  endPostgres();
}
const version = EXTERNAL ? EXTERNAL : execFileSync(BIN, ["version"]).toString().trim();
console.log(`${facts}\n${version}${options.engine ? ` on ${options.engine}` : ""}; medians of ${RUNS} runs${quick ? "; QUICK RUN, not for the record" : ""}; generator and server share the machine\n`);
console.log("| what | measured | aim |\n|---|---|---|");
for (const r of rows) console.log(`| ${r.what} | ${r.value} | ${r.aim} |`);
if (options.json) fs.writeFileSync(options.json, JSON.stringify({ facts, version, rows }, null, 1));
process.exit(0);
