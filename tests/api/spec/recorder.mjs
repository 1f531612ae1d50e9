// SPDX-License-Identifier: Apache-2.0
// Writes down what the tests and the client libraries in them ask and get, for gate.mjs: with INGOT_RECORD=FOLDER one
// file per process, one line of JSON per exchange. It listens where Node's HTTP client and fetch can be listened to, so
// the libraries need not know.
import { channel } from "node:diagnostics_channel";
import fs from "node:fs";
import path from "node:path";
import zlib from "node:zlib";

const FOLDER = process.env.INGOT_RECORD;
const OURS = /^\/(_matrix\/(client|media)|\.well-known\/matrix)\//;
const BODY_MAX = 64 * 1024; // of requests; more is of no use for telling operations apart
const KEEP = 1 << 20; // bytes in memory before they are written

let lines = [], kept = 0, file = null;
function flush() {
  if (!lines.length) return;
  file ??= fs.openSync(path.join(FOLDER, `${process.pid}.jsonl`), "a");
  fs.writeSync(file, lines.join(""));
  lines = [];
  kept = 0;
}

function parsed(text) {
  try { return JSON.parse(text); } catch { return undefined; }
}
/** The names of a body's fields; their values may be too deep to be written again, and nobody wants them. */
const names = text => { const value = parsed(text); return value && typeof value === "object" ? Object.keys(value) : []; };

function record({ method, target, sent, status, type, encoding, bytes }) {
  const plain = encoding && bytes.length ? zlib.unzipSync(bytes) : bytes; // gzip and deflate
  const isJson = /json/.test(type ?? "");
  const line = JSON.stringify({ method, target, sent, status, type, body: isJson ? parsed(plain.toString("utf8")) : undefined }) + "\n";
  lines.push(line);
  kept += line.length;
  if (kept > KEEP) flush();
}

// ---- node:http

const asked = new WeakMap(); // request -> pieces of its body

/** Calls `see` with each piece that goes through a method of a stream. */
function overhear(stream, method, see) {
  const real = stream[method];
  stream[method] = function (piece, ...rest) {
    if (typeof piece === "string" || piece instanceof Uint8Array) see(Buffer.from(piece));
    return real.call(this, piece, ...rest);
  };
}

function onRequest({ request }) {
  if (!OURS.test(request.path) || asked.has(request)) return;
  const pieces = [];
  asked.set(request, pieces);
  const see = piece => { if (pieces.length < 16 && piece.length < BODY_MAX) pieces.push(piece); };
  overhear(request, "write", see);
  overhear(request, "end", see);
}

function onResponse({ request, response }) {
  const pieces = asked.get(request), parts = [];
  if (!pieces) return;
  overhear(response, "push", part => parts.push(part));
  response.once("end", () => record({
    method: request.method, target: request.path, sent: names(Buffer.concat(pieces).toString("utf8")), status: response.statusCode,
    type: response.headers["content-type"], encoding: response.headers["content-encoding"], bytes: Buffer.concat(parts),
  }));
}

// ---- fetch

function overhearFetch() {
  const real = globalThis.fetch;
  globalThis.fetch = async (resource, options) => {
    const response = await real(resource, options);
    const url = new URL(typeof resource === "string" || resource instanceof URL ? resource : resource.url);
    if (OURS.test(url.pathname)) {
      const copy = response.clone();
      copy.arrayBuffer().then(bytes => record({
        method: (options?.method ?? resource.method ?? "GET").toUpperCase(), target: url.pathname + url.search, sent: typeof options?.body === "string" ? names(options.body) : [],
        status: response.status, type: response.headers.get("content-type"), bytes: Buffer.from(bytes),
      })).catch(() => {}); // aborted: there was no whole answer
    }
    return response;
  };
}

if (FOLDER) {
  fs.mkdirSync(FOLDER, { recursive: true });
  channel("http.client.request.created").subscribe(onRequest);
  channel("http.client.request.start").subscribe(onRequest); // after its body; the first versions of Node 22 know only this
  channel("http.client.response.finish").subscribe(onResponse);
  overhearFetch();
  process.on("exit", flush);
}
