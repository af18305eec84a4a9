#include "store/journal.h"

#include "base/file.h"
#include "base/memory.h"
#include "store/journal_internal.h"
#include "store/journal_record.h"
#include "store/store_internal.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

struct journal {
    const struct directory *directory;
    int fd;
    pthread_mutex_t mutex; /* guards the rest */
    struct journal_table table;
    struct buffer scratch;
    uint64_t end;     /* where the next record goes */
    uint64_t claimed; /* where the last one that is no sync record ends */
    uint64_t synced;  /* all before it is on disk */
    uint64_t next_part;
};

enum { FLUSH_SIZE = 64 * 1024 };
static const char journal_path[] = STORE_WORK "/" JOURNAL_NAME;
static const char new_name[] = JOURNAL_NAME ".new";

static struct error *write_error(const struct journal *journal) {
    return directory_error(journal->directory, "write", journal_path);
}

/* Writes what has gathered in scratch. After a failure it stays there and the next write goes to
 * the same place, so that no torn record, or gap, is ever in the middle. */
static struct error *flush(struct journal *journal) {
    struct buffer *bytes = &journal->scratch;
    if (bytes->length > 0 &&
        !file_write_at(journal->fd, bytes->data, bytes->length, (int64_t)journal->end))
        return write_error(journal);
    journal->end += bytes->length;
    buffer_clear(bytes);
    return NULL;
}

static struct error *gather(struct journal *journal, const struct record *record) {
    if (record_encode(record, journal->end + journal->scratch.length, &journal->scratch))
        return NULL;
    return error_new(ERROR_LIMIT, NULL,
                     "could not note '%.200s' in %s/%s: its path, ETag and digest are too long",
                     record->texts[0], journal->directory->path, journal_path);
}

static struct error *append(struct journal *journal, const struct record *record) {
    struct error *error = gather(journal, record);
    if (!error)
        error = flush(journal);
    if (!error && record->type != RECORD_SYNC)
        journal->claimed = journal->end;
    return error;
}

static struct record begin_record(const char *path, const struct journal_file *file) {
    return (struct record){
        RECORD_BEGIN, {file->part, (uint64_t)file->size}, {path, file->etag, file->identity}};
}

static struct record written_record(uint64_t part, int64_t first, int64_t end) {
    return (struct record){RECORD_WRITTEN, {part, (uint64_t)first, (uint64_t)end}, {NULL}};
}

static struct record complete_record(uint64_t part, const char *digest, int64_t mtime_ns,
                                     uint64_t inode) {
    return (struct record){RECORD_COMPLETE, {part, (uint64_t)mtime_ns, inode}, {digest}};
}

static struct error *gather_entry(struct journal *journal, const struct journal_entry *entry) {
    const struct journal_file *file = &entry->file;
    struct record record = begin_record(entry->path, file);
    struct error *error = gather(journal, &record);
    for (size_t i = 0; !error && i < file->range_count; i++) {
        record = written_record(file->part, file->ranges[i].first, file->ranges[i].end);
        error = gather(journal, &record);
        if (!error && journal->scratch.length > FLUSH_SIZE)
            error = flush(journal);
    }
    if (!error && file->complete) {
        record = complete_record(file->part, file->digest, file->mtime_ns, file->inode);
        error = gather(journal, &record);
    }
    return !error && journal->scratch.length > FLUSH_SIZE ? flush(journal) : error;
}

/* The beginning of the new file: who writes it, what of earlier runs still holds, and that all of
 * that is on disk. */
static struct error *write_base(struct journal *journal, const char *plan, const char *boot,
                                const struct journal_load *load) {
    struct record record = {RECORD_HEADER, {0}, {JOURNAL_FORMAT, boot, plan}};
    struct error *error = gather(journal, &record);
    for (size_t i = 0; !error && i < load->count; i++)
        error = gather_entry(journal, load->files[i].entry);
    record = (struct record){RECORD_SYNC, {journal->end + journal->scratch.length}, {NULL}};
    if (!error)
        error = append(journal, &record);
    if (!error && !store_sync(journal->fd))
        error = write_error(journal);
    return error;
}

