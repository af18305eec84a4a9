/*
 * The live numbers of one download: written by the threads that do it, read by whoever shows them
 * (the progress bar, a job's record, metrics). All of it may be used from any thread. The owner is
 * the job or the command.
 */
#ifndef KTHENA_TRANSFER_PROGRESS_H
#define KTHENA_TRANSFER_PROGRESS_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { PROGRESS_ACTIVE_MAX = 16, PROGRESS_PATH_SIZE = 160, PROGRESS_PHASE_SIZE = 200 };

/* Why a piece had to be asked for again. */
enum retry_cause {
    RETRY_CONNECT,
    RETRY_RESET,
    RETRY_STALL,
    RETRY_STATUS,
    RETRY_CHANGED,
    RETRY_DIGEST,
    RETRY_CAUSES,
};
extern const char *const retry_cause_names[RETRY_CAUSES]; /* "connect", "reset", ... */

struct progress_file {
    char path[PROGRESS_PATH_SIZE]; /* cut at the front with "..." when too long */
    int64_t done, total;           /* total -1: unknown */
};

struct progress {
    atomic_int_fast64_t bytes_total;   /* of the whole plan, what is there already included */
    atomic_int_fast64_t bytes_done;    /* on disk: earlier runs' and this one's */
    atomic_int_fast64_t bytes_fetched; /* over the network or copied, by this run, retries too */
    atomic_int_fast64_t files_total;
    atomic_int_fast64_t files_done;    /* complete under their names, present ones included */
    atomic_int_fast64_t files_present; /* of those: complete before this run */
    atomic_int_fast64_t retries[RETRY_CAUSES];
    atomic_int_fast64_t mismatches;  /* digests that were wrong */
    atomic_int_fast64_t connections; /* transfers in flight now */
    /* The rest through the functions. */
    pthread_mutex_t mutex;
    char phase[PROGRESS_PHASE_SIZE]; /* "listing", "waiting for pod-1 (pid 7)", "downloading"... */
    struct progress_file active[PROGRESS_ACTIVE_MAX];
    bool used[PROGRESS_ACTIVE_MAX];
};

void progress_init(struct progress *progress);
void progress_destroy(struct progress *progress);

void progress_set_phase(struct progress *progress, const char *phase);
void progress_phase(struct progress *progress, char phase[PROGRESS_PHASE_SIZE]);

/* A file is being worked on: returns its slot, or -1 when all are taken; that is fine too. */
int progress_enter(struct progress *progress, const char *path, int64_t total);
void progress_advance(struct progress *progress, int slot, int64_t done);
void progress_leave(struct progress *progress, int slot);

/* Copies the active files; returns how many. */
size_t progress_active(struct progress *progress, struct progress_file files[PROGRESS_ACTIVE_MAX]);

int64_t progress_retries(struct progress *progress); /* of all causes */

#endif
