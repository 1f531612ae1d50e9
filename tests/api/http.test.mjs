// SPDX-License-Identifier: Apache-2.0
// The edge: versions, well-known, CORS, unknown paths and methods, broken and hostile input.
import assert from "node:assert/strict";
import test from "node:test";
import fs from "node:fs";
import { CLIENT, E, EXTERNAL, OWN_SERVER, POSTGRES, THRIFTY, eventually, rawExchange, useServer, withServer } from "./harness.mjs";

const hs = useServer();
const create = `${CLIENT}/createRoom`;

test("versions lists v1.1 to v1.19 and needs no token", async () => {
  const { body } = await hs.req("GET", "/_matrix/client/versions", { expect: 200 });
  for (let i = 1; i <= (EXTERNAL ? 12 : 19); i++) assert.ok(body.versions.includes(`v1.${i}`), `v1.${i} is missing`);
  assert.equal(typeof body.unstable_features ?? {}, "object");
});

test("well-known names the base URL as an application/json document", OWN_SERVER, async () => {
  const r = await hs.req("GET", "/.well-known/matrix/client", { expect: 200 });
  assert.equal(r.body["m.homeserver"].base_url.replace(/\/$/, ""), hs.base);
  assert.equal(r.headers["access-control-allow-origin"], "*");
});

test("capabilities tell room versions and what may be changed", async () => {
  const alice = await hs.user();
  const { capabilities: c } = await alice.get("/capabilities");
  assert.equal(c["m.change_password"].enabled, true);
  const versions = c["m.room_versions"];
  for (let v = 1; v <= 12; v++) assert.equal(versions.available[String(v)], "stable", `room version ${v}`);
  assert.equal(versions.default, "12");
  await hs.fails(401, "M_MISSING_TOKEN", "GET", "/capabilities");
});

test("the r0 prefix answers like v3", OWN_SERVER, async () => {
  const alice = await hs.user();
  assert.equal((await alice.get("/_matrix/client/r0/account/whoami")).user_id, alice.id);
  const room = (await alice.post("/_matrix/client/r0/createRoom", {})).room_id;
  assert.deepEqual((await alice.get("/_matrix/client/r0/joined_rooms")).joined_rooms, [room]);
  await hs.req("GET", "/_matrix/client/r0/login", { expect: 200 });
});

test("a path that nobody serves is 404 M_UNRECOGNIZED", async () => {
  for (const p of ["/_matrix/client/v3/nothing/here", "/_matrix/client/v9/sync", "/_matrix/unknown", "/_matrix/client/v3/rooms"]) {
    await hs.fails(404, "M_UNRECOGNIZED", "GET", p);
  }
});

test("a known path with another method is 405 M_UNRECOGNIZED", async () => {
  await hs.fails(405, "M_UNRECOGNIZED", "DELETE", "/_matrix/client/v3/sync");
  await hs.fails(405, "M_UNRECOGNIZED", "PATCH", "/_matrix/client/v3/login");
  await hs.fails(405, "M_UNRECOGNIZED", "POST", "/_matrix/client/versions", { body: {} });
});

test("every answer carries the CORS headers, errors and preflights too", async () => {
  const check = h => {
    assert.equal(h["access-control-allow-origin"], "*");
    assert.match(h["access-control-allow-headers"], /Authorization/i);
    assert.match(h["access-control-allow-headers"], /Content-Type/i);
    for (const m of ["GET", "POST", "PUT", "DELETE", "OPTIONS"]) assert.ok(h["access-control-allow-methods"].includes(m), m);
  };
  check((await hs.req("GET", "/_matrix/client/versions")).headers);
  check((await hs.req("GET", "/_matrix/client/v3/sync")).headers);
  const pre = await hs.req("OPTIONS", create, { headers: { Origin: "https://example.org", "Access-Control-Request-Method": "POST" } });
  assert.ok([200, 204].includes(pre.status), `preflight ${pre.status}`);
  check(pre.headers);
});

