#include "base/memory.h"
#include "store/journal_internal.h"
#include "store/journal_record.h"
#include "store/store_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Numbers are given out one after the other. One that is further from the last than this is damage,
 * and would leave none for the files to come. */
static const uint64_t part_gap = UINT64_C(1) << 40;
static const uint64_t part_max = UINT64_C(1) << 62;

struct loading {
    const struct directory *directory;
    int fd;
    bool same_plan, same_boot;
    uint64_t mark;      /* records before it are synced */
    uint64_t last_part; /* of all that were begun */
    struct journal_table table;
    struct journal_loaded *slots; /* in the order of parts, each file's latest with its entry */
    size_t count, capacity;
};

static bool is_next_part(uint64_t part, uint64_t last) {
    return part > last && part - last <= part_gap && part < part_max;
}

static int by_part(const void *part, const void *slot) {
    uint64_t a = *(const uint64_t *)part;
    uint64_t b = ((const struct journal_loaded *)slot)->part;
    return (a > b) - (a < b);
}

static struct journal_loaded *slot_of(const struct journal_loaded *slots, size_t count,
                                      uint64_t part) {
    return count ? bsearch(&part, slots, count, sizeof *slots, by_part) : NULL;
}

struct journal_entry *journal_loaded_find(const struct journal_load *load, uint64_t part) {
    struct journal_loaded *slot = slot_of(load->files, load->count, part);
    return slot ? slot->entry : NULL;
}

static bool read_header(const struct record *record, struct loading *loading, const char *plan,
                        const char *boot) {
    if (record->type != RECORD_HEADER || strcmp(record->texts[0], JOURNAL_FORMAT) != 0)
        return false;
    loading->same_boot = strcmp(record->texts[1], boot) == 0 && strcmp(boot, "-") != 0;
    loading->same_plan = strcmp(record->texts[2], plan) == 0;
    return true;
}

/* The first reading: how far the journal is synced, and which number no part ever had. */
static void find_marks(struct loading *loading) {
    struct record record;
    uint64_t offset;
    struct record_reader reader = {.fd = loading->fd};
    while (record_next(&reader, &record, &offset)) {
        uint64_t number = record.numbers[0];
        if (record.type == RECORD_SYNC && number <= offset && number > loading->mark)
            loading->mark = number;
        if (record.type == RECORD_BEGIN && is_next_part(number, loading->last_part))
            loading->last_part = number;
    }
    buffer_free(&reader.buffer);
}

static bool apply_begin(struct loading *loading, const struct record *record) {
    uint64_t part = record->numbers[0];
    int64_t size = (int64_t)record->numbers[1];
    uint64_t last = loading->count ? loading->slots[loading->count - 1].part : 0;
    if (!is_next_part(part, last) || size < -1 || !store_path_is_clean(record->texts[0]))
        return false;
    if (loading->count == loading->capacity) {
        loading->capacity = loading->capacity ? loading->capacity * 2 : 64;
        loading->slots = memory_resize(loading->slots, loading->capacity * sizeof *loading->slots);
    }
    struct journal_entry *entry =
        journal_entry_new(record->texts[0], part, size, record->texts[1], record->texts[2]);
    struct journal_entry *old = journal_table_put(&loading->table, entry);
    if (old) {
        slot_of(loading->slots, loading->count, old->file.part)->entry = NULL;
        journal_entry_free(old);
    }
    loading->slots[loading->count++] = (struct journal_loaded){part, entry};
    return true;
}

static bool apply_written(struct journal_entry *entry, const struct record *record) {
    int64_t first = (int64_t)record->numbers[1];
    int64_t end = (int64_t)record->numbers[2];
    bool good = first >= 0 && end > first && (entry->file.size < 0 || end <= entry->file.size) &&
                !entry->file.complete;
    if (good)
        journal_entry_written(entry, first, end);
    return good;
}

/* Applies one record; false if it makes no sense. What it takes back is always believed; what it
 * claims only when it was synced, or when the system has not been down since. */
static bool apply(struct loading *loading, const struct record *record, uint64_t offset) {
    if (record->type == RECORD_HEADER || record->type == RECORD_SYNC)
        return record->type == RECORD_SYNC;
    if (record->type == RECORD_BEGIN)
        return apply_begin(loading, record);
    struct journal_loaded *slot = slot_of(loading->slots, loading->count, record->numbers[0]);
    struct journal_entry *entry = slot ? slot->entry : NULL;
    if (!entry)
        return false;
    bool late = offset >= loading->mark;
    if (record->type == RECORD_RESTART) {
        journal_entry_restart(entry);
    } else if (!late || loading->same_boot) {
        entry->late = entry->late || late;
        if (record->type == RECORD_WRITTEN)
            return apply_written(entry, record);
        journal_entry_complete(entry, record->texts[0], (int64_t)record->numbers[1],
                               record->numbers[2]);
    }
    return true;
}

static void read_records(struct loading *loading, const char *plan, const char *boot) {
    struct record record;
    uint64_t offset;
    struct record_reader reader = {.fd = loading->fd};
    if (record_next(&reader, &record, &offset) && read_header(&record, loading, plan, boot)) {
        find_marks(loading);
        while (record_next(&reader, &record, &offset) && apply(loading, &record, offset))
            ;
    }
    buffer_free(&reader.buffer);
}

/* Of another plan, only what a digest names is of use: the same size and ETag elsewhere need not be
 * the same bytes. */
static bool is_of_plan(const struct loading *loading, const struct journal_entry *entry) {
    return loading->same_plan || strchr(entry->file.identity, ':');
}

static bool is_there(const struct loading *loading, const struct journal_entry *entry) {
    (void)loading;
    return entry->file.complete || entry->has_part;
}

/* Leaves the slots whose entries are to be kept. */
static void keep(struct loading *loading,
                 bool (*wanted)(const struct loading *loading, const struct journal_entry *entry)) {
    size_t kept = 0;
    for (size_t i = 0; i < loading->count; i++) {
        struct journal_loaded slot = loading->slots[i];
        if (slot.entry && wanted(loading, slot.entry))
            loading->slots[kept++] = slot;
        else
            journal_entry_free(slot.entry);
    }
    loading->count = kept;
}

struct error *journal_load(const struct directory *directory, const char *plan, const char *boot,
                           struct journal_load *out) {
    struct loading loading = {.directory = directory};
    *out = (struct journal_load){.next_part = 1};
    loading.fd =
        openat(directory->work_fd, JOURNAL_NAME, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (loading.fd < 0 && errno != ENOENT && errno != ELOOP)
        return directory_error(directory, "open", STORE_WORK "/" JOURNAL_NAME);
    if (loading.fd >= 0) {
        read_records(&loading, plan, boot);
        close(loading.fd);
    }
    journal_table_free(&loading.table, false);
    keep(&loading, is_of_plan);
    *out = (struct journal_load){loading.slots, loading.count, loading.last_part + 1};
    struct error *error = journal_reconcile(directory, out);
    keep(&loading, is_there);
    out->count = loading.count;
    if (error)
        journal_load_free(out);
    return error;
}

void journal_load_free(struct journal_load *load) {
    for (size_t i = 0; i < load->count; i++)
        journal_entry_free(load->files[i].entry);
    memory_free(load->files);
    *load = (struct journal_load){0};
}
