// SPDX-License-Identifier: Apache-2.0
// What every test file stands on: a server of its own, people on it, and waits that end on a condition.
//
//   const hs = useServer();                                    // started before, stopped after the file
//   test("a sentence", async () => {
//     const alice = await hs.user("alice");                    // unique name, signed in
//     const room = await alice.createRoom({ preset: "public_chat" });
//     await alice.fails(403, "M_FORBIDDEN", "PUT", `/rooms/${E(room)}/…`, {});
//   });
//
// INGOT_TEST_ENGINE=postgresql gives each server a new database on the PostgreSQL that INGOT_TEST_POSTGRES names
// (tests/support/postgres.sh); otherwise it is SQLite.
//
// INGOT_BIN names the binary. INGOT_URL (with INGOT_SHARED_SECRET) runs the suite against a server that is
// already up; tests that restart or configure the server are skipped then. INGOT_RECORD names a folder that gets all
// exchanges, for spec/gate.mjs.
import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import crypto from "node:crypto";
import fs from "node:fs";
import http from "node:http";
import net from "node:net";
import os from "node:os";
import path from "node:path";
import { after, before } from "node:test";
import { fileURLToPath } from "node:url";
import zlib from "node:zlib";
import YAML from "yaml";
import "./spec/recorder.mjs";

const here = path.dirname(fileURLToPath(import.meta.url));
export const BIN = path.resolve(process.env.INGOT_BIN ?? path.join(here, "../../build-asan/ingot"));
export const EXTERNAL = process.env.INGOT_URL ?? null;
export const SERVER_NAME = "localhost";
export const E = encodeURIComponent;
export const CLIENT = "/_matrix/client/v3";
/** How long a condition may take to become true; generous because sanitizers are slow. */
export const PATIENCE = Number(process.env.TEST_PATIENCE_MS ?? 20000);
/** URL of a PostgreSQL on which each server gets its own database, or null: SQLite. */
export const POSTGRES = process.env.INGOT_TEST_ENGINE === "postgresql" ? process.env.INGOT_TEST_POSTGRES : null;
/** Options for tests of what only SQLite has: its file. */
export const SQLITE_ONLY = POSTGRES ? { skip: "about SQLite's file" } : {};
/** Options for tests that need to own the process. */
export const OWN_SERVER = EXTERNAL ? { skip: "needs a server of its own" } : {};

const agent = new http.Agent({ keepAlive: true, maxSockets: 1024 });
const delay = ms => new Promise(resolve => setTimeout(resolve, ms));
let counter = 0;
export const unique = (prefix = "x") => `${prefix}${process.pid.toString(36)}${(counter++).toString(36)}${crypto.randomBytes(2).toString("hex")}`;

/** Polls until `probe` returns something truthy, and returns it. For things that cannot be long-polled. */
export async function eventually(what, probe, patience = PATIENCE, interval = 25) {
  const until = Date.now() + patience;
  for (;;) {
    const value = await probe();
    if (value) return value;
    if (Date.now() > until) assert.fail(`did not happen in ${patience} ms: ${what}`);
    await delay(interval);
  }
}

/** A port nobody listens on at this moment. */
export function freePort() {
  return new Promise((resolve, reject) => {
    const s = net.createServer().on("error", reject).listen(0, "127.0.0.1", () => {
      const { port } = s.address();
      s.close(() => resolve(port));
    });
  });
}

/** One HTTP exchange; `body` is sent as JSON unless it is a Buffer or string. Never throws for a status. */
export function exchange(base, method, target, { token, body, type, headers = {}, signal, timeout = PATIENCE + 40000 } = {}) {
  const u = new URL(base);
  const h = { ...headers };
  if (token) h.Authorization = `Bearer ${token}`;
  let bytes = null;
  if (body !== undefined) {
    bytes = Buffer.isBuffer(body) || typeof body === "string" ? Buffer.from(body) : Buffer.from(JSON.stringify(body));
    if (type !== null) h["Content-Type"] = type ?? "application/json";
    h["Content-Length"] = bytes.length;
  } else if (method !== "GET" && method !== "HEAD" && method !== "OPTIONS") {
    h["Content-Length"] = 0;
  }
  return new Promise((resolve, reject) => {
    const rq = http.request({ hostname: u.hostname, port: u.port, path: target, method, headers: h, agent, signal }, rs => {
      const parts = [];
      rs.on("data", d => parts.push(d)).on("error", reject).on("end", () => {
        const raw = Buffer.concat(parts);
        let json;
        if (/json/.test(rs.headers["content-type"] ?? "") && !rs.headers["content-encoding"]) {
          try { json = JSON.parse(raw.toString("utf8")); } catch (e) { reject(new Error(`${method} ${target}: bad JSON in reply: ${raw.toString().slice(0, 200)}`)); return; }
        }
        resolve({ status: rs.statusCode, headers: rs.headers, raw, body: json });
      });
    });
    rq.setTimeout(timeout, () => rq.destroy(new Error(`no answer in ${timeout} ms: ${method} ${target}`)));
    rq.on("error", reject);
    if (bytes) rq.write(bytes);
    rq.end();
  });
}

