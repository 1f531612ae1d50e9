// SPDX-License-Identifier: Apache-2.0
// Previews of links, against a web server of the test's own: what pages say, what must not be reached, what ends.
import assert from "node:assert/strict";
import http from "node:http";
import test, { after, before } from "node:test";
import zlib from "node:zlib";
import { E, OWN_SERVER, eventually, pictureSize, png, useServer, withServer } from "./harness.mjs";

const V1 = "/_matrix/client/v1/media";
const LISTED = { enabled: true, allowed_ranges: ["127.0.0.1"], ports: [], timeout: "2s", max_page_size: "64K", max_image_size: "200K" };
const hs = useServer({ config: { media: { previews: LISTED } } });

// ---- the web
const pages = new Map(), seen = new Map();
let port;
const web = http.createServer((rq, rs) => {
  const path = rq.url.split("?")[0];
  seen.set(path, [...(seen.get(path) ?? []), rq]);
  const page = pages.get(path);
  if (!page) { rs.writeHead(404, { "content-type": "text/html" }).end("<title>not here</title>"); return; }
  if (typeof page === "function") { page(rq, rs); return; }
  rs.writeHead(page.status ?? 200, { "content-type": "text/html", ...page.headers }).end(page.body ?? "");
});
before(() => new Promise(resolve => web.listen(0, "::", () => { port = web.address().port; resolve(); })));
after(() => { web.closeAllConnections(); web.close(); });
const at = (path, host = "127.0.0.1") => `http://${host}:${port}${path}`;
const serve = (path, page) => { pages.set(path, typeof page === "string" || Buffer.isBuffer(page) ? { body: page } : page); return at(path); };
const asked = path => (seen.get(path) ?? []).length;
const image = (path, bytes = png(60, 40), type = "image/png") => serve(path, { body: bytes, headers: { "content-type": type } });

const preview = (user, url, { s = hs, expect = 200, query = "", headers = {}, base = V1 } = {}) =>
  s.req("GET", `${base}/preview_url?url=${E(url)}${query}`, { token: user.token, expect, headers });
const fails = async (user, url, status, errcode, o = {}) => assert.equal((await preview(user, url, { ...o, expect: status })).body.errcode, errcode, url);

