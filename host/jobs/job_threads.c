/*
 * The threads that run jobs, one after the other, each with its worker.
 */
#include "base/clock.h"
#include "base/log.h"
#include "base/redact.h"
#include "base/thread.h"
#include "jobs/jobs_internal.h"

#include <stdio.h>

enum { STACK_SIZE = 16 << 20 }; /* workers run Lua; see policy/stack.h */

static void make_worker(struct job_thread *thread, struct error **error) {
    const struct jobs_config *config = &thread->jobs->config;
    if (thread->has_worker || !config->worker_new)
        return;
    *error = config->worker_new(config->context, &thread->worker);
    thread->has_worker = !*error;
}

static void log_end(const struct job *job, enum job_state state, const struct error *error) {
    if (state == JOB_FAILED)
        log_warning("job %s (%s) failed: %s", job->id, job->kind, error->message);
    else
        log_info("job %s (%s) %s after %.3f s", job->id, job->kind, job_state_name(state),
                 (double)(clock_ms() - job->started_ms) / 1000);
}

/* Runs the thread's job. The payload, which may be what registered the secrets, is freed after they
 * were taken out of the texts, and before anybody learns that the job has ended. */
static void run_job(struct job_thread *thread) {
    struct jobs *jobs = thread->jobs;
    struct job *job = thread->job;
    struct buffer result = {0};
    struct error *error = NULL;
    log_info("job %s (%s) begins", job->id, job->kind);
    make_worker(thread, &error);
    if (!error)
        error = job->run(job, thread->worker, job->payload, &result);
    enum job_state state = !error                           ? JOB_SUCCEEDED
                           : error->kind == ERROR_CANCELLED ? JOB_CANCELLED
                                                            : JOB_FAILED;
    error = redact_error(error);
    if (error)
        buffer_free(&result);
    else if (!result.length)
        buffer_string(&result, "{}");
    redact(&result, 0);
    if (job->payload_free)
        job->payload_free(job->payload);
    progress_set_phase(&job->progress, "");
    log_end(job, state, error);
    pthread_mutex_lock(&jobs->mutex);
    job->result = result;
    thread->job = NULL;
    job_end(job, state, error);
    job_drop(job);
    pthread_mutex_unlock(&jobs->mutex);
}

static bool take_job(struct job_thread *thread) {
    struct jobs *jobs = thread->jobs;
    pthread_mutex_lock(&jobs->mutex);
    jobs->idle++;
    while (!jobs->first_waiting && !jobs->closing)
        pthread_cond_wait(&jobs->work, &jobs->mutex);
    jobs->idle--;
    struct job *job = jobs->closing ? NULL : jobs->first_waiting;
    if (job) {
        jobs_dequeue(jobs, job);
        job->references++;
        thread->job = job;
        job_begin(job);
    }
    pthread_mutex_unlock(&jobs->mutex);
    return job;
}

static void *run_jobs(void *context) {
    struct job_thread *thread = context;
    struct jobs *jobs = thread->jobs;
    while (take_job(thread))
        run_job(thread);
    if (thread->has_worker && jobs->config.worker_free)
        jobs->config.worker_free(thread->worker);
    pthread_mutex_lock(&jobs->mutex);
    jobs->alive--;
    pthread_cond_broadcast(&jobs->changed);
    pthread_mutex_unlock(&jobs->mutex);
    return NULL;
}

struct error *jobs_add_thread(struct jobs *jobs) {
    if (jobs->idle > jobs->waiting || jobs->thread_count == (size_t)jobs->config.threads)
        return NULL;
    struct job_thread *thread = &jobs->threads[jobs->thread_count];
    thread->jobs = jobs;
    char name[16];
    snprintf(name, sizeof name, "job %zu", jobs->thread_count + 1);
    struct error *error = thread_start_sized(&thread->thread, name, STACK_SIZE, run_jobs, thread);
    if (!error) {
        jobs->thread_count++;
        jobs->alive++;
    } else if (jobs->thread_count) { /* the others will come to it */
        log_error_free(LOG_WARNING, error, "jobs have fewer threads than they may");
        error = NULL;
    }
    return error;
}
