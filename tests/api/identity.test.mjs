// SPDX-License-Identifier: Apache-2.0
// Identity servers: publishing addresses and taking them back, inviting by address, redeeming such an invitation. The
// identity server here is a small one of our own that checks tokens, hashes and signatures for real.
import assert from "node:assert/strict";
import crypto from "node:crypto";
import fs from "node:fs";
import http from "node:http";
import path from "node:path";
import test, { after, before } from "node:test";
import { E, OWN_SERVER, freePort, timeline, unique, useServer, withServer } from "./harness.mjs";

const canonical = v => Array.isArray(v) ? `[${v.map(canonical).join(",")}]`
  : v && typeof v === "object" ? `{${Object.keys(v).sort().map(k => `${JSON.stringify(k)}:${canonical(v[k])}`).join(",")}}` : JSON.stringify(v);
const unpadded = b => b.toString("base64").replace(/=+$/, "");
const PKCS8 = Buffer.from("302e020100300506032b657004220420", "hex");
const TOKEN = "a token of the identity server".replaceAll(" ", "-");

class IdentityServer {
  constructor(port) {
    this.port = port;
    this.name = `127.0.0.1:${port}`;
    this.bound = new Map(); // "medium address" -> mxid
    this.sessions = new Map();
    this.invites = [];
    this.key = crypto.generateKeyPairSync("ed25519");
    this.publicKey = unpadded(this.key.publicKey.export({ type: "spki", format: "der" }).subarray(12));
    this.keyIsValid = true;
    this.pepper = "salt";
    this.stalePeppers = 0; // so often the pepper changes between the two questions of a look-up
    this.algorithms = ["none", "sha256"];
    this.broken = null; // [status, body] for everything
    this.server = http.createServer((rq, rs) => {
      const parts = [];
      rq.on("data", d => parts.push(d)).on("end", () => {
        let status, body;
        try { [status, body] = this.answer(rq, Buffer.concat(parts).toString()); } catch (e) { [status, body] = [500, { error: e.stack }]; this.failure = e; }
        rs.writeHead(status, { "Content-Type": "application/json" });
        rs.end(typeof body === "string" ? body : JSON.stringify(body));
      });
    });
  }
  start() { return new Promise(resolve => this.server.listen(this.port, "127.0.0.1", resolve)); }
  stop() { this.server.closeAllConnections(); return new Promise(resolve => this.server.close(resolve)); }

  answer(rq, text) {
    if (this.broken) return this.broken;
    const url = new URL(rq.url, "http://x"), name = url.pathname.replace("/_matrix/identity/v2", "");
    if (name === "/pubkey/isvalid") return [200, { valid: this.keyIsValid && url.searchParams.get("public_key") === this.publicKey }];
    const body = text ? JSON.parse(text) : null;
    if (name === "/3pid/unbind") return this.unbind(rq, body);
    if (rq.headers.authorization !== `Bearer ${TOKEN}`) return [401, { errcode: "M_UNAUTHORIZED", error: "Unauthorized" }];
    const routes = { "/hash_details": () => this.details(), "/lookup": () => this.lookup(body), "/3pid/bind": () => this.bind(body), "/store-invite": () => this.store(body) };
    return routes[name]?.() ?? [404, { errcode: "M_UNRECOGNIZED", error: name }];
  }
  details() {
    const answer = [200, { lookup_pepper: this.pepper, algorithms: this.algorithms }];
    if (this.stalePeppers-- > 0) this.pepper += "x";
    return answer;
  }
  lookup({ algorithm, pepper, addresses }) {
    assert.ok(this.algorithms.includes(algorithm));
    this.lastAlgorithm = algorithm;
    if (pepper !== this.pepper) return [400, { errcode: "M_INVALID_PEPPER", error: "rotated" }];
    const key = k => { const [medium, address] = k.split(" "); return algorithm === "none" ? `${address} ${medium}` : crypto.createHash("sha256").update(`${address} ${medium} ${pepper}`).digest("base64url"); };
    return [200, { mappings: Object.fromEntries([...this.bound].map(([k, v]) => [key(k), v]).filter(([k]) => addresses.includes(k))) }];
  }
  bind({ sid, client_secret, mxid }) {
    const s = this.sessions.get(sid);
    if (!s || s.secret !== client_secret) return [404, { errcode: "M_NO_VALID_SESSION", error: "No valid session was found" }];
    this.bound.set(`${s.medium} ${s.address}`, mxid);
    return [200, { medium: s.medium, address: s.address, mxid, not_before: 1, not_after: 2, ts: 1, signatures: {} }];
  }
  /** Signed by the homeserver: checked with its real key. */
  unbind(rq, body) {
    const m = /^X-Matrix origin="([^"]+)",key="(ed25519:[^"]+)",sig="([^"]+)"$/.exec(rq.headers.authorization);
    const signed = { method: rq.method, uri: rq.url, origin: m?.[1], destination_is: this.name, content: body };
    if (!m || !crypto.verify(null, Buffer.from(canonical(signed)), homeserverKey(), Buffer.from(m[3], "base64"))) return [401, { errcode: "M_FORBIDDEN", error: "bad signature" }];
    const key = `${body.threepid.medium} ${body.threepid.address}`;
    if (this.bound.get(key) !== body.mxid || !body.mxid.endsWith(`:${m[1]}`)) return [403, { errcode: "M_FORBIDDEN", error: "not yours" }];
    this.bound.delete(key);
    return [200, {}];
  }
  store(body) {
    if (this.bound.has(`${body.medium} ${body.address}`)) return [400, { errcode: "M_THREEPID_IN_USE", error: "Binding already known" }];
    const token = crypto.randomBytes(20).toString("hex");
    this.invites.push({ ...body, token });
    return [200, { token, display_name: "s...@e...", public_keys: [{ public_key: this.publicKey, key_validity_url: `http://${this.name}/_matrix/identity/v2/pubkey/isvalid` }] }];
  }
  /** What the invitee's client gets from here when the address is proved. */
  sign(invite, mxid, key = this.key.privateKey) {
    const block = { mxid, sender: invite.sender, token: invite.token };
    return { ...block, signatures: { [this.name]: { "ed25519:0": unpadded(crypto.sign(null, Buffer.from(canonical(block)), key)) } } };
  }
  proved(address, medium = "email") {
    const sid = unique("sid");
    this.sessions.set(sid, { medium, address, secret: "secret" });
    return { sid, client_secret: "secret", id_server: this.name, id_access_token: TOKEN };
  }
  asks(address, medium = "email") { return { id_server: this.name, id_access_token: TOKEN, medium, address }; }
}