test("tokens: none, an unknown one, a wrong scheme, one in the query string", async () => {
  const alice = await hs.user();
  await hs.fails(401, "M_MISSING_TOKEN", "GET", "/account/whoami");
  const e = await hs.fails(401, "M_UNKNOWN_TOKEN", "GET", "/account/whoami", { token: "nonsense" });
  assert.notEqual(e.soft_logout, true);
  await hs.fails(401, "M_MISSING_TOKEN", "GET", "/account/whoami", { headers: { Authorization: `Basic ${alice.token}` } });
  // Removed in v1.20 (MSC4127).
  if (!EXTERNAL) await hs.fails(401, "M_MISSING_TOKEN", "GET", `/account/whoami?access_token=${E(alice.token)}`);
});

test("a body that is no JSON is M_NOT_JSON", async () => {
  const { token } = await hs.user();
  for (const body of ["{", "nope", "{\"a\":}", "{\"a\":1,}", "{'a':1}", "{} {}", "\u0000", "{\"a\":1"]) {
    await hs.fails(400, "M_NOT_JSON", "POST", create, { token, body });
  }
});

test("JSON that is not an object is M_BAD_JSON", async () => {
  const { token } = await hs.user();
  for (const body of ["[]", "[{}]", "\"x\"", "1", " -1.5e3 ", "null", "true"]) await hs.fails(400, "M_BAD_JSON", "POST", create, { token, body });
});

test("wrong types and missing fields are named", async () => {
  const alice = await hs.user();
  const bad = async (target, body, method = "POST") => {
    const r = await hs.req(method, target, { token: alice.token, body, expect: 400 });
    assert.ok(["M_BAD_JSON", "M_INVALID_PARAM", "M_MISSING_PARAM", "M_UNKNOWN"].includes(r.body.errcode), JSON.stringify(r.body));
    return r.body;
  };
  await bad("/createRoom", { name: 7 });
  await bad("/createRoom", { invite: "not a list" });
  await bad("/createRoom", { initial_state: [1] });
  await bad("/createRoom", { preset: "no_such_preset" });
  await bad("/createRoom", { visibility: "sideways" });
  await bad("/createRoom", { room_version: 10 });
  const room = await alice.createRoom();
  await bad(`/rooms/${E(room)}/invite`, {});
  await bad(`/rooms/${E(room)}/invite`, { user_id: 5 });
  await bad(`/rooms/${E(room)}/invite`, { user_id: "not a user id" });
  await bad(`/rooms/${E(room)}/typing/${E(alice.id)}`, { typing: "yes" }, "PUT");
  await bad("/login", {});
  await bad("/keys/query", { device_keys: [] });
});

test("numbers outside of the allowed range, and floats, do not get into events", async () => {
  const alice = await hs.user();
  const room = await alice.createRoom();
  const send = body => hs.req("PUT", `/rooms/${E(room)}/send/m.test/${alice.nextTxn()}`, { token: alice.token, body });
  for (const n of ["9007199254740992", "-9007199254740992", "1.5", "1e400", "123456789012345678901234567890"]) {
    const r = await send(`{"n":${n}}`);
    assert.equal(r.status, 400, `${n}: ${r.status} ${r.raw}`);
    assert.ok(["M_BAD_JSON", "M_NOT_JSON"].includes(r.body.errcode), r.body.errcode);
  }
  const ok = await send("{\"n\":9007199254740991,\"m\":-9007199254740991}");
  assert.equal(ok.status, 200, `${ok.raw}`);
  assert.equal((await alice.getEvent(room, ok.body.event_id)).content.n, 9007199254740991);
});

test("duplicate keys never make two readings of one event", async () => {
  const alice = await hs.user();
  const room = await alice.createRoom();
  const r = await hs.req("PUT", `/rooms/${E(room)}/send/m.test/${alice.nextTxn()}`, { token: alice.token, body: "{\"a\":1,\"a\":2}" });
  if (r.status === 200) { // taking the last value is the other lawful reading
    assert.deepEqual((await alice.getEvent(room, r.body.event_id)).content, { a: 2 });
  } else {
    assert.equal(r.status, 400);
    assert.ok(["M_NOT_JSON", "M_BAD_JSON"].includes(r.body.errcode));
  }
});

