/* A job as JSON and in figures, and that no secret gets into either. */
#include "jobs_support.h"

#include "base/memory.h"
#include "base/redact.h"

#include <cjson/cJSON.h>
#include <stdlib.h>

static const char secret[] = "hunter2-\"hunter2\"";

static int64_t soon(void) {
    return clock_ms() + IN_TIME_MS;
}

static struct jobs *make(void) {
    struct jobs_config config = {.threads = 1};
    return jobs_new(&config);
}

/* The job's JSON, parsed, of which the text alone is checked to hold no secret. */
static cJSON *read_job(struct job *job) {
    struct buffer text = {0};
    job_json(job, &text);
    assert_null(strstr(buffer_text(&text), "hunter2"));
    cJSON *json = cJSON_Parse(text.data);
    if (!json)
        fail_msg("not JSON: %s", text.data);
    buffer_free(&text);
    return json;
}

static const char *text_of(const cJSON *json, const char *name) {
    const cJSON *member = cJSON_GetObjectItemCaseSensitive(json, name);
    if (!member)
        fail_msg("no member %s", name);
    return cJSON_IsNull(member) ? "null" : cJSON_GetStringValue(member);
}

static double number_of(const cJSON *json, const char *name) {
    const cJSON *member = cJSON_GetObjectItemCaseSensitive(json, name);
    if (!cJSON_IsNumber(member))
        fail_msg("%s is no number", name);
    return member->valuedouble;
}

static bool is_null(const cJSON *json, const char *name) {
    return cJSON_IsNull(cJSON_GetObjectItemCaseSensitive(json, name));
}

static void a_job_shows_where_it_stands(void **state) {
    (void)state;
    struct jobs *jobs = make();
    struct fake first = {0}, second = {0};
    struct job_spec spec = fake_spec(&first), next = fake_spec(&second);
    next.source = NULL;
    next.description = NULL;
    struct job *job = fake_submit(jobs, &spec), *waits = fake_submit(jobs, &next);
    fake_await(&first);
    struct progress *progress = job_progress(job);
    progress_set_phase(progress, "downloading");
    progress->bytes_total = 1000;
    progress->bytes_done = 400;
    progress->bytes_fetched = 300;
    progress->files_total = 3;
    progress->files_done = 2;
    progress->files_present = 1;
    progress->retries[RETRY_STALL] = 2;
    progress->retries[RETRY_RESET] = 1;
    int slot = progress_enter(progress, "weights.bin", 600);
    progress_enter(progress, "unknown.bin", -1);
    progress_advance(progress, slot, 100);
    usleep(2000);

    cJSON *json = read_job(job);
    assert_string_equal(text_of(json, "id"), job_id(job));
    assert_string_equal(text_of(json, "kind"), "fake");
    assert_string_equal(text_of(json, "state"), "running");
    assert_string_equal(text_of(cJSON_GetObjectItem(json, "request"), "what"), "a thing");
    assert_string_equal(text_of(json, "source"), "shelf");
    assert_string_equal(text_of(json, "phase"), "downloading");
    assert_true(number_of(json, "bytes_done") == 400 && number_of(json, "bytes_total") == 1000);
    assert_true(number_of(json, "bytes_fetched") == 300);
    assert_true(number_of(json, "files_done") == 2 && number_of(json, "files_total") == 3);
    assert_true(number_of(json, "files_present") == 1);
    assert_true(number_of(json, "retries") == 3);
    assert_true(number_of(json, "attempts") == 1);
    assert_true(number_of(json, "bytes_per_second") > 0);
    assert_true(number_of(json, "eta_seconds") > 0);
    assert_true(is_null(json, "error") && is_null(json, "result") && is_null(json, "finished_at"));
    assert_true(cJSON_IsFalse(cJSON_GetObjectItem(json, "cancelling")));
    assert_true(strcmp(text_of(json, "created_at"), text_of(json, "started_at")) <= 0);
    const cJSON *files = cJSON_GetObjectItem(json, "files");
    assert_int_equal(cJSON_GetArraySize(files), 2);
    const cJSON *file = cJSON_GetArrayItem(files, 0);
    assert_string_equal(text_of(file, "path"), "weights.bin");
    assert_true(number_of(file, "bytes_done") == 100 && number_of(file, "bytes_total") == 600);
    assert_true(is_null(cJSON_GetArrayItem(files, 1), "bytes_total"));
    cJSON_Delete(json);

    json = read_job(waits);
    assert_string_equal(text_of(json, "state"), "queued");
    assert_true(is_null(json, "phase") && is_null(json, "source") && is_null(json, "started_at"));
    assert_true(is_null(json, "eta_seconds") && number_of(json, "bytes_per_second") == 0);
    assert_true(number_of(json, "attempts") == 0);
    assert_int_equal(cJSON_GetArraySize(cJSON_GetObjectItem(json, "request")), 0);
    cJSON_Delete(json);

    second.deaf = true;
    first.go = true;
    fake_await(&second);
    job_cancel(waits);
    json = read_job(waits);
    assert_string_equal(text_of(json, "state"), "running");
    assert_true(cJSON_IsTrue(cJSON_GetObjectItem(json, "cancelling")));
    cJSON_Delete(json);
    second.go = true;
    job_unref(job);
    job_unref(waits);
    assert_true(jobs_close(jobs, soon()));
}

