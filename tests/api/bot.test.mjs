// SPDX-License-Identifier: Apache-2.0
// A bot as its author writes it with matrix-bot-sdk, unmodified and without encryption: signs in, joins where it is
// invited, answers commands, reacts, keeps its state, moderates, builds a space. People talk to it over plain HTTP.
import assert from "node:assert/strict";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import test, { after } from "node:test";
import {
  AutojoinRoomsMixin, AutojoinUpgradedRoomsMixin, LogLevel, LogService, MatrixAuth, MatrixClient, MemoryStorageProvider, MentionPill, PowerLevelAction, RichReply,
  RichRepliesPreprocessor, SimpleFsStorageProvider,
} from "matrix-bot-sdk";
import { E, EXTERNAL, eventually, find, png, timeline, unique, useServer } from "./harness.mjs";

LogService.setLevel(LogLevel.ERROR);
LogService.muteModule("MatrixHttpClient"); // refusals are what some tests are about
// Its spaces name their creator in the power levels, which rooms of version 12 refuse ("m.room.power_levels").
const hs = useServer({ config: { rooms: { default_version: "11" } } });
const folder = fs.mkdtempSync(path.join(os.tmpdir(), "ingot-bot-"));
const running = new Set();
after(() => {
  for (const bot of running) bot.stop();
  fs.rmSync(folder, { recursive: true, force: true });
});

/** A bot with a sync loop; `setUp` adds its listeners before that starts. */
async function startBot(setUp = () => {}, storage = new MemoryStorageProvider()) {
  const owner = await hs.user("bot");
  return runBot(owner, setUp, storage);
}

async function runBot(owner, setUp, storage) {
  const bot = new MatrixClient(hs.base, owner.token, storage);
  bot.owner = owner;
  setUp(bot);
  await bot.start();
  running.add(bot);
  return bot;
}

function stopBot(bot) {
  bot.stop();
  running.delete(bot);
}

/** The next event that a bot emits of this kind and that is wanted: its arguments. */
function heard(bot, kind, wanted = () => true) {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`the bot never heard ${kind}`)), 20000);
    const listener = (...args) => {
      if (!wanted(...args)) return;
      clearTimeout(timer);
      bot.off(kind, listener);
      resolve(args);
    };
    bot.on(kind, listener);
  });
}

/** Answers `!echo words` and `!sum 1 2` with rich replies, as the SDK's own documentation shows it. */
function answersCommands(bot) {
  AutojoinRoomsMixin.setupOnClient(bot);
  bot.on("room.message", async (room, event) => {
    if (event.content?.msgtype !== "m.text" || event.sender === await bot.getUserId()) return;
    const [command, ...words] = event.content.body.split(" ");
    if (command === "!echo") await bot.replyNotice(room, event, words.join(" "));
    if (command === "!sum") await bot.replyText(room, event, String(words.reduce((sum, word) => sum + Number(word), 0)));
    if (command === "!react") await bot.unstableApis.addReactionToEvent(room, event.event_id, "👍");
  });
}

test("registration and sign-in with the SDK's own flows", { skip: EXTERNAL ? "registration may be closed" : false }, async () => {
  const name = unique("botty"), auth = new MatrixAuth(hs.base);
  const first = await auth.passwordRegister(name, "a long password", "first device");
  assert.equal(await first.getUserId(), `@${name}:localhost`);
  const second = await auth.passwordLogin(name, "a long password", "second device");
  assert.deepEqual((await second.getOwnDevices()).map(d => d.display_name).sort(), ["first device", "second device"]);
  await assert.rejects(auth.passwordLogin(name, "a wrong password"), e => e.statusCode === 403 && e.errcode === "M_FORBIDDEN");
});

