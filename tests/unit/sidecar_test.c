/* How the sidecar's jobs and routes go together with its rules and its end. */
#include "sidecar/sidecar_internal.h"

#include "client.h"
#include "jobs_support.h"
#include "rule_files.h"

static int set_up_rules(void **state) {
    int status = set_up(state);
    make_directory(*state, "engines");
    put_engine(*state, "engines/alpha.lua", "alpha", "alpha_");
    return status;
}

static struct sidecar *start(const struct fixture *fixture) {
    static const char *const hosts[] = {"127.0.0.1"};
    struct sidecar_config config = {.engine = "alpha",
                                    .metrics_url = "http://127.0.0.1:1/metrics",
                                    .request_timeout_ms = 1000,
                                    .max_page_bytes = 1000000,
                                    .max_jobs = 1,
                                    .download = {.network = {.user_agent = "test/1"}},
                                    .rules = {.lua = "lua",
                                              .layers = {fixture->dir, NULL, 0},
                                              .variables = {"p", "m"},
                                              .limits = {.budget_seconds = 30}},
                                    .server = {.hosts = hosts, .host_count = 1}};
    struct sidecar *sidecar = NULL;
    struct buffer problems = {0};
    struct error *error = sidecar_start(&config, &problems, &sidecar);
    if (error)
        fail_msg("%s: %s", error->message, buffer_text(&problems));
    buffer_free(&problems);
    return sidecar;
}

static void a_table_lives_as_long_as_it_is_used(void **state) {
    struct sidecar *sidecar = start(*state);
    const struct route_table *first = sidecar_table_acquire(sidecar);
    const struct route_table *again = sidecar_table_acquire(sidecar);
    assert_ptr_equal(first, again);
    sidecar_table_release(again, sidecar);
    put_engine(*state, "engines/beta.lua", "beta", "beta_");
    sidecar_reload(sidecar);
    const struct route_table *second = sidecar_table_acquire(sidecar);
    assert_ptr_not_equal(first, second);
    assert_int_equal(first->count, sidecar_route_count + sidecar_job_route_count);
    for (size_t i = 0; i < first->count; i++) {
        assert_string_equal(first->routes[i].path, second->routes[i].path);
        assert_ptr_equal(first->routes[i].context, sidecar);
    }
    sidecar_table_release(first, sidecar);
    sidecar_table_release(second, sidecar);
    assert_true(sidecar_stop(sidecar, 1000));
}

static void the_description_tells_every_route(void **state) {
    struct sidecar *sidecar = start(*state);
    struct answer answer;
    client_ask(server_port(sidecar->server, 0), "GET /openapi.json HTTP/1.1\r\nHost: t\r\n\r\n",
               &answer);
    assert_int_equal(answer.status, 200);
    const struct route_table *table = sidecar_table_acquire(sidecar);
    for (size_t i = 0; i < table->count; i++) {
        char path[128];
        snprintf(path, sizeof path, "\"%s\":{", table->routes[i].path);
        if (!strstr(answer.body, path))
            fail_msg("no %s", path);
    }
    sidecar_table_release(table, sidecar);
    assert_true(sidecar_stop(sidecar, 1000));
}

static void stopping_cancels_the_jobs(void **state) {
    struct sidecar *sidecar = start(*state);
    struct fake running = {0}, waiting = {0};
    struct job_spec spec = fake_spec(&running), other = fake_spec(&waiting);
    struct job *job = fake_submit(sidecar->jobs, &spec);
    struct job *second = fake_submit(sidecar->jobs, &other);
    fake_await(&running);
    assert_true(sidecar_stop(sidecar, IN_TIME_MS));
    assert_int_equal(job_state(job), JOB_CANCELLED);
    assert_int_equal(job_state(second), JOB_CANCELLED);
    assert_int_equal(running.freed, 1);
    assert_false(waiting.begun);
    job_unref(job);
    job_unref(second);
}

static void a_job_that_will_not_end_is_left_behind(void **state) {
    static struct sidecar *sidecar;
    static struct fake fake = {.deaf = true};
    sidecar = start(*state);
    struct job_spec spec = fake_spec(&fake);
    struct job *job = fake_submit(sidecar->jobs, &spec);
    fake_await(&fake);
    assert_false(sidecar_stop(sidecar, 100));
    assert_int_equal(job_state(job), JOB_RUNNING);
    fake.go = true;
    job_unref(job);
    assert_true(jobs_close(sidecar->jobs, clock_ms() + IN_TIME_MS));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_table_lives_as_long_as_it_is_used, set_up_rules,
                                        tear_down),
        cmocka_unit_test_setup_teardown(the_description_tells_every_route, set_up_rules, tear_down),
        cmocka_unit_test_setup_teardown(stopping_cancels_the_jobs, set_up_rules, tear_down),
        cmocka_unit_test_setup_teardown(a_job_that_will_not_end_is_left_behind, set_up_rules,
                                        tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
