// SPDX-License-Identifier: Apache-2.0
// What can happen to PostgreSQL while the server writes: whatever was acknowledged is there, whatever was refused is not,
// and the server comes back by itself. This file starts a PostgreSQL of its own, since it breaks it.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import crypto from "node:crypto";
import fs from "node:fs";
import net from "node:net";
import os from "node:os";
import path from "node:path";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { E, EXTERNAL, Server, eventually, freePort } from "../api/harness.mjs";

const SCRIPT = path.join(path.dirname(fileURLToPath(import.meta.url)), "../support/postgres.sh");
const OPTIONS = EXTERNAL ? { skip: "needs a server of its own" } : { timeout: 5 * 60000 };
const WRITERS = 8;
const nap = ms => new Promise(resolve => setTimeout(resolve, ms));
let folder, url, counter = 0;

const postgres = verb => execFileSync(SCRIPT, [verb, folder], { encoding: "utf8", stdio: ["ignore", "pipe", "inherit"] }).trim();
const sql = (text, db = url) => execFileSync("psql", ["-XqAt", "-v", "ON_ERROR_STOP=1", "-c", text, db], { encoding: "utf8" }).trim();

before(() => {
  if (EXTERNAL) return;
  folder = fs.mkdtempSync(path.join(os.tmpdir(), "ingot-pg-crash-"));
  url = postgres("start");
});
after(() => { if (folder) postgres("stop"); });

function makeDatabase() {
  const name = `crash${counter++}`;
  sql(`CREATE DATABASE ${name}`);
  return { name, url: Object.assign(new URL(url), { pathname: `/${name}` }).href };
}

/** A server on a database of its own, with somebody in a room; `change(url)` may make another URL of it. */
async function setup(change = u => u) {
  const db = makeDatabase();
  const s = await Server.create({ edit: c => { c.database = { engine: "postgresql", url: change(db.url, db) }; } });
  const alice = await s.user("alice");
  const room = await alice.createRoom();
  return { s, db, alice, room };
}

/** Sends from several sides until `end()`; what was acknowledged, and what was refused. */
class Load {
  constructor({ s, alice, room }, writers = WRITERS) {
    Object.assign(this, { s, alice, room, acknowledged: new Map(), refused: [], reports: new Set(), up: true });
    this.work = Array.from({ length: writers }, () => this.write());
  }
  send(body) {
    return this.s.req("PUT", `/rooms/${E(this.room)}/send/m.room.message/${body}`, { token: this.alice.token, body: { msgtype: "m.text", body } });
  }
  async write() {
    while (this.up) {
      const body = crypto.randomUUID();
      const r = await this.send(body);
      if (r.status === 200) this.acknowledged.set(body, r.body.event_id);
      else { this.refused.push({ ...r, sent: body }); await nap(20); }
      await this.report();
    }
  }
  /** Nothing in a report says that it was made before, so one that is written twice is there twice. */
  async report() {
    const reason = crypto.randomUUID();
    const r = await this.s.req("POST", `/rooms/${E(this.room)}/report`, { token: this.alice.token, body: { reason } });
    if (r.status === 200) this.reports.add(reason);
  }
  /** Until so many more are acknowledged. */
  async progress(n = 30) {
    const want = this.acknowledged.size + n;
    await eventually(`${n} more messages are stored`, () => this.acknowledged.size >= want, 60000);
  }
  async end() { this.up = false; await Promise.all(this.work); }
}

/* Each worker notices once that its connection has ended, and its client is told to come again. */
async function readPage({ s, alice, room }, from) {
  const target = `/rooms/${E(room)}/messages?dir=b&limit=500${from ? `&from=${E(from)}` : ""}`;
  return eventually("a page of the history is read", async () => {
    const r = await s.req("GET", target, { token: alice.token });
    return r.status === 200 && r.body;
  });
}

async function history(scene) {
  const seen = new Map();
  let from;
  do {
    const page = await readPage(scene, from);
    for (const e of page.chunk.filter(x => x.type === "m.room.message")) {
      assert.equal(seen.has(e.content.body), false, "a message is there twice");
      seen.set(e.content.body, e.event_id);
    }
    from = page.end;
  } while (from);
  return seen;
}