const hs = useServer({ config: { identity_servers: { allow_private_addresses: true, plain_http: true } } });
let is;

/** The key that the homeserver signs with, from its own file. */
function homeserverKey() {
  const seed = Buffer.from(fs.readFileSync(path.join(hs.dir, "signing.key"), "utf8").trim().split(/\s+/).at(-1), "base64");
  return crypto.createPublicKey(crypto.createPrivateKey({ key: Buffer.concat([PKCS8, seed]), format: "der", type: "pkcs8" }));
}

before(async () => {
  is = new IdentityServer(await freePort());
  await is.start();
});
after(() => is.stop());
const address = () => `${unique("someone")}@example.org`;
const AT = "/account/3pid";

test("an address is published, and taken back with our signature", OWN_SERVER, async () => {
  const alice = await hs.user("alice"), mail = address();
  assert.deepEqual(await alice.post(`${AT}/bind`, is.proved(mail)), {});
  assert.equal(is.bound.get(`email ${mail}`), alice.id);
  assert.deepEqual(await alice.post(`${AT}/unbind`, { medium: "email", address: mail }), { id_server_unbind_result: "success" });
  assert.equal(is.bound.has(`email ${mail}`), false);
  // Nobody knows of a server any more; with one named it is asked.
  assert.deepEqual(await alice.post(`${AT}/unbind`, { medium: "email", address: mail }), { id_server_unbind_result: "no-support" });
  await alice.fails(403, "M_FORBIDDEN", "POST", `${AT}/unbind`, { medium: "email", address: mail, id_server: is.name });
});

test("where an address was published is remembered over a restart, and taken back with the address or the account", OWN_SERVER, async () => {
  const alice = await hs.user("alice"), [one, two] = [address(), address()];
  await alice.post(`${AT}/bind`, is.proved(one));
  await alice.post(`${AT}/bind`, is.proved(two));
  await alice.post(`${AT}/bind`, is.proved("4912345", "msisdn"));
  await hs.restart();
  assert.deepEqual(await alice.post(`${AT}/delete`, { medium: "email", address: one }), { id_server_unbind_result: "success" });
  assert.equal(is.bound.has(`email ${one}`), false);
  assert.deepEqual(await alice.withPassword("POST", "/account/deactivate", {}), { id_server_unbind_result: "success" });
  assert.equal(is.bound.has(`email ${two}`) || is.bound.has("msisdn 4912345"), false);
});

