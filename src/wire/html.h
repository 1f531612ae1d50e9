/* SPDX-License-Identifier: Apache-2.0 */
/* Text inside HTML. */
#ifndef INGOT_WIRE_HTML_H
#define INGOT_WIRE_HTML_H

#include "base/buf.h"

/* Appends text so that it stays text, between tags and inside quoted attributes. */
void html_escape(struct buf *out, struct str text);

#endif
