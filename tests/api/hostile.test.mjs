// SPDX-License-Identifier: Apache-2.0
// What no client would send, to every operation of the client-server API, always in the same order (HOSTILE_SEED shifts
// it): wrong tokens, what belongs to others, broken paths and queries, bodies that are no JSON, too deep, too large or of
// the wrong types, with fields missing and fields that nobody knows. Whatever comes back is an answer of the protocol
// with an error that the specification names for the operation, nothing of Alice's is told or changed, and the server
// neither dies nor grows.
//
// All of it is made from `ingot routes` and the OpenAPI files: a new route is in here by itself. If its schema does not
// make a body that would do, THAT_DO can name one.
import assert from "node:assert/strict";
import fs from "node:fs";
import test, { after } from "node:test";
import { BIN, CLIENT, E, exchange, OWN_SERVER, png, SERVER_NAME, THRIFTY, useServer } from "./harness.mjs";
import { AppService, registrations } from "./appservice-support.mjs";
import { errorDifferences, errorForm } from "./spec/errors.mjs";
import { excuse, IGNORED, TWINS } from "./spec/exceptions.mjs";
import { documented, routes } from "./spec/routes.mjs";
import { changed, fields, sample, wrongValues } from "./spec/samples.mjs";
import { ABSENT } from "./spec/specification.mjs";

const OPTIONS = { ...OWN_SERVER, ...ABSENT && { skip: ABSENT } };
const service = new AppService("hostile", { url: null });
const hs = useServer({ ...THRIFTY, config: { identity_servers: { allowed: [] }, media: { previews: { enabled: true } } }, edit: registrations(service) });
const AUTH = { none: "none", optional: "either" };
const spoken = ABSENT ? [] : documented(BIN).filter(r => r.route && !r.isAwaited);
/** Those of the specification, and the administrator's and the others that it does not know. */
const table = [...spoken, ...ABSENT ? [] : routes(BIN).filter(r => !r.alias_of && !spoken.some(s => s.route.key === r.key)).map(undocumented)].map(({ id, method, path, name, route, operation }) => ({
  id, method, route: path, name, operation, auth: AUTH[route.auth] ?? "token", isAdmins: route.auth === "admin", isServices: route.auth === "appservice", bodyMax: route.body_max,
  takesJson: route.body === "json", body: route.body === "json" ? operation?.body() ?? null : null, query: operation?.query() ?? [],
}));
function undocumented(route) {
  return { id: null, method: route.method, path: route.path, name: `${route.method} ${route.path}`, route, operation: null };
}

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

// ---- Alice, whose things must stay Alice's, Mallory, and an administrator who is no better

const SECRET = `canary-${process.pid}`;
let alice, mallory, root, own, alices;

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
  if (alices) return;
  [alice, mallory] = await hs.users("alice", "mallory");
  root = await hs.user("root", { admin: true });
  alices = await belongings(alice, SECRET);
  own = await belongings(mallory, "mine");
}

/** Strings that fields and queries of these names are given. */
const NAMED = { user_id: "@nobody:localhost", dir: "b", algorithm: "m.megolm_backup.v1.curve25519-aes-sha2", version: "1", url: "http://127.0.0.1:1/", from: "s1", to: "s1", room_id: "!x:localhost" };
/** Bodies that would do, where the least that the schema asks for would not. */
const THAT_DO = {
  login: { type: "m.login.password", identifier: { type: "m.id.user", user: "nobody" }, password: "x" },
  changePassword: { new_password: "long enough for all" },
  setProfileField: { displayname: "x" },
  upgradeRoom: { new_version: "11" },
  postPusher: { pushkey: "x", kind: "http", app_id: "x", app_display_name: "x", device_display_name: "x", lang: "en", data: { url: "https://push.example.org/_matrix/push/v1/notify" } },
};
const bodyFor = entry => THAT_DO[entry.id] ?? sample(entry.body, NAMED);

