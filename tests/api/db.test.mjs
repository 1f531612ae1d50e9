// SPDX-License-Identifier: Apache-2.0
// `ingot db` on both engines, and connections to PostgreSQL: passwords, TLS, and what the doctor says when one fails.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { EXTERNAL, OWN_SERVER, POSTGRES, Server, useServer } from "./harness.mjs";

const hs = useServer();
const db = async (...args) => hs.command(["db", ...args, "--config", hs.configFile]);
const json = async (...args) => JSON.parse((await db(...args, "--json")).stdout);

test("status tells engine, version, schema and sizes while the server runs", OWN_SERVER, async () => {
  await hs.user("alice");
  const s = await json("status");
  assert.equal(s.engine, POSTGRES ? "postgresql" : "sqlite");
  assert.match(s.version, /^[0-9]+\.[0-9]+/);
  assert.ok(s.schema_version >= 27);
  assert.equal(s.pending_migrations, 0);
  assert.ok(s.bytes > 0 && s.tables.events > 0 && s.tables.users > 0);
  if (POSTGRES) assert.ok(s.encoding === "UTF8" && s.connections > 0 && s.max_connections > s.connections);
  const text = await db("status");
  assert.equal(text.status, 0);
  assert.match(text.stdout, /^schema +\d+, 0 migrations pending$/m);
});

test("who cannot use the database is told which one, and why", OWN_SERVER, async () => {
  const dir = fs.mkdtempSync(path.join(os.tmpdir(), "ingot-words-"));
  try {
    const config = path.join(dir, "ingot.yaml"), file = path.join(dir, "ingot.db"), list = () => hs.command(["user", "list", "--config", config]);
    await hs.command(["init", "--server-name", "x.example", "--data-dir", dir, "--config", config]);
    assert.equal((await list()).status, 0);
    const cases = {
      "no database": () => fs.writeFileSync(file, randomBytes(9000)),
      "cannot be read or written.*Is a directory": () => { fs.rmSync(file); fs.mkdirSync(file); },
    };
    for (const [words, spoil] of Object.entries(cases)) {
      for (const suffix of ["-wal", "-shm"]) fs.rmSync(file + suffix, { force: true });
      spoil();
      const r = await list();
      assert.equal(r.status, 1);
      assert.match(r.stderr, new RegExp(`${file} .*${words}`));
    }
    fs.appendFileSync(config, "\ndatabase: {engine: postgresql, url: \"postgresql://127.0.0.1:1/nowhere\"}\n");
    const r = await list();
    assert.equal(r.status, 1);
    assert.match(r.stderr, /database cannot be reached.*PostgreSQL on 127\.0\.0\.1, database nowhere: .*refused/);
  } finally {
    fs.rmSync(dir, { recursive: true, force: true });
  }
});

test("check finds nothing in a sound database while the server runs, and what is wrong in another", OWN_SERVER, async () => {
  const alice = await hs.user("alice");
  const room = await alice.createRoom({ room_alias_name: "checked" });
  for (let i = 0; i < 5; i++) await alice.say(room, `${i}`);
  const fine = await db("check");
  assert.equal(fine.status, 0, fine.stdout + fine.stderr);
  assert.match(fine.stdout, /^ok +events\.room_nid names a row of rooms$/m);
  assert.doesNotMatch(fine.stdout, /FAILED/);
  assert.ok((await json("check")).every(f => f.violations === 0));
  const spoil = "UPDATE room_aliases SET room_nid = 4711";
  if (POSTGRES) execFileSync("psql", ["-Xq", "-c", spoil, hs.databaseUrl()]);
  else execFileSync("python3", ["-c", "import sqlite3, sys; c = sqlite3.connect(sys.argv[1]); c.execute(sys.argv[2]); c.commit()", path.join(hs.dir, "ingot.db"), spoil]);
  const bad = await db("check", "--json");
  assert.equal(bad.status, 1);
  assert.deepEqual(JSON.parse(bad.stdout).filter(f => f.violations).map(f => [f.fact, f.violations]), [["room_aliases.room_nid names a row of rooms", 1]]);
  assert.match((await db("check")).stdout, /^FAILED +room_aliases/m);
});

