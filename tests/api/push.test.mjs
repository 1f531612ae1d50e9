// SPDX-License-Identifier: Apache-2.0
// Push rules: the whole editing API, and what the rules do to counts.
import assert from "node:assert/strict";
import test from "node:test";
import { E, EXTERNAL, accountData, eventually, unique, useServer } from "./harness.mjs";

const hs = useServer();
const G = "/pushrules/global";

test("the default rules are there, in order, enabled, without the removed ones", async () => {
  const alice = await hs.user("alice");
  const { global } = await alice.get("/pushrules/");
  assert.deepEqual(await alice.get(`${G}/`), global);
  const ids = kind => global[kind].map(r => r.rule_id);
  for (const kind of ["override", "content", "room", "sender", "underride"]) assert.ok(Array.isArray(global[kind]), kind);
  const expected = [".m.rule.master", ".m.rule.suppress_notices", ".m.rule.invite_for_me", ".m.rule.member_event", ".m.rule.is_user_mention", ".m.rule.is_room_mention", ".m.rule.tombstone", ".m.rule.reaction", ".m.rule.room.server_acl", ".m.rule.suppress_edits"];
  assert.deepEqual(ids("override").filter(id => expected.includes(id)), expected);
  const under = [".m.rule.call", ".m.rule.encrypted_room_one_to_one", ".m.rule.room_one_to_one", ".m.rule.message", ".m.rule.encrypted"];
  assert.deepEqual(ids("underride").filter(id => under.includes(id)), under);
  for (const kind of Object.keys(global)) for (const r of global[kind]) {
    assert.equal(r.default, true);
    assert.equal(r.enabled, r.rule_id !== ".m.rule.master", r.rule_id);
    assert.ok(Array.isArray(r.actions));
  }
  if (!EXTERNAL) for (const gone of [".m.rule.contains_display_name", ".m.rule.contains_user_name", ".m.rule.roomnotif"]) {
    assert.equal(Object.values(global).flat().some(r => r.rule_id === gone), false, gone);
  }
  const mention = global.override.find(r => r.rule_id === ".m.rule.is_user_mention");
  assert.deepEqual(mention.conditions, [{ kind: "event_property_contains", key: "content.m\\.mentions.user_ids", value: alice.id }]);
});

test("rules are made, read, switched, changed and deleted, and told in sync", async () => {
  const alice = await hs.user("alice");
  const s = await alice.stream();
  const at = `${G}/content/cheese`;
  await alice.put(at, { pattern: "cheese", actions: ["notify", { set_tweak: "highlight" }] });
  const rules = await s.until("the new rule", r => accountData(r, "m.push_rules"));
  assert.equal(rules.global.content.find(r => r.rule_id === "cheese").pattern, "cheese");
  const rule = await alice.get(at);
  assert.deepEqual(rule, { rule_id: "cheese", default: false, enabled: true, pattern: "cheese", actions: ["notify", { set_tweak: "highlight" }] });
  assert.deepEqual(await alice.get(`${at}/enabled`), { enabled: true });
  await alice.put(`${at}/enabled`, { enabled: false });
  assert.deepEqual(await alice.get(`${at}/enabled`), { enabled: false });
  await alice.put(`${at}/actions`, { actions: [] });
  assert.deepEqual(await alice.get(`${at}/actions`), { actions: [] });
  await alice.put(at, { pattern: "wine", actions: ["notify"] });
  assert.equal((await alice.get(at)).pattern, "wine");
  await alice.del(at);
  await alice.fails(404, "M_NOT_FOUND", "GET", at);
  await alice.fails(404, "M_NOT_FOUND", "DELETE", at);
  await alice.fails(404, "M_NOT_FOUND", "PUT", `${at}/enabled`, { enabled: true });
});

test("of a kind that there is not, no rule is found and none is made", async () => {
  const alice = await hs.user("alice");
  const at = `${G}/device/cheese`;
  for (const part of ["", "/enabled", "/actions"]) await alice.fails(404, "M_NOT_FOUND", "GET", at + part);
  await alice.fails(400, "M_INVALID_PARAM", "PUT", at, { actions: [] });
  await alice.fails(400, "M_INVALID_PARAM", "PUT", `${at}/enabled`, { enabled: true });
  await alice.fails(400, "M_INVALID_PARAM", "DELETE", at);
});