static struct error *replace(struct journal *journal, const char *plan, const char *boot,
                             const struct journal_load *load) {
    int work = journal->directory->work_fd;
    unlinkat(work, new_name, 0);
    journal->fd = openat(work, new_name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0666);
    if (journal->fd < 0)
        return write_error(journal);
    struct error *error = write_base(journal, plan, boot, load);
    if (!error && (renameat(work, new_name, work, JOURNAL_NAME) != 0 || !store_sync(work)))
        error = write_error(journal);
    if (error)
        unlinkat(work, new_name, 0);
    journal->synced = journal->end;
    return error;
}

struct error *journal_open_in(const struct directory *directory, const char *plan, const char *boot,
                              struct journal **out) {
    struct journal_load load;
    *out = NULL;
    struct error *error = journal_load(directory, plan, boot, &load);
    if (error)
        return error;
    struct journal *journal = memory_zero(1, sizeof *journal);
    journal->directory = directory;
    journal->next_part = load.next_part;
    pthread_mutex_init(&journal->mutex, NULL);
    error = replace(journal, plan, boot, &load);
    for (size_t i = 0; !error && i < load.count; i++) {
        journal_table_put(&journal->table, load.files[i].entry);
        load.files[i].entry = NULL;
    }
    journal_load_free(&load);
    if (error)
        journal_close(journal);
    else
        *out = journal;
    return error;
}

struct error *journal_open(const struct directory *directory, const char *plan,
                           struct journal **out) {
    char boot[STORE_BOOT_SIZE];
    store_boot_id(boot);
    return journal_open_in(directory, plan, boot, out);
}

const struct journal_file *journal_find(struct journal *journal, const char *path) {
    pthread_mutex_lock(&journal->mutex);
    const struct journal_entry *entry = journal_table_find(&journal->table, path);
    pthread_mutex_unlock(&journal->mutex);
    return entry ? &entry->file : NULL;
}

/* Whether what is known of a file is of what begins now. A complete file begins anew: its part is
 * gone. */
static bool goes_on(const struct journal_file *file, int64_t size, const char *etag,
                    const char *identity) {
    return !file->complete && file->size == size && strcmp(file->etag, etag) == 0 &&
           strcmp(file->identity, identity) == 0;
}

/* The record is written with the next one: until something is said of the file, that it began is of
 * no use to anybody. */
static struct error *begin_anew(struct journal *journal, struct journal_entry *entry) {
    struct record record = begin_record(entry->path, &entry->file);
    struct error *error = gather(journal, &record);
    if (error) {
        journal_entry_free(entry);
        return error;
    }
    journal->next_part++;
    struct journal_entry *old = journal_table_put(&journal->table, entry);
    if (old && !old->file.complete)
        directory_remove_part(journal->directory, old->file.part);
    journal_entry_free(old);
    return NULL;
}

struct error *journal_begin(struct journal *journal, const char *path, int64_t size,
                            const char *etag, const char *identity, uint64_t *part) {
    struct error *error = store_check_path(journal->directory, path);
    if (error)
        return error;
    pthread_mutex_lock(&journal->mutex);
    const struct journal_entry *known = journal_table_find(&journal->table, path);
    if (known && goes_on(&known->file, size, etag, identity)) {
        *part = known->file.part;
    } else {
        *part = journal->next_part;
        error = begin_anew(journal, journal_entry_new(path, *part, size, etag, identity));
    }
    pthread_mutex_unlock(&journal->mutex);
    return error;
}

/* The entry of a file that was begun and not completed; or an error. */
static struct error *find_begun(const struct journal *journal, const char *path,
                                struct journal_entry **entry) {
    *entry = journal_table_find(&journal->table, path);
    if (*entry && !(*entry)->file.complete)
        return NULL;
    return error_new(ERROR_INVALID, NULL, "could not note a change of %s/%s: it was not begun",
                     journal->directory->path, path);
}

