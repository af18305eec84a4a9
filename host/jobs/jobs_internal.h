/* What the files of jobs/ share: a job, the list of them, the pools of threads with their queues,
 * and the figures that outlive all of it. One lock, jobs->mutex, guards everything that changes.
 * Private to jobs/. */
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
    char *same, *exclusive, *serial; /* NULL: none */
    bool quiet;
    struct pool *pool; /* whose threads run it */
    job_run *run;
    void *payload;
    void (*payload_free)(void *payload);
    double created_at;
    atomic_bool cancel;
    struct progress progress;
    /* The rest under the lock. */
    size_t references;
    enum job_state state;
    bool held;                       /* it waits, but another has the turn of its serial key */
    int status;                      /* HTTP, of its result */
    double started_at, finished_at;  /* 0: not yet */
    int64_t started_ms, finished_ms; /* the same, monotonic */
    struct buffer result;            /* JSON, of a job that succeeded */
    struct error *error;             /* of one that did not */
    struct rate_sample samples[RATE_SAMPLES];
    size_t sample_count;       /* taken so far; the last RATE_SAMPLES are kept */
    struct job *newer, *older; /* all that are known, by creation */
    struct job *next;          /* among those that wait in the pool, run, or have ended */
};

struct job_thread {
    struct pool *pool;
    struct job_thread *next; /* of the pool */
    pthread_t thread;
    void *worker;
    bool has_worker;
    bool ended; /* and can be joined; under the lock */
};

/* Threads and the jobs that wait for them, in the order they came. All under the lock. */
struct pool {
    struct jobs *jobs;
    struct pool *next;
    char *kind; /* of parallel jobs; NULL: the pool of all others */
    size_t size, waiting_max;
    pthread_cond_t work; /* for its threads: a job is ready, or all is over */
    struct job *first_waiting, *last_waiting;
    size_t waiting, running;
    size_t ready; /* of those that wait: not held */
    struct job_thread *threads;
    size_t thread_count; /* that have not ended */
    size_t idle;         /* of those: without a job */
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
    pthread_cond_t changed; /* a job's state, or a thread has ended */
    size_t references;      /* the owner's, and one for each struct job there is */
    bool closing;
    struct job *newest, *oldest;
    struct job *first_running;
    struct job *first_ended, *last_ended;
    size_t waiting, running, ended;
    struct pool *pools;     /* the first is that of jobs that are not parallel */
    size_t threads_started; /* ever, for their names */
    size_t alive;           /* threads that have not ended */
    struct figures figures;
};

/* Makes a job of a spec, which waits and is in no list; takes over the payload. With a reference
 * for the caller. */
struct error *job_new(struct pool *pool, const struct job_spec *spec, struct job **out)
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

/* Makes a pool, the last of all; its kind NULL for jobs that are not parallel. And frees all. */
struct pool *pool_new(struct jobs *jobs, const char *kind, size_t size, size_t waiting_max);
void pools_free(struct jobs *jobs);

/* The pool that a spec's job belongs in. */
struct pool *pool_of(struct jobs *jobs, const struct job_spec *spec);

/* Whether an unfinished job has the turn of this serial key. NULL: no. */
bool pool_is_held(const struct jobs *jobs, const char *serial);

/* Puts a job at the end of those that wait. */
void pool_enqueue(struct job *job);

/* The job whose turn it is to run, NULL if there is none. */
struct job *pool_next(const struct pool *pool);

/* Takes a job out of those that wait; false when it is not among them. */
bool pool_dequeue(struct job *job);

/* An ended job gives the turn of its serial key, if it had it, to the next. */
void pool_pass_turn(const struct job *job);

/* Starts a thread for one more job that is ready, unless enough are idle or there are all there may
 * be. Fails only when there is none at all. */
struct error *pool_add_thread(struct pool *pool) __attribute__((warn_unused_result));

/* Waits for the threads, which have all ended; without the lock. */
void pool_join(struct pool *pool);

/* Puts an ended job among those that are kept, unless it is quiet and succeeded; forgets those that
 * were kept long enough. */
void jobs_keep(struct jobs *jobs, struct job *job);
void jobs_forget(struct jobs *jobs);

/* A job begins: its source is shown from now on. It has ended: its figures are added up. */
void figures_begin(struct figures *figures, const struct job *job);
void figures_end(struct figures *figures, struct job *job);
void figures_free(struct figures *figures);

/* Frees what nobody refers to any more; without the lock. */
void jobs_free(struct jobs *jobs);

#endif