/** Raw bytes on a socket until the server closes or `enough(text)`; for what no HTTP library would send. */
export function rawExchange(port, chunks, { enough = () => false, halfClose = false, patience = PATIENCE, gap = 0 } = {}) {
  return new Promise((resolve, reject) => {
    const s = net.connect(port, "127.0.0.1");
    let text = "";
    const timer = setTimeout(() => { s.destroy(); resolve({ text, timedOut: true }); }, patience);
    const done = () => { clearTimeout(timer); s.destroy(); resolve({ text, timedOut: false }); };
    s.on("data", d => { text += d.toString("latin1"); if (enough(text)) done(); });
    s.on("close", done);
    s.on("error", e => { if (text || e.code === "ECONNRESET" || e.code === "EPIPE") done(); else { clearTimeout(timer); reject(e); } });
    s.on("connect", async () => {
      for (const c of chunks) {
        if (s.destroyed) return;
        s.write(c);
        if (gap) await delay(gap);
      }
      if (halfClose) s.end();
    });
  });
}

function show(x) {
  const s = Buffer.isBuffer(x) ? x.toString("latin1") : JSON.stringify(x);
  return s === undefined ? "" : s.slice(0, 600);
}

function psql(text) {
  execFileSync("psql", ["-XqAt", "-v", "ON_ERROR_STOP=1", "-c", text, POSTGRES]);
}

/** A server: our own process, or one that is already up. */
export class Server {
  constructor() { this.stderr = ""; this.stopping = false; }

  /** `edit(config)` may change the parsed configuration before the first start; `env` goes into the environment. */
  static async create({ config = {}, edit = null, dir = null, env = {}, serverName = SERVER_NAME } = {}) {
    const s = new Server();
    s.env = env;
    s.serverName = serverName;
    if (EXTERNAL) {
      s.base = EXTERNAL.replace(/\/$/, "");
      s.port = Number(new URL(EXTERNAL).port);
      s.secret = process.env.INGOT_SHARED_SECRET ?? "test-secret";
      return s;
    }
    s.dir = dir ?? fs.mkdtempSync(path.join(os.tmpdir(), "ingot-test-"));
    s.configFile = path.join(s.dir, "ingot.yaml");
    s.secret = "test-secret";
    await s.init();
    s.port = await freePort();
    s.base = `http://127.0.0.1:${s.port}`;
    s.editConfig(c => {
      c.listeners = [{ bind: "127.0.0.1", port: s.port, serve: ["client", "federation", "media", "admin", "metrics", "web"] }];
      c.public_url = s.base;
      c.registration = { mode: "open", shared_secret: s.secret };
      c.rate_limits = { enabled: false };
      c.presence = "full";
      if (POSTGRES) c.database = { engine: "postgresql", url: s.makeDatabase() };
      c.password = { hash_memory: "64K", hash_operations: 1 }; // the tests make hundreds of accounts
      merge(c, config);
      edit?.(c, s);
    });
    try {
      await s.start();
    } catch (e) {
      s.process?.kill("SIGKILL");
      throw e;
    }
    return s;
  }

  async init() {
    const r = await this.command(["init", "--server-name", this.serverName, "--data-dir", this.dir, "--config", this.configFile]);
    assert.equal(r.status, 0, `ingot init failed: ${r.stderr}${r.stdout}`);
  }

