// SPDX-License-Identifier: Apache-2.0
// nheko of Debian, unmodified, on a screen of its own: sets up cross-signing and key backup, reads a room, writes there. It is
// worked by mouse and keyboard; each step is tried until the server sees what it does, since nothing else tells.
import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import test from "node:test";
import { E, eventually, useServer } from "../api/harness.mjs";
import { installed } from "./programs.mjs";

const hs = useServer();
const NEEDS = ["nheko", "Xvfb", "xdotool", "dbus-run-session"];
const options = NEEDS.map(installed).find(o => o.skip) ?? {};
/** Where its dialogs have OK, in a window of the size that it has by itself: to set encryption up, and below the recovery key. */
const OK = [["914", "561"], ["985", "333"]];

/** A display that X chooses a free number for. */
async function screen() {
  const x = spawn("Xvfb", ["-displayfd", "3", "-screen", "0", "1000x700x24"], { stdio: ["ignore", "ignore", "ignore", "pipe"] });
  const number = await new Promise((resolve, reject) => x.on("error", reject).stdio[3].once("data", d => resolve(String(d).trim())));
  return { display: `:${number}`, stop: () => x.kill() };
}

/** nheko, signed in as `who` with the token it would have after a login. */
function start(who, display, home) {
  fs.mkdirSync(path.join(home, ".config/nheko"), { recursive: true });
  fs.writeFileSync(path.join(home, ".config/nheko/nheko.conf"),
    `[General]\nrun_without_secure_secrets_service=true\n\n[auth]\naccess_token=${who.token}\ndevice_id=${who.device}\nhome_server=${hs.base}\nuser_id=${who.id}\n`);
  const env = { ...process.env, HOME: home, XDG_CONFIG_HOME: `${home}/.config`, XDG_DATA_HOME: `${home}/.local/share`, XDG_CACHE_HOME: `${home}/.cache`,
    XDG_RUNTIME_DIR: home, DISPLAY: display, QT_QUICK_BACKEND: "software", LIBGL_ALWAYS_SOFTWARE: "1" };
  const p = spawn("dbus-run-session", ["--", "nheko"], { env, cwd: home, stdio: "ignore", detached: true });
  return {
    do: (...args) => execFileSync("xdotool", args, { env, stdio: "ignore" }),
    stop: () => new Promise(resolve => { p.on("close", resolve); process.kill(-p.pid, "SIGTERM"); }),
  };
}

test("nheko sets encryption up, reads a room and writes there", options, async () => {
  const [alice, bob] = await hs.users("alice", "bob");
  const room = await alice.createRoom({ name: "Parlour", preset: "public_chat" });
  await bob.join(room);
  const hello = await alice.say(room, "hello");
  const home = fs.mkdtempSync(path.join(os.tmpdir(), "ingot-nheko-"));
  const { display, stop } = await screen();
  const nheko = start(bob, display, home);
  const keys = () => alice.post("/keys/query", { device_keys: { [bob.id]: [] } });
  const click = ([x, y]) => nheko.do("mousemove", x, y, "click", "1");
  const stream = await alice.stream();
  const soon = async wanted => (await stream.next(500)).rooms?.join?.[room] && wanted(stream.last.rooms.join[room]);
  try {
    await eventually("its device has keys", async () => (await keys()).device_keys[bob.id]?.[bob.device]);
    await eventually("cross-signing is set up", async () => { click(OK[0]); return (await keys()).master_keys?.[bob.id]; }, undefined, 500);
    await eventually("it has read the room", () => {
      click(OK[1]);
      nheko.do("key", "ctrl+k", "sleep", "1");
      nheko.do("type", "--delay", "20", "Parlour");
      nheko.do("sleep", "1", "key", "Return");
      return soon(r => r.ephemeral?.events.some(e => JSON.stringify(e.content[hello]?.["m.read"] ?? {}).includes(bob.id)));
    });
    await eventually("what it writes is there", () => {
      nheko.do("type", "--delay", "20", "written in nheko");
      nheko.do("key", "Return");
      return soon(r => r.timeline?.events.some(e => e.sender === bob.id && e.content.body?.includes("written in nheko")));
    });
    assert.ok((await bob.get(`/user/${E(bob.id)}/account_data/m.secret_storage.default_key`)).key, "its secrets are stored");
    assert.match((await bob.get("/room_keys/version")).algorithm, /megolm_backup/);
  } finally {
    await nheko.stop();
    stop();
    fs.rmSync(home, { recursive: true, force: true });
  }
});
