// SPDX-License-Identifier: Apache-2.0
// No room on the disk, no right to write: clear errors, nothing acknowledged that is not stored, recovery in place.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import crypto from "node:crypto";
import fs from "node:fs";
import http from "node:http";
import os from "node:os";
import path from "node:path";
import test from "node:test";
import { BIN, E, EXTERNAL, Server, eventually, png } from "../api/harness.mjs";

const OWN = EXTERNAL ? { skip: "needs a server of its own" } : {};
const run = (...argv) => execFileSync(argv[0], argv.slice(1), { stdio: "pipe" });

/** A directory on a file system of `size`, or null where mounting is not allowed. */
function smallDisk(size) {
  const dir = fs.mkdtempSync(path.join(os.tmpdir(), "ingot-disk-"));
  try {
    run("mount", "-t", "tmpfs", "-o", `size=${size}`, "tmpfs", dir);
    return { dir, release: () => { run("umount", "-l", dir); fs.rmdirSync(dir); } };
  } catch {
    fs.rmdirSync(dir);
    process.stderr.write("\n*** SKIPPED: no right to mount a small tmpfs; the full-disk test did not run ***\n\n");
    return null;
  }
}

/** Fills the file system to the last byte; the returned function makes room again. */
function fill(dir) {
  const file = path.join(dir, "ballast");
  const fd = fs.openSync(file, "w");
  for (let chunk = 1 << 20; chunk >= 1;) {
    try { if (fs.writeSync(fd, Buffer.alloc(chunk)) < chunk) throw new Error("short"); } catch { chunk >>= 1; }
  }
  fs.closeSync(fd);
  return () => fs.rmSync(file);
}

/** Sends until the server refuses; returns what was acknowledged and the refusals. */
async function sendUntilRefused(user, room, { tries = 2000 } = {}) {
  const acknowledged = new Map(), refused = [];
  for (let i = 0; i < tries && refused.length < 5; i++) {
    const body = crypto.randomUUID();
    const r = await user.server.req("PUT", `/rooms/${E(room)}/send/m.room.message/${body}`, { token: user.token, body: { msgtype: "m.text", body, pad: "x".repeat(20000) } });
    if (r.status === 200) acknowledged.set(r.body.event_id, body);
    else refused.push({ ...r, sent: body });
  }
  return { acknowledged, refused };
}

async function checkRefusals(refused) {
  assert.ok(refused.length, "the server never refused");
  for (const r of refused) {
    assert.ok(r.status >= 500 && r.status < 600, `${r.status} ${r.raw}`);
    assert.equal(typeof r.body.errcode, "string");
    assert.match(r.body.error, /\w+ \w+/, "a sentence for people");
  }
}

async function checkHistory(user, room, acknowledged, refused) {
  const bodies = new Set();
  let from;
  do {
    const page = await user.messages(room, { limit: 200, ...(from && { from }) });
    for (const e of page.chunk) bodies.add(e.content.body);
    from = page.end;
  } while (from);
  for (const body of acknowledged.values()) assert.ok(bodies.has(body), "an acknowledged message is gone");
  for (const r of refused) assert.equal(bodies.has(r.sent), false, "a refused message was stored");
}

test("a full disk: refusals, reading goes on, recovery without a restart", OWN, async t => {
  const disk = smallDisk("64m");
  if (!disk) { t.skip("no right to mount"); return; }
  let s;
  try {
    s = await Server.create({ dir: disk.dir });
    const alice = await s.user("alice");
    const room = await alice.createRoom();
    const kept = await alice.say(room, "before the disk was full");
    const makeRoom = fill(disk.dir);
    const { acknowledged, refused } = await sendUntilRefused(alice, room);
    await checkRefusals(refused);
    assert.equal((await alice.getEvent(room, kept)).content.body, "before the disk was full");
    const up = await s.req("POST", "/_matrix/media/v3/upload", { token: alice.token, body: crypto.randomBytes(2 << 20), type: "image/png" });
    assert.ok(up.status >= 500, `upload on a full disk: ${up.status}`);
    for (const [method, target, body] of [["POST", "/createRoom", {}], ["PUT", `/user/${E(alice.id)}/account_data/org.example`, { pad: "x".repeat(60000) }]]) {
      const r = await s.req(method, target, { token: alice.token, body });
      assert.ok(r.status === 200 || (r.status >= 500 && r.body?.errcode), `${target}: ${r.status}`);
    }
    makeRoom();
    await eventually("writing works again", async () => (await s.req("PUT", `/rooms/${E(room)}/send/m.room.message/again`, { token: alice.token, body: { msgtype: "m.text", body: "again" } })).status === 200);
    await checkHistory(alice, room, acknowledged, refused);
    await s.req("POST", "/_matrix/media/v3/upload", { token: alice.token, body: crypto.randomBytes(1 << 20), type: "image/png", expect: 200 });
    await s.restart();
    await checkHistory(alice, room, acknowledged, refused);
  } finally {
    try { await s?.stop(); } finally { disk.release(); }
  }
});