test("an identity server that cannot unbind does not keep anybody from leaving", OWN_SERVER, async () => {
  const alice = await hs.user("alice"), mail = address();
  await alice.post(`${AT}/bind`, is.proved(mail));
  is.broken = [404, "<html>"];
  try {
    assert.deepEqual(await alice.post(`${AT}/unbind`, { medium: "email", address: mail }), { id_server_unbind_result: "no-support" });
    is.broken = [400, { errcode: "M_FORBIDDEN", error: "no" }];
    await alice.fails(400, "M_FORBIDDEN", "POST", `${AT}/unbind`, { medium: "email", address: mail });
    assert.deepEqual(await alice.withPassword("POST", "/account/deactivate", {}), { id_server_unbind_result: "no-support" });
  } finally { is.broken = null; }
});

test("errors of the identity server are told, but none that would sign the client out", OWN_SERVER, async () => {
  const alice = await hs.user("alice"), mail = address();
  await alice.fails(404, "M_NO_VALID_SESSION", "POST", `${AT}/bind`, { ...is.proved(mail), client_secret: "wrong" });
  await alice.fails(403, "M_FORBIDDEN", "POST", `${AT}/bind`, { ...is.proved(mail), id_access_token: "wrong" });
  await alice.fails(400, "M_INVALID_PARAM", "POST", `${AT}/bind`, { ...is.proved(mail), id_server: "no/server" });
  await alice.fails(400, "M_INVALID_PARAM", "POST", `${AT}/bind`, { ...is.proved(mail), id_access_token: "a\r\nHost: b" });
  await alice.fails(400, "M_MISSING_PARAM", "POST", `${AT}/bind`, { ...is.proved(mail), sid: undefined });
  await alice.fails(504, "M_CONNECTION_TIMEOUT", "POST", `${AT}/bind`, { ...is.proved(mail), id_server: `127.0.0.1:${await freePort()}` });
  is.broken = [200, "not JSON"];
  await alice.fails(502, "M_UNKNOWN", "POST", `${AT}/bind`, is.proved(mail)).finally(() => { is.broken = null; });
  await alice.get("/account/whoami");
});

test("who has the address is invited like anybody else", OWN_SERVER, async () => {
  const [alice, bob, carol] = await hs.users("alice", "bob", "carol");
  const room = await alice.createRoom();
  const [bobs, carols] = [address(), address()];
  await bob.post(`${AT}/bind`, is.proved(bobs));
  await carol.post(`${AT}/bind`, is.proved(carols));
  await alice.post(`/rooms/${E(room)}/invite`, is.asks(bobs.toUpperCase()));
  assert.equal(is.lastAlgorithm, "sha256");
  assert.equal((await alice.getState(room, "m.room.member", bob.id)).membership, "invite");
  is.stalePeppers = 1;
  const other = await alice.createRoom({ invite_3pid: [is.asks(carols)], preset: "trusted_private_chat" });
  await carol.join(other);
  is.algorithms = ["none"];
  const third = await alice.createRoom();
  await alice.post(`/rooms/${E(third)}/invite`, is.asks(carols)).finally(() => { is.algorithms = ["none", "sha256"]; });
  assert.equal(is.lastAlgorithm, "none");
  await carol.setAccountData("m.invite_permission_config", { default_action: "block" });
  await alice.fails(403, "M_INVITE_BLOCKED", "POST", `/rooms/${E(room)}/invite`, is.asks(carols));
});

/** An invitation for somebody who has no account yet. */
async function invitation(alice, options = {}) {
  const room = await alice.createRoom({ name: "By letter", ...options });
  const mail = address();
  await alice.post(`/rooms/${E(room)}/invite`, is.asks(mail));
  const stored = is.invites.at(-1);
  assert.equal(stored.address, mail);
  return { room, mail, stored };
}

test("for who has none yet an invitation is left, and redeemed with the identity server's signature", OWN_SERVER, async () => {
  const [alice, bob, mallory] = await hs.users("alice", "bob", "mallory");
  const { room, stored } = await invitation(alice);
  assert.deepEqual([stored.room_id, stored.sender, stored.room_name, stored.room_join_rules, stored.sender_display_name], [room, alice.id, "By letter", "invite", alice.name]);
  const event = await alice.getState(room, "m.room.third_party_invite", stored.token);
  assert.equal(event.display_name, "s...@e...");
  assert.equal(event.public_key, is.publicKey);
  assert.equal(event.public_keys[0].key_validity_url, event.key_validity_url);
  assert.ok(!JSON.stringify(event).includes(stored.address));

  const join = (who, block) => hs.req("POST", `/rooms/${E(room)}/join`, { token: who.token, body: { third_party_signed: block } });
  const other = crypto.generateKeyPairSync("ed25519").privateKey;
  for (const [who, block] of [[mallory, is.sign(stored, bob.id)], [mallory, is.sign(stored, mallory.id, other)], [bob, { ...is.sign(stored, bob.id), token: "unknown" }]]) {
    const r = await join(who, block);
    assert.deepEqual([r.status, r.body.errcode], [403, "M_FORBIDDEN"]);
  }
  is.keyIsValid = false;
  const withdrawn = await join(bob, is.sign(stored, bob.id)).finally(() => { is.keyIsValid = true; });
  assert.equal(withdrawn.status, 403);
  assert.equal((await join(bob, is.sign(stored, bob.id))).status, 200);
  const events = timeline(await alice.sync(), room).filter(e => e.state_key === bob.id);
  assert.deepEqual(events.map(e => [e.sender, e.content.membership]), [[alice.id, "invite"], [bob.id, "join"]]);
  assert.equal(events[0].content.third_party_invite.display_name, "s...@e...");
  assert.equal(events[0].content.third_party_invite.signed.token, stored.token);
  await mallory.fails(403, "M_FORBIDDEN", "POST", `/join/${E(room)}`, {});
});