test("compact gives disk back: beside the server where it can be done bit by bit, else when the server is stopped", OWN_SERVER, async () => {
  const s = await Server.create({});
  try {
    const alice = await s.user("alice");
    for (let i = 0; i < 100; i++) await alice.setAccountData(`org.example.${i}`, { text: randomBytes(15_000).toString("hex") });
    await s.req("POST", "/account/deactivate", { token: alice.token, body: { auth: { type: "m.login.password", identifier: { type: "m.id.user", user: alice.id }, password: alice.password } } });
    const compact = () => s.command(["db", "compact", "--config", s.configFile, "--json"]);
    if (!POSTGRES) assert.equal((await compact()).status, 0);
    if (POSTGRES) assert.match((await compact()).stderr, /in use by process/);
    await s.stop();
    if (!POSTGRES) { // as a file of an earlier version
      const py = "import sqlite3, sys; c = sqlite3.connect(sys.argv[1], isolation_level=None); c.execute('PRAGMA journal_mode=DELETE'); c.execute('PRAGMA auto_vacuum=NONE'); c.execute('CREATE TABLE filler (x)'); c.execute('INSERT INTO filler SELECT randomblob(5000000)'); c.execute('VACUUM'); c.execute('DROP TABLE filler')";
      execFileSync("python3", ["-c", py, path.join(s.dir, "ingot.db")]);
    }
    const r = await compact();
    assert.equal(r.status, 0, r.stderr);
    const { bytes_before, bytes } = JSON.parse(r.stdout);
    assert.ok(bytes < bytes_before - 1_000_000, r.stdout);
    assert.equal((await s.command(["db", "check", "--config", s.configFile])).status, 0);
    await s.start();
    await s.user("bob");
  } finally { await s.remove(); }
});

test("with migrate: manual the server does not start before ingot db migrate has run", OWN_SERVER, async () => {
  const s = new Server();
  s.dir = fs.mkdtempSync(path.join(os.tmpdir(), "ingot-test-"));
  s.configFile = path.join(s.dir, "ingot.yaml");
  try {
    await s.init();
    s.editConfig(c => { c.database = { ...(POSTGRES ? { engine: "postgresql", url: s.makeDatabase() } : {}), migrate: "manual" }; });
    const run = (...args) => s.command([...args, "--config", s.configFile]);
    const refused = await run("serve");
    assert.equal(refused.status, 1);
    assert.match(refused.stderr, /ingot db migrate/);
    const dry = await run("db", "migrate", "--dry-run");
    assert.equal(dry.status, 0, dry.stderr);
    assert.match(dry.stdout, /^0001 base$/m);
    assert.match(dry.stdout, /^[0-9]+ migrations to do\.$/m);
    const doctor = JSON.parse((await run("doctor", "--json")).stdout).find(r => r.topic === "schema");
    if (doctor) assert.deepEqual([doctor.finding, doctor.advice], ["failure", "Run `ingot db migrate`."]);
    const done = await run("db", "migrate", "--json");
    assert.equal(done.status, 0, done.stderr);
    assert.equal(JSON.parse(done.stdout)[0].name, "base");
    assert.match((await run("db", "migrate")).stdout, /^0 migrations done\.$/m);
    assert.equal((await run("db", "check")).status, 0);
  } finally {
    await s.remove();
  }
});

test("migrate refuses beside a running server", OWN_SERVER, async () => {
  const r = await db("migrate");
  assert.equal(r.status, 1);
  assert.match(r.stderr, /in use by process/);
});

test("SQLite needs no init", { skip: POSTGRES ? "about SQLite" : EXTERNAL }, async () => {
  const r = await db("init");
  assert.equal(r.status, 0);
  assert.match(r.stdout, /no preparation/);
});

// ---- a PostgreSQL that wants passwords and has TLS -----------------------------------------------------------------------

const PG = POSTGRES && !EXTERNAL ? { timeout: 120000 } : { skip: "about PostgreSQL" };
const SCRIPT = path.join(path.dirname(fileURLToPath(import.meta.url)), "../support/postgres.sh");
const SECRET = "ein ganz geheimes/Wort%25";
let folder, url, certificates;

