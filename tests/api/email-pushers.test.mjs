// SPDX-License-Identifier: Apache-2.0
// Missed messages by e-mail: after a while of no reading, in one letter, ever less often, until one has had enough.
import assert from "node:assert/strict";
import test, { after, before } from "node:test";
import { E, OWN_SERVER, Server, eventually, unique } from "./harness.mjs";
import { Postbox, linkOf } from "./postbox.mjs";

let post, hs;
before(async () => {
  post = await Postbox.open();
  hs = await Server.create({ edit: c => { c.email = { ...post.config(), notifications: { delay: "1s", max_delay: "1m" } }; } });
});
after(async () => { await hs?.remove(); await post?.close(); });

const form = fields => ({ body: new URLSearchParams(fields).toString(), type: "application/x-www-form-urlencoded" });
async function withAddress(prefix) {
  const user = await hs.user(prefix);
  user.email = `${unique(prefix)}@example.org`;
  const client_secret = unique("s");
  const { sid } = (await hs.req("POST", "/account/3pid/email/requestToken", { body: { client_secret, email: user.email, send_attempt: 1 }, expect: 200 })).body;
  const link = linkOf(await post.next(user.email));
  await hs.req("POST", link.pathname, { ...form(Object.fromEntries(link.searchParams)), expect: 200 });
  await user.withPassword("POST", "/account/3pid/add", { sid, client_secret });
  return user;
}
const pusher = (user, more = {}) => ({ kind: "email", app_id: "m.email", pushkey: user.email, app_display_name: "Email", device_display_name: user.email, lang: "en", data: {}, ...more });
async function room(owner, ...others) {
  const id = await owner.createRoom({ preset: "public_chat", name: `Room <${unique()}>` });
  for (const u of others) await u.join(id);
  return id;
}
const lettersTo = user => post.letters.filter(l => l.to === user.email);

test("a pusher needs an address of one's own", OWN_SERVER, async () => {
  const alice = await withAddress("alice"), bob = await hs.user("bob");
  await alice.fails(400, "M_THREEPID_NOT_FOUND", "POST", "/pushers/set", pusher(alice, { pushkey: "other@example.org" }));
  await bob.fails(400, "M_THREEPID_NOT_FOUND", "POST", "/pushers/set", pusher(alice));
  await alice.fails(400, "M_INVALID_PARAM", "POST", "/pushers/set", pusher(alice, { app_id: "org.example" }));
  await alice.post("/pushers/set", pusher(alice));
  const { pushers } = await alice.get("/pushers");
  assert.deepEqual(pushers.map(p => [p.kind, p.pushkey]), [["email", alice.email]]);
  // It is not the device's: people who are signed out miss most.
  await alice.post("/logout/all");
  const again = await hs.login(alice.name, alice.password);
  assert.equal((await again.get("/pushers")).pushers.length, 1);
});

test("several missed messages make one letter, in text and HTML, with the names of rooms and people", OWN_SERVER, async () => {
  const alice = await withAddress("alice"), bob = await hs.user("bob", { displayname: "Bob & Co" });
  const one = await room(bob, alice), two = await room(bob, alice);
  await alice.post("/pushers/set", pusher(alice));
  await bob.say(one, "first <b>words</b>");
  await bob.say(one, "second words");
  await bob.say(two, "elsewhere");
  const letter = await post.next(alice.email);
  assert.match(letter.subject, /\[Test chat\] 3 unread messages in 2 rooms/);
  assert.match(letter.text, /Room <\w+>\n {2}Bob & Co: first <b>words<\/b>\n {2}Bob & Co: second words\n\nRoom <\w+>\n {2}Bob & Co: elsewhere/);
  assert.match(letter.html, /<h3>Room &lt;\w+&gt;<\/h3>/);
  assert.match(letter.html, /<strong>Bob &amp; Co<\/strong>: first &lt;b&gt;words&lt;\/b&gt;/);
  assert.ok(letter.text.includes(alice.id));
  assert.match(letter.raw, /List-Unsubscribe-Post: List-Unsubscribe=One-Click/);
});

test("what was read in time is in no letter", OWN_SERVER, async () => {
  const alice = await withAddress("alice"), bob = await hs.user("bob");
  const [quiet, loud] = [await room(bob, alice), await room(bob, alice)];
  await alice.post("/pushers/set", pusher(alice));
  await alice.receipt(quiet, await bob.say(quiet, "read at once"));
  await bob.say(loud, "missed");
  const letter = await post.next(alice.email);
  assert.match(letter.subject, /1 unread message in/);
  assert.doesNotMatch(letter.text, /read at once/);
});

test("encrypted messages, and all of who wants so, are told of without their words", OWN_SERVER, async () => {
  const alice = await withAddress("alice"), carol = await withAddress("carol"), bob = await hs.user("bob");
  const id = await room(bob, alice, carol);
  await alice.post("/pushers/set", pusher(alice));
  await carol.post("/pushers/set", pusher(carol, { data: { format: "event_id_only" } }));
  await bob.say(id, "plain words");
  await bob.event(id, "m.room.encrypted", { algorithm: "m.megolm.v1.aes-sha2", ciphertext: "xyz", session_id: "s", body: "must not be shown" });
  const letter = await post.next(alice.email);
  assert.match(letter.text, /plain words/);
  assert.match(letter.text, /has sent an encrypted message/);
  assert.doesNotMatch(letter.text, /must not be shown/);
  const bare = await post.next(carol.email);
  assert.doesNotMatch(bare.text + bare.html, /plain words/);
  assert.match(bare.text, /has sent a message/);
});

