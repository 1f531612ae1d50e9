// SPDX-License-Identifier: Apache-2.0
// Media: uploads at once and later, downloads, ranges of safe types, thumbnails, limits.
import assert from "node:assert/strict";
import crypto from "node:crypto";
import fs from "node:fs";
import path from "node:path";
import test from "node:test";
import { E, EXTERNAL, OWN_SERVER, THRIFTY, eventually, pictureSize, png, useServer, withServer } from "./harness.mjs";

const hs = useServer();
const V1 = "/_matrix/client/v1/media";
const upload = (u, body, type = "text/plain", name = "", expect = 200) => hs.req("POST", `/_matrix/media/v3/upload${name ? `?filename=${E(name)}` : ""}`, { token: u.token, body, type, expect });
const fetchIt = (u, uri, { name = "", query = "", expect = 200, kind = "download" } = {}) => hs.req("GET", `${V1}/${kind}/${uri.slice(6)}${name && `/${E(name)}`}${query && `?${query}`}`, { token: u?.token, expect });

test("what is uploaded comes back byte for byte, with its type and name", async () => {
  const [alice, bob] = await hs.users("alice", "bob");
  for (const size of [0, 1, 4096, 1 << 20, 5 << 20]) {
    const bytes = crypto.randomBytes(size);
    const { content_uri } = (await upload(alice, bytes, "application/octet-stream", "datei ü.bin")).body;
    assert.match(content_uri, /^mxc:\/\/localhost\/[A-Za-z0-9_-]+$/);
    const r = await fetchIt(bob, content_uri);
    assert.ok(r.raw.equals(bytes), `${size} bytes differ`);
    assert.equal(r.headers["content-type"], "application/octet-stream");
    assert.match(r.headers["content-disposition"], /^attachment/);
    assert.match(r.headers["content-disposition"], /filename\*=(utf-8|UTF-8)''datei%20%c3%bc\.bin/i);
  }
});

test("the old names of the configuration and of downloads: the one works, the other is frozen", async () => {
  const alice = await hs.user("alice");
  const { content_uri } = (await upload(alice, "x")).body;
  const config = path => hs.req("GET", path, { token: alice.token, expect: 200 });
  assert.deepEqual((await config("/_matrix/media/v3/config")).body, (await config(`${V1}/config`)).body);
  for (const token of [undefined, alice.token]) await hs.fails(404, "M_NOT_FOUND", "GET", `/_matrix/media/v3/download/${content_uri.slice(6)}`, { token });
});

test("the headers keep browsers from running what strangers uploaded", async () => {
  const alice = await hs.user("alice");
  const table = { "image/png": "inline", "text/plain": "inline", "video/mp4": "inline", "text/html": "attachment", "image/svg+xml": "attachment", "application/javascript": "attachment" };
  for (const [type, disposition] of Object.entries(table)) {
    const { content_uri } = (await upload(alice, Buffer.from("<script>alert(1)</script>"), type)).body;
    const { headers } = await fetchIt(alice, content_uri);
    assert.match(headers["content-disposition"], new RegExp(`^${disposition}`), type);
    assert.match(headers["content-security-policy"], /sandbox/);
    assert.match(headers["content-security-policy"], /default-src 'none'/);
    assert.equal(headers["cross-origin-resource-policy"], "cross-origin");
    assert.equal(headers["access-control-allow-origin"], "*");
    if (!EXTERNAL) assert.equal(headers["x-content-type-options"], "nosniff");
  }
});