  makeDatabase() {
    this.database = unique("api");
    psql(`CREATE DATABASE ${this.database}`);
    return this.databaseUrl();
  }
  databaseUrl() { return Object.assign(new URL(POSTGRES), { pathname: `/${this.database}` }).href; }

  editConfig(change) {
    const c = YAML.parse(fs.readFileSync(this.configFile, "utf8")) ?? {};
    change(c);
    fs.writeFileSync(this.configFile, YAML.stringify(c), { mode: 0o600 });
  }

  /** Runs `ingot …` to its end; a sanitizer report in it is a failure. */
  command(args, { input = null, bin = BIN } = {}) {
    return new Promise((resolve, reject) => {
      const p = spawn(bin, args, { stdio: ["pipe", "pipe", "pipe"], env: childEnv() });
      let stdout = "", stderr = "";
      p.stdout.on("data", d => { stdout += d; });
      p.stderr.on("data", d => { stderr += d; });
      p.on("error", reject);
      p.on("close", status => { try { assertClean(stderr); resolve({ status, stdout, stderr }); } catch (e) { reject(e); } });
      p.stdin.on("error", () => {});
      p.stdin.end(input ?? "");
    });
  }

  /** Starts the process and returns when it answers. */
  async start({ prefix = [], probe = 25 } = {}) {
    this.stderr = "";
    this.stopping = false;
    const argv = [...prefix, BIN, "serve", "--config", this.configFile];
    this.process = spawn(argv[0], argv.slice(1), { stdio: ["ignore", "pipe", "pipe"], env: { ...childEnv(), ...this.env } });
    const p = this.process;
    p.exited = new Promise(resolve => p.on("close", (code, signal) => resolve({ code, signal })));
    const keep = d => { this.stderr += d; if (process.env.INGOT_LOG) process.stderr.write(d); };
    p.stdout.on("data", keep);
    p.stderr.on("data", keep);
    await eventually("the server answers", async () => {
      if (p.exitCode !== null || p.signalCode !== null) assert.fail(`server ended at start: ${this.stderr.slice(-4000)}`);
      try { return (await exchange(this.base, "GET", "/_matrix/client/versions")).status === 200; } catch { return false; }
    }, PATIENCE, probe);
  }

  /** SIGTERM; the server must end by itself with status 0 and without a sanitizer report. */
  async stop() {
    if (!this.process || this.stopping) return;
    this.stopping = true;
    this.process.kill("SIGTERM");
    const limit = setTimeout(() => this.process.kill("SIGABRT"), PATIENCE);
    const { code, signal } = await this.process.exited;
    clearTimeout(limit);
    this.process = null;
    assertClean(this.stderr);
    assert.equal(signal, null, `server died of ${signal}: ${this.stderr.slice(-4000)}`);
    assert.equal(code, 0, `exit status ${code}: ${this.stderr.slice(-4000)}`);
  }

  async kill9() {
    this.stopping = true;
    this.process.kill("SIGKILL");
    await this.process.exited;
    this.process = null;
    assertClean(this.stderr);
  }

  async restart() { await this.stop(); await this.start(); }

  /** Stops and forgets everything. */
  async remove() {
    try {
      await this.stop();
    } finally {
      if (this.dir) fs.rmSync(this.dir, { recursive: true, force: true });
      if (this.database) psql(`DROP DATABASE IF EXISTS ${this.database} WITH (FORCE)`);
    }
  }

  /** The plain exchange; with `expect` (a status) anything else is a failure. */
  async req(method, target, o = {}) {
    const full = target.startsWith("/_") || target === "/" || target.startsWith("/.") || target.startsWith("/metrics") ? target : CLIENT + target;
    const r = await exchange(this.base, method, full, o);
    if (o.expect) assert.equal(r.status, o.expect, `${method} ${full} ${show(o.body)} -> ${r.status} ${show(r.body ?? r.raw)}`);
    return r;
  }

  /** Sends what must be refused, checks status, errcode and that there is a sentence for people. */
  async fails(status, errcode, method, target, o = {}) {
    const r = await this.req(method, target, { ...o, expect: status });
    assert.ok(r.body && typeof r.body === "object", `error without JSON: ${method} ${target} ${show(r.raw)}`);
    assert.equal(r.body.errcode, errcode, `${method} ${target} ${show(o.body)} -> ${show(r.body)}`);
    assert.equal(typeof r.body.error, "string");
    return r.body;
  }

