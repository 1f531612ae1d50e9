// SPDX-License-Identifier: Apache-2.0
// What no client would send, to every operation of the client-server API, always in the same order (HOSTILE_SEED shifts
// it): wrong tokens, broken paths and queries, bodies that are no JSON, too deep, too large or of the wrong types, and
// what belongs to others. Whatever comes back is an answer of the protocol, nothing of Alice's is told or changed, and
// the server neither dies nor grows. The fields of bodies come from the specification's OpenAPI files (INGOT_SPEC, or
// shared/spec beside the checkout).
import assert from "node:assert/strict";
import fs from "node:fs";
import path from "node:path";
import test, { after } from "node:test";
import { fileURLToPath } from "node:url";
import YAML from "yaml";
import { BIN, CLIENT, E, exchange, OWN_SERVER, png, rawExchange, SERVER_NAME, THRIFTY, useServer } from "./harness.mjs";
import { documented } from "./spec/routes.mjs";
import { ABSENT } from "./spec/specification.mjs";

const here = path.dirname(fileURLToPath(import.meta.url));
const spec = process.env.INGOT_SPEC ?? path.join(here, "../../../shared/spec/data/api/client-server");
const hs = useServer(THRIFTY);
const AUTH = { none: "none", optional: "either" };
const table = ABSENT ? [] : documented(BIN).filter(r => r.route)
  .map(r => ({ method: r.method, route: r.path, name: r.name, auth: AUTH[r.route.auth] ?? "token", operation: r.operation }));

/** Small repeatable randomness (mulberry32). */
function random(seed) {
  return () => {
    seed = seed + 0x6d2b79f5 | 0;
    let t = Math.imul(seed ^ seed >>> 15, 1 | seed);
    t = t + Math.imul(t ^ t >>> 7, 61 | t) ^ t;
    return ((t ^ t >>> 14) >>> 0) / 4294967296;
  };
}
const seed = Number(process.env.HOSTILE_SEED ?? 1);

// ---- the specification's parameters and bodies

const documents = new Map();
function load(file) {
  if (!documents.has(file)) documents.set(file, YAML.parse(fs.readFileSync(file, "utf8")));
  return documents.get(file);
}

/** The names of the properties of a schema, nested ones as paths; references are followed. */
function fieldsOf(schema, file, depth = 0, prefix = []) {
  if (!schema || depth > 6) return [];
  if (schema.$ref) {
    const [name, pointer = ""] = schema.$ref.split("#");
    const target = name ? path.resolve(path.dirname(file), name) : file;
    return fieldsOf(pointer.split("/").filter(Boolean).reduce((o, k) => o?.[k], load(target)), target, depth + 1, prefix);
  }
  const out = (schema.allOf ?? schema.oneOf ?? schema.anyOf ?? []).flatMap(s => fieldsOf(s, file, depth + 1, prefix));
  for (const [key, value] of Object.entries(schema.properties ?? {})) {
    out.push([...prefix, key]);
    if (prefix.length < 2) out.push(...fieldsOf(value, file, depth + 1, [...prefix, key]));
  }
  return out;
}

/** "GET /path" -> {query: [name], fields: [[name, …]]} */
function readSpecification() {
  const out = new Map();
  for (const name of fs.readdirSync(spec).filter(f => f.endsWith(".yaml"))) {
    const file = path.join(spec, name), document = load(file);
    const base = document.servers?.[0]?.variables?.basePath?.default ?? "";
    for (const [route, item] of Object.entries(document.paths ?? {})) {
      for (const [method, op] of Object.entries(item)) {
        const body = Object.values(op.requestBody?.content ?? {})[0]?.schema;
        const fields = new Map(fieldsOf(body, file).map(f => [f.join("\0"), f]));
        out.set(`${method.toUpperCase()} ${base}${route}`, {
          query: [...op.parameters ?? [], ...item.parameters ?? []].filter(p => p.in === "query").map(p => p.name),
          fields: [...fields.values()],
        });
      }
    }
  }
  return out;
}
const known = fs.existsSync(spec) ? readSpecification() : new Map();

