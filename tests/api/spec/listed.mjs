// SPDX-License-Identifier: Apache-2.0
// Method and path of every operation of the client-server API, so that the rule on undocumented routes also holds where
// the specification is not at hand. Where it is, routes.test.mjs compares; after a new version of the specification:
//
//   node spec/listed.mjs      writes endpoints.txt anew
import fs from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { shape } from "./routes.mjs";
import { endpoints } from "./specification.mjs";

const file = path.join(path.dirname(fileURLToPath(import.meta.url)), "endpoints.txt");

/** As `key` of `routes()`: "GET /_matrix/client/v3/rooms/{}/state", in order. */
export const listed = () => fs.readFileSync(file, "utf8").trimEnd().split("\n");
/** The same, from the specification. */
export const specified = () => [...new Set(endpoints().map(e => `${e.method} ${shape(e.path)}`))].sort();

if (process.argv[1] === fileURLToPath(import.meta.url)) fs.writeFileSync(file, specified().join("\n") + "\n");
