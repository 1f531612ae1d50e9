// SPDX-License-Identifier: Apache-2.0
// Pages for people with a browser: stages of authentication that a client does not know, the captcha, signing in.
import assert from "node:assert/strict";
import http from "node:http";
import test, { after, before } from "node:test";
import { E, OWN_SERVER, Server, unique } from "./harness.mjs";
import { Postbox, linkOf } from "./postbox.mjs";

let post, hs, provider;
const asked = [];
before(async () => {
  post = await Postbox.open();
  provider = http.createServer(async (rq, rs) => {
    let text = "";
    for await (const part of rq) text += part;
    const form = Object.fromEntries(new URLSearchParams(text));
    asked.push(form);
    if (form.response === "broken") { rs.statusCode = 500; rs.end("<oops>"); return; }
    rs.end(JSON.stringify({ success: form.response === "solved", score: 0.5 }));
  });
  await new Promise(resolve => provider.listen(0, "127.0.0.1", resolve));
  hs = await Server.create({ edit: c => {
    c.email = post.config();
    c.registration = { ...c.registration, mode: "token", email: "required", tokens: ["let me in"], terms: { version: "1", name: "House <rules>", url: "https://example.org/terms?a=1&b=2" } };
    c.captcha = { provider: "hcaptcha", site_key: "site-key", secret: "captcha-secret", verify_url: `http://127.0.0.1:${provider.address().port}/verify`, script_url: "https://captcha.example/api.js" };
  } });
});
after(async () => { await hs?.remove(); await post?.close(); provider?.close(); });

const path = (type, session) => `/_matrix/client/v3/auth/${E(type)}/fallback/web${session === undefined ? "" : `?session=${E(session)}`}`;
const show = (type, session, expect = 200) => hs.req("GET", path(type, session), { expect }).then(r => r.raw.toString());
const send = (type, fields, expect = 200) => hs.req("POST", path(type), { body: new URLSearchParams(fields).toString(), type: "application/x-www-form-urlencoded", expect }).then(r => r.raw.toString());
const begin = body => hs.req("POST", "/register", { body, expect: 401 }).then(r => r.body);
const isDone = page => /window\.onAuthDone\(\)/.test(page) && /window\.opener\.postMessage\("authDone", "\*"\)/.test(page);

test("somebody registers by nothing but the pages", OWN_SERVER, async () => {
  const body = { username: unique("page"), password: "long enough" };
  const { session, flows, params } = await begin(body);
  assert.deepEqual(flows.map(f => f.stages), [["m.login.registration_token", "m.login.recaptcha", "m.login.terms", "m.login.email.identity"]]);
  assert.equal(params["m.login.recaptcha"].public_key, "site-key");

  assert.match(await show("m.login.registration_token", session), /<input[^>]*name="token"/);
  const wrong = await send("m.login.registration_token", { session, token: "guess" }, 401);
  assert.match(wrong, /role="alert">This registration token is not valid/);
  assert.ok(isDone(await send("m.login.registration_token", { session, token: "let me in" })));
  assert.ok(isDone(await show("m.login.registration_token", session)));

  const puzzle = await hs.req("GET", path("m.login.recaptcha", session), { expect: 200 });
  assert.match(puzzle.raw.toString(), /class="h-captcha" data-sitekey="site-key"/);
  assert.match(puzzle.raw.toString(), /src="https:\/\/captcha\.example\/api\.js"/);
  assert.match(puzzle.headers["content-security-policy"], /frame-src https:\/\/captcha\.example /);
  await send("m.login.recaptcha", { session, "h-captcha-response": "wrong" }, 401);
  assert.ok(isDone(await send("m.login.recaptcha", { session, "h-captcha-response": "solved" })));
  assert.equal(asked.at(-1).secret, "captcha-secret");
  assert.equal(asked.at(-1).remoteip, "127.0.0.1");

  const terms = await show("m.login.terms", session);
  assert.match(terms, /href="https:\/\/example\.org\/terms\?a=1&amp;b=2">House &lt;rules&gt;</);
  assert.ok(isDone(await send("m.login.terms", { session })));

  const email = `${unique("p")}@example.org`;
  await send("m.login.email.identity", { session, email: "nonsense" }, 401);
  const waiting = await send("m.login.email.identity", { session, email });
  const [, sid] = waiting.match(/name="sid" value="([^"]+)"/);
  const [, secret] = waiting.match(/name="secret" value="([^"]+)"/);
  assert.match(await send("m.login.email.identity", { session, sid, secret }, 401), /not been verified/);
  const link = linkOf(await post.next(email));
  await hs.req("POST", link.pathname, { body: link.searchParams.toString(), type: "application/x-www-form-urlencoded", expect: 200 });
  assert.ok(isDone(await send("m.login.email.identity", { session, sid, secret })));

  const made = (await hs.req("POST", "/register", { body: { ...body, auth: { session } }, expect: 200 })).body;
  const { threepids } = (await hs.req("GET", "/account/3pid", { token: made.access_token, expect: 200 })).body;
  assert.equal(threepids[0].address, email);
  assert.match(await show("m.login.terms", session, 404), /has ended/);
});