test("a bot joins where it is invited and answers commands with replies and reactions", async () => {
  const bot = await startBot(answersCommands);
  const alice = await hs.user("alice");
  const room = await alice.createRoom({ preset: "private_chat", invite: [bot.owner.id] });
  const stream = await alice.stream();
  const replyTo = async (body, isWanted) => {
    const asked = await alice.say(room, body);
    return stream.until(`the answer to ${body}`, r => timeline(r, room).find(e => e.sender === bot.owner.id && isWanted(e, asked)));
  };
  await eventually("the bot joins", async () => (await alice.get(`/rooms/${E(room)}/joined_members`)).joined[bot.owner.id]);
  const answers = (e, asked) => e.content["m.relates_to"]?.["m.in_reply_to"]?.event_id === asked;
  const echo = await replyTo("!echo hello there", answers);
  assert.equal(echo.content.msgtype, "m.notice");
  assert.match(echo.content.body, /hello there$/);
  assert.match((await replyTo("!sum 1 2 39", answers)).content.body, /42$/);
  const reaction = await replyTo("!react", e => e.type === "m.reaction");
  assert.equal(reaction.content["m.relates_to"].key, "👍");
  const { chunk } = await bot.getRelationsForEvent(room, reaction.content["m.relates_to"].event_id, "m.annotation", "m.reaction");
  assert.deepEqual(chunk.map(e => e.event_id), [reaction.event_id]);
  assert.deepEqual(await bot.getJoinedRooms(), [room]);
});

test("a bot that was away goes on where it stopped, and does nothing twice", async () => {
  const file = path.join(folder, "bot.json"), kept = path.join(folder, "kept.json"), alice = await hs.user("alice");
  const bot = await startBot(answersCommands, new SimpleFsStorageProvider(file));
  const room = await alice.createRoom({ preset: "public_chat" });
  await bot.joinRoom(room);
  const before = heard(bot, "room.message", (_, e) => e.content.body === "before");
  await alice.say(room, "before");
  await before;
  await eventually("the bot has stored where it is", () => fs.existsSync(file) && JSON.parse(fs.readFileSync(file)).syncToken);
  fs.copyFileSync(file, kept); // stop() lets a request that is under way come back, a process that ends does not
  stopBot(bot);
  await alice.say(room, "meanwhile");
  const seen = [];
  const again = await runBot(bot.owner, b => b.on("room.message", (_, e) => seen.push(e.content.body)), new SimpleFsStorageProvider(kept));
  const last = heard(again, "room.message", (_, e) => e.content.body === "after");
  await alice.say(room, "after");
  await last;
  assert.deepEqual(seen.filter(body => ["meanwhile", "after"].includes(body)), ["meanwhile", "after"]);
  assert.ok(seen.filter(body => body === "before").length <= 1);
});

test("what a bot hears: invitations, joins, state, redactions, being kicked", async () => {
  const bot = await startBot();
  const alice = await hs.user("alice");
  const invited = heard(bot, "room.invite");
  const room = await alice.createRoom({ preset: "private_chat", invite: [bot.owner.id], name: "Workshop" });
  assert.equal((await invited)[0], room);
  const joined = heard(bot, "room.join");
  await bot.joinRoom(room);
  assert.equal((await joined)[0], room);
  const topic = heard(bot, "room.event", (_, e) => e.type === "m.room.topic");
  await alice.setState(room, "m.room.topic", "", { topic: "Tools" });
  assert.equal((await topic)[1].content.topic, "Tools");
  const said = await alice.say(room, "oops"), redacted = heard(bot, "room.event", (_, e) => e.type === "m.room.redaction");
  await alice.put(`/rooms/${E(room)}/redact/${said}/${alice.nextTxn()}`);
  const [, redaction] = await redacted;
  assert.equal(redaction.redacts ?? redaction.content.redacts, said);
  const left = heard(bot, "room.leave");
  await alice.post(`/rooms/${E(room)}/kick`, { user_id: bot.owner.id, reason: "enough" });
  const [where, event] = await left;
  assert.equal(where, room);
  assert.equal(event.content.reason, "enough");
});

test("rich replies are taken apart, pills point at people", async () => {
  const bot = await startBot(b => b.addPreprocessor(new RichRepliesPreprocessor(false)));
  const alice = await hs.user("alice"), room = await alice.createRoom({ preset: "public_chat" });
  await bot.joinRoom(room);
  const original = { event_id: await alice.say(room, "question"), sender: alice.id, content: { body: "question" } };
  const heardIt = heard(bot, "room.message", (_, e) => e.sender === alice.id && e.content["m.relates_to"]);
  await alice.event(room, "m.room.message", { ...RichReply.createFor(room, original, "answer", "<b>answer</b>"), msgtype: "m.text" });
  const [, event] = await heardIt;
  assert.equal(event.content.body, "answer");
  assert.equal(event.mx_richreply.parentEventId, original.event_id);
  await alice.put(`/profile/${E(alice.id)}/displayname`, { displayname: "Alice of Wonderland" });
  const pill = await eventually("the pill has the new name", async () => { const p = await MentionPill.forUser(alice.id, room, bot); return p.text === "Alice of Wonderland" && p; });
  assert.ok(pill.html.includes(encodeURIComponent(alice.id)) || pill.html.includes(alice.id));
});

