/*
 * The threads that copy local files, several at once; hashers follow them as they do the network.
 */
#include "transfer/download_internal.h"

#include "base/memory.h"
#include "base/thread.h"
#include "store/copy.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

/* One copy, as copy_file's callback sees it. */
struct copy {
    struct part *part;
    int64_t done, told;
    int slot;
};

static void on_advance(int64_t bytes, void *context) {
    struct copy *copy = context;
    struct progress *progress = copy->part->download->progress;
    copy->done += bytes;
    atomic_fetch_add(&progress->bytes_done, bytes);
    atomic_fetch_add(&progress->bytes_fetched, bytes);
    part_wrote(copy->part, bytes);
    if (copy->done - copy->told < HASH_STEP)
        return;
    copy->told = copy->done;
    part_advance(copy->part, copy->done, false);
    progress_advance(progress, copy->slot, copy->done);
}

static enum error_kind kind_of(int number) {
    if (number == ENOENT)
        return ERROR_NOT_FOUND;
    return number == EACCES || number == EPERM ? ERROR_DENIED : ERROR_IO;
}

static struct error *open_source(const struct plan_file *file, int *fd, struct stat *about) {
    *about = (struct stat){0};
    /* O_NONBLOCK: a pipe has no writer to wait for. */
    *fd = open(file->local, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    if (*fd < 0 || fstat(*fd, about) != 0)
        return error_errno(kind_of(errno), "could not open '%s' to copy it", file->local);
    if (!S_ISREG(about->st_mode))
        return error_new(ERROR_INVALID, NULL, "could not copy '%s': it is not a regular file",
                         file->local);
    if (file->size >= 0 && about->st_size != file->size)
        return error_new(ERROR_PROTOCOL, NULL,
                         "could not copy '%s': it has %lld bytes and had %lld when it was listed; "
                         "run it again when nobody writes to it",
                         file->local, (long long)about->st_size, (long long)file->size);
    return NULL;
}

/* Whether the source is the very file that is to be made. */
static bool is_target(const struct download *download, const struct plan_file *file,
                      const struct stat *source) {
    struct stat target;
    return directory_stat(download->directory, file->path, &target) &&
           target.st_ino == source->st_ino && target.st_dev == source->st_dev;
}

static struct error *copy_bytes(struct part *part, int source, const struct plan_file *file) {
    struct download *download = part->download;
    struct copy copy = {.part = part};
    copy.slot = progress_enter(download->progress, file->path, part->size);
    atomic_fetch_add(&download->progress->connections, 1);
    struct error *error =
        copy_file(source, part->fd, file->local, on_advance, &copy, &download->stop);
    atomic_fetch_sub(&download->progress->connections, 1);
    progress_leave(download->progress, copy.slot);
    return error;
}

static struct error *copy_one(struct download *download, size_t index) {
    const struct plan_file *file = &download->plan->files[index];
    struct stat about;
    int source = -1;
    struct part *part = NULL;
    struct error *error = open_source(file, &source, &about);
    if (error)
        goto cleanup;
    if (file->size < 0)
        atomic_fetch_add(&download->progress->bytes_total, about.st_size);
    part = part_new(download, index);
    part->etag = prepare_etag(file);
    part->identity = prepare_identity(download, file);
    part_expect(part, file->digest, file->hex);
    if (is_target(download, file, &about)) {
        part->adopting = true;
        part->size = about.st_size;
        part->fd = source;
        source = -1;
    } else if (!(error = part_open(part, about.st_size, false))) {
        error = copy_bytes(part, source, file);
    }
    if (!error)
        part_advance(part, about.st_size, true);
cleanup:
    if (source >= 0)
        close(source);
    part_unref(part);
    return error;
}

/* The next file, once no more than enough are open; false when none is left. */
static bool take(struct download *download, size_t *index) {
    int limit = download->config.max_workers + PARTS_SPARE;
    pthread_mutex_lock(&download->mutex);
    while (download->part_count >= limit && !download_stopped(download))
        pthread_cond_wait(&download->part_room, &download->mutex);
    bool found = !download_stopped(download) && download->local_next < download->local_count;
    if (found)
        *index = download->local[download->local_next++];
    pthread_mutex_unlock(&download->mutex);
    return found;
}

static void *run(void *context) {
    struct download *download = context;
    size_t index;
    while (take(download, &index)) {
        download_fail(download, copy_one(download, index));
    }
    return NULL;
}

struct error *copiers_start(struct download *download) {
    size_t count = download->local_count;
    if (count > (size_t)download->config.max_workers)
        count = (size_t)download->config.max_workers;
    struct error *error = NULL;
    while (!error && download->copier_count < COPIERS_MAX &&
           (size_t)download->copier_count < count) {
        error = thread_start(&download->copiers[download->copier_count], "copier", run, download);
        download->copier_count += !error;
    }
    return error;
}

void copiers_join(struct download *download) {
    pthread_mutex_lock(&download->mutex);
    pthread_cond_broadcast(&download->part_room);
    pthread_mutex_unlock(&download->mutex);
    while (download->copier_count > 0)
        pthread_join(download->copiers[--download->copier_count], NULL);
}