  /** Registers through the shared secret, which works in every registration mode. */
  async registerShared(name, password, { admin = false, displayname } = {}) {
    const p = "/_synapse/admin/v1/register";
    const { nonce } = (await this.req("GET", p, { expect: 200 })).body;
    const mac = crypto.createHmac("sha1", this.secret).update([nonce, name, password, admin ? "admin" : "notadmin"].join("\0")).digest("hex");
    return (await this.req("POST", p, { body: { nonce, username: name, password, admin, mac, displayname }, expect: 200 })).body;
  }

  /** A new person with a unique name, signed in. */
  async user(prefix = "user", o = {}) {
    const name = o.name ?? unique(prefix);
    const password = o.password ?? `pw-${name}`;
    const r = await this.registerShared(name, password, o);
    return new User(this, { id: r.user_id, name, password, token: r.access_token, device: r.device_id });
  }

  async users(...prefixes) { return Promise.all(prefixes.map(p => this.user(p))); }

  async login(user, password, extra = {}) {
    const r = await this.req("POST", "/login", { body: { type: "m.login.password", identifier: { type: "m.id.user", user }, password, ...extra }, expect: 200 });
    return new User(this, { id: r.body.user_id, name: user, password, token: r.body.access_token, device: r.body.device_id, refresh: r.body.refresh_token });
  }
}

/** One signed-in device of one person. */
export class User {
  constructor(server, fields) { this.server = server; Object.assign(this, fields); this.txn = 0; }

  /** Another device of the same person. */
  async another(extra = {}) { return this.server.login(this.name, this.password, extra); }

  async call(method, target, body, expect = 200) { return (await this.server.req(method, target, { token: this.token, body, expect })).body; }
  get(target, expect) { return this.call("GET", target, undefined, expect); }
  post(target, body = {}, expect = 200) { return this.call("POST", target, body, expect); }
  put(target, body = {}, expect = 200) { return this.call("PUT", target, body, expect); }
  del(target, body = undefined, expect = 200) { return this.call("DELETE", target, body, expect); }
  fails(status, errcode, method, target, body) { return this.server.fails(status, errcode, method, target, { token: this.token, body }); }

  /** Runs a call through password UIA: refused first, then with the session and the password. */
  async withPassword(method, target, body) {
    const r = await this.server.req(method, target, { token: this.token, body });
    if (r.status !== 401) { assert.equal(r.status, 200, `${method} ${target} -> ${show(r.body)}`); return r.body; }
    assert.ok(r.body.flows.some(f => f.stages.length === 1 && f.stages[0] === "m.login.password"), show(r.body));
    return this.call(method, target, { ...body, auth: this.passwordAuth(r.body.session) });
  }
  passwordAuth(session) { return { type: "m.login.password", identifier: { type: "m.id.user", user: this.id }, password: this.password, session }; }

  // ---- rooms
  async createRoom(o = {}) { return (await this.post("/createRoom", o)).room_id; }
  join(room, body = {}) { return this.post(`/join/${E(room)}`, body); }
  leave(room, body = {}) { return this.post(`/rooms/${E(room)}/leave`, body); }
  invite(room, who, extra = {}) { return this.post(`/rooms/${E(room)}/invite`, { user_id: who.id ?? who, ...extra }); }
  kick(room, who, extra = {}) { return this.post(`/rooms/${E(room)}/kick`, { user_id: who.id ?? who, ...extra }); }
  ban(room, who, extra = {}) { return this.post(`/rooms/${E(room)}/ban`, { user_id: who.id ?? who, ...extra }); }
  unban(room, who, extra = {}) { return this.post(`/rooms/${E(room)}/unban`, { user_id: who.id ?? who, ...extra }); }
  nextTxn() { return `t${this.device}.${this.txn++}`; }
  async event(room, type, content, txn = this.nextTxn()) { return (await this.put(`/rooms/${E(room)}/send/${E(type)}/${E(txn)}`, content)).event_id; }
  say(room, body, extra = {}) { return this.event(room, "m.room.message", { msgtype: "m.text", body, ...extra }); }
  /** A new display name, and the rooms have it: it goes into them after the answer. */
  async rename(displayname, ...rooms) {
    await this.put(`/profile/${E(this.id)}/displayname`, { displayname });
    for (const room of rooms) {
      await eventually(`${room} has the new name`, async () => (await this.getState(room, "m.room.member", this.id)).displayname === displayname);
    }
  }
  async setState(room, type, key, content) { return (await this.put(`/rooms/${E(room)}/state/${E(type)}/${E(key)}`, content)).event_id; }
  getState(room, type, key = "") { return this.get(`/rooms/${E(room)}/state/${E(type)}/${E(key)}`); }
  async redact(room, event, body = {}) { return (await this.put(`/rooms/${E(room)}/redact/${E(event)}/${this.nextTxn()}`, body)).event_id; }
  getEvent(room, event, expect = 200) { return this.get(`/rooms/${E(room)}/event/${E(event)}`, expect); }
  messages(room, q = {}) { return this.get(`/rooms/${E(room)}/messages?${new URLSearchParams({ dir: "b", limit: "50", ...q })}`); }
  receipt(room, event, type = "m.read", body = {}) { return this.post(`/rooms/${E(room)}/receipt/${E(type)}/${E(event)}`, body); }
  typing(room, on, timeout = 30000) { return this.put(`/rooms/${E(room)}/typing/${E(this.id)}`, on ? { typing: true, timeout } : { typing: false }); }

