/* SPDX-License-Identifier: Apache-2.0 */
#include "client/signed_key.h"

#include "wire/canonical.h"

int signed_key_part(struct arena *a, const json_t *key, struct str *out, struct err *err)
{
    static const struct str skip[] = {STR_INIT("signatures"), STR_INIT("unsigned")};
    return canonical_encode_without(a, key, skip, ARRAY_LEN(skip), 0, out, err);
}

bool signed_key_public(const json_t *key, struct str *out)
{
    struct str algorithm, name;
    struct json_iter it = json_iter(json_get(key, "keys"));
    if (json_object_size(it.object) != 1 || !json_next(&it) ||
        !str_split(it.key, ':', &algorithm, &name) || !str_eq(algorithm, STR("ed25519")) ||
        !str_eq(name, json_str(it.value))) {
        return false;
    }
    *out = name;
    return true;
}
