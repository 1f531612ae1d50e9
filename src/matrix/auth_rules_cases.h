/* SPDX-License-Identifier: Apache-2.0 */
/* The table of auth_rules_test.c, in the order of the rules. Included there once, after struct auth_case. */

/* clang-format off: a case is read as a line, not as a column */
#define ALL   .from = 1, .to = 12
#define V(a, b) .from = (a), .to = (b)
#define YES   .is_allowed = true
#define NO    .is_allowed = false
#define STATE(type_, key_, sender_, content_) {.type = (type_), .key = (key_), .sender = (sender_), .content = (content_)}
#define GONE(type_, key_) {.type = (type_), .key = (key_)}
#define CREATE(content_) {.type = "m.room.create", .key = "", .sender = "@alice:a", .content = (content_), .is_first = true}
#define JOIN_RULE(rule) STATE("m.room.join_rules", "", "@alice:a", "{\"join_rule\":\"" rule "\"}")
#define POWER(sender_, content_) STATE("m.room.power_levels", "", sender_, content_)
#define MESSAGE(sender_) {.type = "m.room.message", .sender = (sender_), .content = "{}"}
#define JOIN_VIA(user, via) STATE("m.room.member", user, user, "{\"join_authorised_via_users_server\":" via ",\"membership\":\"join\"}")
#define REDACTION(sender_, target) {.type = "m.room.redaction", .sender = (sender_), .content = "{}", .redacts = (target)}

