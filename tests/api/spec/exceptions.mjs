// SPDX-License-Identifier: Apache-2.0
// Where Ingot and the specification's files part on purpose, each with its reason. Every table may only name what is
// still so: an entry that no longer applies fails the test that reads it.

/** Operations (operationId) that are not built yet. Who builds one takes it out: listed and there is an error. */
export const AWAITED = [];

/** Routes that the client-server API does not list. Paths are as in `ingot routes`; `*` stands for any end. */
export const UNDOCUMENTED = [
  { path: "/_matrix/client/r0/*", reason: "the name of v3 before specification v1.1; old clients still use it" },
  { path: "/_matrix/media/r0/*", reason: "likewise" },
  { path: "/_matrix/client/unstable/rooms/{roomId}/relations/*", reason: "the name of /v1/rooms/…/relations before v1.3" },
  { path: "/_matrix/client/unstable/account/3pid/*", reason: "the names of /v3 before r0.6; clients went on with them for years" },
  { path: "/_matrix/client/unstable/keys/*", reason: "likewise, for cross-signing before v1.1" },
  { path: "/_matrix/client/unstable/org.matrix.msc2432/rooms/{roomId}/aliases", reason: "the name of /v3/rooms/…/aliases before r0.6; clients for phones went on with it" },
  { path: "/_matrix/client/unstable/room_keys/*", reason: "likewise, for key backups" },
  { path: "/_matrix/client/v3/rooms/{roomId}/send/{eventType}", reason: "of before there were transaction ids; old clients, bots and people's scripts use it" },
  { path: "/_matrix/client/v3/rooms/{roomId}/redact/{eventId}", reason: "likewise" },
  { path: "/_matrix/client/v3/pushrules/global/{kind}/", reason: "rules of one kind, as other servers answer; old clients ask so" },
  { path: "/_matrix/client/v3/rooms/{roomId}/state/{eventType}", reason: "an empty state key may be left out with its slash" },
  { path: "/_matrix/client/unstable/im.nheko.summary/*", reason: "the name of /v1/room_summary before v1.15; clients of 2024 ask for it without end" },
  { path: "/_matrix/client/v3/auth/{authType}/fallback/web", reason: "pages that the specification names in prose (Fallback)" },
  { path: "/_matrix/static/client/login/", reason: "likewise (Login Fallback)" },
  { path: "/_matrix/static/email/*", reason: "where links in letters lead; under /_matrix, so that it passes every proxy" },
  { path: "/", reason: "says to people with a browser what this is" },
  { path: "/metrics", reason: "Prometheus" },
  { path: "/_synapse/admin/v1/*", reason: "the operator's API, named as tools know it" },
];

/** Who may call, where it is not what the table says. `auth` is what `ingot routes` says. */
export const AUTH = [
  { ids: ["getAdminLockUser", "setAdminLockUser", "getAdminSuspendUser", "setAdminSuspendUser"], auth: "admin", reason: "the specification says so in prose" },
  { ids: ["getEvents"], auth: "guest", reason: "one path for two operations, and guests may use the other (peekEvents)" },
  { ids: ["joinRoom"], auth: "guest", reason: "guests may join by the path with the room's id; by alias it is the same act" },
  { ids: ["logout", "logout_all"], auth: "guest", reason: "whoever has a session may end it" },
  { ids: ["getUserProfile", "getProfileField"], auth: "optional", reason: "the answer may depend on who asks (v1.12: look-up may be refused)" },
  { ids: ["getVersions"], auth: "none", reason: "the answer is the same for everybody, also with a token that has died" },
];

/** Routes without a limit; every other has one ("Rate limiting": homeservers SHOULD). */
export const UNLIMITED = [
  { paths: ["/_matrix/client/versions"], reason: "costs nothing, and is what tells a client that the server is there" },
  { paths: ["/.well-known/matrix/client", "/.well-known/matrix/policy_server", "/.well-known/matrix/support", "/"], reason: "costs nothing: a fixed text" },
  { paths: ["/metrics"], reason: "is served where the operator's Prometheus is, and nobody else" },
];

/** Of two operations with one method and path: when an exchange is of this one. */
export const TWINS = {
  peekEvents: ({ query }) => /(^|&)room_id=/.test(query),
  inviteBy3PID: ({ sent }) => sent.includes("medium"),
};

