/*
 * A job for the tests of jobs, and of the routes that show them: it waits until it is let go or
 * cancelled, and notes what happens to it.
 */
#ifndef KTHENA_TESTS_UNIT_JOBS_SUPPORT_H
#define KTHENA_TESTS_UNIT_JOBS_SUPPORT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/clock.h"
#include "jobs/jobs.h"

#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

enum { IN_TIME_MS = 10000 };

struct fake {
    const char *result;  /* NULL: none */
    const char *failure; /* NULL: it succeeds */
    int status;          /* that a failure, or a result, has; 0: none */
    bool deaf;           /* does not look at its cancel flag */
    atomic_bool go;      /* it may end */
    atomic_bool begun;   /* its run was entered, */
    atomic_int order;    /* as the how manyth */
    atomic_int freed;    /* payload_free was called so often */
    void *worker;        /* that it ran with */
};

static atomic_int fakes_begun;

static inline struct error *fake_run(struct job *job, void *worker, void *payload,
                                     struct buffer *result) {
    struct fake *fake = payload;
    fake->worker = worker;
    fake->order = ++fakes_begun;
    fake->begun = true;
    while (!fake->go) {
        if (!fake->deaf && atomic_load(job_cancel_flag(job)))
            return error_new(ERROR_CANCELLED, NULL, "the job was cancelled");
        usleep(1000);
    }
    if (fake->failure) {
        struct error *error = error_new(
            ERROR_UNREACHABLE, error_new(ERROR_IO, NULL, "%s", fake->failure), "could not do it");
        error->status = fake->status;
        return error;
    }
    if (fake->status)
        job_set_status(job, fake->status);
    if (fake->result)
        buffer_string(result, fake->result);
    return NULL;
}

static inline void fake_free(void *payload) {
    struct fake *fake = payload;
    fake->freed++;
}

static inline struct job_spec fake_spec(struct fake *fake) {
    return (struct job_spec){.kind = "fake",
                             .description = "{\"what\":\"a thing\"}",
                             .source = "shelf",
                             .run = fake_run,
                             .payload = fake,
                             .payload_free = fake_free};
}

/* Submits a job that must be taken, and not joined. */
static inline struct job *fake_submit(struct jobs *jobs, const struct job_spec *spec) {
    struct job *job = NULL;
    bool joined = true;
    struct error *error = jobs_submit(jobs, spec, &job, &joined);
    if (error)
        fail_msg("%s", error->message);
    assert_non_null(job);
    assert_false(joined);
    return job;
}

/* Waits for the end of a job, which is to be in this state, and gives the reference back. */
static inline void fake_end(struct job *job, enum job_state state) {
    assert_true(job_wait(job, clock_ms() + IN_TIME_MS));
    assert_string_equal(job_state_name(job_state(job)), job_state_name(state));
    job_unref(job);
}

static inline void fake_await(struct fake *fake) {
    for (int64_t end = clock_ms() + IN_TIME_MS; !fake->begun; usleep(1000))
        if (clock_ms() > end)
            fail_msg("the job has not begun in time");
}

#endif
