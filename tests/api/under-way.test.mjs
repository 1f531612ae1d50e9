// SPDX-License-Identifier: Apache-2.0
// Bodies that come in and answers that go out (docs/threat-model.md, "what can grow"): who sends is judged first, what is
// held has a budget, what does not move is cut off, and nobody else notices.
import assert from "node:assert/strict";
import fs from "node:fs";
import net from "node:net";
import test from "node:test";
import { E, OWN_SERVER, THRIFTY, eventually, useServer, withServer } from "./harness.mjs";

const KIB = 1024, MIB = 1024 * KIB;

const config = {
  limits: { under_way: { memory: "16M", memory_per_address: "4M", memory_per_user: "4M", disk: "64M", disk_per_user: "20M" } },
};
/** All addresses are told by a proxy, so that each counts. */
const proxied = c => { c.listeners[0].trusted_proxies = ["127.0.0.1"]; };
const hs = useServer({ ...THRIFTY, config, edit: proxied });

const from = n => ({ "X-Forwarded-For": `192.0.2.${n}` });
const authorization = user => ({ Authorization: `Bearer ${user.token}` });
const residentMib = s => Number(/^VmRSS:\s*(\d+)/m.exec(fs.readFileSync(`/proc/${s.process.pid}/status`, "utf8"))[1]) / KIB;

async function metric(s, name) {
  const line = (await s.req("GET", "/metrics", { expect: 200 })).raw.toString().split("\n").find(l => l.startsWith(`${name} `));
  return Number(line?.split(" ")[1]);
}
const bytesUnderWay = (s, kind) => metric(s, `ingot_http_bytes_under_way{kind="${kind}"}`);

/** A connection on which all but the end of a body was sent. What comes back is in `text`; `closed` when it has ended. */
class Half {
  constructor(s, method, target, headers, length, sent) {
    this.text = "";
    this.closed = false;
    this.socket = net.connect({ port: s.port, host: "127.0.0.1" });
    this.socket.on("data", d => { this.text += d; }).on("error", () => {}).on("close", () => { this.closed = true; });
    this.socket.write([`${method} ${target} HTTP/1.1`, "Host: x", `Content-Length: ${length}`, ...Object.entries(headers).map(([k, v]) => `${k}: ${v}`), "", ""].join("\r\n"));
    this.whole = new Promise(resolve => this.socket.write(Buffer.alloc(sent, "x"), resolve));
  }
  get status() { return Number(this.text.split(" ")[1]); }
  end(bytes = "") { this.socket.end(bytes); }
  destroy() { this.socket.destroy(); }
}

const keys = "/_matrix/client/v3/room_keys/keys?version=1";

function assertToldToComeAgain(r, status, errcode) {
  assert.equal(r.status, status, r.raw.toString().slice(0, 300));
  assert.equal(r.body.errcode, errcode);
  assert.ok(Number(r.headers["retry-after"]) >= 1);
  assert.ok(r.body.retry_after_ms >= 1000);
}

test("half-sent bodies of people without a token hold no memory", OWN_SERVER, async () => {
  const before = residentMib(hs);
  const held = Array.from({ length: 12 }, (_, i) => new Half(hs, "PUT", keys, from(i), 16 * MIB, 16 * MIB - 100));
  await Promise.all(held.map(h => h.whole));
  await eventually("all are refused", async () => await metric(hs, 'ingot_http_requests_total{method="PUT",route="/_matrix/client/v3/room_keys/keys",code="4xx"}') >= held.length);
  assert.equal(await bytesUnderWay(hs, "memory"), 0);
  assert.ok(residentMib(hs) - before < 32, `${before} MiB, then ${residentMib(hs)}`);
  for (const h of held) h.destroy();
});

test("a large body with a bad token is told so, and the connection goes on", OWN_SERVER, async () => {
  const body = Buffer.alloc(MIB, "x");
  await hs.fails(401, "M_MISSING_TOKEN", "PUT", keys, { body });
  await hs.fails(401, "M_UNKNOWN_TOKEN", "PUT", keys, { body, token: "syt_never" });
});

test("who is signed out while their body is on its way is not served", OWN_SERVER, async () => {
  const alice = await hs.user("alice");
  const half = new Half(hs, "PUT", `/_matrix/client/v3/user/${E(alice.id)}/account_data/x`, { ...authorization(alice), Connection: "close" }, 200 * KIB, 100 * KIB);
  await eventually("it is on its way", async () => await bytesUnderWay(hs, "memory") >= 100 * KIB);
  await alice.post("/logout");
  half.socket.write(Buffer.alloc(100 * KIB, "x"));
  await eventually("an answer", () => half.closed);
  assert.equal(half.status, 401);
});

