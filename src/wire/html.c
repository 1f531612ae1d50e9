/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/html.h"

void html_escape(struct buf *out, struct str text)
{
    for (size_t i = 0; i < text.n; i++) {
        switch (text.p[i]) {
        case '&':
            buf_add(out, STR("&amp;"));
            break;
        case '<':
            buf_add(out, STR("&lt;"));
            break;
        case '>':
            buf_add(out, STR("&gt;"));
            break;
        case '"':
            buf_add(out, STR("&quot;"));
            break;
        case '\'':
            buf_add(out, STR("&#39;"));
            break;
        default:
            buf_add_char(out, text.p[i]);
        }
    }
}
