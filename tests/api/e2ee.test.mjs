// SPDX-License-Identifier: Apache-2.0
// The headline: two people with matrix-js-sdk and its Rust crypto register, meet in an encrypted room, chat, share a
// picture, verify each other; one loses the device, signs in anew and reads everything from the key backup.
import assert from "node:assert/strict";
import crypto from "node:crypto";
import { test } from "node:test";
import "fake-indexeddb/auto";
import { E, PATIENCE, eventually, png, unique, useServer } from "./harness.mjs";

Promise.withResolvers ??= function withResolvers() { // the SDK expects a newer Node than 20
  let resolve, reject;
  const promise = new this((a, b) => { resolve = a; reject = b; });
  return { promise, resolve, reject };
};
for (const level of ["debug", "log", "info", "warn", "trace"]) console[level] = () => {}; // the SDK talks a lot
// The SDK leaves timers of up to 110 s behind, that nothing clears: they must not hold the process that long.
const { setTimeout: setTimer } = globalThis;
globalThis.setTimeout = (run, ms, ...rest) => { const t = setTimer(run, ms, ...rest); return ms > 10000 ? t.unref() : t; };
const sdk = await import("matrix-js-sdk");
const { VerificationPhase, VerifierEvent } = await import("matrix-js-sdk/lib/crypto-api/index.js");

const hs = useServer();
const clients = [];

/** A device: signed in, crypto up, syncing. `recovery.key` unlocks the secret storage. */
async function device({ userId, deviceId, accessToken }, recovery) {
  const client = sdk.createClient({
    baseUrl: hs.base, userId, deviceId, accessToken,
    cryptoCallbacks: {
      getSecretStorageKey: async ({ keys }) => recovery.key ? [Object.keys(keys)[0], recovery.key] : null,
      cacheSecretStorageKey: (_id, _info, key) => { recovery.key = key; },
    },
  });
  await client.initRustCrypto({ useIndexedDB: false });
  const prepared = new Promise(resolve => client.on("sync", s => { if (s === "PREPARED") resolve(); }));
  await client.startClient({ initialSyncLimit: 50 });
  await prepared;
  clients.push(client);
  return client;
}

/** Registers through the SDK with the stages that the server asks for. */
async function registerPerson(name, password) {
  const anonymous = sdk.createClient({ baseUrl: hs.base });
  const request = { username: name, password, initial_device_display_name: `${name}'s first device` };
  try { await anonymous.registerRequest(request); } catch (e) {
    assert.equal(e.httpStatus, 401);
    const r = await anonymous.registerRequest({ ...request, auth: { type: "m.login.dummy", session: e.data.session } });
    return { userId: r.user_id, deviceId: r.device_id, accessToken: r.access_token };
  }
  assert.fail("registration without any stage");
}

async function signIn(name, password) {
  const r = await sdk.createClient({ baseUrl: hs.base }).loginRequest({ type: "m.login.password", identifier: { type: "m.id.user", user: name }, password });
  return { userId: r.user_id, deviceId: r.device_id, accessToken: r.access_token };
}

/** Runs a user-interactive request with the password. */
const withPassword = (user, password) => async request => {
  try { return await request(null); } catch (e) {
    if (e.httpStatus !== 401) throw e;
    return request({ type: "m.login.password", identifier: { type: "m.id.user", user }, password, session: e.data.session });
  }
};

/** Waits until an event is in the client's room and decrypted; returns its clear content. */
async function reads(client, roomId, eventId) {
  const event = await eventually(`${client.getUserId()} reads ${eventId}`, () => {
    const e = client.getRoom(roomId)?.findEventById(eventId);
    return e && e.getWireType() === "m.room.encrypted" && !e.isBeingDecrypted() && !e.isDecryptionFailure() && e.getType() !== "m.room.encrypted" ? e : null;
  });
  return event.getContent();
}

async function phase(request, wanted) {
  await eventually(`verification reaches phase ${wanted}`, () => {
    assert.notEqual(request.phase, VerificationPhase.Cancelled, `cancelled: ${request.cancellationCode}`);
    return request.phase >= wanted;
  });
}

/** The SDK points only weakly at verifications: without this a garbage collection could end one that we wait for. */
const held = [];

