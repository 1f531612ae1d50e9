// SPDX-License-Identifier: Apache-2.0
// What clients find out about the server and what goes with it: well-known files, TURN, single sign-on, OAuth.
import assert from "node:assert/strict";
import crypto from "node:crypto";
import test from "node:test";
import { E, OWN_SERVER, useServer, withServer } from "./harness.mjs";

const hs = useServer();

test("what is not configured is not there, in the way that clients expect", async () => {
  const alice = await hs.user("alice");
  await hs.fails(404, "M_NOT_FOUND", "GET", "/.well-known/matrix/support");
  await hs.fails(404, "M_NOT_FOUND", "GET", "/.well-known/matrix/policy_server");
  await hs.fails(404, "M_UNRECOGNIZED", "GET", "/_matrix/client/v1/auth_metadata");
  assert.deepEqual(await alice.get("/voip/turnServer"), {});
  await hs.fails(401, "M_MISSING_TOKEN", "GET", "/voip/turnServer");
});

test("without an identity provider a browser that comes for single sign-on is told so", async () => {
  assert.ok(!(await hs.req("GET", "/login", { expect: 200 })).body.flows.some(f => f.type === "m.login.sso"));
  for (const path of ["/login/sso/redirect", "/login/sso/redirect/nobody"]) {
    const r = await hs.req("GET", `${path}?redirectUrl=${E("https://client.example.org/")}&action=login`, { expect: 404 });
    assert.match(r.headers["content-type"], /^text\/html/);
    assert.match(r.raw.toString(), /single sign-on/);
    await hs.fails(400, "M_MISSING_PARAM", "GET", path);
    await hs.fails(400, "M_INVALID_PARAM", "GET", `${path}?redirectUrl=x&action=dance`);
  }
});

const KEY = "6yhHGKhCiXTSEN2ksjV7kX/N6rBQZ3Xb+M7LlC6NS+s";
const TURN = { uris: ["turn:turn.example.org:3478?transport=udp", "turns:turn.example.org:443?transport=tcp"] };

test("support contacts, the policy server's key and TURN servers come from the configuration", OWN_SERVER, async () => {
  const support = { contacts: [{ email_address: "admin@example.org", role: "m.role.admin" }], support_page: "https://example.org/help" };
  await withServer({ config: { well_known: { support, policy_key: KEY }, turn: { ...TURN, shared_secret: "north", user_lifetime: "2h" } } }, async s => {
    assert.deepEqual((await s.req("GET", "/.well-known/matrix/support", { expect: 200 })).body, support);
    assert.deepEqual((await s.req("GET", "/.well-known/matrix/policy_server", { expect: 200 })).body, { public_keys: { ed25519: KEY } });
    const alice = await s.user("alice");
    const turn = await alice.get("/voip/turnServer");
    assert.deepEqual(turn.uris, TURN.uris);
    assert.equal(turn.ttl, 7200);
    const [end, id] = [turn.username.slice(0, turn.username.indexOf(":")), turn.username.slice(turn.username.indexOf(":") + 1)];
    assert.equal(id, alice.id);
    assert.ok(Math.abs(Number(end) - (Date.now() / 1000 + 7200)) < 60);
    assert.equal(turn.password, crypto.createHmac("sha1", "north").update(turn.username).digest("base64"));
  });
});

test("a TURN server without a shared secret has one name for all", OWN_SERVER, async () => {
  await withServer({ config: { turn: { ...TURN, username: "all", password: "of us" } } }, async s => {
    const turn = await (await s.user("alice")).get("/voip/turnServer");
    assert.deepEqual(turn, { ...TURN, username: "all", password: "of us", ttl: 3600 });
  });
});

test("a configuration that makes no sense is explained", OWN_SERVER, async () => {
  for (const [config, why] of [
    [{ well_known: { support: { mail: "x" } } }, /contacts or support_page/], [{ well_known: { policy_key: "short" } }, /Ed25519/],
    [{ turn: { uris: ["https://x"] } }, /turn:/], [{ limits: { admin_contact: "me" } }, /mailto:/],
  ]) {
    hs.editConfig(c => Object.assign(c, config));
    const r = await hs.command(["config", "check", "--config", hs.configFile]);
    assert.equal(r.status, 1);
    assert.match(r.stderr + r.stdout, why);
    hs.editConfig(c => { for (const k of Object.keys(config)) delete c[k]; });
  }
});