test("a page's own words and picture become the preview", OWN_SERVER, async () => {
  const alice = await hs.user("alice");
  image("/pic.png", png(300, 200));
  const url = serve("/og", `<html><head><title>No</title><meta property="og:title" content="A &amp; B"><meta property="og:description" content="About it">
    <meta property="og:image" content="/pic.png"><meta property="og:image:width" content="9999"><meta property="og:site_name" content="Site"><meta property="og:type" content="article">
    <meta property="og:url" content="https://example.org/og"></head>`);
  const { body } = await preview(alice, url);
  assert.match(body["og:image"], /^mxc:\/\/localhost\//);
  const { "og:image": uri, ...rest } = body;
  const stored = await hs.req("GET", `${V1}/download/${uri.slice(6)}`, { token: alice.token, expect: 200 });
  assert.ok(stored.raw.equals(png(300, 200)));
  assert.deepEqual(rest, { "og:title": "A & B", "og:description": "About it", "og:site_name": "Site", "og:type": "article", "og:url": "https://example.org/og",
    "og:image:type": "image/png", "og:image:width": 300, "og:image:height": 200, "matrix:image:size": stored.raw.length });
  const thumb = await hs.req("GET", `${V1}/thumbnail/${uri.slice(6)}?width=32&height=32&method=crop`, { token: alice.token, expect: 200 });
  assert.deepEqual(pictureSize(thumb.raw), [32, 32]);
  assert.deepEqual((await preview(alice, url, { base: "/_matrix/media/v3" })).body, body, "the deprecated endpoint says the same");
});

test("the request names this server and the client's language", OWN_SERVER, async () => {
  const alice = await hs.user("alice");
  const url = serve("/lang", (rq, rs) => rs.writeHead(200, { "content-type": "text/html" }).end(`<title>${rq.headers["accept-language"]}</title>`));
  const titleFor = async language => (await preview(alice, url, { headers: language ? { "Accept-Language": language } : {} })).body["og:title"];
  assert.equal(await titleFor(null), "en");
  assert.equal(await titleFor("de-AT,de;q=0.9,fr;q=0.5"), "de, en;q=0.5");
  assert.equal(await titleFor("en-GB"), "en");
  assert.equal(await titleFor("x\"><script>"), "en");
  assert.equal(asked("/lang"), 2, "one fetch for each language");
  assert.match(seen.get("/lang")[0].headers["user-agent"], /Ingot .*localhost/);
  assert.equal(seen.get("/lang")[0].headers.cookie, undefined);
});

test("without OpenGraph the page itself is read, and a direct file too", OWN_SERVER, async () => {
  const alice = await hs.user("alice");
  image("/largest.png", png(100, 80));
  const plain = serve("/plain", `<base href="/x/"><title>T</title><nav><p>Menu</p></nav><p>First.<p>Second.<img src="small.png" width=16 height=16><img src="/largest.png" width=100 height=80>`);
  const r = (await preview(alice, plain)).body;
  assert.deepEqual([r["og:title"], r["og:description"], r["og:image:width"]], ["T", "First. Second.", 100]);
  const text = serve("/notes.txt", { body: "Some words\nin a file", headers: { "content-type": "text/plain; charset=utf-8" } });
  assert.deepEqual((await preview(alice, text)).body, { "og:title": "notes.txt", "og:description": "Some words in a file" });
  const direct = (await preview(alice, image("/a%20cat.png", png(50, 20)))).body;
  assert.deepEqual([direct["og:title"], direct["og:image:width"], direct["og:image:height"]], ["a cat.png", 50, 20]);
  const other = serve("/video.mp4", { body: Buffer.alloc(100), headers: { "content-type": "video/mp4" } });
  assert.deepEqual((await preview(alice, other)).body, {});
});

test("pages in old character sets come out as UTF-8", OWN_SERVER, async () => {
  const alice = await hs.user("alice");
  const table = [["text/html", Buffer.from("<title>\xe4\xf6\xfc</title>", "latin1"), "äöü"], ["text/html; charset=koi8-r", Buffer.from([..."<title>"].map(c => c.charCodeAt(0)).concat([0xf0, 0xd2, 0xc9])), "При"],
    ["text/html", Buffer.concat([Buffer.from('<meta charset="shift_jis"><title>'), Buffer.from([0x93, 0xfa, 0x96, 0x7b])]), "日本"], ["text/html; charset=UTF-8", Buffer.from("<title>a\xffb"), "aÿb"],
    ["text/html; charset=utf-16", Buffer.from("\ufeff<title>ü</title>", "utf16le"), "ü"], ["text/html; charset=no-such-thing", Buffer.from("<title>ü"), "ü"]];
  for (const [i, [type, body, title]] of table.entries()) {
    assert.equal((await preview(alice, serve(`/charset${i}`, { body, headers: { "content-type": type } }))).body["og:title"], title, `${type} ${i}`);
  }
});

test("oEmbed fills what the page leaves open, by link or by a configured provider", OWN_SERVER, async () => {
  const alice = await hs.user("alice");
  image("/thumb.png", png(40, 30));
  serve("/oembed", { body: JSON.stringify({ version: "1.0", type: "video", title: "From oEmbed", provider_name: "Tube", thumbnail_url: at("/thumb.png"), width: 1.5 }), headers: { "content-type": "application/json" } });
  const page = serve("/watch", `<title>Page</title><link rel="alternate" type="application/json+oembed" href="/oembed?x=1">`);
  const r = (await preview(alice, page)).body;
  assert.deepEqual([r["og:title"], r["og:site_name"], r["og:type"], r["og:image:width"]], ["Page", "Tube", "video.other", 40]);
  await withServer({ config: { media: { previews: { ...LISTED, oembed: [{ endpoint: at("/provider"), urls: [at("/clip*")] }] } } } }, async s => {
    serve("/provider", (rq, rs) => rs.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify({ type: "rich", author_name: "Bob", html: `<blockquote><p>Said: ${new URL(rq.url, at("/")).searchParams.get("url")}</p></blockquote>` })));
    const bob = await s.user("bob");
    assert.deepEqual((await preview(bob, at("/clip?v=1&w=2"), { s })).body, { "og:title": "Bob", "og:description": `Said: ${at("/clip?v=1&w=2")}` });
    assert.equal(asked("/clip"), 0, "the provider's answer was enough");
    serve("/provider", { status: 500 });
    serve("/clip2", "<title>The page after all</title>");
    assert.equal((await preview(bob, at("/clip2"), { s })).body["og:title"], "The page after all");
  });
});

