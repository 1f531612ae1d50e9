// SPDX-License-Identifier: Apache-2.0
// What clients that do not read cost: disk, not memory (docs/threat-model.md, "what can grow").
import assert from "node:assert/strict";
import fs from "node:fs";
import net from "node:net";
import path from "node:path";
import test from "node:test";
import { gunzipSync } from "node:zlib";
import { E, OWN_SERVER, eventually, useServer } from "./harness.mjs";

const hs = useServer({});
const KIB = 1024;

/** Sizes of the files without a name that the server has open: answers under way, and uploads. */
function spooled() {
  const dir = `/proc/${hs.process.pid}/fd`;
  return fs.readdirSync(dir).flatMap(fd => {
    try {
      return /\/media\/tmp\/.*\(deleted\)$/.test(fs.readlinkSync(path.join(dir, fd))) ? [fs.statSync(path.join(dir, fd)).size] : [];
    } catch { return []; } // closed meanwhile
  });
}

/** Sends a GET and reads nothing. */
function askWithoutReading(target, token, ...headers) {
  return new Promise((resolve, reject) => {
    const s = net.connect({ port: hs.port, host: "127.0.0.1", highWaterMark: 1024 }, () => {
      s.pause();
      s.write([`GET ${target} HTTP/1.1`, "Host: x", `Authorization: Bearer ${token}`, "Connection: close", ...headers, "", ""].join("\r\n"), () => resolve(s));
    });
    s.on("error", reject);
  });
}

const readAll = socket => new Promise((resolve, reject) => {
  const chunks = [];
  socket.on("data", d => chunks.push(d)).on("end", () => resolve(Buffer.concat(chunks))).on("error", reject).resume();
});
const bodyOf = answer => answer.subarray(answer.indexOf("\r\n\r\n") + 4);

/** A user with much account data, which each initial sync has. Random, so that it does not become small when compressed. */
async function userWithMuch(kib) {
  const user = await hs.user("hoarder");
  for (let i = 0; i < kib / 40; i++) await user.setAccountData(`org.example.${i}`, { text: Array.from({ length: 40 * KIB / 10 }, () => Math.random().toString(36).slice(2, 12)).join("") });
  return user;
}

test("initial syncs that nobody reads lie on the disk, and go with their connections", OWN_SERVER, async () => {
  const user = await userWithMuch(8 * KIB);
  const sockets = [];
  for (let i = 0; i < 8; i++) sockets.push(await askWithoutReading("/_matrix/client/v3/sync?timeout=0", user.token));
  await eventually("eight answers in files", () => spooled().filter(n => n > 8000 * KIB).length === 8);
  const answer = JSON.parse(bodyOf(await readAll(sockets.pop())));
  assert.equal(answer.account_data.events.filter(e => e.type.startsWith("org.example.")).length, Math.ceil(8 * KIB / 40));
  for (const s of sockets) s.destroy();
  await eventually("no file left", () => spooled().length === 0);
});

test("a long answer is compressed on its way to the disk", OWN_SERVER, async () => {
  const user = await userWithMuch(8 * KIB);
  const socket = await askWithoutReading("/_matrix/client/v3/sync?timeout=0", user.token, "Accept-Encoding: gzip");
  await eventually("a file of about two thirds", () => spooled().some(n => n > 4000 * KIB));
  const packed = await readAll(socket);
  assert.ok(packed.length < 7000 * KIB, `${packed.length} bytes`);
  assert.match(packed.toString("latin1", 0, 2000), /Content-Encoding: gzip/i);
  const answer = JSON.parse(gunzipSync(bodyOf(packed)));
  assert.equal(answer.account_data.events.filter(e => e.type.startsWith("org.example.")).length, Math.ceil(8 * KIB / 40));
});

test("a short answer makes no file", OWN_SERVER, async () => {
  const user = await hs.user("short");
  const socket = await askWithoutReading("/_matrix/client/v3/sync?timeout=0", user.token);
  assert.match((await readAll(socket)).toString(), /next_batch/);
  await eventually("no file", () => spooled().length === 0);
});

/** 250 events of 50 KB each, one after the other in the room; gives their ids. */
async function saySoMuch(user, room) {
  const ids = [];
  for (let i = 0; i < 250; i++) ids.push((await user.put(`/rooms/${E(room)}/send/m.room.message/${i}`, { msgtype: "m.text", body: String(i).padEnd(50 * 1000, "x") })).event_id);
  return ids;
}

test("pages stop at a few megabytes, with a token to go on", async () => {
  const user = await hs.user("verbose");
  const room = await user.createRoom();
  const ids = await saySoMuch(user, room);
  const seen = [];
  let pages = 0;
  for (let from = ""; from !== undefined; pages++) {
    const page = await user.get(`/rooms/${E(room)}/messages?dir=b&limit=1000${from}`);
    assert.ok(JSON.stringify(page).length < 10e6);
    seen.unshift(...page.chunk.filter(e => e.type === "m.room.message").map(e => e.event_id).reverse());
    from = page.end && `&from=${E(page.end)}`;
  }
  assert.deepEqual(seen, ids);
  assert.ok(pages > 1);
});

test("a timeline of /sync stops at a few megabytes, and says that there is more", async () => {
  const user = await hs.user("wordy");
  const room = await user.createRoom();
  const ids = await saySoMuch(user, room);
  const { timeline } = (await user.sync({ filter: '{"room":{"timeline":{"limit":1000}}}' })).rooms.join[room];
  assert.ok(JSON.stringify(timeline).length < 10e6);
  assert.equal(timeline.limited, true);
  assert.deepEqual(timeline.events.map(e => e.event_id), ids.slice(-timeline.events.length));
  const before = await user.get(`/rooms/${E(room)}/messages?dir=b&limit=1&from=${E(timeline.prev_batch)}`);
  assert.equal(before.chunk[0].event_id, ids.at(-timeline.events.length - 1));
});
