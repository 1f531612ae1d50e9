/* SPDX-License-Identifier: Apache-2.0 */
#include "media/content_type.h"

#include "wire/http_header.h"

/* A table instead of libmagic: its database costs megabytes of memory, and only these four are decoded. */
enum picture_kind picture_sniff(struct str head)
{
    static const struct {
        enum picture_kind kind;
        struct str first, at_8;
    } signatures[] = {
        {PICTURE_JPEG, STR_INIT("\xff\xd8\xff"), STR_NONE},
        {PICTURE_PNG, STR_INIT("\x89PNG\r\n\x1a\n"), STR_NONE},
        {PICTURE_GIF, STR_INIT("GIF87a"), STR_NONE},
        {PICTURE_GIF, STR_INIT("GIF89a"), STR_NONE},
        {PICTURE_WEBP, STR_INIT("RIFF"), STR_INIT("WEBP")},
    };
    for (size_t i = 0; i < ARRAY_LEN(signatures); i++) {
        if (str_starts(head, signatures[i].first) &&
            str_starts(str_from(head, signatures[i].at_8.n > 0 ? 8 : 0), signatures[i].at_8)) {
            return signatures[i].kind;
        }
    }
    return PICTURE_NONE;
}

const char *picture_content_type(enum picture_kind kind)
{
    static const char *const types[] = {
        [PICTURE_NONE] = NULL,       [PICTURE_JPEG] = "image/jpeg", [PICTURE_PNG] = "image/png",
        [PICTURE_GIF] = "image/gif", [PICTURE_WEBP] = "image/webp",
    };
    return types[kind];
}

/* Client-server API, "Content repository", "Serving inline content". */
bool content_type_is_inline(struct str content_type)
{
    static const struct str safe[] = {
        STR_INIT("text/css"),         STR_INIT("text/plain"),          STR_INIT("text/csv"),
        STR_INIT("application/json"), STR_INIT("application/ld+json"), STR_INIT("image/jpeg"),
        STR_INIT("image/gif"),        STR_INIT("image/png"),           STR_INIT("image/apng"),
        STR_INIT("image/webp"),       STR_INIT("image/avif"),          STR_INIT("video/mp4"),
        STR_INIT("video/webm"),       STR_INIT("video/ogg"),           STR_INIT("video/quicktime"),
        STR_INIT("audio/mp4"),        STR_INIT("audio/webm"),          STR_INIT("audio/aac"),
        STR_INIT("audio/mpeg"),       STR_INIT("audio/ogg"),           STR_INIT("audio/wave"),
        STR_INIT("audio/wav"),        STR_INIT("audio/x-wav"),         STR_INIT("audio/x-pn-wav"),
        STR_INIT("audio/flac"),       STR_INIT("audio/x-flac"),
    };
    for (size_t i = 0; i < ARRAY_LEN(safe); i++) {
        if (http_content_type_is(content_type, safe[i])) {
            return true;
        }
    }
    return false;
}

struct str content_type_clean(struct str declared)
{
    struct arena a;
    struct http_content_type parsed;
    arena_init(&a, 0);
    bool is_type = declared.n <= 255 && http_content_type_parse(&a, declared, &parsed);
    arena_release(&a);
    return is_type ? declared : STR("application/octet-stream");
}

struct str content_disposition(struct arena *a, struct str content_type, struct str filename)
{
    struct str how = content_type_is_inline(content_type) ? STR("inline") : STR("attachment");
    return http_content_disposition(a, how, filename);
}
