/* How jobs are remembered, how they end together, and what their threads' workers go through. */
#include "jobs_support.h"

#include <stdio.h>

static int64_t soon(void) {
    return clock_ms() + IN_TIME_MS;
}

/* Runs a job to its end and returns its id. */
static void run_one(struct jobs *jobs, char id[32]) {
    static struct fake fake = {.go = true};
    struct job_spec spec = fake_spec(&fake);
    struct job *job = fake_submit(jobs, &spec);
    assert_true(job_wait(job, soon()));
    snprintf(id, 32, "%s", job_id(job));
    job_unref(job);
}

static bool is_known(struct jobs *jobs, const char *id) {
    struct job *job = jobs_find(jobs, id);
    bool known = job != NULL;
    if (job)
        assert_string_equal(job_id(job), id);
    job_unref(job);
    return known;
}

static void finished_jobs_are_kept_up_to_a_number(void **state) {
    (void)state;
    struct jobs_config config = {.threads = 1, .keep_max = 3};
    struct jobs *jobs = jobs_new(&config);
    struct fake fake = {0};
    struct job_spec spec = fake_spec(&fake);
    char ids[5][32];
    for (int i = 0; i < 5; i++)
        run_one(jobs, ids[i]);
    struct job *running = fake_submit(jobs, &spec);
    for (int i = 0; i < 5; i++)
        assert_int_equal(is_known(jobs, ids[i]), i >= 2);
    assert_true(is_known(jobs, job_id(running)));
    assert_false(is_known(jobs, ""));
    fake.go = true;
    assert_true(job_wait(running, soon()));
    assert_false(is_known(jobs, ids[2]));
    job_unref(running);
    assert_true(jobs_close(jobs, soon()));
}

static void finished_jobs_are_kept_for_a_time(void **state) {
    (void)state;
    struct jobs_config config = {.threads = 1, .keep_seconds = 0.2};
    struct jobs *jobs = jobs_new(&config);
    struct fake fake = {.go = true, .result = "[1]"};
    struct job_spec spec = fake_spec(&fake);
    struct job *job = fake_submit(jobs, &spec);
    assert_true(job_wait(job, soon()));
    for (int64_t end = soon(); is_known(jobs, job_id(job)); usleep(10000))
        assert_true(clock_ms() < end);
    struct buffer text = {0};
    jobs_json(jobs, NULL, &text);
    assert_string_equal(buffer_text(&text), "{\"jobs\":[]}");
    /* Whoever holds it still can ask it. */
    buffer_clear(&text);
    job_result(job, &text);
    assert_string_equal(buffer_text(&text), "[1]");
    buffer_free(&text);
    job_unref(job);
    assert_true(jobs_close(jobs, soon()));
}

static void ids_are_unlike(void **state) {
    (void)state;
    enum { COUNT = 200 };
    struct jobs_config config = {.threads = 1};
    struct jobs *jobs = jobs_new(&config);
    static char ids[COUNT][32];
    for (int i = 0; i < COUNT; i++) {
        run_one(jobs, ids[i]);
        assert_int_equal(strlen(ids[i]), 12);
        assert_int_equal(strspn(ids[i], "abcdefghijklmnopqrstuvwxyz0123456789"), 12);
        for (int j = 0; j < i; j++)
            assert_string_not_equal(ids[i], ids[j]);
    }
    assert_true(jobs_close(jobs, soon()));
}

static void closing_ends_every_job(void **state) {
    (void)state;
    struct jobs_config config = {.threads = 2, .waiting_max = 4};
    struct jobs *jobs = jobs_new(&config);
    struct fake fakes[5] = {0};
    struct job *handles[5];
    for (int i = 0; i < 5; i++) {
        struct job_spec spec = fake_spec(&fakes[i]);
        handles[i] = fake_submit(jobs, &spec);
    }
    fake_await(&fakes[0]);
    assert_true(jobs_close(jobs, soon()));
    /* They outlive the queue. */
    for (int i = 0; i < 5; i++) {
        assert_int_equal(fakes[i].freed, 1);
        assert_int_equal(job_state(handles[i]), JOB_CANCELLED);
        assert_false(job_cancel(handles[i]));
        job_unref(handles[i]);
    }
    assert_true(jobs_close(NULL, 0));
}