static struct error *check_range(const struct journal_entry *entry, int64_t first, int64_t end) {
    if (first >= 0 && first < end && (entry->file.size < 0 || end <= entry->file.size))
        return NULL;
    return error_new(ERROR_INVALID, NULL,
                     "could not note that bytes %lld to %lld of %s are written: it has %lld",
                     (long long)first, (long long)end, entry->path, (long long)entry->file.size);
}

struct error *journal_written(struct journal *journal, const char *path, int64_t first,
                              int64_t end) {
    struct journal_entry *entry;
    pthread_mutex_lock(&journal->mutex);
    struct error *error = find_begun(journal, path, &entry);
    if (!error)
        error = check_range(entry, first, end);
    if (!error) {
        struct record record = written_record(entry->file.part, first, end);
        error = append(journal, &record);
    }
    if (!error)
        journal_entry_written(entry, first, end);
    pthread_mutex_unlock(&journal->mutex);
    return error;
}

struct error *journal_complete(struct journal *journal, const char *path, const char *digest,
                               int64_t mtime_ns, uint64_t inode) {
    struct journal_entry *entry;
    pthread_mutex_lock(&journal->mutex);
    struct error *error = find_begun(journal, path, &entry);
    if (!error) {
        struct record record = complete_record(entry->file.part, digest, mtime_ns, inode);
        error = append(journal, &record);
    }
    if (!error)
        journal_entry_complete(entry, digest, mtime_ns, inode);
    pthread_mutex_unlock(&journal->mutex);
    return error;
}

struct error *journal_restart(struct journal *journal, const char *path) {
    struct journal_entry *entry;
    pthread_mutex_lock(&journal->mutex);
    struct error *error = find_begun(journal, path, &entry);
    if (!error) {
        struct record record = {RECORD_RESTART, {entry->file.part}, {NULL}};
        error = append(journal, &record);
    }
    if (!error)
        journal_entry_restart(entry);
    pthread_mutex_unlock(&journal->mutex);
    /* On disk before other bytes are: synced ranges must not come back over them. */
    if (!error && !store_sync(journal->fd))
        error = write_error(journal);
    return error;
}

uint64_t journal_mark(struct journal *journal) {
    pthread_mutex_lock(&journal->mutex);
    uint64_t mark = journal->end;
    pthread_mutex_unlock(&journal->mutex);
    return mark;
}

struct error *journal_sync(struct journal *journal, uint64_t mark) {
    struct record record = {RECORD_SYNC, {mark}, {NULL}};
    pthread_mutex_lock(&journal->mutex);
    bool needed = mark > journal->synced && journal->claimed > journal->synced;
    struct error *error = needed ? append(journal, &record) : NULL;
    pthread_mutex_unlock(&journal->mutex);
    if (error || !needed)
        return error;
    if (!store_sync(journal->fd))
        return write_error(journal);
    pthread_mutex_lock(&journal->mutex);
    if (mark > journal->synced)
        journal->synced = mark;
    pthread_mutex_unlock(&journal->mutex);
    return NULL;
}

void journal_close(struct journal *journal) {
    if (!journal)
        return;
    if (journal->fd >= 0) {
        error_free(flush(journal)); /* what began and went no further */
        close(journal->fd);
    }
    journal_table_free(&journal->table, true);
    buffer_free(&journal->scratch);
    pthread_mutex_destroy(&journal->mutex);
    memory_free(journal);
}

void journal_remove(struct journal *journal) {
    if (!journal)
        return;
    unlinkat(journal->directory->work_fd, JOURNAL_NAME, 0);
    unlinkat(journal->directory->work_fd, new_name, 0);
    journal_remove_parts(journal->directory);
    journal_close(journal);
}
