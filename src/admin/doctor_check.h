/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Checks of an installation. Each looks at one thing, changes nothing, and says what it found and, if that is
 * bad, what to do about it. They may run beside a live server.
 */
#ifndef INGOT_ADMIN_DOCTOR_CHECK_H
#define INGOT_ADMIN_DOCTOR_CHECK_H

#include "core/config.h"

enum finding { FINDING_OK, FINDING_WARNING, FINDING_FAILURE };

struct check_result {
    const char *topic; /* "disk space" */
    enum finding finding;
    struct str found;  /* a sentence */
    struct str advice; /* empty if all is well */
};

/* Runs all checks; results in the arena, in a fixed order. */
void doctor_check(const struct config *c, struct arena *a, const struct check_result **out,
                  size_t *out_n);

#endif