test("messages of all kinds, edits of state, redactions, read receipts and typing", async () => {
  const bot = await startBot();
  const alice = await hs.user("alice"), room = await alice.createRoom({ preset: "public_chat" });
  const levels = await alice.getState(room, "m.room.power_levels");
  await alice.setState(room, "m.room.power_levels", "", { ...levels, users: { [bot.owner.id]: 50 } });
  await bot.joinRoom(room);
  const ids = [await bot.sendText(room, "text"), await bot.sendNotice(room, "notice"), await bot.sendHtmlText(room, "<i>html</i>"), await bot.sendHtmlNotice(room, "<i>n</i>"), await bot.sendMessage(room, { msgtype: "m.emote", body: "waves" })];
  assert.equal(new Set(ids).size, ids.length);
  assert.equal((await bot.getEvent(room, ids[2])).content.formatted_body, "<i>html</i>");
  await bot.sendStateEvent(room, "org.example.bot", "settings", { level: 3 });
  assert.deepEqual(await bot.getRoomStateEvent(room, "org.example.bot", "settings"), { level: 3 });
  assert.ok((await bot.getRoomState(room)).some(e => e.type === "org.example.bot"));
  const redaction = await bot.redactEvent(room, ids[0], "typo");
  assert.deepEqual((await bot.getEvent(room, ids[0])).content, {});
  assert.equal((await bot.getEvent(room, ids[0])).unsigned.redacted_because.event_id, redaction);
  const context = await bot.getEventContext(room, ids[2], 10);
  assert.equal(context.event.eventId, ids[2]);
  const said = await alice.say(room, "read me");
  await bot.sendReadReceipt(room, said);
  await bot.setTyping(room, true, 5000);
  const stream = await alice.stream();
  const events = stream.last.rooms.join[room].ephemeral.events;
  assert.ok(find(events, "m.receipt").content[said]["m.read"][bot.owner.id]);
  assert.deepEqual(find(events, "m.typing").content.user_ids, [bot.owner.id]);
});

test("a moderator's helpers: power levels, bounds, invite, kick, ban, unban, members", async () => {
  const bot = await startBot(), [alice, bob] = await hs.users("alice", "bob");
  const room = await bot.createRoom({ preset: "private_chat", invite: [alice.id] });
  await alice.join(room);
  assert.equal(await bot.userHasPowerLevelForAction(alice.id, room, PowerLevelAction.Ban), false);
  await bot.setUserPowerLevel(alice.id, room, 50);
  assert.equal(await bot.userHasPowerLevelForAction(alice.id, room, PowerLevelAction.Ban), true);
  assert.equal(await bot.userHasPowerLevelFor(alice.id, room, "m.room.power_levels", true), false);
  await bot.inviteUser(bob.id, room);
  await bob.join(room);
  assert.deepEqual((await bot.getJoinedRoomMembers(room)).sort(), [bot.owner.id, alice.id, bob.id].sort());
  await bot.kickUser(bob.id, room, "calm down");
  await bot.banUser(bob.id, room, "no more");
  const banned = await bot.getRoomMembersByMembership(room, "ban");
  assert.deepEqual(banned.map(m => m.membershipFor), [bob.id]);
  await bot.unbanUser(bob.id, room);
  assert.equal((await bot.getRoomMembers(room)).find(m => m.membershipFor === bob.id).effectiveMembership, "leave");
  await bot.leaveRoom(room, "done");
  await bot.forgetRoom(room);
  assert.deepEqual(await bot.getJoinedRooms(), []);
});

