// SPDX-License-Identifier: Apache-2.0
// The command line: init, user, config, doctor, version, and what a second server does.
import assert from "node:assert/strict";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { execFileSync, spawn } from "node:child_process";
import test from "node:test";
import { BIN, EXTERNAL, OWN_SERVER, User, eventually, freePort, unique, useServer, withServer } from "./harness.mjs";

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
  assert.equal((await run("user", "deactivate", name)).status, 0);
  assert.equal((await login(name, "second password")).status, 403);
  await hs.fails(401, "M_UNKNOWN_TOKEN", "GET", "/account/whoami", { token: signedIn.body.access_token });
  assert.equal((await run("user", "deactivate", unique("nobody"))).status, 1);
});

test("the last administrator stays one, until there is another", OWN_SERVER, () => withServer({}, async s => {
  const cli = async (...args) => s.command([...args, "--config", s.configFile]);
  const done = async (...args) => { const r = await cli(...args); assert.equal(r.status, 0, r.stderr); return r.stdout; };
  const [alice, bob] = await s.users("alice", "bob");
  await done("user", "make-admin", alice.name);
  for (const args of [["deactivate"], ["lock"], ["suspend"], ["make-admin", "--revoke"]]) {
    const r = await cli("user", args[0], alice.name, ...args.slice(1));
    assert.equal(r.status, 1, args[0]);
    assert.match(r.stderr, /last administrator/);
  }
  const session = (await s.req("POST", "/account/deactivate", { token: alice.token, body: {}, expect: 401 })).body.session;
  const refused = await alice.fails(403, "M_FORBIDDEN", "POST", "/account/deactivate", { auth: alice.passwordAuth(session) });
  assert.match(refused.error, /the last administrator of the server; make another one first/);
  for (const what of ["lock", "suspend"]) {
    await alice.fails(403, "M_FORBIDDEN", "PUT", `/_matrix/client/v1/admin/${what}/${encodeURIComponent(alice.id)}`, { [`${what}ed`]: true });
  }
  await alice.get("/account/whoami");
  await done("user", "make-admin", bob.name);
  await alice.withPassword("POST", "/account/deactivate", {});
  assert.match((await cli("user", "lock", bob.name)).stderr, /last administrator/);
  const [carol, dave] = await s.users("carol", "dave");
  await done("user", "make-admin", carol.name);
  await done("user", "suspend", carol.name);
  assert.match((await cli("user", "lock", bob.name)).stderr, /last administrator/, "one who cannot act does not count");
  await done("user", "make-admin", dave.name);
  const both = await Promise.all([cli("user", "lock", bob.name), cli("user", "lock", dave.name)]);
  assert.deepEqual(both.map(r => r.status).sort(), [0, 1], "of two at a time one is refused");
}));

test("user show, lock, unlock, suspend, reactivate, logout; a trial changes nothing", OWN_SERVER, async () => {
  const bob = await hs.user("bob");
  const room = await bob.createRoom();
  const done = async (...args) => { const r = await run(...args); assert.equal(r.status, 0, r.stderr); return r.stdout; };
  const shown = JSON.parse(await done("user", "show", bob.name, "--json"));
  assert.deepEqual([shown.user_id, shown.joined_rooms, shown.devices.length, shown.locked], [bob.id, 1, 1, false]);
  assert.equal(typeof shown.created_ts, "number", "raw for scripts");
  assert.match(await done("user", "show", bob.id), /^USER +CREATED +STATE\n@\S+ +\d{4}-\d\d-\d\d \d\d:\d\d/);
  await done("user", "lock", bob.name);
  await hs.fails(401, "M_USER_LOCKED", "GET", "/account/whoami", { token: bob.token });
  await done("user", "unlock", bob.name);
  await bob.get("/account/whoami");
  await done("user", "suspend", bob.name);
  const send = { token: bob.token, body: { msgtype: "m.text", body: "x" } };
  await hs.fails(403, "M_USER_SUSPENDED", "PUT", `/rooms/${encodeURIComponent(room)}/send/m.room.message/1`, send);
  await done("user", "reactivate", bob.name);
  await hs.req("PUT", `/rooms/${encodeURIComponent(room)}/send/m.room.message/2`, { ...send, expect: 200 });
  assert.match(await done("user", "logout", bob.name, "--dry-run"), /^Would sign out 1 devices of @\S+\.\n$/);
  await bob.get("/account/whoami");
  assert.match(await done("user", "deactivate", bob.name, "--dry-run"), /Would deactivate @\S+: 1 devices, 1 rooms/);
  assert.match(await done("room", "delete", room, "--purge", "--dry-run"), /Would remove 1 people .* and delete/);
  await bob.get("/account/whoami");
  await done("user", "logout", bob.name);
  await hs.fails(401, "M_UNKNOWN_TOKEN", "GET", "/account/whoami", { token: bob.token });
  assert.match(await done("user", "list"), /^USER +CREATED +STATE$/m);
});

