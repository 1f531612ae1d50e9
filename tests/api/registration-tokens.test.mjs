// SPDX-License-Identifier: Apache-2.0
// `ingot registration-token`, with and without a server that runs, and what registration makes of the tokens.
import assert from "node:assert/strict";
import test from "node:test";
import { E, OWN_SERVER, unique, useServer } from "./harness.mjs";

const hs = useServer({ config: { registration: { mode: "token" } } });
const run = (...args) => hs.command(["registration-token", ...args, "--config", hs.configFile]);
const json = async (...args) => {
  const r = await run(...args, "--json");
  assert.equal(r.status, 0, r.stderr);
  return r.stdout.trim().split("\n").filter(Boolean).map(l => JSON.parse(l));
};
const valid = async token => (await hs.req("GET", `/_matrix/client/v1/register/m.login.registration_token/validity?token=${E(token)}`, { expect: 200 })).body.valid;

/** Registers up to the point where the token is held, and gives the rest as a function. */
async function hold(token) {
  const wish = { username: unique("new"), password: "a long password" };
  const { session, flows } = (await hs.req("POST", "/register", { body: wish, expect: 401 })).body;
  assert.deepEqual(flows, [{ stages: ["m.login.registration_token"] }]);
  return () => hs.req("POST", "/register", { body: { ...wish, auth: { type: "m.login.registration_token", token, session } } });
}

test("a token that the operator makes is good for as many accounts as they say", OWN_SERVER, async () => {
  const [made] = await json("add", "--uses", "1", "--days", "7");
  assert.match(made.token, /^[A-Za-z0-9]{16}$/);
  assert.equal(made.uses_allowed, 1);
  assert.ok(made.expires_ts > Date.now() + 6 * 86400e3 && made.expires_ts < Date.now() + 8 * 86400e3);
  assert.equal(await valid(made.token), true);
  assert.equal((await (await hold(made.token))()).status, 200);
  const [used] = await json("show", made.token);
  assert.deepEqual([used.pending, used.completed, used.valid], [0, 1, false]);
  assert.equal(await valid(made.token), false);
  assert.equal((await (await hold(made.token))()).status, 401);
  await json("update", made.token, "--uses", "2");
  assert.equal((await (await hold(made.token))()).status, 200);
  await json("update", made.token, "--unlimited", "--no-expiry");
  const [open] = await json("show", made.token);
  assert.equal("uses_allowed" in open || "expires_ts" in open, false);
  assert.equal(open.valid, true);
});

test("an expired token is refused, and the end can be moved", OWN_SERVER, async () => {
  const token = unique("tok");
  await json("add", token, "--days", "0");
  assert.equal(await valid(token), false);
  assert.equal((await (await hold(token))()).status, 401);
  await json("update", token, "--days", "1");
  assert.equal((await (await hold(token))()).status, 200);
});

test("tokens are listed, removed, and mistakes are explained", OWN_SERVER, async () => {
  const token = unique("tok");
  const said = await run("add", token, "--uses", "3");
  assert.match(said.stdout, new RegExp(`^${token} +0 used, 0 pending, 3 allowed\n$`));
  assert.match((await run("list")).stdout, new RegExp(`^TOKEN +USES\n(.*\n)*${token} +0 used`));
  assert.ok((await json("list")).some(t => t.token === token && t.uses_allowed === 3));
  for (const [args, why] of [
    [["add", token], /exists already/], [["add", "no spaces"], /made of A-Z/], [["add", "x", "--days", "1000000"], /at most/], [["show", "none"], /no registration token "none"/],
    [["update", "none", "--uses", "1"], /no registration token "none"/], [["remove", "none"], /no registration token "none"/], [["update", token, "--uses", "1", "--unlimited"], /exclude/],
  ]) {
    const r = await run(...args);
    assert.equal(r.status, 1, `${args}`);
    assert.match(r.stderr, why);
  }
  const finish = await hold(token);
  assert.equal((await run("remove", token)).status, 0);
  assert.equal((await finish()).status, 401);
});

test("the commands work while no server runs", OWN_SERVER, async () => {
  const token = unique("tok");
  await hs.stop();
  await json("add", token, "--uses", "1");
  await hs.start();
  assert.equal(await valid(token), true);
});
