#include "jobs_support.h"

#include "base/memory.h"
#include "base/thread.h"

#include <stdio.h>

static int64_t soon(void) {
    return clock_ms() + IN_TIME_MS;
}

static struct jobs *make(int threads, size_t waiting_max) {
    struct jobs_config config = {.threads = threads, .waiting_max = waiting_max};
    return jobs_new(&config);
}

static void assert_state(struct job *job, enum job_state state) {
    assert_string_equal(job_state_name(job_state(job)), job_state_name(state));
}

/* Submits what must be refused, and returns why. */
static struct error *refused(struct jobs *jobs, const struct job_spec *spec) {
    struct job *job = NULL;
    bool joined = true;
    struct error *error = jobs_submit(jobs, spec, &job, &joined);
    assert_non_null(error);
    assert_null(job);
    assert_false(joined);
    return error;
}

static void assert_error(struct error *error, enum error_kind kind, const char *part) {
    assert_non_null(error);
    assert_string_equal(error_kind_name(error->kind), error_kind_name(kind));
    if (!strstr(error->message, part))
        fail_msg("no '%s' in: %s", part, error->message);
    error_free(error);
}

static void a_job_runs_and_leaves_its_result(void **state) {
    (void)state;
    struct jobs *jobs = make(1, 0);
    struct fake fake = {.result = "{\"n\":1}"}, plain = {0};
    struct job_spec spec = fake_spec(&fake), plain_spec = fake_spec(&plain);
    struct job *job = fake_submit(jobs, &spec), *second = fake_submit(jobs, &plain_spec);
    fake_await(&fake);
    assert_state(job, JOB_RUNNING);
    assert_state(second, JOB_QUEUED);
    assert_false(job_wait(job, clock_ms() + 20));
    assert_null(job_error(job));
    assert_int_equal(fake.freed, 0);
    fake.go = plain.go = true;
    assert_true(job_wait(job, soon()));
    assert_int_equal(fake.freed, 1);
    assert_state(job, JOB_SUCCEEDED);
    struct buffer result = {0};
    job_result(job, &result);
    assert_string_equal(buffer_text(&result), "{\"n\":1}");
    assert_null(job_error(job));
    assert_true(job_wait(second, soon()));
    buffer_clear(&result);
    job_result(second, &result);
    assert_string_equal(buffer_text(&result), "{}");
    buffer_free(&result);
    job_unref(job);
    job_unref(second);
    assert_true(jobs_close(jobs, soon()));
}

static void a_failure_keeps_its_kind_and_its_cause(void **state) {
    (void)state;
    struct jobs *jobs = make(1, 0);
    struct fake fake = {.failure = "no answer", .go = true};
    struct job_spec spec = fake_spec(&fake);
    struct job *job = fake_submit(jobs, &spec);
    assert_true(job_wait(job, soon()));
    assert_state(job, JOB_FAILED);
    assert_error(job_error(job), ERROR_UNREACHABLE, "could not do it: no answer");
    assert_false(job_cancel(job));
    assert_state(job, JOB_FAILED);
    job_unref(job);
    assert_true(jobs_close(jobs, soon()));
}

static void jobs_begin_in_order(void **state) {
    (void)state;
    enum { COUNT = 20 };
    struct jobs *jobs = make(1, COUNT);
    static struct fake fakes[COUNT];
    struct job *handles[COUNT];
    fakes_begun = 0;
    for (int i = 0; i < COUNT; i++) {
        struct job_spec spec = fake_spec(&fakes[i]);
        handles[i] = fake_submit(jobs, &spec);
    }
    for (int i = 0; i < COUNT; i++)
        fakes[i].go = true;
    for (int i = 0; i < COUNT; i++) {
        assert_true(job_wait(handles[i], soon()));
        assert_int_equal(fakes[i].order, i + 1);
        job_unref(handles[i]);
    }
    assert_true(jobs_close(jobs, soon()));
}

static void as_many_run_as_there_are_threads(void **state) {
    (void)state;
    struct jobs *jobs = make(3, 8);
    struct fake fakes[4] = {0};
    struct job *handles[4];
    for (int i = 0; i < 4; i++) {
        struct job_spec spec = fake_spec(&fakes[i]);
        handles[i] = fake_submit(jobs, &spec);
    }
    for (int i = 0; i < 3; i++)
        fake_await(&fakes[i]);
    assert_state(handles[3], JOB_QUEUED);
    fakes[1].go = true;
    fake_await(&fakes[3]);
    for (int i = 0; i < 4; i++) {
        fakes[i].go = true;
        assert_true(job_wait(handles[i], soon()));
        job_unref(handles[i]);
    }
    assert_true(jobs_close(jobs, soon()));
}