test("deep nesting is refused and does not exhaust the stack", async () => {
  const { token } = await hs.user();
  const deep = 20000;
  for (const body of ["[".repeat(deep) + "]".repeat(deep), "{\"a\":".repeat(deep) + "1" + "}".repeat(deep), "[".repeat(1e5), `{"initial_state":${"[".repeat(3000)}${"]".repeat(3000)}}`]) {
    const r = await hs.req("POST", create, { token, body });
    assert.equal(r.status, 400, `${r.raw}`);
  }
  await hs.req("GET", "/_matrix/client/versions", { expect: 200 });
});

test("invalid UTF-8 is refused in bodies", async () => {
  const { token } = await hs.user();
  for (const bytes of [[0xff], [0xc0, 0x80], [0xed, 0xa0, 0x80], [0xf4, 0x90, 0x80, 0x80], [0xe2, 0x82]]) {
    const body = Buffer.concat([Buffer.from("{\"name\":\""), Buffer.from(bytes), Buffer.from("\"}")]);
    const r = await hs.req("POST", create, { token, body, expect: 400 });
    assert.ok(["M_NOT_JSON", "M_BAD_JSON", "M_UNKNOWN"].includes(r.body.errcode), r.body.errcode);
  }
});

test("lone surrogates and NUL in strings do no harm", async () => {
  const alice = await hs.user();
  const room = await alice.createRoom();
  for (const body of ["{\"body\":\"\\ud800\"}", "{\"body\":\"a\\u0000b\"}", "{\"\\u0000\":1}"]) {
    const r = await hs.req("PUT", `/rooms/${E(room)}/send/m.test/${alice.nextTxn()}`, { token: alice.token, body });
    assert.ok([200, 400].includes(r.status), `${body}: ${r.status}`);
  }
  await alice.sync();
});

test("invalid UTF-8 and NUL in paths and queries do no harm", async () => {
  const { token } = await hs.user();
  for (const p of ["/rooms/%ff%fe/state", "/rooms/%00/state", "/profile/%c0%80", "/rooms/!a%00b:localhost/members", "/directory/room/%23%ff:localhost", "/sync?since=%ff", "/sync?filter=%00", "/rooms/%/state", "/rooms/%zz/state"]) {
    const r = await hs.req("GET", p, { token });
    assert.ok(r.status >= 400 && r.status < 500, `${p}: ${r.status}`);
    assert.ok(r.body?.errcode, p);
  }
});

test("over-long keys and identifiers are refused", async () => {
  const alice = await hs.user();
  const room = await alice.createRoom();
  const long = "x".repeat(256);
  const k = await hs.req("PUT", `/rooms/${E(room)}/state/m.test/${long}`, { token: alice.token, body: {} });
  assert.ok([400, 413].includes(k.status), `${k.status}`);
  const t = await hs.req("PUT", `/rooms/${E(room)}/send/${long}/1`, { token: alice.token, body: {} });
  assert.ok([400, 413].includes(t.status), `${t.status}`);
  // The limits are in bytes: 128 two-byte characters are too much, 127 are not.
  const two = await hs.req("PUT", `/rooms/${E(room)}/state/m.test/${E("é".repeat(128))}`, { token: alice.token, body: {} });
  assert.ok([400, 413].includes(two.status), `${two.status}`);
  await alice.setState(room, "m.test", "é".repeat(127), {});
});

test("an event of more than 65536 bytes is M_TOO_LARGE", async () => {
  const alice = await hs.user();
  const room = await alice.createRoom();
  await alice.fails(413, "M_TOO_LARGE", "PUT", `/rooms/${E(room)}/send/m.room.message/${alice.nextTxn()}`, { body: "x".repeat(65536) });
  await alice.say(room, "x".repeat(60000));
});

