/*
 * The manifest of a finished download: .kthena/manifest, JSON, written last and atomically:
 *
 *   {"version":1,"source":"scheme://b/m","revision":"","pinned":false,"completed":"2026-...Z",
 *    "files":[{"path":"a","size":1,"digest":"sha256:...","etag":"...","mtime_ns":"17...",
 *              "inode":"12"}]}
 *
 * The downloader writes it and asks it what is there already; `verify` re-checks a directory
 * against it; deleting an adapter deletes only what it lists. A damaged one is an error that says
 * so, and for the downloader as good as none. The caller frees a manifest it has read.
 */
#ifndef KTHENA_STORE_MANIFEST_H
#define KTHENA_STORE_MANIFEST_H

#include "store/directory.h"

#include <stddef.h>
#include <stdint.h>

struct manifest_file {
    char *path;
    int64_t size;
    char *digest; /* "kind:hex" */
    char *etag;   /* "" if there is none */
    int64_t mtime_ns;
    uint64_t inode;
};

struct manifest {
    char *source;                /* the URI as asked for */
    char *revision;              /* "" if there is none */
    bool pinned;                 /* the revision cannot change */
    char *completed;             /* RFC 3339 */
    struct manifest_file *files; /* sorted by path */
    size_t count;
};

/* ERROR_NOT_FOUND when there is none, ERROR_INVALID when it is damaged (what is wrong, and that
 * downloading again repairs it), ERROR_IO. *out is empty on error. */
struct error *manifest_read(const struct directory *directory, struct manifest *out)
    __attribute__((warn_unused_result));
struct error *manifest_write(const struct directory *directory, const struct manifest *manifest)
    __attribute__((warn_unused_result));
void manifest_free(struct manifest *manifest);

/* One digest over all files, "sha256:hex": of the lines "path digest\n" in the order of the paths.
 */
#define MANIFEST_DIGEST_SIZE 72
void manifest_digest(const struct manifest *manifest, char text[MANIFEST_DIGEST_SIZE]);

/* Removes the files that the manifest lists, then .kthena, and the directories, this one too, that
 * are empty then. What the manifest does not list stays. Stores how many files were removed. The
 * caller has the directory's lock, whose file is gone afterwards. Errors as manifest_read, and
 * ERROR_DENIED or ERROR_IO for a file that cannot be removed; the manifest is then there still. */
struct error *manifest_delete(const struct directory *directory, size_t *count)
    __attribute__((warn_unused_result));

/* The entry of a path, or NULL. */
const struct manifest_file *manifest_find(const struct manifest *manifest, const char *path);

/* Whether the file is there as the manifest says, by size, mtime and inode (a fast test that no
 * content is read for). */
bool manifest_file_is_present(const struct directory *directory, const struct manifest_file *file);

#endif
