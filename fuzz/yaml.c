/* SPDX-License-Identifier: Apache-2.0 */
/* Configuration and registration files: an accepted document can be written as JSON that our decoder accepts. */
#include "wire/yaml.h"
#include "base/arena.h"
#include "base/buf.h"
#include "fuzz/fuzz.h"
#include "wire/json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    wire_json_init();
    struct arena a;
    arena_init(&a, 0);
    const struct yaml_value *root;
    if (yaml_parse(&a, str_n((const char *)data, size), &root, NULL) == 0) {
        struct buf json = BUF_INIT(SIZE_MAX);
        yaml_to_json(root, &json);
        bug_on(!str_is_utf8(buf_str(&json)));
        buf_release(&json);
    }
    arena_release(&a);
    return 0;
}
