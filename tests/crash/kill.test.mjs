// SPDX-License-Identifier: Apache-2.0
// kill -9 under load, many times in a row: whatever was acknowledged is there, nothing half-written is visible.
import assert from "node:assert/strict";
import crypto from "node:crypto";
import test from "node:test";
import { E, EXTERNAL, User, useServer } from "../api/harness.mjs";

const ROUNDS = Number(process.env.CRASH_ROUNDS ?? 50);
const WRITERS = 6;
const hs = useServer({ config: { media: { max_pending_uploads: 10000 } } });
const nap = ms => new Promise(resolve => setTimeout(resolve, ms));

/** Everything that the server confirmed, and what was in flight when it died. */
class Ledger {
  constructor() {
    this.events = new Map();    // event id -> { room, body }
    this.bodies = new Map();    // body -> { room, user, txn } of every message ever tried
    this.receipts = new Map();  // user|room -> index of the last confirmed receipt among the user's targets
    this.toDevice = [];         // n of every confirmed to-device message, in order
    this.tried = [];            // n of every to-device message sent
    this.uploads = new Map();   // confirmed mxc uri -> sha256
    this.reserved = new Map();  // mxc uri made in advance -> sha256 of what was being uploaded
    this.state = new Map();     // room|key -> values confirmed, last one current
    this.fresh = [];            // checks of this round
  }
}

const ledger = new Ledger();
let people, rooms, listener, nextN = 0;

/** One writer: does things until the server is gone; a failed request is simply not acknowledged. */
async function writer(user, index, alive) {
  const room = rooms[index % rooms.length];
  for (let i = 0; alive(); i++) {
    try {
      await [say, say, mark, sendToDevice, putState, upload, uploadLater][i % 7](user, room);
    } catch (e) {
      if (e instanceof assert.AssertionError && alive()) throw e;
      return;
    }
  }
}

async function say(user, room) {
  const body = crypto.randomUUID(), txn = `x${body}`;
  ledger.bodies.set(body, { room, user, txn });
  const id = await user.event(room, "m.room.message", { msgtype: "m.text", body, pad: "x".repeat(crypto.randomInt(2000)) }, txn);
  ledger.events.set(id, { room, body });
  (user.targets ??= []).push(id);
  ledger.fresh.push(() => checkEvent(id, room, body));
}

async function mark(user, room) {
  if (!user.targets?.length) return;
  const at = user.targets.length - 1;
  await user.receipt(room, user.targets[at]);
  ledger.receipts.set(`${user.id}|${room}`, at);
}

async function sendToDevice(user) {
  const n = nextN++;
  ledger.tried.push(n);
  await user.put(`/sendToDevice/org.example.n/n${n}`, { messages: { [listener.id]: { [listener.device]: { n } } } });
  ledger.toDevice.push(n);
}

async function putState(user, room) {
  const value = crypto.randomUUID(), key = `${user.id}`, slot = `${room}|${key}`;
  if (!ledger.state.has(slot)) ledger.state.set(slot, { confirmed: null, tried: new Set() });
  const s = ledger.state.get(slot);
  s.tried.add(value);
  await user.setState(room, "org.example.value", key, { value });
  s.confirmed = value;
  s.tried.clear();
}

async function upload(user) {
  const bytes = crypto.randomBytes(crypto.randomInt(1, 200000));
  const r = await hs.req("POST", "/_matrix/media/v3/upload", { token: user.token, body: bytes, type: "application/octet-stream", expect: 200 });
  const sum = sha(bytes);
  ledger.uploads.set(r.body.content_uri, sum);
  ledger.fresh.push(() => checkUpload(r.body.content_uri, sum, true));
}

async function uploadLater(user) {
  const { content_uri } = await user.post("/_matrix/media/v1/create");
  const bytes = crypto.randomBytes(crypto.randomInt(1, 500000)), sum = sha(bytes);
  ledger.reserved.set(content_uri, sum);
  await hs.req("PUT", `/_matrix/media/v3/upload/${content_uri.slice(6)}`, { token: user.token, body: bytes, type: "application/octet-stream", expect: 200 });
  ledger.reserved.delete(content_uri);
  ledger.uploads.set(content_uri, sum);
  ledger.fresh.push(() => checkUpload(content_uri, sum, true));
}

const sha = b => crypto.createHash("sha256").update(b).digest("hex");

async function checkEvent(id, room, body) {
  const e = await people[0].getEvent(room, id);
  assert.equal(e.content.body, body);
  assert.ok(e.sender && e.origin_server_ts && e.type === "m.room.message");
}

async function checkUpload(uri, sum, confirmed) {
  const r = await hs.req("GET", `/_matrix/client/v1/media/download/${uri.slice(6)}?timeout_ms=0`, { token: people[0].token });
  if (!confirmed && r.status !== 200) { assert.ok([404, 504].includes(r.status), `${r.status}`); return; }
  assert.equal(r.status, 200, `an acknowledged upload is gone: ${uri}`);
  assert.equal(sha(r.raw), sum, `half an upload is visible: ${uri}`);
}

