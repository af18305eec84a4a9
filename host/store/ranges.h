/*
 * A set of byte ranges, sorted and merged: what of a file is written. The journal keeps one for
 * each unfinished file. All zero is empty; the owner frees it with ranges_clear.
 */
#ifndef KTHENA_STORE_RANGES_H
#define KTHENA_STORE_RANGES_H

#include "store/journal.h"

struct ranges {
    struct journal_range *list;
    size_t count, capacity;
};

/* Adds the bytes [first, end), which must not be empty. */
void ranges_add(struct ranges *ranges, int64_t first, int64_t end);

/* Takes away what lies at or beyond size. */
void ranges_clip(struct ranges *ranges, int64_t size);

/* Empties it and releases its memory. */
void ranges_clear(struct ranges *ranges);

#endif
