/* SPDX-License-Identifier: Apache-2.0 */
/*
 * HTML pages for people with a browser: one look, strict headers. A page loads nothing from anywhere, runs no script
 * but its own (by a nonce), is shown in no frame, is not cached and sends no Referer, since its URL may hold a secret.
 *
 *     struct page page;
 *     page_begin(rq, &page, STR("Confirm your address"));
 *     PAGE_MARKUP(&page, "<p>This is ");
 *     page_text(&page, address);
 *     PAGE_MARKUP(&page, "</p>");
 *     return page_reply(&page, 200);
 */
#ifndef INGOT_NET_PAGE_H
#define INGOT_NET_PAGE_H

#include "base/buf.h"
#include "net/request.h"

/* What a page may have with its markup: more is a bug, so whoever puts on it what others send has to bound that. */
enum { PAGE_MAX = 256 * 1024 };

struct page {
    struct request *rq;
    struct buf html;
    struct str nonce;
    struct str friends; /* origins whose frames and styles it may load besides; empty: none */
    struct str
        form_origin; /* where its form's answer may lead beside this server; empty: nowhere */
};

/* The title is also the heading. */
void page_begin(struct request *rq, struct page *p, struct str title);
void page_markup(struct page *p, struct str html); /* trusted */
#define PAGE_MARKUP(p, literal) page_markup((p), STR(literal))
/* Escaped: content, or inside of a quoted attribute. */
void page_text(struct page *p, struct str text);
/* <p>text</p> */
void page_paragraph(struct page *p, struct str text);
/* A hidden field of a form. */
void page_hidden(struct page *p, const char *name, struct str value);
/* A script of ours, trusted. */
void page_script(struct page *p, struct str code);
/* A script of a friend, which may load further ones. */
void page_script_from(struct page *p, struct str url);
/* Ends the page, answers with it and frees it; returns 0. */
int page_reply(struct page *p, int status);

/* scheme://host[:port] of an absolute URL, the argument's bytes; empty if it is none. */
struct str page_origin_of(struct str url);

#endif
