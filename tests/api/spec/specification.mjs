// SPDX-License-Identifier: Apache-2.0
// The specification as the tests use it: the table of endpoints and the OpenAPI files of shared/spec, read in place
// (INGOT_SPEC names another folder). Nothing of it is copied into the repository.
import fs from "node:fs";
import path from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import Ajv2020 from "ajv/dist/2020.js";
import addFormats from "ajv-formats";
import YAML from "yaml";

const here = path.dirname(fileURLToPath(import.meta.url));
export const FOLDER = process.env.INGOT_SPEC ?? path.join(here, "../../../../shared/spec");
/** What to say where a test cannot run without it; false if it is there. */
export const ABSENT = fs.existsSync(path.join(FOLDER, "endpoints.tsv")) ? false : `SKIPPED: no specification at ${FOLDER}`;

const API = path.join(FOLDER, "data/api/client-server");
const EVENTS = path.join(FOLDER, "data/event-schemas/schema");
const METHODS = ["get", "put", "post", "delete"];

// ---- the table

/** Rows of endpoints.tsv of one API, with its columns as keys. */
export function endpoints(api = "client-server") {
  const [head, ...rows] = fs.readFileSync(path.join(FOLDER, "endpoints.tsv"), "utf8").trimEnd().split("\n").map(l => l.split("\t"));
  return rows.map(row => Object.fromEntries(head.map((name, i) => [name, row[i]]))).filter(row => row.api === api);
}

// ---- documents and references

const documents = new Map();

/** The document of a file, read once. */
function load(file) {
  if (!documents.has(file)) documents.set(file, YAML.parse(fs.readFileSync(file, "utf8")));
  return documents.get(file);
}

const escaped = part => part.replaceAll("~", "~0").replaceAll("/", "~1");
const unescaped = part => decodeURIComponent(part).replaceAll("~1", "/").replaceAll("~0", "~");

/** A place in a file: its value, references followed. */
export class Place {
  constructor(file, parts = []) {
    this.file = file;
    this.parts = parts;
    let value = load(file);
    for (const part of parts) value = value?.[part];
    if (typeof value?.$ref === "string") {
      const [name, pointer = ""] = value.$ref.split("#");
      const target = new Place(name ? path.resolve(path.dirname(file), name) : file, pointer.split("/").filter(Boolean).map(unescaped));
      this.target = target.target ?? target;
      value = this.target.value;
    }
    this.value = value;
  }

  at(...parts) { const from = this.target ?? this; return new Place(from.file, [...from.parts, ...parts]); }
  get url() { const at = this.target ?? this; return pathToFileURL(at.file).href + "#" + at.parts.map(p => `/${encodeURIComponent(escaped(p))}`).join(""); }
  entries() { return Object.keys(this.value ?? {}).map(key => [key, this.at(key)]); }
}

// ---- validation

const server = "[^:@!#$\\s]+|\\[[0-9A-Fa-f:.]+\\]";
/** The grammars of the appendices ("Identifier Grammar"), as far as any identifier that exists must follow them. */
const FORMATS = {
  "mx-user-id": new RegExp(`^@[^:\\0]*:(${server})(:\\d+)?$`),
  "mx-room-id": /^![^\0]+$/,
  "mx-event-id": /^\$[^\0]+$/,
  "mx-room-alias": new RegExp(`^#[^:\\0]*:(${server})(:\\d+)?$`),
  "mx-server-name": new RegExp(`^(${server})(:\\d+)?$`),
  "mx-mxc-uri": /^(mxc:\/\/[^/]+\/[\w-]+)?$/, // empty: none, in profiles and avatars
  "mx-unpadded-base64": /^[A-Za-z0-9+/]*$/,
  "mx-urlsafe-unpadded-base64": /^[A-Za-z0-9_-]*$/,
};

/** Adds a document and everything it refers to. */
function addDocument(ajv, file, added) {
  if (added.has(file)) return;
  added.add(file);
  ajv.addSchema(load(file), pathToFileURL(file).href, undefined, false);
  const visit = node => {
    if (!node || typeof node !== "object") return;
    if (typeof node.$ref === "string" && !node.$ref.startsWith("#")) {
      const target = path.resolve(path.dirname(file), node.$ref.split("#")[0]);
      if (fs.existsSync(target)) addDocument(ajv, target, added);
    }
    for (const [key, value] of Object.entries(node)) if (!/^examples?$/.test(key)) visit(value);
  };
  visit(load(file));
}

