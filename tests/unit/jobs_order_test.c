/* Jobs that run one after another, beside the others, or leave no trace; and who is told of it. */
#include "jobs_support.h"

#include "base/memory.h"

#include <cjson/cJSON.h>
#include <stdio.h>

static int64_t soon(void) {
    return clock_ms() + IN_TIME_MS;
}

static struct jobs *make(int threads, size_t waiting_max) {
    struct jobs_config config = {.threads = threads, .waiting_max = waiting_max};
    return jobs_new(&config);
}

static struct job *submit(struct jobs *jobs, struct fake *fake, const char *serial) {
    struct job_spec spec = fake_spec(fake);
    spec.serial = serial;
    return fake_submit(jobs, &spec);
}

static struct job *submit_parallel(struct jobs *jobs, struct fake *fake, const char *kind,
                                   int parallel) {
    struct job_spec spec = fake_spec(fake);
    spec.kind = kind;
    spec.parallel = parallel;
    return fake_submit(jobs, &spec);
}

static void one_key_is_one_after_another(void **state) {
    (void)state;
    enum { COUNT = 12 };
    struct jobs *jobs = make(4, COUNT);
    static struct fake fakes[COUNT];
    struct job *handles[COUNT];
    fakes_begun = 0;
    for (int i = 0; i < COUNT; i++)
        handles[i] = submit(jobs, &fakes[i], "key");
    for (int i = 0; i < COUNT; i++) {
        fake_await(&fakes[i]);
        assert_int_equal(fakes[i].order, i + 1);
        /* Threads are free, and yet none of the others has begun. */
        for (int j = i + 1; j < COUNT; j++)
            assert_false(fakes[j].begun);
        fakes[i].go = true;
        fake_end(handles[i], JOB_SUCCEEDED);
    }
    assert_true(jobs_close(jobs, soon()));
}

static void who_waits_for_its_turn_holds_no_thread(void **state) {
    (void)state;
    struct jobs *jobs = make(2, 0);
    struct fake first = {0}, second = {0}, third = {0}, other = {0};
    struct job *a = submit(jobs, &first, "a"), *b = submit(jobs, &second, "a");
    struct job *c = submit(jobs, &third, "a"), *d = submit(jobs, &other, "b");
    fake_await(&first);
    fake_await(&other); /* it came last */
    assert_int_equal(job_state(b), JOB_QUEUED);
    other.go = true;
    fake_end(d, JOB_SUCCEEDED);
    assert_false(second.begun);
    first.go = second.go = third.go = true;
    fake_end(a, JOB_SUCCEEDED);
    fake_end(b, JOB_SUCCEEDED);
    fake_end(c, JOB_SUCCEEDED);
    assert_true(jobs_close(jobs, soon()));
}

static void another_key_passes_those_that_wait(void **state) {
    (void)state;
    struct jobs *jobs = make(1, 0);
    struct fake first = {0}, second = {.go = true}, other = {.go = true};
    fakes_begun = 0;
    struct job *a = submit(jobs, &first, "a"), *b = submit(jobs, &second, "a");
    struct job *c = submit(jobs, &other, NULL);
    first.go = true;
    fake_end(a, JOB_SUCCEEDED);
    fake_end(b, JOB_SUCCEEDED);
    fake_end(c, JOB_SUCCEEDED);
    assert_int_equal(first.order, 1);
    /* Once it has its turn the second is before the other again, which came after it. */
    assert_int_equal(second.order, 2);
    assert_int_equal(other.order, 3);
    assert_true(jobs_close(jobs, soon()));
}

static void a_failure_passes_the_turn_too(void **state) {
    (void)state;
    struct jobs *jobs = make(2, 0);
    struct fake first = {.failure = "x"}, second = {0}, third = {.go = true};
    struct job *a = submit(jobs, &first, "k"), *b = submit(jobs, &second, "k");
    struct job *c = submit(jobs, &third, "k");
    first.go = true;
    fake_end(a, JOB_FAILED);
    fake_await(&second);
    assert_true(job_cancel(b));
    fake_end(b, JOB_CANCELLED);
    fake_end(c, JOB_SUCCEEDED);
    assert_true(jobs_close(jobs, soon()));
}

