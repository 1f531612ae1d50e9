// SPDX-License-Identifier: Apache-2.0
// Rate limits on every route that has one (`ingot routes`), and on none that has none.
import assert from "node:assert/strict";
import test from "node:test";
import { BIN, E, eventually, exchange, OWN_SERVER, withServer } from "./harness.mjs";
import { routes } from "./spec/routes.mjs";

/** One request, and then none for a quarter of an hour. */
const ONE = { per_second: 0.001, burst: 1 };
const fill = path => path.replace(/\{(\w+)\*?\}/g, (_, name) => E(name));

test("the second request of a class is refused and told when to come back; others are not", OWN_SERVER, async () => {
  await withServer({}, async s => {
    const [alice, root] = [await s.user("alice"), await s.user("root", { admin: true })];
    const classes = new Set(routes(BIN).map(r => r.rate).filter(name => name !== "none"));
    s.editConfig(c => { c.rate_limits = { enabled: true, ...Object.fromEntries([...classes].map(name => [name, { ...ONE }])) }; });
    s.process.kill("SIGHUP");
    await eventually("the limits are in force", async () => (await s.req("GET", "/account/whoami", { token: alice.token })).status === 429);
    const ask = r => exchange(s.base, r.method, `${fill(r.path)}?timeout=0`, { token: r.auth === "none" ? undefined : r.auth === "admin" ? root.token : alice.token });
    const table = routes(BIN).filter(r => r.serve.includes("client") && !r.alias_of && r.auth !== "appservice" && !r.path.includes("/logout"));
    for (const r of table.filter(x => x.counted_by.length)) {
      await ask(r);
      const { status, body, headers } = await ask(r);
      assert.deepEqual([status, body?.errcode], [429, "M_LIMIT_EXCEEDED"], `${r.method} ${r.path}`);
      assert.ok(body.retry_after_ms > 0, `${r.method} ${r.path}`);
      assert.ok(Number(headers["retry-after"]) >= body.retry_after_ms / 1000, `${r.method} ${r.path}`);
    }
    for (const r of table.filter(x => !x.counted_by.length)) assert.notEqual((await ask(r)).status, 429, `${r.method} ${r.path}`);
  });
});
