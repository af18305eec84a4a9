#include "store/journal_internal.h"

#include "base/memory.h"

#include <string.h>
#include <xxhash.h>

struct journal_entry *journal_entry_new(const char *path, uint64_t part, int64_t size,
                                        const char *etag, const char *identity) {
    size_t path_size = strlen(path) + 1;
    size_t etag_size = strlen(etag) + 1;
    size_t identity_size = strlen(identity) + 1;
    struct journal_entry *entry =
        memory_alloc(sizeof *entry + path_size + etag_size + identity_size);
    char *etag_copy = entry->path + path_size;
    *entry = (struct journal_entry){.hash = XXH3_64bits(path, path_size - 1)};
    memcpy(entry->path, path, path_size);
    memcpy(etag_copy, etag, etag_size);
    memcpy(etag_copy + etag_size, identity, identity_size);
    entry->file = (struct journal_file){
        .part = part,
        .size = size,
        .etag = etag_copy,
        .identity = etag_copy + etag_size,
        .digest = "",
    };
    return entry;
}

void journal_entry_free(struct journal_entry *entry) {
    if (!entry)
        return;
    ranges_clear(&entry->ranges);
    memory_free(entry->digest);
    memory_free(entry);
}

static void show_ranges(struct journal_entry *entry) {
    entry->file.ranges = entry->ranges.list;
    entry->file.range_count = entry->ranges.count;
}

void journal_entry_written(struct journal_entry *entry, int64_t first, int64_t end) {
    ranges_add(&entry->ranges, first, end);
    show_ranges(entry);
}

void journal_entry_clip(struct journal_entry *entry, int64_t size) {
    ranges_clip(&entry->ranges, size);
    show_ranges(entry);
}

void journal_entry_restart(struct journal_entry *entry) {
    ranges_clear(&entry->ranges);
    show_ranges(entry);
    memory_free(entry->digest);
    entry->digest = NULL;
    entry->file.complete = false;
    entry->file.digest = "";
    entry->file.mtime_ns = 0;
    entry->file.inode = 0;
}

void journal_entry_complete(struct journal_entry *entry, const char *digest, int64_t mtime_ns,
                            uint64_t inode) {
    journal_entry_restart(entry);
    if (strcmp(digest, entry->file.identity) != 0)
        entry->digest = memory_string(digest);
    entry->file.complete = true;
    entry->file.digest = entry->digest ? entry->digest : entry->file.identity;
    entry->file.mtime_ns = mtime_ns;
    entry->file.inode = inode;
}

/* The slot of a path: the entry's, or the empty one where it would go. */
static struct journal_entry **slot_of(const struct journal_table *table, const char *path,
                                      uint64_t hash) {
    size_t mask = table->capacity - 1;
    size_t at = (size_t)hash & mask;
    while (table->slots[at] &&
           (table->slots[at]->hash != hash || strcmp(table->slots[at]->path, path) != 0))
        at = (at + 1) & mask;
    return &table->slots[at];
}

struct journal_entry *journal_table_find(const struct journal_table *table, const char *path) {
    return table->count ? *slot_of(table, path, XXH3_64bits(path, strlen(path))) : NULL;
}

static void grow(struct journal_table *table) {
    struct journal_table larger = {.capacity = table->capacity ? table->capacity * 2 : 64};
    larger.count = table->count;
    larger.slots = memory_zero(larger.capacity, sizeof(struct journal_entry *));
    for (size_t i = 0; i < table->capacity; i++) {
        struct journal_entry *entry = table->slots[i];
        if (entry)
            *slot_of(&larger, entry->path, entry->hash) = entry;
    }
    memory_free(table->slots);
    *table = larger;
}

struct journal_entry *journal_table_put(struct journal_table *table, struct journal_entry *entry) {
    if (table->count * 4 >= table->capacity * 3)
        grow(table);
    struct journal_entry **slot = slot_of(table, entry->path, entry->hash);
    struct journal_entry *old = *slot;
    *slot = entry;
    table->count += old == NULL;
    return old;
}

void journal_table_free(struct journal_table *table, bool entries) {
    for (size_t i = 0; entries && i < table->capacity; i++)
        journal_entry_free(table->slots[i]);
    memory_free(table->slots);
    *table = (struct journal_table){0};
}
