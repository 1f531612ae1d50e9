// SPDX-License-Identifier: Apache-2.0
// Policy servers: rooms that name a server which is asked before anything is sent ("Policy Servers").
import assert from "node:assert/strict";
import crypto from "node:crypto";
import fs from "node:fs";
import https from "node:https";
import path from "node:path";
import test, { after } from "node:test";
import { E, OWN_SERVER, Server, eventually, timeline } from "./harness.mjs";
import { makeCertificate } from "./postbox.mjs";

const unpadded = b => Buffer.from(b).toString("base64").replace(/=+$/, "");
const rawPublic = key => Buffer.from(key.export({ format: "jwk" }).x, "base64url");
const canonical = v => Array.isArray(v) ? `[${v.map(canonical)}]` : v && typeof v === "object"
  ? `{${Object.keys(v).sort().map(k => `${JSON.stringify(k)}:${canonical(v[k])}`)}}` : JSON.stringify(v);

const KEPT = ["event_id", "type", "room_id", "sender", "state_key", "content", "hashes", "depth", "prev_events", "auth_events", "origin_server_ts"];
const KEPT_CONTENT = { "m.room.member": ["membership"], "m.room.join_rules": ["join_rule", "allow"], "m.room.history_visibility": ["history_visibility"], "m.room.redaction": ["redacts"] };
/** What is signed of an event: its redacted form (room versions 11 and 12; of the types that these tests send). */
function signedBytes(pdu) {
  const pick = (o, keys) => Object.fromEntries(Object.entries(o).filter(([k]) => keys.includes(k)));
  return Buffer.from(canonical({ ...pick(pdu, KEPT), content: pick(pdu.content, KEPT_CONTENT[pdu.type] ?? []) }));
}

/** A small policy server on loopback that does what `decide(pdu)` says: null signs, else { status, body }. */
class PolicyServer {
  static async open() {
    const p = Object.assign(new PolicyServer(), { asked: [], held: [], decide: () => null, keys: crypto.generateKeyPairSync("ed25519"), certificate: makeCertificate() });
    p.server = https.createServer({ key: p.certificate.key, cert: p.certificate.cert }, (rq, rs) => {
      const parts = [];
      rq.on("data", d => parts.push(d)).on("end", () => p.answer(rq, Buffer.concat(parts), rs));
    });
    await new Promise(resolve => p.server.listen(0, "127.0.0.1", resolve));
    p.port = p.server.address().port;
    p.name = `localhost:${p.port}`;
    return p;
  }
  answer(rq, body, rs) {
    const pdu = JSON.parse(body);
    this.asked.push({ method: rq.method, url: rq.url, authorization: rq.headers.authorization, host: rq.headers.host, pdu });
    const said = this.decide(pdu) ?? { status: 200, body: { [this.name]: { "ed25519:policy_server": unpadded(crypto.sign(null, signedBytes(pdu), this.keys.privateKey)) } } };
    if (said.hangUp) { rq.socket.destroy(); return; }
    if (said.hold) { this.held.push(() => this.answer(rq, body, rs)); return; }
    rs.writeHead(said.status, { "Content-Type": "application/json" }).end(JSON.stringify(said.body));
  }
  content() { return { via: this.name, public_keys: { ed25519: unpadded(rawPublic(this.keys.publicKey)) } }; }
  close() { this.server.closeAllConnections(); this.server.close(); fs.rmSync(this.certificate.dir, { recursive: true, force: true }); }
}

// Federation is not there yet, so the only server with members is our own: its name is where the policy server listens.
const ps = await PolicyServer.open();
const hs = OWN_SERVER.skip ? null : await Server.create({ serverName: ps.name, config: { federation: { policy_server_timeout: "10m", ca_file: ps.certificate.caFile, allow_private_addresses: true } } });
after(async () => { await hs?.remove(); ps.close(); });

async function guardedRoom() {
  const [alice, bob] = await hs.users("alice", "bob");
  ps.decide = () => null;
  const room = await guarded(alice, bob);
  ps.asked.length = 0;
  return { alice, bob, room };
}
async function guarded(alice, bob) {
  const room = await alice.createRoom({ preset: "public_chat" });
  await bob.join(room);
  await alice.setState(room, "m.room.policy", "", ps.content());
  return room;
}
const send = (who, room, body) => hs.req("PUT", `/rooms/${E(room)}/send/m.room.message/${who.nextTxn()}`, { token: who.token, body: { msgtype: "m.text", body } });
const pduOf = async (who, room) => timeline(await who.sync({ filter: { event_format: "federation", room: { timeline: { limit: 1 } } } }), room)[0];