  // ---- account
  setAccountData(type, content) { return this.put(`/user/${E(this.id)}/account_data/${E(type)}`, content); }
  setRoomAccountData(room, type, content) { return this.put(`/user/${E(this.id)}/rooms/${E(room)}/account_data/${E(type)}`, content); }
  async addFilter(filter) { return (await this.post(`/user/${E(this.id)}/filter`, filter)).filter_id; }

  // ---- sync
  sync(o = {}) {
    const q = { timeout: "0", set_presence: "offline", ...o };
    for (const k of Object.keys(q)) { if (q[k] === undefined) delete q[k]; else if (typeof q[k] === "object") q[k] = JSON.stringify(q[k]); }
    return this.get(`/sync?${new URLSearchParams(q)}`);
  }
  /** An initial sync, and from there on a stream to wait on. */
  async stream(o = {}) { const s = new Stream(this, o); await s.next(); return s; }
}

/** A sync loop that keeps its token. */
export class Stream {
  constructor(user, options) { this.user = user; this.options = options; this.since = undefined; this.last = null; }
  async next(timeout = 0) {
    this.last = await this.user.sync({ ...this.options, since: this.since, timeout: String(timeout) });
    this.since = this.last.next_batch;
    return this.last;
  }
  /** Long-polls until `wanted(response)` is truthy; returns that value. `seen` collects every response on the way. */
  async until(what, wanted, seen = []) {
    const end = Date.now() + PATIENCE;
    while (Date.now() < end) {
      const r = await this.next(Math.min(2000, Math.max(1, end - Date.now())));
      seen.push(r);
      const value = wanted(r);
      if (value) return value;
    }
    assert.fail(`never seen in /sync: ${what}; last response ${show(this.last)}`);
  }
  /** Waits for an event in a room's timeline. */
  event(room, eventId, seen) {
    return this.until(`event ${eventId}`, r => r.rooms?.join?.[room]?.timeline?.events.find(e => e.event_id === eventId), seen);
  }
}

// ---- looking into sync responses
export const timeline = (r, room, where = "join") => r.rooms?.[where]?.[room]?.timeline?.events ?? [];
export const stateOf = (r, room, where = "join") => r.rooms?.[where]?.[room]?.state?.events ?? [];
export const ephemeral = (r, room, type) => r.rooms?.join?.[room]?.ephemeral?.events?.find(e => e.type === type)?.content;
export const accountData = (r, type) => r.account_data?.events?.find(e => e.type === type)?.content;
export const roomAccountData = (r, room, type) => r.rooms?.join?.[room]?.account_data?.events?.find(e => e.type === type)?.content;
export const find = (events, type, key) => events.find(e => e.type === type && (key === undefined || e.state_key === key));

/** A server for one test file. */
export function useServer(options = {}) {
  const proxy = new Server();
  before(async () => {
    const s = await Server.create(options);
    Object.assign(proxy, s);
    // What the process says goes on arriving at the server that started it.
    Object.defineProperty(proxy, "stderr", { get: () => s.stderr, set: text => { s.stderr = text; } });
  });
  after(async () => { await proxy.remove(); });
  return proxy;
}

