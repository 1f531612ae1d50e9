// SPDX-License-Identifier: Apache-2.0
// What application services are told: which events, in what order, how often, and what happens when one of them, or the
// server, is away meanwhile.
import assert from "node:assert/strict";
import test from "node:test";
import { AppService, registrations, writeRegistration } from "./appservice-support.mjs";
import { E, OWN_SERVER, SERVER_NAME, eventually, unique, withServer } from "./harness.mjs";

async function withService(as, body, options = {}) {
  await as.listen();
  try {
    await withServer({ edit: registrations(as), ...options }, body);
  } finally {
    await as.stop();
  }
}
const ids = as => as.events.map(e => e.event_id);

test("it gets the events of rooms where one of its users is, and of no others", OWN_SERVER, async () => {
  const as = new AppService("irc");
  await withService(as, async s => {
    const [alice, bob] = await s.users("alice", "bob");
    const ghost = await as.ghost(s);
    const other = await alice.createRoom({});
    await alice.say(other, "not for it");
    const room = await alice.createRoom({});
    const before = await alice.say(room, "before");
    await alice.invite(room, ghost);
    await ghost.join(room);
    const said = await alice.say(room, "hello");
    const own = await ghost.say(room, "hello yourself");
    const left = await ghost.leave(room).then(async () => (await alice.messages(room)).chunk[0].event_id);
    const after = await alice.say(room, "after");
    await bob.createRoom({});
    const invited = await alice.createRoom({ invite: [as.bot], name: "Last" });
    await as.sees("the last invitation", e => e.room_id === invited && e.state_key === as.bot);
    const got = ids(as);
    assert.ok(!got.includes(before) && !got.includes(after), "what it may not see");
    assert.deepEqual([said, own, left].map(id => got.includes(id)), [true, true, true]);
    assert.ok(as.events.every(e => e.room_id !== other));
    assert.deepEqual(as.events.filter(e => e.room_id === invited).map(e => e.type), ["m.room.member"], "invited is not joined");
    const event = as.events.find(e => e.event_id === said);
    assert.deepEqual([event.type, event.sender, event.room_id, event.content.body], ["m.room.message", alice.id, room, "hello"]);
    assert.ok(Number.isInteger(event.origin_server_ts) && !("membership" in event.unsigned));
    assert.ok(as.transactions.every(t => t.token === `Bearer ${as.registration.hs_token}`));
  });
});

test("rooms can be of interest by their id or an alias", OWN_SERVER, async () => {
  const as = new AppService("log", { namespaces: { users: [], aliases: [{ exclusive: false, regex: "#log_.*" }], rooms: [{ exclusive: false, regex: "!" }] } });
  const by = new AppService("alias", { namespaces: { users: [], aliases: [{ exclusive: false, regex: "#log_.*" }], rooms: [] } });
  await as.listen(); await by.listen();
  await withServer({ edit: registrations(as, by) }, async s => {
    const alice = await s.user("alice");
    const plain = await alice.createRoom({}), named = await alice.createRoom({ room_alias_name: unique("log_") });
    const a = await alice.say(plain, "a"), b = await alice.say(named, "b");
    await as.sees("both", e => e.event_id === b);
    await by.sees("the named one", e => e.event_id === b);
    assert.ok(ids(as).includes(a) && !ids(by).includes(a));
    const late = unique("#log_") + `:${SERVER_NAME}`;
    await alice.put(`/directory/room/${E(late)}`, { room_id: plain });
    const c = await alice.say(plain, "c");
    await by.sees("what is said after the alias was made", e => e.event_id === c);
  });
  await as.stop(); await by.stop();
});

test("transactions come one after the other, in order, with at most a hundred events", OWN_SERVER, async () => {
  const as = new AppService("irc");
  let running = 0, most = 0;
  as.onTransaction = async () => { most = Math.max(most, ++running); await new Promise(r => setImmediate(r)); running--; return 200; };
  await withService(as, async s => {
    const ghost = await as.ghost(s);
    const room = await ghost.createRoom({});
    let hold, release = new Promise(resolve => { hold = resolve; });
    as.onTransaction = async () => { most = Math.max(most, ++running); await release; running--; return 200; };
    const sent = [];
    for (let i = 0; i < 250; i++) sent.push(await ghost.say(room, `${i}`));
    hold();
    await as.sees("the last", e => e.event_id === sent.at(-1));
    assert.equal(most, 1);
    assert.ok(as.transactions.every(t => t.body.events.length <= 100));
    assert.ok(as.transactions.some(t => t.body.events.length === 100));
    assert.deepEqual(ids(as).filter(id => sent.includes(id)), sent);
    const numbers = as.distinct().map(t => Number(t.id));
    assert.deepEqual(numbers, [...numbers].sort((a, b) => a - b));
  });
});

