// SPDX-License-Identifier: Apache-2.0
// matrix-js-sdk as a client without encryption uses it, unmodified: what a web client does all day. Encryption is in
// e2ee.test.mjs, addresses are in email-sdk.test.mjs.
import assert from "node:assert/strict";
import { after, test } from "node:test";
import "fake-indexeddb/auto";
import { E, eventually, png, unique, useServer } from "./harness.mjs";

for (const level of ["debug", "log", "info", "warn", "trace"]) console[level] = () => {}; // the SDK talks a lot
// The SDK leaves timers of up to 110 s behind, that nothing clears: they must not hold the process that long.
const { setTimeout: setTimer } = globalThis;
globalThis.setTimeout = (run, ms, ...rest) => { const t = setTimer(run, ms, ...rest); return ms > 10000 ? t.unref() : t; };
const sdk = await import("matrix-js-sdk");
const { RoomHierarchy } = await import("matrix-js-sdk/lib/room-hierarchy.js");

const hs = useServer({ config: { registration: { guests: true } } });
const running = [];
after(() => { for (const client of running) client.stopClient(); });

/** A client of somebody new that syncs. */
async function client(name, options = {}) {
  const user = await hs.user(name);
  const c = sdk.createClient({ baseUrl: hs.base, userId: user.id, deviceId: user.device, accessToken: user.token, timelineSupport: true });
  const prepared = new Promise(resolve => c.on("sync", s => { if (s === "PREPARED") resolve(); }));
  await c.startClient({ initialSyncLimit: 20, threadSupport: true, lazyLoadMembers: true, ...options });
  await prepared;
  running.push(c);
  return Object.assign(c, { person: user, id: user.id });
}

/** The room once the client has it with this membership. */
const room = (c, id, membership = "join") => eventually(`${c.id} is in ${id}: ${membership}`, () => { const r = c.getRoom(id); return r?.getMyMembership() === membership && r; });
const event = (c, id, eventId) => eventually(`${c.id} has ${eventId}`, () => c.getRoom(id)?.findEventById(eventId));

async function two(options = {}) {
  const [alice, bob] = [await client("alice"), await client("bob")];
  const { room_id } = await alice.createRoom({ preset: "public_chat", name: "Salon", ...options });
  await bob.joinRoom(room_id);
  await room(alice, room_id);
  await room(bob, room_id);
  return { alice, bob, id: room_id };
}