test("no private address is reached, however it is written and wherever it comes from", OWN_SERVER, async () => {
  const alice = await hs.user("alice");
  const mark = "/secret";
  serve(mark, "<title>secret</title>");
  for (const host of ["127.0.0.2", "10.0.0.1", "192.168.1.1", "172.16.0.1", "169.254.169.254", "100.64.0.1", "0.0.0.0", "[::1]", "[::]", "[::ffff:127.0.0.2]", "[::ffff:7f00:2]", "[64:ff9b::7f00:2]", "[fe80::1]", "[fd00::1]",
    "2130706434", "0177.0.0.2", "0x7f000002", "127.2", "localhost.localdomain", "ip6-localhost"]) {
    await fails(alice, at(mark, host), 502, "M_UNKNOWN");
  }
  for (const [i, to] of [at(mark, "127.0.0.2"), at(mark, "[::1]"), "http://2130706434/", "ftp://127.0.0.1/", "file:///etc/passwd"].entries()) {
    await fails(alice, serve(`/to-private${i}`, { status: 302, headers: { location: to } }), 502, "M_UNKNOWN");
  }
  serve("/page-with-private-image", `<title>T</title><meta property="og:image" content="${at("/pic.png", "127.0.0.2")}">`);
  image("/pic.png");
  assert.deepEqual((await preview(alice, at("/page-with-private-image"))).body, { "og:title": "T" });
  assert.equal(asked(mark), 0);
  assert.equal(seen.get("/pic.png")?.some(rq => rq.headers.host.startsWith("127.0.0.2")) ?? false, false);
});

test("with the defaults this machine cannot be reached by any of its names", OWN_SERVER, () => withServer({ config: { media: { previews: { enabled: true, ports: [] } } } }, async s => {
  const alice = await s.user("alice");
  serve("/here", "<title>here</title>");
  for (const host of ["127.0.0.1", "localhost", "LOCALHOST.", "sub.localhost", "[::1]", "2130706433", "017700000001", "0x7f.0.0.1", "[::ffff:127.0.0.1]"]) await fails(alice, at("/here", host), 502, "M_UNKNOWN", { s });
  assert.equal(asked("/here"), 0);
  await withServer({ config: { media: { previews: { enabled: true } } } }, async t => {
    await fails(await t.user("bob"), at("/here"), 403, "M_FORBIDDEN", { s: t }); // a port that is not on the list
  });
}));

test("ports, hosts and addresses follow the configuration, on every hop", OWN_SERVER, async () => {
  const previews = { ...LISTED, ports: [80, 443, port], url_blocklist: ["*.blocked.example", "127.0.0.1/private/*"], allowed_ranges: ["127.0.0.0/8"], blocked_ranges: ["127.0.0.3"] };
  await withServer({ config: { media: { previews } } }, async s => {
    const alice = await s.user("alice");
    serve("/private/page", "<title>no</title>");
    serve("/open", "<title>yes</title>");
    assert.equal((await preview(alice, at("/open", "127.0.0.2"), { s })).body["og:title"], "yes");
    await fails(alice, at("/open", "127.0.0.3"), 502, "M_UNKNOWN", { s });
    await fails(alice, "https://www.Blocked.example/", 403, "M_FORBIDDEN", { s });
    await fails(alice, "https://www.blocked.example./", 403, "M_FORBIDDEN", { s });
    await fails(alice, "https://www.%62locked.example/", 403, "M_FORBIDDEN", { s });
    await fails(alice, at("/private/page"), 403, "M_FORBIDDEN", { s });
    await fails(alice, "http://127.0.0.1:1/", 403, "M_FORBIDDEN", { s });
    await fails(alice, serve("/hop", { status: 301, headers: { location: "/private/page" } }), 502, "M_UNKNOWN", { s });
    assert.equal(asked("/private/page"), 0);
    s.editConfig(c => { c.media.previews.url_allowlist = ["good.example"]; });
    s.process.kill("SIGHUP");
    await eventually("the allowlist is in force", async () => (await preview(alice, at("/open", "127.0.0.2"), { s, expect: null })).status === 403);
  });
});

