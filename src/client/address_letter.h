/* SPDX-License-Identifier: Apache-2.0 */
/* The letters by which people prove an address, or learn why they need not. */
#ifndef INGOT_CLIENT_ADDRESS_LETTER_H
#define INGOT_CLIENT_ADDRESS_LETTER_H

#include "core/mailer.h"
#include "store/threepid_sessions.h"

struct address_letter {
    const struct config *config;
    enum threepid_purpose purpose;
    struct str address;
    struct str link; /* empty: it cannot be proved, because… */
    struct str user; /* whose it is already; empty: nobody's */
};

/* Everything in the arena. */
void address_letter_write(struct arena *a, const struct address_letter *in, struct letter *out);

#endif
