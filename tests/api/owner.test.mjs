// SPDX-License-Identifier: Apache-2.0
// Server name, signing key, data directory, media directory and database belong together: what does not is refused by
// the server, by each command and by the doctor, with both sides named.
import assert from "node:assert/strict";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { test } from "node:test";
import { OWN_SERVER, POSTGRES, Server, png, withServer } from "./harness.mjs";

const COMMANDS = [["serve"], ["user", "list"], ["room", "list"], ["db", "check"], ["db", "status"], ["db", "migrate"], ["doctor"]];

/** Each command ends with status 1 and says both. */
async function refusesAll(s, ...words) {
  for (const args of COMMANDS) {
    const r = await s.command([...args, "--config", s.configFile]);
    assert.equal(r.status, 1, `${args.join(" ")}: ${r.stdout}${r.stderr}`);
    for (const w of words) assert.match(r.stdout + r.stderr, w, args.join(" "));
  }
}

async function adopt(s) {
  const r = await s.command(["db", "adopt", "--config", s.configFile]);
  assert.equal(r.status, 0, r.stderr);
}

const keyText = () => `ed25519 a_other ${Buffer.alloc(32, 7).toString("base64").replace(/=+$/, "")}\n`;
const replaced = (s, name, text) => {
  const file = path.join(s.dir, name), old = fs.readFileSync(file);
  fs.writeFileSync(file, text, { mode: 0o600 });
  return () => fs.writeFileSync(file, old, { mode: 0o600 });
};

test("another server name is refused, also of a database that an older program made", OWN_SERVER, async () => {
  await withServer({ serverName: "example.org" }, async s => {
    const alice = await s.user("alice");
    const room = await alice.createRoom();
    await s.stop();
    s.editConfig(c => { c.server_name = "example.com"; });
    await refusesAll(s, /example\.org/, /example\.com/);
    s.editConfig(c => { c.server_name = "example.org"; });
    await s.start();
    assert.deepEqual((await alice.get("/joined_rooms")).joined_rooms, [room]);
  });
});

test("another signing key is refused; one more key, the old one kept, is not", OWN_SERVER, async () => {
  await withServer({}, async s => {
    await s.user("alice");
    await s.stop();
    const old = fs.readFileSync(path.join(s.dir, "signing.key"), "utf8");
    const back = replaced(s, "signing.key", keyText());
    await refusesAll(s, new RegExp(old.split(" ")[1]), /ed25519:a_other/);
    fs.writeFileSync(path.join(s.dir, "signing.key"), keyText() + old, { mode: 0o600 });
    await s.restart();
    await s.stop();
    fs.writeFileSync(path.join(s.dir, "signing.key"), keyText(), { mode: 0o600 });
    await s.start(); // the new key is known by now
    await s.stop();
    back();
    await refusesAll(s, /ed25519:a_other/);
    await adopt(s);
    await s.start();
  });
});

test("an empty database beside a key that was in use is refused, until the administrator wants it", OWN_SERVER, async () => {
  await withServer({}, async s => {
    await s.user("alice");
    await s.stop();
    for (const name of fs.readdirSync(s.dir)) if (name.startsWith("ingot.db")) fs.rmSync(path.join(s.dir, name));
    const old = s.database;
    if (POSTGRES) s.editConfig(c => { c.database.url = s.makeDatabase(); });
    await refusesAll(s, /empty/, /signing\.key/);
    fs.rmSync(path.join(s.dir, "ingot.database"));
    await refusesAll(s, /empty/, /signing\.key/); // only the key was brought along
    await adopt(s);
    fs.rmSync(path.join(s.dir, "media"), { recursive: true });
    await s.start();
    await s.user("alice");
    if (POSTGRES) { await s.stop(); [s.database] = [old, s.database]; await s.start(); }
  });
});