test("what is endless, slow, broken or a lie ends soon and costs little", OWN_SERVER, async () => {
  const alice = await hs.user("alice");
  const endless = serve("/endless", (rq, rs) => {
    rs.writeHead(200, { "content-type": "text/html" });
    rs.write("<title>Endless</title>");
    const more = () => { while (!rs.destroyed && rs.write("<p>more and more".repeat(1000))); };
    rs.on("drain", more);
    more();
  });
  assert.equal((await preview(alice, endless)).body["og:title"], "Endless", "the beginning is enough");
  const slow = serve("/slow", () => {});
  const begin = Date.now();
  await fails(alice, slow, 502, "M_UNKNOWN");
  const drip = serve("/drip", (rq, rs) => {
    rs.writeHead(200, { "content-type": "text/html" });
    const timer = setInterval(() => rs.write("<p>"), 50);
    rs.on("close", () => clearInterval(timer));
  });
  await fails(alice, drip, 502, "M_UNKNOWN");
  assert.ok(Date.now() - begin < 15000);
  await fails(alice, serve("/loop", { status: 302, headers: { location: "/loop" } }), 502, "M_UNKNOWN");
  assert.ok(asked("/loop") < 10);
  await fails(alice, serve("/lie", (rq, rs) => { rs.writeHead(200, { "content-type": "text/html", "content-length": 5000 }); rs.write("<title>short"); setTimeout(() => rs.destroy(), 20); }), 502, "M_UNKNOWN");
  await fails(alice, at("/missing"), 502, "M_UNKNOWN");
  const bomb = zlib.gzipSync(Buffer.concat([Buffer.from("<title>unpacked</title>"), Buffer.alloc(50 << 20)]));
  assert.equal((await preview(alice, serve("/bomb", { body: bomb, headers: { "content-encoding": "gzip" } }))).body["og:title"], "unpacked", "no more of it than a page may have");
  const large = image("/large.png", Buffer.concat([png(10, 10), Buffer.alloc(300 << 10)]));
  serve("/with-large", `<title>L</title><meta property=og:image content="${large}">`);
  assert.deepEqual((await preview(alice, at("/with-large"))).body, { "og:title": "L" }, "too large a picture is left out");
  const fake = image("/fake.png", Buffer.from("<script>alert(1)</script>"));
  serve("/with-fake", `<title>F</title><meta property=og:image content="${fake}">`);
  assert.deepEqual((await preview(alice, at("/with-fake"))).body, { "og:title": "F" }, "what is no picture is left out");
  for (const [i, html] of ["", "<", "\0\0\0", "<b>".repeat(20000), "<table>".repeat(5000), "<p>".repeat(20000), "<!--", "<title>" + "x".repeat(60000), "&#x110000;&#xd800;&lt".repeat(1000)].entries()) {
    await preview(alice, serve(`/broken${i}`, html));
  }
});

test("pages and pictures that come compressed without being asked for are read", OWN_SERVER, async () => {
  const alice = await hs.user("alice");
  const codings = { gzip: zlib.gzipSync, "x-gzip": zlib.gzipSync, GZIP: zlib.gzipSync, deflate: zlib.deflateSync, br: zlib.brotliCompressSync };
  for (const [coding, pack] of Object.entries(codings)) {
    const picture = serve(`/packed-${coding}.png`, { body: pack(png(80, 70)), headers: { "content-type": "image/png", "content-encoding": coding } });
    const page = Buffer.from(`<title>${coding}</title><meta property=og:image content="${picture}">`);
    const { body } = await preview(alice, serve(`/packed-${coding}`, { body: pack(page), headers: { "content-encoding": coding } }));
    assert.equal(body["og:title"], coding);
    assert.deepEqual([body["og:image:width"], body["og:image:height"]], [80, 70], coding);
  }
  await fails(alice, serve("/not-packed", { body: Buffer.from("<title>plain</title>"), headers: { "content-encoding": "gzip" } }), 502, "M_UNKNOWN");
  assert.deepEqual((await preview(alice, serve("/unknown-coding", { body: Buffer.from("x"), headers: { "content-encoding": "rot13" } }))).body, {});
});