// ---- Alice, whose things must stay hers, and Mallory

const SECRET = `canary-${process.pid}`;
let alice, mallory, own, hers;

async function belongings(user, secret) {
  const room = await user.createRoom({ name: secret, topic: secret, room_alias_name: user.name });
  const event = await user.say(room, secret);
  await user.setAccountData("m.own", { secret });
  await user.setRoomAccountData(room, "m.own", { secret });
  const filterId = await user.addFilter({ room: { timeline: { types: [secret] } } });
  await user.put(`/devices/${user.device}`, { display_name: secret });
  const { version } = await user.post("/room_keys/version", { algorithm: "m.megolm_backup.v1.curve25519-aes-sha2", auth_data: { secret } });
  const session = { first_message_index: 0, forwarded_count: 0, is_verified: true, session_data: { secret } };
  await user.put(`/room_keys/keys/${E(room)}/${secret}?version=${version}`, session);
  await user.put(`/sendToDevice/m.own/${user.nextTxn()}`, { messages: { [user.id]: { [user.device]: { secret } } } });
  await user.put(`/pushrules/global/override/${user.name}`, { actions: [], conditions: [] });
  await user.put(`/user/${E(user.id)}/rooms/${E(room)}/tags/${secret}`, { order: 0.5 });
  const up = await hs.req("POST", "/_matrix/media/v3/upload", { token: user.token, body: png(4, 4), type: "image/png", expect: 200 });
  return {
    userId: user.id, roomId: room, roomIdOrAlias: room, roomAlias: `#${user.name}:${SERVER_NAME}`, eventId: event, eventType: "m.room.topic", stateKey: "", txnId: "t1",
    serverName: SERVER_NAME, mediaId: up.body.content_uri.split("/").pop(), fileName: "a.png", receiptType: "m.read", kind: "override", ruleId: user.name, type: "m.own",
    keyName: "displayname", deviceId: user.device, filterId, version, sessionId: secret, tag: secret,
  };
}

async function prepare() {
  if (hers) return;
  [alice, mallory] = await hs.users("alice", "mallory");
  hers = await belongings(alice, SECRET);
  own = await belongings(mallory, "mine");
}

const fill = (route, values) => route.replace(/\{(\w+)\}/g, (_, name) => values.raw?.[name] ?? E(values[name] ?? "x"));
/** Without waiting: long polls and media that do not come are asked for with no patience. */
const impatient = route => /\/(download|thumbnail)\//.test(route) ? "?timeout_ms=0&width=1&height=1" : route.includes("/room_keys/keys") ? "?version=1" : "";
const endsSession = route => /\/logout|\/deactivate/.test(route);

// ---- sending, and what holds for every answer

const seen = new Map();
function check(what, r) {
  seen.set(r.status, (seen.get(r.status) ?? 0) + 1);
  assert.ok(r.status < 500 || (r.status === 504 && /download|thumbnail/.test(what)), `${what} -> ${r.status} ${r.raw?.toString().slice(0, 300)}`);
  assert.ok(!r.raw.includes(SECRET), `${what} told what is Alice's: ${r.raw.toString("latin1").slice(0, 300)}`);
  if (r.status >= 400) {
    const uia = r.status === 401 && Array.isArray(r.body?.flows);
    assert.ok(uia || (/^[A-Z_]+$/.test(r.body?.errcode ?? "") && typeof r.body.error === "string"), `${what} -> ${r.status} without a Matrix error: ${r.raw.toString("latin1").slice(0, 300)}`);
  }
}

async function send({ name, method, route }, target, o = {}) {
  let token = o.token === undefined ? mallory.token : o.token;
  if (token && endsSession(route)) token = (await hs.user("lamb")).token;
  const body = o.body === undefined && method !== "GET" ? "{}" : o.body;
  const r = await exchange(hs.base, method, target, { ...o, token, body });
  if (token === mallory.token && !route.endsWith("/refresh")) assert.notEqual(r.body?.errcode, "M_UNKNOWN_TOKEN", `Mallory was signed out before ${name}`);
  check(`${name}: ${method} ${target.slice(0, 200)} ${String(body).slice(0, 120)}`, r);
  return r;
}

