/* SPDX-License-Identifier: Apache-2.0 */
#include "crypto/json_sign.h"

#include "wire/base64.h"

static int signed_bytes(struct arena *a, const json_t *object, unsigned flags, struct str *out,
                        struct err *err)
{
    static const struct str unsigned_keys[] = {STR_INIT("signatures"), STR_INIT("unsigned")};
    return canonical_encode_without(a, object, unsigned_keys, ARRAY_LEN(unsigned_keys), flags, out,
                                    err);
}

int json_sign(struct arena *a, json_t *object, struct str entity, const struct signing_key *key,
              unsigned flags, struct err *err)
{
    struct str bytes;
    int rc = signed_bytes(a, object, flags, &bytes, err);
    if (rc != 0) {
        return rc;
    }
    unsigned char signature[ED25519_SIGNATURE_LEN];
    signing_key_sign(key, bytes, signature);
    json_signature_add(object, entity, str_c(key->id), signature);
    return 0;
}

/* The object under key, put there if there is none. */
static json_t *object_at(json_t *parent, struct str key)
{
    json_t *child = (json_t *)json_find(parent, key);
    if (!json_is_object(child)) {
        child = json_object();
        json_put(parent, key, child);
    }
    return child;
}

void json_signature_add(json_t *object, struct str entity, struct str key_id,
                        const unsigned char signature[ED25519_SIGNATURE_LEN])
{
    char text[90];
    size_t n = base64_encode_to(text, str_n((const char *)signature, ED25519_SIGNATURE_LEN), 0);
    json_t *by_entity = object_at(object, STR("signatures"));
    json_t *by_key = object_at(by_entity, entity);
    json_put(by_key, key_id, json_new_str(str_n(text, n)));
}

bool json_signature_find(const json_t *object, struct str entity, struct str key_id,
                         unsigned char out[ED25519_SIGNATURE_LEN])
{
    const json_t *by_key = json_find(json_get(object, "signatures"), entity);
    const json_t *text = json_find(by_key, key_id);
    return json_is_string(text) &&
           base64_decode_exact(out, ED25519_SIGNATURE_LEN, json_str(text), 0);
}

int json_verify(struct arena *a, const json_t *object, struct str entity, struct str key_id,
                const unsigned char public_key[ED25519_PUBLIC_LEN], unsigned flags, struct err *err)
{
    unsigned char signature[ED25519_SIGNATURE_LEN];
    if (!json_signature_find(object, entity, key_id, signature)) {
        return err_not_found(err, "No signature of %.*s by key %.*s", STR_ARG(entity),
                             STR_ARG(key_id));
    }
    struct str bytes;
    int rc = signed_bytes(a, object, flags, &bytes, err);
    if (rc == 0 && !ed25519_verify(public_key, bytes, signature)) {
        rc = err_forbidden(err, "The signature of %.*s by key %.*s is not valid", STR_ARG(entity),
                           STR_ARG(key_id));
    }
    return rc;
}
