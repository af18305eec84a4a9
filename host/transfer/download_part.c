#include "transfer/download_internal.h"

#include "base/file.h"
#include "base/memory.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

struct part *part_new(struct download *download, size_t index) {
    struct part *part = memory_zero(1, sizeof *part);
    part->download = download;
    part->index = index;
    part->fd = -1;
    part->size = -1;
    part->references = 1;
    pthread_mutex_lock(&download->mutex);
    part->older = download->parts;
    if (part->older)
        part->older->newer = part;
    download->parts = part;
    download->part_count++;
    pthread_mutex_unlock(&download->mutex);
    return part;
}

static void unlink_locked(struct part *part) {
    struct download *download = part->download;
    if (part->newer)
        part->newer->older = part->older;
    else
        download->parts = part->older;
    if (part->older)
        part->older->newer = part->newer;
    download->part_count--;
    pthread_cond_broadcast(&download->part_room);
}

void part_unref(struct part *part) {
    if (!part)
        return;
    pthread_mutex_lock(&part->download->mutex);
    bool last = --part->references == 0;
    if (last)
        unlink_locked(part);
    pthread_mutex_unlock(&part->download->mutex);
    if (!last)
        return;
    if (part->fd >= 0)
        close(part->fd);
    digest_free(part->digest);
    memory_free(part->bytes);
    memory_free(part->etag);
    memory_free(part->identity);
    memory_free(part);
}

void part_abandon(struct part *part) {
    if (!part)
        return;
    atomic_store(&part->abandoned, true);
    part_unref(part);
}

void part_expect(struct part *part, enum digest_kind kind, const char *hex) {
    part->kind = hex && *hex ? kind : DIGEST_XXH3;
    snprintf(part->expected, sizeof part->expected, "%s", hex ? hex : "");
}

/* Forgets what an earlier run, or try, has written; the journal keeps the ranges of an entry that
 * is the same to it. */
static struct error *empty(struct part *part, const char *path) {
    struct download *download = part->download;
    const struct journal_file *found = journal_find(download->journal, path);
    struct error *error = NULL;
    if (found && found->range_count > 0)
        error = journal_restart(download->journal, path);
    if (!error && lseek(part->fd, 0, SEEK_END) != 0 && ftruncate(part->fd, 0) != 0)
        error = directory_error(download->directory, "empty the partial file of", path);
    return error;
}

struct error *part_open(struct part *part, int64_t size, bool resume) {
    struct download *download = part->download;
    const char *path = download->plan->files[part->index].path;
    part->size = size;
    struct error *error = journal_begin(download->journal, path, size, part->etag ? part->etag : "",
                                        part->identity, &part->number);
    if (!error)
        error = directory_open_part(download->directory, part->number, &part->fd);
    if (!error && !resume)
        error = empty(part, path);
    /* The copy of a local file keeps its holes: no room is made for them. */
    bool local = download->plan->files[part->index].local != NULL;
    if (error || local || !download->preallocate || size <= download->config.part_bytes)
        return error;
    if (fallocate(part->fd, FALLOC_FL_KEEP_SIZE, 0, size) != 0 && errno == ENOSPC)
        return directory_error(download->directory, "make room for", path);
    return NULL;
}

void part_open_small(struct part *part, int64_t size) {
    part->size = size;
    part->bytes = memory_alloc((size_t)size + 1);
}

struct error *part_write(struct part *part, const char *bytes, size_t length, int64_t offset) {
    const struct download *download = part->download;
    if (part->fd < 0)
        memcpy(part->bytes + offset, bytes, length);
    else if (!file_write_at(part->fd, bytes, length, offset))
        return directory_error(download->directory, "write",
                               download->plan->files[part->index].path);
    return NULL;
}

void part_wrote(struct part *part, int64_t bytes) {
    struct download *download = part->download;
    if (!atomic_load_explicit(&part->dirty, memory_order_relaxed))
        atomic_store(&part->dirty, true);
    int64_t before = atomic_fetch_add_explicit(&download->unsynced, bytes, memory_order_relaxed);
    if (before < SYNC_BYTES && before + bytes >= SYNC_BYTES)
        pthread_cond_signal(&download->sync_work);
}

void part_advance(struct part *part, int64_t prefix, bool whole) {
    struct download *download = part->download;
    pthread_mutex_lock(&download->mutex);
    part->prefix = prefix;
    part->whole = whole;
    if (whole)
        part->size = prefix;
    bool wake = !part->queued && download->sleeping_hashers > 0;
    if (!part->queued) {
        part->queued = true;
        part->references++;
        part_queue(part);
    }
    pthread_mutex_unlock(&download->mutex);
    if (wake)
        pthread_cond_signal(&download->hash_work);
}

void part_queue(struct part *part) {
    struct download *download = part->download;
    part->next = NULL;
    if (download->hashing)
        download->hashing_end->next = part;
    else
        download->hashing = part;
    download->hashing_end = part;
}

struct part *part_take_finished(struct download *download) {
    pthread_mutex_lock(&download->mutex);
    struct part *part = download->finished;
    if (part)
        download->finished = part->next;
    pthread_mutex_unlock(&download->mutex);
    return part;
}

bool part_any_finished(struct download *download) {
    pthread_mutex_lock(&download->mutex);
    bool any = download->finished != NULL;
    pthread_mutex_unlock(&download->mutex);
    return any;
}