async function checkReceipts() {
  const sync = await people[0].sync({ filter: { room: { timeline: { limit: 1 } } } });
  for (const [slot, at] of ledger.receipts) {
    const [user, room] = slot.split("|");
    const content = sync.rooms.join[room].ephemeral.events.find(e => e.type === "m.receipt")?.content ?? {};
    const [event] = Object.entries(content).find(([, kinds]) => kinds["m.read"]?.[user]) ?? [];
    assert.ok(event, `the receipt of ${user} is gone`);
    const { targets } = people.find(p => p.id === user);
    assert.ok(targets.indexOf(event) >= at, "a receipt went backwards");
  }
}

async function checkState() {
  for (const [slot, { confirmed, tried }] of ledger.state) {
    const [room, key] = slot.split("|");
    const r = await hs.req("GET", `/rooms/${E(room)}/state/org.example.value/${E(key)}`, { token: people[0].token });
    const value = r.body?.value ?? null;
    assert.ok(value === confirmed || tried.has(value), `state of ${slot}: ${value}, confirmed ${confirmed}`);
  }
}

/** Every message exists at most once and whole; acknowledged ones exactly once; resending what was in flight makes no double. */
async function checkWholeHistory() {
  for (const [body, { room, user, txn }] of ledger.bodies) {
    if ([...ledger.events.values()].some(e => e.body === body)) continue;
    const id = await user.event(room, "m.room.message", { msgtype: "m.text", body }, txn);
    ledger.events.set(id, { room, body });
  }
  for (const room of rooms) {
    const seen = new Map();
    let from;
    do {
      const page = await people[0].messages(room, { limit: 500, ...(from && { from }) });
      for (const e of page.chunk) {
        assert.ok(e.event_id && e.sender && e.type && e.content && e.origin_server_ts, `half an event: ${JSON.stringify(e)}`);
        if (e.type !== "m.room.message") continue;
        assert.equal(seen.has(e.content.body), false, `twice in the room: ${e.content.body}`);
        seen.set(e.content.body, e.event_id);
      }
      from = page.end;
    } while (from);
    for (const [id, e] of ledger.events) if (e.room === room) assert.equal(seen.get(e.body), id, "an acknowledged event is missing from the room");
    for (const body of seen.keys()) assert.ok(ledger.bodies.has(body), "a message nobody sent");
  }
}

async function checkToDevice() {
  const got = [];
  let since;
  for (;;) {
    const r = await listener.sync({ since, filter: { room: { rooms: [] } } });
    since = r.next_batch;
    const batch = r.to_device?.events ?? [];
    if (!batch.length) break;
    got.push(...batch.filter(e => e.type === "org.example.n").map(e => e.content.n));
  }
  assert.equal(new Set(got).size, got.length, "a to-device message came twice");
  const have = new Set(got);
  for (const n of ledger.toDevice) assert.ok(have.has(n), `to-device message ${n} is lost`);
  for (const n of got) assert.ok(ledger.tried.includes(n));
}

test(`${ROUNDS} times kill -9 under load`, { skip: EXTERNAL ? "needs a server of its own" : false, timeout: 20 * 60000 }, async () => {
  people = await hs.users(...Array.from({ length: WRITERS }, (_, i) => `writer${i}`));
  listener = await hs.user("listener");
  rooms = [];
  for (let i = 0; i < 3; i++) {
    const room = await people[0].createRoom({ preset: "public_chat", power_level_content_override: { state_default: 0 } });
    for (const p of people.slice(1)) await p.join(room);
    rooms.push(room);
  }
  let acknowledged = 0;
  for (let round = 0; round < ROUNDS; round++) {
    let up = true;
    const work = people.map((p, i) => writer(p, i, () => up));
    await nap(150 + crypto.randomInt(500)); // the moment of death is the point of the test
    up = false;
    await hs.kill9();
    await Promise.all(work);
    await hs.start();
    acknowledged += ledger.fresh.length;
    for (const check of ledger.fresh.splice(0)) await check();
    for (const [uri, sum] of ledger.reserved) await checkUpload(uri, sum, false);
    await checkReceipts();
    await checkState();
  }
  assert.ok(acknowledged > ROUNDS, `only ${acknowledged} acknowledged writes in ${ROUNDS} rounds: no load`);
  await checkWholeHistory();
  await checkToDevice();
  for (const [uri, sum] of ledger.uploads) await checkUpload(uri, sum, true);
  const doctor = await hs.command(["doctor", "--config", hs.configFile]);
  assert.equal(doctor.status, 0, doctor.stdout + doctor.stderr);
  for (const p of people) await new User(hs, p).get("/account/whoami");
});
