// SPDX-License-Identifier: Apache-2.0
// Reports, what administrators do about them, and OpenID tokens.
import assert from "node:assert/strict";
import test from "node:test";
import { E, useServer } from "./harness.mjs";

const hs = useServer();
const V1 = "/_matrix/client/v1";
const admin = () => hs.user("admin", { admin: true });

test("reports of rooms, events and users reach the administrators", async () => {
  const [alice, bob, root] = [await hs.user("alice"), await hs.user("bob"), await admin()];
  const room = await alice.createRoom({ preset: "public_chat" });
  const event = await alice.say(room, "something bad");
  await bob.fails(404, "M_NOT_FOUND", "POST", `/rooms/${E(room)}/report/${E(event)}`, { reason: "bad" });
  await bob.post(`/rooms/${E(room)}/report`, { reason: "bad room" });
  await bob.join(room);
  await bob.post(`/rooms/${E(room)}/report/${E(event)}`, { reason: "bad event" });
  await bob.post(`/rooms/${E(room)}/report/${E(event)}`, { score: -100 });
  await bob.post(`/users/${E(alice.id)}/report`, { reason: "" });
  await bob.post(`/users/${E("@nobody:localhost")}/report`, { reason: "who" });
  const list = "/_synapse/admin/v1/event_reports";
  const all = (await root.get(list)).event_reports.filter(r => r.user_id === bob.id);
  assert.deepEqual(all.map(r => [r.reason, r.room_id, r.event_id, r.sender, r.target_user_id]), [
    ["", undefined, undefined, undefined, alice.id],
    ["", room, event, alice.id, undefined],
    ["bad event", room, event, alice.id, undefined],
    ["bad room", room, undefined, undefined, undefined],
  ]);
  const page = await root.get(`${list}?limit=1`);
  assert.equal(page.event_reports[0].id, all[0].id);
  assert.equal((await root.get(`${list}?limit=1&from=${page.next_token}`)).event_reports[0].id, all[1].id);
  await alice.fails(403, "M_FORBIDDEN", "GET", list);
});

test("bad reports are refused", async () => {
  const [alice, bob] = await hs.users("alice", "bob");
  const room = await alice.createRoom({ preset: "public_chat" });
  const other = await alice.createRoom({ preset: "public_chat" });
  const event = await alice.say(other, "elsewhere");
  await bob.join(room);
  await bob.post(`/rooms/${E("!nowhere:localhost")}/report`, { reason: "x" }); // whether there is such a room is not told
  await bob.fails(404, "M_NOT_FOUND", "POST", `/rooms/${E(room)}/report/${E("$nothing")}`, { reason: "x" });
  await bob.fails(404, "M_NOT_FOUND", "POST", `/rooms/${E(room)}/report/${E(event)}`, { reason: "x" });
  await bob.fails(400, "M_MISSING_PARAM", "POST", `/rooms/${E(room)}/report`, {});
  await bob.fails(400, "M_MISSING_PARAM", "POST", `/users/${E(alice.id)}/report`, {});
  await bob.fails(400, "M_BAD_JSON", "POST", `/users/${E(alice.id)}/report`, { reason: 7 });
  await bob.fails(400, "M_INVALID_PARAM", "POST", "/users/nonsense/report", { reason: "x" });
});

for (const [what, key] of [["lock", "locked"], ["suspend", "suspended"]]) {
  test(`administrators ${what} accounts and release them`, async () => {
    const [bob, root, other] = [await hs.user("bob"), await admin(), await admin()];
    const path = id => `${V1}/admin/${what}/${E(id)}`;
    assert.deepEqual(await root.get(path(bob.id)), { [key]: false });
    assert.deepEqual(await root.put(path(bob.id), { [key]: true }), { [key]: true });
    assert.deepEqual(await root.get(path(bob.id)), { [key]: true });
    if (what === "lock") {
      const r = await bob.fails(401, "M_USER_LOCKED", "GET", "/sync");
      assert.equal(r.soft_logout, true);
    } else {
      await bob.fails(403, "M_USER_SUSPENDED", "PUT", `/profile/${E(bob.id)}/displayname`, { displayname: "x" });
      await bob.sync();
    }
    await root.put(path(bob.id), { [key]: false });
    await bob.put(`/profile/${E(bob.id)}/displayname`, { displayname: "x" });
    await root.fails(403, "M_FORBIDDEN", "PUT", path(root.id), { [key]: true });
    await root.fails(403, "M_FORBIDDEN", "PUT", path(other.id), { [key]: true });
    await root.fails(403, "M_FORBIDDEN", "GET", path(other.id));
    await root.fails(400, "M_INVALID_PARAM", "PUT", path("@bob:elsewhere.example"), { [key]: true });
    await root.fails(404, "M_NOT_FOUND", "PUT", path("@nobody:localhost"), { [key]: true });
    await root.fails(400, "M_MISSING_PARAM", "PUT", path(bob.id), {});
    await bob.fails(403, "M_FORBIDDEN", "GET", path("@nobody:localhost"));
    await bob.fails(403, "M_FORBIDDEN", "PUT", path(root.id), { [key]: true });
    await bob.withPassword("POST", "/account/deactivate", {});
    await root.fails(404, "M_NOT_FOUND", "GET", path(bob.id));
  });
}

test("administrators are told that they may moderate accounts", async () => {
  const [bob, root] = [await hs.user("bob"), await admin()];
  assert.deepEqual((await root.get("/capabilities")).capabilities["m.account_moderation"], { lock: true, suspend: true });
  assert.equal((await bob.get("/capabilities")).capabilities["m.account_moderation"], undefined);
});

test("whois lists devices, for oneself and for administrators", async () => {
  const [bob, carol, root] = [await hs.user("bob"), await hs.user("carol"), await admin()];
  const path = `/admin/whois/${E(bob.id)}`;
  const own = await bob.get(path);
  assert.equal(own.user_id, bob.id);
  assert.deepEqual(Object.keys(own.devices), [bob.device]);
  assert.ok(Array.isArray(own.devices[bob.device].sessions[0].connections));
  assert.deepEqual(Object.keys((await root.get(path)).devices), [bob.device]);
  await carol.fails(403, "M_FORBIDDEN", "GET", path);
  await root.fails(404, "M_NOT_FOUND", "GET", `/admin/whois/${E("@nobody:localhost")}`);
});

test("an OpenID token says who one is and opens nothing", async () => {
  const [alice, bob] = await hs.users("alice", "bob");
  const path = `/user/${E(alice.id)}/openid/request_token`;
  const t = await alice.post(path);
  assert.equal(t.token_type, "Bearer");
  assert.equal(t.matrix_server_name, "localhost");
  assert.ok(t.expires_in > 0);
  await hs.fails(401, "M_UNKNOWN_TOKEN", "GET", "/account/whoami", { token: t.access_token });
  await bob.fails(403, "M_FORBIDDEN", "POST", path, {});
});