test("what is not taken is sent again as it was, until it is taken, and the rest after it", OWN_SERVER, async () => {
  const as = new AppService("irc");
  await withService(as, async s => {
    const ghost = await as.ghost(s);
    const room = await ghost.createRoom({});
    await eventually("all is told", () => as.events.length > 5);
    const seen = as.transactions.length;
    let refusals = 2;
    as.onTransaction = () => (refusals-- > 0 ? 500 : 200);
    const first = await ghost.say(room, "first");
    await eventually("it was refused", () => as.transactions.length > seen);
    const second = await ghost.say(room, "second");
    await as.sees("the second", e => e.event_id === second);
    const mine = as.transactions.slice(seen);
    const attempts = mine.filter(t => t.body.events.some(e => e.event_id === first));
    assert.equal(attempts.length, 3);
    assert.equal(new Set(attempts.map(t => t.id)).size, 1);
    assert.equal(new Set(attempts.map(t => t.text)).size, 1);
    assert.match(s.stderr, /application service does not take events.*appservice=irc/);
    assert.match(s.stderr, /takes events again/);
  });
});

test("a restart, also a sudden one, loses nothing and renames nothing", OWN_SERVER, async () => {
  const as = new AppService("irc");
  await withService(as, async s => {
    const ghost = await as.ghost(s);
    const room = await ghost.createRoom({});
    await eventually("all is told", () => as.events.length > 5);
    as.onTransaction = () => 503;
    const sent = [await ghost.say(room, "one")];
    await eventually("it was refused", () => ids(as).includes(sent[0]));
    for (const word of ["two", "three"]) sent.push(await ghost.say(room, word));
    const attempts = () => as.transactions.filter(t => t.body.events.some(e => e.event_id === sent[0]));
    await s.kill9();
    const before = attempts().length;
    as.onTransaction = () => "hang";
    await s.start();
    await eventually("it is sent again at once", () => attempts().length > before);
    sent.push(await ghost.say(room, "four"));
    await s.stop();
    as.onTransaction = () => 200;
    await s.start();
    await as.sees("the last", e => e.event_id === sent.at(-1));
    assert.equal(new Set(attempts().map(t => t.id)).size, 1);
    assert.equal(new Set(attempts().map(t => t.text)).size, 1);
    assert.deepEqual(ids(as).filter(id => sent.includes(id)), sent);
    const byId = new Map();
    for (const t of as.transactions) { assert.equal(byId.get(t.id) ?? t.text, t.text, "one id, one content"); byId.set(t.id, t.text); }
  });
});

test("through kills, refusals and cut connections each event comes once, in order", OWN_SERVER, async () => {
  const as = new AppService("irc");
  let turn = 0;
  // Of three attempts one is refused, and one is taken without the server hearing of it.
  as.onTransaction = () => [200, 500, "cut"][turn++ % 3];
  await withService(as, async s => {
    const ghost = await as.ghost(s);
    const room = await ghost.createRoom({});
    const sent = [];
    for (let round = 0; round < 4; round++) {
      let alive = true;
      const before = sent.length;
      const untold = () => sent.length - ids(as).filter(id => sent.includes(id)).length;
      const writing = (async () => {
        for (let i = 0; alive; i++) {
          // Whoever sends all the time is further ahead with each attempt that fails.
          await eventually("the service has caught up", () => !alive || untold() < 50);
          try { sent.push((await s.req("PUT", ghost.masked(`/rooms/${E(room)}/send/m.room.message/r${round}i${i}`), { token: as.token, body: { msgtype: "m.text", body: `${round} ${i}` }, expect: 200 })).body.event_id); } catch { return; }
        }
      })();
      await eventually("something is under way", () => ids(as).some(id => sent.slice(before).includes(id)) && sent.length > before + 20);
      await s.kill9();
      alive = false;
      await writing;
      await s.start();
    }
    const last = await ghost.say(room, "the end");
    await as.sees("the end", e => e.event_id === last);
    assert.deepEqual(ids(as).filter(id => sent.includes(id)), sent);
    assert.equal(new Set(ids(as)).size, ids(as).length, "no event under two ids");
    const byId = new Map();
    for (const t of as.transactions) { assert.equal(byId.get(t.id) ?? t.text, t.text, "one id, one content"); byId.set(t.id, t.text); }
  });
});

