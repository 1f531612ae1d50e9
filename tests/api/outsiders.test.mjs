// SPDX-License-Identifier: Apache-2.0
// Who is not in a room: over all routes that take a room's id, they cannot learn whether there is such a room, and
// cannot have this server sign an event of theirs.
import assert from "node:assert/strict";
import test from "node:test";
import { AppService, registrations } from "./appservice-support.mjs";
import { BIN, E, OWN_SERVER, SERVER_NAME, timeline, unique, useServer, withServer } from "./harness.mjs";
import { routes } from "./spec/routes.mjs";

const hs = useServer({ config: { registration: { guests: true } } });
const VERSIONS = Array.from({ length: 12 }, (_, i) => String(i + 1));
/** Application services see and list what they like: an administrator has registered them. */
const table = routes(BIN).filter(r => /\{roomId(OrAlias)?\}/.test(r.path) && r.auth !== "appservice");

const newGuest = async server => { const { body } = await server.req("POST", "/register?kind=guest", { body: {}, expect: 200 }); return { id: body.user_id, token: body.access_token }; };

/** A path of the route for this room, with the rest as real as can be. */
function fill(path, { room, event, who, type = "m.room.topic", key = "" }) {
  const values = { roomId: room, roomIdOrAlias: room, eventId: event, userId: who.id, txnId: unique("t"), eventType: type, stateKey: key, type: "org.example.data",
    tag: "u.work", receiptType: "m.read", relType: "m.annotation", sessionId: "session" };
  return path.replace(/\{(\w+)\*?\}/g, (_, name) => { assert.ok(name in values, `what is a {${name}}?`); return E(values[name]); });
}

/** A body in which every route finds what it needs, as far as one can say. */
const full = (event, other) => ({ body: "x", msgtype: "m.text", topic: "x", reason: "because", user_id: other, membership: "invite", visibility: "public", typing: true,
  new_version: "11", redacts: event, "m.read": event, "m.fully_read": event, order: 0.5 });

// ---- whether there is one

