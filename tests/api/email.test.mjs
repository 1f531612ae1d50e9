// SPDX-License-Identifier: Apache-2.0
// E-mail addresses of people: registration, forgotten passwords, adding and taking away, signing in with one.
import assert from "node:assert/strict";
import test, { after, before } from "node:test";
import { OWN_SERVER, Server, eventually, unique } from "./harness.mjs";
import { Postbox, linkOf } from "./postbox.mjs";

let post, hs;
before(async () => {
  post = await Postbox.open();
  hs = await Server.create({ edit: c => { c.email = post.config(); c.registration.email = "optional"; } });
});
after(async () => { await hs?.remove(); await post?.close(); });

const secret = () => unique("secret");
const address = (name = "mail") => `${unique(name)}@example.org`;
const ask = (kind, body, expect = 200) => hs.req("POST", `/${kind}/email/requestToken`, { body: { send_attempt: 1, ...body }, expect }).then(r => r.body);
const form = fields => ({ body: new URLSearchParams(fields).toString(), type: "application/x-www-form-urlencoded" });

/** Opens the link of the letter and presses the button. */
async function follow(letter, server = hs) {
  const link = linkOf(letter);
  const page = await server.req("GET", link.pathname + link.search, { expect: 200 });
  assert.match(page.headers["content-type"], /^text\/html/);
  return server.req("POST", link.pathname, form(Object.fromEntries(link.searchParams)));
}

/** A proof of an address for a purpose: what a client then sends. */
async function prove(kind, email, client_secret = secret()) {
  const { sid } = await ask(kind, { client_secret, email });
  assert.equal((await follow(await post.next(email))).status, 200);
  return { sid, client_secret };
}

async function addAddress(user, email) {
  await user.withPassword("POST", "/account/3pid/add", await prove("account/3pid", email));
}

async function register(body, auth = {}) {
  const first = await hs.req("POST", "/register", { body, expect: 401 });
  return hs.req("POST", "/register", { body: { ...body, auth: { ...auth, session: first.body.session } } });
}