test("talk: messages, edits, reactions, redactions, receipts, typing, unread counts", async () => {
  const { alice, bob, id } = await two();
  const { event_id: said } = await alice.sendTextMessage(id, "hello");
  assert.equal((await event(bob, id, said)).getContent().body, "hello");
  await eventually("bob has one unread message", () => bob.getRoom(id).getUnreadNotificationCount("total") === 1);
  await alice.sendMessage(id, { msgtype: "m.text", body: "* hello all", "m.new_content": { msgtype: "m.text", body: "hello all" }, "m.relates_to": { rel_type: "m.replace", event_id: said } });
  await eventually("the edit is shown", () => bob.getRoom(id).findEventById(said).getContent().body === "hello all");
  const { event_id: reaction } = await bob.sendEvent(id, "m.reaction", { "m.relates_to": { rel_type: "m.annotation", event_id: said, key: "👋" } });
  await eventually("alice counts the reaction", () => alice.getRoom(id).relations.getChildEventsForEvent(said, "m.annotation", "m.reaction")?.getSortedAnnotationsByKey()?.[0]?.[0] === "👋");
  await bob.redactEvent(id, reaction);
  await eventually("and then no more", () => !alice.getRoom(id).relations.getChildEventsForEvent(said, "m.annotation", "m.reaction")?.getSortedAnnotationsByKey()?.some(([, events]) => events.size));
  await bob.sendReadReceipt(await event(bob, id, said));
  await eventually("alice sees what bob has read", () => alice.getRoom(id).getReadReceiptForUserId(bob.id, true)?.eventId === said);
  await eventually("nothing is unread", () => bob.getRoom(id).getUnreadNotificationCount("total") === 0);
  await bob.sendTyping(id, true, 5000);
  await eventually("alice sees bob typing", () => alice.getRoom(id).getMember(bob.id)?.typing);
  const { event_id: picture } = await alice.sendImageMessage(id, await alice.uploadContent(png(8, 8), { type: "image/png" }).then(r => r.content_uri), { w: 8, h: 8, mimetype: "image/png" }, "dot.png");
  assert.match((await event(bob, id, picture)).getContent().url, /^mxc:\/\/localhost\//);
});

test("threads: replies, counts, receipts in a thread, the list of threads", async () => {
  const { alice, bob, id } = await two();
  const { event_id: root } = await alice.sendTextMessage(id, "root");
  await event(bob, id, root);
  const { event_id: first } = await bob.sendTextMessage(id, root, "in the thread");
  const thread = await eventually("alice has the thread", () => { const t = alice.getRoom(id).getThread(root); return t?.length === 1 && t; });
  assert.equal(thread.replyToEvent.getId(), first);
  await eventually("one unread message, in the thread", () => alice.getRoom(id).getThreadUnreadNotificationCount(root, "total") === 1 && alice.getRoom(id).getRoomUnreadNotificationCount("total") === 0);
  await alice.sendReadReceipt(thread.replyToEvent);
  await eventually("and none", () => alice.getRoom(id).getThreadUnreadNotificationCount(root, "total") === 0);
  const late = await client("late");
  await late.joinRoom(id);
  await room(late, id);
  await late.getRoom(id).createThreadsTimelineSets();
  await late.getRoom(id).fetchRoomThreads();
  assert.deepEqual(late.getRoom(id).getThreads().map(t => t.id), [root]);
});

test("threads: what one sends oneself, one reply after the other", async () => {
  const { alice, bob, id } = await two();
  const { event_id: root } = await alice.sendTextMessage(id, "root");
  await event(bob, id, root);
  const sent = [];
  for (let i = 0; i < 20; i++) {
    const relation = { "m.relates_to": { rel_type: "m.thread", event_id: root } };
    sent.push((await alice.sendEvent(id, "m.room.message", { msgtype: "m.text", body: `${i}`, ...relation })).event_id);
    sent.push((await alice.sendTextMessage(id, root, `and ${i}`)).event_id);
  }
  await eventually("bob has them all", () => bob.getRoom(id).getThread(root)?.length === sent.length);
});

test("history: scrolling back, jumping to an event, the event at a date, searching", async () => {
  const { alice, bob, id } = await two();
  const ids = [];
  for (let i = 0; i < 45; i++) ids.push((await alice.person.say(id, `message ${i} ${i === 3 ? "rosebud" : ""}`)));
  const late = await client("late", { initialSyncLimit: 5 });
  await late.joinRoom(id);
  const r = await room(late, id);
  await eventually("all of it is there", async () => { await late.scrollback(r, 30); return r.findEventById(ids[0]); });
  const timeline = await bob.getEventTimeline(bob.getRoom(id).getUnfilteredTimelineSet(), ids[3]);
  assert.ok(timeline.getEvents().some(e => e.getId() === ids[3]));
  assert.ok(await bob.paginateEventTimeline(timeline, { backwards: true, limit: 5 }) !== undefined);
  const target = await alice.fetchRoomEvent(id, ids[10]);
  assert.equal((await alice.timestampToEvent(id, target.origin_server_ts, "f")).event_id, ids[10]);
  const found = await alice.searchRoomEvents({ term: "rosebud" });
  assert.deepEqual(found.results.map(x => x.context.getEvent().getId()), [ids[3]]);
  const { chunk } = await alice.createMessagesRequest(id, null, 4, "b");
  assert.deepEqual(chunk.slice(1).map(e => e.event_id), ids.slice(-3).reverse()); // before the latest, who joined
});

test("people: profiles with further fields, presence, the directory, ignoring, direct messages of account data", async () => {
  const { alice, bob } = await two();
  await bob.setDisplayName("Roberto the Painter");
  await bob.setAvatarUrl("mxc://localhost/abc");
  assert.equal((await alice.getProfileInfo(bob.id)).displayname, "Roberto the Painter");
  assert.equal(await bob.doesServerSupportExtendedProfiles(), true);
  await bob.setExtendedProfileProperty("m.tz", "Europe/Berlin");
  assert.equal(await alice.getExtendedProfileProperty(bob.id, "m.tz"), "Europe/Berlin");
  await bob.deleteExtendedProfileProperty("m.tz");
  assert.deepEqual(Object.keys(await alice.getExtendedProfile(bob.id)).sort(), ["avatar_url", "displayname"]);
  await bob.setPresence({ presence: "unavailable", status_msg: "painting" });
  await eventually("alice sees it", () => alice.getUser(bob.id)?.presence === "unavailable" && alice.getUser(bob.id).presenceStatusMsg === "painting");
  await eventually("he is found by his name", async () => (await alice.searchUserDirectory({ term: "roberto pain" })).results.some(x => x.user_id === bob.id));
  await alice.setIgnoredUsers([bob.id]);
  await eventually("it is known", () => alice.isUserIgnored(bob.id));
  await alice.setAccountData("m.direct", { [bob.id]: ["!x:localhost"] });
  assert.deepEqual(alice.getAccountData("m.direct").getContent(), { [bob.id]: ["!x:localhost"] });
});

test("rooms: names, aliases, the public directory, tags, moderation, leaving and forgetting", async () => {
  const { alice, bob, id } = await two();
  const alias = `#${unique("salon")}:localhost`, name = unique("Salon ");
  await alice.createAlias(alias, id);
  await alice.setRoomName(id, name);
  await alice.setRoomTopic(id, "talk");
  await alice.sendStateEvent(id, "m.room.canonical_alias", { alias });
  await eventually("bob sees the names", () => bob.getRoom(id).name === name && bob.getRoom(id).getCanonicalAlias() === alias);
  assert.equal((await bob.getRoomIdForAlias(alias)).room_id, id);
  assert.deepEqual((await bob.getLocalAliases(id)).aliases, [alias]);
  await alice.setRoomDirectoryVisibility(id, "public");
  const { chunk } = await bob.publicRooms({ limit: 10, filter: { generic_search_term: name } });
  assert.deepEqual(chunk.map(r => r.room_id), [id]);
  assert.equal((await bob.getRoomSummary(alias)).room_id, id);
  await bob.setRoomTag(id, "m.favourite", { order: 0.5 });
  await eventually("it is a favourite", () => bob.getRoom(id).tags["m.favourite"]?.order === 0.5);
  await alice.setPowerLevel(id, bob.id, 50);
  await eventually("bob is a moderator", () => bob.getRoom(id).getMember(bob.id).powerLevel === 50);
  await alice.kick(id, bob.id, "go");
  await room(bob, id, "leave");
  await alice.ban(id, bob.id, "stay out");
  await assert.rejects(bob.joinRoom(id), e => e.errcode === "M_FORBIDDEN");
  await alice.unban(id, bob.id);
  await alice.invite(id, bob.id);
  await room(bob, id, "invite");
  await bob.joinRoom(id);
  await room(bob, id);
  await bob.leave(id);
  await bob.forget(id);
  assert.equal(bob.getRoom(id), null);
});

test("spaces, upgrades and knocking", async () => {
  const { alice, bob, id } = await two({ room_version: "11" });
  const { room_id: space } = await alice.createRoom({ name: "Quarter", creation_content: { type: "m.space" }, preset: "public_chat" });
  await alice.sendStateEvent(space, "m.space.child", { via: ["localhost"], suggested: true }, id);
  const hierarchy = new RoomHierarchy(await room(alice, space));
  await hierarchy.load();
  assert.deepEqual(hierarchy.rooms.map(r => r.name), ["Quarter", "Salon"]);
  assert.equal(hierarchy.isSuggested(space, id), true);
  const { replacement_room: next } = await alice.upgradeRoom(id, "12");
  await bob.joinRoom(next);
  assert.equal((await room(bob, next)).findPredecessor().roomId, id);
  await eventually("the old room is known to have ended", () => bob.getRoom(id).currentState.getStateEvents("m.room.tombstone", "")?.getContent().replacement_room === next);
  const { room_id: shut } = await alice.createRoom({ initial_state: [{ type: "m.room.join_rules", state_key: "", content: { join_rule: "knock" } }] });
  await bob.knockRoom(shut, { reason: "please" });
  await eventually("alice hears it", () => alice.getRoom(shut)?.getMember(bob.id)?.membership === "knock");
  await alice.invite(shut, bob.id);
  await room(bob, shut, "invite");
});

test("rules, pushers, devices, tokens: what the settings show", async () => {
  const alice = await client("alice");
  const keyword = unique("word");
  await alice.addPushRule("global", "content", keyword, { pattern: keyword, actions: ["notify", { set_tweak: "highlight" }] });
  await eventually("the rule comes back by sync", () => alice.pushRules?.global.content.some(r => r.rule_id === keyword));
  await alice.setPushRuleEnabled("global", "content", keyword, false);
  assert.equal((await alice.getPushRules()).global.content.find(r => r.rule_id === keyword).enabled, false);
  await alice.deletePushRule("global", "content", keyword);
  await alice.setPusher({ kind: "http", app_id: "org.example", pushkey: unique("key"), app_display_name: "x", device_display_name: "x", lang: "en", data: { url: "https://push.example.org/_matrix/push/v1/notify" } });
  assert.equal((await alice.getPushers()).pushers.length, 1);
  const { device_id } = await alice.whoami();
  await alice.setDeviceDetails(device_id, { display_name: "Desk" });
  assert.equal((await alice.getDevice(device_id)).display_name, "Desk");
  assert.ok((await alice.getOpenIdToken()).access_token);
  assert.deepEqual((await alice.getThreePids()).threepids, []);
  const capabilities = await alice.getCapabilities();
  assert.equal(capabilities["m.room_versions"].default, "12");
  assert.ok((await alice.getMediaConfig())["m.upload.size"] > 0);
  assert.equal(await alice.isUsernameAvailable(unique("free")), true);
  await assert.rejects(alice.isUsernameAvailable(alice.person.name).then(free => assert.equal(free, true)));
});

test("a guest looks into an open room without joining", async () => {
  const { alice, id } = await two({ initial_state: [{ type: "m.room.history_visibility", state_key: "", content: { history_visibility: "world_readable" } }, { type: "m.room.guest_access", state_key: "", content: { guest_access: "can_join" } }] });
  const { event_id: said } = await alice.sendTextMessage(id, "see me");
  const r = await sdk.createClient({ baseUrl: hs.base }).registerGuest({});
  const guest = sdk.createClient({ baseUrl: hs.base, userId: r.user_id, deviceId: r.device_id, accessToken: r.access_token });
  guest.setGuest(true);
  const peeked = await guest.peekInRoom(id, 10);
  assert.ok(peeked.findEventById(said));
  const { event_id: more } = await alice.sendTextMessage(id, "and me");
  await eventually("it comes while he looks", () => peeked.findEventById(more));
  guest.stopPeeking();
});