test("a media directory of another database, or an empty one, is refused", OWN_SERVER, async () => {
  await withServer({}, async s => {
    const alice = await s.user("alice");
    const { content_uri: uri } = (await s.req("POST", "/_matrix/media/v3/upload", { token: alice.token, body: png(4, 4), type: "image/png", expect: 200 })).body;
    await s.stop();
    const media = path.join(s.dir, "media"), aside = path.join(s.dir, "media-aside");
    fs.renameSync(media, aside);
    await refusesAll(s, /media/, /mounted/);
    fs.mkdirSync(media);
    fs.writeFileSync(path.join(media, "ingot.database"), "of-another\n");
    await refusesAll(s, /of-another/);
    fs.rmSync(media, { recursive: true });
    fs.renameSync(aside, media);
    await s.start();
    await s.req("GET", `/_matrix/client/v1/media/download/${uri.slice("mxc://".length)}`, { token: alice.token, expect: 200 });
  });
});

test("a data directory of another database is refused", OWN_SERVER, async () => {
  await withServer({}, async s => {
    await s.user("alice");
    await s.stop();
    const back = replaced(s, "ingot.database", "of-another 1 1\n");
    await refusesAll(s, /of-another/);
    back();
    await s.start();
  });
});

test("what an older program left takes what it finds at the next start, and then keeps to it", OWN_SERVER, async () => {
  await withServer({}, async s => {
    const alice = await s.user("alice");
    await s.stop();
    // As an older program left it: neither the database nor the directories say anything.
    const forget = "DELETE FROM meta WHERE key IN ('server_name', 'signing_key', 'database_id', 'media_marked')";
    const { execFileSync } = await import("node:child_process");
    if (POSTGRES) execFileSync("psql", ["-Xq", "-c", forget, s.databaseUrl()]);
    else execFileSync("python3", ["-c", "import sqlite3, sys; c = sqlite3.connect(sys.argv[1]); c.execute(sys.argv[2]); c.commit()", path.join(s.dir, "ingot.db"), forget]);
    fs.rmSync(path.join(s.dir, "ingot.database"));
    fs.rmSync(path.join(s.dir, "media/ingot.database"));
    s.editConfig(c => { c.server_name = "example.com"; });
    await refusesAll(s, /localhost/, /example\.com/); // the people in it have the old name
    s.editConfig(c => { c.server_name = "localhost"; });
    await s.start();
    assert.equal((await alice.get("/account/whoami")).user_id, alice.id);
    await s.stop();
    const back = replaced(s, "signing.key", keyText());
    await refusesAll(s, /a_other/);
    back();
    await s.start();
  });
});

test("a database that was put back beside its directory is noticed, and one-time keys are asked for anew", { ...OWN_SERVER, skip: POSTGRES ? "copies SQLite's file" : false }, async () => {
  await withServer({}, async s => {
    const bob = await s.user("bob");
    const keys = { "signed_curve25519:AAAA": { key: "x".repeat(43), signatures: { [bob.id]: { [`ed25519:${bob.device}`]: "y".repeat(86) } } } };
    await bob.post("/keys/upload", { one_time_keys: keys });
    await s.stop();
    const file = path.join(s.dir, "ingot.db"), copy = path.join(os.tmpdir(), `copy-${process.pid}`);
    fs.copyFileSync(file, copy);
    await s.start();
    assert.equal((await bob.sync()).device_one_time_keys_count.signed_curve25519, 1);
    await bob.setAccountData("org.example", {});
    await s.stop();
    fs.copyFileSync(copy, file);
    await s.start();
    assert.match(s.stderr, /put back to an earlier time/);
    assert.equal((await bob.sync()).device_one_time_keys_count.signed_curve25519, 0);
    await bob.post("/keys/upload", { one_time_keys: keys });
    await s.restart();
    assert.equal((await bob.sync()).device_one_time_keys_count.signed_curve25519, 1, "once is enough");
    assert.equal((await s.command(["db", "restored", "--config", s.configFile])).status, 1, "not beside a running server");
    await s.stop();
    assert.equal((await s.command(["db", "restored", "--config", s.configFile])).status, 0);
    await s.start();
    assert.equal((await bob.sync()).device_one_time_keys_count.signed_curve25519, 0);
    fs.rmSync(copy);
  });
});
