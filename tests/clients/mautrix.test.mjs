// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import test from "node:test";
import { useServer } from "../api/harness.mjs";
import { python } from "./programs.mjs";

const mautrix = await python("mautrix");
const hs = useServer();

test("two people with mautrix-python talk, react, edit and share a file in an encrypted room", mautrix.options, async () => {
  const [alice, bob] = await hs.users("alice", "bob");
  const { room, state, ...said } = await mautrix.run("two_people_with_mautrix.py", { base: hs.base, alice, bob });
  assert.deepEqual(said, { reply: "an answer", reaction: "👍", edit: "a better secret", file: true, topic: "a topic" });
  assert.ok(state > 8);
  const types = (await alice.messages(room)).chunk.map(e => e.type);
  assert.equal(types.filter(t => t === "m.room.encrypted").length, 3, "message, reply and edit; reactions are never encrypted");
  assert.ok(!types.includes("m.room.message"));
});
