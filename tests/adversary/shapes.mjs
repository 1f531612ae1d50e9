// SPDX-License-Identifier: Apache-2.0
// Streams of requests for one connection: made at random from a seed, each with what a strict reader of RFC 9112 must
// answer. A request is sound (one known status), doubtful (refused, and the connection ends), or one of the few shapes
// that RFC 9112 leaves to the server ("MAY", 2.2 and 7.1): then the stream ends with it, and either outcome will do.

/** Small repeatable randomness (mulberry32). */
export function randomness(seed) {
  const next = () => {
    seed = seed + 0x6d2b79f5 | 0;
    let t = Math.imul(seed ^ seed >>> 15, 1 | seed);
    t = t + Math.imul(t ^ t >>> 7, 61 | t) ^ t;
    return ((t ^ t >>> 14) >>> 0) / 4294967296;
  };
  const below = n => Math.floor(next() * n);
  return { next, below, one: list => list[below(list.length)], chance: p => next() < p };
}

const CRLF = "\r\n";
export const SOUND = "sound", REFUSED = "refused", EITHER = "either";

/** What is asked, with a body or without, and the status that comes of it. */
const TARGETS = [
  { method: "GET", target: "/_matrix/client/versions", status: 200 },
  { method: "HEAD", target: "/_matrix/client/versions", status: 200, isHead: true },
  { method: "GET", target: "/_matrix/client/v3/account/whoami", status: 401 },
  { method: "GET", target: "/nowhere?a=b&c=%2F+d", status: 404 },
  { method: "OPTIONS", target: "/_matrix/client/v3/sync", status: 200 },
  { method: "DELETE", target: "/_matrix/client/versions", status: 405 },
  { method: "POST", target: "/_matrix/client/v3/login", body: "{}", status: 400 },
  { method: "POST", target: "/_matrix/client/v3/login", body: "{\"type\":\"m.unknown\"}", status: 400 },
  { method: "PUT", target: "/_matrix/client/v3/rooms/!a/send/m/1", body: "{\"body\":\"x\"}", status: 401 },
  { method: "POST", target: "/_matrix/media/v3/upload", body: "bytes".repeat(40), status: 401 },
  { method: "PATCH", target: "/nowhere", body: "GET /_matrix/client/versions HTTP/1.1\r\nHost: x\r\n\r\n", status: 404 },
];
const withBody = r => r.one(TARGETS.filter(t => t.body));

const head = (t, fields, version = "HTTP/1.1") => [`${t.method} ${t.target} ${version}`, ...fields, "", ""].join(CRLF);
const length = t => `Content-Length: ${t.body.length}`;

/** The body in chunks of random sizes. */
function chunked(r, body, { extension = () => "", trailer = "" } = {}) {
  let out = "";
  for (let at = 0; at < body.length;) {
    const n = 1 + r.below(body.length - at);
    const size = n.toString(16);
    out += `${"0".repeat(r.below(3))}${r.chance(0.5) ? size.toUpperCase() : size}${extension()}${CRLF}${body.slice(at, at + n)}${CRLF}`;
    at += n;
  }
  return `${out}0${CRLF}${trailer}${CRLF}`;
}

// ---- sound requests

const HOSTS = ["Host: x", "host: a.example:8448", "HOST:[::1]", "Host:\t x"];
const NOISE = ["X-A: b", "X-Empty:", "X-Tab:\ta\tb", "X-High: caf\u00e9", "Accept: */*", "Cookie: a=b; c=\"d\"", "X-Colons: a:b:c", "Connection: keep-alive", "Accept-Encoding: gzip"];
const fields = (r, ...more) => {
  const all = [r.one(HOSTS), ...Array.from({ length: r.below(4) }, () => r.one(NOISE)), ...more];
  return all.map(f => [r.next(), f]).sort((a, b) => a[0] - b[0]).map(f => f[1]);
};

function sound(r) {
  const t = r.one(TARGETS), answer = { status: t.status, isHead: t.isHead ?? false, verdict: SOUND };
  const blank = r.chance(0.1) ? CRLF : ""; // RFC 9112, 2.2: an empty line before a request is ignored
  if (t.body === undefined) return { bytes: blank + head(t, fields(r)), ...answer };
  if (r.chance(0.5)) return { bytes: blank + head(t, fields(r, length(t))) + t.body, ...answer };
  const extension = r.chance(0.3) ? () => r.one([";a", ";a=b", ";a=\"b\""]) : undefined;
  const trailer = r.chance(0.3) ? `X-Trailer: ${r.below(99)}${CRLF}` : "";
  return { bytes: blank + head(t, fields(r, `Transfer-Encoding: ${r.one(["chunked", "Chunked"])}`)) + chunked(r, t.body, { extension, trailer }), ...answer };
}