/** Short-authentication-string verification between two clients; both must see the same emoji. */
async function verifyBySas(asking, answering, roomId) {
  const incoming = new Promise(resolve => answering.once("crypto.verificationRequestReceived", resolve));
  const out = await asking.getCrypto().requestVerificationDM(answering.getUserId(), roomId);
  const into = await incoming;
  held.push(out, into);
  await into.accept();
  await phase(out, VerificationPhase.Ready);
  const first = await out.startVerification("m.sas.v1");
  await eventually("the other side has a verifier", () => into.verifier);
  const emoji = {};
  const run = (who, verifier) => {
    verifier.on(VerifierEvent.ShowSas, sas => { emoji[who] = sas.sas.emoji.map(e => e[0]).join(); sas.confirm(); });
    return verifier.verify();
  };
  await Promise.all([run("asking", first), run("answering", into.verifier)]);
  assert.equal(emoji.asking, emoji.answering);
  await phase(out, VerificationPhase.Done);
  await phase(into, VerificationPhase.Done);
}

/** Encrypts a file as clients do (AES-CTR, SHA-256 of the ciphertext), uploads it and returns the `file` object. */
async function uploadEncrypted(client, bytes) {
  const key = crypto.randomBytes(32), iv = Buffer.concat([crypto.randomBytes(8), Buffer.alloc(8)]);
  const cipher = crypto.createCipheriv("aes-256-ctr", key, iv);
  const sealed = Buffer.concat([cipher.update(bytes), cipher.final()]);
  const { content_uri } = await client.uploadContent(sealed, { type: "application/octet-stream", includeFilename: false });
  const bare = b => b.toString("base64").replace(/=+$/, "");
  return { url: content_uri, v: "v2", iv: bare(iv), hashes: { sha256: bare(crypto.createHash("sha256").update(sealed).digest()) }, key: { alg: "A256CTR", ext: true, key_ops: ["encrypt", "decrypt"], kty: "oct", k: key.toString("base64url") } };
}

async function downloadEncrypted(client, file) {
  const r = await hs.req("GET", `/_matrix/client/v1/media/download/${file.url.slice(6)}`, { token: client.getAccessToken(), expect: 200 });
  assert.equal(crypto.createHash("sha256").update(r.raw).digest("base64").replace(/=+$/, ""), file.hashes.sha256);
  const d = crypto.createDecipheriv("aes-256-ctr", Buffer.from(file.key.k, "base64url"), Buffer.from(file.iv, "base64"));
  return Buffer.concat([d.update(r.raw), d.final()]);
}

async function setUpCrossSigning(client, name, password, recovery) {
  const c = client.getCrypto();
  await c.bootstrapCrossSigning({ authUploadDeviceSigningKeys: withPassword(name, password) });
  const made = await c.createRecoveryKeyFromPassphrase();
  await c.bootstrapSecretStorage({ createSecretStorageKey: async () => made, setupNewSecretStorage: true, setupNewKeyBackup: true });
  recovery.key = made.privateKey;
  assert.equal(await c.isCrossSigningReady(), true);
  assert.equal(await c.isSecretStorageReady(), true);
}