/** Runs the jobs a few at a time. */
async function all(jobs, width = 8) {
  let next = 0;
  await Promise.all(Array.from({ length: width }, async () => { while (next < jobs.length) await jobs[next++](); }));
}

const memory = () => Number(/VmRSS:\s+(\d+)/.exec(fs.readFileSync(`/proc/${hs.process.pid}/status`, "utf8"))[1]) / 1024;

// ---- the generators

const nested = (open, close, n) => open.repeat(n) + close.repeat(n);
const BODIES = {
  "nothing": "", "a word": "nonsense", "half an object": "{\"a\":", "an array": "[]", "an array of objects": "[{}]", "a string": "\"x\"", "a number": "1", "null": "null", "true": "true",
  "deep arrays": nested("[", "]", 50000), "deep objects": `${"{\"a\":".repeat(50000)}1${"}".repeat(50000)}`, "a deep member": `{"messages":${nested("[", "]", 5000)}}`,
  "a key twice": "{\"a\":1,\"a\":2,\"messages\":{},\"messages\":[]}", "invalid UTF-8": Buffer.from("7b2261223a22fffe80227d", "hex"), "overlong UTF-8": Buffer.from("7b2261223a22c0af227d", "hex"),
  "half a surrogate": "{\"a\":\"\\ud800\"}", "NUL in a string": "{\"a\\u0000b\":\"\\u0000\"}", "a NUL byte": "{\"a\":1}\0", "a byte order mark": "\ufeff{}", "two objects": "{}{}",
  "an enormous number": `{"a":1e999,"b":${"9".repeat(400)}}`, "a fraction": "{\"a\":0.1}", "many keys": `{${Array.from({ length: 3000 }, (_, i) => `"k${i}":${i}`).join()}}`,
  "unknown fields": "{\"org.example.unknown\":{\"x\":[1,2,{}]},\"__proto__\":{},\"\":null}", "a long string": JSON.stringify({ a: "x".repeat(200000) }),
};
const VALUES = [null, true, 0, -1, 1, 0.5, 2 ** 53, 1e300, "", "x", "\0", "m.login.password", "@nobody:localhost", "!x", "\u{1f4a5}".repeat(300), "x".repeat(70000), [], [null], [[]], [{}], Array(2000).fill("@x:localhost"), {}, { "": {} }, { a: null }, { "@x:localhost": { "*": {} } }];
const SEGMENTS = ["%00", "a%00b", "%FF%FE", "%C0%AF", "%", "%zz", "..%2F..%2F..%2Fetc%2Fpasswd", "%2e%2e", "%0d%0aX-Evil:%201", "%F0%9F%92%A5", "x".repeat(300), "%41".repeat(2000), "@", "!", "%23", "$", "%40a:b", "-1", "99999999999999999999999", "'%3B--", "%22%3E%3Cscript%3E"];
const QUERIES = ["", "-1", "0", "1.5", "99999999999999999999", "9223372036854775807", "-9223372036854775808", "%00", "%FF", "%0d%0aX-Evil:1", "null", "%7B", "%5B%5D", "%7B%22room%22:1%7D", "true", "s1_1", "p9223372036854775807", "%7B%22room%22:%7B%22timeline%22:%7B%22limit%22:-1%7D%7D%7D", "x".repeat(3000)];

function put(fields, value) {
  const out = {};
  let at = out;
  for (const f of fields.slice(0, -1)) at = at[f] = {};
  at[fields.at(-1)] = value;
  return JSON.stringify(out);
}

/** Every target of the table with one parameter spoilt; the others are Mallory's own. */
function spoiltTargets(entry) {
  return [...entry.route.matchAll(/\{(\w+)\}/g)].flatMap(([, name]) => SEGMENTS.map(s => fill(entry.route, { ...own, raw: { [name]: s } })));
}
const good = entry => fill(entry.route, own) + impatient(entry.route);

// ---- tests

