// SPDX-License-Identifier: Apache-2.0
// The same odd strings in every part of a path, every query and every field of a body, to a server on SQLite and to one on
// PostgreSQL: both give the same answer, and neither an error of its own. What holds U+0000 and names something is refused
// with M_INVALID_PARAM; in contents it is kept, and read back as it was.
//
// Made from `ingot routes` and the OpenAPI files, as hostile.test.mjs is.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { BIN, E, EXTERNAL, Server, exchange, eventually, unique } from "./harness.mjs";
import { documented } from "./spec/routes.mjs";
import { changed, fields, sample } from "./spec/samples.mjs";
import { ABSENT } from "./spec/specification.mjs";

const OPTIONS = EXTERNAL ? { skip: "needs servers of its own" } : ABSENT ? { skip: ABSENT } : {};
const ODD = ["\0", "a\0b", "\ufffd", "\ud83d\ude00\u0301", "\u202e", "' OR 1=1 --", "\\u0000", "%00", "\u0001\u001f", "\ufeff", "\ue000", "e\u0301".repeat(40), "x'00'", "$1", "{list:1}", "{lock}"];
const script = path.join(path.dirname(fileURLToPath(import.meta.url)), "../support/postgres.sh");
const folder = path.join(os.tmpdir(), `ingot-odd-${process.pid}`);
const sides = [];

/** A server and one person's things on it, under names that both sides have. */
async function side(engine, url) {
  const config = { identity_servers: { allowed: [] } };
  if (engine === "postgresql") config.database = { engine, url };
  const server = await Server.create({ config });
  const s = { engine, server };
  s.user = await server.user("u", { name: "somebody" });
  s.room = await s.user.createRoom({ preset: "public_chat", name: "room" });
  s.values = {
    userId: s.user.id, roomId: s.room, roomIdOrAlias: s.room, roomAlias: "#x:localhost", eventId: await s.user.say(s.room, "hello"), eventType: "m.own", stateKey: "k", serverName: "localhost",
    receiptType: "m.read", kind: "override", ruleId: "rule", type: "m.own", keyName: "org.example.key", deviceId: s.user.device, filterId: "1", sessionId: "s", tag: "t", mediaId: "x", fileName: "f",
    version: (await s.user.post("/room_keys/version", { algorithm: "m.megolm_backup.v1.curve25519-aes-sha2", auth_data: {} })).version, txnId: "t", relType: "m.thread", threadId: "x", protocol: "x",
  };
  return s;
}

before(async () => {
  if (OPTIONS.skip) return;
  const shared = process.env.INGOT_TEST_POSTGRES;
  const base = shared ?? execFileSync(script, ["start", folder], { encoding: "utf8" }).trim();
  const name = unique("odd");
  execFileSync("psql", ["-Xq", "-c", `CREATE DATABASE ${name}`, base]);
  sides.push(await side("sqlite"), await side("postgresql", Object.assign(new URL(base), { pathname: `/${name}` }).href));
  sides.drop = () => shared ? execFileSync("psql", ["-Xq", "-c", `DROP DATABASE ${name} WITH (FORCE)`, base]) : execFileSync(script, ["stop", folder]);
});
after(async () => {
  for (const s of sides) await s.server.remove();
  sides.drop?.();
  fs.rmSync(`${folder}.log`, { force: true });
});

const NAMED = { user_id: "@nobody:localhost", dir: "b", algorithm: "m.megolm_backup.v1.curve25519-aes-sha2", version: "1", room_id: "!x:localhost", from: "s0", to: "s0" };
const table = OPTIONS.skip ? [] : documented(BIN).filter(r => r.route && !r.isAwaited && r.route.auth !== "appservice" && !/\/(logout|deactivate|upload|password)\b|\/media\/|sync$|\/events$/.test(r.path)).map(({ method, path: route, name, operation, route: { body } }) => ({
  method, route, name, body: body === "json" ? operation.body() : null, query: operation.query(),
}));

/** What does not depend on ids that each side makes up. */
const verdict = r => `${r.status} ${r.body?.errcode ?? ""}`;

