/* SPDX-License-Identifier: Apache-2.0 */
/* The program: one table of commands. */
#include <sys/stat.h>

#include "admin/commands.h"
#include "crypto/hash.h"
#include "main/routes_cmd.h"
#include "main/serve.h"
#include "wire/json.h"

static int serve_cmd(const struct cli_args *args)
{
    struct config *config;
    struct err err = {0};
    int status = cli_load_config(args, &config);
    if (status != CLI_DONE) {
        return status;
    }
    return serve(config, &err) == 0 ? CLI_DONE : cli_fail_err(&err);
}

static int version_cmd(const struct cli_args *args)
{
    return cli_print(args->json ? STR("{\"name\":\"Ingot\",\"version\":\"" INGOT_VERSION "\"}\n")
                                : STR("ingot " INGOT_VERSION "\n"));
}

static const char data_help[] =
    "Works while the server runs (it is then done by the server) and while it does not.";

static const char room_delete_help[] =
    "Its aliases and its entry in the directory go too. Without --purge all that was said stays\n"
    "readable for those who were there, until they forget the room. If it is interrupted, call it\n"
    "again; a deletion of what is stored, once begun, the server also ends by itself.";

static const struct cli_command commands[] = {
    {"serve", NULL, "run the server",
     "Runs in the foreground and logs to standard error. SIGTERM and SIGINT stop it in order, "
     "SIGHUP\n"
     "reads configuration, registrations of application services and certificates again.",
     NULL, 0, 0, CLI_CONFIG, serve_cmd},
    {"init", NULL, "make configuration, data directory and keys",
     "Overwrites nothing; if everything is there already, it says so and succeeds.", init_options,
     0, 0, 0, init_cmd},
    {"user add", "NAME", "create an account", data_help, user_add_options, 1, 1,
     CLI_CONFIG | CLI_JSON, user_add_cmd},
    {"user list", NULL, "list the accounts", "With --json: one object per line.", NULL, 0, 0,
     CLI_CONFIG | CLI_JSON, user_list_cmd},
    {"user show", "NAME", "tell what is known of an account, and its devices", NULL, NULL, 1, 1,
     CLI_CONFIG | CLI_JSON, user_show_cmd},
    {"user lock", "NAME", "let an account do nothing until it is unlocked",
     "Its devices stay signed in, but are told that the account is locked.", NULL, 1, 1,
     CLI_CONFIG | CLI_JSON, user_lock_cmd},
    {"user unlock", "NAME", "undo a lock", NULL, NULL, 1, 1, CLI_CONFIG | CLI_JSON,
     user_unlock_cmd},
    {"user suspend", "NAME", "let an account only read, and leave rooms",
     "Undone by `ingot user reactivate`.", NULL, 1, 1, CLI_CONFIG | CLI_JSON, user_suspend_cmd},
    {"user reactivate", "NAME", "undo a suspension", NULL, NULL, 1, 1, CLI_CONFIG | CLI_JSON,
     user_reactivate_cmd},
    {"user logout", "NAME", "sign out all devices of a user", data_help, user_logout_options, 1, 1,
     CLI_CONFIG | CLI_JSON, user_logout_cmd},
    {"user password", "NAME", "set a password and sign out the user's devices", data_help,
     user_password_options, 1, 1, CLI_CONFIG | CLI_JSON, user_password_cmd},
    {"user deactivate", "NAME", "end an account for good and leave its rooms", data_help,
     user_deactivate_options, 1, 1, CLI_CONFIG | CLI_JSON, user_deactivate_cmd},
    {"user make-admin", "NAME", "make a user an administrator", data_help, user_make_admin_options,
     1, 1, CLI_CONFIG | CLI_JSON, user_make_admin_cmd},
    {"mail test", "ADDRESS", "send a letter to try the e-mail settings",
     "Says what the mail server answered if it does not take the letter.", NULL, 1, 1, CLI_CONFIG,
     mail_test_cmd},
    {"room list", NULL, "list the rooms: members, of them users of this server, name",
     "With --json: one object per line.", NULL, 0, 0, CLI_CONFIG | CLI_JSON, room_list_cmd},
    {"room show", "ROOM", "tell what is known of a room", "ROOM is an id or an alias.", NULL, 1, 1,
     CLI_CONFIG | CLI_JSON, room_show_cmd},
    {"room block", "ROOM", "let nobody of this server join, invite or send",
     "Also the id of a room that this server does not know yet. One may always leave.", NULL, 1, 1,
     CLI_CONFIG | CLI_JSON, room_block_cmd},
    {"room unblock", "ROOM", "undo a block", NULL, NULL, 1, 1, CLI_CONFIG | CLI_JSON,
     room_unblock_cmd},
    {"room delete", "ROOM", "remove everybody of this server from a room", room_delete_help,
     room_delete_options, 1, 1, CLI_CONFIG | CLI_JSON, room_delete_cmd},
    {"room purge-history", "ROOM", "delete old messages of a room for good",
     "State and the newest message stay. Can be interrupted and called again.",
     room_purge_history_options, 1, 1, CLI_CONFIG | CLI_JSON, room_purge_history_cmd},
    {"registration-token add", "[TOKEN]", "make a token that allows registration",
     "Without TOKEN one is made up. Tokens of the configuration (registration.tokens) are not "
     "listed\nhere and never end.",
     registration_token_add_options, 0, 1, CLI_CONFIG | CLI_JSON, registration_token_add_cmd},
    {"registration-token list", NULL, "list the registration tokens",
     "With --json: one object per line.", NULL, 0, 0, CLI_CONFIG | CLI_JSON,
     registration_token_list_cmd},
    {"registration-token show", "TOKEN", "say how often a token was used", NULL, NULL, 1, 1,
     CLI_CONFIG | CLI_JSON, registration_token_show_cmd},
    {"registration-token update", "TOKEN", "change the uses or the end of a token", data_help,
     registration_token_update_options, 1, 1, CLI_CONFIG | CLI_JSON, registration_token_update_cmd},
    {"registration-token remove", "TOKEN", "end a token", data_help, NULL, 1, 1,
     CLI_CONFIG | CLI_JSON, registration_token_remove_cmd},
    {"appservice list", NULL, "list the application services and what waits for them",
     "With --json: one object per line.", NULL, 0, 0, CLI_CONFIG | CLI_JSON, appservice_list_cmd},
    {"appservice ping", "ID", "ask an application service whether it is there",
     "From here, with the address and the token of its registration file.", NULL, 1, 1, CLI_CONFIG,
     appservice_ping_cmd},
    {"appservice generate", "ID", "make a registration file with tokens of its own",
     "Prints it, or writes it to --output. It is in force once `appservices` names it.",
     appservice_generate_options, 1, 1, 0, appservice_generate_cmd},
    {"media list", NULL, "list media: uri, class, size, when it was last asked for, type, uploader",
     "With --json: one object per line.", media_list_options, 0, 0, CLI_CONFIG | CLI_JSON,
     media_list_cmd},
    {"media show", "MXC", "tell what is known of a medium", NULL, NULL, 1, 1, CLI_CONFIG | CLI_JSON,
     media_show_cmd},
    {"media quarantine", "[MXC | SHA256]", "put contents out of reach and refuse them from now on",
     "Everything with the same content is quarantined, under whatever id. Its file stays.",
     media_quarantine_options, 0, 1, CLI_CONFIG | CLI_JSON, media_quarantine_cmd},
    {"media unquarantine", "[MXC | SHA256]", "undo a quarantine", NULL, media_unquarantine_options,
     0, 1, CLI_CONFIG | CLI_JSON, media_unquarantine_cmd},
    {"media delete", "[MXC]", "delete media for good", NULL, media_delete_options, 0, 1,
     CLI_CONFIG | CLI_JSON, media_delete_cmd},
    {"media purge", NULL, "delete what nobody has asked for in a long time",
     "Leaves avatars and room icons in use, as media.retention does.", media_purge_options, 0, 0,
     CLI_CONFIG | CLI_JSON, media_purge_cmd},
    {"media usage", NULL, "tell how much is stored, by class and by user", NULL,
     media_usage_options, 0, 0, CLI_CONFIG | CLI_JSON, media_usage_cmd},
    {"config check", NULL, "explain what is wrong with the configuration", NULL, NULL, 0, 0,
     CLI_CONFIG, config_check_cmd},
    {"config show", NULL, "print the settings in force, secrets masked", NULL, NULL, 0, 0,
     CLI_CONFIG | CLI_JSON, config_show_cmd},
    {"config sample", NULL, "print a configuration with every key and its default", NULL, NULL, 0,
     0, 0, config_sample_cmd},
    {"routes", NULL, "print what is served: method, who may call, rate limit, lane, path",
     "Who may call: none (anybody), optional (with or without a token), guest, user, admin,\n"
     "appservice, server. The rate limit is a key of rate_limits in the configuration. With "
     "--json:\n"
     "one object per line, which also tells the listeners (serve), the most bytes of a body and "
     "what\n"
     "a limit counts by.",
     NULL, 0, 0, CLI_JSON, routes_cmd},
    {"db init", NULL, "make the role and the database that the configuration names (PostgreSQL)",
     "Without --admin-url it prints the SQL for psql. A password for the administrator is better "
     "left to\nPGPASSWORD or ~/.pgpass than put into the URL, which other users can see.",
     db_init_options, 0, 0, CLI_CONFIG, db_init_cmd},
    {"db migrate", NULL, "bring the database up to this version of the program",
     "The server does it when it starts, unless database.migrate is manual. It must not be "
     "running.",
     db_migrate_options, 0, 0, CLI_CONFIG | CLI_JSON, db_migrate_cmd},
    {"db status", NULL, "engine, version, schema, sizes and connections of the database",
     "Works while the server runs.", NULL, 0, 0, CLI_CONFIG | CLI_JSON, db_status_cmd},
    {"db check", NULL, "check that what the database holds fits together",
     "Reads all of it, in one snapshot, and changes nothing; the server may go on. Exit status 1 "
     "if\n"
     "something is wrong.",
     NULL, 0, 0, CLI_CONFIG | CLI_JSON, db_check_cmd},
    {"db adopt", NULL, "say that database, signing key and directories belong together",
     "For when one of them is lost for good and the server refuses the others. The server must not "
     "run.\nThe server name of a database stays.",
     NULL, 0, 0, CLI_CONFIG, db_adopt_cmd},
    {"db restored", NULL, "say that an older copy was put back by hand",
     "To be called once, before the next start: clients then make new one-time keys, for nobody "
     "knows\nwhich ones were given away since the copy was made. A database that was put back "
     "without the data\ndirectory is noticed by itself.",
     NULL, 0, 0, CLI_CONFIG, db_restored_cmd},
    {"db compact", NULL, "give back disk that the database does not need",
     "The server does it by itself bit by bit, and may go on meanwhile. It must not be running "
     "where "
     "the\nfile was made by a version that could not, and on PostgreSQL: then the tables are "
     "written "
     "anew, which\ntakes as much disk again while it lasts.",
     NULL, 0, 0, CLI_CONFIG | CLI_JSON, db_compact_cmd},
    {"doctor", NULL, "check the installation and say what to do",
     "Looks at directories, permissions, keys, disk, database, ports, certificates, clock,\n"
     "mail server and thumbnails; changes nothing. Exit status 1 if something fails.",
     NULL, 0, 0, CLI_CONFIG | CLI_JSON, doctor_cmd},
    {"version", NULL, "print the version", NULL, NULL, 0, 0, CLI_JSON, version_cmd},
    {0},
};

int main(int argc, char **argv)
{
    (void)umask(077); /* what the program makes is for its own user */
    wire_json_init();
    crypto_init();
    return cli_main(commands, INGOT_VERSION, argc, argv);
}
