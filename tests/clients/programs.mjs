// SPDX-License-Identifier: Apache-2.0
// Programs of other people, each in an environment of its own (build-asan/clients/NAME), made from requirements/NAME.txt when
// that has changed. Without the registry the tests of a program that is not there yet are skipped, loudly.
//
//   const nio = await python("nio");
//   test("…", nio.options, async () => { const said = await nio.run("two_people_with_nio.py", { base, alice, bob }); … });
import assert from "node:assert/strict";
import { execFile, spawn, spawnSync } from "node:child_process";
import crypto from "node:crypto";
import fs from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { PATIENCE, User } from "../api/harness.mjs";

const here = path.dirname(fileURLToPath(import.meta.url));
const folder = path.join(here, "../../build-asan/clients");
/** How long a program may take for its whole story. */
const STORY = 6 * PATIENCE;
/** Running into its time-out is pip's way to say that nobody answers. */
const PIP = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--retries", "1", "--timeout", "20"];

/** What a program needs to know of a person. */
export const account = user => ({ id: user.id, name: user.name, password: user.password, token: user.token, device: user.device });

/** The environment as `requirements` wants it; an error if it cannot be had. */
async function prepare(place, requirements) {
  const stamp = path.join(place, "requirements.sha256");
  const wanted = crypto.createHash("sha256").update(fs.readFileSync(requirements)).digest("hex");
  if (fs.existsSync(stamp) && fs.readFileSync(stamp, "utf8") === wanted) return;
  const run = promisify(execFile);
  fs.rmSync(place, { recursive: true, force: true });
  await run("/usr/bin/python3", ["-m", "venv", place]);
  await run(path.join(place, "bin/python"), [...PIP, "-r", requirements], { maxBuffer: 1 << 24 });
  fs.writeFileSync(stamp, wanted);
}

/** Python with the packages of requirements/NAME.txt. */
export async function python(name) {
  const place = path.join(folder, name);
  try {
    await prepare(place, path.join(here, "requirements", `${name}.txt`));
    return new Program(place);
  } catch (e) {
    const why = `SKIPPED: ${name} cannot be installed: ${String(e.stderr ?? e.message).trim().split("\n").at(-1)}`;
    console.error(why);
    return new Program(place, { skip: why });
  }
}

/** A program of Debian's, or skipped if it is not installed. */
export function installed(name) {
  const found = spawnSync("which", [name]).status === 0;
  if (!found) console.error(`SKIPPED: ${name} is not installed`);
  return found ? {} : { skip: `${name} is not installed` };
}

class Program {
  constructor(place, options = {}) { this.place = place; this.options = options; }

  bin(name) { return path.join(this.place, "bin", name); }

  /** Starts a script of stories/, or a program of the environment; what it prints is in `.said`. */
  start(name, args = [], options = {}) {
    const argv = name.endsWith(".py") ? [this.bin("python"), path.join(here, "stories", name), ...args] : [this.bin(name), ...args];
    const p = spawn(argv[0], argv.slice(1), { stdio: ["ignore", "pipe", "pipe"], ...options, env: { ...process.env, PYTHONUNBUFFERED: "1", ...options.env } });
    p.said = "";
    p.complained = "";
    p.stdout.on("data", d => { p.said += d; });
    p.stderr.on("data", d => { p.complained += d; });
    p.ended = new Promise((resolve, reject) => p.on("error", reject).on("close", (status, signal) => resolve({ status, signal })));
    return p;
  }

  /** Runs a program to its end, which must be a good one; returns what it printed. */
  async call(name, args = [], options = {}) {
    const p = this.start(name, args, options);
    const limit = setTimeout(() => p.kill("SIGKILL"), STORY);
    const { status, signal } = await p.ended;
    clearTimeout(limit);
    assert.equal(status, 0, `${name} ended with ${status ?? signal}:\n${p.said.slice(-3000)}\n${p.complained.slice(-6000)}`);
    return p.said;
  }

  /** Runs a script that tells a story: it gets `input` as JSON, and the last line that it prints is JSON. */
  async run(script, input) {
    const said = await this.call(script, [JSON.stringify(input, (_, v) => v instanceof User ? account(v) : v)]);
    return JSON.parse(said.trimEnd().split("\n").at(-1));
  }
}