// ---- doubtful ones: each maker spoils one thing

const SPOILT_LENGTHS = t => [`Content-Length: +${t.body.length}`, `Content-Length: -${t.body.length}`, `Content-Length: 0x${t.body.length}`, `Content-Length: ${t.body.length}, ${t.body.length}`, "Content-Length:", "Content-Length: 1e1", "Content-Length: 99999999999999999999999", `Content-Length: ${t.body.length} 0`, `Content-Length: "${t.body.length}"`];
const CODINGS = ["identity", "gzip", "gzip, chunked", "chunked, gzip", "chunked, identity", "chunked,chunked", "xchunked", "chunked;q=1", "\"chunked\"", "\vchunked", "chunked\v", ",chunked", "chunked,", "chunke", "c h u n k e d", ""];
const DAMAGES = [
  f => f.replace(":", " :"), f => f.replace(":", "\t:"), f => `${f}${CRLF} folded`, f => `${f}${CRLF}\tfolded`, f => `${f}\0`, f => f.replace(": ", ": \0"), f => f.replace(":", "\0:"), f => ` ${f}`, f => `\t${f}`,
  f => f.replace(/:.*/, ""), f => `:${f}`, f => f.replace(/^./, "("), f => f.replace(/^./, "\u00e9"), f => f.replace(/$/, "\x01"), f => f.replace(/$/, "\rX: y"), f => f.replace(/$/, "\x7f"), f => `\0${f}`, f => `A\0 b\0\0${f}`,
];
/** Not every damage changes every field. */
function damage(r, field) {
  for (;;) {
    const out = r.one(DAMAGES)(field);
    if (out !== field) return out;
  }
}
const REQUEST_LINES = [
  t => `${t.method}  ${t.target} HTTP/1.1`, t => `${t.method} ${t.target}  HTTP/1.1`, t => `${t.method}\t${t.target} HTTP/1.1`, t => `${t.method} ${t.target} HTTP/1.1 `, t => `${t.method} ${t.target} http/1.1`, t => `${t.method} ${t.target}`,
  t => `${t.method} ${t.target} HTTP/2.0`, t => `${t.method} ${t.target} HTTP/0.9`, t => `${t.method} ${t.target} HTTP/1.1\0`, t => `${t.method} ${t.target}\0 HTTP/1.1`, t => `${t.method}\0 ${t.target} HTTP/1.1`, t => ` ${t.method} ${t.target} HTTP/1.1`,
  t => `${t.method} ${t.target} x HTTP/1.1`, t => `${t.method} ${t.target}\x01 HTTP/1.1`, t => `${t.method}( ${t.target} HTTP/1.1`, t => `${t.method} ${t.target} HTTP/11`, t => `${t.method} ${t.target} HTTP/1.1 HTTP/1.1`, () => "\x16\x03\x01\x02\x00\x01", () => "x",
];