test("media, profile, presence, account data and aliases", async () => {
  const bot = await startBot(), picture = png(32, 32);
  const mxc = await bot.uploadContent(picture, "image/png", "me.png");
  const { data, contentType } = await bot.downloadContent(mxc);
  assert.equal(contentType, "image/png");
  assert.ok(Buffer.from(data).equals(picture));
  await bot.setDisplayName("Botty");
  await bot.setAvatarUrl(mxc);
  assert.deepEqual(await bot.getUserProfile(bot.owner.id), { displayname: "Botty", avatar_url: mxc });
  await bot.setPresenceStatus("online", "at work");
  assert.equal((await bot.getPresenceStatus()).statusMessage, "at work");
  assert.deepEqual(await bot.getSafeAccountData("org.example.bot", { fresh: true }), { fresh: true });
  await bot.setAccountData("org.example.bot", { n: 1 });
  assert.deepEqual(await bot.getAccountData("org.example.bot"), { n: 1 });
  const room = await bot.createRoom({}), alias = `#${unique("bots")}:localhost`;
  await bot.setRoomAccountData("org.example.bot", room, { n: 2 });
  assert.deepEqual(await bot.getRoomAccountData("org.example.bot", room), { n: 2 });
  await bot.createRoomAlias(alias, room);
  assert.equal(await bot.resolveRoom(alias), room);
  await bot.sendStateEvent(room, "m.room.canonical_alias", "", { alias });
  assert.equal(await bot.getPublishedAlias(room), alias);
  await bot.setDirectoryVisibility(room, "public");
  assert.equal(await bot.getDirectoryVisibility(room), "public");
  await bot.deleteRoomAlias(alias);
  await assert.rejects(bot.lookupRoomAlias(alias), e => e.errcode === "M_NOT_FOUND");
  assert.ok((await bot.getOpenIDConnectToken()).access_token);
});

test("direct chats are kept in the account data", async () => {
  const bot = await startBot(answersCommands), alice = await hs.user("alice");
  await bot.dms.update();
  const room = await bot.dms.getOrCreateDm(alice.id);
  assert.equal(await bot.dms.getOrCreateDm(alice.id), room);
  assert.equal(bot.dms.isDm(room), true);
  assert.deepEqual((await bot.owner.get(`/user/${E(bot.owner.id)}/account_data/m.direct`))[alice.id], [room]);
  const invitation = (await alice.sync()).rooms.invite[room].invite_state.events.find(e => e.state_key === alice.id);
  assert.equal(invitation.content.is_direct, true);
});

test("a space with a room and a space in it", async () => {
  const bot = await startBot(), alice = await hs.user("alice");
  const space = await bot.createSpace({ name: "Everything", topic: "and more", isPublic: true, localpart: unique("space") });
  const inner = await space.createChildSpace({ name: "Inner", isPublic: true, localpart: unique("inner") });
  const room = await bot.createRoom({ preset: "public_chat", name: "Room" });
  await space.addChildRoom(room, { order: "a", suggested: true });
  assert.deepEqual(Object.keys(await space.getChildEntities()).sort(), [room, inner.roomId].sort());
  const { rooms } = await alice.get(`/_matrix/client/v1/rooms/${E(space.roomId)}/hierarchy`);
  assert.deepEqual(rooms.map(r => r.name), ["Everything", "Room", "Inner"]);
  await space.removeChildRoom(room);
  assert.deepEqual(Object.keys(await space.getChildEntities()), [inner.roomId]);
  assert.equal((await bot.getSpace(space.roomId)).roomId, space.roomId);
  await space.inviteUser(alice.id);
  assert.ok((await alice.sync()).rooms.invite[space.roomId]);
});

test("a bot follows an upgraded room and knows its history", async () => {
  const bot = await startBot(b => AutojoinUpgradedRoomsMixin.setupOnClient(b)), alice = await hs.user("alice");
  const room = await alice.createRoom({ preset: "public_chat", room_version: "11" });
  await bot.joinRoom(room);
  const { replacement_room } = await alice.post(`/rooms/${E(room)}/upgrade`, { new_version: "12" });
  await eventually("the bot is in the new room", async () => (await bot.getJoinedRooms()).includes(replacement_room));
  const history = await bot.getRoomUpgradeHistory(replacement_room);
  assert.equal(history.current.version, "12");
  assert.deepEqual(history.previous.map(r => r.roomId), [room]);
});

test("what the SDK asks of the server's versions", async () => {
  const bot = await startBot();
  assert.equal(await bot.doesServerSupportVersion("v1.11"), true);
  assert.equal(await bot.doesServerSupportAnyOneVersion(["v1.1", "v9.9"]), true);
  assert.equal(await bot.doesServerSupportUnstableFeature("org.example.none"), false);
  const whoami = await bot.getWhoAmI();
  assert.equal(whoami.user_id, bot.owner.id);
  assert.equal(whoami.device_id, bot.owner.device);
});