const openssl = (...args) => execFileSync("openssl", args, { stdio: "ignore" });

/** An authority, and a certificate of `localhost` that it signed. */
function makeCertificates() {
  const dir = fs.mkdtempSync(path.join(os.tmpdir(), "ingot-pg-tls-"));
  const at = name => path.join(dir, name);
  for (const ca of ["ca", "other"]) {
    openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", at(`${ca}.key`), "-out", at(`${ca}.pem`), "-days", "2", "-subj", `/CN=${ca}`);
  }
  fs.writeFileSync(at("ext"), "subjectAltName=DNS:localhost\n");
  openssl("req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", at("server.key"), "-out", at("server.csr"), "-subj", "/CN=localhost");
  openssl("x509", "-req", "-in", at("server.csr"), "-CA", at("ca.pem"), "-CAkey", at("ca.key"), "-CAcreateserial", "-out", at("server.crt"), "-days", "2", "-extfile", at("ext"));
  return dir;
}

before(() => {
  if (PG.skip) return;
  folder = fs.mkdtempSync(path.join(os.tmpdir(), "ingot-pg-strict-"));
  certificates = makeCertificates();
  url = execFileSync(SCRIPT, ["start", folder], { encoding: "utf8", stdio: ["ignore", "pipe", "inherit"], env: { ...process.env, PG_STRICT: certificates } }).trim();
});
after(() => {
  if (PG.skip) return;
  execFileSync(SCRIPT, ["stop", folder]);
  fs.rmSync(certificates, { recursive: true });
});

/** A configuration whose database section `change` may edit; `run` is `ingot …` with it. */
async function withDatabase(database, body) {
  const s = new Server();
  s.dir = fs.mkdtempSync(path.join(os.tmpdir(), "ingot-test-"));
  s.configFile = path.join(s.dir, "ingot.yaml");
  try {
    await s.init();
    s.editConfig(c => { c.database = { engine: "postgresql", ...database }; });
    await body((...args) => s.command([...args, "--config", s.configFile]), s);
  } finally {
    fs.rmSync(s.dir, { recursive: true });
  }
}
const target = (parameters = {}, { user = "strict", host = "localhost", name = "strict" } = {}) =>
  `postgresql://${user}@${host}:${new URL(url).port}/${name}?${new URLSearchParams(parameters)}`;
const verdict = async run => JSON.parse((await run("doctor", "--json")).stdout).filter(r => r.topic === "database")[0];
const verify = { sslmode: "verify-full", get sslrootcert() { return path.join(certificates, "ca.pem"); } };

test("init prints the SQL, or makes role and database as an administrator, with a password that is not in it", PG, async () => {
  await withDatabase({ url: target(verify), password: SECRET }, async run => {
    const text = await run("db", "init");
    assert.equal(text.status, 0, text.stderr);
    assert.match(text.stdout, /CREATE ROLE "strict" LOGIN;/);
    assert.match(text.stdout, /CREATE DATABASE "strict" OWNER "strict" TEMPLATE template0 ENCODING 'UTF8' LOCALE 'C';/);
    assert.doesNotMatch(text.stdout, /geheim/);
    assert.match((await verdict(run)).advice, /ingot db init|password/);
    const made = await run("db", "init", "--admin-url", url);
    assert.equal(made.status, 0, made.stderr);
    assert.match(made.stdout, /role strict: made\ndatabase strict: made\n/);
    assert.match((await run("db", "init", "--admin-url", url)).stdout, /role strict: was there already/);
    assert.equal((await run("db", "migrate")).status, 0);
    const s = JSON.parse((await run("db", "status", "--json")).stdout);
    assert.deepEqual([s.encoding, s.collation], ["UTF8", "C"]);
    assert.equal((await verdict(run)).finding, "ok");
    const nobody = await run("db", "init", "--admin-url", target({}, { user: "nobody" }));
    assert.equal(nobody.status, 1);
  });
});