test("order: a new rule comes first; before and after place it", async () => {
  const alice = await hs.user("alice");
  const room = i => `!room${i}:localhost`;
  const order = async () => (await alice.get("/pushrules/")).global.override.filter(r => !r.default).map(r => r.rule_id);
  const put = (id, q = "") => alice.put(`${G}/override/${id}${q}`, { conditions: [{ kind: "event_match", key: "room_id", pattern: room(1) }], actions: [] });
  await put("a");
  await put("b");
  assert.deepEqual(await order(), ["b", "a"]);
  await put("c", "?after=b");
  assert.deepEqual(await order(), ["b", "c", "a"]);
  await put("d", "?before=a");
  assert.deepEqual(await order(), ["b", "c", "d", "a"]);
  await put("a", "?before=b");
  assert.deepEqual(await order(), ["a", "b", "c", "d"]);
  const r = await hs.req("PUT", `${G}/override/e?before=nosuch`, { token: alice.token, body: { conditions: [], actions: [] } });
  assert.ok([400, 404].includes(r.status), `${r.status}`);
  const all = (await alice.get("/pushrules/")).global.override.map(x => x.rule_id);
  assert.equal(all[0], ".m.rule.master", "nothing goes before the master rule");
});

test("default rules are switched and changed but neither deleted nor replaced", async () => {
  const alice = await hs.user("alice");
  const at = `${G}/underride/.m.rule.message`;
  await alice.put(`${at}/enabled`, { enabled: false });
  assert.equal((await alice.get(at)).enabled, false);
  await alice.put(`${at}/actions`, { actions: ["notify", { set_tweak: "sound", value: "ring" }] });
  assert.deepEqual((await alice.get(`${at}/actions`)).actions, ["notify", { set_tweak: "sound", value: "ring" }]);
  const put = await hs.req("PUT", at, { token: alice.token, body: { conditions: [], actions: [] } });
  assert.equal(put.status, 400);
  await hs.req("DELETE", at, { token: alice.token });
  await alice.get(at);
});

test("bad rules are refused", async () => {
  const alice = await hs.user("alice");
  const bad = async (target, body, statuses = [400, 404]) => { const r = await hs.req("PUT", target, { token: alice.token, body }); assert.ok(statuses.includes(r.status), `${target} ${JSON.stringify(body)}: ${r.status} ${r.raw}`); };
  await bad(`${G}/nokind/x`, { actions: [] });
  await bad(`${G}/content/x`, { actions: ["notify"] });
  await bad(`${G}/content/x`, { pattern: 5, actions: ["notify"] });
  await bad(`${G}/override/x`, { conditions: [], actions: "notify" });
  await bad(`${G}/override/x`, { conditions: "none", actions: [] });
  await bad(`${G}/override/.mine`, { conditions: [], actions: [] });
  await bad(`${G}/room/${E("!r:localhost")}/enabled`, { enabled: true });
});

/** What one message does to bob's counts, starting from nothing. */
async function effect(bob, alice, room, send) {
  const marker = await alice.event(room, "org.example.marker", {});
  await bob.receipt(room, marker);
  const id = await send();
  const s = await bob.stream({ filter: { room: { rooms: [room] } } });
  await eventually("the event is there", async () => (await bob.getEvent(room, id)).event_id === id);
  const n = s.last.rooms.join[room].unread_notifications;
  return [n.notification_count, n.highlight_count];
}