test("many who ask at once cost one fetch, and failures are remembered", OWN_SERVER, async () => {
  const [alice, bob] = await hs.users("alice", "bob");
  let release;
  const held = new Promise(resolve => { release = resolve; });
  const url = serve("/popular", async (rq, rs) => { await held; rs.writeHead(200, { "content-type": "text/html" }).end("<title>Popular</title>"); });
  const answers = [...Array(20)].map((_, i) => preview(i % 2 ? alice : bob, url));
  await eventually("all wait", async () => Number(/^ingot_http_parked (\d+)$/m.exec((await hs.req("GET", "/metrics", { expect: 200 })).raw.toString())[1]) >= 20);
  release();
  for (const r of await Promise.all(answers)) assert.deepEqual(r.body, { "og:title": "Popular" });
  assert.equal(asked("/popular"), 1);
  for (let i = 0; i < 3; i++) await fails(alice, at("/gone"), 502, "M_UNKNOWN");
  assert.equal(asked("/gone"), 1);
  await hs.restart();
  await preview(await hs.login(alice.name, alice.password), url);
  assert.equal(asked("/popular"), 1, "the database remembers");
});

test("a preview is kept for the time that the page allows, whatever time is asked for", OWN_SERVER, async () => {
  const alice = await hs.user("alice");
  let n = 0;
  const url = serve("/news", (rq, rs) => rs.writeHead(200, { "content-type": "text/html", "cache-control": "max-age=7200" }).end(`<title>News ${++n}</title>`));
  for (let i = 0; i < 2; i++) assert.equal((await preview(alice, url)).body["og:title"], "News 1");
  for (const ts of [0, Date.now(), Date.now() + 3600000]) assert.equal((await preview(alice, url, { query: `&ts=${ts}` })).body["og:title"], "News 1");
  assert.equal(n, 1);
});

test("the server stops while previews are being made", OWN_SERVER, () => withServer({ config: { media: { previews: LISTED } } }, async s => {
  const alice = await s.user("alice");
  const waiting = preview(alice, serve("/never", () => {}), { s, expect: 503 });
  await eventually("the page was asked for", () => asked("/never") === 1);
  await s.restart();
  assert.equal((await waiting).body.errcode, "M_UNKNOWN");
  await fails(alice, at("/never"), 502, "M_UNKNOWN", { s });
}));

test("bad requests, and servers that make no previews", OWN_SERVER, async () => {
  const alice = await hs.user("alice");
  await hs.fails(401, "M_MISSING_TOKEN", "GET", `${V1}/preview_url?url=${E(at("/"))}`);
  await hs.fails(400, "M_MISSING_PARAM", "GET", `${V1}/preview_url`, { token: alice.token });
  await fails(alice, at("/"), 400, "M_INVALID_PARAM", { query: "&ts=yesterday" });
  for (const url of ["", "example.org", "ftp://example.org/", "file:///etc/passwd", "http://", "http://user:pw@127.0.0.1/", "javascript:1", `http://127.0.0.1/${"x".repeat(5000)}`]) {
    await fails(alice, url, 400, "M_INVALID_PARAM");
  }
  await withServer({}, async s => {
    const bob = await s.user("bob");
    await fails(bob, at("/og"), 404, "M_UNRECOGNIZED", { s });
    await fails(bob, at("/og"), 404, "M_UNRECOGNIZED", { s, base: "/_matrix/media/v3" });
  });
});

test("previews have a rate of their own", OWN_SERVER, () => withServer({ config: { media: { previews: LISTED }, rate_limits: { enabled: true, preview: { per_second: 0.01, burst: 2 } } } }, async s => {
  const alice = await s.user("alice");
  const url = serve("/rated", "<title>R</title>");
  assert.deepEqual([(await preview(alice, url, { s })).status, (await preview(alice, url, { s })).status], [200, 200]);
  const r = await preview(alice, url, { s, expect: 429 });
  assert.equal(r.body.errcode, "M_LIMIT_EXCEEDED");
}));
