// SPDX-License-Identifier: Apache-2.0
// The server's own table of routes, as `ingot routes` tells it.
import { execFileSync } from "node:child_process";
import { AWAITED } from "./exceptions.mjs";
import * as specification from "./specification.mjs";

/** A template without the names of its parameters, which are nobody's business. */
export const shape = template => template.replace(/\{\w+\*?\}/g, "{}");
const keyOf = row => `${row.method} ${shape(row.path)}`;

/** All templates: [{method, path, alias_of?, auth, body, rate, counted_by, lane, serve, key}]. */
export function routes(bin) {
  return execFileSync(bin, ["routes", "--json"], { encoding: "utf8" }).trimEnd().split("\n").map(line => JSON.parse(line)).map(r => ({ ...r, key: keyOf(r) }));
}

/** The client-server API as this server has it: [{id, method, path, name, endpoint, operation, route}], with route null
 * for what is awaited and null for both others where there is no specification to read. */
export function documented(bin) {
  const table = new Map(routes(bin).map(r => [r.key, r]));
  const operations = new Map(specification.operations().map(o => [o.id, o]));
  return specification.endpoints().map(e => ({
    id: e.operationId, method: e.method, path: e.path, name: `${e.method} ${e.path}`, endpoint: e,
    operation: operations.get(e.operationId), route: table.get(keyOf(e)) ?? null, isAwaited: AWAITED.includes(e.operationId),
  }));
}