test("default effects: messages, notices, edits, reactions, mentions, room mentions, members", async () => {
  const [alice, bob, carol] = await hs.users("alice", "bob", "carol");
  const room = await alice.createRoom({ preset: "public_chat" });
  await bob.join(room);
  await carol.join(room); // three of us: not one-to-one
  const does = send => effect(bob, alice, room, send);
  let id;
  assert.deepEqual(await does(async () => (id = await alice.say(room, "hello"))), [1, 0]);
  assert.deepEqual(await does(() => alice.event(room, "m.room.message", { msgtype: "m.notice", body: "beep" })), [0, 0]);
  assert.deepEqual(await does(() => alice.event(room, "m.reaction", { "m.relates_to": { rel_type: "m.annotation", event_id: id, key: "x" } })), [0, 0]);
  assert.deepEqual(await does(() => alice.say(room, "* new", { "m.new_content": { msgtype: "m.text", body: "new" }, "m.relates_to": { rel_type: "m.replace", event_id: id } })), [0, 0]);
  assert.deepEqual(await does(() => alice.say(room, "you", { "m.mentions": { user_ids: [bob.id] } })), [1, 1]);
  assert.deepEqual(await does(() => alice.say(room, "you", { "m.mentions": { user_ids: [carol.id] } })), [1, 0]);
  assert.deepEqual(await does(() => alice.say(room, "@room", { "m.mentions": { room: true } })), [1, 1]);
  assert.deepEqual(await does(() => carol.say(room, "@room", { "m.mentions": { room: true } })), [1, 0], "carol lacks the power to ring all");
  assert.deepEqual(await does(() => carol.setState(room, "m.room.member", carol.id, { membership: "join", displayname: "New name" })), [0, 0]);
  assert.deepEqual(await does(() => alice.event(room, "org.example.unknown", {})), [0, 0]);
  assert.deepEqual(await does(() => alice.event(room, "m.room.encrypted", { algorithm: "m.megolm.v1.aes-sha2", ciphertext: "x", session_id: "s", device_id: "d", sender_key: "k" })), [1, 0]);
  if (!EXTERNAL) assert.deepEqual(await does(() => alice.say(room, `name of ${bob.name} in the text`, { "m.mentions": {} })), [1, 0]);
});

test("own rules: room silence, sender silence, keywords, master switch, power and member count conditions", async () => {
  const [alice, bob, carol] = await hs.users("alice", "bob", "carol");
  const room = await alice.createRoom({ preset: "public_chat" });
  await bob.join(room);
  await carol.join(room);
  const does = send => effect(bob, alice, room, send);
  const word = unique("kw");
  await bob.put(`${G}/content/${word}`, { pattern: `${word}*`, actions: ["notify", { set_tweak: "highlight" }] });
  assert.deepEqual(await does(() => alice.say(room, `look: ${word.toUpperCase()}s!`)), [1, 1], "keyword with a star, any case, at word borders");
  assert.deepEqual(await does(() => alice.say(room, `not x${word}`)), [1, 0], "inside of a word it does not count");
  await bob.put(`${G}/sender/${E(carol.id)}`, { actions: [] });
  assert.deepEqual(await does(() => carol.say(room, "from carol")), [0, 0]);
  await bob.put(`${G}/room/${E(room)}`, { actions: [] });
  assert.deepEqual(await does(() => alice.say(room, "silence")), [0, 0]);
  assert.deepEqual(await does(() => alice.say(room, "you", { "m.mentions": { user_ids: [bob.id] } })), [1, 1], "overrides come before room rules");
  await bob.del(`${G}/room/${E(room)}`);
  await bob.put(`${G}/override/count`, { conditions: [{ kind: "room_member_count", is: ">2" }, { kind: "event_match", key: "content.body", pattern: "crowd" }], actions: ["notify", { set_tweak: "highlight" }] });
  assert.deepEqual(await does(() => alice.say(room, "a crowd here")), [1, 1]);
  await bob.put(`${G}/override/prop`, { conditions: [{ kind: "event_property_is", key: "content.level", value: 7 }], actions: ["notify", { set_tweak: "highlight" }] });
  assert.deepEqual(await does(() => alice.event(room, "org.example.x", { level: 7 })), [1, 1]);
  assert.deepEqual(await does(() => alice.event(room, "org.example.x", { level: 8 })), [0, 0]);
  await bob.put(`${G}/override/.m.rule.master/enabled`, { enabled: true });
  assert.deepEqual(await does(() => alice.say(room, "x", { "m.mentions": { user_ids: [bob.id] } })), [0, 0]);
});

test("an invitation is a notification", async () => {
  const alice = await hs.user("alice");
  const { global } = await alice.get("/pushrules/");
  const invite = global.override.find(r => r.rule_id === ".m.rule.invite_for_me");
  assert.ok(invite.conditions.some(c => c.key === "state_key" && c.pattern === alice.id));
  assert.ok(invite.actions.includes("notify"));
});

test("rules survive and belong to one person", async () => {
  const [alice, bob] = await hs.users("alice", "bob");
  await alice.put(`${G}/content/mine`, { pattern: "mine", actions: ["notify"] });
  await bob.fails(404, "M_NOT_FOUND", "GET", `${G}/content/mine`);
});
