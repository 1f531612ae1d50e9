// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import test from "node:test";
import { useServer } from "../api/harness.mjs";
import { python } from "./programs.mjs";

const nio = await python("nio");
const hs = useServer();

test("two people with matrix-nio talk, share a file and look around in an encrypted room", nio.options, async () => {
  const [alice, bob] = await hs.users("alice", "bob");
  const said = await nio.run("two_people_with_nio.py", { base: hs.base, alice, bob });
  assert.equal(said.decrypted, true);
  assert.equal(said.thread, "m.thread");
  assert.equal(said.file, true);
  assert.deepEqual(said.rooms, [said.room]);
  assert.deepEqual([said.devices, said.members, said.profile], [2, 2, "Alice with nio"]);
  assert.ok(said.messages > 8 && said.state > 8);
});
