#include "metrics/rename_merge.h"

#include "base/memory.h"

#include <math.h>
#include <stdint.h>
#include <stdlib.h>

/* FNV-1a */
static uint64_t hash(const char *bytes, size_t length) {
    uint64_t value = 14695981039346656037u;
    for (size_t i = 0; i < length; i++)
        value = (value ^ (unsigned char)bytes[i]) * 1099511628211u;
    return value;
}

/* The slot that holds this series, or the free one where it belongs. */
static size_t *find(struct merge *merge, const char *series, size_t length) {
    size_t mask = merge->slot_count - 1;
    for (size_t i = (size_t)hash(series, length) & mask;; i = (i + 1) & mask) {
        size_t *slot = &merge->slots[i];
        if (*slot == 0)
            return slot;
        const struct merge_entry *entry = &merge->entries[*slot - 1];
        if (entry->series == length && memcmp(merge->lines.data + entry->line, series, length) == 0)
            return slot;
    }
}

static void grow(struct merge *merge) {
    merge->capacity = merge->capacity ? 2 * merge->capacity : 16;
    merge->entries = memory_resize(merge->entries, merge->capacity * sizeof *merge->entries);
    memory_free(merge->slots);
    merge->slot_count = 4 * merge->capacity;
    merge->slots = memory_zero(merge->slot_count, sizeof *merge->slots);
    for (size_t i = 0; i < merge->count; i++) {
        const struct merge_entry *entry = &merge->entries[i];
        *find(merge, merge->lines.data + entry->line, entry->series) = i + 1;
    }
}

static bool replaces(enum merge_kind kind, double value, double old) {
    return isnan(old) || (kind == MERGE_MAX ? value > old : value < old);
}

void merge_add(struct merge *merge, struct buffer *out, size_t start, size_t series) {
    if (merge->count == merge->capacity)
        grow(merge);
    buffer_byte(out, '\0'); /* strtod stops there at the latest */
    size_t length = out->length - start - 1;
    const char *line = out->data + start;
    struct merge_entry entry = {merge->lines.length, length, series, strtod(line + series, NULL)};
    size_t *slot = find(merge, line, series);
    if (*slot == 0) {
        merge->entries[merge->count++] = entry;
        *slot = merge->count;
        buffer_append(&merge->lines, line, length);
    } else if (replaces(merge->kind, entry.value, merge->entries[*slot - 1].value)) {
        merge->entries[*slot - 1] = entry;
        buffer_append(&merge->lines, line, length);
    }
    out->length = start;
}

void merge_finish(struct merge *merge, struct buffer *out) {
    for (size_t i = 0; i < merge->count; i++) {
        const struct merge_entry *entry = &merge->entries[i];
        buffer_append(out, merge->lines.data + entry->line, entry->length);
    }
    buffer_free(&merge->lines);
    memory_free(merge->entries);
    memory_free(merge->slots);
}
