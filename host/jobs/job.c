#include "jobs/jobs_internal.h"

#include "base/clock.h"
#include "base/memory.h"
#include "base/redact.h"

#include <errno.h>
#include <string.h>
#include <sys/random.h>

enum {
    RATE_STEP_MS = 500,    /* between two samples */
    RATE_WINDOW_MS = 5000, /* that a rate looks back */
    RATE_LEAST_MS = 1000,  /* a rate over less time says little */
};

static const char *const state_names[] = {
    [JOB_QUEUED] = "queued", [JOB_RUNNING] = "running",     [JOB_SUCCEEDED] = "succeeded",
    [JOB_FAILED] = "failed", [JOB_CANCELLED] = "cancelled",
};

const char *job_state_name(enum job_state state) {
    return state_names[state];
}

bool job_is_finished(enum job_state state) {
    return state >= JOB_SUCCEEDED;
}

/* Whoever knows an id may cancel the job, so it cannot be guessed: 60 random bits. */
static struct error *make_id(char id[JOB_ID_LENGTH + 1]) {
    static const char digits[] = "0123456789abcdefghjkmnpqrstvwxyz";
    unsigned char random[JOB_ID_LENGTH];
    ssize_t got;
    while ((got = getrandom(random, sizeof random, 0)) != sizeof random)
        if (got >= 0 || errno != EINTR)
            return error_errno(ERROR_IO, "could not make an id for the job");
    for (size_t i = 0; i < JOB_ID_LENGTH; i++)
        id[i] = digits[random[i] % (sizeof digits - 1)];
    id[JOB_ID_LENGTH] = '\0';
    return NULL;
}

static char *redacted_copy(const char *text) {
    struct buffer copy = {0};
    buffer_string(&copy, text);
    redact(&copy, 0);
    char *result = memory_copy(copy.data ? copy.data : "", copy.length);
    buffer_free(&copy);
    return result;
}

struct error *job_new(struct pool *pool, const struct job_spec *spec, struct job **out) {
    struct job *job = memory_zero(1, sizeof *job);
    struct error *error = make_id(job->id);
    if (error) {
        memory_free(job);
        return error;
    }
    job->jobs = pool->jobs;
    job->pool = pool;
    job->kind = memory_string(spec->kind);
    job->description = redacted_copy(spec->description ? spec->description : "{}");
    job->source = memory_string(spec->source ? spec->source : "");
    job->same = spec->same ? memory_string(spec->same) : NULL;
    job->exclusive = spec->exclusive ? memory_string(spec->exclusive) : NULL;
    job->serial = spec->serial ? memory_string(spec->serial) : NULL;
    job->quiet = spec->quiet;
    job->status = 200;
    job->run = spec->run;
    job->payload = spec->payload;
    job->payload_free = spec->payload_free;
    job->created_at = clock_wall();
    progress_init(&job->progress);
    job->references = 1;
    job->jobs->references++;
    *out = job;
    return NULL;
}

void job_drop(struct job *job) {
    if (--job->references > 0)
        return;
    job->jobs->references--;
    progress_destroy(&job->progress);
    buffer_free(&job->result);
    error_free(job->error);
    memory_free(job->kind);
    memory_free(job->description);
    memory_free(job->source);
    memory_free(job->same);
    memory_free(job->exclusive);
    memory_free(job->serial);
    memory_free(job);
}

void job_unref(struct job *job) {
    if (!job)
        return;
    struct jobs *jobs = job->jobs;
    pthread_mutex_lock(&jobs->mutex);
    job_drop(job);
    bool last = jobs->references == 0;
    pthread_mutex_unlock(&jobs->mutex);
    if (last)
        jobs_free(jobs);
}

void job_begin(struct job *job) {
    struct jobs *jobs = job->jobs;
    job->state = JOB_RUNNING;
    job->started_at = clock_wall();
    job->started_ms = clock_ms();
    job->samples[0] = (struct rate_sample){.at_ms = job->started_ms};
    job->sample_count = 1;
    job->next = jobs->first_running;
    jobs->first_running = job;
    jobs->running++;
    job->pool->running++;
    figures_begin(&jobs->figures, job);
    pthread_cond_broadcast(&jobs->changed);
}

static void leave_running(struct job *job) {
    struct jobs *jobs = job->jobs;
    struct job **place = &jobs->first_running;
    while (*place != job)
        place = &(*place)->next;
    *place = job->next;
    jobs->running--;
    job->pool->running--;
}

void job_end(struct job *job, enum job_state state, struct error *error) {
    struct jobs *jobs = job->jobs;
    job->finished_at = clock_wall();
    job->finished_ms = clock_ms();
    if (job->state == JOB_RUNNING)
        leave_running(job);
    else
        job->started_ms = job->finished_ms; /* it never ran */
    job->state = state;
    job->error = error;
    figures_end(&jobs->figures, job);
    pool_pass_turn(job);
    jobs_keep(jobs, job);
    pthread_cond_broadcast(&jobs->changed);
}

