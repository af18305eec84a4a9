/*
 * The mark of an output directory: .kthena/finished, one text that says that everything was done
 * for the manifest that is there, and which part of the source was asked for. A download that finds
 * it has nothing to do. The policy layer's download primitive writes and reads it.
 */
#ifndef KTHENA_STORE_MARK_H
#define KTHENA_STORE_MARK_H

#include "store/manifest.h"

#include <stdbool.h>

/* Writes the mark for this manifest and selection, any text without a NUL. */
struct error *mark_write(const struct directory *directory, const struct manifest *manifest,
                         const char *selection) __attribute__((warn_unused_result));

/* Whether the mark is there, for just these. */
bool mark_is_there(const struct directory *directory, const struct manifest *manifest,
                   const char *selection);

#endif
