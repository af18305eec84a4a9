/*
 * Digests of files, computed piece by piece: what sources give to verify a download by, and XXH3
 * for where they give none. The downloader, the copier and the manifest use them. A struct digest
 * belongs to one thread at a time.
 */
#ifndef KTHENA_TRANSFER_DIGEST_H
#define KTHENA_TRANSFER_DIGEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum digest_kind {
    DIGEST_NONE,
    DIGEST_SHA256,
    DIGEST_SHA1,
    DIGEST_GIT_SHA1, /* of "blob <size>\0" and the content */
    DIGEST_MD5,
    DIGEST_CRC32,     /* IEEE 802.3 */
    DIGEST_CRC32C,    /* Castagnoli */
    DIGEST_CRC64NVME, /* as in x-amz-checksum-crc64nvme */
    DIGEST_XXH3,      /* 64 bits */
};
enum { DIGEST_TEXT_SIZE = 65 }; /* the longest in hexadecimal, and its NUL */

/* "sha256", "sha1", "git-sha1", "md5", "crc32", "crc32c", "crc64nvme", "xxh3"; "none". */
const char *digest_name(enum digest_kind kind);
bool digest_parse_name(const char *name, enum digest_kind *kind);

/* Brings a digest in hexadecimal of either case, or in base64, with or without the quotes of an
 * ETag, into lower-case hexadecimal. False when it is neither of the kind's length: a multipart
 * ETag ("...-2"), a composite checksum. */
bool digest_normalize(enum digest_kind kind, const char *text, char hex[DIGEST_TEXT_SIZE]);

struct digest;

/* size is the number of bytes that will come; only DIGEST_GIT_SHA1 needs to know. */
struct digest *digest_new(enum digest_kind kind, int64_t size);
void digest_update(struct digest *digest, const void *bytes, size_t length);
/* Writes lower-case hexadecimal, for the numbers most significant digit first, and ends it. */
void digest_finish(struct digest *digest, char hex[DIGEST_TEXT_SIZE]);
void digest_free(struct digest *digest); /* NULL is fine */

#endif
