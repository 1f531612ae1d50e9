/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The requestToken endpoints. This server validates addresses itself, so `id_server` is ignored, as the specification
 * says; and there is no submit_url, because people follow a link. Telephone numbers cannot be validated here.
 */
#include "client/address_proof.h"
#include "client/handler.h"
#include "client/routes.h"
#include "wire/jfield.h"

struct email_body {
    struct str client_secret, email, next_link, id_server, id_access_token;
    int64_t send_attempt;
};
static const struct jfield email_fields[] = {
    FIELD(struct email_body, client_secret),
    FIELD(struct email_body, email),
    FIELD(struct email_body, next_link, .flags = OPT),
    FIELD(struct email_body, send_attempt),
    FIELD(struct email_body, id_server, .flags = OPT),
    FIELD(struct email_body, id_access_token, .flags = OPT),
    {0},
};

struct msisdn_body {
    struct str client_secret, country, phone_number, next_link, id_server, id_access_token;
    int64_t send_attempt;
};
static const struct jfield msisdn_fields[] = {
    FIELD(struct msisdn_body, client_secret),
    FIELD(struct msisdn_body, country),
    FIELD(struct msisdn_body, phone_number),
    FIELD(struct msisdn_body, next_link, .flags = OPT),
    FIELD(struct msisdn_body, send_attempt),
    FIELD(struct msisdn_body, id_server, .flags = OPT),
    FIELD(struct msisdn_body, id_access_token, .flags = OPT),
    {0},
};

static int begin(struct request *rq, enum threepid_purpose purpose, struct err *err)
{
    const struct email_body *in = rq->in;
    const struct proof_wish wish = {.purpose = purpose,
                                    .address = in->email,
                                    .client_secret = in->client_secret,
                                    .next_link = in->next_link.n ? in->next_link : STR_NONE,
                                    .send_attempt = in->send_attempt};
    struct str session;
    int rc = address_proof_begin(rq, &wish, &session, err);
    if (rc != 0) {
        return rc;
    }
    json_t *out = json_object();
    json_put_str(out, "sid", session);
    return reply_json(rq, 200, out);
}

static int post_register(struct request *rq, struct err *err)
{
    return begin(rq, THREEPID_REGISTER, err);
}

static int post_password(struct request *rq, struct err *err)
{
    return begin(rq, THREEPID_PASSWORD, err);
}

static int post_3pid(struct request *rq, struct err *err)
{
    return begin(rq, THREEPID_ADD, err);
}

static int post_msisdn(UNUSED struct request *rq, struct err *err)
{
    return err_set(err, E_INVALID, 400, "M_THREEPID_MEDIUM_NOT_SUPPORTED",
                   "Telephone numbers are not used here");
}

#define EMAIL(path, fn)                                                                            \
    {                                                                                              \
        HTTP_POST, "/_matrix/client/v3" path "/email/requestToken", (fn),                          \
            .rate = RATE_EMAIL, .lane = LANE_SLOW, BODY(struct email_body, email_fields)           \
    }
#define MSISDN(path)                                                                               \
    {                                                                                              \
        HTTP_POST, "/_matrix/client/v3" path "/msisdn/requestToken", post_msisdn,                  \
            .rate = RATE_EMAIL, BODY(struct msisdn_body, msisdn_fields)                            \
    }

const struct route request_token_routes[] = {
    EMAIL("/register", post_register),
    EMAIL("/account/password", post_password),
    EMAIL("/account/3pid", post_3pid),
    MSISDN("/register"),
    MSISDN("/account/password"),
    MSISDN("/account/3pid"),
    {0},
};
