// SPDX-License-Identifier: Apache-2.0
// Every operation of the client-server API in scope (endpoints.tsv, drawn from the specification) is routed, wants a
// token exactly where the specification says so, and answers a wrong method with 405.
import assert from "node:assert/strict";
import fs from "node:fs";
import test from "node:test";
import { E, OWN_SERVER, useServer } from "./harness.mjs";

const hs = useServer();
const table = fs.readFileSync(new URL("./endpoints.tsv", import.meta.url), "utf8").trim().split("\n").map(l => l.split("\t"));
const SAMPLE = { userId: "@a:localhost", roomId: "!a:localhost", roomIdOrAlias: "!a:localhost", roomAlias: "#a:localhost", eventId: "$a", eventType: "m.test", stateKey: "", txnId: "1", serverName: "localhost", receiptType: "m.read", kind: "override", type: "m.test", keyName: "displayname" };
const fill = path => path.replace(/\{(\w+)\}/g, (_, name) => E(SAMPLE[name] ?? "x"));
const quick = path => path.includes("/download/") || path.includes("/thumbnail/") ? `${path}?timeout_ms=0&width=1&height=1` : path;

for (const [method, path, auth] of table) {
  test(`${method} ${path}`, async () => {
    const body = method === "GET" || method === "DELETE" ? undefined : {};
    const r = await hs.req(method, quick(fill(path)), { body });
    assert.notEqual(r.body?.errcode, "M_UNRECOGNIZED", `${r.status}`);
    assert.ok(r.status < 500, `${r.status}`);
    if (auth === "token") {
      assert.equal(r.status, 401);
      assert.equal(r.body.errcode, "M_MISSING_TOKEN");
    } else if (auth === "none") {
      assert.notEqual(r.body?.errcode, "M_MISSING_TOKEN");
    }
  });
}

test("no path in scope takes a method that is not its own", OWN_SERVER, async () => {
  const methods = new Map();
  for (const [method, path] of table) methods.set(path, [...methods.get(path) ?? [], method]);
  for (const [path, own] of methods) {
    for (const method of ["GET", "POST", "PUT", "DELETE", "PATCH"].filter(m => !own.includes(m) && !(m === "GET" && path.includes("/media")))) {
      const r = await hs.req(method, quick(fill(path)), {});
      // Another template may match the same words, e.g. /rooms/{roomId}/state/{eventType}/ beside .../{stateKey}.
      assert.ok(r.status === 405 || r.status === 401, `${method} ${path}: ${r.status}`);
      if (r.status === 405) assert.equal(r.body.errcode, "M_UNRECOGNIZED");
    }
  }
});
