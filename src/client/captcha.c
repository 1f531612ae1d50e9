/* SPDX-License-Identifier: Apache-2.0 */
#include "client/captcha.h"

#include "core/server.h"
#include "net/http_client.h"
#include "wire/json.h"
#include "wire/url.h"

enum { ANSWER_MAX = 64 * 1024, RESPONSE_MAX = 16 * 1024 };

static const struct provider {
    const char *css_class, *field;
    struct str friends; /* whose frames it shows, for the page's policy */
} providers[] = {
    [CAPTCHA_OFF] = {"", "", STR_INIT("")},
    [CAPTCHA_RECAPTCHA] = {"g-recaptcha", "g-recaptcha-response",
                           STR_INIT("https://www.google.com https://recaptcha.google.com "
                                    "https://www.gstatic.com")},
    [CAPTCHA_HCAPTCHA] = {"h-captcha", "h-captcha-response",
                          STR_INIT("https://hcaptcha.com https://*.hcaptcha.com")},
    [CAPTCHA_TURNSTILE] = {"cf-turnstile", "cf-turnstile-response",
                           STR_INIT("https://challenges.cloudflare.com")},
};

static const struct provider *provider_of(struct request *rq)
{
    return &providers[server_of(rq)->config->captcha.provider];
}

/* The URL is the operator's own, so it may lead to a machine of their network. */
static void ask(struct request *rq, struct str response, struct http_fetch *f)
{
    static const char *const headers[] = {"Content-Type: application/x-www-form-urlencoded", NULL};
    struct server *s = server_of(rq);
    const struct config *c = s->config;
    struct str body = ARENA_CONCAT(
        rq->arena, STR("secret="), url_encode(rq->arena, c->captcha.secret), STR("&response="),
        url_encode(rq->arena, response), STR("&remoteip="), url_encode(rq->arena, rq->remote));
    *f = (struct http_fetch){.url = c->captcha.verify_url,
                             .headers = headers,
                             .body = body,
                             .limits = {.body_bytes = ANSWER_MAX, .total_ms = 10000},
                             .private_ok = true};
    http_client_run(s->http_client, f);
}

int captcha_check(struct request *rq, struct str response, bool *out_right, struct err *err)
{
    struct http_fetch f;
    json_t *answer;
    *out_right = false;
    if (response.n == 0 || response.n > RESPONSE_MAX) {
        return 0;
    }
    ask(rq, response, &f);
    int rc = f.rc;
    if (rc == 0 && f.status == 200) {
        rc = json_parse(rq->arena, buf_str(&f.reply), JPARSE_REALS, &answer, &f.err);
    } else if (rc == 0) {
        rc = E_BUSY;
    }
    if (rc == 0) {
        (void)json_get_bool(answer, "success", out_right);
    } else {
        rc = err_set(err, E_BUSY, 502, "M_UNKNOWN", "The captcha cannot be checked: try later");
        err_detail(err, "captcha.verify_url: status %ld", f.status);
        err_cause(err, &f.err);
    }
    http_fetch_release(&f);
    return rc;
}

void captcha_show(struct page *p)
{
    const struct config *c = server_of(p->rq)->config;
    const struct provider *provider = provider_of(p->rq);
    p->friends = ARENA_CONCAT(p->rq->arena, page_origin_of(c->captcha.script_url), STR(" "),
                              provider->friends);
    page_script_from(p, c->captcha.script_url);
    PAGE_MARKUP(p, "<div class=\"");
    page_text(p, str_c(provider->css_class));
    PAGE_MARKUP(p, "\" data-sitekey=\"");
    page_text(p, c->captcha.site_key);
    PAGE_MARKUP(p, "\"></div>\n");
}

struct str captcha_response(struct request *rq, const struct url_query *form)
{
    struct str value = STR_NONE;
    (void)url_query_find(form, str_c(provider_of(rq)->field), &value);
    return value;
}