test("one user's bodies have a budget, and nobody else's are refused", OWN_SERVER, async () => {
  const [alice, bob] = await hs.users("alice", "bob");
  const body = JSON.stringify({ rooms: {}, padding: "x".repeat(500 * KIB) });
  const half = new Half(hs, "PUT", keys, authorization(alice), 4 * MIB, 3700 * KIB);
  await eventually("it is held", async () => await bytesUnderWay(hs, "memory") >= 3700 * KIB);
  assertToldToComeAgain(await hs.req("PUT", keys, { token: alice.token, body }), 429, "M_LIMIT_EXCEEDED");
  await hs.fails(404, "M_NOT_FOUND", "PUT", keys, { token: bob.token, body });
  await alice.setAccountData("org.example.small", { text: "what is small goes on" });
  half.destroy();
  await eventually("it is given back", async () => await bytesUnderWay(hs, "memory") === 0);
  await hs.fails(404, "M_NOT_FOUND", "PUT", keys, { token: alice.token, body });
});

test("the bodies of an address have a budget before anybody has signed in", OWN_SERVER, async () => {
  const body = "x".repeat(900 * KIB);
  const held = Array.from({ length: 4 }, () => new Half(hs, "POST", "/_matrix/client/v3/login", from(1), 950 * KIB, 900 * KIB));
  await eventually("they are held", async () => await bytesUnderWay(hs, "memory") >= 3600 * KIB);
  assertToldToComeAgain(await hs.req("POST", "/login", { headers: from(1), body }), 429, "M_LIMIT_EXCEEDED");
  await hs.fails(400, "M_NOT_JSON", "POST", "/login", { headers: from(2), body });
  for (const h of held) h.destroy();
  await eventually("they are given back", async () => await bytesUnderWay(hs, "memory") === 0);
});

test("all bodies together have a budget, of which each new address still gets something", OWN_SERVER, async () => {
  const held = [];
  const refused = () => metric(hs, 'ingot_http_requests_total{method="POST",route="/_matrix/client/v3/login",code="5xx"}');
  while (!await refused()) {
    held.push(new Half(hs, "POST", "/_matrix/client/v3/login", from(10 + held.length), 950 * KIB, 900 * KIB));
    await eventually("it is held, or refused", async () => await bytesUnderWay(hs, "memory") >= held.length * 900 * KIB || await refused());
  }
  assert.ok(held.length > 9 && held.length < 20, `of ${held.length} the last was refused`);
  assertToldToComeAgain(await hs.req("POST", "/login", { headers: from(50), body: "x".repeat(900 * KIB) }), 503, "M_UNKNOWN");
  await hs.fails(400, "M_NOT_JSON", "POST", "/login", { headers: from(51), body: "x".repeat(100 * KIB) });
  const carol = await hs.user("carol");
  await carol.createRoom();
  for (const h of held) h.destroy();
  await eventually("they are given back", async () => await bytesUnderWay(hs, "memory") === 0);
  assert.match(hs.stderr, /too many bytes are under way.*limits\.under_way\.memory/);
});

test("a body of very many small values is refused before it has grown", OWN_SERVER, async () => {
  await withServer(THRIFTY, async s => {
    const alice = await s.user("alice");
    const before = residentMib(s);
    const body = `{"rooms":{},"x":[${'{"":0},'.repeat(16 * MIB / 7 - 10)}0]}`; // as a tree it would have 800 MB
    const refused = await Promise.all(Array.from({ length: 8 }, () => s.req("PUT", keys, { token: alice.token, body })));
    for (const r of refused) assert.ok(r.status === 413 || r.status === 429, r.raw.toString());
    const peak = Number(/^VmHWM:\s*(\d+)/m.exec(fs.readFileSync(`/proc/${s.process.pid}/status`, "utf8"))[1]) / KIB;
    assert.ok(peak - before < 200, `${before} MiB, then ${peak}`);
    assert.equal(await bytesUnderWay(s, "memory"), 0);
  });
});