const fill = (route, values) => route.replace(/\{(\w+)\}/g, (_, name) => values.raw?.[name] ?? E(values[name] ?? "x"));
/** The queries that must be there, with the backup's own version; media that do not come are not waited for. */
function queries(entry, values) {
  const out = new URLSearchParams(entry.query.filter(q => q.required).map(q => [q.name, q.name === "version" ? values.version : sample(q.schema, NAMED, q.name)]));
  if (entry.query.some(q => q.name === "timeout_ms")) out.set("timeout_ms", "0");
  return out;
}
const targetOf = (entry, values, query = queries(entry, values)) => fill(entry.route, values) + (query.size ? `?${query}` : "");
const endsSession = route => /\/logout|\/deactivate/.test(route);

// ---- sending, and what holds for every answer

const seen = new Map();
/** What was wrong, each kind once with an example: "PUT /path 400: M_X is not documented here" -> the request. */
const wrong = new Map();

function check(entry, what, r) {
  seen.set(r.status, (seen.get(r.status) ?? 0) + 1);
  assert.ok(r.status < 500 || (r.status === 504 && /download|thumbnail/.test(what)), `${what} -> ${r.status} ${r.raw?.toString().slice(0, 300)}`);
  if (entry.route.startsWith("/_matrix/")) assert.equal(r.headers["access-control-allow-origin"], "*", what);
  assert.ok(!r.raw.includes(SECRET), `${what} told what is Alice's: ${r.raw.toString("latin1").slice(0, 300)}`);
  const isPage = !entry.operation && /^text\/html/.test(r.headers["content-type"] ?? ""); // for people, not for clients
  if (r.status < 400 || isPage) return;
  for (const difference of entry.operation ? errorDifferences(entry.operation, r.status, r.body) : errorForm(r.body)) {
    const key = `${entry.name} ${r.status}: ${difference}`;
    if (!excuse(entry.id, r.status, difference) && !wrong.has(key)) wrong.set(key, `${what} -> ${r.raw.toString("latin1").slice(0, 300)}`);
  }
}