static void who_waits_for_its_turn_can_be_cancelled(void **state) {
    (void)state;
    struct jobs *jobs = make(2, 0);
    struct fake fakes[4] = {0};
    struct job *handles[4];
    for (int i = 0; i < 4; i++)
        handles[i] = submit(jobs, &fakes[i], "k");
    fake_await(&fakes[0]);
    assert_true(job_cancel(handles[1]));
    assert_int_equal(job_state(handles[1]), JOB_CANCELLED);
    assert_int_equal(fakes[1].freed, 1);
    /* That it is gone gives nobody the turn. */
    assert_int_equal(job_state(handles[2]), JOB_QUEUED);
    fakes[0].go = true;
    fake_await(&fakes[2]);
    assert_false(fakes[3].begun);
    fakes[2].go = fakes[3].go = true;
    fake_end(handles[0], JOB_SUCCEEDED);
    fake_end(handles[1], JOB_CANCELLED);
    fake_end(handles[2], JOB_SUCCEEDED);
    fake_end(handles[3], JOB_SUCCEEDED);
    assert_false(fakes[1].begun);
    assert_true(jobs_close(jobs, soon()));
}

/* One that has its turn but no thread yet gives the turn on when it is cancelled. */
static void the_turn_of_a_cancelled_job_is_passed(void **state) {
    (void)state;
    struct jobs *jobs = make(1, 0);
    struct fake blocker = {0}, first = {0}, second = {.go = true};
    struct job *busy = submit(jobs, &blocker, NULL);
    struct job *a = submit(jobs, &first, "k"), *b = submit(jobs, &second, "k");
    fake_await(&blocker);
    assert_true(job_cancel(a));
    blocker.go = true;
    fake_end(busy, JOB_SUCCEEDED);
    fake_end(a, JOB_CANCELLED);
    fake_end(b, JOB_SUCCEEDED);
    assert_false(first.begun);
    assert_true(jobs_close(jobs, soon()));
}

static void who_waits_for_its_turn_is_joined(void **state) {
    (void)state;
    struct jobs *jobs = make(2, 0);
    struct fake first = {0}, second = {.go = true}, third = {0};
    struct job *a = submit(jobs, &first, "k");
    struct job_spec spec = fake_spec(&second), again = fake_spec(&third);
    spec.serial = again.serial = "k";
    spec.same = again.same = "same";
    struct job *b = fake_submit(jobs, &spec), *joined_job = NULL;
    bool joined = false;
    assert_null(jobs_submit(jobs, &again, &joined_job, &joined));
    assert_true(joined);
    assert_ptr_equal(joined_job, b);
    assert_int_equal(third.freed, 1);
    first.go = true;
    fake_end(a, JOB_SUCCEEDED);
    fake_end(b, JOB_SUCCEEDED);
    fake_end(joined_job, JOB_SUCCEEDED);
    assert_false(third.begun);
    assert_true(jobs_close(jobs, soon()));
}

static void an_order_holds_over_kinds(void **state) {
    (void)state;
    struct jobs *jobs = make(1, 0);
    struct fake load = {0}, unload = {0};
    struct job_spec first = fake_spec(&load), second = fake_spec(&unload);
    first.kind = "put";
    second.kind = "take";
    first.parallel = second.parallel = 4;
    first.serial = second.serial = "name:\"x\"";
    struct job *a = fake_submit(jobs, &first), *b = fake_submit(jobs, &second);
    fake_await(&load);
    assert_int_equal(job_state(b), JOB_QUEUED);
    assert_true(job_blocks(a, b));
    assert_false(job_blocks(b, a)); /* it runs already */
    load.go = true;
    fake_end(a, JOB_SUCCEEDED);
    fake_await(&unload);
    unload.go = true;
    fake_end(b, JOB_SUCCEEDED);
    assert_true(jobs_close(jobs, soon()));
}

