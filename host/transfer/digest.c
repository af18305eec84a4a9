#include "transfer/digest.h"

#include "base/memory.h"
#include "transfer/crc.h"

#include <libdeflate.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

struct digest {
    enum digest_kind kind;
    EVP_MD_CTX *hash;   /* the cryptographic kinds */
    XXH3_state_t *xxh3; /* DIGEST_XXH3 */
    uint64_t checksum;  /* the CRCs */
};

static const struct {
    const char *name;
    size_t size; /* in bytes */
} kinds[] = {
    [DIGEST_NONE] = {"none", 0},     [DIGEST_SHA256] = {"sha256", 32},
    [DIGEST_SHA1] = {"sha1", 20},    [DIGEST_GIT_SHA1] = {"git-sha1", 20},
    [DIGEST_MD5] = {"md5", 16},      [DIGEST_CRC32] = {"crc32", 4},
    [DIGEST_CRC32C] = {"crc32c", 4}, [DIGEST_CRC64NVME] = {"crc64nvme", 8},
    [DIGEST_XXH3] = {"xxh3", 8},
};

const char *digest_name(enum digest_kind kind) {
    return kinds[kind].name;
}

bool digest_parse_name(const char *name, enum digest_kind *kind) {
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        if (strcmp(name, kinds[i].name) == 0) {
            *kind = (enum digest_kind)i;
            return true;
        }
    }
    return false;
}

static void write_hex(const unsigned char *bytes, size_t size, char hex[DIGEST_TEXT_SIZE]) {
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < size; i++) {
        hex[2 * i] = digits[bytes[i] >> 4];
        hex[2 * i + 1] = digits[bytes[i] & 15];
    }
    hex[2 * size] = '\0';
}

static bool take_hex(const char *text, size_t length, size_t size, char hex[DIGEST_TEXT_SIZE]) {
    if (length != 2 * size || strspn(text, "0123456789abcdefABCDEF") < length)
        return false;
    for (size_t i = 0; i < length; i++)
        hex[i] = (char)(text[i] >= 'A' && text[i] <= 'F' ? text[i] | 0x20 : text[i]);
    hex[length] = '\0';
    return true;
}

static int base64_digit(char byte) {
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const char *found = byte ? strchr(digits, byte) : NULL;
    return found ? (int)(found - digits) : -1;
}

/* Exactly size bytes in base64, padded, with no bits left over. */
static bool take_base64(const char *text, size_t length, size_t size, char hex[DIGEST_TEXT_SIZE]) {
    unsigned char bytes[DIGEST_TEXT_SIZE / 2];
    size_t groups = (size + 2) / 3, padding = groups * 3 - size, written = 0;
    uint32_t bits = 0;
    int count = 0;
    if (length != groups * 4 || strspn(text + length - padding, "=") < padding)
        return false;
    for (size_t i = 0; i < length - padding; i++) {
        int digit = base64_digit(text[i]);
        if (digit < 0)
            return false;
        bits = bits << 6 | (uint32_t)digit;
        count += 6;
        if (count >= 8) {
            count -= 8;
            bytes[written++] = (unsigned char)(bits >> count);
            bits &= (1U << count) - 1;
        }
    }
    if (bits)
        return false;
    write_hex(bytes, size, hex);
    return true;
}

bool digest_normalize(enum digest_kind kind, const char *text, char hex[DIGEST_TEXT_SIZE]) {
    size_t length = strlen(text), size = kinds[kind].size;
    if (length >= 2 && text[0] == '"' && text[length - 1] == '"') {
        text++;
        length -= 2;
    }
    if (size == 0)
        return false;
    return take_hex(text, length, size, hex) || take_base64(text, length, size, hex);
}

static const EVP_MD *algorithm(enum digest_kind kind) {
    switch (kind) {
    case DIGEST_SHA256:
        return EVP_sha256();
    case DIGEST_SHA1:
    case DIGEST_GIT_SHA1:
        return EVP_sha1();
    case DIGEST_MD5:
        return EVP_md5();
    default:
        return NULL;
    }
}

struct digest *digest_new(enum digest_kind kind, int64_t size) {
    struct digest *digest = memory_zero(1, sizeof *digest);
    const EVP_MD *type = algorithm(kind);
    digest->kind = kind;
    if (type) {
        digest->hash = EVP_MD_CTX_new();
        if (!digest->hash || EVP_DigestInit_ex(digest->hash, type, NULL) != 1)
            abort();
    }
    if (kind == DIGEST_GIT_SHA1) {
        char *head = memory_format("blob %lld", (long long)size);
        digest_update(digest, head, strlen(head) + 1);
        memory_free(head);
    }
    if (kind == DIGEST_XXH3) {
        digest->xxh3 = XXH3_createState();
        if (!digest->xxh3 || XXH3_64bits_reset(digest->xxh3) != XXH_OK)
            abort();
    }
    return digest;
}

void digest_update(struct digest *digest, const void *bytes, size_t length) {
    switch (digest->kind) {
    case DIGEST_NONE:
        break;
    case DIGEST_CRC32:
        digest->checksum = libdeflate_crc32((uint32_t)digest->checksum, bytes, length);
        break;
    case DIGEST_CRC32C:
        digest->checksum = crc32c_update((uint32_t)digest->checksum, bytes, length);
        break;
    case DIGEST_CRC64NVME:
        digest->checksum = crc64nvme_update(digest->checksum, bytes, length);
        break;
    case DIGEST_XXH3:
        XXH3_64bits_update(digest->xxh3, bytes, length);
        break;
    default:
        if (EVP_DigestUpdate(digest->hash, bytes, length) != 1)
            abort();
    }
}

void digest_finish(struct digest *digest, char hex[DIGEST_TEXT_SIZE]) {
    unsigned char bytes[EVP_MAX_MD_SIZE];
    size_t size = kinds[digest->kind].size;
    if (digest->hash) {
        if (EVP_DigestFinal_ex(digest->hash, bytes, NULL) != 1)
            abort();
    } else {
        uint64_t number = digest->xxh3 ? XXH3_64bits_digest(digest->xxh3) : digest->checksum;
        for (size_t i = 0; i < size; i++)
            bytes[i] = (unsigned char)(number >> 8 * (size - 1 - i));
    }
    write_hex(bytes, size, hex);
}

void digest_free(struct digest *digest) {
    if (!digest)
        return;
    EVP_MD_CTX_free(digest->hash);
    XXH3_freeState(digest->xxh3);
    memory_free(digest);
}
