/*
 * A plan: what a source has to offer, file by file, as a rule's resolve() found it. The rules' side
 * builds one (api/plan.c), the downloader executes it. It holds no connection and no descriptor;
 * texts are copied into it and live as long as it does. Built by one thread, read-only afterwards.
 */
#ifndef KTHENA_TRANSFER_PLAN_H
#define KTHENA_TRANSFER_PLAN_H

#include "base/error.h"
#include "transfer/digest.h"
#include "transfer/http.h"
#include "transfer/sigv4.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A response header that tells a file's digest: x-amz-checksum-sha256, or an ETag that is one. */
struct plan_digest_header {
    const char *name; /* lower case */
    enum digest_kind kind;
    const char *unless_name;  /* not when this header is there, NULL: always */
    const char *unless_value; /* and its value begins with this; NULL: whatever it is */
};

/* How a group of files is asked for. Redirects are followed to anywhere; private headers and the
 * signature stay with the origin of the file's URL, and a Location is kept for the file's further
 * ranges until it is refused (401, 403, 404, 410), when the URL is asked again. */
struct plan_access {
    struct http_header *headers;
    size_t header_count;
    struct signer *signer;              /* NULL: none */
    struct plan_digest_header *digests; /* the first that fits wins */
    size_t digest_count;
    /* A response header every answer of the file's own origin must carry with this value, such as
     * the commit it belongs to; otherwise the source has changed: ERROR_PROTOCOL. NULL: none. */
    const char *pin_name;
    const char *pin_value;
    /* Response headers worth quoting when a request is refused, separated by commas; or NULL. */
    const char *reason_headers;
};

struct plan_file {
    const char *path;  /* relative, '/' between parts; checked */
    int64_t size;      /* bytes; -1: not known */
    const char *url;   /* http or https, percent-encoded; NULL for a local file */
    const char *local; /* absolute path to copy from; NULL for a remote file */
    size_t access;     /* index, for remote files */
    const char *etag;  /* as in the header without quotes and W/; NULL: not known. A remote file
                          whose ETag is another when it is fetched has changed: it starts again
                          once, and the new one counts */
    enum digest_kind digest; /* DIGEST_NONE: not known */
    const char *hex;         /* expected digest; NULL: not known */
    bool ask_head;           /* send HEAD first, to learn size, etag and digest; done anyway for a
                                remote file of unknown size */
    int64_t mtime_ns;        /* to set on the file, -1: leave */
    int mode;                /* permission bits to set, -1: leave */
    int64_t present;         /* set by plan users: bytes already there; 0 at first */
};

struct plan {
    char *revision; /* "" when the source has none */
    bool pinned;    /* the revision names content that cannot change (a commit) */
    struct plan_access *accesses;
    size_t access_count;
    struct plan_file *files; /* in the order added until plan_seal */
    size_t file_count;
    int64_t bytes; /* sum of the known sizes */
    /* The rest is private. */
    struct plan_arena *arena;
};

enum { PLAN_FILES_MAX = 1000000, PLAN_PATH_MAX = 1024 };

struct plan *plan_new(void);
void plan_free(struct plan *plan); /* NULL is fine */
void plan_set_revision(struct plan *plan, const char *revision, bool pinned);

/* Copies everything; takes a reference of the signer. Stores the index. */
void plan_add_access(struct plan *plan, const struct plan_access *access, size_t *index);

/* Copies the file. ERROR_INVALID for a path that is empty, absolute, longer than PLAN_PATH_MAX, has
 * an empty, "." or ".." part or one of more than 255 bytes, or whose first part is ".kthena" (all
 * other bytes are file names here, control characters and backslashes too); for neither or both of
 * url and local; for a digest that is not of its kind. ERROR_LIMIT for one file too many. */
struct error *plan_add_file(struct plan *plan, const struct plan_file *file)
    __attribute__((warn_unused_result));

/* Drops files whose path matches none of include (count 0: all stay) or one of exclude. Globs as
 * git's: '*' and '?' do not match '/', '**' does, [a-z] and [!a-z]; a glob without '/' is matched
 * against the last part of the path as well as against the whole. */
void plan_filter(struct plan *plan, const char *const *include, size_t include_count,
                 const char *const *exclude, size_t exclude_count);
bool plan_glob(const char *glob, const char *path);

/* Sorts by path and checks the whole: ERROR_INVALID for two files of one path, or for a file whose
 * path is another's directory. Sums up bytes. */
struct error *plan_seal(struct plan *plan) __attribute__((warn_unused_result));

#endif
