/* SPDX-License-Identifier: Apache-2.0 */
#include "crypto/signing_key.h"

#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/rand.h"
#include "wire/base64.h"

enum {
    FILE_MAX = 64 * 1024,
    VERSION_MAX = 64,
    GENERATED_VERSION_LEN = 4,
};

_Static_assert(sizeof("ed25519:") - 1 + VERSION_MAX <= SIGNING_KEY_ID_MAX, "an id must fit");
_Static_assert(crypto_sign_SECRETKEYBYTES == sizeof(((struct signing_key *)0)->secret),
               "libsodium's layout");

static bool is_version(struct str s)
{
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];
        if (!((c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
              c == '_')) {
            return false;
        }
    }
    return s.n > 0 && s.n <= VERSION_MAX;
}

int signing_key_from_seed(struct str version, const unsigned char seed[ED25519_SEED_LEN],
                          struct signing_key *out, struct err *err)
{
    if (!is_version(version)) {
        return err_set(err, E_INVALID, 0, NULL,
                       "A key version is 1 to %d of the characters A-Z a-z 0-9 _", VERSION_MAX);
    }
    *out = (struct signing_key){.id = ""};
    snprintf(out->id, sizeof(out->id), "ed25519:%.*s", STR_ARG(version));
    crypto_sign_seed_keypair(out->public_key, out->secret, seed);
    return 0;
}

void signing_key_generate(struct signing_key *out)
{
    struct arena a;
    arena_init(&a, 0);
    unsigned char seed[ED25519_SEED_LEN];
    rand_bytes(seed, sizeof(seed));
    struct str version = ARENA_CONCAT(&a, STR("a_"), rand_alnum(&a, GENERATED_VERSION_LEN));
    int rc = signing_key_from_seed(version, seed, out, NULL);
    bug_on(rc != 0);
    sodium_memzero(seed, sizeof(seed));
    arena_release(&a);
}

void signing_key_wipe(struct signing_key *key)
{
    sodium_memzero(key, sizeof(*key));
}

/* Next word of a line, words being separated by spaces and tabs. */
static struct str take_word(struct str *rest)
{
    *rest = str_trim(*rest);
    size_t n = 0;
    while (n < rest->n && rest->p[n] != ' ' && rest->p[n] != '\t') {
        n++;
    }
    struct str word = str_n(rest->p, n);
    *rest = str_from(*rest, n);
    return word;
}

static int parse_line(struct str line, int number, struct signing_key *out, struct err *err)
{
    struct str algorithm = take_word(&line);
    struct str version = take_word(&line);
    struct str seed_text = take_word(&line);
    unsigned char seed[ED25519_SEED_LEN];
    if (!str_eq(algorithm, STR("ed25519")) || str_trim(line).n > 0 || !is_version(version) ||
        !base64_decode_exact(seed, sizeof(seed), seed_text, 0)) {
        return err_set(err, E_INVALID, 0, NULL,
                       "Line %d of the signing key is not \"ed25519 <version> <seed in base64>\"",
                       number);
    }
    int rc = signing_key_from_seed(version, seed, out, err);
    sodium_memzero(seed, sizeof(seed));
    return rc;
}

static size_t count_lines(struct str text)
{
    size_t n = 1;
    for (size_t i = 0; i < text.n; i++) {
        n += text.p[i] == '\n';
    }
    return n;
}

int signing_keys_parse(struct arena *a, struct str text, struct signing_keys *out, struct err *err)
{
    struct signing_keys keys = {.p = arena_array(a, struct signing_key, count_lines(text))};
    int number = 0;
    for (struct str line, rest = text; rest.n > 0;) {
        str_split(rest, '\n', &line, &rest);
        number++;
        if (str_ends(line, STR("\r"))) {
            line.n--;
        }
        line = str_trim(line);
        if (line.n == 0 || line.p[0] == '#') {
            continue;
        }
        int rc = parse_line(line, number, &keys.p[keys.n++], err);
        if (rc != 0) {
            return rc;
        }
    }
    if (keys.n == 0) {
        return err_set(err, E_INVALID, 0, NULL, "The signing key file holds no key");
    }
    *out = keys;
    return 0;
}