test("a withdrawn invitation lets nobody in", OWN_SERVER, async () => {
  const [alice, bob] = await hs.users("alice", "bob");
  const { room, stored } = await invitation(alice);
  await alice.setState(room, "m.room.third_party_invite", stored.token, {});
  await bob.fails(403, "M_FORBIDDEN", "POST", `/rooms/${E(room)}/join`, { third_party_signed: is.sign(stored, bob.id) });
});

test("an invitation ends with its sender's membership: nobody signs for who has left or was banned", OWN_SERVER, async () => {
  for (const how of ["leave", "ban"]) {
    const [alice, bob, carol] = await hs.users("alice", "bob", "carol");
    const { room, stored } = await invitation(alice, { room_version: "11" });
    await alice.invite(room, carol);
    await carol.join(room);
    await alice.setState(room, "m.room.power_levels", "", { users: { [alice.id]: 50, [carol.id]: 100 } });
    await (how === "ban" ? carol.ban(room, alice) : alice.leave(room));
    const signed = is.sign(stored, bob.id);
    await bob.fails(403, "M_FORBIDDEN", "POST", `/rooms/${E(room)}/join`, { third_party_signed: signed });
    const content = { membership: "invite", third_party_invite: { display_name: "x", signed } };
    await alice.fails(403, "M_FORBIDDEN", "PUT", `/rooms/${E(room)}/state/m.room.member/${E(bob.id)}`, content);
    assert.equal(timeline(await carol.sync(), room).some(e => e.state_key === bob.id), false, how);
  }
});

test("a new room leaves invitations for those whom nobody knows", OWN_SERVER, async () => {
  const alice = await hs.user("alice"), mail = address();
  const room = await alice.createRoom({ invite_3pid: [is.asks(mail)] });
  const stored = is.invites.at(-1);
  assert.deepEqual([stored.address, stored.room_id], [mail, room]);
  assert.equal((await alice.getState(room, "m.room.third_party_invite", stored.token)).public_key, is.publicKey);
  await alice.fails(400, "M_MISSING_PARAM", "POST", "/createRoom", { invite_3pid: [{ ...is.asks(mail), address: undefined }] });
  await alice.fails(400, "M_INVALID_PARAM", "POST", "/createRoom", { invite_3pid: [is.asks("not an address")] });
});

test("no letter goes out for who may not invite", OWN_SERVER, async () => {
  const [alice, bob, carol] = await hs.users("alice", "bob", "carol");
  const room = await alice.createRoom({ preset: "public_chat", power_level_content_override: { invite: 50 } });
  await bob.join(room);
  const before = is.invites.length;
  for (const who of [bob, carol]) await who.fails(403, "M_FORBIDDEN", "POST", `/rooms/${E(room)}/invite`, is.asks(address()));
  await alice.fails(400, "M_INVALID_PARAM", "POST", `/rooms/${E(room)}/invite`, is.asks("1", "pigeon"));
  await alice.fails(400, "M_MISSING_PARAM", "POST", `/rooms/${E(room)}/invite`, { medium: "email", address: address() });
  await alice.fails(400, "M_MISSING_PARAM", "POST", `/rooms/${E(room)}/invite`, {});
  assert.equal(is.invites.length, before);
});

test("only servers that the operator allows are asked, and none in private address ranges", OWN_SERVER, async () => {
  await withServer({ config: { identity_servers: { allowed: ["id.example.org"], plain_http: true } } }, async s => {
    const alice = await s.user("alice");
    await alice.fails(403, "M_FORBIDDEN", "POST", `${AT}/bind`, is.proved(address()));
  });
  await withServer({ config: { identity_servers: { plain_http: true } } }, async s => {
    const alice = await s.user("alice");
    const r = await alice.fails(403, "M_FORBIDDEN", "POST", `${AT}/bind`, is.proved(address()));
    assert.match(r.error, /private|address/);
  });
  assert.equal(is.failure, undefined);
});