/** Answers that no OpenAPI file describes: `is` tells the kind of difference, as the gate words it. */
export const ANSWERS = [
  { ids: ["requestTokenToResetPasswordEmail", "requestTokenToResetPasswordMSISDN", "requestTokenToRegisterEmail", "requestTokenToRegisterMSISDN"], status: 400,
    is: /M_THREEPID_MEDIUM_NOT_SUPPORTED/, reason: "one of the specification's general codes, and the one that says it; the OpenAPI files name it for /account/3pid only" },
  { ids: ["requestTokenTo3PIDEmail"], status: 502, is: /M_UNKNOWN/, reason: "the mail server is down: not the client's fault" },
  { ids: ["post3PIDs"], status: 401, is: /an error without/, reason: "asks for the password like /account/3pid/add: else a stolen token would be enough to take the account over" },
  { ids: ["add3PID"], status: 403, is: /M_THREEPID_AUTH_FAILED/, reason: "the specification wants an error here, but names none; this is its code for it elsewhere" },
  { ids: ["add3PID"], status: 400, is: /M_THREEPID_IN_USE/, reason: "likewise" },
  { ids: ["getContentAuthed"], status: 206, is: /status is not documented/, reason: "ranges are HTTP's own (RFC 9110); players of videos ask for them" },
  { ids: ["getContentAuthed"], status: 304, is: /status is not documented/, reason: "likewise what a cache has already" },
  { ids: ["getContentAuthed"], status: 416, is: /M_INVALID_PARAM/, reason: "a range beyond the end, likewise" },
  { ids: ["sync"], status: 200, is: /must have required property '(event_id|sender|origin_server_ts|membership)'/, reason: "`event_fields` of a filter leaves members out" },
  { ids: ["getUrlPreviewAuthed"], status: 502, is: /M_UNKNOWN is not documented/, reason: "the page cannot be fetched; nothing is documented for it, and an empty preview would say that it is empty" },
  { ids: ["getRoomStateWithKey"], status: 200, is: /exactly one schema in oneOf/, reason: "an event (?format=event) is an object too, so both branches match" },
  { ids: ["register", "changePassword"], status: 400, is: /M_WEAK_PASSWORD/, reason: "the specification's word of the prose, not in the OpenAPI files" },
  { ids: ["getProfileField", "deleteProfileField"], status: 400, is: /M_KEY_TOO_LARGE/, reason: "a name that cannot be is refused in the words of PUT" },
  { ids: ["unbind3pidFromAccount"], status: 400, is: /M_FORBIDDEN/, reason: "errors of the identity server are proxied" },
  { ids: ["bind3PID"], status: 404, is: /M_NO_VALID_SESSION/, reason: "likewise" },
  { ids: ["bind3PID"], status: 502, is: /M_UNKNOWN/, reason: "an identity server that makes no sense" },
  { ids: ["bind3PID"], status: 504, is: /M_CONNECTION_TIMEOUT/, reason: "an identity server that does not answer" },
  { ids: ["createRoom", "setRoomAlias", "deleteRoomAlias"], status: 400, is: /M_EXCLUSIVE/, reason: "aliases in the exclusive namespace of an application service (its API, \"Registration\")" },
  { ids: ["login"], status: 403, is: /M_EXCLUSIVE/, reason: "the specification names the code in prose (\"Appservice Login\"), without a status" },
  { ids: ["getUserProfile"], status: 504, is: /M_CONNECTION_TIMEOUT/, reason: "the application service that may know the user does not answer; 404 would be remembered" },
  { ids: ["redirectToSSO", "redirectToIdP"], status: 404, is: /without JSON/, reason: "a person's browser comes there, so it gets a page" },
  { ids: ["getDevices", "getDevice", "getJoinedMembersByRoom"], status: 200, is: /(display_name|last_seen_ip|avatar_url).*must be string/,
    reason: "null where nothing is known: clients (matrix-nio) want the members to be there, and other servers send them so" },
  { ids: ["sendMessage"], status: 400, is: /M_UNKNOWN/, reason: "a thread on what relates to something: the specification names the code in prose (\"Threading\")" },
  { ids: ["getTokenOwner"], status: 403, is: /M_USER_DEACTIVATED/, reason: "what an application service acts for is no more; the specification's word for it" },
  { ids: ["getPushRule"], status: 200, is: /must be object/, reason: "a path that ends where the rule's id would stand gives all of the kind, as other servers do" },
  { ids: ["sendMessage"], status: 400, is: /M_FORBIDDEN/, reason: "the words of a policy server are handed on as they are (\"Policy Servers\")" },
  { ids: ["sendMessage"], status: 403, is: /M_UNAUTHORIZED|M_NOT_FOUND/, reason: "likewise" },
  { ids: ["sendMessage"], status: 502, is: /M_UNKNOWN/, reason: "the policy server cannot be reached" },
  { ids: ["postPusher"], status: 400, is: /M_THREEPID_NOT_FOUND/, reason: "mail to an address that is not the account's own; the word that clients know from other servers" },
  { ids: ["register"], status: 502, is: /M_UNKNOWN/, reason: "whoever checks captchas cannot be reached" },
  { ids: ["getTurnServer"], status: 200, is: /must have required property/, reason: "no TURN server: an empty object is what clients know; an empty list of `uris` makes browsers throw" },
];

/** Why a difference of an operation's answer is none, or undefined. */
export const excuse = (id, status, difference) => ANSWERS.find(a => a.ids.includes(id) && a.status === status && a.is.test(difference));

/** Operations without any success to be had. */
export const NEVER = [
  { ids: ["redirectToSSO", "redirectToIdP", "getAuthMetadata"], reason: "there is no identity provider and no OAuth server" },
  { ids: ["requestTokenTo3PIDMSISDN", "requestTokenToResetPasswordMSISDN", "requestTokenToRegisterMSISDN"], reason: "there is no provider for text messages" },
];

/** Fields and queries that are not looked at, so that nothing can be wrong with them. */
export const IGNORED = [
  { ids: ["claimKeys", "queryKeys"], field: "timeout", reason: "for how long to wait for other servers" },
  { ids: ["login"], field: "medium", reason: "the old names of `identifier`, not looked at beside it" },
  { ids: ["login"], field: "address", reason: "likewise" },
  { ids: ["getContent", "getContentOverrideName", "getContentThumbnail"], field: "allow_remote", reason: "frozen: nothing is there, however one asks" },
  { ids: ["getContent", "getContentOverrideName", "getContentThumbnail"], field: "allow_redirect", reason: "likewise" },
];
