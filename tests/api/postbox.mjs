// SPDX-License-Identifier: Apache-2.0
// A mail server on loopback, and the letters that it got.
//
//   const post = await Postbox.open({ user: "ingot", password: "pw" });   // STARTTLS and authentication wanted
//   const hs = useServer({ edit: c => { c.email = post.config(); } });
//   const letter = await post.next("bob@example.org");                     // waits; takes it out
import { execFileSync } from "node:child_process";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { simpleParser } from "mailparser";
import { SMTPServer } from "smtp-server";
import { eventually } from "./harness.mjs";

/** A certificate for localhost that signs itself. */
export function makeCertificate() {
  const dir = fs.mkdtempSync(path.join(os.tmpdir(), "ingot-post-"));
  const [key, cert] = [path.join(dir, "key.pem"), path.join(dir, "cert.pem")];
  execFileSync("openssl", ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", key, "-out", cert,
    "-days", "2", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"], { stdio: "ignore" });
  return { dir, caFile: cert, key: fs.readFileSync(key), cert: fs.readFileSync(cert) };
}

export class Postbox {
  /** `user` and `password`: who may send. `tls`: false (plain), "starttls" or "smtps". */
  static async open({ user = null, password = null, tls = user ? "starttls" : false, port = 0 } = {}) {
    const p = new Postbox();
    Object.assign(p, { user, password, tls, letters: [], refused: new Set(), hangs: false, connections: 0, from: [] });
    p.certificate = tls ? makeCertificate() : null;
    p.server = new SMTPServer({
      key: p.certificate?.key, cert: p.certificate?.cert, secure: tls === "smtps",
      disabledCommands: [...tls === "starttls" ? [] : ["STARTTLS"], ...user ? [] : ["AUTH"]],
      authOptional: !user, logger: false, closeTimeout: 1,
      onConnect: (_session, done) => { p.connections++; if (!p.hangs) done(); },
      onAuth: (auth, session, done) => {
        const isRight = auth.username === user && auth.password === password && (tls === false || session.secure);
        done(isRight ? null : Object.assign(new Error("535 wrong"), { responseCode: 535 }), isRight ? { user } : undefined);
      },
      onMailFrom: (address, _session, done) => { p.from.push(address.address); done(); },
      onRcptTo: (address, _session, done) => p.refused.has(address.address) ? done(Object.assign(new Error("no such mailbox"), { responseCode: 550 })) : done(),
      onData: (stream, session, done) => p.take(stream, session, done),
    });
    p.server.on("error", () => {}); // a client that goes away in the middle
    await new Promise((resolve, reject) => p.server.on("error", reject).listen(port, "127.0.0.1", resolve));
    p.port = p.server.server.address().port;
    return p;
  }

  async take(stream, session, done) {
    const parts = [];
    for await (const part of stream) parts.push(part);
    const raw = Buffer.concat(parts);
    const letter = await simpleParser(raw);
    letter.raw = raw.toString("latin1");
    letter.wasEncrypted = session.secure;
    letter.to = session.envelope.rcptTo[0].address;
    this.letters.push(letter);
    done();
  }

  /** The section `email` of a configuration that sends through this server. */
  config(more = {}) {
    return { smtp_url: `${this.tls === "smtps" ? "smtps" : "smtp"}://localhost:${this.port}`, from: "ingot@localhost", app_name: "Test chat",
      starttls: this.tls === "starttls" ? "required" : "off",
      ...this.user ? { user: this.user, password: this.password } : {}, ...this.certificate ? { ca_file: this.certificate.caFile } : {}, ...more };
  }

  /** The next letter to the address, waiting for it. */
  async next(to) {
    const found = await eventually(`a letter to ${to}`, () => this.letters.find(l => l.to === to));
    this.letters.splice(this.letters.indexOf(found), 1);
    return found;
  }

  close() {
    if (this.certificate) fs.rmSync(this.certificate.dir, { recursive: true, force: true });
    for (const c of this.server.connections) c._socket?.destroy();
    return new Promise(resolve => this.server.close(resolve));
  }
}

/** The one link in a letter that leads to the server. */
export function linkOf(letter) {
  const [link] = letter.text.match(/https?:\/\/\S+/) ?? [];
  return link ? new URL(link) : null;
}
