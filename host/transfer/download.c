#include "transfer/download_internal.h"

#include "base/clock.h"
#include "base/memory.h"

#include <unistd.h>

enum { WORKERS = 8, WORKERS_MAX = 256, ATTEMPTS = 5, STALL_MS = 60000, PART_BYTES = 16777216 };

bool download_stopped(const struct download *download) {
    return atomic_load_explicit(&download->stop, memory_order_relaxed);
}

static void stop(struct download *download) {
    pthread_mutex_lock(&download->mutex);
    atomic_store(&download->stop, true);
    pthread_cond_broadcast(&download->hash_work);
    pthread_cond_broadcast(&download->sync_work);
    pthread_cond_broadcast(&download->part_room);
    pthread_mutex_unlock(&download->mutex);
}

void download_fail(struct download *download, struct error *error) {
    if (!error)
        return;
    pthread_mutex_lock(&download->mutex);
    if (!download->failure) {
        download->failure = error;
        error = NULL;
    }
    pthread_mutex_unlock(&download->mutex);
    error_free(error); /* only the first is told */
    stop(download);
    if (download->multi)
        curl_multi_wakeup(download->multi);
}

void download_set_text(char **text, const char *value) {
    char *copy = value ? memory_string(value) : NULL;
    memory_free(*text);
    *text = copy;
}

static void set_up(struct download *download, const struct download_config *config) {
    download->config = *config;
    struct download_config *own = &download->config;
    if (own->max_workers <= 0)
        own->max_workers = WORKERS;
    if (own->max_workers > WORKERS_MAX)
        own->max_workers = WORKERS_MAX;
    if (own->part_bytes <= 0)
        own->part_bytes = PART_BYTES;
    if (own->max_attempts <= 0)
        own->max_attempts = ATTEMPTS;
    if (own->stall_ms <= 0)
        own->stall_ms = STALL_MS;
    download->fetches_end = &download->fetches;
    download->outcomes = memory_zero(download->plan->file_count + 1, sizeof *download->outcomes);
    pthread_mutex_init(&download->mutex, NULL);
    clock_condition_init(&download->hash_work);
    pthread_cond_init(&download->part_room, NULL);
    clock_condition_init(&download->sync_work);
    atomic_store(&download->progress->bytes_total, download->plan->bytes);
    atomic_store(&download->progress->files_total, (int64_t)download->plan->file_count);
    progress_set_phase(download->progress, "downloading");
}

static void tear_down(struct download *download) {
    for (size_t i = 0; i < download->plan->file_count; i++) {
        memory_free(download->outcomes[i].digest);
        memory_free(download->outcomes[i].etag);
    }
    memory_free(download->outcomes);
    memory_free(download->remote);
    memory_free(download->local);
    pthread_cond_destroy(&download->hash_work);
    pthread_cond_destroy(&download->part_room);
    pthread_cond_destroy(&download->sync_work);
    pthread_mutex_destroy(&download->mutex);
}

/* Fetches, copies, hashes and publishes what is missing. */
static struct error *work(struct download *download) {
    loop_start(download);
    struct error *error = hashers_start(download);
    if (!error)
        error = syncer_start(download);
    if (!error)
        error = copiers_start(download);
    if (error)
        download_fail(download, error);
    else
        loop_run(download);
    stop(download);
    copiers_join(download);
    hashers_join(download);
    syncer_join(download);
    for (struct part *part; (part = part_take_finished(download));)
        part_unref(part);
    loop_end(download);
    return download->failure;
}

static struct error *open_journal(struct download *download) {
    char *name = memory_format("%s@%s", download->source, download->plan->revision);
    struct error *error = journal_open(download->directory, name, &download->journal);
    memory_free(name);
    return error;
}

/* What an earlier run left when it was killed between its manifest and its last step. */
static struct error *remove_journal(struct download *download) {
    if (!download->journal && faccessat(download->directory->work_fd, "journal", F_OK, 0) != 0)
        return NULL;
    struct error *error = NULL;
    directory_let_parts_go(download->directory);
    if (!download->journal)
        error = open_journal(download);
    if (!error)
        journal_remove(download->journal);
    download->journal = NULL;
    return error;
}

struct error *download_run(struct plan *plan, struct directory *directory, const char *source,
                           const struct download_config *config, struct progress *progress) {
    struct manifest before = {0};
    struct download download = {.plan = plan,
                                .directory = directory,
                                .source = source,
                                .progress = progress,
                                .before = &before};
    set_up(&download, config);
    error_free(manifest_read(directory, &before)); /* a damaged one is as good as none */
    struct error *error = NULL;
    if (!prepare_from_manifest(&download)) {
        error = open_journal(&download);
        if (!error)
            error = directory_hold_parts(directory);
        if (!error)
            error = prepare_work(&download);
        if (!error && download.left > 0)
            error = work(&download);
    }
    if (!error)
        error = lock_check(config->lock);
    if (!error)
        error = prepare_manifest(&download);
    if (!error)
        error = remove_journal(&download);
    journal_close(download.journal);
    directory_let_parts_go(directory);
    manifest_free(&before);
    tear_down(&download);
    return error;
}