/** Acknowledged: there, once. Refused: with a reason and a time to come again, and not there; sent again, there once. */
async function check(scene, load) {
  await load.end();
  let seen = await history(scene);
  for (const [body, id] of load.acknowledged) assert.equal(seen.get(body), id, "an acknowledged message is gone");
  for (const r of load.refused) {
    assert.equal(r.status, 503, `${r.status} ${r.raw}`);
    assert.equal(typeof r.body.errcode, "string");
    assert.match(r.body.error, /\w+ \w+/);
    assert.match(r.headers["retry-after"], /^[1-9][0-9]*$/);
    assert.equal(seen.has(r.sent), false, "a refused message was stored");
  }
  for (const r of load.refused.slice(0, 20)) assert.equal((await load.send(r.sent)).status, 200);
  for (const r of load.refused.slice(0, 20)) assert.equal((await load.send(r.sent)).status, 200, "the same transaction again");
  seen = await history(scene);
  assert.equal(seen.size, load.acknowledged.size + Math.min(20, load.refused.length));
  const reports = sql("SELECT reason FROM reports", scene.db.url).split("\n").filter(Boolean);
  assert.equal(reports.length, load.reports.size, "a report is there twice, was lost, or was refused and is there");
  for (const reason of reports) assert.ok(load.reports.has(reason));
  const found = await scene.s.command(["db", "check", "--json", "--config", scene.s.configFile]);
  assert.equal(found.status, 0, found.stdout + found.stderr);
}

/** Runs `harm` under load, then looks for what must be there. */
async function survives(harm, { change, writers, rounds = 1 } = {}) {
  const scene = await setup(change);
  const load = new Load(scene, writers);
  try {
    for (let i = 0; i < rounds; i++) {
      await load.progress();
      await harm(scene, load);
      await load.progress();
    }
    await check(scene, load);
    return load;
  } finally {
    load.up = false; // lest its refusals hide what failed
    await Promise.allSettled(load.work);
    await scene.s.remove();
  }
}

const backends = db => `SELECT %s FROM pg_stat_activity WHERE datname = '${db.name}'`;

test("connections that are ended under load", OPTIONS, async () => {
  await survives(({ db }) => { sql(backends(db).replace("%s", "pg_terminate_backend(pid)")); }, { rounds: 15 });
});

test("statements that are cancelled under load", OPTIONS, async () => {
  await survives(async ({ db }) => {
    for (let i = 0; i < 40; i++) sql(backends(db).replace("%s", "pg_cancel_backend(pid)"));
  }, { rounds: 3 });
});

test("a backend that is killed takes PostgreSQL down for a moment", OPTIONS, async () => {
  await survives(({ db }) => {
    const pid = Number(sql(backends(db).replace("%s", "max(pid)")));
    try { process.kill(pid, "SIGKILL"); } catch (e) { if (e.code !== "EPERM") throw e; sql(backends(db).replace("%s", "pg_terminate_backend(pid)")); }
  }, { rounds: 3 });
});

test("PostgreSQL that crashes and is started again", OPTIONS, async () => {
  const load = await survives(async () => { postgres("crash"); await nap(500); postgres("resume"); }, { rounds: 3 });
  assert.ok(load.refused.length, "nobody was told to come again");
});

test("a database that is away for a while", OPTIONS, async () => {
  const load = await survives(async (scene, l) => {
    postgres("crash");
    await eventually("writers are refused", () => l.refused.length > 10);
    const r = await scene.s.req("GET", "/account/whoami", { token: "none such" });
    assert.equal(r.status, 503, "reading is refused too, not answered wrongly");
    await nap(Number(process.env.PG_AWAY_MS ?? 15000));
    assert.equal((await scene.s.req("GET", "/_matrix/client/versions")).status, 200, "what needs no database is answered");
    postgres("resume");
  });
  assert.ok(load.refused.length);
});

