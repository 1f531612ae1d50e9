// SPDX-License-Identifier: Apache-2.0
// The command line: init, user, config, doctor, version, and what a second server does.
import assert from "node:assert/strict";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { spawn } from "node:child_process";
import test from "node:test";
import { BIN, OWN_SERVER, User, unique, useServer } from "./harness.mjs";

const hs = useServer();
const run = (...args) => hs.command([...args, "--config", hs.configFile]);
const login = (name, password) => hs.req("POST", "/login", { body: { type: "m.login.password", identifier: { type: "m.id.user", user: name }, password } });

test("version, help and wrong usage", OWN_SERVER, async () => {
  const v = await hs.command(["version"]);
  assert.equal(v.status, 0);
  assert.match(v.stdout, /\d+\.\d+/);
  for (const args of [["--help"], ["serve", "--help"], ["user", "--help"], ["init", "--help"], ["doctor", "--help"], ["config", "--help"]]) {
    const h = await hs.command(args);
    assert.equal(h.status, 0, args.join(" "));
    assert.match(h.stdout, /ingot/i);
  }
  for (const args of [["no-such-command"], ["user", "no-such"], ["serve", "--no-such-option"]]) assert.equal((await hs.command(args)).status, 2, args.join(" "));
});

test("init makes a private configuration and does not overwrite one", OWN_SERVER, async () => {
  const dir = fs.mkdtempSync(path.join(os.tmpdir(), "ingot-init-"));
  try {
    const file = path.join(dir, "ingot.yaml");
    const args = ["init", "--server-name", "init.example", "--data-dir", dir, "--config", file];
    assert.equal((await hs.command(args)).status, 0);
    const before = fs.readFileSync(file, "utf8");
    assert.match(before, /init\.example/);
    for (const f of fs.readdirSync(dir, { recursive: true, withFileTypes: true }).filter(f => f.isFile() && /key|secret/.test(f.name))) {
      assert.equal(fs.statSync(path.join(f.parentPath ?? f.path, f.name)).mode & 0o077, 0, `${f.name} is readable by others`);
    }
    await hs.command(args);
    assert.equal(fs.readFileSync(file, "utf8"), before);
    assert.equal((await hs.command(["config", "check", "--config", file])).status, 0);
  } finally {
    fs.rmSync(dir, { recursive: true, force: true });
  }
});

test("user add, list, password, make-admin, deactivate while the server runs", OWN_SERVER, async () => {
  const name = unique("cli");
  const add = await hs.command(["user", "add", name, "--password-stdin", "--config", hs.configFile], { input: "first password\n" });
  assert.equal(add.status, 0, add.stderr);
  assert.equal((await login(name, "first password")).status, 200);
  const again = await hs.command(["user", "add", name, "--password-stdin", "--config", hs.configFile], { input: "x\n" });
  assert.equal(again.status, 1, "a taken name");
  const list = await run("user", "list");
  assert.equal(list.status, 0);
  assert.ok(list.stdout.includes(name));
  const pw = await hs.command(["user", "password", name, "--password-stdin", "--config", hs.configFile], { input: "second password\n" });
  assert.equal(pw.status, 0, pw.stderr);
  assert.equal((await login(name, "first password")).status, 403);
  const signedIn = await login(name, "second password");
  assert.equal(signedIn.status, 200);
  assert.equal((await run("user", "make-admin", name)).status, 0);
  assert.equal((await run("user", "deactivate", name)).status, 0);
  assert.equal((await login(name, "second password")).status, 403);
  await hs.fails(401, "M_UNKNOWN_TOKEN", "GET", "/account/whoami", { token: signedIn.body.access_token });
  assert.equal((await run("user", "deactivate", unique("nobody"))).status, 1);
});

test("user add works while the server is down", OWN_SERVER, async () => {
  await hs.stop();
  const name = unique("cold");
  const add = await hs.command(["user", "add", name, "--admin", "--password-stdin", "--config", hs.configFile], { input: "a password\n" });
  assert.equal(add.status, 0, add.stderr);
  await hs.start();
  assert.equal((await login(name, "a password")).status, 200);
});

