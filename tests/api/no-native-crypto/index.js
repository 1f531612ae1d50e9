// SPDX-License-Identifier: Apache-2.0
// The bot SDKs load their native crypto when they are imported, used or not, and its install script fetches a binary
// from outside of the npm registry. Tests must install without internet: so the names are there, and using one says why
// it cannot work. Encryption is tested with matrix-js-sdk (e2ee.test.mjs).
"use strict";
const missing = name => class {
  constructor() {
    throw new Error(`${name}: the bot SDKs run without end-to-end encryption in these tests`);
  }
};
module.exports = new Proxy({}, {
  get: (known, name) => (typeof name === "symbol" || name === "__esModule" || name === "then" ? undefined : (known[name] ??= missing(name))),
});
