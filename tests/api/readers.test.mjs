// SPDX-License-Identifier: Apache-2.0
// Who reads what: every path that gives out a room's events or state, by history visibility and by what the reader's
// life in the room was ("Room History Visibility", "POST forget").
import assert from "node:assert/strict";
import test from "node:test";
import { E, timeline, unique, useServer } from "./harness.mjs";

const hs = useServer();
const VISIBILITIES = ["world_readable", "shared", "invited", "joined"];

/** What the reader does between the messages "early", "middle" and "late" of the room's creator. */
const LIVES = {
  "never there": [],
  invited: ["invite"],
  joined: ["invite", "join"],
  left: ["invite", "join", "|", "leave"],
  banned: ["invite", "join", "|", "ban"],
  kicked: ["invite", "join", "|", "kick"],
  "turned down": ["invite", "leave"],
  forgotten: ["invite", "join", "|", "leave", "forget"],
  "back again": ["invite", "join", "leave", "forget", "|", "invite", "join"],
};
const IN = ["joined", "back again"];           // is in the room
const WAS = ["left", "banned", "kicked"];      // was in it, and has not forgotten

async function act(step, alice, bob, room) {
  switch (step) {
    case "invite": return alice.invite(room, bob);
    case "join": return bob.join(room);
    case "leave": return bob.leave(room);
    case "ban": return alice.ban(room, bob);
    case "kick": return alice.kick(room, bob);
    case "forget": return bob.post(`/rooms/${E(room)}/forget`);
  }
}

/** early, then the steps up to "|", middle, then the others, late. */
async function story(visibility, steps) {
  const [alice, bob] = await hs.users("alice", "bob");
  const word = unique("w");
  const room = await alice.createRoom({ room_alias_name: word, initial_state: [{ type: "m.room.history_visibility", content: { history_visibility: visibility } }] });
  const ids = {};
  const say = async name => {
    ids[name] = await alice.say(room, `${word} ${name}`);
    await alice.event(room, "m.room.message", { msgtype: "m.text", body: `${word} reply to ${name}`, "m.relates_to": { rel_type: "m.thread", event_id: ids[name] } });
  };
  const at = steps.includes("|") ? steps.indexOf("|") : steps.length;
  await say("early");
  for (const s of steps.slice(0, at)) await act(s, alice, bob, room);
  await say("middle");
  for (const s of steps.slice(at + 1)) await act(s, alice, bob, room);
  await say("late");
  return { bob, room, ids, word };
}

/** Which of the three messages they may see. */
function seen(visibility, life) {
  if (visibility === "world_readable") return ["early", "middle", "late"];
  const shared = visibility === "shared", invited = visibility === "invited";
  switch (life) {
    case "never there": case "forgotten": return [];
    case "invited": return invited ? ["middle", "late"] : [];
    case "turned down": return [];
    case "joined": return shared ? ["early", "middle", "late"] : ["middle", "late"];
    case "back again": return shared ? ["early", "middle", "late"] : ["late"];
    default: return shared ? ["early", "middle"] : ["middle"]; // left, banned, kicked
  }
}

const said = (text, word) => ["early", "middle", "late"].filter(n => text.includes(`${word} ${n}`));

for (const visibility of VISIBILITIES) {
  for (const [life, steps] of Object.entries(LIVES)) {
    test(`${visibility}, ${life}: all paths show the same part of the room`, async () => {
      const { bob, room, ids, word } = await story(visibility, steps);
      const get = target => hs.req("GET", target, { token: bob.token });
      const r = `/rooms/${E(room)}`, v1 = `/_matrix/client/v1/rooms/${E(room)}`;
      const may = seen(visibility, life);
      const open = visibility === "world_readable";
      const isIn = IN.includes(life), reads = open || isIn || WAS.includes(life);

      // One by one.
      for (const [name, id] of Object.entries(ids)) {
        for (const target of [`${r}/event/${E(id)}`, `/events/${E(id)}`, `${v1}/relations/${E(id)}`]) {
          const got = await get(target);
          assert.equal(got.status, may.includes(name) ? 200 : 404, `${name}: ${target} ${got.raw}`);
          if (got.status === 200 && target.includes("relations")) assert.equal(got.body.chunk.length, 1);
        }
        const context = await get(`${r}/context/${E(id)}?limit=50`);
        assert.equal(context.status, !reads ? 403 : may.includes(name) ? 200 : 404, `${name}: context ${context.raw}`);
        if (context.status === 200) assert.deepEqual(said(JSON.stringify([context.body.event, context.body.events_before, context.body.events_after]), word), may);
        const report = await hs.req("POST", `${r}/report/${E(id)}`, { token: bob.token, body: { reason: "x" } });
        assert.equal(report.status, isIn && may.includes(name) ? 200 : 404, `${name}: report ${report.raw}`);
      }

      // Lists of events.
      for (const target of [`${r}/messages?dir=b&limit=100`, `${r}/messages?dir=f&limit=100`, `${r}/initialSync?limit=100`, `${v1}/threads`]) {
        const got = await get(target);
        assert.equal(got.status, reads ? 200 : 403, `${target} ${got.raw}`);
        if (reads) assert.deepEqual(said(JSON.stringify(got.body.chunk ?? got.body.messages.chunk), word), may, target);
      }
      const atTime = await get(`${v1}/timestamp_to_event?ts=0&dir=f`);
      assert.ok(reads ? [200, 404].includes(atTime.status) : atTime.status === 403, `timestamp_to_event ${atTime.raw}`);
      const search = (await bob.post("/search", { search_categories: { room_events: { search_term: word, filter: { limit: 50 } } } })).search_categories.room_events;
      const found = said(JSON.stringify(search.results), word);
      const searchable = isIn || WAS.includes(life) ? may : [];
      assert.ok(JSON.stringify(found) === JSON.stringify(searchable) || (open && JSON.stringify(found) === JSON.stringify(may)), `search: ${found} instead of ${searchable}`);

      // State.
      for (const target of [`${r}/state`, `${r}/members`, `${r}/state/m.room.create/`, `${r}/state/m.room.history_visibility`]) {
        const got = await get(target);
        assert.equal(got.status, reads ? 200 : 403, `${target} ${got.raw}`);
      }
      assert.equal((await get(`${r}/joined_members`)).status, isIn ? 200 : 403, "joined_members");
      assert.equal((await get(`${r}/aliases`)).status, isIn || open ? 200 : 403, "aliases");
      const visible = (open && life !== "banned") || isIn || life === "invited";
      assert.equal((await get(`${v1}/hierarchy`)).status, visible ? 200 : 403, "hierarchy");
      assert.equal((await get(`/_matrix/client/v1/room_summary/${E(room)}`)).status, visible ? 200 : 404, "room_summary");

      // /sync, of what they are in or were in.
      const s = await bob.sync({ filter: { room: { include_leave: true, timeline: { limit: 100 } } } });
      const shown = said(JSON.stringify([...timeline(s, room), ...timeline(s, room, "leave")]), word);
      if (isIn) assert.deepEqual(shown, may, "sync");
      else assert.ok(shown.every(n => may.includes(n)) && (life !== "forgotten" || shown.length === 0), `sync: ${shown}`);
    });
  }
}