test("a huge body is refused with M_TOO_LARGE before it is read", async () => {
  const alice = await hs.user();
  const head = `POST ${create} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer ${alice.token}\r\nContent-Type: application/json\r\nContent-Length: 3000000000\r\n\r\n`;
  const { text, timedOut } = await rawExchange(hs.port, [head, "{"], { enough: t => /\r\n\r\n.*\}/s.test(t) });
  assert.equal(timedOut, false, "no answer to an absurd Content-Length");
  assert.match(text, /^HTTP\/1\.1 413/);
  if (!EXTERNAL) assert.match(text, /M_TOO_LARGE/);
});

test("a body in endless chunks is cut off", async () => {
  const alice = await hs.user();
  const head = `POST ${create} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer ${alice.token}\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n`;
  const piece = `10000\r\n${" ".repeat(65536)}\r\n`;
  const { text } = await rawExchange(hs.port, [head, ...Array(2000).fill(piece)], { enough: t => t.includes("\r\n\r\n") });
  assert.ok(text === "" || /^HTTP\/1\.1 (413|400)/.test(text), text.slice(0, 200));
  await hs.req("GET", "/_matrix/client/versions", { expect: 200 });
});

test("an unknown content type and a missing one are read as JSON", async () => {
  const { token } = await hs.user();
  for (const type of [null, "text/plain", "application/x-www-form-urlencoded", "application/json; charset=utf-8"]) {
    await hs.req("POST", create, { token, body: "{}", type, expect: 200 });
  }
});

test("slow senders are served, byte by byte", async () => {
  const alice = await hs.user();
  const body = "{\"name\":\"slow\"}";
  const all = `POST ${create} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer ${alice.token}\r\nContent-Length: ${body.length}\r\nConnection: close\r\n\r\n${body}`;
  const { text } = await rawExchange(hs.port, [...all], { gap: 2 });
  assert.match(text, /^HTTP\/1\.1 200/);
  assert.match(text, /room_id/);
});

test("a client that shuts down its sending side still gets its answer or a clean close", async () => {
  const rq = "GET /_matrix/client/versions HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
  const { timedOut } = await rawExchange(hs.port, [rq], { halfClose: true });
  assert.equal(timedOut, false);
  const cut = await rawExchange(hs.port, [`POST ${create} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n{`], { halfClose: true });
  assert.equal(cut.timedOut, false, "a truncated body is closed, not waited for");
  await hs.req("GET", "/_matrix/client/versions", { expect: 200 });
});

test("garbage instead of HTTP does no harm", async () => {
  for (const junk of ["\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", "GET\r\n\r\n", "\0\0\0\0\r\n\r\n", "GET / HTTP/9.9\r\n\r\n", `GET /${"a".repeat(100000)} HTTP/1.1\r\nHost: x\r\n\r\n`, `GET / HTTP/1.1\r\nX: ${"b".repeat(200000)}\r\n\r\n`]) {
    await rawExchange(hs.port, [Buffer.from(junk, "latin1")], { halfClose: true });
  }
  await hs.req("GET", "/_matrix/client/versions", { expect: 200 });
});

test("clients that vanish while parked in /sync leave nothing behind", OWN_SERVER, async () => {
  const alice = await hs.user();
  const { next_batch: since } = await alice.sync();
  const isSocket = fd => { try { return fs.readlinkSync(`/proc/${hs.process.pid}/fd/${fd}`).startsWith("socket:"); } catch { return false; } };
  const open = () => fs.readdirSync(`/proc/${hs.process.pid}/fd`).filter(isSocket).length;
  // Each worker may still connect to PostgreSQL: more than a few, far fewer than the clients that vanish.
  const before = open() + (POSTGRES ? 24 : 0);
  for (let i = 0; i < 50; i++) {
    const stop = new AbortController();
    const poll = hs.req("GET", `/sync?timeout=30000&since=${since}`, { token: alice.token, signal: stop.signal }).catch(() => {});
    setTimeout(() => stop.abort(), 20);
    await poll;
  }
  await alice.createRoom();
  await eventually("the sockets of vanished clients are closed", () => open() <= before + 5, 40000);
});

