// SPDX-License-Identifier: Apache-2.0
// E-mail addresses as matrix-js-sdk handles them: registration, adding one, signing in, a new password, letters.
import assert from "node:assert/strict";
import test, { after, before } from "node:test";
import { OWN_SERVER, Server, eventually, unique } from "./harness.mjs";
import { Postbox, linkOf } from "./postbox.mjs";

Promise.withResolvers ??= function withResolvers() { // the SDK expects a newer Node than 20
  let resolve, reject;
  const promise = new this((a, b) => { resolve = a; reject = b; });
  return { promise, resolve, reject };
};
for (const level of ["debug", "log", "info", "warn", "trace"]) console[level] = () => {}; // the SDK talks a lot
const sdk = await import("matrix-js-sdk");

let post, hs;
before(async () => {
  post = await Postbox.open({ user: "ingot", password: "s3cret" });
  hs = await Server.create({ edit: c => { c.email = post.config(); c.registration.email = "required"; } });
});
after(async () => { await hs?.remove(); await post?.close(); });

async function follow(letter) {
  const link = linkOf(letter);
  await hs.req("POST", link.pathname, { body: link.searchParams.toString(), type: "application/x-www-form-urlencoded", expect: 200 });
}

test("matrix-js-sdk registers with an address, adds another, forgets the password and signs in again", OWN_SERVER, async () => {
  const [first, second] = [`${unique("one")}@example.org`, `${unique("two")}@example.org`];
  const username = unique("sdk"), password = "long enough";
  const guest = sdk.createClient({ baseUrl: hs.base });
  const waits = [];
  const auth = new sdk.InteractiveAuth({
    matrixClient: guest,
    inputs: { emailAddress: first },
    supportedStages: ["m.login.email.identity"],
    doRequest: data => guest.registerRequest({ username, password, auth: data ?? undefined }),
    requestEmailToken: (email, secret, attempt) => guest.requestRegisterEmailToken(email, secret, attempt),
    stateUpdated: stage => waits.push(stage),
  });
  const made = auth.attemptAuth();
  const letter = await Promise.race([post.next(first), made.then(() => assert.fail("without a letter"))]);
  assert.ok(letter.wasEncrypted);
  await follow(letter);
  const timer = setInterval(() => auth.poll().catch(() => {}), 50); // as apps do
  const { user_id, access_token } = await made.finally(() => clearInterval(timer));
  assert.ok(waits.includes("m.login.email.identity"));

  const client = sdk.createClient({ baseUrl: hs.base, userId: user_id, accessToken: access_token });
  assert.deepEqual((await client.getThreePids()).threepids.map(t => t.address), [first]);
  const secret = client.generateClientSecret();
  const { sid } = await client.requestAdd3pidEmailToken(second, secret, 1);
  await follow(await post.next(second));
  const refused = await client.addThreePidOnly({ sid, client_secret: secret }).catch(e => e);
  assert.equal(refused.httpStatus, 401);
  await client.addThreePidOnly({ sid, client_secret: secret, auth: { type: "m.login.password", identifier: { type: "m.id.user", user: user_id }, password, session: refused.data.session } });
  assert.deepEqual((await client.getThreePids()).threepids.map(t => t.address), [first, second]);
  await client.setPusher({ kind: "email", app_id: "m.email", pushkey: second, app_display_name: "Email Notifications", device_display_name: second, lang: "en", data: {} });
  await client.deleteThreePid("email", second);
  assert.deepEqual((await client.getPushers()).pushers, []);

  const reset = guest.generateClientSecret();
  const { sid: resetSid } = await guest.requestPasswordEmailToken(first, reset, 1);
  const creds = { type: "m.login.email.identity", threepid_creds: { sid: resetSid, client_secret: reset } };
  assert.equal((await guest.setPassword(creds, "another password").catch(e => e)).httpStatus, 401);
  await follow(await post.next(first));
  await guest.setPassword(creds, "another password");
  await eventually("the old device is signed out", async () => (await client.whoami().catch(e => e)).errcode === "M_UNKNOWN_TOKEN");
  const again = await guest.loginRequest({ type: "m.login.password", identifier: { type: "m.id.thirdparty", medium: "email", address: first }, password: "another password" });
  assert.equal(again.user_id, user_id);
});