static void parallel_jobs_run_beside_the_others(void **state) {
    (void)state;
    struct jobs *jobs = make(1, 1);
    struct fake slow = {0}, waits = {0}, refused = {0}, fakes[4] = {0};
    struct job *busy = submit(jobs, &slow, NULL), *second = submit(jobs, &waits, NULL);
    struct job *handles[4], *none = NULL;
    bool joined;
    fake_await(&slow);
    for (int i = 0; i < 4; i++)
        handles[i] = submit_parallel(jobs, &fakes[i], "quick", 3);
    for (int i = 0; i < 3; i++)
        fake_await(&fakes[i]);
    assert_int_equal(job_state(handles[3]), JOB_QUEUED);
    assert_true(job_blocks(handles[0], handles[3]));
    assert_false(job_blocks(handles[0], second));
    /* The others' room is as full as it was. */
    struct job_spec spec = fake_spec(&refused);
    struct error *error = jobs_submit(jobs, &spec, &none, &joined);
    assert_int_equal(error->kind, ERROR_OVERLOAD);
    assert_non_null(strstr(error->message, "1 jobs are running and 1 are waiting"));
    error_free(error);
    fakes[1].go = true;
    fake_await(&fakes[3]);
    for (int i = 0; i < 4; i++) {
        fakes[i].go = true;
        fake_end(handles[i], JOB_SUCCEEDED);
    }
    assert_false(waits.begun);
    slow.go = waits.go = true;
    fake_end(busy, JOB_SUCCEEDED);
    fake_end(second, JOB_SUCCEEDED);
    assert_true(jobs_close(jobs, soon()));
}

static void a_parallel_kind_has_room_of_its_own(void **state) {
    (void)state;
    enum { COUNT = 1001 }; /* one that runs and all that wait */
    struct jobs *jobs = make(1, 1);
    static struct fake fakes[COUNT], late;
    static struct job *handles[COUNT];
    for (int i = 0; i < COUNT; i++)
        handles[i] = submit_parallel(jobs, &fakes[i], "quick", 1);
    struct job_spec spec = fake_spec(&late);
    spec.kind = "quick";
    spec.parallel = 1;
    struct job *none = NULL;
    bool joined;
    struct error *error = jobs_submit(jobs, &spec, &none, &joined);
    assert_non_null(error);
    assert_int_equal(error->kind, ERROR_OVERLOAD);
    error_free(error);
    /* Another kind's is another's. */
    struct fake other = {.go = true};
    fake_end(submit_parallel(jobs, &other, "other", 1), JOB_SUCCEEDED);
    assert_true(jobs_close(jobs, soon()));
    for (int i = 0; i < COUNT; i++)
        fake_end(handles[i], JOB_CANCELLED);
}

/* The rules have been edited: more, and then fewer, may run at a time. */
static void the_last_number_holds(void **state) {
    (void)state;
    struct jobs *jobs = make(1, 0);
    struct fake fakes[5] = {0};
    struct job *handles[5];
    handles[0] = submit_parallel(jobs, &fakes[0], "quick", 1);
    handles[1] = submit_parallel(jobs, &fakes[1], "quick", 2);
    fake_await(&fakes[0]);
    fake_await(&fakes[1]);
    handles[2] = submit_parallel(jobs, &fakes[2], "quick", 1);
    fakes[0].go = true;
    fake_end(handles[0], JOB_SUCCEEDED);
    usleep(20000);
    assert_false(fakes[2].begun);
    fakes[1].go = true;
    fake_end(handles[1], JOB_SUCCEEDED);
    fake_await(&fakes[2]);
    fakes[2].go = true;
    fake_end(handles[2], JOB_SUCCEEDED);
    assert_true(jobs_close(jobs, soon()));
}

static int count_listed(struct jobs *jobs, const char *state) {
    struct buffer text = {0};
    jobs_json(jobs, state, &text);
    cJSON *json = cJSON_Parse(buffer_text(&text));
    int count = cJSON_GetArraySize(cJSON_GetObjectItem(json, "jobs"));
    cJSON_Delete(json);
    buffer_free(&text);
    return count;
}

