/*
 * The pools: where a job waits for a thread, and for its turn where jobs run one after another.
 */
#include "base/clock.h"
#include "base/log.h"
#include "base/memory.h"
#include "jobs/jobs_internal.h"

#include <string.h>

enum { PARALLEL_WAITING_MAX = 1000 };

struct pool *pool_new(struct jobs *jobs, const char *kind, size_t size, size_t waiting_max) {
    struct pool *pool = memory_zero(1, sizeof *pool);
    pool->jobs = jobs;
    pool->kind = kind ? memory_string(kind) : NULL;
    pool->size = size;
    pool->waiting_max = waiting_max;
    clock_condition_init(&pool->work);
    struct pool **place = &jobs->pools;
    while (*place)
        place = &(*place)->next;
    *place = pool;
    return pool;
}

void pools_free(struct jobs *jobs) {
    while (jobs->pools) {
        struct pool *pool = jobs->pools;
        jobs->pools = pool->next;
        pthread_cond_destroy(&pool->work);
        memory_free(pool->kind);
        memory_free(pool);
    }
}

struct pool *pool_of(struct jobs *jobs, const struct job_spec *spec) {
    if (spec->parallel <= 0)
        return jobs->pools;
    struct pool *pool = jobs->pools->next;
    while (pool && strcmp(pool->kind, spec->kind) != 0)
        pool = pool->next;
    if (!pool)
        return pool_new(jobs, spec->kind, (size_t)spec->parallel, PARALLEL_WAITING_MAX);
    pool->size = (size_t)spec->parallel;
    return pool;
}

bool pool_is_held(const struct jobs *jobs, const char *serial) {
    for (const struct job *job = serial ? jobs->newest : NULL; job; job = job->older)
        if (!job_is_finished(job->state) && job->serial && !strcmp(job->serial, serial))
            return true;
    return false;
}

static void make_ready(struct pool *pool) {
    pool->ready++;
    pthread_cond_signal(&pool->work);
}

void pool_enqueue(struct job *job) {
    struct pool *pool = job->pool;
    if (pool->first_waiting)
        pool->last_waiting->next = job;
    else
        pool->first_waiting = job;
    pool->last_waiting = job;
    pool->waiting++;
    pool->jobs->waiting++;
    if (!job->held)
        make_ready(pool);
}

struct job *pool_next(const struct pool *pool) {
    if (!pool->ready || pool->running >= pool->size)
        return NULL;
    struct job *job = pool->first_waiting;
    while (job->held)
        job = job->next;
    return job;
}

bool pool_dequeue(struct job *job) {
    struct pool *pool = job->pool;
    struct job *before = NULL;
    struct job *each = pool->first_waiting;
    while (each && each != job) {
        before = each;
        each = each->next;
    }
    if (!each)
        return false;
    *(before ? &before->next : &pool->first_waiting) = job->next;
    if (pool->last_waiting == job)
        pool->last_waiting = before;
    job->next = NULL;
    pool->waiting--;
    pool->jobs->waiting--;
    pool->ready -= !job->held;
    return true;
}

/* The job has waited for its turn longest and has it now. */
static void let_go(struct job *job) {
    struct pool *pool = job->pool;
    job->held = false;
    struct error *error = pool->jobs->closing ? NULL : pool_add_thread(pool);
    if (error)
        log_error_free(LOG_WARNING, error, "job %s waits for a thread", job->id);
    make_ready(pool);
}

void pool_pass_turn(const struct job *job) {
    if (!job->serial || job->held)
        return;
    for (struct job *next = job->jobs->oldest; next; next = next->newer) {
        if (!job_is_finished(next->state) && next->serial && !strcmp(next->serial, job->serial)) {
            let_go(next);
            return;
        }
    }
}

bool job_blocks(struct job *job, struct job *other) {
    bool serial = job->serial && other->serial && !strcmp(job->serial, other->serial);
    return job_state(other) == JOB_QUEUED && (serial || job->pool == other->pool);
}
