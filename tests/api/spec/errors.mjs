// SPDX-License-Identifier: Apache-2.0
// Which errors an operation may answer with: those that its OpenAPI names, and the common ones ("Standard error
// response"), each with its own statuses.

/** Any operation may answer these. */
const COMMON = {
  M_FORBIDDEN: [403], M_UNKNOWN_TOKEN: [401], M_MISSING_TOKEN: [401], M_USER_LOCKED: [401], M_USER_SUSPENDED: [403],
  M_BAD_JSON: [400], M_NOT_JSON: [400], M_MISSING_PARAM: [400], M_INVALID_PARAM: [400], M_NOT_FOUND: [404],
  M_LIMIT_EXCEEDED: [429], M_UNRECOGNIZED: [404, 405], M_TOO_LARGE: [413], M_GUEST_ACCESS_FORBIDDEN: [403],
  M_USER_LIMIT_EXCEEDED: [403], M_RESOURCE_LIMIT_EXCEEDED: [403],
  M_UNKNOWN: [503], // the server is about to stop, or has too much to do
  M_UNKNOWN_DEVICE: [400], // `device_id` of an appservice (v1.17)
};

/** What people must be told: the members of an error that are never absent. */
export function errorForm(body) {
  if (!body || typeof body !== "object") return ["an error without JSON"];
  const out = [];
  if (typeof body.errcode !== "string") out.push("an error without errcode");
  if (typeof body.error !== "string" || !body.error) out.push("an error without a sentence");
  return out;
}

/** What is wrong with this error as an answer of the operation: sentences. `uses` is told which documented code it was. */
export function errorDifferences(operation, status, body, uses = () => {}) {
  const documented = operation.responses.get(status);
  if (status === 401 && Array.isArray(body?.flows) && operation.takesAuth()) { // user-interactive authentication
    uses(401, null);
    return (documented?.differences(body) ?? []).map(d => `${d.at}: ${d.message}`);
  }
  const out = errorForm(body);
  if (out.length) return out;
  const { errcode } = body;
  if (documented && (documented.codes.has(errcode) || (documented.codes.size === 0 && !COMMON[errcode]))) {
    uses(status, errcode);
    return documented.differences(body).map(d => `${d.at}: ${d.message}`);
  }
  if (errcode === "M_USER_LIMIT_EXCEEDED" && typeof body.info_uri !== "string") return ["a limit without info_uri"];
  if (COMMON[errcode]?.includes(status)) return out;
  return [`${errcode} is not documented here`];
}