test("the file name in the path overrides the uploaded one", async () => {
  const alice = await hs.user("alice");
  const { content_uri } = (await upload(alice, Buffer.from("x"), "text/plain", "a.txt")).body;
  assert.match((await fetchIt(alice, content_uri)).headers["content-disposition"], /filename="?a\.txt/);
  assert.match((await fetchIt(alice, content_uri, { name: "b.txt" })).headers["content-disposition"], /filename="?b\.txt/);
  const evil = await fetchIt(alice, content_uri, { name: "a\"b\r\nX-Evil: 1" });
  assert.equal(evil.headers["x-evil"], undefined);
});

test("media need a token and an existing id", async () => {
  const alice = await hs.user("alice");
  const { content_uri } = (await upload(alice, Buffer.from("x"))).body;
  const r = await fetchIt(null, content_uri, { expect: 401 });
  assert.equal(r.body.errcode, "M_MISSING_TOKEN");
  await hs.fails(401, "M_MISSING_TOKEN", "POST", "/_matrix/media/v3/upload", { body: Buffer.from("x") });
  await hs.fails(404, "M_NOT_FOUND", "GET", `${V1}/download/localhost/nosuchmedia`, { token: alice.token });
  for (const evil of ["..%2f..%2fetc%2fpasswd", "%2e%2e", "a%00b", "x".repeat(5000)]) {
    const e = await hs.req("GET", `${V1}/download/localhost/${evil}`, { token: alice.token });
    assert.ok(e.status >= 400 && e.status < 500, `${evil}: ${e.status}`);
  }
});

test("media stored before the freeze are served without a token, those after it are not", OWN_SERVER, async () => {
  await withServer({ config: { media: { freeze_unauthenticated: false } } }, async s => {
    const alice = await s.user("alice");
    const put = async () => (await s.req("POST", "/_matrix/media/v3/upload", { token: alice.token, body: png(64, 64), type: "image/png", expect: 200 })).body.content_uri.slice(6);
    const targets = id => [`download/${id}`, `download/${id}/p.png`, `thumbnail/${id}?width=32&height=32&method=crop`];
    const before = await put();
    const created = (await s.req("POST", "/_matrix/media/v1/create", { token: alice.token, expect: 200 })).body.content_uri.slice(6);
    for (const t of targets(before)) await s.req("GET", `/_matrix/media/v3/${t}`, { expect: 200 });
    await s.fails(504, "M_NOT_YET_UPLOADED", "GET", `/_matrix/media/v3/download/${created}?timeout_ms=0`);
    s.editConfig(c => { c.media.freeze_unauthenticated = true; });
    await s.restart();
    const after = await put();
    await s.req("PUT", `/_matrix/media/v3/upload/${created}`, { token: alice.token, body: Buffer.from("late"), type: "text/plain", expect: 200 });
    for (const t of targets(before)) await s.req("GET", `/_matrix/media/v3/${t}`, { expect: 200 });
    for (const t of [...targets(after), `download/${created}`]) {
      await s.fails(404, "M_NOT_FOUND", "GET", `/_matrix/media/v3/${t}`);
      await s.req("GET", `/_matrix/client/v1/media/${t}`, { token: alice.token, expect: 200 });
    }
  });
});

test("a user has so much room for uploads, in bytes and in files", OWN_SERVER, async () => {
  await withServer({ config: { media: { user_quota: 1000, user_quota_files: 3 } } }, async s => {
    const [alice, bob] = await s.users("alice", "bob");
    const put = (u, n) => s.req("POST", "/_matrix/media/v3/upload", { token: u.token, body: crypto.randomBytes(n) });
    assert.equal((await put(alice, 600)).status, 200);
    await s.fails(403, "M_FORBIDDEN", "POST", "/_matrix/media/v3/upload", { token: alice.token, body: crypto.randomBytes(401) });
    assert.equal((await put(alice, 400)).status, 200);
    await s.fails(403, "M_FORBIDDEN", "POST", "/_matrix/media/v3/upload", { token: alice.token, body: Buffer.from("x") });
    const ids = [];
    for (let i = 0; i < 3; i++) {
      const c = await s.req("POST", "/_matrix/media/v1/create", { token: bob.token, expect: 200 });
      ids.push(c.body.content_uri.slice(6));
    }
    assert.deepEqual([(await put(bob, 1)).status, (await put(bob, 1)).status, (await put(bob, 1)).status], [200, 200, 200]);
    await s.fails(403, "M_FORBIDDEN", "POST", "/_matrix/media/v1/create", { token: bob.token });
    await s.fails(403, "M_FORBIDDEN", "PUT", `/_matrix/media/v3/upload/${ids[0]}`, { token: bob.token, body: Buffer.from("x") });
    s.editConfig(c => { c.media.quota_info_url = "https://example.org/room?for=more&\"quoted\""; });
    s.process.kill("SIGHUP");
    await eventually("the refusal names the page", async () => {
      const r = await put(alice, 1);
      assert.equal(r.status, 403);
      return r.body.errcode === "M_USER_LIMIT_EXCEEDED" && r.body.info_uri === 'https://example.org/room?for=more&"quoted"';
    });
  });
});

test("create first, upload later: not there yet, then there, and only once", async () => {
  const [alice, bob] = await hs.users("alice", "bob");
  const c = (await hs.req("POST", "/_matrix/media/v1/create", { token: alice.token, body: {}, expect: 200 })).body;
  assert.ok(c.unused_expires_at > Date.now());
  const id = c.content_uri.slice(6), put = `/_matrix/media/v3/upload/${id}`;
  const early = await fetchIt(bob, c.content_uri, { query: "timeout_ms=0", expect: 504 });
  assert.equal(early.body.errcode, "M_NOT_YET_UPLOADED");
  for (const o of [{ name: "late.txt", query: "timeout_ms=0" }, { kind: "thumbnail", query: "timeout_ms=0&width=8&height=8" }]) {
    assert.equal((await fetchIt(bob, c.content_uri, { ...o, expect: 504 })).body.errcode, "M_NOT_YET_UPLOADED");
  }
  await hs.fails(403, "M_FORBIDDEN", "PUT", put, { token: bob.token, body: Buffer.from("evil"), type: "text/plain" });
  const waiting = fetchIt(bob, c.content_uri, { query: "timeout_ms=20000" });
  await hs.req("PUT", `${put}?filename=late.txt`, { token: alice.token, body: Buffer.from("late"), type: "text/plain", expect: 200 });
  const late = await waiting;
  assert.equal(late.raw.toString(), "late");
  assert.match(late.headers["content-disposition"], /filename=late\.txt/);
  await hs.fails(409, "M_CANNOT_OVERWRITE_MEDIA", "PUT", put, { token: alice.token, body: Buffer.from("again"), type: "text/plain" });
  assert.equal((await fetchIt(bob, c.content_uri)).raw.toString(), "late");
});

test("the limit is told and enforced", OWN_SERVER, async () => {
  await withServer({ config: { media: { max_upload_size: 1000000 } } }, async s => {
    const alice = await s.user("alice");
    const c = (await s.req("GET", `${V1}/config`, { token: alice.token, expect: 200 })).body;
    assert.equal(c["m.upload.size"], 1000000);
    await s.fails(413, "M_TOO_LARGE", "POST", "/_matrix/media/v3/upload", { token: alice.token, body: Buffer.alloc(1000001), type: "image/png" });
    await s.req("POST", "/_matrix/media/v3/upload", { token: alice.token, body: Buffer.alloc(1000000), type: "image/png", expect: 200 });
    const later = (await s.req("POST", "/_matrix/media/v1/create", { token: alice.token, body: {}, expect: 200 })).body.content_uri.slice(6);
    await s.fails(413, "M_TOO_LARGE", "PUT", `/_matrix/media/v3/upload/${later}`, { token: alice.token, body: Buffer.alloc(1000001), type: "image/png" });
    await s.fails(401, "M_MISSING_TOKEN", "GET", `${V1}/config`);
  });
});

test("moving pictures move in a thumbnail only if that is asked for", async () => {
  const alice = await hs.user("alice"), gif = fs.readFileSync(new URL("../fixtures/pictures/moving.gif", import.meta.url));
  const { content_uri } = (await upload(alice, gif, "image/gif")).body;
  const frames = async animated => (await fetchIt(alice, content_uri, { kind: "thumbnail", query: `width=16&height=16&animated=${animated}` })).raw.toString("latin1").split("ANMF").length - 1;
  assert.ok(await frames(true) > 1);
  assert.equal(await frames(false), 0);
});

test("a picture with more pixels than the limit gets no thumbnail", OWN_SERVER, async () => {
  await withServer({ config: { media: { max_pixels: 1000 } } }, async s => {
    const alice = await s.user("alice");
    const { content_uri } = (await s.req("POST", "/_matrix/media/v3/upload", { token: alice.token, body: png(64, 64), type: "image/png", expect: 200 })).body;
    await s.fails(413, "M_TOO_LARGE", "GET", `${V1}/thumbnail/${content_uri.slice(6)}?width=8&height=8`, { token: alice.token });
  });
});

test("the same bytes twice are stored once", OWN_SERVER, async () => {
  const alice = await hs.user("alice");
  const bytes = crypto.randomBytes(3 << 20);
  const used = () => fs.readdirSync(hs.dir, { recursive: true, withFileTypes: true }).filter(f => f.isFile() && !/sqlite|\.db|wal|shm/.test(f.name)).reduce((n, f) => n + fs.statSync(path.join(f.parentPath ?? f.path, f.name)).size, 0);
  const a = (await upload(alice, bytes)).body.content_uri;
  const one = used();
  const b = (await upload(alice, bytes)).body.content_uri;
  assert.notEqual(a, b);
  assert.ok(used() - one < bytes.length / 2, "a second copy on disk");
  assert.ok((await fetchIt(alice, b)).raw.equals(bytes));
});

test("thumbnails: crop and scale, safe types only, never larger than the picture", async () => {
  const alice = await hs.user("alice");
  const { content_uri } = (await upload(alice, png(600, 400), "image/png", "p.png")).body;
  const thumb = (w, h, method, expect = 200) => fetchIt(alice, content_uri, { kind: "thumbnail", query: `width=${w}&height=${h}&method=${method}`, expect });
  const scaled = await thumb(320, 240, "scale");
  assert.match(scaled.headers["content-type"], /^image\/(png|jpeg|webp)$/);
  assert.match(scaled.headers["content-disposition"] ?? "inline", /^inline/);
  const [w, h] = pictureSize(scaled.raw);
  assert.ok(w >= 320 || h >= 240, `${w}×${h}`);
  assert.ok(Math.abs(w / h - 1.5) < 0.02, "scaling keeps the proportions");
  const crop = pictureSize((await thumb(96, 96, "crop")).raw);
  assert.ok(Math.abs(crop[0] / crop[1] - 1) < 0.02 && crop[0] >= 96, `${crop}`);
  const small = (await upload(alice, png(20, 20), "image/png")).body.content_uri;
  const [sw] = pictureSize((await fetchIt(alice, small, { kind: "thumbnail", query: "width=800&height=600&method=scale" })).raw);
  assert.equal(sw, 20, "no enlarging");
  for (const bad of ["width=0&height=10", "width=-5&height=10", "width=10", "width=x&height=y", "width=10&height=10&method=twirl"]) {
    const r = await hs.req("GET", `${V1}/thumbnail/${content_uri.slice(6)}?${bad}`, { token: alice.token });
    assert.equal(r.status, 400, `${bad}: ${r.status}`);
  }
});

test("what is no picture has no thumbnail, and a hostile one does no harm", async () => {
  const alice = await hs.user("alice");
  const bombs = [Buffer.from("not a picture"), png(64, 64).subarray(0, 60), Buffer.concat([png(8, 8).subarray(0, 16), Buffer.from("7fffffff7fffffff", "hex"), png(8, 8).subarray(24)]), crypto.randomBytes(2000)];
  for (const bytes of bombs) {
    const { content_uri } = (await upload(alice, bytes, "image/png")).body;
    const r = await fetchIt(alice, content_uri, { kind: "thumbnail", query: "width=32&height=32&method=scale", expect: null });
    if (r.status === 200) { assert.ok(pictureSize(r.raw)); continue; } // what is left of a cut picture
    assert.ok(r.status >= 400 && r.status < 500, `${r.status}`);
    assert.equal(typeof r.body.errcode, "string");
  }
  await alice.get("/account/whoami");
});

test("uploads survive a restart, thumbnails too", OWN_SERVER, async () => {
  const alice = await hs.user("alice");
  const bytes = png(200, 200);
  const { content_uri } = (await upload(alice, bytes, "image/png")).body;
  await hs.restart();
  assert.ok((await fetchIt(alice, content_uri)).raw.equals(bytes));
  await fetchIt(alice, content_uri, { kind: "thumbnail", query: "width=32&height=32&method=crop" });
});

test("an upload that breaks off leaves nothing behind", OWN_SERVER, async () => {
  const alice = await hs.user("alice");
  const { rawExchange } = await import("./harness.mjs");
  const files = () => fs.readdirSync(hs.dir, { recursive: true }).length;
  await upload(alice, Buffer.from("warm up"));
  const before = files();
  for (let i = 0; i < 5; i++) {
    await rawExchange(hs.port, [`POST /_matrix/media/v3/upload HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${alice.token}\r\nContent-Type: image/png\r\nContent-Length: 10000000\r\n\r\n`, Buffer.alloc(1000000)], { halfClose: true });
  }
  await eventually("temporary files are removed", () => files() <= before);
});

test("large files stream: the server's memory does not grow by their size", OWN_SERVER, () => withServer(THRIFTY, async s => {
  const alice = await s.user("alice");
  const rss = () => Number(/VmRSS:\s+(\d+)/.exec(fs.readFileSync(`/proc/${s.process.pid}/status`, "utf8"))[1]);
  const put = body => s.req("POST", "/_matrix/media/v3/upload", { token: alice.token, body, type: "video/mp4", expect: 200 });
  const bytes = crypto.randomBytes(45 << 20);
  await put(bytes.subarray(0, 1 << 20));
  const before = rss();
  let most = 0;
  const watch = setInterval(() => { most = Math.max(most, rss()); }, 5);
  const { content_uri } = (await put(bytes)).body;
  const back = await s.req("GET", `${V1}/download/${content_uri.slice(6)}`, { token: alice.token, expect: 200 });
  assert.ok(back.raw.equals(bytes));
  clearInterval(watch);
  assert.ok(most - before < 20 * 1024, `${before} KiB grew to ${most} KiB`);
}));

test("one range of a file can be asked for, and what a browser has is not sent again", async () => {
  const alice = await hs.user("alice");
  const { content_uri } = (await upload(alice, Buffer.from("0123456789"))).body;
  const get = headers => hs.req("GET", `${V1}/download/${content_uri.slice(6)}`, { token: alice.token, headers });
  const table = [["bytes=2-4", 206, "234", "bytes 2-4/10"], ["bytes=7-", 206, "789", "bytes 7-9/10"], ["bytes=-3", 206, "789", "bytes 7-9/10"], ["bytes=0-1,3-4", 200, "0123456789"], ["bytes=x", 200, "0123456789"]];
  for (const [range, status, text, where] of table) {
    const r = await get({ Range: range });
    assert.deepEqual([r.status, r.raw.toString(), r.headers["content-range"]], [status, text, where], range);
  }
  const past = await get({ Range: "bytes=10-" });
  assert.deepEqual([past.status, past.headers["content-range"]], [416, "bytes */10"]);
  const { etag } = (await get({})).headers;
  assert.equal((await get({ Range: "bytes=2-4", "If-Range": etag })).status, 206);
  assert.equal((await get({ Range: "bytes=2-4", "If-Range": '"other"' })).status, 200);
  const known = await get({ "If-None-Match": `"other", ${etag}` });
  assert.deepEqual([known.status, known.raw.length], [304, 0]);
});

test("a user may have so many created ids waiting, and no more", OWN_SERVER, async () => {
  await withServer({ config: { media: { max_pending_uploads: 2 } } }, async s => {
    const [alice, bob] = await s.users("alice", "bob");
    const create = u => s.req("POST", "/_matrix/media/v1/create", { token: u.token });
    const first = await create(alice);
    assert.deepEqual([first.status, (await create(alice)).status], [200, 200]);
    await s.fails(429, "M_LIMIT_EXCEEDED", "POST", "/_matrix/media/v1/create", { token: alice.token });
    assert.equal((await create(bob)).status, 200);
    await s.req("PUT", `/_matrix/media/v3/upload/${first.body.content_uri.slice(6)}`, { token: alice.token, body: Buffer.from("x"), expect: 200 });
    assert.equal((await create(alice)).status, 200);
  });
});

test("an upload goes only to an id of this server that was created", async () => {
  const alice = await hs.user("alice");
  const put = id => ["PUT", `/_matrix/media/v3/upload/${id}`, { token: alice.token, body: Buffer.from("x") }];
  await hs.fails(404, "M_NOT_FOUND", ...put("localhost/nosuchid"));
  await hs.fails(404, "M_NOT_FOUND", ...put("elsewhere.example/nosuchid"));
  const { content_uri } = (await upload(alice, Buffer.from("x"))).body;
  await hs.fails(409, "M_CANNOT_OVERWRITE_MEDIA", ...put(content_uri.slice(6)));
});

test("many wait for one upload, for the file and for its thumbnail", async () => {
  const [alice, bob] = await hs.users("alice", "bob");
  const { content_uri } = (await hs.req("POST", "/_matrix/media/v1/create", { token: alice.token, expect: 200 })).body;
  const waiting = [...Array(10)].flatMap(() => [fetchIt(bob, content_uri, { name: "n.png" }), fetchIt(bob, content_uri, { kind: "thumbnail", query: "width=32&height=32&method=crop" })]);
  const bytes = png(100, 100);
  await hs.req("PUT", `/_matrix/media/v3/upload/${content_uri.slice(6)}`, { token: alice.token, body: bytes, type: "image/png", expect: 200 });
  for (const [i, r] of (await Promise.all(waiting)).entries()) {
    assert.match(r.headers["content-disposition"], i % 2 ? /^inline; filename=thumbnail/ : /^inline; filename=n\.png/);
    assert.ok(i % 2 ? pictureSize(r.raw)[0] === 32 : r.raw.equals(bytes));
  }
});

test("who waits for an upload is answered when the time is up or the server stops", OWN_SERVER, async () => {
  const alice = await hs.user("alice");
  const { content_uri } = (await hs.req("POST", "/_matrix/media/v1/create", { token: alice.token, expect: 200 })).body;
  const start = Date.now();
  assert.equal((await fetchIt(alice, content_uri, { query: "timeout_ms=300", expect: 504 })).body.errcode, "M_NOT_YET_UPLOADED");
  assert.ok(Date.now() - start >= 290);
  const waiting = fetchIt(alice, content_uri, { expect: 504 });
  await eventually("it waits", async () => /^ingot_http_parked 1$/m.test((await hs.req("GET", "/metrics", { expect: 200 })).raw.toString()));
  await hs.restart();
  assert.equal((await waiting).body.errcode, "M_NOT_YET_UPLOADED");
});

test("what was acknowledged is there after kill -9", OWN_SERVER, async () => {
  await withServer({}, async s => {
    const alice = await s.user("alice");
    const kept = new Map();
    const send = async () => {
      for (;;) {
        const bytes = crypto.randomBytes(1 + Math.floor(Math.random() * 200000));
        const r = await s.req("POST", "/_matrix/media/v3/upload", { token: alice.token, body: bytes, type: "image/png" });
        if (r.status === 200) kept.set(r.body.content_uri, bytes);
      }
    };
    for (let round = 0; round < 3; round++) {
      const senders = [...Array(4)].map(() => send().catch(() => {}));
      const had = kept.size;
      await eventually("some are stored", () => kept.size > had + 10);
      await s.kill9();
      await Promise.all(senders);
      await s.start();
      for (const [uri, bytes] of kept) {
        const r = await s.req("GET", `${V1}/download/${uri.slice(6)}`, { token: alice.token, expect: 200 });
        assert.ok(r.raw.equals(bytes));
      }
    }
  });
});

test("an animation stays one only where that is asked for", OWN_SERVER, async () => {
  const alice = await hs.user("alice");
  const fixture = name => fs.readFileSync(new URL(`../fixtures/pictures/${name}`, import.meta.url));
  const uri = (await upload(alice, fixture("moving.gif"), "image/gif")).body.content_uri;
  const still = (await upload(alice, fixture("photo.jpg"), "image/jpeg")).body.content_uri;
  const thumb = async (of, query) => (await fetchIt(alice, of, { kind: "thumbnail", query: `width=32&height=32&${query}` }));
  const isAnimated = r => r.headers["content-type"] === "image/webp" && r.raw.includes("ANIM");
  for (const method of ["crop", "scale"]) {
    assert.ok(isAnimated(await thumb(uri, `method=${method}&animated=true`)), method);
    for (const query of ["animated=false", ""]) assert.ok(!isAnimated(await thumb(uri, `method=${method}&${query}`)), `${method} ${query}`);
    assert.match((await thumb(still, `method=${method}&animated=true`)).headers["content-type"], /image\/(jpeg|png)/);
  }
  await hs.fails(400, "M_INVALID_PARAM", "GET", `${V1}/thumbnail/${uri.slice(6)}?width=32&height=32&animated=perhaps`, { token: alice.token });
});

test("one person's many large pictures do not hold up another's", OWN_SERVER, () => withServer({ config: { media: { thumbnailers: 1 } } }, async s => {
  const [alice, bob] = await s.users("alice", "bob");
  const large = png(3000, 3000);
  const put = async (who, bytes) => (await s.req("POST", "/_matrix/media/v3/upload", { token: who.token, body: bytes, type: "image/png", expect: 200 })).body.content_uri;
  const done = [];
  const thumb = (who, name, uri) => s.req("GET", `${V1}/thumbnail/${uri.slice(6)}?width=32&height=32&method=crop`, { token: who.token, expect: 200 }).then(() => done.push(name));
  const uris = [];
  for (let i = 0; i < 8; i++) uris.push(await put(alice, Buffer.concat([large, Buffer.from([i])])));
  const small = await put(bob, png(40, 40));
  const alices = uris.map((uri, i) => thumb(alice, `alice ${i}`, uri));
  await Promise.race(alices);
  await thumb(bob, "bob", small);
  await Promise.all(alices);
  assert.notEqual(done.at(-1), "bob", done.join(", "));
}));

test("thumbnails that cannot be made, or not yet, say so", OWN_SERVER, () => withServer({ config: { media: { max_pixels: 10000, max_upload_size: 100000 } } }, async s => {
  const alice = await s.user("alice");
  const put = async (body, type) => (await s.req("POST", "/_matrix/media/v3/upload", { token: alice.token, body, type, expect: 200 })).body.content_uri.slice(6);
  const created = (await s.req("POST", "/_matrix/media/v1/create", { token: alice.token, expect: 200 })).body.content_uri.slice(6);
  const refused = (status, errcode, id) => s.fails(status, errcode, "GET", `${V1}/thumbnail/${id}?width=32&height=32&timeout_ms=0`, { token: alice.token });
  await refused(413, "M_TOO_LARGE", await put(png(200, 100), "image/png"));
  await refused(400, "M_UNKNOWN", await put(Buffer.from("no picture"), "image/png"));
  await refused(504, "M_NOT_YET_UPLOADED", created);
  await s.fails(413, "M_TOO_LARGE", "PUT", `/_matrix/media/v3/upload/${created}`, { token: alice.token, body: Buffer.alloc(100001), type: "image/png" });
}));

test("a created id is gone when its time is over", OWN_SERVER, () => withServer({ config: { media: { unused_expiry: "60s" } }, }, async s => {
  const alice = await s.user("alice");
  const { body } = await s.req("POST", "/_matrix/media/v1/create", { token: alice.token, expect: 200 });
  const lifetime = body.unused_expires_at - Date.now();
  assert.ok(lifetime > 50000 && lifetime <= 60000, `${lifetime}`);
}));