test("a room that is there and one that is not are answered alike to whoever has nothing to do with it", async () => {
  const [alice, bob] = await hs.users("alice", "bob");
  const callers = { user: bob, guest: await newGuest(hs), nobody: { id: bob.id } };
  const queries = ["", "?dir=b&limit=3&ts=1&version=1&from=x&at=x", "?limit=many&dir=x&filter=%7B&membership=x&format=x&timeout=x&max_depth=x&include=x&ts=x"];
  for (const version of ["1", "12"]) {
    const there = await alice.createRoom({ room_version: version }), event = await alice.say(there, "secret");
    const absent = there.replace(/^!.{12}/, () => `!${unique("0123456789abc").slice(-12)}`);
    const bodies = [{}, full(event, alice.id), { membership: "join", displayname: 1 }, { third_party_signed: { sender: alice.id, mxid: bob.id, token: "t", signatures: {} } }, [], "{"];
    const answer = async (route, room, who, query, body) => {
      const r = await hs.req(route.method, fill(route.path, { room, event, who, ...route.of }) + query, { token: who.token, body: route.method === "GET" ? undefined : body });
      return { status: r.status, text: r.raw.toString().replaceAll(room, "ROOM") };
    };
    const own = who => ({ method: "PUT", path: "/rooms/{roomId}/state/{eventType}/{stateKey}", of: { type: "m.room.member", key: who.id } });
    for (const who of Object.values(callers)) {
      for (const route of [...table, own(who)]) {
        const asked = route.method === "GET" ? queries.map(query => [query]) : [["?limit=many"], ...bodies.map(body => ["", body])];
        for (const [query, body] of asked) {
          const [a, b] = [await answer(route, there, who, query, body), await answer(route, absent, who, query, body)];
          assert.deepEqual(a, b, `${route.method} ${route.path}${query} ${JSON.stringify(body)} in version ${version}`);
        }
      }
    }
    for (const body of [{ room_id: there }, { room_id: absent }]) {
      const r = await bob.fails(403, "M_FORBIDDEN", "PUT", `/directory/room/${E(`#${unique("a")}:${SERVER_NAME}`)}`, body);
      assert.equal(r.error, "You are not in this room");
    }
    const events = await Promise.all([there, absent].map(room => bob.fails(403, "M_FORBIDDEN", "GET", `/events?room_id=${E(room)}&timeout=0`)));
    assert.deepEqual(events[0], events[1]);
    await alice.getEvent(there, event);
    assert.ok(!(await alice.get(`/rooms/${E(there)}/members`)).chunk.some(m => m.state_key !== alice.id), "nothing has happened");
  }
});

test("an event of another room cannot be told from one that is not there", async () => {
  const [alice, bob] = await hs.users("alice", "bob");
  const [alices, bobs] = [await alice.createRoom({ room_version: "11" }), await bob.createRoom({ room_version: "11" })];
  const event = await alice.say(alices, "secret"), unknown = event.replace(/^.{9}/, "$abcdefgh");
  const redact = target => hs.req("PUT", `/rooms/${E(bobs)}/redact/${E(target)}/${bob.nextTxn()}`, { token: bob.token, body: {} });
  const [a, b] = [await redact(event), await redact(unknown)];
  assert.deepEqual([a.status, a.body], [404, b.body]);
  const sent = [await bob.event(bobs, "m.room.redaction", { redacts: event }), await bob.event(bobs, "m.room.redaction", { redacts: unknown })];
  assert.equal(new Set(sent).size, 2);
  assert.equal((await alice.getEvent(alices, event)).content.body, "secret");
});

// ---- sending

/** How somebody can stand to a room without being in it. */
const OUTSIDE = {
  stranger: async () => {},
  invited: (alice, bob, room) => alice.invite(room, bob),
  left: async (alice, bob, room) => { await alice.invite(room, bob); await bob.join(room); await bob.leave(room); },
  kicked: async (alice, bob, room) => { await alice.invite(room, bob); await bob.join(room); await alice.kick(room, bob); },
  banned: async (alice, bob, room) => { await alice.invite(room, bob); await bob.join(room); await alice.ban(room, bob); },
  knocking: async (alice, bob, room) => { await alice.setState(room, "m.room.join_rules", "", { join_rule: "knock" }); await bob.post(`/knock/${E(room)}`); },
};

/** All that somebody may try to send: [method, path, body]. */
function attempts({ room, event, who, alice, version }) {
  const at = o => ({ room, event, who, ...o });
  const state = (type, key, body) => ["PUT", fill("/rooms/{roomId}/state/{eventType}/{stateKey}", at({ type, key })), body];
  const generic = table.filter(r => r.method !== "GET" && r.auth !== "none" && !/\/(join|knock|leave|report|forget)\b/.test(r.path))
    .map(r => [r.method, fill(r.path, at({})), full(event, alice.id)]);
  const signed = { mxid: alice.id, token: "t", sender: who.id, signatures: {} };
  return [
    ...generic,
    ...["m.room.message", "m.room.redaction", "m.room.encrypted", "m.reaction", "m.room.member", "m.room.aliases"].map(type => ["PUT", fill("/rooms/{roomId}/send/{eventType}/{txnId}", at({ type })), full(event, alice.id)]),
    ...["m.room.name", "m.room.power_levels", "m.room.join_rules", "m.room.tombstone", "m.room.history_visibility", "m.room.server_acl", "m.space.parent", "m.room.policy", "m.room.canonical_alias"].map(type => state(type, "", {})),
    state("m.room.create", "", version < 11 ? { creator: who.id, room_version: version } : { room_version: version }),
    state("m.room.aliases", SERVER_NAME, { aliases: [] }), state("m.room.aliases", "", {}), state("m.room.third_party_invite", "t", { display_name: "x" }), state("org.example", who.id, {}),
    ...["invite", "join", "leave", "ban", "knock"].map(membership => state("m.room.member", alice.id, { membership })),
    state("m.room.member", alice.id, { membership: "invite", third_party_invite: { display_name: "x", signed } }),
    ...["invite", "ban", "mad"].map(membership => state("m.room.member", who.id, { membership })),
  ];
}

/** Nothing in the room's timeline is by the outsider but steps of their own membership. */
async function assertUnsigned(alice, bob, room, what) {
  const { chunk } = await alice.messages(room, { limit: "100" });
  assert.deepEqual(chunk.filter(e => e.sender === bob.id && !(e.type === "m.room.member" && e.state_key === bob.id && ["join", "leave", "knock"].includes(e.content.membership))), [], what);
}

test("nobody makes this server sign for who is not joined: every way to send, all versions, all memberships", async () => {
  const alice = await hs.user("alice");
  for (const version of VERSIONS) {
    for (const [name, step] of Object.entries(OUTSIDE)) {
      if (name === "knocking" && version < 7) continue;
      const bob = await hs.user("bob"), room = await alice.createRoom({ room_version: version }), event = await alice.say(room, "hello");
      await step(alice, bob, room);
      const { length } = (await alice.messages(room, { limit: "100" })).chunk;
      for (const [method, target, body] of attempts({ room, event, who: bob, alice, version })) {
        const r = await hs.req(method, target, { token: bob.token, body });
        if (!/account_data|tags|room_keys/.test(target)) assert.ok(r.status >= 400 && r.status < 500, `${name} in version ${version}: ${method} ${target} ${JSON.stringify(body)} -> ${r.status}`);
      }
      await assertUnsigned(alice, bob, room, `${name} in version ${version}`);
      assert.equal((await alice.messages(room, { limit: "100" })).chunk.length, length, "and nobody else said anything either");
    }
  }
});

test("an alias that an outsider removes makes no event of theirs", async () => {
  for (const version of VERSIONS) {
    const [alice, bob] = await hs.users("alice", "bob");
    const room = await alice.createRoom({ room_version: version, preset: "public_chat", power_level_content_override: { events: { "m.room.canonical_alias": 0 } } });
    const alias = `#${unique("a")}:${SERVER_NAME}`;
    await bob.join(room);
    await bob.put(`/directory/room/${E(alias)}`, { room_id: room });
    await alice.setState(room, "m.room.canonical_alias", "", { alias });
    await bob.leave(room);
    await bob.del(`/directory/room/${E(alias)}`);
    await assertUnsigned(alice, bob, room, `version ${version}`);
  }
});

test("application services do not sign for users of theirs who are not joined, nor they for others", OWN_SERVER, async () => {
  const irc = await new AppService("irc").listen();
  try {
    await withServer({ edit: registrations(irc) }, async server => {
      const alice = await server.user("alice"), ghost = await irc.ghost(server), bot = irc.as(server);
      for (const version of VERSIONS) {
        const room = await alice.createRoom({ room_version: version }), event = await alice.say(room, "hello");
        await alice.invite(room, bot);
        await bot.join(room);
        for (const [method, target, body] of attempts({ room, event, who: ghost, alice, version })) {
          await server.req(method, ghost.masked(`${target}?ts=1`), { token: irc.token, body });
        }
        await assertUnsigned(alice, ghost, room, `version ${version}`);
        await bot.say(room, "I may");
      }
    });
  } finally {
    await irc.stop();
  }
});

test("one's own steps into a room and out of it stay", async () => {
  const [alice, bob] = await hs.users("alice", "bob");
  const room = await alice.createRoom({ room_version: "11", initial_state: [{ type: "m.room.join_rules", state_key: "", content: { join_rule: "knock" } }] });
  const own = membership => bob.setState(room, "m.room.member", bob.id, { membership });
  await own("knock");
  await own("leave");
  await bob.post(`/knock/${E(room)}`);
  await alice.invite(room, bob);
  await own("leave");
  await alice.invite(room, bob);
  await own("join");
  await own("leave");
  const steps = timeline(await alice.sync(), room).filter(e => e.state_key === bob.id).map(e => [e.sender === bob.id, e.content.membership]);
  assert.deepEqual(steps, [[true, "knock"], [true, "leave"], [true, "knock"], [false, "invite"], [true, "leave"], [false, "invite"], [true, "join"], [true, "leave"]]);
});

// ---- the create event

test("the create event cannot be redacted, by its creator or with any power", async () => {
  const alice = await hs.user("alice");
  for (const version of VERSIONS) {
    const room = await alice.createRoom({ room_version: version });
    const create = (await alice.get(`/rooms/${E(room)}/state/m.room.create?format=event`)).event_id;
    await alice.fails(403, "M_FORBIDDEN", "PUT", `/rooms/${E(room)}/redact/${E(create)}/${unique("t")}`, {});
    await alice.fails(403, "M_FORBIDDEN", "PUT", `/rooms/${E(room)}/send/m.room.redaction/${unique("t")}`, { redacts: create });
    assert.equal((await alice.getState(room, "m.room.create")).room_version, version);
  }
});
