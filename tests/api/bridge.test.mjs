// SPDX-License-Identifier: Apache-2.0
// A bridge as its author writes it, on the unmodified matrix-appservice-bridge: ghosts that speak and are spoken to,
// users and rooms that come into being when they are asked for, networks, typing, and a ping.
import assert from "node:assert/strict";
import { createRequire } from "node:module";
import path from "node:path";
import test, { after, before } from "node:test";
import { E, EXTERNAL, OWN_SERVER, SERVER_NAME, Server, eventually, freePort, unique } from "./harness.mjs";

const require = createRequire(import.meta.url);
const { AppServiceRegistration, Bridge, Logger } = require("matrix-appservice-bridge");
Logger.configure({ console: "off" });

const port = await freePort();
const registration = new AppServiceRegistration(`http://127.0.0.1:${port}`);
registration.setId("example-bridge");
registration.setHomeserverToken(AppServiceRegistration.generateToken());
registration.setAppServiceToken(AppServiceRegistration.generateToken());
registration.setSenderLocalpart("examplebot");
registration.addRegexPattern("users", `@example_.*:${SERVER_NAME}`, true);
registration.addRegexPattern("aliases", `#example_.*:${SERVER_NAME}`, true);
registration.setProtocols(["example"]);
registration.setRateLimited(false);
registration.pushEphemeral = true;

const events = [], ephemeral = [];
const ghostId = name => `@example_${name}:${SERVER_NAME}`;
const protocol = { user_fields: ["name"], location_fields: ["place"], icon: "mxc://localhost/x", field_types: { name: { regexp: ".*", placeholder: "bob" }, place: { regexp: ".*", placeholder: "park" } }, instances: [{ desc: "Example", network_id: "main", fields: {}, icon: "mxc://localhost/x" }] };
let hs, bridge;

before(async () => {
  hs = await Server.create({
    edit: (config, server) => {
      registration.outputAsYaml(path.join(server.dir, "example.yaml"));
      config.appservices = ["example.yaml"];
    },
  });
  bridge = new Bridge({
    homeserverUrl: hs.base, domain: SERVER_NAME, registration, disableStores: true,
    controller: {
      onEvent: request => { events.push(request.getData()); },
      onEphemeralEvent: request => { ephemeral.push(request.getData()); },
      onUserQuery: user => (user.localpart.startsWith("example_real") ? { name: `${user.localpart} (example)` } : null),
      onAliasQuery: (alias, localpart) => (localpart.startsWith("example_real") ? { creationOpts: { room_alias_name: localpart, name: alias, preset: "public_chat" } } : null),
      thirdPartyLookup: {
        protocols: ["example"],
        getProtocol: () => protocol,
        getUser: (_, fields) => [{ protocol: "example", userid: ghostId(fields.name), fields }],
        parseLocation: alias => [{ protocol: "example", alias, fields: { place: alias } }],
      },
    },
  });
  if (!EXTERNAL) await bridge.run(port, undefined, "127.0.0.1");
}, { timeout: 60000 });
after(async () => {
  if (!EXTERNAL) await bridge.close();
  await hs.remove();
});

const seen = (what, probe) => eventually(what, () => events.find(probe));

test("a ghost registers by itself, joins, speaks, and hears what is said", OWN_SERVER, async () => {
  const alice = await hs.user("alice");
  const room = await alice.createRoom({ preset: "public_chat" });
  const ghost = bridge.getIntent(ghostId(unique("g")));
  await ghost.join(room);
  await ghost.setDisplayName("Ghost");
  const { event_id } = await ghost.sendText(room, "boo");
  assert.equal((await alice.getEvent(room, event_id)).sender, ghost.userId);
  assert.equal((await alice.get(`/profile/${E(ghost.userId)}/displayname`)).displayname, "Ghost");
  const said = await alice.say(room, "who is there?");
  const event = await seen("alice's message", e => e.event_id === said);
  assert.deepEqual([event.room_id, event.content.body], [room, "who is there?"]);
  await alice.kick(room, ghost.userId, { reason: "boo" });
  await seen("the kick", e => e.type === "m.room.member" && e.state_key === ghost.userId && e.content.membership === "leave");
});