test("without a token, or with a wrong one, nobody gets in", OWN_SERVER, async () => {
  await prepare();
  const tokens = ["x", "syt_x", mallory.token.slice(0, -1), `${mallory.token}x`, mallory.token.toUpperCase(), "x".repeat(4000), "\u00ff\u00fe"];
  await all(table.flatMap(entry => [null, ...tokens].map(token => async () => {
    const r = await send({ ...entry, route: "" }, good(entry), { token, body: entry.method === "GET" ? undefined : "{}" });
    if (entry.auth === "token") assert.equal(r.status, 401, `${entry.name} let ${token} in: ${r.status}`);
    if (entry.auth === "either" && token) assert.equal(r.status, entry.route.endsWith("/versions") ? r.status : 401);
  })));
  for (const header of ["Bearer", "Bearer ", "bearer\tx", "Basic eDp4", `Bearer ${mallory.token} ${mallory.token}`]) {
    const r = await exchange(hs.base, "GET", `${CLIENT}/account/whoami`, { headers: { Authorization: header } });
    assert.equal(r.status, 401, header);
  }
  const inQuery = await exchange(hs.base, "GET", `${CLIENT}/account/whoami?access_token=${mallory.token}`);
  assert.equal(inQuery.status, 401);
});

test("what belongs to others is neither told nor changed", OWN_SERVER, async () => {
  await prepare();
  const everybodys = /\/(profile|presence)\/|directory\/|\/media\/(download|thumbnail)|\/keys\//;
  await all(table.filter(e => e.route.includes("{")).map(entry => async () => {
    const r = await send(entry, fill(entry.route, hers) + impatient(entry.route));
    const isTheirs = /\{(userId|roomId|roomIdOrAlias)\}/.test(entry.route) && !everybodys.test(entry.route) && !/room_keys/.test(entry.route);
    if (isTheirs) assert.ok([400, 403, 404].includes(r.status), `${entry.name}: ${r.status} ${r.raw.toString().slice(0, 200)}`);
  }));
  // In a room of his own he names her event, her media, her device.
  await all(table.filter(e => /\{roomId\}.*\{eventId\}/.test(e.route)).map(entry => async () => {
    const r = await send(entry, fill(entry.route, { ...own, eventId: hers.eventId }));
    assert.ok(r.status >= 400, `${entry.name}: ${r.status}`);
  }));
  assert.equal((await alice.getState(hers.roomId, "m.room.topic")).topic, SECRET);
  assert.equal((await alice.getEvent(hers.roomId, hers.eventId)).content.body, SECRET);
  assert.equal((await alice.get(`/user/${E(alice.id)}/account_data/m.own`)).secret, SECRET);
  assert.equal((await alice.get(`/devices/${alice.device}`)).display_name, SECRET);
  assert.deepEqual((await alice.get(`/rooms/${E(hers.roomId)}/joined_members`)).joined[mallory.id], undefined);
  assert.equal((await alice.get(`/directory/room/${E(hers.roomAlias)}`)).room_id, hers.roomId);
});

test("paths that are broken or too long", OWN_SERVER, async () => {
  await prepare();
  await all(table.flatMap(entry => spoiltTargets(entry).map(target => async () => {
    const r = await send(entry, target + impatient(entry.route));
    assert.equal(r.headers["x-evil"], undefined);
  })));
});

test("queries that are broken, negative, enormous or doubled", { ...OWN_SERVER, skip: OWN_SERVER.skip ?? (known.size ? false : `LOUD: no OpenAPI files at ${spec}`) }, async () => {
  await prepare();
  const jobs = [];
  for (const entry of table) {
    for (const name of known.get(entry.name)?.query ?? []) {
      const others = /\/messages$/.test(entry.route) && name !== "dir" ? "dir=b&" : "";
      for (const value of QUERIES) {
        if ((name === "timeout" || name === "timeout_ms") && /^\d{2,}$/.test(value)) continue; // a long wait is what was asked for
        jobs.push(() => send(entry, `${fill(entry.route, own)}?${others}${/download|thumbnail/.test(entry.route) && name !== "timeout_ms" ? "timeout_ms=0&" : ""}${name}=${value}`));
      }
      jobs.push(() => send(entry, `${fill(entry.route, own)}?${others}${name}=1&${name}=2&timeout_ms=0`));
    }
  }
  await all(jobs);
});