test("two people, end to end", { timeout: 12 * PATIENCE }, async t => {
  const [aliceName, bobName] = [unique("alice"), unique("bob")];
  const password = "correct horse battery staple";
  const keys = { alice: {}, bob: {} };
  let alice, bob, room, picture, lost;
  const said = [];

  await t.test("they register and sign in", async () => {
    alice = await device(await registerPerson(aliceName, password), keys.alice);
    await registerPerson(bobName, password);
    bob = await device(await signIn(bobName, password), keys.bob);
  });

  await t.test("cross-signing, secret storage and key backup are set up", async () => {
    await setUpCrossSigning(alice, aliceName, password, keys.alice);
    await setUpCrossSigning(bob, bobName, password, keys.bob);
    for (const c of [alice, bob]) assert.ok(await c.getCrypto().getActiveSessionBackupVersion(), "no active backup");
  });

  await t.test("an encrypted room, an invitation, and both inside", async () => {
    const initial_state = [{ type: "m.room.encryption", state_key: "", content: { algorithm: "m.megolm.v1.aes-sha2" } }];
    room = (await alice.createRoom({ preset: "private_chat", name: "Secret", invite: [bob.getUserId()], is_direct: true, initial_state })).room_id;
    await eventually("bob has the invitation", () => bob.getRoom(room)?.getMyMembership() === "invite");
    await bob.joinRoom(room);
    await eventually("alice sees bob", () => alice.getRoom(room)?.getMember(bob.getUserId())?.membership === "join");
    await eventually("both know that it is encrypted", () => [alice, bob].every(c => c.getRoom(room)?.hasEncryptionStateEvent()));
  });

  await t.test("they chat both ways", async () => {
    for (let i = 0; i < 6; i++) {
      const [from, to] = i % 2 ? [bob, alice] : [alice, bob];
      const body = `message ${i} – grüße 🎉`;
      const { event_id } = await from.sendEvent(room, "m.room.message", { msgtype: "m.text", body });
      assert.equal((await reads(to, room, event_id)).body, body);
      const onServer = await hs.req("GET", `/rooms/${E(room)}/event/${E(event_id)}`, { token: to.getAccessToken(), expect: 200 });
      assert.equal(onServer.body.type, "m.room.encrypted");
      assert.equal(JSON.stringify(onServer.body).includes("message"), false);
      said.push([event_id, body]);
    }
  });

  await t.test("they share a picture", async () => {
    picture = png(120, 80);
    const file = await uploadEncrypted(alice, picture);
    const { event_id } = await alice.sendEvent(room, "m.room.message", { msgtype: "m.image", body: "cat.png", file, info: { mimetype: "image/png", w: 120, h: 80, size: picture.length } });
    const content = await reads(bob, room, event_id);
    assert.ok((await downloadEncrypted(bob, content.file)).equals(picture));
    said.push([event_id, "cat.png"]);
  });

  await t.test("they verify each other by emoji", async () => {
    await eventually("each has the other's keys", async () => {
      const [a, b] = await Promise.all([alice.getCrypto().userHasCrossSigningKeys(bob.getUserId(), true), bob.getCrypto().userHasCrossSigningKeys(alice.getUserId(), true)]);
      return a && b;
    });
    await verifyBySas(alice, bob, room);
    await eventually("both trust each other", async () => {
      const a = await alice.getCrypto().getUserVerificationStatus(bob.getUserId()), b = await bob.getCrypto().getUserVerificationStatus(alice.getUserId());
      return a.isCrossSigningVerified() && b.isCrossSigningVerified();
    });
  });

  await t.test("the key backup has every session", async () => {
    await eventually("the backup is complete", async () => {
      const info = await hs.req("GET", "/room_keys/version", { token: alice.getAccessToken(), expect: 200 });
      return info.body.count >= 2 && await alice.getCrypto().getActiveSessionBackupVersion() === info.body.version;
    }, 3 * PATIENCE);
  });

  await t.test("alice loses a device", async () => {
    lost = alice.getDeviceId();
    alice.stopClient();
    clients.splice(clients.indexOf(alice), 1);
    const info = await signIn(aliceName, password);
    assert.notEqual(info.deviceId, lost);
    const recovery = { key: keys.alice.key };
    alice = await device(info, recovery);
    const undecrypted = await eventually("the room is there", () => alice.getRoom(room)?.findEventById(said[0][0]));
    await eventually("old messages are locked", () => undecrypted.isDecryptionFailure());
  });

  await t.test("alice takes identity and backup from the secret storage", async () => {
    const c = alice.getCrypto();
    await eventually("the new device knows the public keys", () => c.userHasCrossSigningKeys(alice.getUserId(), true));
    await c.bootstrapCrossSigning({});
    assert.equal(await c.isCrossSigningReady(), true);
    await c.loadSessionBackupPrivateKeyFromSecretStorage();
    await c.checkKeyBackupAndEnable();
    const restored = await c.restoreKeyBackup();
    assert.ok(restored.imported >= 2, `${restored.imported} of ${restored.total} keys`);
    assert.equal(restored.imported, restored.total);
  });

  await t.test("alice reads everything that was said, and sees the picture", async () => {
    for (const [id, body] of said) assert.equal((await reads(alice, room, id)).body, body);
    const content = await reads(alice, room, said.at(-1)[0]);
    assert.ok((await downloadEncrypted(alice, content.file)).equals(picture));
  });

  await t.test("the new device is trusted by bob and they go on talking", async () => {
    await eventually("bob trusts alice's new device", async () => (await bob.getCrypto().getDeviceVerificationStatus(alice.getUserId(), alice.getDeviceId()))?.isVerified());
    for (const [from, to] of [[alice, bob], [bob, alice]]) {
      const { event_id } = await from.sendEvent(room, "m.room.message", { msgtype: "m.text", body: "still here" });
      assert.equal((await reads(to, room, event_id)).body, "still here");
    }
  });

  await t.test("the lost device is removed and its token is dead", async () => {
    const auth = withPassword(aliceName, password);
    await auth(a => alice.deleteDevice(lost, a ?? undefined));
    const { devices } = await alice.getDevices();
    assert.deepEqual(devices.map(d => d.device_id), [alice.getDeviceId()]);
  });

  for (const c of clients) c.stopClient();
});
