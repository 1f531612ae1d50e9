// SPDX-License-Identifier: Apache-2.0
// The coverage gate's second half, after the API tests: holds everything that they asked and got (recorder.mjs) against
// the OpenAPI files of the specification.
//
//   node spec/gate.mjs FOLDER
//
// Prints one line per operation, `ok` or `not ok` with the kinds of difference and an example of each; an operation is
// also not ok if no test reached it with a success. What is documented and was never seen is told at the end.
import fs from "node:fs";
import path from "node:path";
import readline from "node:readline";
import { errorDifferences } from "./errors.mjs";
import { ANSWERS, AWAITED, excuse, NEVER, TWINS } from "./exceptions.mjs";
import { fields } from "./samples.mjs";
import { ABSENT, eventDifferences, operations } from "./specification.mjs";

/** What was seen of one operation. */
class Coverage {
  constructor(operation) {
    Object.assign(this, { operation, successes: 0, kinds: new Map(), seen: new Set(), sent: new Set() });
  }

  add(exchange) {
    const { status, body } = exchange;
    if (status < 400) this.succeeded(exchange);
    this.seen.add(`${status}`);
    const found = status < 400 ? this.success(exchange)
      : errorDifferences(this.operation, status, body, (documented, code) => this.seen.add(code ? `${documented} ${code}` : `${documented}`));
    for (const difference of found) this.note(exchange, difference);
  }

  succeeded({ target, sent }) {
    this.successes++;
    for (const name of new URLSearchParams(target.split("?")[1] ?? "").keys()) this.sent.add(name);
    for (const name of sent) this.sent.add(name);
  }

  success({ status, type, body }) {
    const response = this.operation.responses.get(status);
    if (!response) return ["the status is not documented"];
    if (!response.schema || response.types.length > 1) return [];
    if (body === undefined) return [`${type ?? "nothing"} instead of JSON`];
    return [...response.differences(body), ...eventDifferences(body)].map(d => `${place(d.at)}: ${d.message}`);
  }

  note(exchange, difference) {
    const excused = excuse(this.operation.id, exchange.status, difference);
    if (excused) { excused.used = true; return; }
    const key = `${exchange.status} ${difference}`;
    const kind = this.kinds.get(key) ?? { count: 0, example: `${exchange.target.slice(0, 160)} ${JSON.stringify(exchange.body ?? null).slice(0, 400)}` };
    kind.count++;
    this.kinds.set(key, kind);
  }

  /** Queries and fields that no request with a success had. */
  unsent() {
    const { operation } = this, body = operation.body();
    const names = [...operation.query().map(q => q.name), ...body ? fields(body).filter(f => f.path.length === 1).map(f => f.path[0]) : []];
    return names.filter(name => !this.sent.has(name) && typeof name === "string" && !name.startsWith("@"));
  }

  /** Documented and never seen, e.g. "400 M_INVALID_PARAM". */
  unseen() {
    return [...this.operation.responses].flatMap(([status, response]) => {
      const codes = [...response.codes].map(code => `${status} ${code}`);
      return (status >= 400 && codes.length ? codes : [`${status}`]).filter(x => !this.seen.has(x));
    });
  }
}

/** A JSON pointer without what differs from answer to answer: ids and numbers. */
const place = pointer => pointer.replace(/\/([!@$#][^/]*|\d+)/g, "/*").slice(0, 160);

/** Finds the coverage that an exchange belongs to. */
function finder(coverages) {
  const found = new Map(); // method and path -> coverages; paths come again and again
  return ({ method, target, sent }) => {
    const [raw, query = ""] = target.split("?");
    const route = raw.replace(/^\/_matrix\/(client|media)\/r0\//, "/_matrix/$1/v3/").replace(/^(\/_matrix\/client\/v3\/rooms\/[^/]*\/state\/[^/]+)$/, "$1/");
    const key = `${method} ${route}`;
    if (!found.has(key)) {
      const all = coverages.filter(c => c.operation.method === method && c.operation.regex.test(route));
      found.set(key, all.filter(c => c.operation.parameters === all[0].operation.parameters));
    }
    const some = found.get(key);
    return some.find(c => TWINS[c.operation.id]?.({ query, sent })) ?? some.find(c => !TWINS[c.operation.id]);
  };
}

async function read(folder, coverages) {
  const find = finder(coverages);
  let n = 0;
  for (const name of fs.readdirSync(folder).filter(f => f.endsWith(".jsonl"))) {
    for await (const line of readline.createInterface({ input: fs.createReadStream(path.join(folder, name)) })) {
      const exchange = JSON.parse(line);
      n++;
      find(exchange)?.add(exchange);
    }
  }
  return n;
}

/** One line of the result, with what is to be said about it. */
function line(isFine, title, notes) {
  console.log(`${isFine ? "ok" : "not ok"} - ${title}`);
  for (const note of notes) console.log(`#   ${note}`);
  if (!isFine) process.exitCode = 1;
}

function report(coverages) {
  for (const { operation, successes, kinds } of coverages.sort((a, b) => a.operation.path < b.operation.path ? -1 : 1)) {
    const isAwaited = AWAITED.includes(operation.id), isNever = NEVER.some(n => n.ids.includes(operation.id));
    const notes = [...kinds].sort((a, b) => b[1].count - a[1].count).map(([kind, { count, example }]) => `${count} × ${kind}\n#       ${example}`);
    if (successes === 0 && !isAwaited && !isNever) notes.push("no test got a success from it");
    if (successes > 0 && (isAwaited || isNever)) notes.push("it works: take it out of AWAITED or NEVER");
    line(notes.length === 0, `${operation.name} (${operation.id})${isAwaited ? ", awaited" : ""}`, notes);
  }
  const idle = ANSWERS.filter(a => !a.used);
  line(idle.length === 0, "every exception is needed", idle.map(a => `never seen: ${a.ids} ${a.status} ${a.is}`));
}

function reportUnseen(coverages) {
  console.log("# documented, and never seen in a test:");
  for (const c of coverages) {
    const unseen = c.unseen().filter(x => !x.startsWith("429"));
    if (unseen.length && !AWAITED.includes(c.operation.id)) console.log(`#   ${c.operation.name}: ${unseen.join(", ")}`);
  }
}

function reportUnsent(coverages) {
  console.log("# queries and fields that are documented, and in no request of a test that had a success:");
  for (const c of coverages.filter(x => x.successes > 0)) {
    const unsent = c.unsent();
    if (unsent.length) console.log(`#   ${c.operation.name}: ${unsent.join(", ")}`);
  }
}

async function main([folder]) {
  if (ABSENT) {
    console.log(`# ${ABSENT}: the coverage gate did not run`);
    return;
  }
  const coverages = operations().map(o => new Coverage(o));
  const n = await read(folder, coverages);
  report(coverages);
  reportUnseen(coverages);
  reportUnsent(coverages);
  const reached = coverages.filter(c => c.successes > 0).length;
  const never = NEVER.flatMap(x => x.ids).length;
  console.log(`# ${n} exchanges; of ${coverages.length} operations ${reached} reached with a success, ${never} without any to be had, ${AWAITED.length} awaited`);
}

await main(process.argv.slice(2));