/** For tests that watch memory: the address sanitizer would keep what was freed for a while. */
export const THRIFTY = { env: { ASAN_OPTIONS: "quarantine_size_mb=1:thread_local_quarantine_size_kb=64:detect_leaks=1" } };

/** Runs `body` with a server of its own (other configuration, restarts). */
export async function withServer(options, body) {
  const s = await Server.create(options);
  try { await body(s); } finally { await s.remove(); }
}

function childEnv() {
  return { ...process.env, ASAN_OPTIONS: "abort_on_error=0:detect_leaks=1:" + (process.env.ASAN_OPTIONS ?? ""), UBSAN_OPTIONS: "print_stacktrace=1:" + (process.env.UBSAN_OPTIONS ?? "") };
}

export function assertClean(stderr) {
  const m = /ERROR: (Address|Leak|Thread|Memory)Sanitizer|WARNING: ThreadSanitizer|runtime error:/.exec(stderr);
  if (m) assert.fail(`sanitizer report:\n${stderr.slice(Math.max(0, m.index - 200), m.index + 6000)}`);
}

function merge(into, from) {
  for (const [k, v] of Object.entries(from)) {
    if (v && typeof v === "object" && !Array.isArray(v) && into[k] && typeof into[k] === "object" && !Array.isArray(into[k])) merge(into[k], v);
    else into[k] = v;
  }
}

// ---- small pictures, made here so that the tests carry no binary files

/** A PNG of w×h pixels in one colour gradient. */
export function png(w, h, seed = 1) {
  const chunk = (type, data) => {
    const b = Buffer.alloc(12 + data.length);
    b.writeUInt32BE(data.length, 0);
    b.write(type, 4, "latin1");
    data.copy(b, 8);
    b.writeUInt32BE(zlib.crc32 ? zlib.crc32(b.subarray(4, 8 + data.length)) : crc32(b.subarray(4, 8 + data.length)), 8 + data.length);
    return b;
  };
  const head = Buffer.alloc(13);
  head.writeUInt32BE(w, 0); head.writeUInt32BE(h, 4); head[8] = 8; head[9] = 2;
  const px = Buffer.alloc((w * 3 + 1) * h);
  for (let y = 0; y < h; y++) for (let x = 0; x < w; x++) px.set([(x * 255 / w) & 255, (y * 255 / h) & 255, (seed * 40) & 255], y * (w * 3 + 1) + 1 + x * 3);
  return Buffer.concat([Buffer.from("89504e470d0a1a0a", "hex"), chunk("IHDR", head), chunk("IDAT", zlib.deflateSync(px)), chunk("IEND", Buffer.alloc(0))]);
}
function crc32(buf) {
  let c = -1;
  for (const b of buf) { c ^= b; for (let k = 0; k < 8; k++) c = c & 1 ? (c >>> 1) ^ 0xedb88320 : c >>> 1; }
  return (c ^ -1) >>> 0;
}
/** Width and height of a PNG, JPEG or WebP answer. */
export function pictureSize(b) {
  if (b.readUInt32BE(0) === 0x89504e47) return [b.readUInt32BE(16), b.readUInt32BE(20)];
  if (b.readUInt16BE(0) === 0xffd8) {
    for (let i = 2; i < b.length;) {
      const marker = b[i + 1];
      if (marker >= 0xc0 && marker <= 0xcf && ![0xc4, 0xc8, 0xcc].includes(marker)) return [b.readUInt16BE(i + 7), b.readUInt16BE(i + 5)];
      i += 2 + b.readUInt16BE(i + 2);
    }
  }
  if (b.toString("latin1", 0, 4) === "RIFF") {
    const kind = b.toString("latin1", 12, 16);
    if (kind === "VP8 ") return [b.readUInt16LE(26) & 0x3fff, b.readUInt16LE(28) & 0x3fff];
    if (kind === "VP8L") { const n = b.readUInt32LE(21); return [(n & 0x3fff) + 1, ((n >> 14) & 0x3fff) + 1]; }
    if (kind === "VP8X") return [(b.readUIntLE(24, 3)) + 1, b.readUIntLE(27, 3) + 1];
  }
  return null;
}
