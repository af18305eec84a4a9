/*
 * Jobs: everything that takes longer than a request. A few threads run them, each with a worker
 * object of its own (a Lua state, to the layer above); the rest wait in a queue. A job has a state,
 * live progress, a result or an error, and can be cancelled, waited for and followed. Finished jobs
 * are kept for a while for whoever asks what became of them.
 *
 * The sidecar owns one struct jobs. A struct job is reference-counted; what a function returns with
 * a reference the caller gives back with job_unref. Every function locks for itself. No text that
 * is kept here holds a secret: descriptions, errors and results pass through redact().
 */
#ifndef KTHENA_JOBS_JOBS_H
#define KTHENA_JOBS_JOBS_H

#include "base/buffer.h"
#include "base/error.h"
#include "metrics/writer.h"
#include "transfer/progress.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum job_state { JOB_QUEUED, JOB_RUNNING, JOB_SUCCEEDED, JOB_FAILED, JOB_CANCELLED };

struct jobs;
struct job;

struct jobs_config {
    int threads;         /* jobs that run at a time; 0: 4 */
    size_t waiting_max;  /* jobs that wait; 0: 64 */
    double keep_seconds; /* finished jobs are kept for so long; 0: a day */
    size_t keep_max;     /* and at most so many; 0: 1000 */
    double idle_seconds; /* a thread that had nothing to do for so long ends; 0: a minute */
    /* Makes and ends a job thread's worker, on that thread, at its first job. An error fails that
     * job. May be NULL. */
    struct error *(*worker_new)(void *context, void **worker);
    void (*worker_free)(void *worker);
    /* Is told of each job that has ended, on whatever thread that was and without a lock. NULL:
     * nobody is. */
    void (*ended)(void *context, struct job *job);
    void *context; /* of worker_new and ended */
};

/* Does the work, on a job thread. What it appends to result is the JSON value of the job's result
 * ("{}" if nothing). It watches job_cancel_flag and then returns ERROR_CANCELLED. The payload is
 * freed before others learn that the job has ended, and after known secrets were taken out of its
 * result and error: it may be what redact() knows them by. */
typedef struct error *job_run(struct job *job, void *worker, void *payload, struct buffer *result);

struct job_spec {
    const char *kind;        /* the operation, for metrics and lists */
    const char *description; /* JSON object of what was asked, for people, without secrets */
    const char *source;      /* of what is fetched, for metrics and lists; "" if there is none */
    /* Two jobs that are not finished and have the same key are one: the second caller joins the
     * first, unless that is being cancelled. NULL: never. */
    const char *same;
    /* Of jobs that are not finished, one may hold this key (such as the directory it writes); NULL:
     * none needed. Another's is ERROR_EXISTS, with the key in its message: "the directory '/x'". */
    const char *exclusive;
    /* Jobs of one serial key run one after another, in the order they came; one that waits for its
     * turn holds no thread. NULL: no order. */
    const char *serial;
    /* More than 0: jobs of this kind run on threads of their own, so many at a time, beside those
     * of jobs_config; 1000 of them wait. The last spec's number holds. */
    int parallel;
    bool quiet; /* neither logged nor kept when it succeeds */
    job_run *run;
    void *payload;
    void (*payload_free)(void *payload); /* called once, when the job has ended or was refused */
};

struct jobs *jobs_new(const struct jobs_config *config);

/* Takes no more jobs, cancels every one, and waits until all have ended, at most until deadline_ms;
 * returns whether they have. For a drain, during which others still ask about jobs. */
bool jobs_stop(struct jobs *jobs, int64_t deadline_ms);

/* Does that and frees; when a job would not end, the object is left as it is. NULL is fine and
 * true. */
bool jobs_close(struct jobs *jobs, int64_t deadline_ms);

/* Queues a job, or joins one (*joined is then true). The spec's texts are copied. ERROR_OVERLOAD
 * when too many wait, ERROR_EXISTS when the exclusive key is taken (names the job that has it),
 * ERROR_CANCELLED while closing; payload_free has then been called. *out has a reference. */
struct error *jobs_submit(struct jobs *jobs, const struct job_spec *spec, struct job **out,
                          bool *joined) __attribute__((warn_unused_result));

struct job *jobs_find(struct jobs *jobs, const char *id); /* with a reference; NULL if unknown */
void job_unref(struct job *job);

const char *job_id(
    const struct job *job); /* "d3k9x2m4p7qa", letters and digits, unique, unguessable */
enum job_state job_state(struct job *job);
const char *job_state_name(enum job_state state); /* "queued", "running", ... */
bool job_is_finished(enum job_state state);
const char *job_kind(const struct job *job);

/* Whether the other job, which waits, may not get to run before this one has ended: it has the same
 * serial key, or needs one of the same threads. One that runs must not wait for such a one. */
bool job_blocks(struct job *job, struct job *other);

/* Waits until the job has ended, or until deadline_ms (monotonic); returns whether it has. */
bool job_wait(struct job *job, int64_t deadline_ms);

/* Asks a job to end. One that waits ends at once. No effect on a finished one: false. */
bool job_cancel(struct job *job);
atomic_bool *job_cancel_flag(struct job *job);

/* The job's live numbers; they outlive its run and live as long as the job. */
struct progress *job_progress(struct job *job);

/* Of a finished job: appends the JSON of its result; or a copy of its error, which the caller
 * frees, NULL if it succeeded. */
void job_result(struct job *job, struct buffer *out);
struct error *job_error(struct job *job);

/* The HTTP status that goes with the result: 200, unless the job's run has set another. */
void job_set_status(struct job *job, int status);
int job_status(struct job *job);

/* Appends the JSON object of a job: id, kind, state, cancelling (asked to end, and has not yet),
 * request (the description), source (null if there is none), phase (null unless it runs),
 * bytes_done, bytes_total, bytes_fetched, files_done, files_total, files_present, files (the active
 * ones: path, bytes_done, bytes_total), bytes_per_second (of the last seconds while it runs, of the
 * whole run afterwards), eta_seconds (null when unknown), retries, attempts (1 once it has begun),
 * error (null or {kind, message, status}, where status is null unless a rule chose one), result
 * (null until it succeeded), created_at, started_at, finished_at. */
void job_json(struct job *job, struct buffer *out);

/* Appends {"jobs": [...]}, newest first, without their results; state NULL: all. */
void jobs_json(struct jobs *jobs, const char *state, struct buffer *out);

/* Waits until the job's state is another than `seen`, or timeout_ms have gone by; for followers
 * that send a progress event each time. Returns the state. */
enum job_state job_follow(struct job *job, enum job_state seen, int64_t timeout_ms);

/* Writes kthena_runtime_jobs{state}, kthena_runtime_jobs_finished_total{kind,result},
 * kthena_runtime_job_duration_seconds{kind}, kthena_runtime_download_bytes_total{source},
 * kthena_runtime_download_files_total{source}, kthena_runtime_download_active_transfers,
 * kthena_runtime_download_retries_total{cause}, kthena_runtime_download_verification_failures_total
 * for own_metrics_register. */
void jobs_collect(void *jobs, struct metric_writer *writer);

#endif