test("the policy server is asked with a signed request, and its signature is in the event beside ours", OWN_SERVER, async () => {
  const { alice, bob, room } = await guardedRoom();
  assert.equal(ps.asked.length, 0, "m.room.policy itself is sent without asking");
  await bob.say(room, "hello");
  assert.equal(ps.asked.length, 1);
  const [asked] = ps.asked;
  assert.deepEqual([asked.method, asked.url, asked.host, asked.pdu.content.body], ["POST", "/_matrix/policy/v1/sign", ps.name, "hello"]);
  const auth = Object.fromEntries([...asked.authorization.matchAll(/(\w+)="([^"]*)"/g)].map(m => [m[1], m[2]]));
  assert.deepEqual([auth.origin, auth.destination], [ps.name, ps.name]);
  const [, , seed] = fs.readFileSync(path.join(hs.dir, "signing.key"), "utf8").trim().split(" ");
  const priv = crypto.createPrivateKey({ key: Buffer.concat([Buffer.from("302e020100300506032b657004220420", "hex"), Buffer.from(seed, "base64")]), format: "der", type: "pkcs8" });
  const signed = Buffer.from(canonical({ method: "POST", uri: "/_matrix/policy/v1/sign", origin: ps.name, destination: ps.name, content: asked.pdu }));
  assert.ok(crypto.verify(null, signed, crypto.createPublicKey(priv), Buffer.from(auth.sig, "base64")), "X-Matrix signature");
  const pdu = await pduOf(alice, room);
  assert.deepEqual(Object.keys(pdu.signatures[ps.name]).sort(), [auth.key, "ed25519:policy_server"].sort());
  assert.ok(crypto.verify(null, signedBytes(pdu), ps.keys.publicKey, Buffer.from(pdu.signatures[ps.name]["ed25519:policy_server"], "base64")));
});

test("membership, state, redactions and other m.room.policy events are asked about too", OWN_SERVER, async () => {
  const { alice, bob, room } = await guardedRoom();
  const said = await bob.say(room, "a");
  await alice.setState(room, "m.room.topic", "", { topic: "t" });
  await alice.redact(room, said);
  await alice.setState(room, "m.room.policy", "other", {});
  await bob.leave(room);
  assert.deepEqual(ps.asked.map(a => a.pdu.type), ["m.room.message", "m.room.topic", "m.room.redaction", "m.room.policy", "m.room.member"]);
});

test("a refusal reaches the client as the policy server said it, and the event is not sent", OWN_SERVER, async () => {
  const { alice, bob, room } = await guardedRoom();
  ps.decide = pdu => pdu.content.body?.includes("spam") ? { status: 400, body: { errcode: "M_FORBIDDEN", error: "The message appears to contain possible spam" } } : null;
  const r = await send(bob, room, "buy spam");
  assert.deepEqual([r.status, r.body], [400, { errcode: "M_FORBIDDEN", error: "The message appears to contain possible spam" }]);
  await bob.say(room, "good words");
  assert.deepEqual((await alice.messages(room)).chunk.filter(e => e.type === "m.room.message").map(e => e.content.body), ["good words"]);
  for (const [status, errcode] of [[401, "M_UNAUTHORIZED"], [404, "M_NOT_FOUND"]]) {
    ps.decide = () => ({ status, body: { errcode, error: "no" } });
    const other = await send(bob, room, "x");
    assert.deepEqual([other.status, other.body.errcode], [403, errcode], "not a status that means something else to a client");
  }
  ps.decide = () => ({ status: 429, body: { errcode: "M_LIMIT_EXCEEDED", error: "slowly", retry_after_ms: 1234 } });
  const limited = await send(bob, room, "x");
  assert.deepEqual([limited.status, limited.body.errcode, limited.body.retry_after_ms], [429, "M_LIMIT_EXCEEDED", 1234]);
});

test("a signature that does not fit the key in the room's state is none", OWN_SERVER, async () => {
  const { bob, room } = await guardedRoom();
  const stranger = crypto.generateKeyPairSync("ed25519").privateKey;
  const answers = [
    pdu => ({ [ps.name]: { "ed25519:policy_server": unpadded(crypto.sign(null, signedBytes(pdu), stranger)) } }),
    pdu => ({ [ps.name]: { "ed25519:other": unpadded(crypto.sign(null, signedBytes(pdu), ps.keys.privateKey)) } }),
    () => ({}),
    () => [],
  ];
  for (const answer of answers) {
    ps.decide = pdu => ({ status: 200, body: answer(pdu) });
    const r = await send(bob, room, "x");
    assert.deepEqual([r.status, r.body.errcode], [403, "M_FORBIDDEN"]);
  }
});

test("a policy that is not valid, or whose server is not in the room, is not used", OWN_SERVER, async () => {
  const { alice, bob, room } = await guardedRoom();
  ps.decide = () => ({ status: 400, body: { errcode: "M_FORBIDDEN", error: "no" } });
  for (const content of [{}, { via: ps.name }, { via: ps.name, public_keys: {} }, { via: 1, public_keys: { ed25519: "x" } }, { ...ps.content(), via: "nobody.example.org" }]) {
    await alice.setState(room, "m.room.policy", "", content);
    await bob.say(room, "free");
  }
  await alice.setState(room, "m.room.policy", "", ps.content());
  assert.equal((await send(bob, room, "x")).status, 400);
});

test("a policy server that takes its time leaves workers for the other rooms", OWN_SERVER, async () => {
  const { alice, bob, room } = await guardedRoom();
  const free = await alice.createRoom({});
  await bob.say(room, "the room is known to ask");
  ps.decide = () => ({ hold: true });
  const sends = Array.from({ length: 40 }, (_, i) => send(bob, room, `m${i}`));
  await eventually("the policy server to be asked", () => ps.held.length > 0);
  await alice.say(free, "not held up");
  ps.decide = () => null;
  for (const go of ps.held.splice(0)) go();
  const answers = await Promise.all(sends);
  const refused = answers.filter(r => r.status !== 200);
  assert.ok(answers.length > refused.length && refused.length > 0, `${refused.length} refused`);
  for (const r of refused) assert.deepEqual([r.status, r.body.errcode, r.body.retry_after_ms > 0], [429, "M_LIMIT_EXCEEDED", true]);
  const again = await send(bob, room, "and again");
  assert.equal(again.status, 200);
});

test("policy servers that take their time hold up only the rooms whose events they hold", OWN_SERVER, async () => {
  const { alice, bob, room } = await guardedRoom();
  const free = await alice.createRoom({});
  const slow = [];
  for (let i = 0; i < 6; i++) slow.push(await guarded(alice, bob));
  ps.decide = pdu => slow.includes(pdu.room_id) ? { hold: true } : null;
  const sends = slow.flatMap(r => Array.from({ length: 8 }, (_, i) => send(bob, r, `m${i}`))); // more than there are workers
  await eventually("each slow room to ask", () => new Set(ps.asked.map(a => a.pdu.room_id)).size >= slow.length);
  await alice.say(free, "has no policy server");
  assert.equal((await send(bob, room, "its policy server answers")).status, 200);
  assert.equal(ps.held.length, slow.length, "one event of a room is asked about at a time");
  ps.decide = () => null;
  for (const go of ps.held.splice(0)) go();
  const answers = await Promise.all(sends);
  for (const r of answers.filter(r => r.status !== 200)) assert.deepEqual([r.status, r.body.errcode], [429, "M_LIMIT_EXCEEDED"]);
  for (const r of slow) {
    const bodies = (await alice.messages(r, { limit: "20" })).chunk.filter(e => e.type === "m.room.message");
    const sent = answers.slice(slow.indexOf(r) * 8, slow.indexOf(r) * 8 + 8).filter(a => a.status === 200).map(a => a.body.event_id);
    assert.deepEqual(bodies.map(e => e.event_id).sort(), sent.sort(), "each that was answered is there once");
  }
});

test("while a policy server is asked the room is not locked: its policy can go, and the event is built again", OWN_SERVER, async () => {
  const { alice, bob, room } = await guardedRoom();
  ps.decide = () => ({ hold: true });
  const sending = send(bob, room, "held");
  await eventually("the policy server to be asked", () => ps.held.length > 0);
  await alice.setState(room, "m.room.policy", "", {});
  ps.decide = () => null;
  for (const go of ps.held.splice(0)) go();
  assert.equal((await sending).status, 200);
  const pdu = await pduOf(alice, room);
  assert.equal(pdu.content.body, "held");
  assert.deepEqual(Object.keys(pdu.signatures[ps.name]).filter(k => k === "ed25519:policy_server"), [], "there is no policy server any more");
});

test("while the policy server cannot be reached nothing is sent, and whoever may can turn it off", OWN_SERVER, async () => {
  const { alice, bob, room } = await guardedRoom();
  const free = await alice.createRoom({});
  ps.decide = () => ({ hangUp: true });
  const r = await send(bob, room, "x");
  assert.deepEqual([r.status, r.body.errcode], [502, "M_UNKNOWN"]);
  ps.asked.length = 0;
  assert.equal((await send(bob, room, "y")).status, 502);
  assert.equal(ps.asked.length, 0, "it is left alone for a while");
  await alice.say(free, "has no policy server");
  await alice.setState(room, "m.room.policy", "", {});
  await bob.say(room, "free");
  await alice.setState(room, "m.room.policy", "", ps.content());
  const left = await hs.command(["room", "delete", room, "--config", hs.configFile]);
  assert.equal(left.status, 0, "the administrator needs nobody's leave");
  assert.deepEqual((await alice.get("/joined_rooms")).joined_rooms.includes(room), false);
});