test("bad input again and again does not make memory grow", OWN_SERVER, () => withServer(THRIFTY, async s => {
  const { token } = await s.user();
  const rss = () => Number(/VmRSS:\s+(\d+)/.exec(fs.readFileSync(`/proc/${s.process.pid}/status`, "utf8"))[1]);
  const round = async () => {
    await Promise.all(Array.from({ length: 8 }, async () => {
      for (const body of ["{", "[".repeat(5000), "{\"a\":".repeat(5000), "x".repeat(30000), `{"name":"${"y".repeat(60000)}"`, "\"\\ud800\""]) await s.req("POST", create, { token, body });
    }));
  };
  for (let i = 0; i < 20; i++) await round();
  const warm = rss();
  for (let i = 0; i < 40; i++) await round();
  assert.ok(rss() < warm + 32 * 1024, `${warm} KiB grew to ${rss()} KiB`);
}));

test("large answers are compressed for those who ask", OWN_SERVER, async () => {
  const alice = await hs.user();
  const room = await alice.createRoom();
  for (let i = 0; i < 10; i++) await alice.say(room, "compressible ".repeat(200));
  for (const encoding of ["gzip", "deflate"]) {
    const r = await hs.req("GET", "/sync", { token: alice.token, headers: { "Accept-Encoding": encoding }, expect: 200 });
    if (r.headers["content-encoding"] === undefined && encoding === "deflate") continue; // one of the two suffices
    assert.equal(r.headers["content-encoding"], encoding);
    assert.match(r.headers.vary ?? "", /accept-encoding/i);
    const { gunzipSync, inflateSync } = await import("node:zlib");
    const text = (encoding === "gzip" ? gunzipSync : inflateSync)(r.raw).toString();
    assert.ok(JSON.parse(text).next_batch);
  }
  const plain = await hs.req("GET", "/sync", { token: alice.token, expect: 200 });
  assert.equal(plain.headers["content-encoding"], undefined);
});

test("the landing page names the server", OWN_SERVER, async () => {
  const page = await hs.req("GET", "/", { expect: 200 });
  assert.match(page.headers["content-type"], /^text\/html/);
  assert.match(page.raw.toString(), /<code>localhost<\/code>, an Ingot/);
});

test("the metrics are in Prometheus' format", OWN_SERVER, async () => {
  const metrics = await hs.req("GET", "/metrics", { expect: 200 });
  assert.match(metrics.headers["content-type"], /^text\/plain/);
  const text = metrics.raw.toString();
  for (const name of ["ingot_http_requests_total", "ingot_commits_total", "ingot_commit_writes_bucket", "ingot_stream_position", "process_resident_memory_bytes"]) assert.match(text, new RegExp(`^${name}[ {]`, "m"));
  for (const line of text.trim().split("\n")) assert.match(line, /^(# HELP .+|# TYPE \w+ (counter|gauge|histogram|summary)|[a-zA-Z_:][a-zA-Z0-9_:]*(\{.*\})? -?[0-9.eE+naifNIF-]+)$/);
});

test("rate limits answer 429 with Retry-After, and end", OWN_SERVER, async () => {
  await withServer({ config: { rate_limits: { enabled: true } } }, async s => {
    const alice = await s.user();
    const room = await alice.createRoom();
    let limited = null;
    for (let i = 0; i < 3000 && !limited; i++) {
      const r = await s.req("PUT", `/rooms/${E(room)}/send/m.room.message/l${i}`, { token: alice.token, body: { body: "x", msgtype: "m.text" } });
      if (r.status === 429) limited = r;
    }
    assert.ok(limited, "3000 messages in a row were never limited");
    assert.equal(limited.body.errcode, "M_LIMIT_EXCEEDED");
    assert.ok(Number(limited.headers["retry-after"]) >= 1);
    await eventually("sending works again", async () => (await s.req("PUT", `/rooms/${E(room)}/send/m.room.message/again`, { token: alice.token, body: { body: "x", msgtype: "m.text" } })).status === 200);
  });
});