let shared = null;
/** A function of a value that gives the differences from the schema at this place: [{at: "/a/0", message}]. */
export function validator(place) {
  if (!shared) {
    shared = { ajv: new Ajv2020({ strict: false, allErrors: true, validateSchema: false, logger: false, formats: FORMATS, int32range: false }), added: new Set() };
    addFormats(shared.ajv, ["email", "uri", "float", "int64", "date-time"]);
  }
  addDocument(shared.ajv, (place.target ?? place).file, shared.added);
  const validate = shared.ajv.getSchema(place.url);
  if (!validate) throw new Error(`no schema at ${place.url}`);
  return value => validate(value) ? [] : validate.errors.map(e => ({ at: e.instancePath, message: `${e.message}${e.params.allowedValues ? `: ${e.params.allowedValues}` : ""}` }));
}

/** Events that servers make by themselves, so that what is in them is their word; others say what clients want. */
const OWN_EVENTS = ["m.fully_read", "m.presence", "m.push_rules", "m.receipt", "m.room.create", "m.room.member", "m.tag", "m.typing"];
const contents = new Map();

/** What is wrong with the contents of such events, wherever they stand in an answer. */
export function eventDifferences(value) {
  if (!value || typeof value !== "object") return [];
  const out = Object.values(value).flatMap(eventDifferences);
  if (!OWN_EVENTS.includes(value.type) || typeof value.content !== "object") return out;
  if (!contents.has(value.type)) contents.set(value.type, validator(new Place(path.join(EVENTS, `${value.type}.yaml`))));
  // Which members there are around the content is the operation's matter: some events come stripped.
  return [...out, ...contents.get(value.type)(value).filter(d => d.at.startsWith("/content")).map(d => ({ ...d, at: `${value.type}${d.at}` }))];
}

// ---- operations

const CODE = /\bM_[A-Z][A-Z0-9_]*\b/g;
const codesIn = node => new Set(JSON.stringify(node ?? null).match(CODE) ?? []);

/** One operation of the client-server API; names as in the OpenAPI file. */
class Operation {
  constructor(base, template, method, place) {
    // Where two operations have one path, one of the two has a space at its end.
    Object.assign(this, { method: method.toUpperCase(), path: base + template.trim(), place, id: place.value.operationId });
    this.name = `${this.method} ${this.path}`;
    const words = this.path.split("/").map(s => s.startsWith("{") ? "[^/]*" : s.replace(/[.*+?^$()|[\]\\]/g, "\\$&"));
    this.regex = new RegExp(`^${words.join("/")}$`);
    this.parameters = this.path.split("{").length - 1;
    this.responses = new Map(place.at("responses").entries().map(([status, response]) => [Number(status), new Response(response)]));
  }

  /** Query parameters: [{name, required, schema: Place}]. */
  query() {
    const own = this.place.at("parameters");
    return (own.value ?? []).map((_, i) => own.at(String(i))).filter(p => p.value.in === "query")
      .map(p => ({ name: p.value.name, required: p.value.required === true, schema: p.at("schema") }));
  }

  takesBody() { return this.place.value.requestBody !== undefined; }

  /** Whether it may ask for user-interactive authentication. */
  takesAuth() { return this.body()?.value.properties?.auth !== undefined; }

  /** The schema of the JSON body, or null. */
  body() {
    const place = this.place.at("requestBody", "content", "application/json", "schema");
    return place.value === undefined ? null : place;
  }
}

class Response {
  constructor(place) {
    this.codes = codesIn(place.value);
    this.types = Object.keys(place.value.content ?? {});
    this.schema = this.types.includes("application/json") ? place.at("content", "application/json", "schema") : null;
  }

  differences(body) {
    if (!this.schema?.value) return [];
    this.validate ??= validator(this.schema);
    return this.validate(body);
  }
}

/** All operations, those with the fewest parameters first, so that the first that matches a path is the right one. */
export function operations() {
  const out = [];
  for (const name of fs.readdirSync(API).filter(f => f.endsWith(".yaml")).sort()) {
    const document = new Place(path.join(API, name));
    const base = document.value.servers?.[0]?.variables?.basePath?.default ?? "";
    for (const [template, item] of document.at("paths").entries()) {
      for (const method of METHODS.filter(m => item.value[m])) out.push(new Operation(base, template, method, item.at(method)));
    }
  }
  return out.sort((a, b) => a.parameters - b.parameters);
}
