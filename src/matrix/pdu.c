/* SPDX-License-Identifier: Apache-2.0 */
#include "matrix/pdu.h"

#include "crypto/hash.h"
#include "matrix/canon.h"
#include "matrix/redaction.h"
#include "matrix/room_version.h"

/* Redacted and merged forms are never longer than what was checked against the size limit, but a peer's event may
 * still be unchecked, and a tree of 64 MiB is what the JSON layer lets through. */
#define PDU_MAX ((size_t)128 << 20)

const struct str pdu_key_names[PDU_OTHER] = {
#define X(symbol, text) [PDU_##symbol] = STR_INIT(text),
    PDU_KEYS(X)
#undef X
};

enum pdu_key pdu_key_of(struct str key)
{
    unsigned id = 0;
    while (id < PDU_OTHER && !str_eq(pdu_key_names[id], key)) {
        id++;
    }
    return (enum pdu_key)id;
}

struct pdu pdu_scan(struct arena *a, struct str canonical)
{
    struct pdu pdu = {.members = arena_array(a, struct pdu_member, canon_count(canonical))};
    for (struct canon_iter it = canon_iter(canonical); canon_next(&it);) {
        pdu.members[pdu.n++] =
            (struct pdu_member){.id = pdu_key_of(it.key), .key = it.key, .value = it.value};
    }
    return pdu;
}

struct str pdu_find(const struct pdu *pdu, enum pdu_key id)
{
    for (size_t i = 0; i < pdu->n; i++) {
        if (pdu->members[i].id == id) {
            return pdu->members[i].value;
        }
    }
    return STR_NONE;
}

void pdu_remove(struct pdu *pdu, uint32_t keys)
{
    size_t n = 0;
    for (size_t i = 0; i < pdu->n; i++) {
        if (!(keys >> pdu->members[i].id & 1)) {
            pdu->members[n++] = pdu->members[i];
        }
    }
    pdu->n = n;
}

/* Known keys are of [a-z_] only, all of them greater than a backslash; so comparing the texts gives the order of the
 * unescaped keys too. */
void pdu_put(struct pdu *pdu, enum pdu_key id, struct str value)
{
    size_t at = 0;
    while (at < pdu->n && str_cmp(pdu->members[at].key, pdu_key_names[id]) < 0) {
        at++;
    }
    if (at == pdu->n || pdu->members[at].id != id) {
        memmove(&pdu->members[at + 1], &pdu->members[at], (pdu->n - at) * sizeof(pdu->members[0]));
        pdu->n++;
    }
    pdu->members[at] = (struct pdu_member){.id = id, .key = pdu_key_names[id], .value = value};
}

static void write_key(struct buf *out, struct str key, bool is_first)
{
    buf_add(out, is_first ? STR("{\"") : STR(",\""));
    buf_add(out, key);
    buf_add(out, STR("\":"));
}

void pdu_write(struct buf *out, const struct pdu *pdu, uint32_t keep)
{
    bool is_first = true;
    for (size_t i = 0; i < pdu->n; i++) {
        if (keep >> pdu->members[i].id & 1) {
            write_key(out, pdu->members[i].key, is_first);
            buf_add(out, pdu->members[i].value);
            is_first = false;
        }
    }
    buf_add(out, is_first ? STR("{}") : STR("}"));
}

void pdu_write_redacted(struct buf *out, const struct pdu *pdu, const struct room_version *version,
                        uint32_t keep)
{
    struct str type = canon_inner(pdu_find(pdu, PDU_TYPE));
    bool is_first = true;
    keep &= redaction_top_keys(version->redaction);
    for (size_t i = 0; i < pdu->n; i++) {
        const struct pdu_member *m = &pdu->members[i];
        if (!(keep >> m->id & 1)) {
            continue;
        }
        write_key(out, m->key, is_first);
        if (m->id == PDU_CONTENT) {
            redaction_content(version->redaction, type, m->value, out);
        } else {
            buf_add(out, m->value);
        }
        is_first = false;
    }
    buf_add(out, is_first ? STR("{}") : STR("}"));
}

void pdu_write_signed(struct buf *out, const struct pdu *pdu, const struct room_version *version)
{
    pdu_write_redacted(out, pdu, version, ~(PDU_BIT(SIGNATURES) | PDU_BIT(UNSIGNED)));
}

void pdu_content_hash(const struct pdu *pdu, unsigned char out[32])
{
    struct buf bytes = BUF_INIT(PDU_MAX);
    buf_reserve(&bytes, pdu_size(pdu));
    pdu_write(&bytes, pdu, ~(PDU_BIT(HASHES) | PDU_BIT(SIGNATURES) | PDU_BIT(UNSIGNED)));
    sha256(buf_str(&bytes), out);
    buf_release(&bytes);
}

size_t pdu_size(const struct pdu *pdu)
{
    size_t n = 2;
    for (size_t i = 0; i < pdu->n; i++) {
        n += pdu->members[i].key.n + pdu->members[i].value.n + 4;
    }
    return pdu->n ? n - 1 : n;
}
