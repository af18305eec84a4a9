/*
 * Re-checks a finished directory against its manifest, reading every byte of every file it lists.
 * Used by the verify command; files are hashed several at a time.
 */
#ifndef KTHENA_TRANSFER_VERIFY_H
#define KTHENA_TRANSFER_VERIFY_H

#include "store/manifest.h"
#include "transfer/progress.h"

#include <stdatomic.h>

/* Called for each file that is not as the manifest says, from one thread at a time; what is
 * "missing", "size 5, expected 7", "sha256 ab.., expected cd..". */
typedef void verify_problem(const char *path, const char *what, void *context);

/* Stores how many files and bytes were good. cancel NULL: never. ERROR_CANCELLED, ERROR_IO. */
struct error *verify_directory(const struct directory *directory, const struct manifest *manifest,
                               verify_problem *problem, void *context, struct progress *progress,
                               const atomic_bool *cancel, size_t *good_files, int64_t *good_bytes)
    __attribute__((warn_unused_result));

#endif