test("an address is added after its link was followed, and shown", OWN_SERVER, async () => {
  const alice = await hs.user("alice");
  const email = address("Alice.Liddell");
  assert.equal((await alice.get("/capabilities")).capabilities["m.3pid_changes"].enabled, true);
  assert.deepEqual(await alice.get("/account/3pid"), { threepids: [] });
  const client_secret = secret();
  const { sid, ...rest } = await ask("account/3pid", { client_secret, email });
  assert.deepEqual(rest, {}); // no submit_url: the link does it
  const letter = await post.next(email.toLowerCase());
  assert.match(letter.subject, /Confirm/);
  assert.match(letter.html, /<a href="http/);
  assert.ok(!letter.text.includes(client_secret));
  await alice.fails(403, "M_THREEPID_AUTH_FAILED", "POST", "/account/3pid/add", { sid, client_secret });
  const confirmed = await follow(letter);
  assert.equal(confirmed.status, 200);
  assert.match(confirmed.raw.toString(), /confirmed/);
  await alice.fails(403, "M_THREEPID_AUTH_FAILED", "POST", "/account/3pid/add", { sid, client_secret: "another" });
  await alice.withPassword("POST", "/account/3pid/add", { sid, client_secret });
  const { threepids: [one, ...more] } = await alice.get("/account/3pid");
  assert.equal(more.length, 0);
  assert.equal(one.medium, "email");
  assert.equal(one.address, email.toLowerCase());
  assert.ok(one.validated_at <= one.added_at && one.added_at <= Date.now());
  // A proof is good once.
  await alice.fails(403, "M_THREEPID_AUTH_FAILED", "POST", "/account/3pid/add", { sid, client_secret });
});

test("opening the link alone proves nothing, as mail scanners open links too", OWN_SERVER, async () => {
  const alice = await hs.user("alice");
  const email = address(), client_secret = secret();
  const { sid } = await ask("account/3pid", { client_secret, email });
  const link = linkOf(await post.next(email));
  const page = await hs.req("GET", link.pathname + link.search, { expect: 200 });
  assert.match(page.raw.toString(), /<button>/);
  assert.match(page.headers["content-security-policy"], /default-src 'none'.*frame-ancestors 'none'/);
  assert.equal(page.headers["referrer-policy"], "no-referrer");
  assert.equal(page.headers["cache-control"], "no-store");
  await alice.fails(403, "M_THREEPID_AUTH_FAILED", "POST", "/account/3pid/add", { sid, client_secret });
});

test("a link with a wrong token is not valid, nor is an older letter's", OWN_SERVER, async () => {
  const email = address(), client_secret = secret();
  await ask("account/3pid", { client_secret, email });
  const old = linkOf(await post.next(email));
  await ask("account/3pid", { client_secret, email, send_attempt: 2 });
  const fresh = linkOf(await post.next(email));
  assert.equal(old.searchParams.get("sid"), fresh.searchParams.get("sid"));
  for (const search of [old.search, "?sid=x&token=y", "", `?sid=${fresh.searchParams.get("sid")}`]) {
    assert.equal((await hs.req("GET", old.pathname + search)).status, 404);
    assert.equal((await hs.req("POST", old.pathname, form(Object.fromEntries(new URLSearchParams(search))))).status, 404);
  }
  assert.equal((await hs.req("GET", fresh.pathname + fresh.search)).status, 200);
});

test("the same attempt sends no second letter, a greater one does", OWN_SERVER, async () => {
  const email = address(), client_secret = secret();
  const first = await ask("account/3pid", { client_secret, email });
  await post.next(email);
  assert.deepEqual(await ask("account/3pid", { client_secret, email }), first);
  assert.deepEqual(await ask("account/3pid", { client_secret, email, send_attempt: 3 }), first);
  await post.next(email);
  assert.deepEqual(await ask("account/3pid", { client_secret, email, send_attempt: 2 }), first);
  assert.equal(post.letters.filter(l => l.to === email).length, 0);
  assert.notEqual((await ask("account/3pid", { client_secret: secret(), email })).sid, first.sid);
});

test("what is malformed is refused", OWN_SERVER, async () => {
  const good = { client_secret: "s", email: "a@example.org", send_attempt: 1 };
  for (const change of [{ email: "nobody" }, { email: "a@b\r\nRCPT TO:<c@d>" }, { client_secret: "" }, { client_secret: "a b" }, { client_secret: "x".repeat(256) },
    { next_link: "javascript:alert(1)" }, { next_link: "https://a@evil.example/" }, { next_link: "https://exa mple/" }, { next_link: "https:///path" }, { next_link: "https://a.example\\@evil.example" }]) {
    await hs.fails(400, "M_INVALID_PARAM", "POST", "/account/3pid/email/requestToken", { body: { ...good, ...change } });
  }
  for (const key of Object.keys(good)) {
    await hs.fails(400, "M_MISSING_PARAM", "POST", "/register/email/requestToken", { body: { ...good, [key]: undefined } });
  }
  await hs.fails(400, "M_BAD_JSON", "POST", "/account/password/email/requestToken", { body: { ...good, send_attempt: "1" } });
});

test("telephone numbers are not supported, and said so", OWN_SERVER, async () => {
  for (const kind of ["register", "account/password", "account/3pid"]) {
    const body = { client_secret: "s", country: "GB", phone_number: "07700900001", send_attempt: 1 };
    await hs.fails(400, "M_THREEPID_MEDIUM_NOT_SUPPORTED", "POST", `/${kind}/msisdn/requestToken`, { body });
    await hs.fails(400, "M_MISSING_PARAM", "POST", `/${kind}/msisdn/requestToken`, { body: { ...body, country: undefined } });
  }
});

test("an account is made with an address, which is then its own", OWN_SERVER, async () => {
  const email = address(), body = { username: unique("reg"), password: "long enough" };
  const flows = (await hs.req("POST", "/register", { body, expect: 401 })).body.flows.map(f => f.stages);
  assert.deepEqual(flows, [["m.login.dummy"], ["m.login.email.identity"]]);
  const client_secret = secret();
  const { sid } = await ask("register", { client_secret, email });
  const first = (await hs.req("POST", "/register", { body, expect: 401 })).body;
  const auth = { type: "m.login.email.identity", threepid_creds: { sid, client_secret }, session: first.session };
  const early = (await hs.req("POST", "/register", { body: { ...body, auth }, expect: 401 })).body;
  assert.equal(early.errcode, "M_THREEPID_AUTH_FAILED");
  assert.deepEqual(early.completed, []);
  await follow(await post.next(email));
  const made = (await hs.req("POST", "/register", { body: { ...body, auth }, expect: 200 })).body;
  const { threepids } = (await hs.req("GET", "/account/3pid", { token: made.access_token, expect: 200 })).body;
  assert.equal(threepids[0].address, email);
});

test("an account is made without an address where that is optional", OWN_SERVER, async () => {
  const r = await register({ username: unique("reg"), password: "long enough" }, { type: "m.login.dummy" });
  assert.equal(r.status, 200);
});

test("a proof for one thing is good for no other", OWN_SERVER, async () => {
  const alice = await hs.user("alice");
  const email = address();
  await addAddress(alice, email);
  const reset = await prove("account/password", email);
  await alice.fails(403, "M_THREEPID_AUTH_FAILED", "POST", "/account/3pid/add", reset);
  const fresh = await prove("account/3pid", address());
  const r = await register({ username: unique("reg"), password: "long enough" }, { type: "m.login.email.identity", threepid_creds: fresh });
  assert.equal(r.status, 401);
  assert.equal(r.body.errcode, "M_THREEPID_AUTH_FAILED");
});

test("who forgot the password sets a new one by mail, and other devices are signed out", OWN_SERVER, async () => {
  const alice = await hs.user("alice");
  const email = address();
  await addAddress(alice, email);
  const client_secret = secret(), new_password = "a new password";
  const { sid } = await ask("account/password", { client_secret, email: email.toUpperCase() });
  const letter = await post.next(email);
  assert.ok(letter.text.includes(alice.id));
  const first = (await hs.req("POST", "/account/password", { body: { new_password }, expect: 401 })).body;
  assert.ok(first.flows.some(f => f.stages.join() === "m.login.email.identity"));
  const auth = { type: "m.login.email.identity", threepid_creds: { sid, client_secret }, session: first.session };
  assert.equal((await hs.req("POST", "/account/password", { body: { new_password, auth }, expect: 401 })).body.errcode, "M_THREEPID_AUTH_FAILED");
  await follow(letter);
  await hs.req("POST", "/account/password", { body: { new_password, auth }, expect: 200 });
  await hs.fails(401, "M_UNKNOWN_TOKEN", "GET", "/account/whoami", { token: alice.token });
  await hs.login(alice.name, new_password);
  await hs.fails(403, "M_FORBIDDEN", "POST", "/login", { body: { type: "m.login.password", identifier: { type: "m.id.user", user: alice.name }, password: alice.password } });
  // The session and the proof are used up.
  const again = (await hs.req("POST", "/account/password", { body: { new_password: "yet another", auth }, expect: 401 })).body;
  assert.ok(again.errcode);
});

test("a new password by mail leaves the devices signed in if that is wanted", OWN_SERVER, async () => {
  const alice = await hs.user("alice");
  const email = address();
  await addAddress(alice, email);
  const body = { new_password: "a new password", logout_devices: false };
  const proof = await prove("account/password", email);
  const { session } = (await hs.req("POST", "/account/password", { body, expect: 401 })).body;
  await hs.req("POST", "/account/password", { body: { ...body, auth: { type: "m.login.email.identity", threepid_creds: proof, session } }, expect: 200 });
  await alice.get("/account/whoami");
});

test("whether an address has an account is told to its owner, not to who asks", OWN_SERVER, async () => {
  const alice = await hs.user("alice");
  const known = address(), unknown = address();
  await addAddress(alice, known);
  const keys = async (kind, email) => Object.keys(await ask(kind, { client_secret: secret(), email }));
  assert.deepEqual(await keys("register", known), await keys("register", unknown));
  let letter = await post.next(known);
  assert.match(letter.subject, /have an account already/);
  assert.ok(letter.text.includes(alice.id));
  assert.equal(linkOf(letter), null);
  assert.ok(linkOf(await post.next(unknown)));

  assert.deepEqual(await keys("account/password", unknown), ["sid"]);
  letter = await post.next(unknown);
  assert.match(letter.subject, /no account/);
  assert.equal(linkOf(letter), null);

  assert.deepEqual(await keys("account/3pid", known), ["sid"]);
  assert.match((await post.next(known)).subject, /in use/);
});

test("an address belongs to one account, also if two prove it at once", OWN_SERVER, async () => {
  const [alice, bob] = await hs.users("alice", "bob");
  const email = address();
  const [first, second] = [await prove("account/3pid", email), await prove("account/3pid", email)];
  await alice.withPassword("POST", "/account/3pid/add", first);
  const { session } = (await hs.req("POST", "/account/3pid/add", { token: bob.token, body: second, expect: 401 })).body;
  await bob.fails(400, "M_THREEPID_IN_USE", "POST", "/account/3pid/add", { ...second, auth: bob.passwordAuth(session) });
  assert.deepEqual((await bob.get("/account/3pid")).threepids, []);
});

test("the deprecated way to add an address asks for the password too", OWN_SERVER, async () => {
  const alice = await hs.user("alice");
  const proof = await prove("account/3pid", address());
  await alice.fails(403, "M_THREEPID_AUTH_FAILED", "POST", "/account/3pid", { three_pid_creds: { ...proof, sid: "no such", id_server: "id.example.org", id_access_token: "x" } });
  await alice.withPassword("POST", "/account/3pid", { three_pid_creds: { ...proof, id_server: "id.example.org", id_access_token: "x" } });
  assert.equal((await alice.get("/account/3pid")).threepids.length, 1);
});

test("an address that is taken away no longer signs in, and is free again", OWN_SERVER, async () => {
  const [alice, bob] = await hs.users("alice", "bob");
  const email = address();
  await addAddress(alice, email);
  const login = (user, password) => hs.req("POST", "/login", { body: { type: "m.login.password", identifier: { type: "m.id.thirdparty", medium: "email", address: user }, password } });
  const r = await login(email.toUpperCase(), alice.password);
  assert.equal(r.status, 200);
  assert.equal(r.body.user_id, alice.id);
  assert.equal((await login(email, "wrong")).body.errcode, "M_FORBIDDEN");
  assert.equal((await login("nobody@example.org", alice.password)).status, 403);
  await hs.fails(403, "M_FORBIDDEN", "POST", "/login", { body: { type: "m.login.password", identifier: { type: "m.id.phone", country: "GB", phone: "1" }, password: "x" } });
  await hs.fails(400, "M_MISSING_PARAM", "POST", "/login", { body: { type: "m.login.password", identifier: { type: "m.id.thirdparty", medium: "email" }, password: "x" } });

  assert.deepEqual(await bob.post("/account/3pid/delete", { medium: "email", address: email }), { id_server_unbind_result: "no-support" });
  assert.equal((await alice.get("/account/3pid")).threepids.length, 1);
  await alice.fails(400, "M_INVALID_PARAM", "POST", "/account/3pid/delete", { medium: "fax", address: email });
  await alice.post("/account/3pid/delete", { medium: "email", address: email.toUpperCase() });
  assert.equal((await login(email, alice.password)).status, 403);
  await addAddress(bob, email);
});

test("the addresses of an account that ends are free again", OWN_SERVER, async () => {
  const [alice, bob] = await hs.users("alice", "bob");
  const email = address();
  await addAddress(alice, email);
  await alice.withPassword("POST", "/account/deactivate", {});
  await addAddress(bob, email);
});

test("where the app wants people back is shown, not gone to, unless the operator trusts its host", OWN_SERVER, async () => {
  const email = address(), next_link = "https://app.example/#/welcome?a=<b>".replace("<b>", "%3Cb%3E");
  await ask("account/3pid", { client_secret: secret(), email, next_link });
  const r = await follow(await post.next(email));
  assert.equal(r.status, 200);
  assert.match(r.raw.toString(), /href="https:\/\/app\.example\/#\/welcome\?a=%3Cb%3E"[^>]*>https:\/\/app\.example</);
});

test("a mail server that is down, hangs or refuses is told, and the same attempt may be made again", OWN_SERVER, async () => {
  const email = address(), client_secret = secret();
  post.refused.add(email);
  const body = { client_secret, email, send_attempt: 1 };
  await hs.fails(400, "M_INVALID_PARAM", "POST", "/account/3pid/email/requestToken", { body });
  post.refused.delete(email);
  await ask("account/3pid", body);
  await post.next(email);
  assert.match((await hs.req("GET", "/metrics")).raw.toString(), /^ingot_mails_total\{outcome="refused"\} 1$/m);

  const { port } = post;
  const other = { ...body, client_secret: secret() };
  await post.close();
  await hs.fails(502, "M_UNKNOWN", "POST", "/account/3pid/email/requestToken", { body: other });
  const { letters } = post;
  post = await Postbox.open({ port });
  post.letters.push(...letters);
  await ask("account/3pid", other);
  await post.next(email);
});

test("a link that is too old proves nothing, and a mail server that hangs keeps nobody waiting for long", OWN_SERVER, async () => {
  const brief = await Server.create({ edit: c => { c.email = { ...post.config(), link_lifetime: "1s", timeout: "1s" }; } });
  try {
    const alice = await brief.user("alice");
    const email = address(), client_secret = secret();
    const tell = body => brief.req("POST", "/account/3pid/email/requestToken", { body: { client_secret, email, send_attempt: 1, ...body } });
    const { sid } = (await tell({})).body;
    const link = linkOf(await post.next(email));
    await eventually("the link ends", async () => (await brief.req("GET", link.pathname + link.search)).status === 404);
    assert.equal((await brief.req("POST", link.pathname, form(Object.fromEntries(link.searchParams)))).status, 404);
    await alice.fails(403, "M_THREEPID_AUTH_FAILED", "POST", "/account/3pid/add", { sid, client_secret });
    post.hangs = true;
    assert.equal((await tell({ client_secret: secret() })).status, 502);
  } finally {
    post.hangs = false;
    await brief.remove();
  }
});

test("addresses, sessions and proofs are there after a restart", OWN_SERVER, async () => {
  const alice = await hs.user("alice");
  const email = address(), client_secret = secret();
  const { sid } = await ask("account/3pid", { client_secret, email });
  const letter = await post.next(email);
  await hs.restart();
  await follow(letter);
  await hs.restart();
  await alice.withPassword("POST", "/account/3pid/add", { sid, client_secret });
  assert.equal((await alice.get("/account/3pid")).threepids[0].address, email);
});

test("the operator's rules: required addresses, allowed domains, hosts to go back to, letters per mailbox", OWN_SERVER, async () => {
  const strict = await Server.create({ edit: c => {
    c.email = { ...post.config(), hide_accounts: false, next_link_hosts: ["app.example"] };
    c.registration.email = "required";
    c.registration.email_domains = ["example.org"];
    c.rate_limits = { enabled: true, email: { per_second: 0.001, burst: 6 }, login: { per_second: 1000, burst: 1000 }, register: { per_second: 1000, burst: 1000 } };
  } });
  try {
    const tell = (kind, body) => strict.req("POST", `/${kind}/email/requestToken`, { body: { client_secret: secret(), send_attempt: 1, ...body } });
    const flows = (await strict.req("POST", "/register", { body: {}, expect: 401 })).body.flows.map(f => f.stages);
    assert.deepEqual(flows, [["m.login.email.identity"]]);
    assert.equal((await tell("register", { email: "a@elsewhere.example" })).body.errcode, "M_THREEPID_DENIED");
    assert.equal((await tell("account/password", { email: "nobody@example.org" })).body.errcode, "M_THREEPID_NOT_FOUND");
    assert.equal((await tell("register", { email: "a@example.org", next_link: "https://evil.example/" })).body.errcode, "M_INVALID_PARAM");
    const email = address();
    assert.equal((await tell("register", { email, next_link: "https://app.example/x" })).status, 200);
    const r = await follow(await post.next(email), strict);
    assert.equal(r.status, 303);
    assert.equal(r.headers.location, "https://app.example/x");
    let last;
    for (let i = 0; i < 3; i++) last = await tell("register", { email: address() });
    assert.equal(last.body.errcode, "M_LIMIT_EXCEEDED");
  } finally {
    await strict.remove();
  }
});

test("without a mail server nothing by mail is offered", OWN_SERVER, async () => {
  const plain = await Server.create({});
  try {
    const alice = await plain.user("alice");
    for (const kind of ["register", "account/password", "account/3pid"]) {
      await plain.fails(400, "M_THREEPID_MEDIUM_NOT_SUPPORTED", "POST", `/${kind}/email/requestToken`, { body: { client_secret: "s", email: "a@example.org", send_attempt: 1 } });
    }
    assert.equal((await alice.get("/capabilities")).capabilities["m.3pid_changes"].enabled, false);
    const { flows } = (await plain.req("POST", "/account/password", { body: { new_password: "long enough" }, expect: 401 })).body;
    assert.deepEqual(flows.map(f => f.stages), [["m.login.password"]]);
  } finally {
    await plain.remove();
  }
});