const char *job_id(const struct job *job) {
    return job->id;
}

const char *job_kind(const struct job *job) {
    return job->kind;
}

enum job_state job_state(struct job *job) {
    pthread_mutex_lock(&job->jobs->mutex);
    enum job_state state = job->state;
    pthread_mutex_unlock(&job->jobs->mutex);
    return state;
}

bool job_wait(struct job *job, int64_t deadline_ms) {
    struct jobs *jobs = job->jobs;
    pthread_mutex_lock(&jobs->mutex);
    while (!job_is_finished(job->state) && clock_ms() < deadline_ms)
        clock_wait(&jobs->changed, &jobs->mutex, deadline_ms);
    bool finished = job_is_finished(job->state);
    job_sample(job);
    pthread_mutex_unlock(&jobs->mutex);
    return finished;
}

enum job_state job_follow(struct job *job, enum job_state seen, int64_t timeout_ms) {
    struct jobs *jobs = job->jobs;
    int64_t deadline = clock_ms() + timeout_ms;
    pthread_mutex_lock(&jobs->mutex);
    job_sample(job);
    while (job->state == seen && clock_ms() < deadline)
        clock_wait(&jobs->changed, &jobs->mutex, deadline);
    enum job_state state = job->state;
    job_sample(job);
    pthread_mutex_unlock(&jobs->mutex);
    return state;
}

bool job_cancel(struct job *job) {
    struct jobs *jobs = job->jobs;
    pthread_mutex_lock(&jobs->mutex);
    bool finished = job_is_finished(job->state);
    bool waited = !finished && pool_dequeue(job);
    if (!finished)
        atomic_store(&job->cancel, true);
    if (waited)
        job_end(job, JOB_CANCELLED,
                error_new(ERROR_CANCELLED, NULL, "the job was cancelled before it began"));
    pthread_mutex_unlock(&jobs->mutex);
    if (waited && job->payload_free)
        job->payload_free(job->payload);
    if (waited && jobs->config.ended)
        jobs->config.ended(jobs->config.context, job);
    return !finished;
}

atomic_bool *job_cancel_flag(struct job *job) {
    return &job->cancel;
}

struct progress *job_progress(struct job *job) {
    return &job->progress;
}

void job_result(struct job *job, struct buffer *out) {
    pthread_mutex_lock(&job->jobs->mutex);
    buffer_append(out, job->result.data, job->result.length);
    pthread_mutex_unlock(&job->jobs->mutex);
}

struct error *job_error(struct job *job) {
    pthread_mutex_lock(&job->jobs->mutex);
    struct error *error =
        job->error ? error_new(job->error->kind, NULL, "%s", job->error->message) : NULL;
    if (error)
        error->status = job->error->status;
    pthread_mutex_unlock(&job->jobs->mutex);
    return error;
}

void job_set_status(struct job *job, int status) {
    pthread_mutex_lock(&job->jobs->mutex);
    job->status = status;
    pthread_mutex_unlock(&job->jobs->mutex);
}

int job_status(struct job *job) {
    pthread_mutex_lock(&job->jobs->mutex);
    int status = job->status;
    pthread_mutex_unlock(&job->jobs->mutex);
    return status;
}

static const struct rate_sample *sample(const struct job *job, size_t back) {
    return &job->samples[(job->sample_count - 1 - back) % RATE_SAMPLES];
}

void job_sample(struct job *job) {
    int64_t now = clock_ms();
    if (job->state != JOB_RUNNING || now - sample(job, 0)->at_ms < RATE_STEP_MS)
        return;
    job->samples[job->sample_count++ % RATE_SAMPLES] =
        (struct rate_sample){now, atomic_load(&job->progress.bytes_fetched)};
}

/* From when on to measure: the start of the window; where nobody looked then, or hardly any time
 * has gone by since, what was seen last before it. */
static struct rate_sample rate_base(const struct job *job, int64_t now) {
    struct rate_sample base = *sample(job, 0);
    for (size_t i = 1; i < job->sample_count && i < RATE_SAMPLES; i++) {
        if (now - sample(job, i)->at_ms > RATE_WINDOW_MS && now - base.at_ms >= RATE_LEAST_MS)
            break;
        base = *sample(job, i);
    }
    return base;
}

double job_rate(const struct job *job) {
    if (job->state == JOB_QUEUED)
        return 0;
    int64_t now = job_is_finished(job->state) ? job->finished_ms : clock_ms();
    struct rate_sample base = {.at_ms = job->started_ms};
    if (job->state == JOB_RUNNING)
        base = rate_base(job, now);
    int64_t bytes = atomic_load(&job->progress.bytes_fetched) - base.bytes;
    return now > base.at_ms ? (double)bytes * 1000 / (double)(now - base.at_ms) : 0;
}