static const struct auth_case auth_cases[] = {
    /* 1: create */
    {"a create event is allowed", ALL, YES, CREATE("{\"creator\":\"@alice:a\"}")},
    {"a create event has none before it", ALL, NO, {.type = "m.room.create", .key = "", .sender = "@alice:a", .content = "{\"creator\":\"@alice:a\"}"}},
    {"a create event is state", ALL, NO, {.type = "m.room.create", .sender = "@alice:a", .content = "{\"creator\":\"@alice:a\"}", .is_first = true}},
    {"a create event's key is empty", ALL, NO, {.type = "m.room.create", .key = "x", .sender = "@alice:a", .content = "{\"creator\":\"@alice:a\"}", .is_first = true}},
    {"the room id is of the creator's server", V(1, 11), NO, {.type = "m.room.create", .key = "", .sender = "@alice:b", .content = "{\"creator\":\"@alice:b\"}", .is_first = true, .room = "!r:a"}},
    {"no server owns the room id", V(12, 12), YES, {.type = "m.room.create", .key = "", .sender = "@alice:b", .content = "{}", .is_first = true}},
    {"a known room version is allowed", ALL, YES, CREATE("{\"creator\":\"@alice:a\",\"room_version\":\"6\"}")},
    {"an unknown room version is not", ALL, NO, CREATE("{\"creator\":\"@alice:a\",\"room_version\":\"nope\"}")},
    {"a room version is a string", ALL, NO, CREATE("{\"creator\":\"@alice:a\",\"room_version\":6}")},
    {"the content names a creator", V(1, 10), NO, CREATE("{}")},
    {"the sender is the creator", V(11, 12), YES, CREATE("{}")},
    {"additional creators mean nothing yet", V(1, 11), YES, CREATE("{\"additional_creators\":5,\"creator\":\"@alice:a\"}")},
    {"additional creators are a list", V(12, 12), NO, CREATE("{\"additional_creators\":\"@b:a\"}")},
    {"additional creators are strings", V(12, 12), NO, CREATE("{\"additional_creators\":[5]}")},
    {"additional creators are user ids", V(12, 12), NO, CREATE("{\"additional_creators\":[\"@b:a\",\"nobody\"]}")},
    {"additional creators may be there", V(12, 12), YES, CREATE("{\"additional_creators\":[\"@b:a\",\"@c:b\"]}")},
    {"additional creators may be none", V(12, 12), YES, CREATE("{\"additional_creators\":[]}")},

    /* 4 (v1 3): m.federate */
    {"others may come from other servers", ALL, YES, MESSAGE("@far:b")},
    {"no others where the room does not federate", ALL, NO, MESSAGE("@far:b"), .changes = {CREATE("{\"creator\":\"@alice:a\",\"m.federate\":false}")}},
    {"its own users go on", ALL, YES, MESSAGE("@bob:a"), .changes = {CREATE("{\"creator\":\"@alice:a\",\"m.federate\":false}")}},
    {"m.federate true is nothing special", ALL, YES, MESSAGE("@far:b"), .changes = {CREATE("{\"creator\":\"@alice:a\",\"m.federate\":true}")}},

    /* v1 4: aliases */
    {"a server lists its aliases without being in the room", V(1, 5), YES, STATE("m.room.aliases", "c", "@x:c", "{}")},
    {"aliases are listed under the sender's server", V(1, 5), NO, STATE("m.room.aliases", "b", "@alice:a", "{}")},
    {"aliases are state", V(1, 5), NO, {.type = "m.room.aliases", .sender = "@alice:a", .content = "{}"}},
    {"aliases are ordinary state: membership", V(6, 12), NO, STATE("m.room.aliases", "c", "@x:c", "{}")},
    {"aliases are ordinary state: level", V(6, 12), NO, STATE("m.room.aliases", "a", "@bob:a", "{}")},
    {"aliases are ordinary state: any key", V(6, 12), YES, STATE("m.room.aliases", "b", "@alice:a", "{}")},

    /* 5.1, 5.2, 5.8: members in general */
    {"a member event is state", ALL, NO, {.type = "m.room.member", .sender = "@bob:a", .content = "{\"membership\":\"join\"}"}},
    {"a member event has a membership", ALL, NO, STATE("m.room.member", "@bob:a", "@bob:a", "{}")},
    {"a membership is a string", ALL, NO, STATE("m.room.member", "@bob:a", "@bob:a", "{\"membership\":1}")},
    {"a membership is a known word", ALL, NO, MEMBER("@bob:a", "@bob:a", "loiter")},
    {"who let a user in is a user id", V(8, 12), NO, JOIN_VIA("@bob:a", "\"alice\"")},
    {"who let a user in is a string", V(8, 12), NO, JOIN_VIA("@bob:a", "5")},
    {"who let a user in means nothing yet", V(1, 7), YES, JOIN_VIA("@bob:a", "5")},

    /* 5.3: join */
    {"the creator joins first", ALL, YES, MEMBER("@alice:a", "@alice:a", "join"), .is_after_create = true, .changes = {GONE("m.room.member", "@alice:a"), JOIN_RULE("private")}},
    {"the creator joins first only after create", ALL, NO, MEMBER("@alice:a", "@alice:a", "join"), .changes = {GONE("m.room.member", "@alice:a"), JOIN_RULE("private")}},
    {"nobody else joins first", ALL, NO, MEMBER("@x:a", "@x:a", "join"), .is_after_create = true},
    {"no additional creator joins first", ALL, NO, MEMBER("@anna:a", "@anna:a", "join"), .is_after_create = true, .changes = {GONE("m.room.member", "@anna:a")}},
    {"the creator is who content says", V(1, 10), YES, MEMBER("@x:a", "@x:a", "join"), .is_after_create = true, .changes = {CREATE("{\"creator\":\"@x:a\"}")}},
    {"the creator is not who content says", V(11, 12), NO, MEMBER("@x:a", "@x:a", "join"), .is_after_create = true, .changes = {CREATE("{\"creator\":\"@x:a\"}")}},
    {"nobody joins for another", ALL, NO, MEMBER("@alice:a", "@carol:a", "join")},
    {"the banned do not join", ALL, NO, MEMBER("@dave:a", "@dave:a", "join"), .changes = {JOIN_RULE("public")}},
    {"the invited join", ALL, YES, MEMBER("@carol:a", "@carol:a", "join")},
    {"the joined join again", ALL, YES, MEMBER("@bob:a", "@bob:a", "join")},
    {"strangers do not join by invitation only", ALL, NO, MEMBER("@x:a", "@x:a", "join")},
    {"who left does not come back uninvited", ALL, NO, MEMBER("@erin:a", "@erin:a", "join")},
    {"who knocked waits for an invitation", V(7, 12), NO, MEMBER("@frank:a", "@frank:a", "join"), .changes = {JOIN_RULE("knock")}},
    {"no join rules means by invitation: yes", ALL, YES, MEMBER("@carol:a", "@carol:a", "join"), .changes = {GONE("m.room.join_rules", "")}},
    {"no join rules means by invitation: no", ALL, NO, MEMBER("@x:a", "@x:a", "join"), .changes = {GONE("m.room.join_rules", "")}},
    {"all join a public room", ALL, YES, MEMBER("@x:b", "@x:b", "join"), .changes = {JOIN_RULE("public")}},
    {"who left a public room comes back", ALL, YES, MEMBER("@erin:a", "@erin:a", "join"), .changes = {JOIN_RULE("public")}},
    {"the invited join where one may knock", V(7, 12), YES, MEMBER("@carol:a", "@carol:a", "join"), .changes = {JOIN_RULE("knock")}},
    {"knock is no join rule yet", V(1, 6), NO, MEMBER("@carol:a", "@carol:a", "join"), .changes = {JOIN_RULE("knock")}},
    {"strangers do not join where one may knock", V(7, 12), NO, MEMBER("@x:a", "@x:a", "join"), .changes = {JOIN_RULE("knock")}},
    {"nobody joins a private room", ALL, NO, MEMBER("@carol:a", "@carol:a", "join"), .changes = {JOIN_RULE("private")}},
    {"nobody joins by an unknown rule", ALL, NO, MEMBER("@carol:a", "@carol:a", "join"), .changes = {JOIN_RULE("org.example.x")}},
    {"the invited join a restricted room", V(8, 12), YES, MEMBER("@carol:a", "@carol:a", "join"), .changes = {JOIN_RULE("restricted")}},
    {"restricted is no join rule yet", V(1, 7), NO, MEMBER("@carol:a", "@carol:a", "join"), .changes = {JOIN_RULE("restricted")}},
    {"strangers do not join a restricted room alone", V(8, 12), NO, MEMBER("@x:a", "@x:a", "join"), .changes = {JOIN_RULE("restricted")}},
    {"a member who may invite lets them in", V(8, 12), YES, JOIN_VIA("@x:a", "\"@bob:a\""), .changes = {JOIN_RULE("restricted")}},
    {"one who may not invite does not", V(8, 12), NO, JOIN_VIA("@x:a", "\"@bob:a\""), .changes = {JOIN_RULE("restricted"), POWER("@alice:a", "{\"invite\":50}")}},
    {"one who is not in the room does not", V(8, 12), NO, JOIN_VIA("@x:a", "\"@carol:a\""), .changes = {JOIN_RULE("restricted")}},
    {"one who left does not", V(8, 12), NO, JOIN_VIA("@x:a", "\"@erin:a\""), .changes = {JOIN_RULE("restricted")}},
    {"the banned stay out even so", V(8, 12), NO, JOIN_VIA("@dave:a", "\"@alice:a\""), .changes = {JOIN_RULE("restricted")}},
    {"knock_restricted lets the invited in", V(10, 12), YES, MEMBER("@carol:a", "@carol:a", "join"), .changes = {JOIN_RULE("knock_restricted")}},
    {"knock_restricted lets the authorised in", V(10, 12), YES, JOIN_VIA("@x:a", "\"@bob:a\""), .changes = {JOIN_RULE("knock_restricted")}},
    {"knock_restricted keeps strangers out", V(10, 12), NO, MEMBER("@x:a", "@x:a", "join"), .changes = {JOIN_RULE("knock_restricted")}},
    {"knock_restricted is no join rule yet", V(1, 9), NO, MEMBER("@carol:a", "@carol:a", "join"), .changes = {JOIN_RULE("knock_restricted")}},

    /* 5.4: invite (5.4.1 is in auth_third_party_test.c) */
    {"a member invites", ALL, YES, MEMBER("@bob:a", "@x:b", "invite")},
    {"a member invites who left", ALL, YES, MEMBER("@bob:a", "@erin:a", "invite")},
    {"a member invites who knocked", V(7, 12), YES, MEMBER("@bob:a", "@frank:a", "invite")},
    {"an invitation is repeated", ALL, YES, MEMBER("@bob:a", "@carol:a", "invite")},
    {"who is not in the room does not invite", ALL, NO, MEMBER("@carol:a", "@x:a", "invite")},
    {"who is in the room is not invited", ALL, NO, MEMBER("@alice:a", "@bob:a", "invite")},
    {"the banned are not invited", ALL, NO, MEMBER("@alice:a", "@dave:a", "invite")},
    {"inviting takes the invite level", ALL, NO, MEMBER("@bob:a", "@x:a", "invite"), .changes = {POWER("@alice:a", "{\"invite\":1}")}},
    {"the invite level itself is enough", ALL, YES, MEMBER("@bob:a", "@x:a", "invite"), .changes = {POWER("@alice:a", "{\"invite\":5,\"users\":{\"@bob:a\":5}}")}},
    {"inviting takes no level without power levels", ALL, YES, MEMBER("@bob:a", "@x:a", "invite"), .changes = {GONE("m.room.power_levels", "")}},

    /* 5.5: leave */
    {"the joined leave", ALL, YES, MEMBER("@bob:a", "@bob:a", "leave")},
    {"the invited decline", ALL, YES, MEMBER("@carol:a", "@carol:a", "leave")},
    {"who knocked thinks again", V(7, 12), YES, MEMBER("@frank:a", "@frank:a", "leave")},
    {"there is no knocking to take back", V(1, 6), NO, MEMBER("@frank:a", "@frank:a", "leave")},
    {"the banned do not leave", ALL, NO, MEMBER("@dave:a", "@dave:a", "leave")},
    {"who left does not leave again", ALL, NO, MEMBER("@erin:a", "@erin:a", "leave")},
    {"strangers do not leave", ALL, NO, MEMBER("@x:a", "@x:a", "leave")},
    {"a moderator kicks", ALL, YES, MEMBER("@mod:a", "@bob:a", "leave")},
    {"a moderator takes an invitation back", ALL, YES, MEMBER("@mod:a", "@carol:a", "leave")},
    {"a member does not kick", ALL, NO, MEMBER("@bob:a", "@far:b", "leave")},
    {"nobody kicks those above", ALL, NO, MEMBER("@mod:a", "@alice:a", "leave")},
    {"nobody kicks their equals", ALL, NO, MEMBER("@mod:a", "@mod2:a", "leave")},
    {"who left does not kick", ALL, NO, MEMBER("@mod:a", "@bob:a", "leave"), .changes = {MEMBER("@mod:a", "@mod:a", "leave")}},
    {"a moderator unbans", ALL, YES, MEMBER("@mod:a", "@dave:a", "leave")},
    {"unbanning takes the ban level too", ALL, NO, MEMBER("@mod:a", "@dave:a", "leave"), .changes = {POWER("@alice:a", "{\"ban\":60,\"users\":{\"@mod:a\":50}}")}},
    {"unbanning takes the kick level too", ALL, NO, MEMBER("@mod:a", "@dave:a", "leave"), .changes = {POWER("@alice:a", "{\"kick\":60,\"users\":{\"@mod:a\":50}}")}},
    {"kicking takes the kick level", ALL, YES, MEMBER("@bob:a", "@far:b", "leave"), .changes = {POWER("@alice:a", "{\"kick\":1,\"users\":{\"@bob:a\":1}}")}},

    /* 5.6: ban */
    {"a moderator bans", ALL, YES, MEMBER("@mod:a", "@bob:a", "ban")},
    {"a moderator bans a stranger", ALL, YES, MEMBER("@mod:a", "@x:c", "ban")},
    {"a member does not ban", ALL, NO, MEMBER("@bob:a", "@far:b", "ban")},
    {"nobody bans those above", ALL, NO, MEMBER("@mod:a", "@alice:a", "ban")},
    {"nobody bans their equals", ALL, NO, MEMBER("@mod:a", "@mod2:a", "ban")},
    {"nobody bans themselves", ALL, NO, MEMBER("@mod:a", "@mod:a", "ban")},
    {"who left does not ban", ALL, NO, MEMBER("@mod:a", "@bob:a", "ban"), .changes = {MEMBER("@mod:a", "@mod:a", "leave")}},
    {"banning takes the ban level", ALL, NO, MEMBER("@mod:a", "@bob:a", "ban"), .changes = {POWER("@alice:a", "{\"ban\":51,\"users\":{\"@mod:a\":50}}")}},

    /* 5.7: knock */
    {"strangers knock where the rule says so", V(7, 12), YES, MEMBER("@x:b", "@x:b", "knock"), .changes = {JOIN_RULE("knock")}},
    {"nobody knocks yet", V(1, 6), NO, MEMBER("@x:b", "@x:b", "knock"), .changes = {JOIN_RULE("knock")}},
    {"who left knocks", V(7, 12), YES, MEMBER("@erin:a", "@erin:a", "knock"), .changes = {JOIN_RULE("knock")}},
    {"who knocked knocks again", V(7, 12), YES, MEMBER("@frank:a", "@frank:a", "knock"), .changes = {JOIN_RULE("knock")}},
    {"nobody knocks where the rule is another", V(7, 12), NO, MEMBER("@x:b", "@x:b", "knock")},
    {"nobody knocks at a restricted room", V(7, 12), NO, MEMBER("@x:b", "@x:b", "knock"), .changes = {JOIN_RULE("restricted")}},
    {"knock_restricted is knocking too", V(10, 12), YES, MEMBER("@x:b", "@x:b", "knock"), .changes = {JOIN_RULE("knock_restricted")}},
    {"knock_restricted is not known yet", V(7, 9), NO, MEMBER("@x:b", "@x:b", "knock"), .changes = {JOIN_RULE("knock_restricted")}},
    {"nobody knocks for another", V(7, 12), NO, MEMBER("@bob:a", "@x:b", "knock"), .changes = {JOIN_RULE("knock")}},
    {"the banned do not knock", V(7, 12), NO, MEMBER("@dave:a", "@dave:a", "knock"), .changes = {JOIN_RULE("knock")}},
    {"the invited do not knock", V(7, 12), NO, MEMBER("@carol:a", "@carol:a", "knock"), .changes = {JOIN_RULE("knock")}},
    {"the joined do not knock", V(7, 12), NO, MEMBER("@bob:a", "@bob:a", "knock"), .changes = {JOIN_RULE("knock")}},

    /* 6: whoever sends is in the room */
    {"members talk", ALL, YES, MESSAGE("@bob:a")},
    {"strangers do not talk", ALL, NO, MESSAGE("@x:a")},
    {"the invited do not talk yet", ALL, NO, MESSAGE("@carol:a")},
    {"the banned do not talk", ALL, NO, MESSAGE("@dave:a")},
    {"who left does not talk", ALL, NO, MESSAGE("@erin:a")},
    {"who knocked does not talk yet", ALL, NO, MESSAGE("@frank:a")},

    /* 7: third-party invites go by the invite level alone */
    {"a member invites an address", ALL, YES, STATE("m.room.third_party_invite", "t", "@bob:a", "{}")},
    {"a level for the type changes nothing", ALL, YES, STATE("m.room.third_party_invite", "t", "@bob:a", "{}"), .changes = {POWER("@alice:a", "{\"events\":{\"m.room.third_party_invite\":99}}")}},
    {"inviting an address takes the invite level", ALL, NO, STATE("m.room.third_party_invite", "t", "@bob:a", "{}"), .changes = {POWER("@alice:a", "{\"invite\":1}")}},

    /* 8: required level */
    {"state takes 50", ALL, NO, STATE("m.room.topic", "", "@bob:a", "{}")},
    {"50 is enough for state", ALL, YES, STATE("m.room.topic", "", "@mod:a", "{}")},
    {"state takes 50 without power levels", ALL, NO, STATE("m.room.topic", "", "@bob:a", "{}"), .changes = {GONE("m.room.power_levels", "")}},
    {"the creator has it without power levels", ALL, YES, STATE("m.room.topic", "", "@alice:a", "{}"), .changes = {GONE("m.room.power_levels", "")}},
    {"state_default", ALL, YES, STATE("m.room.topic", "", "@bob:a", "{}"), .changes = {POWER("@alice:a", "{\"state_default\":0}")}},
    {"events_default", ALL, NO, MESSAGE("@bob:a"), .changes = {POWER("@alice:a", "{\"events_default\":1}")}},
    {"users_default", ALL, YES, MESSAGE("@bob:a"), .changes = {POWER("@alice:a", "{\"events_default\":1,\"users_default\":1}")}},
    {"a level of a type: higher", ALL, NO, MESSAGE("@bob:a"), .changes = {POWER("@alice:a", "{\"events\":{\"m.room.message\":1}}")}},
    {"a level of a type: lower", ALL, YES, STATE("m.room.topic", "", "@bob:a", "{}"), .changes = {POWER("@alice:a", "{\"events\":{\"m.room.topic\":0}}")}},
    {"a negative level", ALL, NO, MESSAGE("@bob:a"), .changes = {POWER("@alice:a", "{\"users\":{\"@bob:a\":-1}}")}},

    /* 9: state keys that are user ids */
    {"one's own id as state key", ALL, YES, STATE("org.example.x", "@mod:a", "@mod:a", "{}")},
    {"another's id as state key", ALL, NO, STATE("org.example.x", "@bob:a", "@mod:a", "{}")},
    {"anything with an @ in front", ALL, NO, STATE("org.example.x", "@", "@alice:a", "{}")},
    {"other state keys are free", ALL, YES, STATE("org.example.x", "bob@a", "@mod:a", "{}")},

    /* 10.1 to 10.5: the form of power levels */
    {"integers are levels", ALL, YES, POWER("@alice:a", "{\"ban\":5,\"users\":{\"@mod:a\":5}}")},
    {"strings were levels", V(1, 9), YES, POWER("@alice:a", "{\"ban\":\"50\",\"users\":{\"@mod:a\":\"5\"}}")},
    {"strings are levels no more: action", V(10, 12), NO, POWER("@alice:a", "{\"ban\":\"50\"}")},
    {"strings are levels no more: user", V(10, 12), NO, POWER("@alice:a", "{\"users\":{\"@mod:a\":\"5\"}}")},
    {"strings are levels no more: event", V(10, 12), NO, POWER("@alice:a", "{\"events\":{\"m.room.name\":\"5\"}}")},
    {"strings are levels no more: notification", V(10, 12), NO, POWER("@alice:a", "{\"notifications\":{\"room\":\"5\"}}")},
    {"floats were levels", V(1, 5), YES, POWER("@alice:a", "{\"ban\":50.7}")},
    {"floats are levels no more", V(6, 12), NO, POWER("@alice:a", "{\"ban\":50.7}")},
    {"words are no levels", ALL, NO, POWER("@alice:a", "{\"users\":{\"@mod:a\":\"much\"}}")},
    {"true is no level", ALL, NO, POWER("@alice:a", "{\"users\":{\"@mod:a\":true}}")},
    {"null is no level", ALL, NO, POWER("@alice:a", "{\"kick\":null}")},
    {"users is an object", ALL, NO, POWER("@alice:a", "{\"users\":[]}")},
    {"users are user ids", ALL, NO, POWER("@alice:a", "{\"users\":{\"mod\":5}}")},
    {"events is an object", V(10, 12), NO, POWER("@alice:a", "{\"events\":5}")},
    {"notifications is an object", V(10, 12), NO, POWER("@alice:a", "{\"notifications\":5}")},
    {"the creator may be listed", V(1, 11), YES, POWER("@alice:a", "{\"users\":{\"@alice:a\":100}}")},
    {"the creator may not be listed", V(12, 12), NO, POWER("@alice:a", "{\"users\":{\"@alice:a\":100}}")},
    {"nor an additional one", V(12, 12), NO, POWER("@alice:a", "{\"users\":{\"@anna:a\":100}}")},
    {"nor may others list one", V(12, 12), NO, POWER("@mod:a", "{\"users\":{\"@alice:a\":0,\"@mod2:a\":50,\"@mod:a\":50}}")},
    {"the first power levels are free", V(1, 11), YES, POWER("@alice:a", "{\"users\":{\"@alice:a\":100000}}"), .changes = {GONE("m.room.power_levels", "")}},
    {"the first power levels are free for all that may send them", ALL, YES, POWER("@alice:a", "{\"ban\":1000}"), .changes = {GONE("m.room.power_levels", "")}},
    {"and for nobody else", ALL, NO, POWER("@bob:a", "{}"), .changes = {GONE("m.room.power_levels", "")}},

    /* 10.6 to 10.10: changes. The moderator has 50. */
    {"no change", ALL, YES, POWER("@mod:a", "{\"users\":{\"@high:a\":99,\"@mod:a\":50}}"), .changes = {POWER("@alice:a", "{\"users\":{\"@high:a\":99,\"@mod:a\":50}}")}},
    {"an action up to one's level", ALL, YES, POWER("@mod:a", "{\"ban\":50,\"users\":{\"@mod:a\":50}}"), .changes = {POWER("@alice:a", "{\"ban\":40,\"users\":{\"@mod:a\":50}}")}},
    {"an action above one's level", ALL, NO, POWER("@mod:a", "{\"ban\":51,\"users\":{\"@mod:a\":50}}"), .changes = {POWER("@alice:a", "{\"ban\":40,\"users\":{\"@mod:a\":50}}")}},
    {"an action from above one's level", ALL, NO, POWER("@mod:a", "{\"ban\":40,\"users\":{\"@mod:a\":50}}"), .changes = {POWER("@alice:a", "{\"ban\":51,\"users\":{\"@mod:a\":50}}")}},
    {"an action added above one's level", ALL, NO, POWER("@mod:a", "{\"redact\":51,\"users\":{\"@mod:a\":50}}"), .changes = {POWER("@alice:a", "{\"users\":{\"@mod:a\":50}}")}},
    {"an action removed above one's level", ALL, NO, POWER("@mod:a", "{\"users\":{\"@mod:a\":50}}"), .changes = {POWER("@alice:a", "{\"kick\":51,\"users\":{\"@mod:a\":50}}")}},
    {"an action removed within one's level", ALL, YES, POWER("@mod:a", "{\"users\":{\"@mod:a\":50}}"), .changes = {POWER("@alice:a", "{\"kick\":50,\"users\":{\"@mod:a\":50}}")}},
    {"every action counts: invite", ALL, NO, POWER("@mod:a", "{\"invite\":51,\"users\":{\"@mod:a\":50}}"), .changes = {POWER("@alice:a", "{\"users\":{\"@mod:a\":50}}")}},
    {"every action counts: users_default", ALL, NO, POWER("@mod:a", "{\"users\":{\"@mod:a\":50},\"users_default\":51}"), .changes = {POWER("@alice:a", "{\"users\":{\"@mod:a\":50}}")}},
    {"every action counts: events_default", ALL, NO, POWER("@mod:a", "{\"events_default\":51,\"users\":{\"@mod:a\":50}}"), .changes = {POWER("@alice:a", "{\"users\":{\"@mod:a\":50}}")}},
    {"every action counts: state_default", ALL, NO, POWER("@mod:a", "{\"state_default\":51,\"users\":{\"@mod:a\":50}}"), .changes = {POWER("@alice:a", "{\"users\":{\"@mod:a\":50}}")}},
    {"an event within one's level", ALL, YES, POWER("@mod:a", "{\"events\":{\"x\":50},\"users\":{\"@mod:a\":50}}"), .changes = {POWER("@alice:a", "{\"users\":{\"@mod:a\":50}}")}},
    {"an event added above one's level", ALL, NO, POWER("@mod:a", "{\"events\":{\"x\":51},\"users\":{\"@mod:a\":50}}"), .changes = {POWER("@alice:a", "{\"users\":{\"@mod:a\":50}}")}},
    {"an event removed above one's level", ALL, NO, POWER("@mod:a", "{\"events\":{},\"users\":{\"@mod:a\":50}}"), .changes = {POWER("@alice:a", "{\"events\":{\"x\":51},\"users\":{\"@mod:a\":50}}")}},
    {"an event from above one's level", ALL, NO, POWER("@mod:a", "{\"events\":{\"x\":5},\"users\":{\"@mod:a\":50}}"), .changes = {POWER("@alice:a", "{\"events\":{\"x\":51},\"users\":{\"@mod:a\":50}}")}},
    {"notifications were free", V(1, 5), YES, POWER("@mod:a", "{\"notifications\":{\"room\":99},\"users\":{\"@mod:a\":50}}"), .changes = {POWER("@alice:a", "{\"users\":{\"@mod:a\":50}}")}},
    {"notifications are checked: added", V(6, 12), NO, POWER("@mod:a", "{\"notifications\":{\"room\":99},\"users\":{\"@mod:a\":50}}"), .changes = {POWER("@alice:a", "{\"users\":{\"@mod:a\":50}}")}},
    {"notifications are checked: removed", V(6, 12), NO, POWER("@mod:a", "{\"users\":{\"@mod:a\":50}}"), .changes = {POWER("@alice:a", "{\"notifications\":{\"room\":99},\"users\":{\"@mod:a\":50}}")}},
    {"notifications within one's level", ALL, YES, POWER("@mod:a", "{\"notifications\":{\"room\":50},\"users\":{\"@mod:a\":50}}"), .changes = {POWER("@alice:a", "{\"users\":{\"@mod:a\":50}}")}},
    {"someone raised to one's level", ALL, YES, POWER("@mod:a", "{\"users\":{\"@bob:a\":50,\"@mod:a\":50}}"), .changes = {POWER("@alice:a", "{\"users\":{\"@mod:a\":50}}")}},
    {"someone raised above it", ALL, NO, POWER("@mod:a", "{\"users\":{\"@bob:a\":51,\"@mod:a\":50}}"), .changes = {POWER("@alice:a", "{\"users\":{\"@mod:a\":50}}")}},
    {"oneself raised", ALL, NO, POWER("@mod:a", "{\"users\":{\"@mod:a\":51}}"), .changes = {POWER("@alice:a", "{\"users\":{\"@mod:a\":50}}")}},
    {"oneself lowered", ALL, YES, POWER("@mod:a", "{\"users\":{\"@mod:a\":1}}"), .changes = {POWER("@alice:a", "{\"users\":{\"@mod:a\":50}}")}},
    {"oneself removed", ALL, YES, POWER("@mod:a", "{\"users\":{}}"), .changes = {POWER("@alice:a", "{\"users\":{\"@mod:a\":50}}")}},
    {"an equal lowered", ALL, NO, POWER("@mod:a", "{\"users\":{\"@mod2:a\":1,\"@mod:a\":50}}"), .changes = {POWER("@alice:a", "{\"users\":{\"@mod2:a\":50,\"@mod:a\":50}}")}},
    {"an equal removed", ALL, NO, POWER("@mod:a", "{\"users\":{\"@mod:a\":50}}"), .changes = {POWER("@alice:a", "{\"users\":{\"@mod2:a\":50,\"@mod:a\":50}}")}},
    {"someone below lowered", ALL, YES, POWER("@mod:a", "{\"users\":{\"@low:a\":1,\"@mod:a\":50}}"), .changes = {POWER("@alice:a", "{\"users\":{\"@low:a\":49,\"@mod:a\":50}}")}},
    {"someone above removed", ALL, NO, POWER("@mod:a", "{\"users\":{\"@mod:a\":50}}"), .changes = {POWER("@alice:a", "{\"users\":{\"@high:a\":51,\"@mod:a\":50}}")}},
    {"the same level in other words", V(1, 9), YES, POWER("@mod:a", "{\"users\":{\"@high:a\":\"+0099\",\"@mod:a\":50}}"), .changes = {POWER("@alice:a", "{\"users\":{\"@high:a\":99,\"@mod:a\":50}}")}},

    /* v1 11: redactions */
    {"a redaction by a moderator", ALL, YES, REDACTION("@mod:a", "$x:b")},
    {"of an event of the same server", ALL, YES, REDACTION("@bob:a", "$x:a")},
    {"of another's event was refused", V(1, 2), NO, REDACTION("@bob:a", "$x:b")},
    {"of another's event passes; whether it acts is asked later", V(3, 12), YES, REDACTION("@bob:a", "$x:b")},
    {"a redaction without target", V(1, 2), NO, REDACTION("@bob:a", NULL)},
    {"a redaction takes the level of its type", ALL, NO, REDACTION("@bob:a", "$x:a"), .changes = {POWER("@alice:a", "{\"events\":{\"m.room.redaction\":1}}")}},

    /* v12: infinite power */
    {"an additional creator is nobody special yet", V(1, 11), NO, STATE("m.room.topic", "", "@anna:a", "{}")},
    {"an additional creator may do everything", V(12, 12), YES, STATE("m.room.topic", "", "@anna:a", "{}"), .changes = {POWER("@alice:a", "{\"state_default\":9007199254740991}")}},
    {"a creator may do everything", V(12, 12), YES, POWER("@alice:a", "{\"ban\":9007199254740991,\"users\":{\"@mod:a\":1}}")},
    {"a creator kicks who has the most of levels", V(12, 12), YES, MEMBER("@anna:a", "@mod:a", "leave"), .changes = {POWER("@alice:a", "{\"users\":{\"@mod:a\":9007199254740991}}")}},
    {"a creator does not kick a creator", V(12, 12), NO, MEMBER("@alice:a", "@anna:a", "leave")},
    {"a creator does not ban a creator", V(12, 12), NO, MEMBER("@anna:a", "@alice:a", "ban")},
    {"nobody kicks a creator", V(12, 12), NO, MEMBER("@mod:a", "@anna:a", "leave"), .changes = {POWER("@alice:a", "{\"users\":{\"@mod:a\":9007199254740991}}")}},
    {"a creator who left has no say", V(12, 12), NO, MESSAGE("@anna:a"), .changes = {MEMBER("@anna:a", "@anna:a", "leave")}},
};
/* clang-format on */
