// SPDX-License-Identifier: Apache-2.0
// What an administrator does with media: looking, quarantine, deleting, and what retention leaves alone.
import assert from "node:assert/strict";
import crypto from "node:crypto";
import fs from "node:fs";
import path from "node:path";
import test from "node:test";
import { E, OWN_SERVER, eventually, png, unique, useServer, withServer } from "./harness.mjs";

const hs = useServer();
const V1 = "/_matrix/client/v1/media";
const upload = async (u, body = crypto.randomBytes(100), type = "image/png", s = hs) => (await s.req("POST", "/_matrix/media/v3/upload", { token: u.token, body, type, expect: 200 })).body.content_uri;
const status = async (u, uri, s = hs) => (await s.req("GET", `${V1}/download/${uri.slice(6)}`, { token: u.token })).status;
const thumbnail = async (u, uri) => (await hs.req("GET", `${V1}/thumbnail/${uri.slice(6)}?width=32&height=32`, { token: u.token })).status;

/** Runs `ingot media …` and returns what it printed: with --json parsed, one value for each line. */
async function media(args, { s = hs, json = true, expect = 0 } = {}) {
  const r = await s.command(["media", ...args, ...(json ? ["--json"] : []), "--config", s.configFile]);
  assert.equal(r.status, expect, `${args.join(" ")}: ${r.stderr}${r.stdout}`);
  if (expect !== 0) return r.stderr;
  return json ? r.stdout.trim().split("\n").filter(Boolean).map(line => JSON.parse(line)) : r.stdout;
}
const blobs = s => fs.readdirSync(path.join(s.dir, "media/blobs"), { recursive: true, withFileTypes: true }).filter(f => f.isFile()).length;

test("media are listed, shown and counted", OWN_SERVER, async () => {
  const [alice, bob] = await hs.users("alice", "bob");
  const uris = [await upload(alice), await upload(alice, crypto.randomBytes(5000), "video/mp4"), await upload(bob)];
  const listed = await media(["list", "--user", alice.id]);
  assert.deepEqual(listed.map(m => m.uri).sort(), uris.slice(0, 2).sort());
  assert.deepEqual((await media(["list", "--user", alice.name, "--larger-than", "1K"])).map(m => m.uri), [uris[1]]);
  const all = (await media(["list"])).map(m => m.uri);
  for (const uri of uris) assert.ok(all.includes(uri));
  assert.deepEqual(await media(["list", "--older-than", "1h"]), []);
  assert.deepEqual(await media(["list", "--class", "preview"]), []);
  const [shown] = await media(["show", uris[1]]);
  assert.deepEqual([shown.uploader, shown.size, shown.content_type, shown.class, shown.quarantined, shown.file_is_there, shown.avatar_or_icon], [alice.id, 5000, "video/mp4", "local", false, true, false]);
  const [usage] = await media(["usage", "--top", "100"]);
  assert.deepEqual(usage.users.find(u => u.user_id === alice.id), { user_id: alice.id, files: 2, bytes: 5100 });
  assert.ok(usage.classes.local.bytes >= 5200);
  assert.match(await media(["list", "--user", alice.id], { json: false }), new RegExp(`^${uris[1]} +local +5000 +\\d{4}-\\d\\d-\\d\\d \\d\\d:\\d\\d +video/mp4 +${alice.id}$`, "m"));
  assert.match(await media(["show", "mxc://localhost/nothing"], { expect: 1 }), /there is no mxc:\/\/localhost\/nothing here/);
  assert.match(await media(["list", "--class", "large"], { expect: 1 }), /local, remote or preview/);
});

test("lists and deletions of more than a page are whole", OWN_SERVER, async () => {
  const alice = await hs.user("alice");
  const uris = [];
  for (let i = 0; i < 45; i++) uris.push(...await Promise.all([...Array(10)].map(() => upload(alice, crypto.randomBytes(20)))));
  assert.deepEqual((await media(["list", "--user", alice.id])).map(m => m.uri).sort(), uris.sort());
  assert.equal((await media(["delete", "--user", alice.id, "--dry-run"]))[0].files, 450);
  assert.equal((await media(["delete", "--user", alice.id]))[0].files, 450);
  assert.deepEqual(await media(["list", "--user", alice.id]), []);
});

test("a quarantined content is gone under every id, for downloads, thumbnails and new uploads", OWN_SERVER, async () => {
  const [alice, bob] = await hs.users("alice", "bob");
  const bytes = png(50 + Math.floor(Math.random() * 1000), 40), hash = crypto.createHash("sha256").update(bytes).digest("hex");
  const [a, b, other] = [await upload(alice, bytes), await upload(bob, bytes), await upload(bob)];
  assert.deepEqual([await status(alice, a), await thumbnail(alice, b)], [200, 200]);
  assert.deepEqual(await media(["quarantine", a, "--reason", "spam"]), [{ files: 2, bytes: 0, spared: 0 }]);
  for (const uri of [a, b]) assert.deepEqual([await status(alice, uri), await thumbnail(bob, uri)], [404, 404]);
  assert.equal(await status(alice, other), 200);
  await hs.fails(403, "M_FORBIDDEN", "POST", "/_matrix/media/v3/upload", { token: bob.token, body: bytes, type: "text/plain" });
  const created = (await hs.req("POST", "/_matrix/media/v1/create", { token: bob.token, expect: 200 })).body.content_uri;
  await hs.fails(403, "M_FORBIDDEN", "PUT", `/_matrix/media/v3/upload/${created.slice(6)}`, { token: bob.token, body: bytes, type: "image/png" });
  const [shown] = await media(["show", b]);
  assert.deepEqual([shown.quarantined, shown.sha256, shown.blocked.reason, shown.file_is_there], [true, hash, "spam", true]);
  assert.deepEqual((await media(["list", "--quarantined", "--user", bob.id])).map(m => m.uri), [b]);
  assert.deepEqual(await media(["unquarantine", hash]), [{ files: 2, bytes: 0, spared: 0 }]);
  assert.deepEqual([await status(alice, a), await thumbnail(bob, b)], [200, 200]);
  const never = crypto.randomBytes(64);
  await media(["quarantine", crypto.createHash("sha256").update(never).digest("hex")]);
  await hs.fails(403, "M_FORBIDDEN", "POST", "/_matrix/media/v3/upload", { token: bob.token, body: never });
  assert.match(await media(["quarantine"], { expect: 1 }), /say which/);
});