static struct job *submit_quiet(struct jobs *jobs, struct fake *fake) {
    struct job_spec spec = fake_spec(fake);
    spec.quiet = true;
    return fake_submit(jobs, &spec);
}

static void quiet_jobs_vanish_when_they_succeed(void **state) {
    (void)state;
    struct jobs *jobs = make(1, 0);
    struct fake good = {.result = "[7]"}, bad = {.failure = "x", .go = true}, gone = {0};
    struct job *job = submit_quiet(jobs, &good);
    char id[32];
    snprintf(id, sizeof id, "%s", job_id(job));
    fake_await(&good);
    assert_int_equal(count_listed(jobs, "running"), 1);
    good.go = true;
    assert_true(job_wait(job, soon()));
    assert_int_equal(count_listed(jobs, NULL), 0);
    assert_null(jobs_find(jobs, id));
    /* Whoever has it still can ask it. */
    struct buffer result = {0};
    job_result(job, &result);
    assert_string_equal(buffer_text(&result), "[7]");
    buffer_free(&result);
    job_unref(job);
    fake_end(submit_quiet(jobs, &bad), JOB_FAILED);
    assert_int_equal(count_listed(jobs, "failed"), 1);
    job = submit_quiet(jobs, &gone);
    fake_await(&gone);
    job_cancel(job);
    fake_end(job, JOB_CANCELLED);
    assert_int_equal(count_listed(jobs, "cancelled"), 1);
    struct buffer page = {0};
    struct metric_writer writer = {.out = &page};
    jobs_collect(jobs, &writer);
    assert_non_null(strstr(buffer_text(&page), "kthena_runtime_jobs_finished_total{kind=\"fake\","
                                               "result=\"succeeded\"} 1"));
    assert_non_null(strstr(page.data, "kthena_runtime_jobs{state=\"succeeded\"} 0"));
    buffer_free(&page);
    assert_true(jobs_close(jobs, soon()));
}

static void closing_ends_those_that_wait_for_their_turn(void **state) {
    (void)state;
    enum { COUNT = 40 };
    struct jobs *jobs = make(2, COUNT);
    static struct fake fakes[COUNT];
    struct job *handles[COUNT];
    for (int i = 0; i < COUNT; i++) {
        struct job_spec spec = fake_spec(&fakes[i]);
        spec.serial = i % 2 ? "odd" : "even";
        spec.parallel = i % 4 < 2 ? 3 : 0;
        handles[i] = fake_submit(jobs, &spec);
    }
    fake_await(&fakes[0]);
    assert_true(jobs_close(jobs, soon()));
    int begun = 0;
    for (int i = 0; i < COUNT; i++) {
        begun += fakes[i].begun;
        assert_int_equal(fakes[i].freed, 1);
        fake_end(handles[i], JOB_CANCELLED);
    }
    assert_true(begun <= 2);
}

struct counts {
    atomic_int made, freed, ended;
    struct job *last;
};

static struct error *count_new(void *context, void **worker) {
    struct counts *counts = context;
    counts->made++;
    *worker = counts;
    return NULL;
}

static void count_free(void *worker) {
    ((struct counts *)worker)->freed++;
}

static void count_ended(void *context, struct job *job) {
    struct counts *counts = context;
    assert_true(job_is_finished(job_state(job)));
    assert_string_equal(job_kind(job), "fake");
    counts->ended++;
}

