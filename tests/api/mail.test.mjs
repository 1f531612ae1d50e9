// SPDX-License-Identifier: Apache-2.0
// Sending letters: `ingot mail test`, `ingot doctor`, and what goes wrong with mail servers.
import assert from "node:assert/strict";
import net from "node:net";
import test, { after } from "node:test";
import { OWN_SERVER, freePort, useServer } from "./harness.mjs";
import { Postbox } from "./postbox.mjs";

const hs = useServer();
const open = [];
after(() => Promise.all(open.map(p => p.close())));
async function postbox(options) {
  const p = await Postbox.open(options);
  open.push(p);
  return p;
}
const configure = email => hs.editConfig(c => { c.email = email; });
const send = address => hs.command(["mail", "test", address, "--config", hs.configFile]);
const doctor = async () => JSON.parse((await hs.command(["doctor", "--json", "--config", hs.configFile])).stdout).find(r => r.topic === "e-mail");

test("a letter goes out over STARTTLS with a password", OWN_SERVER, async () => {
  const post = await postbox({ user: "ingot", password: "s3cret!" });
  configure(post.config());
  assert.equal((await doctor()).finding, "ok");
  const r = await send("Bob@Example.org");
  assert.equal(r.status, 0, r.stderr);
  const letter = await post.next("bob@example.org");
  assert.ok(letter.wasEncrypted);
  assert.equal(letter.from.value[0].address, "ingot@localhost");
  assert.equal(letter.from.value[0].name, "Test chat");
  assert.match(letter.subject, /^Test mail of localhost$/);
  assert.match(letter.text, /can send e-mail/);
  assert.match(letter.html, /<h2>It works<\/h2>/);
  assert.ok(Math.abs(Date.now() - letter.date) < 60000);
  assert.match(letter.messageId, /^<[A-Za-z0-9]+@localhost>$/);
  assert.equal(letter.headers.get("auto-submitted"), "auto-generated");
});

test("a letter goes out over TLS from the first byte, and in the clear where that is wanted", OWN_SERVER, async () => {
  for (const options of [{ tls: "smtps", user: "a", password: "b" }, {}]) {
    const post = await postbox(options);
    configure(post.config());
    assert.equal((await send("bob@example.org")).status, 0);
    assert.equal((await post.next("bob@example.org")).wasEncrypted, options.tls === "smtps");
  }
});

test("where TLS is required, no letter and no password go to a server without it", OWN_SERVER, async () => {
  const post = await postbox();
  configure(post.config({ starttls: "required", user: "ingot", password: "s3cret!" }));
  const r = await send("bob@example.org");
  assert.equal(r.status, 1);
  assert.match(r.stderr, /SMTP/);
  assert.equal(post.letters.length, 0);
});

test("a certificate that nobody vouches for is not accepted", OWN_SERVER, async () => {
  const post = await postbox({ user: "ingot", password: "s3cret!" });
  configure(post.config({ ca_file: undefined }));
  assert.equal((await doctor()).finding, "failure");
  assert.equal((await send("bob@example.org")).status, 1);
});

test("a wrong password is told to the administrator", OWN_SERVER, async () => {
  const post = await postbox({ user: "ingot", password: "s3cret!" });
  configure(post.config({ password: "guess" }));
  const r = await doctor();
  assert.equal(r.finding, "failure");
  assert.match(r.advice, /mail test/);
  assert.match((await send("bob@example.org")).stderr, /SMTP/);
});

test("a refused recipient, a dead server and a silent one are told apart", OWN_SERVER, async () => {
  const post = await postbox();
  post.refused.add("nobody@example.org");
  configure(post.config());
  assert.match((await send("nobody@example.org")).stderr, /does not deliver to this address.*550/s);
  assert.match((await send("no address")).stderr, /is no e-mail address/);

  configure({ ...post.config(), smtp_url: `smtp://127.0.0.1:${await freePort()}` });
  assert.match((await send("bob@example.org")).stderr, /could not be sent/);

  const silent = net.createServer(() => {});
  await new Promise(resolve => silent.listen(0, "127.0.0.1", resolve));
  configure({ ...post.config(), smtp_url: `smtp://127.0.0.1:${silent.address().port}`, timeout: "1s" });
  const begun = Date.now();
  assert.match((await send("bob@example.org")).stderr, /could not be sent/);
  assert.ok(Date.now() - begun < 15000);
  silent.close();
});

test("settings that cannot work are found before the start", OWN_SERVER, async () => {
  const check = async (edit, words) => {
    hs.editConfig(c => { delete c.email; delete c.captcha; c.registration.email = "off"; edit(c); });
    const r = await hs.command(["config", "check", "--config", hs.configFile]);
    assert.equal(r.status, 1);
    assert.match(r.stderr, words);
  };
  await check(c => { c.email = { smtp_url: "http://mail" }; }, /smtp_url: "http:.* must be smtp:/);
  await check(c => { c.email = { smtp_url: "smtp://mail" }; }, /email.from is needed/);
  await check(c => { c.email = { smtp_url: "smtp://mail", from: "x" }; }, /email.from: "x" must be an e-mail address/);
  await check(c => { c.email = { smtp_url: "smtp://mail", from: "a@b.c", user: "u" }; }, /both user and password/);
  await check(c => { c.registration.email = "required"; }, /email.smtp_url is needed/);
  await check(c => { c.captcha = { provider: "recaptcha" }; }, /captcha.site_key and captcha.secret/);
});