test("a database that may not be written to", OPTIONS, async () => {
  await survives(async (scene, load) => {
    const { db } = scene;
    const restart = () => sql(backends(db).replace("%s", "pg_terminate_backend(pid)"));
    sql(`ALTER DATABASE ${db.name} SET default_transaction_read_only = on`);
    restart();
    const n = load.refused.length;
    await eventually("writers are refused", () => load.refused.length > n + 10);
    await history(scene); // reading goes on
    sql(`ALTER DATABASE ${db.name} SET default_transaction_read_only = off`);
    restart();
  });
});

test("no more connections than the server may have", OPTIONS, async () => {
  sql("CREATE ROLE few LOGIN");
  const owned = (u, db) => { sql(`ALTER DATABASE ${db.name} OWNER TO few`); return Object.assign(new URL(u), { username: "few" }).href; };
  const { s, db } = await setup(owned);
  const ask = () => Promise.all(Array.from({ length: 64 }, () => s.req("GET", "/account/whoami", { token: crypto.randomUUID() })));
  try {
    sql("ALTER ROLE few CONNECTION LIMIT 2");
    sql(backends(db).replace("%s", "pg_terminate_backend(pid)"));
    const refused = await eventually("more threads read than there are connections", async () => {
      const answers = await ask();
      for (const r of answers) assert.ok([401, 503].includes(r.status), `${r.status}`);
      return answers.find(r => r.status === 503);
    });
    assert.ok(refused.headers["retry-after"]);
    sql("ALTER ROLE few CONNECTION LIMIT 100");
    await eventually("all are served", async () => (await ask()).every(r => r.status === 401));
  } finally {
    await s.remove();
  }
});

/** Between server and PostgreSQL: cuts the connection on which COMMIT comes, before or after it is passed on. */
class Cutter {
  constructor(target) { Object.assign(this, { target: Number(target), mode: null, cuts: 0, open: true }); }
  async listen() {
    this.port = await freePort();
    this.server = net.createServer(s => this.pair(s)).listen(this.port, "127.0.0.1");
    return this;
  }
  pair(near) {
    if (!this.open) { near.destroy(); return; }
    const far = net.connect(this.target, "127.0.0.1");
    const end = () => { near.destroy(); far.destroy(); };
    let isLost = false;
    near.on("error", end).on("close", end).on("data", d => {
      const cut = this.mode && d.includes("COMMIT\0") ? this.mode : null;
      if (!cut) { far.write(d); return; }
      isLost = true;
      this.mode = null;
      this.cuts++;
      if (cut === "before") end();
      else far.write(d);
    });
    // Its answer is swallowed, so COMMIT has been done when the connection breaks.
    far.on("error", end).on("close", end).on("data", d => { if (isLost) end(); else near.write(d); });
  }
  close() { this.server.close(); this.server.closeAllConnections?.(); }
}

for (const mode of ["before", "after"]) {
  test(`a connection that breaks just ${mode} COMMIT: nothing is refused, lost or done twice`, OPTIONS, async () => {
    const cutter = await new Cutter(new URL(url).port).listen();
    try {
      const load = await survives(async (scene, l) => {
        const before = cutter.cuts;
        cutter.mode = mode;
        await eventually("a COMMIT was cut", () => cutter.cuts > before);
        await l.progress();
      }, { change: u => Object.assign(new URL(u), { port: cutter.port }).href, rounds: 10 });
      assert.equal(cutter.cuts, 10);
      assert.equal(load.refused.length, 0, "what is stored, or can be stored again, is not refused");
    } finally {
      cutter.close();
    }
  });
}

test("a COMMIT whose answer stays away while the database is away is told when it is back", OPTIONS, async () => {
  const cutter = await new Cutter(new URL(url).port).listen();
  try {
    await survives(async scene => {
      cutter.mode = "after";
      cutter.open = false;
      await eventually("a COMMIT was cut", () => cutter.cuts > 0);
      // The room waits with its message; what has nothing to do with it is refused.
      await eventually("others are refused meanwhile", async () =>
        (await scene.s.req("PUT", `/user/${E(scene.alice.id)}/account_data/org.example`, { token: scene.alice.token, body: {} })).status === 503);
      cutter.open = true;
    }, { writers: 2, change: u => Object.assign(new URL(u), { port: cutter.port }).href });
  } finally {
    cutter.close();
  }
});