test("what cannot be undone is asked about on a terminal", OWN_SERVER, async () => {
  const bob = await hs.user("bob");
  const onTerminal = (answer, ...more) => new Promise(resolve => {
    const command = [BIN, "user", "deactivate", bob.name, "--config", hs.configFile, ...more].map(w => `'${w}'`).join(" ");
    const p = spawn("script", ["--quiet", "--return", "--command", command, "/dev/null"], { stdio: ["pipe", "pipe", "inherit"] });
    let text = "";
    p.stdout.on("data", d => { text += d; if (/Go on\?/.test(text) && answer) { p.stdin.write(answer); answer = null; } });
    p.on("close", status => resolve({ status, text }));
  });
  const no = await onTerminal("no\n");
  assert.equal(no.status, 1, no.text);
  assert.match(no.text, /cannot be undone.*nothing was done/s);
  await bob.get("/account/whoami");
  assert.equal((await onTerminal(null, "--yes")).status, 0);
  await hs.fails(401, "M_UNKNOWN_TOKEN", "GET", "/account/whoami", { token: bob.token });
});

test("each administrative action is one line of the log: who, what, to whom", OWN_SERVER, async () => {
  const [admin, bob] = await hs.users("chief", "bob");
  const lines = what => hs.stderr.split("\n").filter(l => /administrative action/.test(l) && l.includes(what) && l.includes(bob.name));
  await run("user", "make-admin", admin.name);
  await run("user", "lock", bob.name);
  await eventually("by the control socket", () => lines("user.set_locked").length === 1);
  assert.match(lines("user.set_locked")[0], /who="?\S+ \(uid \d+\)"?/);
  await hs.req("PUT", `/_matrix/client/v1/admin/lock/${encodeURIComponent(bob.id)}`, { token: admin.token, body: { locked: false }, expect: 200 });
  await eventually("by HTTP", () => lines("admin/lock").length === 1);
  assert.ok(lines("admin/lock")[0].includes(admin.id));
  await hs.fails(403, "M_FORBIDDEN", "PUT", `/_matrix/client/v1/admin/lock/${encodeURIComponent(bob.id)}`, { token: bob.token, body: { locked: true } });
  await eventually("also what was refused", () => lines("admin/lock").filter(l => /refused/.test(l)).length === 1);
  await run("user", "list");
  await run("user", "deactivate", bob.name, "--dry-run");
  assert.equal(lines("user.deactivate").length, 0, "reading and trying is none");
});

test("the log says when it has stopped", OWN_SERVER, () => withServer({}, async s => {
  await s.stop();
  assert.match(s.stderr.trim().split("\n").at(-1), /\bstopped\b/);
  await s.start();
}));

test("a proxy that is not trusted is warned about once, and by doctor", OWN_SERVER, () => withServer({}, async s => {
  for (let i = 0; i < 5; i++) await s.req("GET", "/versions", { headers: { "X-Forwarded-For": `203.0.113.${i}` } });
  await eventually("the warning", () => /not in trusted_proxies/.test(s.stderr));
  assert.equal(s.stderr.match(/not in trusted_proxies/g).length, 1);
  s.editConfig(c => { c.public_url = "https://example.org"; });
  assert.match((await s.command(["doctor", "--config", s.configFile])).stdout, /no trusted_proxies/);
  s.editConfig(c => { c.listeners[0].trusted_proxies = ["127.0.0.1"]; });
  assert.doesNotMatch((await s.command(["doctor", "--config", s.configFile])).stdout, /no trusted_proxies/);
}));

