/*
 * The hash threads: each takes the part that has waited longest, hashes what of its prefix is
 * written, and puts it back. When a part is whole its digest is compared, and if it is right the
 * file gets its mode, its time and its name.
 */
#include "transfer/download_internal.h"

#include "base/clock.h"
#include "base/memory.h"
#include "base/thread.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    NAP_MS = 1,
    LINGER_MS = 20,
    BLOCK_BYTES = 128 * 1024,      /* read at once: small enough to stay in a core's cache */
    TURN_BYTES = 64 * 1024 * 1024, /* of one part before the next one's turn */
};

/* Waits for work, with the mutex held. A hasher that has just had some looks again by itself for a
 * while: to be woken for each small file would cost the loop more than the file. */
static void wait_for_work(struct download *download) {
    int64_t until = clock_ms() + LINGER_MS;
    while (!download->hashing && !download_stopped(download)) {
        int64_t now = clock_ms();
        if (now < until) {
            clock_wait(&download->hash_work, &download->mutex, now + NAP_MS);
            continue;
        }
        download->sleeping_hashers++;
        pthread_cond_wait(&download->hash_work, &download->mutex);
        download->sleeping_hashers--;
    }
}

static struct part *take(struct download *download) {
    struct part *part = NULL;
    pthread_mutex_lock(&download->mutex);
    wait_for_work(download);
    if (download->hashing && !download_stopped(download)) {
        part = download->hashing;
        download->hashing = part->next;
    }
    pthread_mutex_unlock(&download->mutex);
    return part;
}

/* Hashes up to `end`. What is cut off under us is an error, unless nobody wants it any more. */
static struct error *hash_to(struct part *part, int64_t end, void *block) {
    struct download *download = part->download;
    if (part->bytes) {
        digest_update(part->digest, part->bytes + part->hashed, (size_t)(end - part->hashed));
        part->hashed = end;
    }
    while (part->hashed < end && !download_stopped(download) && !atomic_load(&part->abandoned)) {
        int64_t left = end - part->hashed;
        size_t size = left < BLOCK_BYTES ? (size_t)left : BLOCK_BYTES;
        ssize_t got = pread(part->fd, block, size, part->hashed);
        if (got < 0 && errno == EINTR)
            continue;
        if (got == 0)
            errno = EIO;
        if (got <= 0)
            return atomic_load(&part->abandoned)
                       ? NULL
                       : directory_error(download->directory, "read back",
                                         download->plan->files[part->index].path);
        digest_update(part->digest, block, (size_t)got);
        part->hashed += got;
    }
    return NULL;
}

static struct error *set_attributes(struct part *part, const struct plan_file *file) {
    struct directory *directory = part->download->directory;
    if (file->mode >= 0 && fchmod(part->fd, (mode_t)file->mode & 0777) != 0)
        return directory_error(directory, "set the permissions of", file->path);
    struct timespec times[] = {{.tv_nsec = UTIME_OMIT},
                               {.tv_sec = (time_t)(file->mtime_ns / 1000000000),
                                .tv_nsec = (long)(file->mtime_ns % 1000000000)}};
    if (file->mtime_ns >= 0 && futimens(part->fd, times) != 0)
        return directory_error(directory, "set the time of", file->path);
    return NULL;
}

/* A small file reaches the disk only now. */
static struct error *write_small(struct part *part) {
    if (!part->bytes)
        return NULL;
    struct error *error = part_open(part, part->size, false);
    if (!error)
        error = part_write(part, part->bytes, (size_t)part->size, 0);
    if (!error)
        part_wrote(part, part->size);
    return error;
}

