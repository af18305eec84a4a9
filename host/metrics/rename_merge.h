/*
 * Merging of series that label edits made equal: the renamer writes each sample at the end of its
 * output, the merge takes it over, and at the end the family's remaining samples are appended in
 * the order their series came. Private to the renamer.
 */
#ifndef KTHENA_METRICS_RENAME_MERGE_H
#define KTHENA_METRICS_RENAME_MERGE_H

#include "base/buffer.h"
#include "metrics/mapping.h"

#include <stdbool.h>

struct merge_entry {
    size_t line, length; /* in lines */
    size_t series;       /* length of the name and labels */
    double value;
};

struct merge {
    enum merge_kind kind;
    struct buffer lines;
    struct merge_entry *entries;
    size_t count, capacity;
    size_t *slots; /* open addressing, index + 1 of an entry */
    size_t slot_count;
};

/* Takes the line that begins at start off the end of out; its first `series` bytes say which series
 * it is. */
void merge_add(struct merge *merge, struct buffer *out, size_t start, size_t series);

/* Appends what is left, and releases the merge's memory. */
void merge_finish(struct merge *merge, struct buffer *out);

#endif