test("a client that knows the captcha sends its answer itself", OWN_SERVER, async () => {
  const body = { username: unique("page"), password: "long enough" };
  const { session } = await begin(body);
  const attempt = response => hs.req("POST", "/register", { body: { ...body, auth: { type: "m.login.recaptcha", response, session } } });
  assert.equal((await attempt("wrong")).body.errcode, "M_UNAUTHORIZED");
  assert.equal((await attempt("broken")).status, 502);
  await hs.fails(400, "M_MISSING_PARAM", "POST", "/register", { body: { ...body, auth: { type: "m.login.recaptcha", session } } });
  assert.deepEqual((await attempt("solved")).body.completed, ["m.login.recaptcha"]);
});

test("a form that grows when it is escaped is answered like any other", OWN_SERVER, async () => {
  const { session } = await begin({ username: unique("page"), password: "long enough" });
  const post = size => hs.req("POST", path("m.login.email.identity"), { body: `session=${session}&secret=s&sid=${'"'.repeat(size)}`, type: "application/x-www-form-urlencoded" });
  assert.equal((await post(32000)).status, 401);
  assert.equal((await post(64000)).status, 413);
  assert.match(await show("m.login.email.identity", session), /name="email"/);
});

test("the password can be given on a page, but only one's own", OWN_SERVER, async () => {
  const [alice, bob] = await hs.users("alice", "bob");
  const body = { new_password: "a new password" };
  const { session } = (await hs.req("POST", "/account/password", { token: alice.token, body, expect: 401 })).body;
  assert.doesNotMatch(await show("m.login.password", session), /name="user"/);
  await send("m.login.password", { session, password: bob.password }, 401);
  assert.ok(isDone(await send("m.login.password", { session, password: alice.password })));
  await alice.post("/account/password", { ...body, auth: { session } });

  const anonymous = (await hs.req("POST", "/account/password", { body, expect: 401 })).body.session;
  assert.match(await show("m.login.password", anonymous), /name="user"/);
  assert.match(await show("m.login.password", anonymous), /Only go on if you yourself/);
  assert.ok(isDone(await send("m.login.password", { session: anonymous, user: bob.name, password: bob.password })));
  await hs.req("POST", "/account/password", { body: { ...body, auth: { session: anonymous } }, expect: 200 });
  await hs.login(bob.name, body.new_password);
});

test("a page is there only for what the session asks for", OWN_SERVER, async () => {
  const { session } = await begin({ username: unique("page"), password: "long enough" });
  for (const type of ["m.login.password", "m.login.dummy", "m.login.nonsense", "m.login.msisdn"]) {
    await show(type, session, 404);
    await send(type, { session, password: "x" }, 404);
  }
  await show("m.login.terms", "no such session", 404);
  await send("m.login.terms", {}, 404);
  await hs.fails(400, "M_MISSING_PARAM", "GET", path("m.login.terms"));
});

test("pages run no script but their own, are in no frame and in no cache, and tell nobody their URL", OWN_SERVER, async () => {
  const { session } = await begin({ username: unique("page"), password: "long enough" });
  for (const target of [path("m.login.terms", session), "/_matrix/static/client/login/", "/"]) {
    const r = await hs.req("GET", target, { expect: 200 });
    const policy = r.headers["content-security-policy"];
    const [, nonce] = policy.match(/script-src 'nonce-(\w+)'/);
    for (const [, tag] of r.raw.toString().matchAll(/<((?:script|style)[^>]*)>/g)) assert.ok(tag.includes(`nonce="${nonce}"`), tag);
    assert.match(policy, /default-src 'none'/);
    assert.match(policy, /frame-ancestors 'none'/);
    assert.equal(r.headers["cache-control"], "no-store");
    assert.equal(r.headers["referrer-policy"], "no-referrer");
    assert.equal(r.headers["x-content-type-options"], "nosniff");
    assert.doesNotMatch(r.raw.toString(), / on[a-z]+="/);
  }
});

test("the login page signs in and hands the answer to the client", OWN_SERVER, async () => {
  const alice = await hs.user("alice");
  const target = "/_matrix/static/client/login/?device_id=GHTYAJCE";
  const html = (await hs.req("GET", target, { expect: 200 })).raw.toString();
  const [, script] = html.match(/<script nonce="\w+">\n([\s\S]*?)<\/script>/);
  // The page's own script, with what a browser would give it.
  const element = () => ({ textContent: "", hidden: true });
  const form = { user: { value: alice.name }, password: { value: alice.password }, addEventListener: (_, f) => { form.submit = f; } };
  const parts = { login: form, error: element(), done: element() };
  const got = [];
  const page = new URL(target, hs.base);
  new Function("document", "location", "window", "fetch", script)(
    { getElementById: id => parts[id] }, page, { matrixLogin: { onLogin: answer => got.push(answer) } }, (url, o) => fetch(new URL(url, page), o));
  form.password.value = "wrong";
  await form.submit({ preventDefault() {} });
  assert.match(parts.error.textContent, /Wrong user name or password/);
  form.password.value = alice.password;
  await form.submit({ preventDefault() {} });
  assert.equal(got[0].user_id, alice.id);
  assert.equal(got[0].device_id, "GHTYAJCE");
});