static struct error *publish(struct part *part) {
    struct download *download = part->download;
    const struct plan_file *file = &download->plan->files[part->index];
    struct outcome *outcome = &download->outcomes[part->index];
    struct stat about;
    struct error *error = NULL;
    if (part->adopting)
        error = journal_begin(download->journal, file->path, part->size,
                              part->etag ? part->etag : "", part->identity, &part->number);
    else if (!(error = write_small(part)) && !(error = set_attributes(part, file)))
        error = directory_publish(download->directory, part->number, file->path);
    if (!error && fstat(part->fd, &about) != 0)
        error = directory_error(download->directory, "look at", file->path);
    if (error)
        return error;
    outcome->digest = memory_format("%s:%s", digest_name(part->kind), part->actual);
    outcome->etag = memory_string(part->etag ? part->etag : "");
    outcome->mtime_ns = (int64_t)about.st_mtim.tv_sec * 1000000000 + about.st_mtim.tv_nsec;
    outcome->inode = about.st_ino;
    outcome->size = part->size;
    if (part->adopting) {
        atomic_fetch_add(&download->progress->files_present, 1);
        atomic_fetch_add(&download->progress->bytes_done, part->size);
    }
    atomic_store(&download->published, true);
    return journal_complete(download->journal, file->path, outcome->digest, outcome->mtime_ns,
                            outcome->inode);
}

/* Hands the part, and the queue's reference, back to the loop. */
static void hand_back(struct part *part, enum part_result result) {
    struct download *download = part->download;
    pthread_mutex_lock(&download->mutex);
    part->queued = false;
    part->result = result;
    part->next = download->finished;
    download->finished = part;
    pthread_mutex_unlock(&download->mutex);
    if (atomic_load(&download->loop_hungry))
        curl_multi_wakeup(download->multi);
}

static struct error *finish(struct part *part) {
    struct download *download = part->download;
    digest_finish(part->digest, part->actual);
    if (part->expected[0] && strcmp(part->actual, part->expected) != 0) {
        hand_back(part, PART_MISMATCH);
        return NULL;
    }
    struct error *error = publish(part);
    if (error) {
        part_unref(part);
        return error;
    }
    atomic_fetch_add(&download->progress->files_done, 1);
    hand_back(part, PART_PUBLISHED);
    return NULL;
}

/* One turn of a part; ends with it finished, back in the queue, or idle. */
static struct error *work_on(struct part *part, void *block) {
    struct download *download = part->download;
    pthread_mutex_lock(&download->mutex);
    int64_t end = part->prefix, size = part->size;
    pthread_mutex_unlock(&download->mutex);
    if (!part->digest && (size >= 0 || part->kind != DIGEST_GIT_SHA1))
        part->digest = digest_new(part->kind, size);
    if (end > part->hashed + TURN_BYTES)
        end = part->hashed + TURN_BYTES;
    struct error *error = part->digest ? hash_to(part, end, block) : NULL;
    bool gone = error || atomic_load(&part->abandoned) || download_stopped(download);
    pthread_mutex_lock(&download->mutex);
    bool done = part->digest && part->whole && part->hashed == part->prefix;
    bool more = part->digest ? part->hashed < part->prefix : part->whole;
    part->queued = !gone && (done || more);
    if (!gone && !done && more) {
        part_queue(part);
        part = NULL;
    }
    pthread_mutex_unlock(&download->mutex);
    if (part && !gone && done)
        return finish(part);
    part_unref(part);
    return error;
}

/* A small file that came in whole and has nowhere to be but in memory is saved, if it is right,
 * although the run has ended. */
static void save(struct part *part) {
    part->digest = digest_new(part->kind, part->size);
    error_free(hash_to(part, part->size, NULL));
    error_free(finish(part));
}

static void *run(void *context) {
    struct download *download = context;
    void *block = memory_alloc(BLOCK_BYTES);
    struct part *part;
    while ((part = take(download))) {
        download_fail(download, work_on(part, block));
    }
    memory_free(block);
    return NULL;
}

struct error *hashers_start(struct download *download) {
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    int count = cores < 1 ? 1 : cores < HASHERS_MAX ? (int)cores : HASHERS_MAX;
    struct error *error = NULL;
    while (!error && download->hasher_count < count) {
        error = thread_start(&download->hashers[download->hasher_count], "hasher", run, download);
        download->hasher_count += !error;
    }
    return error;
}

void hashers_join(struct download *download) {
    pthread_mutex_lock(&download->mutex);
    pthread_cond_broadcast(&download->hash_work);
    pthread_mutex_unlock(&download->mutex);
    while (download->hasher_count > 0)
        pthread_join(download->hashers[--download->hasher_count], NULL);
    while (download->hashing) {
        struct part *part = download->hashing;
        download->hashing = part->next;
        if (part->bytes && part->whole && !download->lost && !atomic_load(&part->abandoned))
            save(part);
        else
            part_unref(part);
    }
}
