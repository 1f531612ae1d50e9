// SPDX-License-Identifier: Apache-2.0
// matrix-commander: what people put into scripts. Two of them, in an encrypted room; it knows no room ids of version 12.
import assert from "node:assert/strict";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import test from "node:test";
import { E, png, useServer } from "../api/harness.mjs";
import { python } from "./programs.mjs";

const commander = await python("commander");
const hs = useServer();

/** A folder with the credentials and the store of one person, and a way to call the program there. */
class Desk {
  constructor(who) {
    this.who = who;
    this.folder = fs.mkdtempSync(path.join(os.tmpdir(), "ingot-commander-"));
    this.files = ["--credentials", path.join(this.folder, "credentials.json"), "--store", path.join(this.folder, "store")];
  }
  call(...args) { return commander.call("matrix-commander", [...this.files, ...args], { cwd: this.folder }); }
  login(room) {
    return this.call("--login", "password", "--homeserver", hs.base, "--user-login", this.who.id, "--password", this.who.password, "--device", "desk", "--room-default", room);
  }
  remove() { fs.rmSync(this.folder, { recursive: true, force: true }); }
}

test("messages and a picture go from one matrix-commander to another, encrypted", commander.options, async () => {
  const [alice, bob] = await hs.users("alice", "bob");
  const room = await alice.createRoom({ preset: "private_chat", room_version: "11", invite: [bob.id], initial_state: [{ type: "m.room.encryption", state_key: "", content: { algorithm: "m.megolm.v1.aes-sha2" } }] });
  await bob.join(room);
  await alice.put(`/devices/${E(alice.device)}`, { display_name: "phone" }); // it cannot list devices that have no name
  const [here, there] = [new Desk(alice), new Desk(bob)];
  try {
    await here.login(room);
    await there.login(room);
    await there.call("--listen", "once"); // publishes its keys
    const picture = path.join(here.folder, "picture.png");
    fs.writeFileSync(picture, png(64, 48));
    await here.call("--message", "from the desk", "--image", picture);
    const heard = await there.call("--listen", "once", "--download-media", there.folder);
    assert.match(heard, /from the desk/);
    assert.ok(fs.readdirSync(there.folder).some(name => fs.readFileSync(picture).equals(readIfFile(path.join(there.folder, name)))), "the picture arrived and was decrypted");
    assert.match(await here.call("--devices"), /desk/);
    assert.match(await there.call("--joined-rooms"), new RegExp(room.replace("$", "\\$")));
    assert.match(await there.call("--tail", "5"), /from the desk/);
  } finally {
    here.remove();
    there.remove();
  }
});

function readIfFile(name) {
  return fs.statSync(name).isFile() ? fs.readFileSync(name) : Buffer.alloc(0);
}
