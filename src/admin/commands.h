/* SPDX-License-Identifier: Apache-2.0 */
/* The commands that this folder offers to the table in src/main. */
#ifndef INGOT_ADMIN_COMMANDS_H
#define INGOT_ADMIN_COMMANDS_H

#include "admin/cli.h"

int init_cmd(const struct cli_args *args);
extern const struct cli_option init_options[];

int config_check_cmd(const struct cli_args *args);
int config_show_cmd(const struct cli_args *args);
int config_sample_cmd(const struct cli_args *args);

int db_init_cmd(const struct cli_args *args);
int db_migrate_cmd(const struct cli_args *args);
int db_status_cmd(const struct cli_args *args);
int db_check_cmd(const struct cli_args *args);
int db_adopt_cmd(const struct cli_args *args);
int db_restored_cmd(const struct cli_args *args);
int db_compact_cmd(const struct cli_args *args);
extern const struct cli_option db_init_options[], db_migrate_options[];

int doctor_cmd(const struct cli_args *args);

int appservice_list_cmd(const struct cli_args *args);
int appservice_ping_cmd(const struct cli_args *args);
int appservice_generate_cmd(const struct cli_args *args);
extern const struct cli_option appservice_generate_options[];

int mail_test_cmd(const struct cli_args *args);

int user_add_cmd(const struct cli_args *args);
int user_list_cmd(const struct cli_args *args);
int user_password_cmd(const struct cli_args *args);
int user_deactivate_cmd(const struct cli_args *args);
int user_show_cmd(const struct cli_args *args);
int user_lock_cmd(const struct cli_args *args);
int user_unlock_cmd(const struct cli_args *args);
int user_suspend_cmd(const struct cli_args *args);
int user_reactivate_cmd(const struct cli_args *args);
int user_logout_cmd(const struct cli_args *args);
int user_make_admin_cmd(const struct cli_args *args);
extern const struct cli_option user_add_options[], user_password_options[], user_logout_options[],
    user_deactivate_options[], user_make_admin_options[];

int room_list_cmd(const struct cli_args *args);
int room_show_cmd(const struct cli_args *args);
int room_block_cmd(const struct cli_args *args);
int room_unblock_cmd(const struct cli_args *args);
int room_delete_cmd(const struct cli_args *args);
int room_purge_history_cmd(const struct cli_args *args);
extern const struct cli_option room_delete_options[], room_purge_history_options[];

int media_list_cmd(const struct cli_args *args);
int media_show_cmd(const struct cli_args *args);
int media_quarantine_cmd(const struct cli_args *args);
int media_unquarantine_cmd(const struct cli_args *args);
int media_delete_cmd(const struct cli_args *args);
int media_purge_cmd(const struct cli_args *args);
int media_usage_cmd(const struct cli_args *args);
extern const struct cli_option media_list_options[], media_quarantine_options[],
    media_unquarantine_options[], media_delete_options[], media_purge_options[],
    media_usage_options[];

int registration_token_add_cmd(const struct cli_args *args);
int registration_token_list_cmd(const struct cli_args *args);
int registration_token_show_cmd(const struct cli_args *args);
int registration_token_update_cmd(const struct cli_args *args);
int registration_token_remove_cmd(const struct cli_args *args);
extern const struct cli_option registration_token_add_options[],
    registration_token_update_options[];

#endif