struct str signing_keys_format(struct arena *a, const struct signing_key *keys, size_t n)
{
    struct str text = STR_NONE;
    for (size_t i = 0; i < n; i++) {
        struct str version = str_from(str_c(keys[i].id), sizeof("ed25519:") - 1);
        struct str seed =
            base64_encode(a, str_n((const char *)keys[i].secret, ED25519_SEED_LEN), 0);
        text = ARENA_CONCAT(a, text, STR("ed25519 "), version, STR(" "), seed, STR("\n"));
    }
    return text;
}

static int io_error(struct err *err, const char *what, struct str path)
{
    return err_internal(err, "cannot %s %.*s: %s", what, STR_ARG(path), strerror(errno));
}

/* Reads up to room bytes; *out_n is what was there. */
static int read_all(int fd, char *dst, size_t room, size_t *out_n)
{
    size_t n = 0;
    while (n < room) {
        ssize_t got = read(fd, dst + n, room - n);
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got < 0) {
            return -1;
        }
        if (got == 0) {
            break;
        }
        n += (size_t)got;
    }
    *out_n = n;
    return 0;
}

int signing_keys_load(struct arena *a, const char *path, struct signing_keys *out, struct err *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 && errno == ENOENT) {
        return err_set(err, E_NOT_FOUND, 0, NULL, "There is no signing key at %s", path);
    }
    if (fd < 0) {
        return io_error(err, "open", str_c(path));
    }
    char text[FILE_MAX];
    size_t n = 0;
    int rc = read_all(fd, text, sizeof(text), &n);
    if (rc != 0) {
        io_error(err, "read", str_c(path));
    }
    close(fd);
    rc = rc != 0 ? E_INTERNAL : signing_keys_parse(a, str_n(text, n), out, err);
    sodium_memzero(text, sizeof(text));
    return rc;
}

static int write_all(int fd, struct str s)
{
    while (s.n > 0) {
        ssize_t done = write(fd, s.p, s.n);
        if (done < 0 && errno == EINTR) {
            continue;
        }
        if (done < 0) {
            return -1;
        }
        s = str_from(s, (size_t)done);
    }
    return 0;
}

static int write_new_file(const char *path, struct str text)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0) {
        return -1;
    }
    int rc = fchmod(fd, 0600); /* a left-over from a crash may have any mode */
    rc = rc != 0 ? rc : write_all(fd, text);
    rc = rc != 0 ? rc : fsync(fd);
    return close(fd) != 0 ? -1 : rc;
}

/* A rename lasts once its directory is synced. */
static int sync_directory_of(struct arena *a, const char *path)
{
    const char *slash = strrchr(path, '/');
    const char *dir = slash ? arena_cstr(a, str_n(path, (size_t)MAX(slash - path, 1))) : ".";
    int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) {
        return -1;
    }
    int rc = fsync(fd);
    close(fd);
    return rc;
}

static int save_text(struct arena *a, const char *path, struct str text, struct err *err)
{
    const char *fresh = arena_cstr(a, ARENA_CONCAT(a, str_c(path), STR(".new")));
    if (write_new_file(fresh, text) != 0) {
        int rc = io_error(err, "write", str_c(fresh));
        unlink(fresh);
        return rc;
    }
    if (rename(fresh, path) != 0) {
        int rc = io_error(err, "rename to", str_c(path));
        unlink(fresh);
        return rc;
    }
    return sync_directory_of(a, path) != 0 ? io_error(err, "sync the directory of", str_c(path))
                                           : 0;
}

int signing_keys_save(const char *path, const struct signing_key *keys, size_t n, struct err *err)
{
    struct arena a;
    arena_init(&a, 0);
    struct str text = signing_keys_format(&a, keys, n);
    int rc = save_text(&a, path, text, err);
    sodium_memzero((char *)text.p, text.n);
    arena_release(&a);
    return rc;
}

void signing_key_sign(const struct signing_key *key, struct str bytes,
                      unsigned char out[ED25519_SIGNATURE_LEN])
{
    const unsigned char *p = (const unsigned char *)(bytes.p ? bytes.p : "");
    crypto_sign_detached(out, NULL, p, bytes.n, key->secret);
}

bool ed25519_verify(const unsigned char public_key[ED25519_PUBLIC_LEN], struct str bytes,
                    const unsigned char signature[ED25519_SIGNATURE_LEN])
{
    const unsigned char *p = (const unsigned char *)(bytes.p ? bytes.p : "");
    return crypto_sign_verify_detached(signature, p, bytes.n, public_key) == 0;
}
