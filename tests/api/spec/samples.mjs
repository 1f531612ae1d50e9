// SPDX-License-Identifier: Apache-2.0
// Bodies made from the schemas of the specification: small valid ones, and such with one thing wrong in them.

const DEPTH = 5; // of fields that are looked at
const ANY_KEY = "@nobody:localhost"; // a key of objects that are maps

const typesOf = place => [place.value?.type ?? []].flat();
const branches = (place, ...kinds) => kinds.flatMap(kind => (place.value?.[kind] ?? []).map((_, i) => place.at(kind, String(i))));

/** The members that a schema of an object tells of: Map name -> {place, isRequired}. */
function members(place, out = new Map()) {
  for (const part of branches(place, "allOf")) members(part, out);
  for (const part of branches(place, "oneOf", "anyOf")) for (const [name, m] of members(part)) out.set(name, { ...m, isRequired: false });
  const required = place.value?.required ?? [];
  for (const [name, member] of place.at("properties").entries()) out.set(name, { place: member, isRequired: required.includes(name) });
  for (const name of required) if (out.has(name)) out.get(name).isRequired = true;
  return out;
}

/** A value that fits: what is required and nothing else; strings from `known` where it has the name. */
export function sample(place, known, name = "", depth = 0) {
  const [type] = typesOf(place);
  if (place.value?.enum) return place.value.enum[0];
  const all = members(place);
  if (type === "object" || all.size) {
    const wanted = depth > DEPTH ? [] : [...all].filter(([, m]) => m.isRequired);
    return Object.fromEntries(wanted.map(([key, m]) => [key, sample(m.place, known, key, depth + 1)]));
  }
  if (type === undefined && branches(place, "oneOf", "anyOf").length) return sample(branches(place, "oneOf", "anyOf")[0], known, name, depth + 1);
  return { string: known[name] ?? "x", integer: 1, number: 1, boolean: false, array: [] }[type] ?? {};
}

/** All fields, nested ones too: [{path: [key…], places: [Place from the body to the field], isRequired}]. */
export function fields(place, path = [], places = [place]) {
  if (path.length >= DEPTH) return [];
  const out = [];
  const visit = (key, child, isRequired) => {
    out.push({ path: [...path, key], places: [...places, child], isRequired });
    out.push(...fields(child, [...path, key], [...places, child]));
  };
  for (const [name, m] of members(place)) visit(name, m.place, m.isRequired);
  if (typeof place.value?.additionalProperties === "object") visit(ANY_KEY, place.at("additionalProperties"), false);
  if (place.value?.items) visit(0, place.at("items"), false);
  return out;
}

/** The body with a field set, and with whatever has to be around it; `change(parent, key)` does the setting. */
export function changed(body, field, known, change) {
  const root = structuredClone(body);
  let parent = root;
  field.path.slice(0, -1).forEach((key, i) => {
    if (typeof parent[key] !== "object" || parent[key] === null) parent[key] = sample(field.places[i + 1], known, String(key));
    parent = parent[key];
  });
  change(parent, field.path.at(-1));
  return root;
}

const WRONG = { null: null, boolean: true, integer: 1, number: 0.5, string: "x", array: [], object: {} };

/** Values whose type is none that the field may have; none where anything goes. */
export function wrongValues(place) {
  const types = typesOf(place);
  if (types.length === 0) return [];
  const fits = type => types.includes(type) || (type === "integer" && types.includes("number"));
  return Object.entries(WRONG).filter(([type]) => !fits(type) && type !== "null").map(([, value]) => value);
}
