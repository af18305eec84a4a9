/* What the files of jobs/ share: a job, the list of them, and the figures that outlive them. One
 * lock, jobs->mutex, guards everything that changes. Private to jobs/. */
#ifndef KTHENA_JOBS_JOBS_INTERNAL_H
#define KTHENA_JOBS_JOBS_INTERNAL_H

#include "jobs/jobs.h"

#include <pthread.h>

enum {
    JOB_ID_LENGTH = 12,
    RATE_SAMPLES = 16,
    JOB_RESULTS = JOB_CANCELLED - JOB_SUCCEEDED + 1, /* states in which a job has ended */
};

/* How many bytes had been fetched when. */
struct rate_sample {
    int64_t at_ms;
    int64_t bytes;
};

struct job {
    struct jobs *jobs;
    char id[JOB_ID_LENGTH + 1];
    char *kind, *description, *source;
    char *same, *exclusive; /* NULL: none */
    job_run *run;
    void *payload;
    void (*payload_free)(void *payload);
    double created_at;
    atomic_bool cancel;
    struct progress progress;
    /* The rest under the lock. */
    size_t references;
    enum job_state state;
    double started_at, finished_at;  /* 0: not yet */
    int64_t started_ms, finished_ms; /* the same, monotonic */
    struct buffer result;            /* JSON, of a job that succeeded */
    struct error *error;             /* of one that did not */
    struct rate_sample samples[RATE_SAMPLES];
    size_t sample_count;       /* taken so far; the last RATE_SAMPLES are kept */
    struct job *newer, *older; /* all that are known, by creation */
    struct job *next;          /* among those that wait, or those that have ended */
};

struct job_thread {
    struct jobs *jobs;
    pthread_t thread;
    void *worker;
    bool has_worker;
    struct job *job; /* that it runs, NULL: none; under the lock */
};

/* What is counted over all jobs, those that are forgotten included. */
struct kind_figures {
    struct kind_figures *next;
    char *kind;
    uint64_t ended[JOB_RESULTS];
    struct histogram seconds;
};

struct source_figures {
    struct source_figures *next;
    char *source;
    int64_t bytes, files;
};

struct figures {
    struct kind_figures *kinds;
    struct source_figures *sources;
    int64_t retries[RETRY_CAUSES];
    int64_t mismatches;
};

struct jobs {
    struct jobs_config config; /* with the defaults filled in */
    pthread_mutex_t mutex;
    pthread_cond_t work;    /* for threads: a job waits, or all is over */
    pthread_cond_t changed; /* for the others: a job's state, or a thread has ended */
    size_t references;      /* the owner's, and one for each struct job there is */
    bool closing;
    struct job *newest, *oldest;
    struct job *first_waiting, *last_waiting;
    struct job *first_ended, *last_ended;
    size_t waiting, running, ended;
    struct job_thread *threads; /* config.threads of them, of which are started */
    size_t thread_count;
    size_t idle;  /* threads that wait for a job */
    size_t alive; /* threads that have not ended */
    struct figures figures;
};

/* Makes a job of a spec, which waits and is in no list; takes over the payload. With a reference
 * for the caller. */
struct error *job_new(struct jobs *jobs, const struct job_spec *spec, struct job **out)
    __attribute__((warn_unused_result));

/* The rest is called with the lock held. */

/* Gives a reference back. */
void job_drop(struct job *job);

/* Enters the running state. */
void job_begin(struct job *job);

/* Enters the state in which it has ended, counts it, and wakes whoever waits. Takes over the error,
 * which is safe to show. */
void job_end(struct job *job, enum job_state state, struct error *error);

/* Notes how much has been fetched by now, if the last note is old enough. */
void job_sample(struct job *job);

/* Bytes per second: of the last seconds while it runs, of the whole run afterwards. */
double job_rate(const struct job *job);

/* Starts a thread for one more job, unless enough are idle or there are all there may be. Fails
 * only when there is none at all. */
struct error *jobs_add_thread(struct jobs *jobs) __attribute__((warn_unused_result));

/* Takes a job out of those that wait; false when it is not among them. */
bool jobs_dequeue(struct jobs *jobs, struct job *job);

/* Puts an ended job among those that are kept, and forgets those that were kept long enough. */
void jobs_keep(struct jobs *jobs, struct job *job);
void jobs_forget(struct jobs *jobs);

/* A job begins: its source is shown from now on. It has ended: its figures are added up. */
void figures_begin(struct figures *figures, const struct job *job);
void figures_end(struct figures *figures, struct job *job);
void figures_free(struct figures *figures);

/* Frees what nobody refers to any more; without the lock. */
void jobs_free(struct jobs *jobs);

#endif