static void an_ended_job_shows_what_became_of_it(void **state) {
    (void)state;
    struct jobs *jobs = make();
    struct fake good = {.result = "{\"files\":[1,2]}"},
                bad = {.go = true, .failure = "no \"wire\""};
    struct job_spec spec = fake_spec(&good);
    struct job *job = fake_submit(jobs, &spec);
    fake_await(&good);
    progress_set_phase(job_progress(job), "finishing");
    job_progress(job)->bytes_fetched = 5000000;
    usleep(5000);
    good.go = true;
    assert_true(job_wait(job, soon()));
    cJSON *json = read_job(job);
    assert_string_equal(text_of(json, "state"), "succeeded");
    assert_int_equal(
        cJSON_GetArraySize(cJSON_GetObjectItem(cJSON_GetObjectItem(json, "result"), "files")), 2);
    double rate = number_of(json, "bytes_per_second");
    assert_true(rate > 0 && rate <= 1e9); /* 5 ms or more */
    assert_true(is_null(json, "eta_seconds") && is_null(json, "error") && is_null(json, "phase"));
    assert_true(strcmp(text_of(json, "started_at"), text_of(json, "finished_at")) <= 0);
    cJSON_Delete(json);
    usleep(5000);
    json = read_job(job);
    assert_true(number_of(json, "bytes_per_second") == rate);
    cJSON_Delete(json);
    job_unref(job);

    spec = fake_spec(&bad);
    job = fake_submit(jobs, &spec);
    assert_true(job_wait(job, soon()));
    json = read_job(job);
    assert_string_equal(text_of(json, "state"), "failed");
    const cJSON *error = cJSON_GetObjectItem(json, "error");
    assert_string_equal(text_of(error, "kind"), "unreachable");
    assert_string_equal(text_of(error, "message"), "could not do it: no \"wire\"");
    assert_true(is_null(json, "result"));
    cJSON_Delete(json);
    job_unref(job);
    assert_true(jobs_close(jobs, soon()));
}