static void the_same_job_is_joined(void **state) {
    (void)state;
    struct jobs *jobs = make(1, 0);
    struct fake first = {.result = "7"}, second = {0}, third = {.go = true}, fourth = {.go = true};
    struct job_spec spec = fake_spec(&first);
    spec.same = "a|b";
    spec.exclusive = "/dir";
    struct job *job = fake_submit(jobs, &spec), *other = NULL;
    bool joined = false;
    struct job_spec again = fake_spec(&second);
    again.same = "a|b";
    again.exclusive = "/dir";
    assert_null(jobs_submit(jobs, &again, &other, &joined));
    assert_true(joined);
    assert_ptr_equal(other, job);
    assert_int_equal(second.freed, 1);
    first.go = true;
    assert_true(job_wait(other, soon()));
    assert_int_equal(first.freed, 1);
    assert_false(second.begun);
    /* One that has ended is not joined, nor is one without a key. */
    again.payload = &third;
    struct job *anew = fake_submit(jobs, &again);
    assert_ptr_not_equal(anew, job);
    assert_true(job_wait(anew, soon()));
    struct job_spec plain = fake_spec(&fourth);
    struct job *unrelated = fake_submit(jobs, &plain);
    assert_true(job_wait(unrelated, soon()));
    job_unref(job);
    job_unref(other);
    job_unref(anew);
    job_unref(unrelated);
    assert_true(jobs_close(jobs, soon()));
}

static void an_exclusive_key_is_one_jobs(void **state) {
    (void)state;
    struct jobs *jobs = make(2, 0);
    struct fake first = {0}, second = {0}, third = {.go = true};
    struct job_spec spec = fake_spec(&first), other = fake_spec(&second);
    spec.exclusive = other.exclusive = "/models/x";
    spec.same = "one";
    other.same = "two";
    struct job *job = fake_submit(jobs, &spec);
    char *wanted = memory_format("/models/x is taken by job %s (fake, ", job_id(job));
    assert_error(refused(jobs, &other), ERROR_EXISTS, wanted);
    memory_free(wanted);
    assert_int_equal(second.freed, 1);
    first.go = true;
    assert_true(job_wait(job, soon()));
    other.payload = &third;
    struct job *next = fake_submit(jobs, &other);
    assert_true(job_wait(next, soon()));
    job_unref(job);
    job_unref(next);
    assert_true(jobs_close(jobs, soon()));
}

static void a_job_being_cancelled_is_not_joined(void **state) {
    (void)state;
    struct jobs *jobs = make(2, 0);
    struct fake first = {.deaf = true}, second = {0};
    struct job_spec spec = fake_spec(&first), again = fake_spec(&second);
    spec.same = again.same = "same";
    spec.exclusive = again.exclusive = "/dir";
    struct job *job = fake_submit(jobs, &spec);
    fake_await(&first);
    assert_true(job_cancel(job));
    assert_state(job, JOB_RUNNING);
    assert_error(refused(jobs, &again), ERROR_EXISTS, "which is being cancelled");
    /* Its work was done before it looked. */
    first.go = true;
    assert_true(job_wait(job, soon()));
    assert_state(job, JOB_SUCCEEDED);
    job_unref(job);
    assert_true(jobs_close(jobs, soon()));
}

static void a_full_queue_refuses(void **state) {
    (void)state;
    struct jobs *jobs = make(2, 3);
    struct fake fakes[6] = {0};
    struct job *handles[5];
    for (int i = 0; i < 5; i++) {
        struct job_spec spec = fake_spec(&fakes[i]);
        spec.same = i == 4 ? "last" : NULL;
        handles[i] = fake_submit(jobs, &spec);
    }
    struct job_spec spec = fake_spec(&fakes[5]);
    assert_error(refused(jobs, &spec), ERROR_OVERLOAD, "try again later");
    assert_int_equal(fakes[5].freed, 1);
    /* Joining takes no room. */
    struct job *joined_job = NULL;
    bool joined = false;
    spec.same = "last";
    assert_null(jobs_submit(jobs, &spec, &joined_job, &joined));
    assert_true(joined);
    job_unref(joined_job);
    /* One that is cancelled makes room. */
    assert_true(job_cancel(handles[3]));
    spec.same = NULL;
    struct job *last = fake_submit(jobs, &spec);
    assert_true(jobs_close(jobs, soon()));
    for (int i = 0; i < 5; i++)
        job_unref(handles[i]);
    job_unref(last);
}

