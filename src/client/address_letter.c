/* SPDX-License-Identifier: Apache-2.0 */
#include "client/address_letter.h"

static const char not_you[] = "If that was not you, you need not do anything.";

static void write_proof(struct arena *a, const struct address_letter *in, struct letter_body *body,
                        struct letter *out)
{
    static const struct {
        const char *subject, *wish, *label;
    } texts[] = {
        [THREEPID_REGISTER] = {"Confirm your e-mail address", "is creating an account",
                               "Confirm the address"},
        [THREEPID_PASSWORD] = {"Set a new password", "has forgotten the password of your account",
                               "Allow a new password"},
        [THREEPID_ADD] = {"Confirm your e-mail address", "is adding this address to an account",
                          "Confirm the address"},
    };
    out->subject = str_c(texts[in->purpose].subject);
    body->heading = out->subject;
    body->before = arena_printf(
        a, "Somebody, probably you, %s%s%.*s at %.*s (%.*s). To go on, follow this link:",
        texts[in->purpose].wish, in->user.n ? " " : "", STR_ARG(in->user),
        STR_ARG(in->config->email.app_name), STR_ARG(in->config->server_name));
    body->url = in->link;
    body->label = str_c(texts[in->purpose].label);
    body->after = arena_printf(a, "The link is good for %lld minutes. %s",
                               (long long)(in->config->email.link_lifetime_ms / 60000), not_you);
}

static void write_refusal(struct arena *a, const struct address_letter *in,
                          struct letter_body *body, struct letter *out)
{
    static const struct {
        const char *subject, *wish, *reason, *advice;
    } texts[] = {
        [THREEPID_REGISTER] = {"You have an account already", "wanted to create an account",
                               "this address belongs to the account ",
                               " already. Sign in with it; if you do not remember the password, "
                               "have a new one sent."},
        [THREEPID_PASSWORD] = {"You have no account with this address",
                               "wanted to set a new password",
                               "no account with this address is there",
                               ". Try another of your "
                               "addresses, or create an account."},
        [THREEPID_ADD] = {"This address is in use", "wanted to add this address to an account",
                          "this address belongs to the account ", " already."},
    };
    out->subject = str_c(texts[in->purpose].subject);
    body->heading = out->subject;
    body->before = arena_printf(a, "Somebody, probably you, %s at %.*s (%.*s), but %s%.*s%s",
                                texts[in->purpose].wish, STR_ARG(in->config->email.app_name),
                                STR_ARG(in->config->server_name), texts[in->purpose].reason,
                                STR_ARG(in->user), texts[in->purpose].advice);
    body->after = str_c(not_you);
}

void address_letter_write(struct arena *a, const struct address_letter *in, struct letter *out)
{
    struct letter_body body = {0};
    *out = (struct letter){.to = in->address};
    (in->link.n ? write_proof : write_refusal)(a, in, &body, out);
    letter_compose(a, &body, out);
}