test("the password may be in a file, in the environment, in a passfile or in the URL, and is told nowhere", PG, async () => {
  const file = path.join(certificates, "password");
  fs.writeFileSync(file, `${SECRET}\n`, { mode: 0o600 });
  const passfile = path.join(certificates, "pgpass");
  fs.writeFileSync(passfile, `*:*:strict:strict:${SECRET}\n`, { mode: 0o600 });
  const inUrl = target(verify).replace("strict@", `strict:${encodeURIComponent(SECRET)}@`);
  const wrongInUrl = target(verify).replace("strict@", "strict:ganz+geheim+falsch@");
  for (const database of [{ url: target(verify), password_file: file }, { url: target({ ...verify, passfile }) }, { url: inUrl }]) {
    await withDatabase(database, async run => {
      assert.equal((await verdict(run)).finding, "ok");
      assert.doesNotMatch((await run("config", "show")).stdout, /geheim/);
    });
  }
  await withDatabase({ url: target(verify) }, async run => {
    process.env.INGOT_DATABASE_PASSWORD = SECRET;
    try { assert.equal((await verdict(run)).finding, "ok"); } finally { delete process.env.INGOT_DATABASE_PASSWORD; }
    assert.match((await verdict(run)).advice, /password_file/);
  });
  for (const database of [{ url: wrongInUrl }, { url: `${wrongInUrl}&nonsense=1` }, { url: "postgresql://strict:ganz+geheim@[::1/x" }, { url: target(verify), password: "ganz geheim falsch" }]) {
    await withDatabase(database, async run => {
      for (const args of [["doctor"], ["serve"], ["db", "status"], ["db", "migrate"]]) {
        const r = await run(...args);
        assert.equal(r.status, 1, args.join(" "));
        assert.doesNotMatch(r.stdout + r.stderr, /geheim/, args.join(" "));
      }
    });
  }
});

test("sslmode=verify-full trusts the authority that is named, for the name that is asked for, and nobody else", PG, async () => {
  const passfile = path.join(certificates, "pgpass");
  const as = async (parameters, options) => {
    let found;
    await withDatabase({ url: target({ passfile, ...parameters }, options) }, async run => { found = await verdict(run); });
    return found;
  };
  const ca = path.join(certificates, "ca.pem"), other = path.join(certificates, "other.pem");
  assert.equal((await as({ sslmode: "verify-full", sslrootcert: ca })).finding, "ok");
  assert.equal((await as({ sslmode: "verify-ca", sslrootcert: ca }, { host: "127.0.0.1" })).finding, "ok");
  assert.match((await as({ sslmode: "verify-full", sslrootcert: ca }, { host: "127.0.0.1" })).advice, /must stand in/);
  assert.match((await as({ sslmode: "verify-ca", sslrootcert: other })).advice, /authority/);
  assert.match((await as({ sslmode: "verify-full", sslrootcert: "/none/such.pem" })).advice, /sslrootcert=FILE/);
  assert.match((await as({ sslmode: "disable" })).advice, /pg_hba\.conf/);
});

test("the doctor tells apart why PostgreSQL cannot be used", PG, async () => {
  const passfile = path.join(certificates, "pgpass");
  const closed = (await import("./harness.mjs")).freePort();
  const cases = [
    [`postgresql://strict@localhost:${await closed}/strict`, /start PostgreSQL/],
    ["postgresql://strict@none.such.invalid/strict", /name service/],
    [target({ ...verify, passfile: "/none/such" }), /password_file/],
    [target({ ...verify }, { name: "missing" }).replace("strict@", `strict:${encodeURIComponent(SECRET)}@`), /ingot db init/],
    ["postgresql://strict@localhost:notaport/x", /./],
  ];
  for (const [address, advice] of cases) {
    await withDatabase({ url: address }, async run => {
      const found = await verdict(run);
      assert.equal(found.finding, "failure");
      assert.match(found.advice, advice, `${address}: ${found.found}`);
    });
  }
  execFileSync("psql", ["-Xq", "-c", "CREATE DATABASE latin TEMPLATE template0 ENCODING 'LATIN1' LOCALE 'C' OWNER strict", url]);
  await withDatabase({ url: target({ ...verify, passfile: passfile }, { name: "latin" }).replace("strict@", `strict:${encodeURIComponent(SECRET)}@`) }, async run => {
    assert.match((await verdict(run)).found, /must be UTF8/);
  });
});
