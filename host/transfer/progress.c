#include "transfer/progress.h"

#include <stdio.h>
#include <string.h>

const char *const retry_cause_names[RETRY_CAUSES] = {
    [RETRY_CONNECT] = "connect", [RETRY_RESET] = "reset",     [RETRY_STALL] = "stall",
    [RETRY_STATUS] = "status",   [RETRY_CHANGED] = "changed", [RETRY_DIGEST] = "digest",
};

void progress_init(struct progress *progress) {
    *progress = (struct progress){.phase = ""};
    pthread_mutex_init(&progress->mutex, NULL);
}

void progress_destroy(struct progress *progress) {
    pthread_mutex_destroy(&progress->mutex);
}

void progress_set_phase(struct progress *progress, const char *phase) {
    pthread_mutex_lock(&progress->mutex);
    snprintf(progress->phase, sizeof progress->phase, "%s", phase);
    pthread_mutex_unlock(&progress->mutex);
}

void progress_phase(struct progress *progress, char phase[PROGRESS_PHASE_SIZE]) {
    pthread_mutex_lock(&progress->mutex);
    memcpy(phase, progress->phase, PROGRESS_PHASE_SIZE);
    pthread_mutex_unlock(&progress->mutex);
}

/* The end of a long path tells more than its beginning. */
static void shorten(char text[PROGRESS_PATH_SIZE], const char *path) {
    size_t length = strlen(path);
    if (length < PROGRESS_PATH_SIZE) {
        memcpy(text, path, length + 1);
        return;
    }
    const char *tail = path + length - (PROGRESS_PATH_SIZE - 4);
    while (((unsigned char)*tail & 0xc0) == 0x80) /* no UTF-8 character cut in two */
        tail++;
    snprintf(text, PROGRESS_PATH_SIZE, "...%s", tail);
}

int progress_enter(struct progress *progress, const char *path, int64_t total) {
    int slot = 0;
    pthread_mutex_lock(&progress->mutex);
    while (slot < PROGRESS_ACTIVE_MAX && progress->used[slot])
        slot++;
    if (slot < PROGRESS_ACTIVE_MAX) {
        progress->used[slot] = true;
        progress->active[slot].done = 0;
        progress->active[slot].total = total;
        shorten(progress->active[slot].path, path);
    }
    pthread_mutex_unlock(&progress->mutex);
    return slot < PROGRESS_ACTIVE_MAX ? slot : -1;
}

void progress_advance(struct progress *progress, int slot, int64_t done) {
    if (slot < 0)
        return;
    pthread_mutex_lock(&progress->mutex);
    progress->active[slot].done = done;
    pthread_mutex_unlock(&progress->mutex);
}

void progress_leave(struct progress *progress, int slot) {
    if (slot < 0)
        return;
    pthread_mutex_lock(&progress->mutex);
    progress->used[slot] = false;
    pthread_mutex_unlock(&progress->mutex);
}

size_t progress_active(struct progress *progress, struct progress_file files[PROGRESS_ACTIVE_MAX]) {
    size_t count = 0;
    pthread_mutex_lock(&progress->mutex);
    for (int slot = 0; slot < PROGRESS_ACTIVE_MAX; slot++)
        if (progress->used[slot])
            files[count++] = progress->active[slot];
    pthread_mutex_unlock(&progress->mutex);
    return count;
}

int64_t progress_retries(struct progress *progress) {
    int64_t sum = 0;
    for (int cause = 0; cause < RETRY_CAUSES; cause++)
        sum += atomic_load_explicit(&progress->retries[cause], memory_order_relaxed);
    return sum;
}