test("config check names unknown keys, wrong types and the nearest key; show prints what is in force", OWN_SERVER, async () => {
  const good = fs.readFileSync(hs.configFile, "utf8");
  const file = path.join(hs.dir, "broken.yaml");
  const check = async extra => { fs.writeFileSync(file, `${good}\n${extra}\n`); return hs.command(["config", "check", "--config", file]); };
  assert.equal((await check("")).status, 0);
  const typo = await check("servername: x");
  assert.equal(typo.status, 1);
  assert.match(typo.stderr + typo.stdout, /server_name/, "the nearest known key");
  assert.match(typo.stderr + typo.stdout, /line \d+|:\d+/);
  assert.equal((await check("database: {engine: clay tablets}")).status, 1);
  fs.writeFileSync(file, "a: [unclosed");
  assert.equal((await hs.command(["config", "check", "--config", file])).status, 1);
  assert.equal((await hs.command(["config", "check", "--config", path.join(hs.dir, "nosuch.yaml")])).status, 1);
  const show = await run("config", "show");
  assert.equal(show.status, 0);
  assert.match(show.stdout, /server_name/);
  assert.equal(show.stdout.includes(hs.secret), false, "secrets are not shown");
});

test("doctor is content with a healthy installation and tells what is wrong with a broken one", OWN_SERVER, async () => {
  const ok = await run("doctor");
  assert.equal(ok.status, 0, ok.stdout + ok.stderr);
  const dir = fs.mkdtempSync(path.join(os.tmpdir(), "ingot-doctor-"));
  try {
    const file = path.join(dir, "ingot.yaml");
    await hs.command(["init", "--server-name", "x.example", "--data-dir", dir, "--config", file]);
    fs.writeFileSync(file, fs.readFileSync(file, "utf8").replace(/^data_dir:.*$/m, "data_dir: /proc/nowhere"));
    const bad = await hs.command(["doctor", "--config", file]);
    assert.equal(bad.status, 1);
    assert.match(bad.stdout + bad.stderr, /\/proc\/nowhere/);
  } finally {
    fs.rmSync(dir, { recursive: true, force: true });
  }
});

test("SIGHUP reloads and the server goes on", OWN_SERVER, async () => {
  const alice = await hs.user("alice");
  hs.process.kill("SIGHUP");
  await alice.createRoom();
  await alice.get("/account/whoami");
});

test("SIGTERM ends parked polls and running requests in order", OWN_SERVER, async () => {
  const alice = await hs.user("alice");
  const { next_batch: since } = await alice.sync();
  const polls = Array.from({ length: 20 }, () => hs.req("GET", `/sync?since=${since}&timeout=60000`, { token: alice.token }).catch(e => e));
  await alice.createRoom().catch(() => {}); // the polls wake and some come back
  const t0 = Date.now();
  await hs.stop();
  assert.ok(Date.now() - t0 < 10000, "shutting down took too long");
  await Promise.all(polls);
  await hs.start();
  await alice.get("/account/whoami");
});

test("a second server on the same data directory refuses to start", OWN_SERVER, async () => {
  const file = path.join(hs.dir, "second.yaml");
  const { freePort } = await import("./harness.mjs");
  const port = await freePort();
  fs.writeFileSync(file, fs.readFileSync(hs.configFile, "utf8").replaceAll(String(hs.port), String(port)));
  const p = spawn(BIN, ["serve", "--config", file], { stdio: ["ignore", "pipe", "pipe"] });
  let text = "";
  p.stdout.on("data", d => { text += d; });
  p.stderr.on("data", d => { text += d; });
  const limit = setTimeout(() => p.kill("SIGKILL"), 20000);
  const [code] = await new Promise(resolve => p.on("close", (...a) => resolve(a)));
  clearTimeout(limit);
  assert.equal(code, 1, text);
  assert.match(text, /already|lock|in use|another/i);
  await new User(hs, await hs.user("alive")).get("/account/whoami");
});

test("logs hold no passwords, tokens or message bodies", OWN_SERVER, async () => {
  const alice = await hs.user("alice");
  const room = await alice.createRoom();
  await alice.say(room, "a very private sentence");
  await hs.req("GET", `/sync?access_token=${alice.token}`);
  assert.equal(hs.stderr.includes(alice.token), false, "an access token");
  assert.equal(hs.stderr.includes(alice.password), false, "a password");
  assert.equal(hs.stderr.includes("private sentence"), false, "a message");
});
