/* SPDX-License-Identifier: Apache-2.0 */
/* Puzzles that tell people from programs: reCAPTCHA and what works alike (m.login.recaptcha). */
#ifndef INGOT_CLIENT_CAPTCHA_H
#define INGOT_CLIENT_CAPTCHA_H

#include "net/page.h"

/* Asks the provider whether this is the answer of somebody who solved the puzzle. Slow lane. 502 M_UNKNOWN if the
 * provider cannot be asked. */
MUST_USE int captcha_check(struct request *rq, struct str response, bool *out_right,
                           struct err *err);

/* The puzzle in a form of the page; the form then has the field that captcha_response finds. */
void captcha_show(struct page *p);
struct url_query;
struct str captcha_response(struct request *rq,
                            const struct url_query *form); /* .p == NULL: none */

#endif
