/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every statement of the program, for the test that prepares them all and reads their plans. A module
 * defines `NAME_statements` (ends with NULL) and stands in this list.
 */
#ifndef INGOT_STORE_STATEMENTS_H
#define INGOT_STORE_STATEMENTS_H

#include "db/db.h"

#define STORE_MODULES(X)                                                                           \
    X(account_data)                                                                                \
    X(appservices)                                                                                 \
    X(committer)                                                                                   \
    X(cross_signing)                                                                               \
    X(device_lists)                                                                                \
    X(device_keys)                                                                                 \
    X(devices)                                                                                     \
    X(epochs)                                                                                      \
    X(erased_users)                                                                                \
    X(events)                                                                                      \
    X(filters)                                                                                     \
    X(inspect)                                                                                     \
    X(key_backups)                                                                                 \
    X(login_tokens)                                                                                \
    X(media)                                                                                       \
    X(meta)                                                                                        \
    X(names)                                                                                       \
    X(one_time_keys)                                                                               \
    X(openid_tokens)                                                                               \
    X(owner)                                                                                       \
    X(presence)                                                                                    \
    X(profiles)                                                                                    \
    X(purge)                                                                                       \
    X(push)                                                                                        \
    X(receipts)                                                                                    \
    X(registration_tokens)                                                                         \
    X(reports)                                                                                     \
    X(room_directory)                                                                              \
    X(rooms)                                                                                       \
    X(search)                                                                                      \
    X(space)                                                                                       \
    X(threads)                                                                                     \
    X(to_device)                                                                                   \
    X(threepid_binds)                                                                              \
    X(threepid_sessions)                                                                           \
    X(threepids)                                                                                   \
    X(tokens)                                                                                      \
    X(transactions)                                                                                \
    X(uia)                                                                                         \
    X(unread_counts)                                                                               \
    X(url_previews)                                                                                \
    X(user_directory)                                                                              \
    X(user_totals)                                                                                 \
    X(users)

#define X(module) extern const struct sql *const module##_statements[];
STORE_MODULES(X)
#undef X

struct store_module {
    const char *name;
    const struct sql *const *statements;
};
extern const struct store_module store_all_statements[];
extern const size_t store_all_statements_n;

/* Defines a module's array. */
#define STATEMENTS(module, ...) const struct sql *const module##_statements[] = {__VA_ARGS__, NULL}

#endif
