// SPDX-License-Identifier: Apache-2.0
// What strangers may send on a connection, made at random from a seed (ADVERSARY_SEED; printed): smuggling, truncation,
// pipelines, resets, half-closed and slow connections, over plain HTTP and over TLS. The server answers what is sound,
// refuses the rest once and ends the connection, and lives.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import test, { after } from "node:test";
import { freePort, OWN_SERVER, useServer } from "../api/harness.mjs";
import { answersOf, connect, send, settled } from "./connection.mjs";
import { EITHER, eachShape, pieces, randomness, REFUSED, SOUND, stream } from "./shapes.mjs";

const SEED = Number(process.env.ADVERSARY_SEED ?? Date.now() % 1000000);
const SECONDS = Number(process.env.ADVERSARY_SECONDS ?? 60);
process.stderr.write(`ADVERSARY_SEED=${SEED}\n`);

const folder = fs.mkdtempSync(path.join(os.tmpdir(), "ingot-adversary-"));
after(() => fs.rmSync(folder, { recursive: true }));
const file = name => path.join(folder, name);
execFileSync("openssl", ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", file("key.pem"), "-out", file("cert.pem"), "-days", "2", "-subj", "/CN=localhost"], { stdio: "ignore" });

const securePort = await freePort();
const hs = useServer({ edit: c => { c.listeners.push({ bind: "127.0.0.1", port: securePort, serve: ["client", "media"], tls: { certificate: file("cert.pem"), private_key: file("key.pem") } }); } });
const listeners = () => [{ port: hs.port, secure: false }, { port: securePort, secure: true }];
const REFUSALS = [400, 413, 414, 431, 501, 505];

/** Runs `attack` side by side on both listeners until its share of the time is up, at least `least` times. */
async function besiege(share, least, attack) {
  const until = Date.now() + SECONDS * 1000 * share;
  const fighter = async (listener, seed) => {
    const r = randomness(seed);
    for (let n = 0; n < least || Date.now() < until; n++) await attack(r, listener);
  };
  await Promise.all(listeners().flatMap((l, i) => [0, 1, 2, 3].map(j => fighter(l, SEED + 100 * i + j))));
  await alive();
}

/** Somebody else is answered, as the one who did nothing. */
async function alive() {
  for (const l of listeners()) {
    const s = await connect(l);
    await send(s, ["GET /_matrix/client/versions HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"]);
    assert.ok(await settled(s), "an innocent client gets no answer");
    assert.deepEqual(answersOf(s.received).answers.map(a => a.status), [200]);
    s.destroy();
  }
}

/** Sends a stream and holds what comes back against what was foretold. */
async function check(r, listener, sent, parts) {
  const s = await connect(listener);
  let isReset = false; // after the refusal, while we are still sending: then answers may be lost on their way
  s.on("error", () => { isReset = true; });
  const heads = sent.answers.map(a => a.isHead);
  const all = received => answersOf(received, heads).answers;
  await send(s, parts);
  const enough = received => sent.end === SOUND ? all(received).length >= sent.answers.length : sent.end === EITHER && all(received).length > sent.answers.length;
  const what = `${sent.name}${listener.secure ? " over TLS" : ""}: ${JSON.stringify(sent.bytes.toString("latin1").slice(0, 1500))}`;
  assert.ok(await settled(s, enough), `neither answered nor ended: ${what} -> ${s.received}`);
  const got = all(s.received), status = got.map(a => a.status);
  const n = sent.answers.length;
  const foretold = sent.answers.map(a => a.status);
  assert.deepEqual(status.slice(0, n), isReset && sent.end !== SOUND ? foretold.slice(0, status.length) : foretold, what);
  if (sent.end === REFUSED) {
    assert.ok(status.length <= n + 1, `something was answered behind what had to be refused: ${status} to ${what}`);
    if (status.length > n) assert.ok(REFUSALS.includes(status[n]) && got[n].closes, `${status} to ${what}`);
  } else if (sent.end === SOUND) {
    assert.equal(status.length, n, what);
  }
  s.destroy();
}

test("every doubtful shape is refused once, and nothing behind it is read", OWN_SERVER, async () => {
  for (const l of listeners()) {
    const r = randomness(SEED);
    for (const shape of eachShape(r)) await check(r, l, shape, [shape.bytes]);
  }
});

test("streams of sound and doubtful requests, whole and in pieces", OWN_SERVER, async () => {
  await besiege(0.5, 100, (r, l) => {
    const sent = stream(r);
    return check(r, l, sent, r.chance(0.5) ? [sent.bytes] : pieces(r, sent.bytes));
  });
});

test("streams that break off anywhere: with an end, half closed, or with a reset", OWN_SERVER, async () => {
  await besiege(0.3, 50, async (r, l) => {
    const sent = stream(r);
    const s = await connect(l);
    s.on("error", () => {});
    await send(s, pieces(r, sent.bytes.subarray(0, r.below(sent.bytes.length))));
    const how = r.one(["end", "reset", "vanish"]);
    if (how === "reset" && !l.secure) s.resetAndDestroy();
    else if (how === "end") s.end();
    s.destroy();
  });
});

test("what comes a byte at a time is understood like the whole", OWN_SERVER, async () => {
  await besiege(0.2, 10, (r, l) => {
    let sent = stream(r);
    while (sent.bytes.length > 1500) sent = stream(r);
    return check(r, l, sent, Array.from(sent.bytes, b => Buffer.from([b])));
  });
});

test("a long poll and what is sent behind it", OWN_SERVER, async () => {
  const user = await hs.user("poller");
  const since = (await user.get("/sync?timeout=0")).next_batch;
  const poll = `GET /_matrix/client/v3/sync?timeout=1&since=${since} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${user.token}\r\n\r\n`;
  const inside = "GET /_matrix/client/versions?smuggled HTTP/1.1\r\nHost: x\r\n\r\n";
  const second = `POST /_matrix/client/v3/login HTTP/1.1\r\nHost: x\r\nContent-Length: ${2 + inside.length}\r\n\r\n{}${inside}`;
  for (const l of listeners()) {
    for (let cut = 0; cut <= second.length; cut += 3) {
      const s = await connect(l);
      s.on("error", () => {});
      await send(s, [poll + second.slice(0, cut), second.slice(cut)]);
      assert.ok(await settled(s, got => answersOf(got).answers.length >= 2), `cut at ${cut}: ${s.received}`);
      const status = answersOf(s.received).answers.map(a => a.status);
      assert.equal(status[0], 200);
      assert.ok(status.length === 1 || (status.length === 2 && status[1] === 400), `cut at ${cut}: ${status}`);
      s.destroy();
    }
  }
});
