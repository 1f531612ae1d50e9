/* SPDX-License-Identifier: Apache-2.0 */
#include "net/page.h"

#include "base/rand.h"
#include "wire/html.h"

enum { NONCE_LENGTH = 22 };

static const char style[] =
    "body{font:1.1em/1.5 sans-serif;max-width:36em;margin:3em auto;padding:0 1em;"
    "color:#222;background:#fff}"
    "code{font-size:1.1em}label{display:block;margin:1em 0 .3em}"
    "input{font:inherit;padding:.4em;width:100%;box-sizing:border-box}"
    "button{font:inherit;margin-top:1.2em;padding:.5em 1.5em;cursor:pointer}"
    ".error{color:#a00}"
    "@media(prefers-color-scheme:dark){body{color:#eee;background:#1a1a1a}a{color:#8bf}"
    ".error{color:#f99}}";

void page_begin(struct request *rq, struct page *p, struct str title)
{
    *p = (struct page){
        .rq = rq, .html = BUF_INIT(PAGE_MAX), .nonce = rand_alnum(rq->arena, NONCE_LENGTH)};
    PAGE_MARKUP(p, "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n"
                   "<meta name=\"viewport\" content=\"width=device-width\">\n<title>");
    page_text(p, title);
    PAGE_MARKUP(p, "</title>\n<style nonce=\"");
    page_text(p, p->nonce);
    PAGE_MARKUP(p, "\">");
    page_markup(p, str_c(style));
    PAGE_MARKUP(p, "</style>\n<main>\n<h1>");
    page_text(p, title);
    PAGE_MARKUP(p, "</h1>\n");
}

void page_markup(struct page *p, struct str html)
{
    buf_add(&p->html, html);
}

void page_text(struct page *p, struct str text)
{
    html_escape(&p->html, text);
}

void page_paragraph(struct page *p, struct str text)
{
    PAGE_MARKUP(p, "<p>");
    page_text(p, text);
    PAGE_MARKUP(p, "</p>\n");
}

void page_hidden(struct page *p, const char *name, struct str value)
{
    buf_printf(&p->html, "<input type=\"hidden\" name=\"%s\" value=\"", name);
    page_text(p, value);
    PAGE_MARKUP(p, "\">\n");
}

void page_script(struct page *p, struct str code)
{
    PAGE_MARKUP(p, "<script nonce=\"");
    page_text(p, p->nonce);
    PAGE_MARKUP(p, "\">\n");
    page_markup(p, code);
    PAGE_MARKUP(p, "</script>\n");
}

void page_script_from(struct page *p, struct str url)
{
    PAGE_MARKUP(p, "<script async defer nonce=\"");
    page_text(p, p->nonce);
    PAGE_MARKUP(p, "\" src=\"");
    page_text(p, url);
    PAGE_MARKUP(p, "\"></script>\n");
}

static struct str policy(struct page *p)
{
    struct str nonce = p->nonce, friends = p->friends;
    return arena_printf(
        p->rq->arena,
        "default-src 'none'; style-src 'nonce-%.*s' %.*s; "
        "script-src 'nonce-%.*s' %s; frame-src %.*s; connect-src 'self' %.*s; "
        "form-action 'self' %.*s; frame-ancestors 'none'; base-uri 'none'",
        STR_ARG(nonce), STR_ARG(friends), STR_ARG(nonce), friends.n ? "'strict-dynamic'" : "",
        STR_ARG(friends.n ? friends : STR("'none'")), STR_ARG(friends), STR_ARG(p->form_origin));
}

int page_reply(struct page *p, int status)
{
    struct request *rq = p->rq;
    PAGE_MARKUP(p, "</main>\n</html>\n");
    bug_on(p->html.overflow);
    reply_header(rq, "Content-Security-Policy", policy(p));
    reply_header(rq, "X-Content-Type-Options", STR("nosniff"));
    reply_header(rq, "Referrer-Policy", STR("no-referrer"));
    reply_header(rq, "Cache-Control", STR("no-store"));
    struct str html = arena_str(rq->arena, buf_str(&p->html));
    buf_release(&p->html);
    return reply_bytes(rq, status, "text/html; charset=utf-8", html);
}

struct str page_origin_of(struct str url)
{
    ptrdiff_t scheme = str_find(url, STR("://"));
    if (scheme < 0) {
        return STR_NONE;
    }
    size_t n = (size_t)scheme + 3;
    while (n < url.n && !strchr("/?#", url.p[n])) {
        n++;
    }
    return str_n(url.p, n);
}
