// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import test from "node:test";
import { eventually, useServer } from "../api/harness.mjs";
import { account, python } from "./programs.mjs";

const library = await python("simplematrixbotlib");
const hs = useServer();

test("a bot of simplematrixbotlib joins an encrypted room and echoes there", library.options, async () => {
  const [alice, bot] = await hs.users("alice", "bot");
  const given = { base: hs.base, alice, bot, say: "!echo one two" };
  const running = library.start("echo_bot_with_simplematrixbotlib.py", [JSON.stringify({ base: hs.base, bot: account(bot) })]);
  try {
    // Its device has keys once it is ready to be talked to.
    await eventually("the bot has published its keys", async () => {
      const { device_keys: keys } = await alice.post("/keys/query", { device_keys: { [bot.id]: [] } });
      if (running.exitCode !== null) assert.fail(`the bot has ended: ${running.complained}`);
      return Object.keys(keys[bot.id] ?? {}).length > 0;
    });
    assert.deepEqual(await library.run("conversation.py", given), { body: "one two", decrypted: true });
  } finally {
    running.kill("SIGTERM");
    await running.ended;
  }
});
