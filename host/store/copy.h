/*
 * Copies one file as cheaply as the file system can: a reflink (FICLONE), else copy_file_range,
 * else read and write; holes stay holes (SEEK_DATA), permission bits and times are kept. Used for
 * sources that are mounted volumes. The caller owns the descriptors.
 */
#ifndef KTHENA_STORE_COPY_H
#define KTHENA_STORE_COPY_H

#include "base/error.h"

#include <stdatomic.h>
#include <stdint.h>

/* Called as bytes arrive, with how many more there are. */
typedef void copy_advance(int64_t bytes, void *context);

/* Copies all of `from` into the empty file `to`, then sets mode and times as the source's. name is
 * the source's path for messages. The errno of a failure is in the error's kind as
 * directory_error makes it. ERROR_CANCELLED when cancel (may be NULL) becomes true. A source that
 * changes while it is copied is ERROR_PROTOCOL. A file system that refuses modes or times is let
 * off. */
struct error *copy_file(int from, int to, const char *name, copy_advance *advance, void *context,
                        const atomic_bool *cancel) __attribute__((warn_unused_result));

#endif