test("doctor finds certificates that end, are for others or have an open key, and files of other owners", OWN_SERVER, () => withServer({}, async s => {
  const [cert, key] = ["cert.pem", "key.pem"].map(f => path.join(s.dir, f));
  const make = (days, name) => execFileSync("openssl", ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", key, "-out", cert, "-days", `${days}`, "-subj", `/CN=${name}`, "-addext", `subjectAltName=DNS:${name}`], { stdio: "pipe" });
  const doctor = async () => (await s.command(["doctor", "--config", s.configFile])).stdout;
  s.editConfig(c => { c.public_url = "https://chat.example.org"; c.listeners[0].tls = { certificate: cert, private_key: key }; });
  make(90, "chat.example.org");
  fs.chmodSync(key, 0o600);
  const good = await doctor();
  assert.match(good, /ok +certificate .*for (89|90) more days/);
  assert.doesNotMatch(good, /is not for/);
  make(3, "other.example.org");
  fs.chmodSync(key, 0o644);
  const bad = await doctor();
  assert.match(bad, /warning +certificate .*ends in [23] days/);
  assert.match(bad, /is not for chat\.example\.org/);
  assert.match(bad, /failure +certificate .*read by everybody/);
  if (process.getuid() === 0) {
    fs.writeFileSync(path.join(s.dir, "stray"), "");
    fs.chownSync(path.join(s.dir, "stray"), 65534, 65534);
    assert.match(await doctor(), /failure +files .*stray belongs to user 65534/);
  }
}));

test("the log says which certificates were read again, and until when they are good", OWN_SERVER, () => withServer({}, async s => {
  const [cert, key] = ["cert.pem", "key.pem"].map(f => path.join(s.dir, f));
  const make = days => execFileSync("openssl", ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", key, "-out", cert, "-days", `${days}`, "-subj", "/CN=localhost"], { stdio: "pipe" });
  const port = await freePort();
  make(10);
  s.editConfig(c => { c.listeners.push({ bind: "127.0.0.1", port, serve: ["client"], tls: { certificate: cert, private_key: key } }); });
  await s.restart();
  make(20);
  s.process.kill("SIGHUP");
  const end = new Date(Date.now() + 20 * 86400e3).toISOString().slice(0, 10);
  await eventually("the line", () => s.stderr.split("\n").some(l => /certificate reloaded/.test(l) && l.includes(cert) && l.includes(`port=${port}`) && l.includes(end)));
}));

const AS_ROOT = EXTERNAL || process.getuid() !== 0 ? { skip: "needs root" } : {};
test("what root's commands make belongs to the owner of the data directory", AS_ROOT, async () => {
  const dir = fs.mkdtempSync(path.join(os.tmpdir(), "ingot-owner-"));
  try {
    const file = path.join(dir, "ingot.yaml");
    await hs.command(["init", "--server-name", "x.example", "--data-dir", dir, "--config", file]);
    execFileSync("chown", ["-R", "65534:65534", dir]);
    assert.equal((await hs.command(["doctor", "--config", file])).status, 0);
    const add = await hs.command(["user", "add", "first", "--no-password", "--config", file]);
    assert.equal(add.status, 0, add.stderr);
    assert.equal((await hs.command(["db", "migrate", "--config", file])).status, 0);
    for (const f of fs.readdirSync(dir, { recursive: true })) assert.equal(fs.statSync(path.join(dir, f)).uid, 65534, f);
  } finally {
    fs.rmSync(dir, { recursive: true, force: true });
  }
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
  fs.writeFileSync(file, ["server_name: x.example", `data_dir: ${hs.dir}`, "public_url: example.org", "turn: {uris: [\"turn://x.example\"]}", "database: {engine: postgresql, url: \"postgresql://x/y?sslmode=sometimes\"}", "retention: {allowed_lifetime_min: 2d, allowed_lifetime_max: 1d}", "nonsense: 1"].join("\n"));
  const all = await hs.command(["config", "check", "--config", file]);
  assert.equal(all.status, 1);
  for (const wanted of [/public_url/, /turn\.uris/, /sslmode/, /allowed_lifetime_min/, /nonsense/]) assert.match(all.stderr, wanted, "all in one run");
  fs.writeFileSync(file, "server_name: x.example\nreport_stats: false\nsigning_key_path: /x\n");
  assert.match((await hs.command(["config", "check", "--config", file])).stderr, /Synapse.*ingot init/);
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
