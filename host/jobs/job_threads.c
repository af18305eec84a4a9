/*
 * The threads that run jobs, one after the other, each with its worker.
 */
#include "base/clock.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/redact.h"
#include "base/thread.h"
#include "jobs/jobs_internal.h"

#include <stdio.h>

enum { STACK_SIZE = 16 << 20 }; /* workers run Lua; see policy/stack.h */

static void make_worker(struct job_thread *thread, struct error **error) {
    const struct jobs_config *config = &thread->pool->jobs->config;
    if (thread->has_worker || !config->worker_new)
        return;
    *error = config->worker_new(config->context, &thread->worker);
    thread->has_worker = !*error;
}

static void log_end(const struct job *job, enum job_state state, const struct error *error) {
    if (state == JOB_FAILED)
        log_warning("job %s (%s) failed: %s", job->id, job->kind, error->message);
    else
        log_write(job->quiet && state == JOB_SUCCEEDED ? LOG_DEBUG : LOG_INFO,
                  "job %s (%s) %s after %.3f s", job->id, job->kind, job_state_name(state),
                  (double)(clock_ms() - job->started_ms) / 1000);
}

static enum job_state state_after(const struct error *error) {
    if (!error)
        return JOB_SUCCEEDED;
    return error->kind == ERROR_CANCELLED ? JOB_CANCELLED : JOB_FAILED;
}

/* The thread is without a job again before the next one is looked for a thread. */
static void end_job(struct job *job, struct error *error, struct buffer result) {
    struct jobs *jobs = job->jobs;
    pthread_mutex_lock(&jobs->mutex);
    job->result = result;
    job->pool->idle++;
    job_end(job, state_after(error), error);
    pthread_mutex_unlock(&jobs->mutex);
    if (jobs->config.ended)
        jobs->config.ended(jobs->config.context, job);
    job_unref(job);
}

/* Runs a job. The payload, which may be what registered the secrets, is freed after they were taken
 * out of the texts, and before anybody learns that the job has ended. */
static void run_job(struct job_thread *thread, struct job *job) {
    struct buffer result = {0};
    struct error *error = NULL;
    log_write(job->quiet ? LOG_DEBUG : LOG_INFO, "job %s (%s) begins", job->id, job->kind);
    make_worker(thread, &error);
    if (!error)
        error = job->run(job, thread->worker, job->payload, &result);
    error = redact_error(error);
    if (error)
        buffer_free(&result);
    else if (!result.length)
        buffer_string(&result, "{}");
    redact(&result, 0);
    if (job->payload_free)
        job->payload_free(job->payload);
    progress_set_phase(&job->progress, "");
    log_end(job, state_after(error), error);
    end_job(job, error, result);
}

/* Waits for a job that is ready; NULL when all is over, or nothing has come for long. A job that is
 * held needs the thread one day, so it stays. */
static struct job *await_job(struct pool *pool) {
    struct jobs *jobs = pool->jobs;
    int64_t patience = (int64_t)(jobs->config.idle_seconds * 1000);
    int64_t end = clock_ms() + patience;
    struct job *job = NULL;
    while (!jobs->closing && !(job = pool_next(pool))) {
        if (!clock_wait(&pool->work, &jobs->mutex, end))
            continue;
        if (!pool->waiting)
            return NULL;
        end = clock_ms() + patience;
    }
    return job;
}

/* The next job, which begins, with a reference; or NULL, and the thread counts as ended. */
static struct job *take_job(struct job_thread *thread) {
    struct pool *pool = thread->pool;
    pthread_mutex_lock(&pool->jobs->mutex);
    struct job *job = await_job(pool);
    pool->idle--;
    if (job) {
        pool_dequeue(job);
        job->references++;
        job_begin(job);
    } else {
        pool->thread_count--;
    }
    pthread_mutex_unlock(&pool->jobs->mutex);
    return job;
}

static void *run_jobs(void *context) {
    struct job_thread *thread = context;
    struct jobs *jobs = thread->pool->jobs;
    struct job *job;
    while ((job = take_job(thread)))
        run_job(thread, job);
    if (thread->has_worker && jobs->config.worker_free)
        jobs->config.worker_free(thread->worker);
    pthread_mutex_lock(&jobs->mutex);
    thread->ended = true;
    jobs->alive--;
    pthread_cond_broadcast(&jobs->changed);
    pthread_mutex_unlock(&jobs->mutex);
    return NULL;
}

/* Frees what is left of threads that have ended. */
static void reap(struct pool *pool) {
    struct job_thread **place = &pool->threads;
    while (*place) {
        struct job_thread *thread = *place;
        if (!thread->ended) {
            place = &thread->next;
            continue;
        }
        *place = thread->next;
        pthread_join(thread->thread, NULL); /* it only has to return */
        memory_free(thread);
    }
}

static struct error *start_thread(struct pool *pool) {
    struct jobs *jobs = pool->jobs;
    struct job_thread *thread = memory_zero(1, sizeof *thread);
    char name[16];
    snprintf(name, sizeof name, "job %zu", (jobs->threads_started + 1) % 1000000);
    thread->pool = pool;
    struct error *error = thread_start_sized(&thread->thread, name, STACK_SIZE, run_jobs, thread);
    if (error) {
        memory_free(thread);
        return error;
    }
    thread->next = pool->threads;
    pool->threads = thread;
    pool->thread_count++;
    pool->idle++;
    jobs->threads_started++;
    jobs->alive++;
    return NULL;
}

struct error *pool_add_thread(struct pool *pool) {
    if (pool->idle > pool->ready || pool->thread_count >= pool->size)
        return NULL;
    reap(pool);
    struct error *error = start_thread(pool);
    if (error && pool->thread_count) { /* the others will come to it */
        log_error_free(LOG_WARNING, error, "jobs have fewer threads than they may");
        error = NULL;
    }
    return error;
}

void pool_join(struct pool *pool) {
    while (pool->threads) {
        struct job_thread *thread = pool->threads;
        pool->threads = thread->next;
        pthread_join(thread->thread, NULL);
        memory_free(thread);
    }
}
