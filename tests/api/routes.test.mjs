// SPDX-License-Identifier: Apache-2.0
// The coverage gate's first half: the table of routes that the program tells (`ingot routes`) against the table of the
// specification, in both directions. What differs on purpose stands in spec/exceptions.mjs, with its reason.
import assert from "node:assert/strict";
import test from "node:test";
import { BIN, CLIENT, E, OWN_SERVER, useServer } from "./harness.mjs";
import { AUTH, AWAITED, TWINS, UNDOCUMENTED, UNLIMITED } from "./spec/exceptions.mjs";
import { listed, specified } from "./spec/listed.mjs";
import { documented, routes } from "./spec/routes.mjs";
import { ABSENT } from "./spec/specification.mjs";

const hs = useServer();
const table = routes(BIN);
const rows = ABSENT ? [] : documented(BIN);
const options = ABSENT ? { skip: ABSENT } : {};
if (ABSENT) console.error(ABSENT);
const built = rows.filter(r => r.route);

test("every operation of the specification has a route", options, () => {
  assert.equal(rows.length, 166);
  assert.deepEqual(rows.filter(r => !r.operation).map(r => r.name), [], "in endpoints.tsv but not in the OpenAPI files");
  assert.deepEqual(rows.filter(r => !r.route && !r.isAwaited).map(r => r.name), [], "not routed");
  assert.deepEqual(built.filter(r => r.isAwaited && !TWINS[r.id]).map(r => r.id), [], "there by now: take them out of AWAITED");
  assert.deepEqual(AWAITED.filter(id => !rows.some(r => r.id === id)), [], "AWAITED names what is no operation");
});

test("the list that stands in for the specification is true", options, () => {
  assert.deepEqual(listed(), specified(), "write it anew: node spec/listed.mjs");
});

test("every route is in the specification, or meant", () => {
  const known = new Set(listed());
  const others = table.filter(r => !known.has(r.key));
  const covers = (entry, r) => entry.path.endsWith("*") ? r.path.startsWith(entry.path.slice(0, -1)) : r.path === entry.path;
  assert.deepEqual(others.filter(r => r.serve.includes("client") || r.serve.includes("media") || r.serve.includes("admin") || r.serve.includes("metrics"))
    .filter(r => !UNDOCUMENTED.some(u => covers(u, r))).map(r => `${r.method} ${r.path}`), []);
  assert.deepEqual(UNDOCUMENTED.filter(u => !others.some(r => covers(u, r))).map(u => u.path), [], "UNDOCUMENTED names what is not there");
});

test("who may call is what the specification says", options, () => {
  const ours = { "none": "none", "access token": "user", "guest ok": "guest", "guest ok (displayname only)": "guest", "access token optional": "optional", "as_token": "appservice" };
  const differing = new Map(built.filter(r => r.route.auth !== ours[r.endpoint.auth]).map(r => [r.id, r]));
  for (const { ids, auth } of AUTH) {
    for (const id of ids) {
      assert.equal(differing.get(id)?.route.auth, auth, `AUTH names ${id}`);
      differing.delete(id);
    }
  }
  assert.deepEqual([...differing.values()].map(r => `${r.name}: ${r.route.auth}, the specification: ${r.endpoint.auth}`), []);
});

test("what has no limit is meant", () => {
  const meant = UNLIMITED.flatMap(u => u.paths);
  const unlimited = new Set(table.filter(r => r.counted_by.length === 0).map(r => r.path));
  assert.deepEqual([...unlimited].filter(path => !meant.includes(path)), [], "without a limit, and without a reason in UNLIMITED");
  assert.deepEqual(meant.filter(path => !unlimited.has(path)), [], "limited by now: take them out of UNLIMITED");
});

test("what the specification calls rate-limited is", options, () => {
  assert.deepEqual(built.filter(r => r.endpoint.rate_limited === "yes" && r.route.counted_by.length === 0).map(r => r.name), []);
});

test("a body is asked for only where the specification has one", options, () => {
  assert.deepEqual(built.filter(r => r.route.body === "json" && !r.operation.takesBody()).map(r => r.name), []);
});

test("one command prints the table for people", async () => {
  const r = await hs.command(["routes"]);
  assert.equal(r.status, 0);
  assert.equal(r.stdout.trimEnd().split("\n").length, table.length);
  assert.match(r.stdout, new RegExp(`^GET +guest +sync +fast +${CLIENT}/sync$`, "m"));
});

test("browsers may ask every route from anywhere, and learn so without a token", OWN_SERVER, async () => {
  for (const path of new Set(table.filter(r => r.serve.includes("client")).map(r => r.path))) {
    const r = await hs.req("OPTIONS", path.replace(/\{(\w+)\*?\}/g, (_, name) => E(name)), { headers: { Origin: "https://app.example.org", "Access-Control-Request-Method": "PUT" } });
    assert.ok([200, 204].includes(r.status), `${path}: ${r.status}`);
    assert.equal(r.headers["access-control-allow-origin"], "*", path);
    assert.match(r.headers["access-control-allow-methods"], /GET, POST, PUT, DELETE, OPTIONS/, path);
    assert.match(r.headers["access-control-allow-headers"], /Authorization/, path);
  }
});

test("no path takes a method that is not its own", OWN_SERVER, async () => {
  const methods = new Map();
  for (const { method, path } of table) methods.set(path, [...methods.get(path) ?? [], method]);
  for (const [path, own] of methods) {
    for (const method of ["GET", "POST", "PUT", "DELETE", "PATCH"].filter(m => !own.includes(m))) {
      const r = await hs.req(method, path.replace(/\{(\w+)\*?\}/g, (_, name) => E(name)), {});
      // Another template may match the same words, e.g. /directory/list/{x} beside /directory/list/room.
      if (r.status === 401) continue;
      assert.equal(r.status, 405, `${method} ${path}`);
      assert.equal(r.body.errcode, "M_UNRECOGNIZED");
    }
  }
});