static void the_list_is_newest_first_and_by_state(void **state) {
    (void)state;
    struct jobs *jobs = make();
    struct fake fakes[3] = {{.go = true, .result = "{\"secret\":0}"}};
    struct job *handles[3];
    for (int i = 0; i < 3; i++) {
        struct job_spec spec = fake_spec(&fakes[i]);
        handles[i] = fake_submit(jobs, &spec);
        if (i < 2)
            fake_await(&fakes[i]);
    }
    static const struct {
        const char *state;
        int first, count;
    } cases[] = {
        {NULL, 2, 3}, {"queued", 2, 1}, {"running", 1, 1}, {"succeeded", 0, 1}, {"failed", 0, 0}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct buffer text = {0};
        jobs_json(jobs, cases[i].state, &text);
        cJSON *json = cJSON_Parse(buffer_text(&text));
        const cJSON *list = cJSON_GetObjectItem(json, "jobs");
        assert_int_equal(cJSON_GetArraySize(list), cases[i].count);
        for (int j = 0; j < cases[i].count; j++) {
            const cJSON *each = cJSON_GetArrayItem(list, j);
            assert_string_equal(text_of(each, "id"), job_id(handles[cases[i].first - j]));
            assert_null(cJSON_GetObjectItem(each, "result"));
        }
        cJSON_Delete(json);
        buffer_free(&text);
    }
    for (int i = 0; i < 3; i++)
        job_unref(handles[i]);
    assert_true(jobs_close(jobs, soon()));
}

struct leak {
    struct fake fake;
    bool fails;
};

/* Tells the secret wherever it can. */
static struct error *leak_run(struct job *job, void *worker, void *payload, struct buffer *result) {
    struct leak *leak = payload;
    progress_set_phase(job_progress(job), "listing with hunter2-\"hunter2\"");
    progress_enter(job_progress(job), "dir/hunter2-\"hunter2\"", 1);
    struct error *error = fake_run(job, worker, &leak->fake, result);
    if (error)
        return error;
    if (leak->fails)
        return error_new(ERROR_DENIED, error_new(ERROR_IO, NULL, "token=%s", secret), "refused");
    buffer_string(result, "{\"token\":\"hunter2-\\\"hunter2\\\"\",\"n\":1}");
    return NULL;
}

static void leak_free(void *payload) {
    (void)payload;
    redact_forget(secret, sizeof secret - 1);
}

static void no_text_holds_a_secret(void **state) {
    (void)state;
    struct jobs *jobs = make();
    for (int fails = 0; fails < 2; fails++) {
        struct leak leak = {.fails = fails};
        struct job_spec spec = {.kind = "leak",
                                .description = "{\"token\":\"hunter2-\\\"hunter2\\\"\",\"a\":2}",
                                .exclusive = "/x/hunter2-\"hunter2\"/y",
                                .run = leak_run,
                                .payload = &leak,
                                .payload_free = leak_free};
        redact_secret(secret, sizeof secret - 1);
        struct job *job = fake_submit(jobs, &spec), *none = NULL;
        fake_await(&leak.fake);
        cJSON *json = read_job(job);
        assert_string_equal(text_of(cJSON_GetObjectItem(json, "request"), "token"), "***");
        assert_string_equal(text_of(json, "phase"), "listing with ***");
        cJSON_Delete(json);
        bool joined;
        spec.payload_free = NULL;
        struct error *error = jobs_submit(jobs, &spec, &none, &joined);
        assert_null(strstr(error->message, "hunter2"));
        assert_non_null(strstr(error->message, "/x/***/y is taken"));
        error_free(error);
        struct buffer list = {0};
        jobs_json(jobs, NULL, &list);
        assert_null(strstr(buffer_text(&list), "hunter2"));
        buffer_free(&list);
        leak.fake.go = true;
        /* The payload was what knew the secret; now nobody does. */
        assert_true(job_wait(job, soon()));
        progress_leave(job_progress(job), 0);
        json = read_job(job);
        if (fails)
            assert_string_equal(text_of(cJSON_GetObjectItem(json, "error"), "message"),
                                "refused: token=***");
        else
            assert_string_equal(text_of(cJSON_GetObjectItem(json, "result"), "token"), "***");
        cJSON_Delete(json);
        job_unref(job);
    }
    assert_true(jobs_close(jobs, soon()));
}