async function send(entry, target, o = {}) {
  const { name, method, route } = entry;
  let token = o.token === undefined ? mallory.token : o.token;
  if (token && endsSession(route)) token = (await hs.user("lamb")).token;
  const body = o.body === undefined ? (method === "GET" ? undefined : "{}") : typeof o.body === "string" || Buffer.isBuffer(o.body) ? o.body : JSON.stringify(o.body);
  const r = await exchange(hs.base, method, target, { ...o, token, body });
  if (token === mallory.token && !route.endsWith("/refresh")) assert.notEqual(r.body?.errcode, "M_UNKNOWN_TOKEN", `Mallory was signed out before ${name}`);
  check(entry, `${method} ${target.slice(0, 200)} ${String(body).slice(0, 120)}`, r);
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

/** Every target of the table with one parameter spoilt; the others are Mallory's own. */
function spoiltTargets(entry) {
  return [...entry.route.matchAll(/\{(\w+)\}/g)].flatMap(([, name]) => SEGMENTS.map(s => fill(entry.route, { ...own, raw: { [name]: s } })));
}
const good = entry => targetOf(entry, own);

/** Somebody new, with things of their own, for requests that may change them; an administrator or an application service
 * where one is needed. */
async function someone(entry) {
  const user = entry.isAdmins ? await hs.user("someone", { admin: true }) : await hs.user("someone");
  return { token: entry.isServices ? service.token : user.token, values: { ...await belongings(user, "mine"), appserviceId: service.name } };
}

const codes = (...list) => r => r.status === 400 && list.includes(r.body?.errcode);
const isAboutTypes = codes("M_BAD_JSON", "M_INVALID_PARAM", "M_MISSING_PARAM");

// ---- tests

test("without a token, or with a wrong one, nobody gets in", OPTIONS, async () => {
  await prepare();
  const tokens = ["x", "syt_x", mallory.token.slice(0, -1), `${mallory.token}x`, mallory.token.toUpperCase(), "x".repeat(4000), "\u00ff\u00fe"];
  await all(table.flatMap(entry => [null, ...tokens].map(token => async () => {
    const r = await send({ ...entry, route: "" }, good(entry), { token, body: entry.method === "GET" ? undefined : "{}" });
    if (entry.auth === "token" || (entry.auth === "either" && token)) {
      assert.equal(r.status, 401, `${entry.name} let ${token} in: ${r.status}`);
      assert.equal(r.body.errcode, token ? "M_UNKNOWN_TOKEN" : "M_MISSING_TOKEN", entry.name);
    } else if (entry.auth === "none") {
      assert.notEqual(r.body?.errcode, "M_MISSING_TOKEN");
    }
  })));
  for (const header of ["Bearer", "Bearer ", "bearer\tx", "Basic eDp4", `Bearer ${mallory.token} ${mallory.token}`]) {
    const r = await exchange(hs.base, "GET", `${CLIENT}/account/whoami`, { headers: { Authorization: header } });
    assert.equal(r.status, 401, header);
  }
  const inQuery = await exchange(hs.base, "GET", `${CLIENT}/account/whoami?access_token=${mallory.token}`);
  assert.equal(inQuery.status, 401);
});

test("what belongs to others is neither told nor changed", OPTIONS, async () => {
  await prepare();
  const everybodys = /\/(profile|presence)\/|directory\/|\/media\/(download|thumbnail)|\/keys\/|\/report/;
  await all(table.filter(e => e.route.includes("{")).map(entry => async () => {
    const r = await send(entry, targetOf(entry, { ...alices, version: own.version }), { body: entry.body ? bodyFor(entry) : undefined });
    const isTheirs = /\{(userId|roomId|roomIdOrAlias)\}/.test(entry.route) && !everybodys.test(entry.route) && !/room_keys/.test(entry.route);
    if (isTheirs) assert.ok([403, 404].includes(r.status), `${entry.name}: ${r.status} ${r.raw.toString().slice(0, 200)}`);
  }));
  // In a room of their own they name Alice's event, media and device.
  await all(table.filter(e => /\{roomId\}.*\{eventId\}/.test(e.route)).map(entry => async () => {
    const r = await send(entry, fill(entry.route, { ...own, eventId: alices.eventId }));
    assert.ok(r.status >= 400, `${entry.name}: ${r.status}`);
  }));
  assert.equal((await alice.getState(alices.roomId, "m.room.topic")).topic, SECRET);
  assert.equal((await alice.getEvent(alices.roomId, alices.eventId)).content.body, SECRET);
  assert.equal((await alice.get(`/user/${E(alice.id)}/account_data/m.own`)).secret, SECRET);
  assert.equal((await alice.get(`/devices/${alice.device}`)).display_name, SECRET);
  assert.deepEqual((await alice.get(`/rooms/${E(alices.roomId)}/joined_members`)).joined[mallory.id], undefined);
  assert.equal((await alice.get(`/directory/room/${E(alices.roomAlias)}`)).room_id, alices.roomId);
});

test("a room that one is not in answers like one that does not exist", OPTIONS, async () => {
  await prepare();
  const nowhere = `!${"A".repeat(43)}`;
  // Of the caller, or for all to see; and whoever wants to come in, or complains, is told whether there is a room.
  const others = /\/(account_data|tags|room_keys|directory\/list|join|knock|report)\b/;
  const differing = [];
  await all(table.filter(e => /\{roomId(OrAlias)?\}/.test(e.route) && !others.test(e.route)).map(entry => async () => {
    const body = entry.body ? bodyFor(entry) : undefined;
    const [real, none] = await Promise.all([alices.roomId, nowhere].map(room => send(entry, targetOf(entry, { ...own, roomId: room, roomIdOrAlias: room }), { body })));
    if (real.status !== none.status || real.body?.errcode !== none.body?.errcode) differing.push(`${entry.name}: ${real.status} ${real.body?.errcode}, ${none.status} ${none.body?.errcode}`);
  }));
  assert.deepEqual(differing, []);
});

test("paths that are broken or too long", OPTIONS, async () => {
  await prepare();
  await all(table.flatMap(entry => spoiltTargets(entry).map(target => async () => {
    const query = queries(entry, own);
    const r = await send(entry, target + (query.size ? `?${query}` : ""));
    assert.equal(r.headers["x-evil"], undefined);
  })));
});

test("queries that are broken, negative, enormous or doubled", OPTIONS, async () => {
  await prepare();
  const jobs = [];
  for (const entry of table) {
    const others = queries(entry, own), route = fill(entry.route, own);
    for (const { name } of entry.query) {
      others.delete(name);
      const rest = others.size ? `${others}&` : "";
      for (const value of QUERIES) {
        if ((name === "timeout" || name === "timeout_ms") && /^\d{2,}$/.test(value)) continue; // a long wait is what was asked for
        jobs.push(() => send(entry, `${route}?${rest}${name}=${value}`));
      }
      jobs.push(() => send(entry, `${route}?${rest}${name}=1&${name}=2&timeout_ms=0`));
    }
  }
  await all(jobs);
});

test("queries that are missing or of the wrong type are said to be so", OPTIONS, async () => {
  await prepare();
  const findings = [], jobs = [];
  const WORDS = { integer: ["x", "1.5"], boolean: ["maybe", "2"] };
  for (const entry of table) {
    const ask = (name, value, fits) => jobs.push(async () => {
      const query = queries(entry, own);
      query.delete(name);
      if (value !== undefined) query.set(name, value);
      const r = await send(entry, targetOf(entry, own, query), { token: entry.isAdmins ? root.token : undefined, body: entry.body ? bodyFor(entry) : undefined });
      if (!fits(r) && !isIgnored(entry, name)) findings.push(`${entry.name} ${name}=${value}: ${r.status} ${r.raw.toString().slice(0, 120)}`);
    });
    for (const { name, required, schema } of entry.query) {
      const named = [...entry.operation.responses.get(400)?.codes ?? []];
      if (required && !TWINS[entry.id]) ask(name, undefined, codes("M_MISSING_PARAM", ...named));
      for (const value of WORDS[schema.value?.type] ?? (schema.value?.enum ? ["nonsense"] : [])) ask(name, value, codes("M_INVALID_PARAM", "M_BAD_JSON"));
    }
  }
  await all(jobs);
  assert.deepEqual(findings, []);
});

test("bodies that are no object, too deep, or not even JSON", OPTIONS, async () => {
  await prepare();
  await all(table.filter(e => e.method !== "GET").flatMap(entry => Object.entries(BODIES).map(([what, body]) => async () => {
    const r = await send({ ...entry, name: `${entry.name} with ${what}` }, good(entry), { body });
    if (entry.takesJson && /^(a word|half|an array|a string|a number|null|true|deep|invalid|overlong|two obj)/.test(what)) assert.ok(r.status >= 400, `${entry.name} took ${what}: ${r.status}`);
    const code = /^(an array|a string|a number|null|true)/.test(what) ? "M_BAD_JSON" : /^(a word|half an|two obj)/.test(what) ? "M_NOT_JSON" : null;
    if (entry.takesJson && code && r.status === 400) assert.equal(r.body.errcode, code, `${entry.name} with ${what}`);
  })));
});

test("bodies of one byte too much are refused", OPTIONS, async () => {
  await prepare();
  await all(table.filter(e => ["PUT", "POST"].includes(e.method) && e.bodyMax).map(entry => async () => {
    const r = await send(entry, good(entry), { body: Buffer.alloc(entry.bodyMax + 1, " ") });
    assert.equal(r.status, 413, entry.name);
    assert.equal(r.body.errcode, "M_TOO_LARGE", entry.name);
  }), 4);
});

const isIgnored = (entry, field) => IGNORED.some(i => i.ids.includes(entry.id) && (field === i.field || field.startsWith(`${i.field}.`)));
const bodied = table.filter(e => e.body);

test("a field of the wrong type is said to be so", OPTIONS, async () => {
  await prepare();
  const findings = [];
  await all(bodied.map(entry => async () => {
    const { token, values } = await someone(entry);
    for (const field of fields(entry.body).filter(f => !isIgnored(entry, f.path.join(".")))) {
      for (const value of wrongValues(field.places.at(-1))) {
        const body = changed(bodyFor(entry), field, NAMED, (parent, key) => { parent[key] = value; });
        const r = await send(entry, targetOf(entry, values), { token, body });
        if (!isAboutTypes(r)) { findings.push(`${entry.name} ${JSON.stringify(body)}: ${r.status} ${r.raw.toString().slice(0, 120)}`); break; }
      }
    }
  }));
  assert.deepEqual(findings, []);
});

test("a missing field is said to be so", OPTIONS, async () => {
  await prepare();
  const findings = [];
  await all(bodied.map(entry => async () => {
    const { token, values } = await someone(entry);
    for (const field of fields(entry.body).filter(f => f.isRequired && !isIgnored(entry, f.path.join(".")))) {
      const body = changed(bodyFor(entry), field, NAMED, (parent, key) => { delete parent[key]; });
      const r = await send(entry, targetOf(entry, values), { token, body });
      // Inside of lists and maps the whole is malformed.
      const fits = field.path.length === 1 ? codes("M_MISSING_PARAM") : codes("M_MISSING_PARAM", "M_BAD_JSON");
      if (!fits(r)) findings.push(`${entry.name} ${JSON.stringify(body)}: ${r.status} ${r.raw.toString().slice(0, 120)}`);
    }
  }));
  assert.deepEqual(findings, []);
});

test("a field that nobody knows changes nothing", OPTIONS, async () => {
  await prepare();
  const findings = [];
  const keysAreNames = ["uploadCrossSigningSignatures", "setProfileField"];
  await all(bodied.filter(e => !keysAreNames.includes(e.id)).map(entry => async () => {
    const [without, withIt] = await Promise.all([{}, { "org.example.unknown": { a: [1, null] } }].map(async extra => {
      const { token, values } = await someone(entry);
      return send(entry, targetOf(entry, values), { token, body: { ...bodyFor(entry), ...extra } });
    }));
    if (without.status !== withIt.status || without.body?.errcode !== withIt.body?.errcode) findings.push(`${entry.name}: ${without.status}, ${withIt.status} ${withIt.raw.toString().slice(0, 120)}`);
  }));
  assert.deepEqual(findings, []);
});

test("values of every kind in every field", OPTIONS, async () => {
  await prepare();
  const jobs = [];
  for (const entry of bodied) {
    for (const field of fields(entry.body)) {
      for (const value of VALUES) jobs.push(() => send(entry, good(entry), { body: changed({}, field, NAMED, (parent, key) => { parent[key] = value; }) }));
    }
  }
  await all(jobs);
});

test("fields at random, many at once", OPTIONS, async () => {
  await prepare();
  const roll = random(seed), pick = list => list[Math.floor(roll() * list.length)];
  const scribble = depth => depth > 3 || roll() < 0.6 ? pick(VALUES)
    : roll() < 0.5 ? Array.from({ length: Math.floor(roll() * 4) }, () => scribble(depth + 1))
      : Object.fromEntries(Array.from({ length: Math.floor(roll() * 4) }, () => [pick(["", "type", "user", "events", "users", own.userId, own.roomId, own.deviceId]), scribble(depth + 1)]));
  const jobs = [];
  for (const entry of bodied) {
    const top = fields(entry.body).filter(f => f.path.length === 1).map(f => f.path[0]);
    for (let i = 0; i < 12 && top.length; i++) {
      const body = JSON.stringify(Object.fromEntries(top.filter(() => roll() < 0.7).map(f => [f, scribble(0)])));
      jobs.push(() => send(entry, good(entry), { body }));
    }
  }
  await all(jobs);
});

test("the limits that the specification names are kept to the byte", OPTIONS, async () => {
  await prepare();
  const user = await hs.user("exact"), { roomId } = await belongings(user, "mine"), room = E(roomId), text = n => "t".repeat(n);
  const ask = (method, target, body) => hs.req(method, target, { token: user.token, body });
  const profile = n => ask("PUT", `/profile/${E(user.id)}/org.example.long`, { "org.example.long": text(n) });
  const event = n => ask("PUT", `/rooms/${room}/send/m.own/${user.nextTxn()}`, { text: text(n) });
  const LIMITS = [ // what, the most, status and errcode of one more, the request
    ["type of an event", 255, 413, "M_TOO_LARGE", n => ["PUT", `/rooms/${room}/send/${text(n)}/${user.nextTxn()}`, {}]],
    ["state key", 255, 413, "M_TOO_LARGE", n => ["PUT", `/rooms/${room}/state/m.own/${text(n)}`, {}]],
    ["integer in an event", Number.MAX_SAFE_INTEGER, 400, "M_BAD_JSON", n => ["PUT", `/rooms/${room}/send/m.own/${user.nextTxn()}`, `{"n":${n}}`]],
    ["tag", 255, 400, "M_INVALID_PARAM", n => ["PUT", `/user/${E(user.id)}/rooms/${room}/tags/${text(n)}`, {}]],
    ["name of a field of the profile", 255, 400, "M_KEY_TOO_LARGE", n => { const key = `org.example.${text(n - 12)}`; return ["PUT", `/profile/${E(user.id)}/${key}`, { [key]: 1 }]; }],
    ["alias of a room", 255, 400, "M_INVALID_PARAM", n => ["PUT", `/directory/room/${E(`#${text(n - SERVER_NAME.length - 2)}:${SERVER_NAME}`)}`, { room_id: roomId }]],
    ["name of a user", 255, 400, "M_INVALID_USERNAME", n => ["GET", `/register/available?username=${text(n - SERVER_NAME.length - 2)}`]],
  ];
  for (const [what, most, status, errcode, make] of LIMITS) {
    for (const [n, wanted] of [[most, 200], [most + 1, status]]) {
      const [method, target, body] = make(n);
      const r = await ask(method, target, body);
      assert.equal(r.status, wanted, `${what} of ${n}: ${r.raw.toString().slice(0, 200)}`);
      if (wanted >= 400) assert.equal(r.body.errcode, errcode, what);
    }
  }
  assert.equal((await profile(60000)).status, 200);
  assert.equal((await profile(65536)).body.errcode, "M_PROFILE_TOO_LARGE");
  assert.equal((await event(64000)).status, 200);
  assert.equal((await event(65536)).body.errcode, "M_TOO_LARGE");
});

test("every error so far is one that the specification names for its operation", OPTIONS, () => {
  assert.deepEqual([...wrong].map(([kind, example]) => `${kind}\n    ${example}`), []);
});

test("afterwards the server stands, Alice's things are Alice's, and memory has an end", OPTIONS, async () => {
  await prepare();
  assert.equal(hs.process.exitCode, null);
  assert.equal((await alice.getEvent(alices.roomId, alices.eventId)).content.body, SECRET);
  assert.equal((await alice.sync()).rooms.join[alices.roomId].timeline.events.some(e => e.sender === mallory.id), false);
  // The same once more may fill caches, but not much.
  const again = () => all(table.filter(e => e.method !== "GET").flatMap(entry => Object.values(BODIES).map(body => () => send(entry, good(entry), { body }))));
  const before = memory();
  await again();
  const grown = memory() - before;
  assert.ok(grown < 96, `${grown} MiB more after the same requests, ${before} before`);
});

after(() => process.env.HOSTILE_VERBOSE && console.error(Object.fromEntries([...seen].sort())));