async function compare(findings, what, entry, spoil) {
  const answers = [];
  for (const s of sides) {
    const values = { ...s.values }, query = new URLSearchParams(entry.query.filter(q => q.required).map(q => [q.name, q.name === "version" ? values.version : sample(q.schema, NAMED, q.name)]));
    let body = entry.body ? sample(entry.body, NAMED) : entry.method === "GET" ? undefined : {};
    body = spoil(values, query, body) ?? body;
    const target = entry.route.replace(/\{(\w+)\}/g, (_, name) => E(values[name] ?? "x")) + (query.size ? `?${query}` : "");
    answers.push(await exchange(s.server.base, entry.method, target, { token: s.user.token, body: body && JSON.stringify(body) }));
  }
  const [one, two] = answers.map(verdict);
  if (one !== two || answers.some(a => a.status >= 500 && a.status !== 504)) findings.push(`${entry.name} ${what}: ${one} | ${two} ${answers[1].raw.toString().slice(0, 160)}`);
  return answers[0];
}

const isRefused = r => r.status === 429 || (r.status >= 400 && r.status < 500);

test("in each part of a path and each query", OPTIONS, async () => {
  const findings = [];
  for (const entry of table) {
    for (const text of ODD) {
      for (const [, name] of entry.route.matchAll(/\{(\w+)\}/g)) {
        const r = await compare(findings, `{${name}} = ${JSON.stringify(text)}`, entry, values => { values[name] = text; });
        if (text.includes("\0") && !isRefused(r)) findings.push(`${entry.name} took U+0000 in {${name}}`);
      }
      for (const { name } of entry.query) {
        const r = await compare(findings, `?${name} = ${JSON.stringify(text)}`, entry, (_v, query) => { query.set(name, text); });
        if (text.includes("\0") && !isRefused(r)) findings.push(`${entry.name} took U+0000 in ?${name}`);
      }
    }
  }
  assert.deepEqual(findings, []);
});

test("in each field of a body", OPTIONS, async () => {
  const findings = [];
  for (const entry of table.filter(e => e.body)) {
    for (const field of fields(entry.body)) {
      for (const text of ODD) await compare(findings, `${field.path.join(".")} = ${JSON.stringify(text)}`, entry, (_v, _q, body) => changed(body, field, NAMED, (parent, key) => { parent[key] = text; }));
    }
  }
  assert.deepEqual(findings, []);
});

test("what an event says is kept to the byte, and whatever is derived from it still works", OPTIONS, async () => {
  for (const { user, engine } of sides) {
    const room = await user.createRoom({ preset: "public_chat", visibility: "public" });
    const parent = await user.say(room, "parent");
    for (const text of ODD) {
      const content = { msgtype: "m.text", body: `${text} needle`, "org.example": text, "m.relates_to": { rel_type: text, event_id: text, key: text } };
      const id = await user.event(room, "m.room.message", content);
      assert.deepEqual((await user.getEvent(room, id)).content, content, engine);
      await user.event(room, "m.reaction", { "m.relates_to": { rel_type: "m.annotation", event_id: parent, key: text } });
      for (const [type, key] of [["m.room.name", "name"], ["m.room.topic", "topic"], ["org.example.state", "any"]]) {
        await user.setState(room, type, "", { [key]: `${text} needle` });
        assert.deepEqual(await user.getState(room, type), { [key]: `${text} needle` }, engine);
      }
      await user.setState(room, "m.room.member", user.id, { membership: "join", displayname: `${text} needle` });
      await user.setAccountData("org.example", { text });
      assert.deepEqual(await user.get(`/user/${E(user.id)}/account_data/org.example`), { text }, engine);
    }
    const found = await user.post("/search", { search_categories: { room_events: { search_term: "needle", filter: { rooms: [room], limit: 100 } } } });
    assert.ok(found.search_categories.room_events.count >= ODD.length, engine);
    await eventually("the directory finds the room", async () => (await user.post("/publicRooms", { filter: { generic_search_term: "needle" } })).chunk.some(r => r.room_id === room));
    await user.post("/user_directory/search", { search_term: "needle" });
  }
});