static void collect(struct jobs *jobs, struct buffer *page) {
    struct metric_writer writer = {.out = page};
    buffer_clear(page);
    jobs_collect(jobs, &writer);
}

static void assert_sample(struct buffer *page, const char *series, double value) {
    char *start = memory_format("\n%s ", series);
    const char *line = strstr(buffer_text(page), start);
    if (!line)
        fail_msg("no %s in:\n%s", series, page->data);
    else if (strtod(line + strlen(start), NULL) != value)
        fail_msg("not %g: %.80s", value, line + 1);
    memory_free(start);
}

static void figures_outlive_the_jobs(void **state) {
    (void)state;
    struct jobs_config config = {.threads = 1, .keep_max = 1};
    struct jobs *jobs = jobs_new(&config);
    struct buffer page = {0};
    collect(jobs, &page);
    assert_sample(&page, "kthena_runtime_jobs{state=\"queued\"}", 0);
    assert_sample(&page, "kthena_runtime_download_retries_total{cause=\"digest\"}", 0);
    assert_null(strstr(page.data, "kind="));
    for (int i = 0; i < 3; i++) {
        struct fake fake = {.failure = i == 2 ? "x" : NULL};
        struct job_spec spec = fake_spec(&fake);
        struct job *job = fake_submit(jobs, &spec);
        fake_await(&fake);
        struct progress *progress = job_progress(job);
        progress->bytes_fetched = 100;
        progress->files_done = 5;
        progress->files_present = 3;
        progress->retries[RETRY_CONNECT] = 2;
        progress->mismatches = 1;
        progress->connections = 4;
        /* What runs counts like what has ended. */
        collect(jobs, &page);
        assert_sample(&page, "kthena_runtime_jobs{state=\"running\"}", 1);
        assert_sample(&page, "kthena_runtime_download_bytes_total{source=\"shelf\"}",
                      100 * i + 100);
        assert_sample(&page, "kthena_runtime_download_files_total{source=\"shelf\"}", 2 * i + 2);
        assert_sample(&page, "kthena_runtime_download_active_transfers", 4);
        progress->connections = 0;
        fake.go = true;
        assert_true(job_wait(job, soon()));
        job_unref(job);
    }
    collect(jobs, &page);
    assert_sample(&page, "kthena_runtime_jobs{state=\"running\"}", 0);
    assert_sample(&page, "kthena_runtime_jobs{state=\"succeeded\"}", 0);
    assert_sample(&page, "kthena_runtime_jobs{state=\"failed\"}", 1);
    assert_sample(&page, "kthena_runtime_jobs_finished_total{kind=\"fake\",result=\"succeeded\"}",
                  2);
    assert_sample(&page, "kthena_runtime_jobs_finished_total{kind=\"fake\",result=\"failed\"}", 1);
    assert_sample(&page, "kthena_runtime_jobs_finished_total{kind=\"fake\",result=\"cancelled\"}",
                  0);
    assert_sample(&page, "kthena_runtime_job_duration_seconds_count{kind=\"fake\"}", 3);
    assert_sample(&page, "kthena_runtime_download_bytes_total{source=\"shelf\"}", 300);
    assert_sample(&page, "kthena_runtime_download_files_total{source=\"shelf\"}", 6);
    assert_sample(&page, "kthena_runtime_download_active_transfers", 0);
    assert_sample(&page, "kthena_runtime_download_retries_total{cause=\"connect\"}", 6);
    assert_sample(&page, "kthena_runtime_download_verification_failures_total", 3);
    buffer_free(&page);
    assert_true(jobs_close(jobs, soon()));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_job_shows_where_it_stands),
        cmocka_unit_test(an_ended_job_shows_what_became_of_it),
        cmocka_unit_test(the_list_is_newest_first_and_by_state),
        cmocka_unit_test(no_text_holds_a_secret),
        cmocka_unit_test(figures_outlive_the_jobs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
