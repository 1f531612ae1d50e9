// SPDX-License-Identifier: Apache-2.0
// An application service by plain HTTP: what it is sent is kept, and it answers as the test says.
import fs from "node:fs";
import http from "node:http";
import path from "node:path";
import YAML from "yaml";
import { E, SERVER_NAME, User, eventually, unique } from "./harness.mjs";

export class AppService {
  transactions = []; // {id, body, url, token} of each attempt
  queries = []; // {method, url, body, token} of everything else
  /** What a transaction is answered: a status, "hang", "cut" (the connection) or "rubbish". */
  onTransaction = () => 200;
  /** What a query is answered: {status, body}, or "hang". */
  onQuery = () => ({ status: 404, body: { errcode: "ORG.EXAMPLE_NOT_FOUND" } });

  constructor(name = "irc", registration = {}) {
    this.name = name;
    this.registration = {
      id: name, as_token: unique("as"), hs_token: unique("hs"), sender_localpart: `${name}bot`, rate_limited: false,
      namespaces: {
        users: [{ exclusive: true, regex: `@_${name}_.*:${SERVER_NAME}` }],
        aliases: [{ exclusive: true, regex: `#_${name}_.*:${SERVER_NAME}` }],
        rooms: [],
      },
      ...registration,
    };
  }
  get token() { return this.registration.as_token; }
  get bot() { return `@${this.registration.sender_localpart}:${SERVER_NAME}`; }
  userId(name) { return `@_${this.name}_${name}:${SERVER_NAME}`; }

  async listen(port = 0) {
    this.server = http.createServer((rq, rs) => {
      const parts = [];
      rq.on("data", d => parts.push(d)).on("end", () => this.answer(rq, rs, Buffer.concat(parts).toString()));
    });
    await new Promise(resolve => this.server.listen(port, "127.0.0.1", resolve));
    this.port = this.server.address().port;
    this.registration.url ??= `http://127.0.0.1:${this.port}`;
    return this;
  }
  stop() {
    this.server?.closeAllConnections();
    return new Promise(resolve => (this.server ? this.server.close(resolve) : resolve()));
  }

  async answer(rq, rs, text) {
    const token = rq.headers.authorization;
    const transaction = rq.url.match(/^\/_matrix\/app\/v1\/transactions\/([^/?]+)$/);
    let answer;
    if (transaction) {
      this.transactions.push({ id: transaction[1], body: JSON.parse(text), text, token });
      answer = await this.onTransaction(this.transactions.at(-1));
      if (typeof answer === "number") answer = { status: answer, body: {} };
    } else {
      this.queries.push({ method: rq.method, url: rq.url, body: text && JSON.parse(text), token });
      answer = await this.onQuery(this.queries.at(-1));
    }
    if (answer === "hang") return;
    if (answer === "cut") { rq.socket.destroy(); return; }
    if (answer === "rubbish") answer = { status: 200, raw: "<html>what?</html>" };
    rs.writeHead(answer.status, { "Content-Type": "application/json" });
    rs.end(answer.raw ?? JSON.stringify(answer.body));
  }

  /** Events of all transactions that were answered well, each transaction once. */
  get events() { return this.distinct().flatMap(t => t.body.events); }
  get ephemeral() { return this.distinct().flatMap(t => t.body.ephemeral ?? []); }
  distinct() { return [...new Map(this.transactions.map(t => [t.id, t])).values()]; }
  sees(what, probe) { return eventually(what, () => this.events.find(probe)); }
  seesEphemeral(what, probe) { return eventually(what, () => this.ephemeral.find(probe)); }

  /** Registers one of its users and gives it as the application service acts for it. */
  async ghost(server, name = unique("g")) {
    const localpart = `_${this.name}_${name}`;
    await server.req("POST", "/register", { token: this.token, body: { type: "m.login.application_service", username: localpart, inhibit_login: true }, expect: 200 });
    return this.as(server, `@${localpart}:${SERVER_NAME}`);
  }
  as(server, id = this.bot) { return new Masked(server, { id, name: id, token: this.token, device: unique("d") }); }
}

/** A user whom the application service acts for. */
export class Masked extends User {
  call(method, target, body, expect = 200) { return super.call(method, this.masked(target), body, expect); }
  fails(status, errcode, method, target, body) { return super.fails(status, errcode, method, this.masked(target), body); }
  masked(target) { return `${target}${target.includes("?") ? "&" : "?"}user_id=${E(this.id)}`; }
}

/** For withServer and useServer: writes the registrations beside the configuration and names them in it. */
export function registrations(...services) {
  return (config, server) => {
    config.appservices = services.map(s => {
      writeRegistration(server, s);
      return `${s.name}.yaml`;
    });
  };
}
export function writeRegistration(server, service) {
  fs.writeFileSync(path.join(server.dir, `${service.name}.yaml`), YAML.stringify(service.registration), { mode: 0o600 });
}
