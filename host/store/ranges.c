#include "store/ranges.h"

#include "base/memory.h"

#include <string.h>

/* The first range that ends at or after position; a range that only touches it counts. */
static size_t find(const struct ranges *ranges, int64_t position) {
    size_t low = 0;
    size_t high = ranges->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (ranges->list[middle].end < position)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static void insert(struct ranges *ranges, size_t at, struct journal_range range) {
    if (ranges->count == ranges->capacity) {
        ranges->capacity = ranges->capacity ? ranges->capacity * 2 : 4;
        ranges->list = memory_resize(ranges->list, ranges->capacity * sizeof *ranges->list);
    }
    memmove(&ranges->list[at + 1], &ranges->list[at], (ranges->count - at) * sizeof *ranges->list);
    ranges->list[at] = range;
    ranges->count++;
}

void ranges_add(struct ranges *ranges, int64_t first, int64_t end) {
    size_t at = find(ranges, first);
    if (at == ranges->count || ranges->list[at].first > end) {
        insert(ranges, at, (struct journal_range){first, end});
        return;
    }
    struct journal_range *into = &ranges->list[at];
    size_t next = at + 1;
    if (first < into->first)
        into->first = first;
    if (end > into->end)
        into->end = end;
    while (next < ranges->count && ranges->list[next].first <= into->end) {
        if (ranges->list[next].end > into->end)
            into->end = ranges->list[next].end;
        next++;
    }
    memmove(into + 1, &ranges->list[next], (ranges->count - next) * sizeof *ranges->list);
    ranges->count -= next - at - 1;
}

void ranges_clip(struct ranges *ranges, int64_t size) {
    while (ranges->count > 0 && ranges->list[ranges->count - 1].first >= size)
        ranges->count--;
    if (ranges->count > 0 && ranges->list[ranges->count - 1].end > size)
        ranges->list[ranges->count - 1].end = size;
}

void ranges_clear(struct ranges *ranges) {
    memory_free(ranges->list);
    *ranges = (struct ranges){0};
}