test("nothing comes twice when the application service is stopped and started again", OWN_SERVER, async () => {
  const as = new AppService("irc");
  await withService(as, async s => {
    const ghost = await as.ghost(s);
    const room = await ghost.createRoom({});
    await eventually("all is told", () => as.events.length > 5);
    const port = as.port;
    await as.stop();
    const sent = [];
    for (let i = 0; i < 5; i++) sent.push(await ghost.say(room, `${i}`));
    await eventually("it was tried", () => /does not take events/.test(s.stderr));
    await as.listen(port);
    // A ping says that it is there again, so that nobody has to wait for the next attempt.
    as.onQuery = () => ({ status: 200, body: {} });
    await s.req("POST", "/_matrix/client/v1/appservice/irc/ping", { token: as.token, body: {}, expect: 200 });
    await as.sees("the last", e => e.event_id === sent.at(-1));
    assert.deepEqual(ids(as).filter(id => sent.includes(id)), sent);
  });
});

test("one that hangs or answers rubbish delays nobody else", OWN_SERVER, async () => {
  const [bad, liar, good] = [new AppService("bad"), new AppService("liar"), new AppService("good")];
  bad.onTransaction = () => "hang";
  liar.onTransaction = () => "rubbish";
  await Promise.all([bad, liar, good].map(as => as.listen()));
  await withServer({ edit: registrations(bad, liar, good) }, async s => {
    const alice = await s.user("alice");
    const room = await alice.createRoom({ preset: "public_chat" });
    for (const as of [bad, liar, good]) await as.as(s).join(room);
    const started = Date.now();
    const sent = [];
    for (let i = 0; i < 20; i++) sent.push(await alice.say(room, `${i}`));
    await good.sees("the last", e => e.event_id === sent.at(-1));
    await liar.sees("the last, for 200 is 200", e => e.event_id === sent.at(-1));
    assert.ok(Date.now() - started < 15000);
    assert.equal(bad.transactions.length, 1, "it has the one that it hangs on");
    const value = async (name, id) => {
      const metrics = (await s.req("GET", "/metrics", { expect: 200 })).raw.toString();
      return Number(new RegExp(`^${name}\\{appservice="${id}"\\} (\\S+)$`, "m").exec(metrics)[1]);
    };
    await eventually("the good one's queue is empty", async () => await value("ingot_appservice_queue_length", "good") === 0);
    assert.ok(await value("ingot_appservice_queue_length", "bad") > 0);
    assert.ok(await value("ingot_appservice_queue_seconds", "bad") > 0);
  });
  await Promise.all([bad, liar, good].map(as => as.stop()));
});

test("one of before Matrix 1.0 is told on the old paths", OWN_SERVER, async () => {
  const as = new AppService("old");
  const old = [];
  const answer = as.answer.bind(as);
  as.answer = (rq, rs, text) => {
    if (rq.url.startsWith("/_matrix/app/")) { rs.writeHead(404); rs.end("Cannot PUT"); return; }
    if (rq.url.startsWith("/transactions/")) { old.push(...JSON.parse(text).events); rs.writeHead(200); rs.end("{}"); return; }
    answer(rq, rs, text);
  };
  await withService(as, async s => {
    const alice = await s.user("alice");
    const room = await as.as(s).createRoom({ preset: "public_chat" });
    as.onQuery = async q => {
      const localpart = decodeURIComponent(q.url.split("/").at(-1)).slice(1).split(":")[0];
      await s.req("POST", "/register", { token: as.token, body: { type: "m.login.application_service", username: localpart, inhibit_login: true }, expect: 200 });
      return { status: 200, body: {} };
    };
    await alice.get(`/profile/${E(as.userId("x"))}`);
    assert.equal(as.queries.at(-1).url, `/users/${E(as.userId("x"))}`);
    await eventually("the events on the old path", () => old.find(e => e.room_id === room && e.type === "m.room.create"));
  });
});

// ---- ephemeral data