test("bodies that are no object, too deep, or not even JSON", OWN_SERVER, async () => {
  await prepare();
  await all(table.filter(e => e.method !== "GET").flatMap(entry => Object.entries(BODIES).map(([what, body]) => async () => {
    const r = await send({ ...entry, name: `${entry.name} with ${what}` }, good(entry), { body });
    const takesJson = entry.method !== "DELETE" && !/\/media\/|logout/.test(entry.route);
    if (takesJson && /^(a word|half|an array|a string|a number|null|true|deep|invalid|overlong|two obj)/.test(what)) assert.ok(r.status >= 400, `${entry.name} took ${what}: ${r.status}`);
  })));
});

test("bodies that are too large are refused", OWN_SERVER, async () => {
  await prepare();
  await all(table.filter(e => ["PUT", "POST"].includes(e.method) && !e.route.includes("/media/")).map(entry => async () => {
    const head = `${entry.method} ${good(entry)} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${mallory.token}\r\nContent-Type: application/json\r\nConnection: close\r\nContent-Length: ${1 << 30}\r\n\r\n`;
    const { text } = await rawExchange(hs.port, [head], { enough: t => t.includes("\r\n\r\n{") && t.endsWith("}"), patience: 5000 });
    assert.match(text, /^HTTP\/1\.1 4\d\d /, `${entry.name}: ${text.slice(0, 200)}`);
    assert.match(text, /"errcode":"M_/, `${entry.name}: ${text.slice(0, 400)}`);
  }), 4);
});

test("fields of every wrong type", { ...OWN_SERVER, skip: OWN_SERVER.skip ?? (known.size ? false : `LOUD: no OpenAPI files at ${spec}`) }, async () => {
  await prepare();
  const jobs = [];
  for (const entry of table.filter(e => e.method !== "GET")) {
    for (const fields of known.get(entry.name)?.fields ?? []) {
      for (const value of VALUES) jobs.push(() => send(entry, good(entry), { body: put(fields, value) }));
    }
  }
  await all(jobs);
});

test("fields at random, many at once", OWN_SERVER, async () => {
  await prepare();
  const roll = random(seed), pick = list => list[Math.floor(roll() * list.length)];
  const scribble = depth => depth > 3 || roll() < 0.6 ? pick(VALUES)
    : roll() < 0.5 ? Array.from({ length: Math.floor(roll() * 4) }, () => scribble(depth + 1))
      : Object.fromEntries(Array.from({ length: Math.floor(roll() * 4) }, () => [pick(["", "type", "user", "events", "users", own.userId, own.roomId, own.deviceId]), scribble(depth + 1)]));
  const jobs = [];
  for (const entry of table.filter(e => e.method !== "GET" && known.get(e.name)?.fields.length)) {
    const top = known.get(entry.name).fields.filter(f => f.length === 1).map(f => f[0]);
    for (let i = 0; i < 12; i++) {
      const body = JSON.stringify(Object.fromEntries(top.filter(() => roll() < 0.7).map(f => [f, scribble(0)])));
      jobs.push(() => send(entry, good(entry), { body }));
    }
  }
  await all(jobs);
});

test("afterwards the server stands, Alice's things are hers, and memory has an end", OWN_SERVER, async () => {
  await prepare();
  assert.equal(hs.process.exitCode, null);
  assert.equal((await alice.getEvent(hers.roomId, hers.eventId)).content.body, SECRET);
  assert.equal((await alice.sync()).rooms.join[hers.roomId].timeline.events.some(e => e.sender === mallory.id), false);
  // The same once more may fill caches, but not much.
  const again = () => all(table.filter(e => e.method !== "GET").flatMap(entry => Object.values(BODIES).map(body => () => send(entry, good(entry), { body }))));
  const before = memory();
  await again();
  const grown = memory() - before;
  assert.ok(grown < 96, `${grown} MiB more after the same requests, ${before} before`);
});

after(() => process.env.HOSTILE_VERBOSE && console.error(Object.fromEntries([...seen].sort())));
