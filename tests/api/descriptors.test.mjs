// SPDX-License-Identifier: Apache-2.0
// File descriptors: connections leave some for the rest; when there are none at all the log says what to do, nothing is
// taken for broken, nothing spins, and everything goes on once there are some again.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import fs from "node:fs";
import net from "node:net";
import test from "node:test";
import { E, OWN_SERVER, eventually, pictureSize, png, withServer } from "./harness.mjs";

const WORKERS = 4;
const few = n => ({ prefix: ["sh", "-c", `ulimit -n ${n}; exec "$@"`, "sh"] });
const upload = (hs, u, body, expect = 200) => hs.req("POST", "/_matrix/media/v3/upload", { token: u.token, body, type: "image/png", expect });
const thumbnail = (hs, u, uri, expect = 200) => hs.req("GET", `/_matrix/client/v1/media/thumbnail/${uri.slice(6)}?width=32&height=32&method=crop`, { token: u.token, expect });

/** A connection that says nothing; `said` is what the server sent on it. */
function connection(port) {
  return new Promise(resolve => {
    const s = net.connect(port, "127.0.0.1");
    s.said = "";
    s.on("data", d => { s.said += d; }).on("error", () => {}).on("connect", () => resolve(s));
  });
}

const count = (hs, line) => hs.stderr.split("\n").filter(l => l.includes(line)).length;
/** Seconds of processor time that a process has used. */
function cpu(pid) {
  const fields = fs.readFileSync(`/proc/${pid}/stat`, "utf8").replace(/.*\) /s, "").split(" ");
  return (Number(fields[11]) + Number(fields[12])) / 100;
}
const uptime = () => Number(fs.readFileSync("/proc/uptime", "utf8").split(" ")[0]);

test("more connections than there can be are refused in words; those that are there do everything meanwhile", OWN_SERVER, async () => {
  await withServer({ config: { limits: { workers: WORKERS } } }, async hs => {
    await hs.stop();
    await hs.start(few(400));
    assert.match(hs.stderr, /fewer connections are possible than limits.max_connections allows.*possible=192/);
    const [alice, room] = await hs.user("alice").then(async a => [a, await a.createRoom()]);

    const open = [];
    await eventually("a connection is refused", async () => {
      open.push(await connection(hs.port));
      return open.find(s => s.said);
    }, 60000, 0);
    const refused = open.find(s => s.said);
    await eventually("the whole answer", () => refused.said.includes("}"));
    assert.match(refused.said, /^HTTP\/1.1 503 .*\r\n/);
    assert.match(refused.said, /\r\nRetry-After: \d+\r\n/);
    assert.equal(JSON.parse(refused.said.split("\r\n\r\n")[1]).errcode, "M_UNKNOWN");
    assert.ok(open.length > 150 && open.length < 250, `${open.length} connections`);
    assert.match(hs.stderr, /too many connections are open: new ones are refused.*help="raise limits.max_connections/);

    // On the connection that is there already: answers, writes, files, another process.
    await alice.say(room, "still here");
    const { content_uri } = (await upload(hs, alice, png(64, 64))).body;
    assert.deepEqual(pictureSize((await thumbnail(hs, alice, content_uri)).raw), [32, 32]);
    const list = await hs.command(["user", "list", "--config", hs.configFile]);
    assert.equal(list.status, 0, list.stderr);
    assert.equal(count(hs, "out of file descriptors"), 0);

    for (const s of open) s.destroy();
    await eventually("there is room again", async () => {
      const s = await connection(hs.port);
      s.write("GET /_matrix/client/versions HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
      await new Promise(resolve => s.on("close", resolve));
      return s.said.startsWith("HTTP/1.1 200");
    });
  });
});

test("a server that may open hardly anything says so and does not start", OWN_SERVER, async () => {
  await withServer({}, async hs => {
    await hs.stop();
    await assert.rejects(hs.start(few(100)), /the limit of open files is 100, which is too few.*LimitNOFILE/s);
    await hs.process.exited;
    await hs.start();
  });
});

test("without any file descriptors left nothing breaks for good", OWN_SERVER, async () => {
  await withServer({ config: { limits: { workers: WORKERS } } }, async hs => {
    const { pid } = hs.process;
    const limit = n => execFileSync("prlimit", ["--pid", pid, `--nofile=${n}:`]);
    const [alice, room] = await hs.user("alice").then(async a => [a, await a.createRoom()]);
    const picture = (await upload(hs, alice, png(64, 64))).body.content_uri;
    const { next_batch } = await alice.sync();
    const before = fs.readFileSync(`/proc/${pid}/limits`, "utf8").match(/Max open files\s+(\d+)/)[1];

    limit(3);
    const waiting = await connection(hs.port);
    waiting.write("GET /_matrix/client/versions HTTP/1.1\r\nHost: x\r\n\r\n");
    await eventually("the log tells", () => count(hs, "out of file descriptors"));
    assert.match(hs.stderr, /out of file descriptors: too many files and connections are open fails="new connections wait" limit=3 help="raise LimitNOFILE/);
    const command = hs.command(["user", "list", "--config", hs.configFile]);

    // What needs no new file works on; what does is put off, not refused for good.
    await alice.say(room, "still here");
    await thumbnail(hs, alice, picture, 503);
    assert.equal((await upload(hs, alice, png(65, 65), 503)).body.errcode, "M_UNKNOWN");
    await hs.req("GET", `/_matrix/client/v1/media/download/${picture.slice(6)}`, { token: alice.token, expect: 503 });

    const [begun, used] = [uptime(), cpu(pid)];
    await eventually("a second has passed", () => uptime() > begun + 1);
    assert.ok(cpu(pid) - used < 0.3, `it used ${cpu(pid) - used} s of processor time in a second of waiting`);
    assert.equal(waiting.said, "");
    assert.ok(count(hs, "out of file descriptors") <= 2, "the log is not filled with it");

    limit(before);
    await eventually("who waited is served", () => waiting.said.startsWith("HTTP/1.1 200"));
    waiting.destroy();
    const list = await command;
    assert.equal(list.status, 0, list.stderr);
    assert.match(list.stdout, new RegExp(alice.id));
    assert.deepEqual(pictureSize((await thumbnail(hs, alice, picture)).raw), [32, 32]);
    await upload(hs, alice, png(65, 65));
    const poll = alice.sync({ since: next_batch, filter: { room: { rooms: [room], timeline: { not_types: ["m.room.message"] } } }, timeout: 20000 });
    await alice.setState(room, "m.room.topic", "", { topic: "it goes on" });
    assert.ok((await poll).rooms.join[room].timeline.events.some(e => e.type === "m.room.topic"));
    assert.equal((await hs.command(["user", "show", alice.name, "--config", hs.configFile])).status, 0);
  });
});