test("uploads that come in count for the disk", OWN_SERVER, async () => {
  const alice = await hs.user("alice");
  const half = new Half(hs, "POST", "/_matrix/media/v3/upload", authorization(alice), 20 * MIB, 19 * MIB);
  await eventually("it is held", async () => await bytesUnderWay(hs, "disk") === 19 * MIB);
  assertToldToComeAgain(await hs.req("POST", "/_matrix/media/v3/upload", { token: alice.token, body: Buffer.alloc(8 * MIB) }), 429, "M_LIMIT_EXCEEDED");
  half.destroy();
  await eventually("it is given back", async () => await bytesUnderWay(hs, "disk") === 0);
  await hs.req("POST", "/_matrix/media/v3/upload", { token: alice.token, body: Buffer.alloc(8 * MIB), expect: 200 });
});

test("answers that are not read have a budget, and it is given back", OWN_SERVER, async () => {
  const [alice, bob] = await hs.users("alice", "bob");
  for (let i = 0; i < 100; i++) await alice.setAccountData(`org.example.${i}`, { text: "x".repeat(60 * KIB) });
  const sockets = [];
  const ask = () => new Promise((resolve, reject) => {
    const s = net.connect({ port: hs.port, host: "127.0.0.1" }, () => { s.pause(); s.write(`GET /_matrix/client/v3/sync HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${alice.token}\r\n\r\n`, resolve); });
    s.on("error", reject);
    sockets.push(s);
  });
  for (let i = 0; i < 3; i++) await ask();
  await eventually("three are on their way", async () => await bytesUnderWay(hs, "disk") >= 17 * MIB);
  assertToldToComeAgain(await hs.req("GET", "/sync", { token: (await alice.another()).token }), 429, "M_LIMIT_EXCEEDED");
  await bob.sync();
  for (const s of sockets) s.destroy();
  await eventually("they are given back", async () => await bytesUnderWay(hs, "disk") === 0);
  await alice.sync();
});

// ---- pace

const paced = { config: { limits: { under_way: { min_bytes_per_second: "20K", window: "1s" } } } };

test("who sends or reads too slowly is cut off, and nobody else", OWN_SERVER, async () => {
  await withServer(paced, async s => {
    const [alice, bob] = [await s.user("alice"), await s.user("bob")];
    for (let i = 0; i < 80; i++) await alice.setAccountData(`org.example.${i}`, { text: "x".repeat(60 * KIB) });
    const stream = await bob.stream();

    const slow = new Half(s, "PUT", keys, authorization(alice), MIB, 300 * KIB); // a good start earns nothing
    const drip = setInterval(() => slow.socket.write("x"), 100);
    const steady = new Half(s, "PUT", keys, { ...authorization(bob), Connection: "close" }, 200 * KIB, 4 * KIB);
    const flow = setInterval(() => { if (!steady.closed) steady.socket.write(Buffer.alloc(4 * KIB, "x")); }, 100);
    const lazy = net.connect({ port: s.port, host: "127.0.0.1" }, () => { lazy.pause(); lazy.write(`GET /_matrix/client/v3/sync HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${alice.token}\r\n\r\n`); });
    lazy.on("error", () => {});
    try {
      const news = stream.next(4000); // a long poll moves nothing, and that is no fault of its
      await eventually("the answer is on its way", async () => await bytesUnderWay(s, "disk") > 4 * MIB);
      await eventually("the slow one is cut off", () => slow.closed);
      await eventually("what was not read is dropped", async () => await bytesUnderWay(s, "disk") === 0);
      assert.ok(await metric(s, "ingot_http_too_slow_total") >= 2);
      await eventually("the steady one is answered", () => steady.closed);
      assert.equal(steady.status, 400); // not JSON
      assert.ok((await news).next_batch);
      await bob.createRoom();
    } finally {
      clearInterval(drip);
      clearInterval(flow);
      for (const x of [slow, steady, lazy]) x.destroy();
    }
  });
});

test("the budget can be changed while the server runs", OWN_SERVER, async () => {
  await withServer({ config }, async s => {
    const alice = await s.user("alice");
    const body = JSON.stringify({ rooms: {}, padding: "x".repeat(300 * KIB) });
    await s.fails(404, "M_NOT_FOUND", "PUT", keys, { token: alice.token, body });
    s.editConfig(c => { c.limits.under_way.memory_per_user = "200K"; });
    s.process.kill("SIGHUP");
    await eventually("it is smaller", async () => (await s.req("PUT", keys, { token: alice.token, body })).status === 429);
  });
});
