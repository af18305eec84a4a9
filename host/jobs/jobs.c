/*
 * What may become a job, and the lists of jobs.
 */
#include "base/clock.h"
#include "base/memory.h"
#include "base/redact.h"
#include "jobs/jobs_internal.h"

#include <string.h>

enum {
    THREADS = 4,
    WAITING_MAX = 64,
    KEEP_SECONDS = 24 * 60 * 60,
    KEEP_MAX = 1000,
    IDLE_SECONDS = 60,
};

struct jobs *jobs_new(const struct jobs_config *config) {
    struct jobs *jobs = memory_zero(1, sizeof *jobs);
    jobs->config = *config;
    if (jobs->config.threads <= 0)
        jobs->config.threads = THREADS;
    if (!jobs->config.waiting_max)
        jobs->config.waiting_max = WAITING_MAX;
    if (jobs->config.keep_seconds <= 0)
        jobs->config.keep_seconds = KEEP_SECONDS;
    if (!jobs->config.keep_max)
        jobs->config.keep_max = KEEP_MAX;
    if (jobs->config.idle_seconds <= 0)
        jobs->config.idle_seconds = IDLE_SECONDS;
    pthread_mutex_init(&jobs->mutex, NULL);
    clock_condition_init(&jobs->changed);
    jobs->references = 1;
    pool_new(jobs, NULL, (size_t)jobs->config.threads, jobs->config.waiting_max);
    return jobs;
}

void jobs_free(struct jobs *jobs) {
    figures_free(&jobs->figures);
    pools_free(jobs);
    pthread_cond_destroy(&jobs->changed);
    pthread_mutex_destroy(&jobs->mutex);
    memory_free(jobs);
}

/* The lists have one reference to a job together. */
static void list(struct jobs *jobs, struct job *job) {
    job->references++;
    job->older = jobs->newest;
    if (job->older)
        job->older->newer = job;
    else
        jobs->oldest = job;
    jobs->newest = job;
}

static void unlist(struct jobs *jobs, struct job *job) {
    *(job->newer ? &job->newer->older : &jobs->newest) = job->older;
    *(job->older ? &job->older->newer : &jobs->oldest) = job->newer;
    job_drop(job);
}

void jobs_keep(struct jobs *jobs, struct job *job) {
    job->next = NULL;
    if (job->quiet && job->state == JOB_SUCCEEDED) {
        unlist(jobs, job);
        return;
    }
    if (jobs->first_ended)
        jobs->last_ended->next = job;
    else
        jobs->first_ended = job;
    jobs->last_ended = job;
    jobs->ended++;
    jobs_forget(jobs);
}

void jobs_forget(struct jobs *jobs) {
    int64_t now = clock_ms();
    while (jobs->first_ended) {
        struct job *job = jobs->first_ended;
        if (jobs->ended <= jobs->config.keep_max &&
            (double)(now - job->finished_ms) <= jobs->config.keep_seconds * 1000)
            break;
        jobs->first_ended = job->next;
        jobs->ended--;
        unlist(jobs, job);
    }
}

/* An unfinished job that can be joined, or NULL. One that is being cancelled cannot. */
static struct job *find_same(const struct jobs *jobs, const char *same) {
    for (struct job *job = same ? jobs->newest : NULL; job; job = job->older)
        if (!job_is_finished(job->state) && job->same && !strcmp(job->same, same) &&
            !atomic_load(&job->cancel))
            return job;
    return NULL;
}

static struct error *check_exclusive(const struct jobs *jobs, const char *key) {
    for (struct job *job = key ? jobs->newest : NULL; job; job = job->older) {
        if (job_is_finished(job->state) || !job->exclusive || strcmp(job->exclusive, key) != 0)
            continue;
        if (atomic_load(&job->cancel))
            return error_new(ERROR_EXISTS, NULL,
                             "%s is still taken by job %s, which is being cancelled; try again "
                             "in a moment",
                             key, job->id);
        return error_new(ERROR_EXISTS, NULL,
                         "%s is taken by job %s (%s, %s); wait until it has ended, or cancel it",
                         key, job->id, job->kind, job_state_name(job->state));
    }
    return NULL;
}