static void stopping_takes_no_more(void **state) {
    (void)state;
    struct jobs_config config = {.threads = 1};
    struct jobs *jobs = jobs_new(&config);
    struct fake fake = {.deaf = true}, late = {0};
    struct job_spec spec = fake_spec(&fake), refused = fake_spec(&late);
    struct job *job = fake_submit(jobs, &spec), *none = NULL;
    bool joined = true;
    fake_await(&fake);
    assert_false(jobs_stop(jobs, 0));
    assert_true(atomic_load(job_cancel_flag(job)));
    struct error *error = jobs_submit(jobs, &refused, &none, &joined);
    assert_int_equal(error->kind, ERROR_CANCELLED);
    error_free(error);
    assert_null(none);
    assert_false(joined);
    assert_int_equal(late.freed, 1);
    assert_true(is_known(jobs, job_id(job)));
    /* A job that will not end keeps it open. */
    assert_false(jobs_close(jobs, clock_ms() + 50));
    assert_true(is_known(jobs, job_id(job)));
    assert_int_equal(job_state(job), JOB_RUNNING);
    fake.go = true;
    assert_true(jobs_stop(jobs, soon()));
    assert_true(is_known(jobs, job_id(job)));
    assert_true(jobs_close(jobs, soon()));
    assert_int_equal(job_state(job), JOB_SUCCEEDED);
    job_unref(job);
}

struct counts {
    atomic_int made, freed, refusals;
    pthread_t maker;
};

static struct error *count_new(void *context, void **worker) {
    struct counts *counts = context;
    if (counts->refusals-- > 0)
        return error_new(ERROR_LIMIT, NULL, "no memory for a worker");
    counts->made++;
    counts->maker = pthread_self();
    *worker = counts;
    return NULL;
}

static void count_free(void *worker) {
    struct counts *counts = worker;
    assert_true(pthread_equal(counts->maker, pthread_self()));
    counts->freed++;
}

static void a_thread_makes_its_worker_once(void **state) {
    (void)state;
    struct counts counts = {.refusals = 1};
    struct jobs_config config = {
        .threads = 1, .worker_new = count_new, .worker_free = count_free, .context = &counts};
    struct jobs *jobs = jobs_new(&config);
    struct fake fake = {.go = true};
    struct job_spec spec = fake_spec(&fake);
    struct job *job = fake_submit(jobs, &spec);
    assert_true(job_wait(job, soon()));
    assert_int_equal(job_state(job), JOB_FAILED);
    struct error *error = job_error(job);
    assert_string_equal(error->message, "no memory for a worker");
    error_free(error);
    assert_false(fake.begun);
    assert_int_equal(fake.freed, 1);
    job_unref(job);
    for (int i = 0; i < 3; i++) {
        job = fake_submit(jobs, &spec);
        assert_true(job_wait(job, soon()));
        assert_int_equal(job_state(job), JOB_SUCCEEDED);
        assert_ptr_equal(fake.worker, &counts);
        job_unref(job);
    }
    assert_int_equal(counts.made, 1);
    assert_true(jobs_close(jobs, soon()));
    assert_int_equal(counts.freed, 1);
}

static void without_jobs_there_is_no_worker(void **state) {
    (void)state;
    struct counts counts = {0};
    struct jobs_config config = {
        .worker_new = count_new, .worker_free = count_free, .context = &counts};
    struct jobs *jobs = jobs_new(&config);
    assert_true(jobs_close(jobs, soon()));
    assert_int_equal(counts.made, 0);
    assert_int_equal(counts.freed, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finished_jobs_are_kept_up_to_a_number),
        cmocka_unit_test(finished_jobs_are_kept_for_a_time),
        cmocka_unit_test(ids_are_unlike),
        cmocka_unit_test(closing_ends_every_job),
        cmocka_unit_test(stopping_takes_no_more),
        cmocka_unit_test(a_thread_makes_its_worker_once),
        cmocka_unit_test(without_jobs_there_is_no_worker),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
