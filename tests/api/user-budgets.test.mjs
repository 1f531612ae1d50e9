// SPDX-License-Identifier: Apache-2.0
// What one user may make grow in the database: refused with a clear error past a bound, and nothing is half done.
import assert from "node:assert/strict";
import test from "node:test";
import { E, OWN_SERVER, withServer } from "./harness.mjs";

const ALGORITHM = "m.megolm_backup.v1.curve25519-aes-sha2";
const key = size => ({ first_message_index: 0, forwarded_count: 0, is_verified: true, session_data: { ciphertext: "x".repeat(size) } });
const keys = (prefix, n, size) => ({ sessions: Object.fromEntries(Array.from({ length: n }, (_, i) => [`${prefix}${i}`, key(size)])) });

test("key backups have a limit; what is deleted makes room", OWN_SERVER, async () => {
  await withServer({ config: { limits: { key_backup: "300K" } } }, async s => {
    const alice = await s.user("alice");
    const create = () => alice.post("/room_keys/version", { algorithm: ALGORITHM, auth_data: { public_key: "k" } });
    const { version } = await create();
    const put = (v, body, status) => alice.put(`/room_keys/keys/${E("!r:x")}?version=${v}`, body, status);
    assert.equal((await put(version, keys("a", 20, 10_000))).count, 20);
    const refused = await put(version, keys("b", 20, 10_000), 413);
    assert.equal(refused.errcode, "M_TOO_LARGE");
    assert.match(refused.error, /key backups.*307200 bytes/);
    assert.equal((await alice.get(`/room_keys/version/${version}`)).count, 20, "nothing of what was refused is there");
    assert.equal((await put(version, keys("a", 20, 5_000))).count, 20, "what is no better than what is there is not refused");
    assert.equal((await alice.call("DELETE", `/room_keys/keys/${E("!r:x")}?version=${version}`)).count, 0);
    assert.equal((await put(version, keys("b", 20, 10_000))).count, 20);
    await alice.call("DELETE", `/room_keys/version/${version}`);
    const next = (await create()).version;
    for (let i = 0, status; status !== 200; i++) { // the keys of deleted versions go in the background
      assert.ok(i < 200, "the deleted version still takes room");
      status = (await s.req("PUT", `/room_keys/keys/${E("!r:x")}?version=${next}`, { token: alice.token, body: keys("c", 20, 10_000) })).status;
      if (status !== 200) await new Promise(resolve => setTimeout(resolve, 100));
    }
  });
});

test("account data has a limit, tags too; the read marker and leaving are not held up by it", OWN_SERVER, async () => {
  await withServer({ config: { limits: { account_data: "64K" } } }, async s => {
    const alice = await s.user("alice");
    const room = await alice.createRoom();
    const event = await alice.say(room, "here");
    await alice.setAccountData("org.example.large", { text: "x".repeat(60_000) });
    const path = `/user/${E(alice.id)}/account_data/org.example.more`;
    const refused = await alice.put(path, { text: "x".repeat(10_000) }, 413);
    assert.equal(refused.errcode, "M_TOO_LARGE");
    assert.match(refused.error, /65536 bytes/);
    await alice.get(path, 404);
    await alice.setAccountData("org.example.large", { text: "x".repeat(65_400) });
    assert.equal((await alice.put(`/user/${E(alice.id)}/rooms/${E(room)}/tags/u.${"t".repeat(200)}`, { order: 0.5 }, 413)).errcode, "M_TOO_LARGE");
    await alice.post(`/rooms/${E(room)}/read_markers`, { "m.fully_read": event });
    await alice.setAccountData("org.example.large", {});
    await alice.put(path, { text: "x".repeat(10_000) });
  });
});

test("nobody can drive the messages of others out of the queue of a device that is away", OWN_SERVER, async () => {
  await withServer({ config: { limits: { to_device_messages: 8 } } }, async s => {
    const [alice, bob, mallory] = await s.users("alice", "bob", "mallory");
    const send = (who, txn) => who.put(`/sendToDevice/org.example/${txn}`, { messages: { [alice.id]: { "*": { txn } } } });
    await send(bob, "b0");
    await send(bob, "b1");
    for (let i = 0; i < 30; i++) await send(mallory, `m${i}`);
    const { to_device } = await alice.sync();
    assert.deepEqual(to_device.events.filter(e => e.sender === bob.id).map(e => e.content.txn), ["b0", "b1"]);
    const rest = to_device.events.filter(e => e.sender === mallory.id).map(e => e.content.txn);
    assert.ok(rest.length <= 7, `${rest.length} of the one who floods`);
    assert.equal(rest.at(-1), "m29", "the newest are kept");
  });
});
