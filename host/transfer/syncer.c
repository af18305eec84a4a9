/*
 * The thread that makes durable what is written, a few seconds' worth at a time, and says so in the
 * journal. No other thread ever waits for a disk on purpose.
 */
#include "transfer/download_internal.h"

#include "base/clock.h"
#include "base/memory.h"
#include "base/thread.h"

#include <errno.h>
#include <unistd.h>

enum { PAUSE_MS = 2000 };

/* The parts that were written since the last time, each with a reference. */
static struct part **take_dirty(struct download *download, size_t *count) {
    *count = 0;
    pthread_mutex_lock(&download->mutex);
    struct part **dirty = memory_zero((size_t)download->part_count + 1, sizeof(struct part *));
    for (struct part *part = download->parts; part; part = part->older) {
        if (!atomic_exchange(&part->dirty, false))
            continue;
        part->references++;
        dirty[(*count)++] = part;
    }
    pthread_mutex_unlock(&download->mutex);
    return dirty;
}

/* Files that got their names need the directories' entries on disk too, and there may be thousands
 * of them: then one call for the whole file system. */
static struct error *sync_data(struct download *download) {
    struct directory *directory = download->directory;
    struct error *error = NULL;
    bool published = atomic_exchange(&download->published, false);
    size_t count;
    struct part **dirty = take_dirty(download, &count);
    if (published && syncfs(directory->fd) != 0)
        error = directory_error(directory, "sync", "");
    for (size_t i = 0; i < count; i++) {
        struct part *part = dirty[i];
        if (!error && !published && !download_stopped(download) && fdatasync(part->fd) != 0)
            error = directory_error(directory, "sync", download->plan->files[part->index].path);
        part_unref(part);
    }
    memory_free(dirty);
    return error;
}

/* Records up to the mark speak of bytes written before it was taken. */
static struct error *sync_once(struct download *download) {
    if (atomic_exchange(&download->unsynced, 0) == 0 && !atomic_load(&download->published))
        return NULL;
    uint64_t mark = journal_mark(download->journal);
    struct error *error = sync_data(download);
    if (!error && !download_stopped(download))
        error = journal_sync(download->journal, mark);
    return error;
}

static void *run(void *context) {
    struct download *download = context;
    while (!download_stopped(download)) {
        int64_t deadline = clock_ms() + PAUSE_MS;
        pthread_mutex_lock(&download->mutex);
        while (!download_stopped(download) && clock_ms() < deadline &&
               atomic_load(&download->unsynced) < SYNC_BYTES)
            clock_wait(&download->sync_work, &download->mutex, deadline);
        pthread_mutex_unlock(&download->mutex);
        download_fail(download, download_stopped(download) ? NULL : sync_once(download));
    }
    return NULL;
}

struct error *syncer_start(struct download *download) {
    struct error *error = thread_start(&download->syncer, "syncer", run, download);
    download->syncing = !error;
    return error;
}

void syncer_join(struct download *download) {
    if (!download->syncing)
        return;
    pthread_mutex_lock(&download->mutex);
    pthread_cond_broadcast(&download->sync_work);
    pthread_mutex_unlock(&download->mutex);
    pthread_join(download->syncer, NULL);
    download->syncing = false;
}
