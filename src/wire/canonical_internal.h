/* SPDX-License-Identifier: Apache-2.0 */
/* What the two encoders share: canonical.c (from trees), canonical_text.c (from text). */
#ifndef INGOT_WIRE_CANONICAL_INTERNAL_H
#define INGOT_WIRE_CANONICAL_INTERNAL_H

#include "wire/canonical.h"

/* Bytes at the beginning of the n at p that a JSON string may hold as they stand, well-formed or not. */
size_t canonical_plain_run(const char *p, size_t n);
/* A character that must be escaped: a control, the quote, the backslash. */
void canonical_write_escape(struct buf *out, unsigned char c);
/* A finite number as CANONICAL_LAX writes it. */
void canonical_write_real(struct buf *out, double v);

#endif