const SPOILERS = {
  "a spoilt length": r => { const t = withBody(r); return head(t, fields(r, r.one(SPOILT_LENGTHS(t)))) + t.body; },
  "two lengths": r => { const t = withBody(r); return head(t, fields(r, length(t), `content-length: ${r.one([0, t.body.length, t.body.length + 50])}`)) + t.body; },
  "a length and chunks": r => { const t = withBody(r); return head(t, fields(r, `Content-Length: ${r.one([0, 2, t.body.length, 1000])}`, "Transfer-Encoding: chunked")) + chunked(r, t.body); },
  "a coding that is not chunked": r => { const t = withBody(r); return head(t, fields(r, `Transfer-Encoding: ${r.one(CODINGS)}`)) + chunked(r, t.body); },
  "two codings": r => { const t = withBody(r); return head(t, fields(r, "Transfer-Encoding: chunked", `Transfer-Encoding: ${r.one(["chunked", "identity", "x"])}`)) + chunked(r, t.body); },
  "chunks in HTTP/1.0": r => { const t = withBody(r); return head(t, fields(r, "Transfer-Encoding: chunked"), "HTTP/1.0") + chunked(r, t.body); },
  "a damaged field": r => { const t = r.one(TARGETS); const all = fields(r, "X-Some: value", ...t.body === undefined ? [] : [length(t)]); const i = r.below(all.length); all[i] = damage(r, all[i]); return head(t, all) + (t.body ?? ""); },
  "a damaged framing field": r => { const t = withBody(r); const field = r.one([length(t), "Transfer-Encoding: chunked"]); return head(t, [...fields(r), damage(r, field), "X-Last: y"]) + t.body; },
  "a bare line feed": r => { const t = r.one(TARGETS); const text = head(t, fields(r, "X-Some: value")); const ends = [...text.matchAll(/\r\n/g)]; const at = r.one(ends).index; return text.slice(0, at) + text.slice(at + 1); },
  "two hosts": r => head(r.one(TARGETS), [...fields(r), "Host: y"]),
  "no host": r => head(r.one(TARGETS), ["X-A: b"]),
  "a host that is none": r => head(r.one(TARGETS), [`Host: ${r.one(["a/b", "a b", "a@b", "a\\b", "a?b", "a#b", "<a>", "a\u00e9"])}`]),
  "a spoilt request line": r => { const t = r.one(TARGETS); return [r.one(REQUEST_LINES)(t), ...fields(r), "", ""].join(CRLF); },
  "a head without end": r => head(r.one(TARGETS), fields(r, `X-Long: ${"x".repeat(40000)}`)),
  "a target without end": r => head({ method: "GET", target: `/${"x".repeat(40000)}` }, fields(r)),
  "many fields": r => head(r.one(TARGETS), fields(r, ...Array.from({ length: 3000 }, (_, i) => `A${i}: b`))),
  "a chunk size that is none": r => { const t = withBody(r); return `${head(t, fields(r, "Transfer-Encoding: chunked"))}${r.one(["x", "-1", "+1", "0x1", " 1", "1 ", "", "1g", "ffffffffffffffffff", "\0"])}${CRLF}${t.body}${CRLF}0${CRLF}${CRLF}`; },
  "a chunk that goes on": r => { const t = withBody(r); return `${head(t, fields(r, "Transfer-Encoding: chunked"))}1${CRLF}${t.body}${CRLF}0${CRLF}${CRLF}`; },
};

/** RFC 9112, 2.2: a recipient MAY take a single LF for a line's end; within the chunks nothing but their end hangs on it. */
const MAYBE = {
  "a bare line feed in the chunks": r => { const t = withBody(r); const text = chunked(r, t.body); const at = r.one([...text.matchAll(/\r\n/g)]).index; return head(t, fields(r, "Transfer-Encoding: chunked")) + text.slice(0, at) + text.slice(at + 1); },
  "a damaged trailer": r => { const t = withBody(r); return head(t, fields(r, "Transfer-Encoding: chunked")) + chunked(r, t.body, { trailer: damage(r, "X-Trailer: y") + CRLF }); },
  "a NUL line before a request": r => `\0x${CRLF}${head(TARGETS[0], fields(r))}`,
  "a method that we do not know": r => head({ method: r.one(["get", "PRI", "CONNECT", "TRACE", "X-!#$"]), target: r.one(["*", "/", "x:1", "http://x/_matrix/client/versions"]) }, fields(r)),
};

/**
 * A connection's bytes: sound requests, at most one that is not, and behind it one that must not be seen. `answers` are those
 * of the sound ones before it.
 */
export function stream(r) {
  const answers = [], parts = [];
  for (let n = r.below(4); n > 0; n--) {
    const rq = sound(r);
    parts.push(rq.bytes);
    answers.push(rq);
  }
  const kind = r.one([SOUND, REFUSED, REFUSED, REFUSED, EITHER]);
  let name = "sound requests";
  if (kind !== SOUND || answers.length === 0) {
    const makers = kind === EITHER ? MAYBE : SPOILERS;
    name = r.one(Object.keys(makers));
    parts.push(makers[name](r), head({ method: "GET", target: "/_matrix/client/versions?smuggled" }, ["Host: x"]));
    return { name, bytes: Buffer.from(parts.join(""), "latin1"), answers, end: kind === EITHER ? EITHER : REFUSED };
  }
  return { name, bytes: Buffer.from(parts.join(""), "latin1"), answers, end: SOUND };
}

/** Every doubtful shape once, so that none hangs on luck. */
export const eachShape = r => Object.entries(SPOILERS).flatMap(([name, make]) =>
  Array.from({ length: 8 }, () => ({ name, bytes: Buffer.from(make(r) + head({ method: "GET", target: "/_matrix/client/versions?smuggled" }, ["Host: x"]), "latin1"), answers: [], end: REFUSED })));

/** Cuts bytes into pieces as they may come from the network. */
export function pieces(r, bytes) {
  const out = [];
  for (let at = 0; at < bytes.length;) {
    const n = r.one([1, 1 + r.below(20), 1 + r.below(bytes.length), bytes.length]);
    out.push(bytes.subarray(at, at + n));
    at += n;
  }
  return out.length > 200 ? [bytes] : out;
}