test("an invitation is told of", OWN_SERVER, async () => {
  const alice = await withAddress("alice"), bob = await hs.user("bob");
  await alice.post("/pushers/set", pusher(alice));
  const id = await bob.createRoom({ name: "Secret garden" });
  await bob.invite(id, alice);
  const letter = await post.next(alice.email);
  assert.match(letter.text, /Secret garden\n.*invites you/);
});

test("letters become rarer while nothing is read", OWN_SERVER, async () => {
  const alice = await withAddress("alice"), bob = await hs.user("bob");
  const id = await room(bob, alice);
  await alice.post("/pushers/set", pusher(alice));
  const times = [];
  for (let i = 0; i < 4; i++) {
    await bob.say(id, `message ${i}`);
    const letter = await post.next(alice.email);
    times.push(Date.now());
    assert.match(letter.text, new RegExp(`message ${i}`));
    if (i) assert.doesNotMatch(letter.text, new RegExp(`message ${i - 1}`)); // each is told of once
  }
  assert.ok(times[2] - times[1] > 1800 && times[3] - times[2] > 3800, `${times}`); // 1 s, 2 s, 4 s
  await alice.receipt(id, await bob.say(id, "now I read"));
  const before = Date.now();
  await bob.say(id, "soon told of");
  await post.next(alice.email);
  assert.ok(Date.now() - before < 7000, "reading ends the pause (which would have been 8 s)");
});

test("what waits is told of after a restart, and nothing twice", OWN_SERVER, async () => {
  const alice = await withAddress("alice"), bob = await hs.user("bob");
  const id = await room(bob, alice);
  await alice.post("/pushers/set", pusher(alice));
  await bob.say(id, "told of before");
  await post.next(alice.email);
  await bob.say(id, "waiting through the night");
  await hs.restart();
  const letter = await post.next(alice.email);
  assert.match(letter.text, /waiting through the night/);
  assert.doesNotMatch(letter.text, /told of before/);
  await hs.restart();
  await bob.say(id, "after that");
  assert.doesNotMatch((await post.next(alice.email)).text, /waiting through/);
});

test("a mail server that is away gets the letter later", OWN_SERVER, async () => {
  const alice = await withAddress("alice"), bob = await hs.user("bob");
  const id = await room(bob, alice);
  await alice.post("/pushers/set", pusher(alice));
  const { port, letters } = post;
  await post.close();
  await bob.say(id, "patience");
  await eventually("the first attempt fails", () => hs.stderr.includes("a notification could not be mailed"));
  post = await Postbox.open({ port });
  post.letters.push(...letters);
  assert.match((await post.next(alice.email)).text, /patience/);
});

test("the link in a letter ends them, by hand and by the mail program's button", OWN_SERVER, async () => {
  for (const byHand of [true, false]) {
    const alice = await withAddress("alice"), bob = await hs.user("bob");
    const id = await room(bob, alice);
    await alice.post("/pushers/set", pusher(alice));
    await bob.say(id, "hello");
    const letter = await post.next(alice.email);
    const link = new URL(letter.headers.get("list").unsubscribe.url);
    const target = link.pathname + link.search;
    assert.match((await hs.req("GET", target, { expect: 200 })).raw.toString(), new RegExp(alice.email));
    assert.equal((await alice.get("/pushers")).pushers.length, 1); // looking changes nothing
    const forged = target.replace(E(alice.id), E(bob.id));
    assert.equal((await hs.req("GET", forged)).status, 404);
    assert.equal((await hs.req("POST", forged)).status, 404);
    await hs.req("POST", target, { ...byHand ? {} : form({ "List-Unsubscribe": "One-Click" }), expect: 200 });
    assert.deepEqual((await alice.get("/pushers")).pushers, []);
  }
});

test("an address that is taken away gets no letters, nor one that refuses them", OWN_SERVER, async () => {
  const alice = await withAddress("alice"), carol = await withAddress("carol"), bob = await hs.user("bob");
  const id = await room(bob, alice, carol);
  for (const u of [alice, carol]) await u.post("/pushers/set", pusher(u));
  await alice.post("/account/3pid/delete", { medium: "email", address: alice.email });
  assert.deepEqual((await alice.get("/pushers")).pushers, []);
  post.refused.add(carol.email);
  await bob.say(id, "hello?");
  await eventually("the pusher of a mailbox that is not there goes", async () => (await carol.get("/pushers")).pushers.length === 0);
  assert.equal(lettersTo(alice).length, 0);
});

test("where letters are not sent, there are no such pushers", OWN_SERVER, async () => {
  const plain = await Server.create({});
  try {
    const alice = await plain.user("alice");
    await alice.fails(400, "M_INVALID_PARAM", "POST", "/pushers/set", pusher({ email: "a@example.org" }));
  } finally {
    await plain.remove();
  }
});