test("what a room's events mention can be quarantined and deleted, but not the faces of its members", OWN_SERVER, async () => {
  const [alice, bob] = await hs.users("alice", "bob");
  const face = await upload(alice), [one, two, three, quoted] = [await upload(alice), await upload(bob), await upload(bob), await upload(alice)];
  await alice.put(`/profile/${E(alice.id)}/avatar_url`, { avatar_url: face });
  const room = await alice.createRoom({ preset: "public_chat" });
  await bob.join(room);
  await alice.event(room, "m.room.message", { msgtype: "m.image", body: "x", url: one, info: { thumbnail_url: two } });
  await bob.say(room, `look at ${quoted}, it is mine`);
  await bob.say(room, `${face} "${three}"`);
  await bob.say(room, "mxc://x mxc://localhost/ mxc://[ mxc://localhost/none");
  assert.deepEqual((await media(["list", "--room", room])).map(m => m.uri).sort(), [one, two, three, quoted, face].sort());
  assert.equal((await media(["quarantine", "--room", room]))[0].files, 5);
  assert.deepEqual([await status(alice, one), await status(alice, quoted)], [404, 404]);
  assert.equal((await media(["unquarantine", "--room", room]))[0].files, 5);
  const [gone] = await media(["delete", "--room", room]);
  assert.deepEqual([gone.files, gone.spared], [4, 1]);
  assert.deepEqual([await status(alice, one), await status(alice, face)], [404, 200]);
});

test("a purge takes what is old and leaves pictures in use", OWN_SERVER, () => withServer({}, async s => {
  const alice = await s.user("alice");
  const put = () => upload(alice, crypto.randomBytes(1000), "image/png", s);
  const [old, face, icon, formerIcon, redactedIcon] = [await put(), await put(), await put(), await put(), await put()];
  await alice.put(`/profile/${E(alice.id)}/avatar_url`, { avatar_url: face });
  const [room, other] = [await alice.createRoom(), await alice.createRoom()];
  await alice.setState(room, "m.room.avatar", "", { url: formerIcon });
  await alice.setState(room, "m.room.avatar", "", { url: icon });
  const event = await alice.setState(other, "m.room.avatar", "", { url: redactedIcon });
  await alice.redact(other, event);
  const purge = (...more) => media(["purge", "--class", "local", "--older-than", "0s", ...more], { s });
  assert.match(await media(["purge", "--class", "local"], { s, expect: 1 }), /--older-than/);
  const before = blobs(s);
  const [would] = await purge("--dry-run");
  assert.deepEqual(would, { files: 3, bytes: 3000, spared: 2 });
  assert.equal(blobs(s), before, "a dry run deletes nothing");
  await new Promise(resolve => setTimeout(resolve, 2)); // "since" is finer than the clock
  assert.deepEqual((await purge())[0], would);
  assert.equal(blobs(s), before - 3);
  for (const uri of [face, icon]) assert.equal(await status(alice, uri, s), 200);
  for (const uri of [old, formerIcon, redactedIcon]) assert.equal(await status(alice, uri, s), 404);
  assert.equal((await media(["usage"], { s }))[0].classes.local.files, 2);
}));

test("the commands work without a running server, too", OWN_SERVER, () => withServer({}, async s => {
  const alice = await s.user("alice");
  const uri = await upload(alice, crypto.randomBytes(10), "text/plain", s);
  await s.stop();
  assert.equal((await media(["list"], { s }))[0].uri, uri);
  assert.equal((await media(["delete", uri], { s }))[0].files, 1);
  assert.equal(blobs(s), 0);
  await s.start();
  assert.equal(await status(alice, uri, s), 404);
}));

test("kill -9 while much is deleted leaves no medium without its file and no file for ever", OWN_SERVER, () => withServer({}, async s => {
  const alice = await s.user("alice");
  const contents = new Map();
  for (let i = 0; i < 30; i++) {
    await Promise.all([...Array(20)].map(async () => { const bytes = crypto.randomBytes(500); contents.set(await upload(alice, bytes, "text/plain", s), bytes); }));
  }
  const deletion = s.command(["media", "delete", "--user", alice.id, "--config", s.configFile]);
  await eventually("some are gone", () => blobs(s) < 580, undefined, 1);
  await s.kill9();
  await deletion;
  await s.start();
  let left = 0;
  for (const [uri, bytes] of contents) {
    const r = await s.req("GET", `${V1}/download/${uri.slice(6)}`, { token: alice.token });
    assert.ok(r.status === 404 || (r.status === 200 && r.raw.equals(bytes)), `${uri}: ${r.status}`);
    left += r.status === 200;
  }
  assert.equal((await media(["usage"], { s }))[0].users[0]?.files ?? 0, left, "the totals are those of what is left");
  assert.ok(blobs(s) >= left);
}));