static void a_waiting_job_is_cancelled_at_once(void **state) {
    (void)state;
    struct jobs *jobs = make(1, 0);
    struct fake fakes[4] = {0};
    struct job *handles[4];
    for (int i = 0; i < 4; i++) {
        struct job_spec spec = fake_spec(&fakes[i]);
        handles[i] = fake_submit(jobs, &spec);
    }
    fake_await(&fakes[0]);
    assert_true(job_cancel(handles[3])); /* the last, and then one in the middle */
    assert_true(job_cancel(handles[1]));
    assert_state(handles[1], JOB_CANCELLED);
    assert_int_equal(fakes[1].freed, 1);
    assert_true(job_wait(handles[1], 0));
    assert_error(job_error(handles[1]), ERROR_CANCELLED, "before it began");
    assert_false(job_cancel(handles[1]));
    fakes[0].go = fakes[2].go = true;
    assert_true(job_wait(handles[2], soon()));
    assert_state(handles[2], JOB_SUCCEEDED);
    assert_false(fakes[1].begun);
    assert_false(fakes[3].begun);
    for (int i = 0; i < 4; i++)
        job_unref(handles[i]);
    assert_true(jobs_close(jobs, soon()));
}

static void a_running_job_is_cancelled_by_its_flag(void **state) {
    (void)state;
    struct jobs *jobs = make(1, 0);
    struct fake fake = {0};
    struct job_spec spec = fake_spec(&fake);
    struct job *job = fake_submit(jobs, &spec);
    fake_await(&fake);
    assert_true(job_cancel(job));
    assert_true(job_wait(job, soon()));
    assert_state(job, JOB_CANCELLED);
    assert_error(job_error(job), ERROR_CANCELLED, "the job was cancelled");
    assert_int_equal(fake.freed, 1);
    job_unref(job);
    assert_true(jobs_close(jobs, soon()));
}

static void *wait_for(void *context) {
    return job_wait(context, soon()) ? context : NULL;
}

static void every_waiter_learns_of_the_end(void **state) {
    (void)state;
    enum { COUNT = 8 };
    struct jobs *jobs = make(1, 0);
    struct fake fake = {0};
    struct job_spec spec = fake_spec(&fake);
    struct job *job = fake_submit(jobs, &spec);
    pthread_t threads[COUNT];
    for (int i = 0; i < COUNT; i++)
        assert_null(thread_start(&threads[i], "waiter", wait_for, job));
    fake.go = true;
    for (int i = 0; i < COUNT; i++) {
        void *waited = NULL;
        pthread_join(threads[i], &waited);
        assert_ptr_equal(waited, job);
    }
    job_unref(job);
    assert_true(jobs_close(jobs, soon()));
}

static void a_follower_sees_each_state(void **state) {
    (void)state;
    struct jobs *jobs = make(1, 0);
    struct fake first = {0}, second = {0};
    struct job_spec spec = fake_spec(&first), next = fake_spec(&second);
    struct job *before = fake_submit(jobs, &spec), *job = fake_submit(jobs, &next);
    assert_int_equal(job_follow(job, JOB_QUEUED, 10), JOB_QUEUED);
    first.go = true;
    assert_int_equal(job_follow(job, JOB_QUEUED, IN_TIME_MS), JOB_RUNNING);
    second.go = true;
    assert_int_equal(job_follow(job, JOB_RUNNING, IN_TIME_MS), JOB_SUCCEEDED);
    assert_int_equal(job_follow(job, JOB_RUNNING, IN_TIME_MS), JOB_SUCCEEDED);
    job_unref(before);
    job_unref(job);
    assert_true(jobs_close(jobs, soon()));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_job_runs_and_leaves_its_result),
        cmocka_unit_test(a_failure_keeps_its_kind_and_its_cause),
        cmocka_unit_test(jobs_begin_in_order),
        cmocka_unit_test(as_many_run_as_there_are_threads),
        cmocka_unit_test(the_same_job_is_joined),
        cmocka_unit_test(an_exclusive_key_is_one_jobs),
        cmocka_unit_test(a_job_being_cancelled_is_not_joined),
        cmocka_unit_test(a_full_queue_refuses),
        cmocka_unit_test(a_waiting_job_is_cancelled_at_once),
        cmocka_unit_test(a_running_job_is_cancelled_by_its_flag),
        cmocka_unit_test(every_waiter_learns_of_the_end),
        cmocka_unit_test(a_follower_sees_each_state),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