test("typing, receipts and presence go to those who ask for them", OWN_SERVER, async () => {
  const as = new AppService("irc", { receive_ephemeral: true }), deaf = new AppService("deaf");
  const old = new AppService("older", { "de.sorunome.msc2409.push_ephemeral": true });
  await Promise.all([as, deaf, old].map(x => x.listen()));
  await withServer({ edit: registrations(as, deaf, old) }, async s => {
    const [alice, mallory] = await s.users("alice", "mallory");
    const ghost = await as.ghost(s);
    const room = await alice.createRoom({ preset: "public_chat" }), elsewhere = await mallory.createRoom({});
    for (const u of [ghost, deaf.as(s), old.as(s)]) await u.join(room);
    const said = await alice.say(room, "x");
    await mallory.typing(elsewhere, true);
    await mallory.receipt(elsewhere, await mallory.say(elsewhere, "y"));
    await alice.typing(room, true);
    assert.deepEqual(await as.seesEphemeral("typing", e => e.type === "m.typing"), { type: "m.typing", room_id: room, content: { user_ids: [alice.id] } });
    await alice.typing(room, false);
    await as.seesEphemeral("the end of typing", e => e.type === "m.typing" && e.content.user_ids.length === 0);
    await alice.receipt(room, said, "m.read.private");
    await ghost.receipt(room, said, "m.read.private");
    await alice.receipt(room, said, "m.read", { thread_id: "main" });
    const receipt = await as.seesEphemeral("alice's receipt", e => e.type === "m.receipt" && e.content[said]?.["m.read"]?.[alice.id]);
    assert.equal(receipt.room_id, room);
    assert.equal(receipt.content[said]["m.read"][alice.id].thread_id, "main");
    const secret = await as.seesEphemeral("the private one of its own user", e => e.content[said]?.["m.read.private"]?.[ghost.id]);
    assert.ok(secret);
    await alice.put(`/presence/${E(alice.id)}/status`, { presence: "online", status_msg: "here" });
    const presence = await as.seesEphemeral("presence", e => e.type === "m.presence" && e.content.status_msg === "here");
    assert.deepEqual([presence.sender, presence.content.presence, "room_id" in presence], [alice.id, "online", false]);
    await mallory.put(`/presence/${E(mallory.id)}/status`, { presence: "online", status_msg: "unseen" });
    const last = await alice.say(room, "last");
    await eventually("the old key", () => old.transactions.some(t => t.body["de.sorunome.msc2409.ephemeral"]?.some(e => e.type === "m.typing")));
    await Promise.all([as, deaf, old].map(x => x.sees("the last event", e => e.event_id === last)));
    assert.ok(as.ephemeral.every(e => e.room_id !== elsewhere && e.sender !== mallory.id));
    assert.ok(as.ephemeral.every(e => !e.content[said]?.["m.read.private"]?.[alice.id]), "alice's private receipt");
    assert.ok(old.transactions.every(t => !("ephemeral" in t.body)));
    assert.ok(deaf.transactions.every(t => Object.keys(t.body).join() === "events"));
  });
  await Promise.all([as, deaf, old].map(x => x.stop()));
});

// ---- coming and going

test("one that is added by a reload hears of what happens from then on; one that is removed of nothing", OWN_SERVER, async () => {
  const one = new AppService("one"), two = new AppService("two");
  await one.listen(); await two.listen();
  await withServer({ edit: registrations(one) }, async s => {
    const alice = await s.user("alice");
    const room = await alice.createRoom({ preset: "public_chat" });
    await one.as(s).join(room);
    await one.sees("it joins", e => e.state_key === one.bot);
    s.editConfig(c => registrations(two)(c, s));
    s.process.kill("SIGHUP");
    await eventually("the second is known", async () => (await s.req("GET", "/account/whoami", { token: two.token })).status === 200);
    await two.as(s).join(room);
    const said = await alice.say(room, "hello");
    await two.sees("the message", e => e.event_id === said);
    assert.ok(!ids(one).includes(said));
    assert.ok(two.events.every(e => e.state_key === two.bot || e.event_id === said));
    // Another address, by another reload.
    await two.stop();
    two.registration.url = undefined;
    delete two.registration.url;
    await two.listen();
    const meanwhile = await alice.say(room, "where are you");
    writeRegistration(s, two);
    s.process.kill("SIGHUP");
    await two.sees("what was said meanwhile", e => e.event_id === meanwhile);
  });
  await one.stop(); await two.stop();
});