static struct error *check_room(const struct pool *pool) {
    if (pool->jobs->closing)
        return error_new(ERROR_CANCELLED, NULL, "no job is taken any more");
    if (pool->running + pool->waiting < pool->size + pool->waiting_max)
        return NULL;
    return error_new(ERROR_OVERLOAD, NULL,
                     "%zu jobs are running and %zu are waiting, which is all there may be; try "
                     "again later",
                     pool->running, pool->waiting);
}

static struct error *add_job(struct jobs *jobs, const struct job_spec *spec, struct job **out) {
    struct job *job = NULL;
    struct pool *pool = pool_of(jobs, spec);
    bool held = pool_is_held(jobs, spec->serial);
    struct error *error = check_exclusive(jobs, spec->exclusive);
    if (!error)
        error = check_room(pool);
    if (!error && (!held || !pool->thread_count))
        error = pool_add_thread(pool);
    if (!error)
        error = job_new(pool, spec, &job);
    if (error)
        return redact_error(error);
    list(jobs, job);
    job->held = held;
    pool_enqueue(job);
    *out = job;
    return NULL;
}

struct error *jobs_submit(struct jobs *jobs, const struct job_spec *spec, struct job **out,
                          bool *joined) {
    struct error *error = NULL;
    *out = NULL;
    pthread_mutex_lock(&jobs->mutex);
    jobs_forget(jobs);
    struct job *same = find_same(jobs, spec->same);
    *joined = same != NULL;
    if (same) {
        same->references++;
        *out = same;
    } else {
        error = add_job(jobs, spec, out);
    }
    pthread_mutex_unlock(&jobs->mutex);
    if ((same || error) && spec->payload_free)
        spec->payload_free(spec->payload);
    return error;
}

struct job *jobs_find(struct jobs *jobs, const char *id) {
    pthread_mutex_lock(&jobs->mutex);
    jobs_forget(jobs);
    struct job *job = jobs->newest;
    while (job && strcmp(job->id, id) != 0)
        job = job->older;
    if (job)
        job->references++;
    pthread_mutex_unlock(&jobs->mutex);
    return job;
}

/* A job that has not ended and is not being cancelled, with a reference; NULL if there is none. */
static struct job *find_uncancelled(struct jobs *jobs) {
    pthread_mutex_lock(&jobs->mutex);
    struct job *job = jobs->newest;
    while (job && (job_is_finished(job->state) || atomic_load(&job->cancel)))
        job = job->older;
    if (job)
        job->references++;
    pthread_mutex_unlock(&jobs->mutex);
    return job;
}

static bool wait_for_threads(struct jobs *jobs, int64_t deadline_ms) {
    pthread_mutex_lock(&jobs->mutex);
    while (jobs->alive && clock_ms() < deadline_ms)
        clock_wait(&jobs->changed, &jobs->mutex, deadline_ms);
    bool ended = !jobs->alive;
    pthread_mutex_unlock(&jobs->mutex);
    return ended;
}

bool jobs_stop(struct jobs *jobs, int64_t deadline_ms) {
    pthread_mutex_lock(&jobs->mutex);
    jobs->closing = true;
    for (struct pool *pool = jobs->pools; pool; pool = pool->next)
        pthread_cond_broadcast(&pool->work);
    pthread_mutex_unlock(&jobs->mutex);
    struct job *job;
    while ((job = find_uncancelled(jobs))) {
        job_cancel(job);
        job_unref(job);
    }
    return wait_for_threads(jobs, deadline_ms);
}

bool jobs_close(struct jobs *jobs, int64_t deadline_ms) {
    if (!jobs)
        return true;
    if (!jobs_stop(jobs, deadline_ms))
        return false;
    for (struct pool *pool = jobs->pools; pool; pool = pool->next)
        pool_join(pool);
    pthread_mutex_lock(&jobs->mutex);
    while (jobs->newest)
        unlist(jobs, jobs->newest);
    bool last = --jobs->references == 0;
    pthread_mutex_unlock(&jobs->mutex);
    if (last)
        jobs_free(jobs);
    return true;
}