test("the bot is invited, joins and makes rooms with ghosts in them", OWN_SERVER, async () => {
  const alice = await hs.user("alice");
  const room = await alice.createRoom({ invite: [bridge.getBot().getUserId()] });
  await seen("the invitation", e => e.room_id === room && e.state_key === bridge.getBot().getUserId());
  await bridge.getIntent().join(room);
  assert.ok((await bridge.getBot().getJoinedRooms()).includes(room));
  const ghost = bridge.getIntent(ghostId(unique("h")));
  const { room_id } = await ghost.createRoom({ createAsClient: true, options: { name: "Portal", invite: [alice.id] } });
  await alice.join(room_id);
  await seen("alice has joined", e => e.room_id === room_id && e.state_key === alice.id && e.content.membership === "join");
  assert.deepEqual(Object.keys(await bridge.getBot().getJoinedMembers(room_id)).sort(), [alice.id, ghost.userId].sort());
});

test("a user of the network is made when somebody invites it", OWN_SERVER, async () => {
  const alice = await hs.user("alice");
  const id = ghostId(unique("real"));
  const room = await alice.createRoom({});
  await alice.invite(room, id);
  assert.equal((await alice.getState(room, "m.room.member", id)).displayname, `${id.slice(1).split(":")[0]} (example)`);
  await bridge.getIntent(id).join(room);
  await alice.fails(404, "M_NOT_FOUND", "GET", `/profile/${E(ghostId("nobody"))}`);
});

test("a room of the network is made when somebody joins by its alias", OWN_SERVER, async () => {
  const alice = await hs.user("alice");
  const alias = `#example_${unique("real")}:${SERVER_NAME}`;
  const { room_id } = await alice.post(`/join/${E(alias)}`);
  assert.equal((await alice.getState(room_id, "m.room.name")).name, alias);
  await seen("alice's join", e => e.room_id === room_id && e.state_key === alice.id);
  await alice.fails(404, "M_NOT_FOUND", "POST", `/join/${E(`#example_no:${SERVER_NAME}`)}`, {});
});

test("the network is found by its protocol, users and places by their fields", OWN_SERVER, async () => {
  const alice = await hs.user("alice");
  const found = await alice.get("/thirdparty/protocols");
  assert.deepEqual(found.example.instances.map(i => i.instance_id), ["example-bridge|main"]);
  assert.deepEqual((await alice.get("/thirdparty/user/example?name=bob")).map(u => u.userid), [ghostId("bob")]);
  const alias = `#example_park:${SERVER_NAME}`;
  assert.deepEqual((await alice.get(`/thirdparty/location?alias=${E(alias)}`)).map(l => l.fields.place), [alias]);
});

test("typing and receipts arrive", OWN_SERVER, async () => {
  const alice = await hs.user("alice");
  const room = await alice.createRoom({ preset: "public_chat" });
  const ghost = bridge.getIntent(ghostId(unique("t")));
  await ghost.join(room);
  const { event_id } = await ghost.sendText(room, "read me");
  await alice.typing(room, true);
  await eventually("typing", () => ephemeral.find(e => e.type === "m.typing" && e.room_id === room && e.content.user_ids.includes(alice.id)));
  await alice.receipt(room, event_id);
  await eventually("the receipt", () => ephemeral.find(e => e.type === "m.receipt" && e.room_id === room && e.content[event_id]?.["m.read"]?.[alice.id]));
});

test("the bridge's own ping goes round", OWN_SERVER, async () => {
  const room = (await bridge.getIntent().createRoom({ createAsClient: false, options: { preset: "private_chat" } })).room_id;
  assert.ok(Number.isFinite(await bridge.pingAppserviceRoute(room)));
});
