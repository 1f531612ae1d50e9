// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import test from "node:test";
import { fileURLToPath } from "node:url";
import { eventually, useServer } from "../api/harness.mjs";
import { python } from "./programs.mjs";

const [maubot, nio] = [await python("maubot"), await python("nio")];
const hs = useServer();
const plugin = fileURLToPath(new URL("stories/echo_plugin", import.meta.url));

/** maubot's standalone mode reads one file; JSON is YAML. */
function configuration(bot) {
  return JSON.stringify({
    user: {
      credentials: { id: bot.id, homeserver: hs.base, access_token: bot.token, device_id: bot.device }, sync: true, appservice: false, hs_token: null,
      autojoin: true, displayname: "Echo", avatar_url: "disable", ignore_initial_sync: true, ignore_first_sync: true,
    },
    server: { hostname: "127.0.0.1", port: 0, base_path: "/", public_url: "http://127.0.0.1" },
    database: "sqlite:bot.db", crypto_db_pickle_key: "mau.crypto", database_opts: { min_size: 1, max_size: 2 }, plugin_config: {},
    logging: { version: 1, handlers: { console: { class: "logging.StreamHandler" } }, root: { level: "DEBUG", handlers: ["console"] } },
  });
}

test("maubot with an echo plug-in answers in an encrypted room", { ...maubot.options, ...nio.options }, async () => {
  const [alice, bot] = await hs.users("alice", "bot");
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), "ingot-maubot-"));
  fs.cpSync(plugin, folder, { recursive: true });
  fs.writeFileSync(path.join(folder, "config.yaml"), configuration(bot));
  const running = maubot.start("python", ["-m", "maubot.standalone", "-m", "maubot.yaml", "-c", "config.yaml"], { cwd: folder });
  try {
    await eventually("maubot has published its keys", async () => {
      if (running.exitCode !== null) assert.fail(`maubot has ended: ${running.complained}`);
      const { device_keys: keys } = await alice.post("/keys/query", { device_keys: { [bot.id]: [] } });
      return keys[bot.id]?.[bot.device];
    });
    assert.deepEqual(await nio.run("conversation.py", { base: hs.base, alice, bot, say: "!echo one two" }), { body: "one two", decrypted: true });
  } finally {
    running.kill("SIGTERM");
    await running.ended;
    fs.rmSync(folder, { recursive: true, force: true });
  }
});
