// SPDX-License-Identifier: Apache-2.0
// One connection of the adversary's, plain or TLS, and what came back on it.
import net from "node:net";
import tls from "node:tls";
import { PATIENCE } from "../api/harness.mjs";

const delay = () => new Promise(resolve => setImmediate(resolve));

/** The answers in a stream of bytes; `heads` says which of them have no body because HEAD was asked. */
export function answersOf(bytes, heads = []) {
  const out = [];
  let rest = bytes;
  for (;;) {
    const end = rest.indexOf("\r\n\r\n");
    const line = /^HTTP\/1\.1 (\d{3}) /.exec(rest.subarray(0, 20).toString("latin1"));
    if (!line || end < 0) return { answers: out, rest };
    const length = Number(/\r\nContent-Length: (\d+)/i.exec(rest.subarray(0, end).toString("latin1"))?.[1] ?? 0);
    const n = end + 4 + (heads[out.length] ? 0 : length);
    if (rest.length < n) return { answers: out, rest };
    out.push({ status: Number(line[1]), closes: /\r\nConnection: close/i.test(rest.subarray(0, end).toString("latin1")) });
    rest = rest.subarray(n);
  }
}

/** Connects; resolves when bytes can be sent. */
export function connect({ port, secure }) {
  return new Promise((resolve, reject) => {
    const o = { port, host: "127.0.0.1", allowHalfOpen: true };
    const s = secure ? tls.connect({ ...o, rejectUnauthorized: false, ALPNProtocols: ["http/1.1"] }) : net.connect(o);
    s.setNoDelay(true);
    s.received = Buffer.alloc(0);
    s.ended = new Promise(done => { for (const e of ["end", "close", "error"]) s.on(e, done); });
    s.on("data", d => { s.received = Buffer.concat([s.received, d]); });
    s.once(secure ? "secureConnect" : "connect", () => resolve(s));
    s.once("error", reject);
  });
}

/** Sends the pieces one after another; what cannot be sent any more is not. */
export async function send(s, parts) {
  for (const p of parts) {
    if (s.destroyed || s.writableEnded) return;
    s.write(p);
    await delay();
  }
}

/** Waits until `enough(received)` or the server ends the connection; false when neither happens in the patience. */
export function settled(s, enough = () => false) {
  return new Promise(resolve => {
    const timer = setTimeout(() => resolve(false), PATIENCE);
    const done = () => { clearTimeout(timer); resolve(true); };
    const look = () => { if (enough(s.received)) done(); };
    s.on("data", look);
    s.ended.then(done);
    look();
  });
}