test("files that may not grow: refusals, recovery without a restart", OWN, async t => {
  try { run("prlimit", "--version"); } catch { t.skip("no prlimit"); return; }
  const s = await Server.create();
  try {
    const alice = await s.user("alice");
    const room = await alice.createRoom();
    await alice.say(room, "before");
    const limit = n => run("prlimit", "--pid", String(s.process.pid), `--fsize=${n}:`);
    limit(1024);
    const { acknowledged, refused } = await sendUntilRefused(alice, room);
    await checkRefusals(refused);
    await alice.sync();
    limit("unlimited");
    await eventually("writing works again", async () => (await s.req("PUT", `/rooms/${E(room)}/send/m.room.message/again`, { token: alice.token, body: { msgtype: "m.text", body: "again" } })).status === 200);
    await checkHistory(alice, room, acknowledged, refused);
  } finally {
    await s.remove();
  }
});

test("a read-only data directory: the server says so and does not start", OWN, async t => {
  const disk = smallDisk("64m");
  if (!disk) { t.skip("no right to mount"); return; }
  try {
    const s = await Server.create({ dir: disk.dir });
    await s.user("alice");
    await s.stop();
    run("mount", "-o", "remount,ro", disk.dir);
    const r = await s.command(["serve", "--config", s.configFile]);
    assert.equal(r.status, 1, r.stderr);
    assert.match(r.stderr + r.stdout, /read-only|permission|cannot (open|write)|not writable|unable to open/i);
    run("mount", "-o", "remount,rw", disk.dir);
    await s.start();
    await s.stop();
  } finally {
    disk.release();
  }
});

test("a read-only database file: the server says so and does not start", OWN, async t => {
  if (process.getuid() !== 0) { t.skip("needs root to become somebody without rights"); return; }
  const nobody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"];
  try { run(...nobody, BIN, "version"); } catch { t.skip("the binary cannot be run by nobody"); return; }
  const s = await Server.create();
  try {
    await s.user("alice");
    await s.stop();
    for (const f of fs.readdirSync(s.dir, { recursive: true })) fs.chmodSync(path.join(s.dir, f), fs.statSync(path.join(s.dir, f)).isDirectory() ? 0o555 : 0o444);
    fs.chmodSync(s.dir, 0o555);
    const r = await s.command([...nobody.slice(1), BIN, "serve", "--config", s.configFile], { bin: nobody[0] });
    assert.equal(r.status, 1, r.stderr);
    assert.match(r.stderr + r.stdout, /read-?only|permission|not writable|cannot|unable/i);
  } finally {
    await s.remove();
  }
});

test("a damaged database is reported, not served", OWN, async () => {
  const s = await Server.create();
  try {
    await s.user("alice");
    await s.stop();
    const files = fs.readdirSync(s.dir, { recursive: true, withFileTypes: true }).filter(f => f.isFile()).map(f => path.join(f.parentPath ?? f.path, f.name));
    const db = files.find(f => fs.readFileSync(f).subarray(0, 15).toString("latin1") === "SQLite format 3");
    assert.ok(db, "no SQLite file in the data directory");
    for (const f of files) if (f === `${db}-wal` || f === `${db}-shm`) fs.rmSync(f);
    const fd = fs.openSync(db, "r+");
    fs.writeSync(fd, crypto.randomBytes(4096), 0, 4096, 0);
    fs.closeSync(fd);
    const r = await s.command(["serve", "--config", s.configFile]);
    assert.equal(r.status, 1, r.stderr);
    assert.match(r.stderr + r.stdout, /database/i);
  } finally {
    await s.remove();
  }
});

test("a full disk while previews keep pictures: refused now, made later, nothing half-kept", OWN, async t => {
  const disk = smallDisk("64m");
  if (!disk) { t.skip("no right to mount"); return; }
  const picture = png(400, 300);
  const web = http.createServer((rq, rs) => rq.url.endsWith(".png")
    ? rs.writeHead(200, { "content-type": "image/png" }).end(picture)
    : rs.writeHead(200, { "content-type": "text/html" }).end(`<title>${rq.url}</title><meta property="og:image" content="${rq.url}.png">`));
  await new Promise(resolve => web.listen(0, "127.0.0.1", resolve));
  let s;
  try {
    s = await Server.create({ dir: disk.dir, config: { media: { previews: { enabled: true, allowed_ranges: ["127.0.0.1"], ports: [] } } } });
    const alice = await s.user("alice");
    const preview = path => s.req("GET", `/_matrix/client/v1/media/preview_url?url=${E(`http://127.0.0.1:${web.address().port}${path}`)}`, { token: alice.token });
    assert.equal((await preview("/before")).status, 200);
    const makeRoom = fill(disk.dir);
    for (const path of ["/during", "/during2"]) {
      const r = await preview(path);
      assert.ok(r.status >= 500 && r.body.errcode, `${r.status} ${r.raw}`);
    }
    assert.equal((await preview("/before")).body["og:title"], "/before", "what is there is read on");
    makeRoom();
    const later = await eventually("previews are made again", async () => { const r = await preview("/during"); return r.status === 200 && r.body; });
    const listed = JSON.parse(`[${(await s.command(["media", "list", "--class", "preview", "--json", "--config", s.configFile])).stdout.trim().split("\n").join(",")}]`);
    assert.ok(listed.some(m => m.uri === later["og:image"]));
    for (const m of listed) {
      const r = await s.req("GET", `/_matrix/client/v1/media/download/${m.uri.slice(6)}`, { token: alice.token });
      assert.ok(r.status === 200 && r.raw.equals(picture), m.uri);
    }
    const tmp = fs.readdirSync(path.join(disk.dir, "media/tmp"));
    assert.deepEqual(tmp, [], "nothing is left under way");
  } finally {
    web.closeAllConnections();
    web.close();
    try { await s?.stop(); } finally { disk.release(); }
  }
});
