/*
 * Lists the files of a local directory tree, or one file: what a mounted volume has to offer.
 * Symlinks are followed as long as they stay inside. Used by api/files.c; the caller frees a tree.
 */
#ifndef KTHENA_STORE_TREE_H
#define KTHENA_STORE_TREE_H

#include "base/buffer.h"
#include "base/error.h"

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

enum { TREE_FILES_MAX = 1000000, TREE_DEPTH_MAX = 64 };

struct tree_file {
    char *path; /* relative to the tree, or the file's name */
    char *from; /* absolute */
    int64_t size;
    int64_t mtime_ns;
    int mode; /* permission bits */
};

struct tree {
    struct tree_file *files;
    size_t count;
    size_t capacity;
    struct buffer skipped; /* what is neither file nor directory: paths, each with its NUL */
};

/* Lists path, absolute, and all below it, in no order; every .kthena, and lost+found directly in
 * it, are left out. ERROR_NOT_FOUND for what is not there and for a link to nothing, ERROR_DENIED
 * for what may not be read and for a link that leads out, ERROR_INVALID for a path that is neither
 * file nor directory and for links in a circle, ERROR_LIMIT, ERROR_IO, ERROR_CANCELLED. *out, all
 * zero before, is to be freed in every case. */
struct error *tree_list(const char *path, const atomic_bool *cancel, struct tree *out)
    __attribute__((warn_unused_result));
void tree_free(struct tree *tree);

#endif