static void idle_threads_end_and_others_come(void **state) {
    (void)state;
    struct counts counts = {0};
    struct jobs_config config = {.threads = 2,
                                 .idle_seconds = 0.02,
                                 .worker_new = count_new,
                                 .worker_free = count_free,
                                 .context = &counts};
    struct jobs *jobs = jobs_new(&config);
    for (int round = 1; round <= 3; round++) {
        struct fake fakes[3] = {0};
        struct job *handles[3];
        for (int i = 0; i < 3; i++)
            handles[i] = submit(jobs, &fakes[i], i < 2 ? "k" : NULL);
        fake_await(&fakes[0]);
        fake_await(&fakes[2]);
        fakes[2].go = true;
        fake_end(handles[2], JOB_SUCCEEDED);
        usleep(50000); /* a thread is kept for the one that waits for its turn */
        fakes[0].go = fakes[1].go = true;
        fake_end(handles[0], JOB_SUCCEEDED);
        fake_end(handles[1], JOB_SUCCEEDED);
        for (int64_t end = soon(); counts.freed < counts.made; usleep(1000))
            assert_true(clock_ms() < end);
        assert_true(counts.made >= 2 * round);
    }
    assert_true(jobs_close(jobs, soon()));
    assert_int_equal(counts.freed, counts.made);
}

static void each_end_is_told_once(void **state) {
    (void)state;
    struct counts counts = {0};
    struct jobs_config config = {.threads = 1, .ended = count_ended, .context = &counts};
    struct jobs *jobs = jobs_new(&config);
    struct fake good = {0}, bad = {.failure = "x", .go = true}, waits = {0};
    struct job *a = submit(jobs, &good, NULL), *b = submit(jobs, &bad, NULL);
    struct job *c = submit(jobs, &waits, NULL);
    fake_await(&good);
    assert_int_equal(counts.ended, 0);
    assert_true(job_cancel(c));
    assert_int_equal(counts.ended, 1);
    good.go = true;
    fake_end(a, JOB_SUCCEEDED);
    fake_end(b, JOB_FAILED);
    fake_end(c, JOB_CANCELLED);
    assert_true(jobs_close(jobs, soon()));
    assert_int_equal(counts.ended, 3);
}

static void a_chosen_status_is_kept(void **state) {
    (void)state;
    struct jobs *jobs = make(1, 0);
    struct fake plain = {.go = true}, made = {.go = true, .status = 201},
                bad = {.go = true, .status = 418, .failure = "tea"},
                unset = {.go = true, .failure = "x"};
    struct job *a = submit(jobs, &plain, NULL), *b = submit(jobs, &made, NULL);
    struct job *c = submit(jobs, &bad, NULL), *d = submit(jobs, &unset, NULL);
    assert_true(job_wait(d, soon()));
    assert_int_equal(job_status(a), 200);
    assert_int_equal(job_status(b), 201);
    struct error *error = job_error(c);
    assert_int_equal(error->status, 418);
    error_free(error);
    struct buffer text = {0};
    job_json(c, &text);
    assert_non_null(strstr(buffer_text(&text), "\"error\":{\"kind\":\"unreachable\",\"message\":"
                                               "\"could not do it: tea\",\"status\":418}"));
    buffer_clear(&text);
    job_json(d, &text);
    assert_non_null(strstr(buffer_text(&text), "\"status\":null}"));
    buffer_free(&text);
    job_unref(a);
    job_unref(b);
    job_unref(c);
    job_unref(d);
    assert_true(jobs_close(jobs, soon()));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_key_is_one_after_another),
        cmocka_unit_test(who_waits_for_its_turn_holds_no_thread),
        cmocka_unit_test(another_key_passes_those_that_wait),
        cmocka_unit_test(a_failure_passes_the_turn_too),
        cmocka_unit_test(who_waits_for_its_turn_can_be_cancelled),
        cmocka_unit_test(the_turn_of_a_cancelled_job_is_passed),
        cmocka_unit_test(who_waits_for_its_turn_is_joined),
        cmocka_unit_test(an_order_holds_over_kinds),
        cmocka_unit_test(parallel_jobs_run_beside_the_others),
        cmocka_unit_test(a_parallel_kind_has_room_of_its_own),
        cmocka_unit_test(the_last_number_holds),
        cmocka_unit_test(quiet_jobs_vanish_when_they_succeed),
        cmocka_unit_test(closing_ends_those_that_wait_for_their_turn),
        cmocka_unit_test(idle_threads_end_and_others_come),
        cmocka_unit_test(each_end_is_told_once),
        cmocka_unit_test(a_chosen_status_is_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
