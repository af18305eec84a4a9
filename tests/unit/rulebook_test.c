#include "policy/rulebook.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/memory.h"
#include "rule_files.h"

#include <fcntl.h>
#include <stdatomic.h>
#include <time.h>

enum { LIVE_MS = 2000, PATIENCE_MS = 20000 };

static int log_descriptor;

/* Built-in rules with the engine alpha, and an empty layer "more". The log goes to a file. */
static int set_up_rules(void **state) {
    int status = set_up(state);
    make_directory(*state, "rules");
    make_directory(*state, "rules/engines");
    make_directory(*state, "more");
    put_engine(*state, "rules/engines/alpha.lua", "alpha", "alpha_");
    log_descriptor = open(in(*state, "log"), O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
    log_configure(LOG_INFO, LOG_TEXT, log_descriptor);
    return status;
}

static int tear_down_rules(void **state) {
    log_configure(LOG_INFO, LOG_TEXT, STDERR_FILENO);
    close(log_descriptor);
    return tear_down(state);
}

static struct rulebook *open_book(const struct fixture *fixture) {
    const char *more = in(fixture, "more");
    struct rule_sources sources = {
        .lua = "lua",
        .layers = {in(fixture, "rules"), &more, 1},
        .variables = {"p", "m"},
        .limits = {.budget_seconds = 30},
    };
    struct rulebook *rulebook = NULL;
    assert_null(rulebook_open(&sources, NULL, NULL, &rulebook));
    return rulebook;
}

static bool has_engine(struct rulebook *rulebook, const char *name) {
    struct generation *generation = rulebook_generation(rulebook);
    bool found = generation_engine(generation, name) != NULL;
    generation_unref(generation);
    return found;
}

static void pause_briefly(void) {
    nanosleep(&(struct timespec){.tv_nsec = 10 * 1000 * 1000}, NULL);
}

/* Waits for the numbers of good and bad reloads. */
static void expect_reloads(struct rulebook *rulebook, uint64_t succeeded, uint64_t failed) {
    int64_t until_ms = clock_ms() + PATIENCE_MS;
    struct rulebook_counters counters = rulebook_counters(rulebook);
    while (clock_ms() < until_ms && (counters.succeeded < succeeded || counters.failed < failed)) {
        pause_briefly();
        counters = rulebook_counters(rulebook);
    }
    assert_int_equal(counters.succeeded, succeeded);
    assert_int_equal(counters.failed, failed);
}

static size_t count_in_log(const struct fixture *fixture, const char *part) {
    char line[2048];
    size_t count = 0;
    FILE *log = fopen(in(fixture, "log"), "r");
    while (fgets(line, sizeof line, log))
        count += strstr(line, part) != NULL;
    fclose(log);
    return count;
}

static char *status_of(struct rulebook *rulebook, const char *engine) {
    struct buffer out = {0};
    rulebook_status(rulebook, engine, &out);
    buffer_text(&out);
    return out.data;
}

static void test_open_reports_every_problem(void **state) {
    struct buffer problems = {0};
    struct rulebook *rulebook = NULL;
    const char *more = in(*state, "more");
    struct rule_sources sources = {.lua = "lua", .layers = {in(*state, "rules"), &more, 1}};
    put(*state, "more/a.lua", "return 1");
    put(*state, "more/b.lua", "return 2");
    struct error *error = rulebook_open(&sources, NULL, &problems, &rulebook);
    assert_non_null(error);
    assert_null(rulebook);
    assert_int_equal(error->kind, ERROR_POLICY);
    assert_non_null(strstr(error->message, "could not load the rules: 2 problems; the first: "));
    assert_non_null(strstr(buffer_text(&problems), "a.lua: expected a table;"));
    assert_non_null(strstr(buffer_text(&problems), "b.lua: expected a table;"));
    error_free(error);
    buffer_free(&problems);
}

static void test_an_edit_goes_live(void **state) {
    struct rulebook *rulebook = open_book(*state);
    struct generation *first = rulebook_generation(rulebook);
    assert_int_equal(rulebook_counters(rulebook).generation, 1);
    assert_false(has_engine(rulebook, "beta"));
    put_engine(*state, "more/beta.lua", "beta", "beta_");
    expect_reloads(rulebook, 1, 0);
    assert_true(has_engine(rulebook, "beta"));
    assert_int_equal(rulebook_counters(rulebook).generation, 2);
    /* Who took the first generation still has it. */
    assert_null(generation_engine(first, "beta"));
    generation_unref(first);
    assert_int_equal(unlink(in(*state, "more/beta.lua")), 0);
    expect_reloads(rulebook, 2, 0);
    assert_false(has_engine(rulebook, "beta"));
    rulebook_close(rulebook);
}

static void test_good_bad_bad_good(void **state) {
    struct buffer problems = {0};
    double failed_at = 0;
    struct rulebook *rulebook = open_book(*state);
    put_engine(*state, "more/beta.lua", "beta", "beta_");
    expect_reloads(rulebook, 1, 0);

    put(*state, "more/beta.lua", "return { api = 1, engine = 'beta', metrics = {}, nmae = 1 }");
    expect_reloads(rulebook, 1, 1);
    assert_true(has_engine(rulebook, "beta"));
    assert_int_equal(rulebook_counters(rulebook).generation, 2);
    assert_true(rulebook_failure(rulebook, &problems, &failed_at));
    assert_true(failed_at > 1e9);
    assert_non_null(strstr(buffer_text(&problems), "beta.lua: nmae: unknown key; "));
    char *status = status_of(rulebook, NULL);
    assert_non_null(strstr(status, "beta.lua: nmae: unknown key; "));
    assert_non_null(strstr(status, "\"reloads\":{\"succeeded\":1,\"failed\":1}"));
    memory_free(status);

    put(*state, "more/beta.lua", "return {");
    expect_reloads(rulebook, 1, 2);
    buffer_clear(&problems);
    assert_true(rulebook_failure(rulebook, &problems, &failed_at));
    assert_non_null(strstr(buffer_text(&problems), "beta.lua:1: "));
    assert_null(strstr(buffer_text(&problems), "nmae"));

    put_engine(*state, "more/beta.lua", "gamma", "gamma_");
    expect_reloads(rulebook, 2, 2);
    assert_true(has_engine(rulebook, "gamma"));
    assert_false(has_engine(rulebook, "beta"));
    assert_false(rulebook_failure(rulebook, &problems, &failed_at));
    status = status_of(rulebook, NULL);
    assert_non_null(strstr(status, "\"failure\":null"));
    memory_free(status);
    buffer_free(&problems);
    rulebook_close(rulebook);
}

static void test_the_same_bad_content_is_reported_once(void **state) {
    struct rulebook *rulebook = open_book(*state);
    put(*state, "more/beta.lua", "return 1");
    expect_reloads(rulebook, 0, 1);
    int64_t until_ms = clock_ms() + LIVE_MS;
    while (clock_ms() < until_ms)
        pause_briefly();
    expect_reloads(rulebook, 0, 1);
    assert_int_equal(count_in_log(*state, "beta.lua: expected a table"), 1);
    assert_int_equal(count_in_log(*state, "the rules on disk have 1 problem; generation 1"), 1);
    /* Back to what is loaded: the problem is gone. */
    struct buffer problems = {0};
    double failed_at;
    assert_int_equal(unlink(in(*state, "more/beta.lua")), 0);
    expect_reloads(rulebook, 1, 1);
    assert_false(rulebook_failure(rulebook, &problems, &failed_at));
    rulebook_close(rulebook);
}

static void test_a_directory_that_vanishes_is_a_problem(void **state) {
    struct rulebook *rulebook;
    put_engine(*state, "more/beta.lua", "beta", "beta_");
    rulebook = open_book(*state);
    assert_int_equal(rename(in(*state, "more"), in(*state, "away")), 0);
    expect_reloads(rulebook, 0, 1);
    assert_true(has_engine(rulebook, "beta"));
    assert_int_equal(count_in_log(*state, "more: there is no such directory"), 1);
    assert_int_equal(rename(in(*state, "away"), in(*state, "more")), 0);
    expect_reloads(rulebook, 1, 1);
    rulebook_close(rulebook);
}

static void test_the_engine_in_use_cannot_be_edited_away(void **state) {
    put_engine(*state, "more/beta.lua", "beta", "beta_");
    struct rulebook *rulebook = open_book(*state);
    rulebook_require(rulebook, "beta");
    put_engine(*state, "more/beta.lua", "betta", "beta_");
    expect_reloads(rulebook, 0, 1);
    assert_true(has_engine(rulebook, "beta"));
    assert_int_equal(count_in_log(*state, "the engine in use is gone: unknown engine 'beta'; did "
                                          "you mean 'betta'? known: alpha, betta"),
                     1);
    put(*state, "more/beta.lua",
        "return { api = 1, engine = 'betta', aliases = { 'beta' }, metrics = {} }");
    expect_reloads(rulebook, 1, 1);
    rulebook_close(rulebook);
}

/* A ConfigMap mount: the files are links into ..data, a link to the directory of one version. */
static void test_a_mount_that_is_swapped_goes_live(void **state) {
    make_directory(*state, "more/..v1");
    make_directory(*state, "more/..v2");
    put_engine(*state, "more/..v1/beta.lua", "beta", "beta_");
    put_engine(*state, "more/..v2/beta.lua", "gamma", "gamma_");
    assert_int_equal(symlink("..v1", in(*state, "more/..data")), 0);
    assert_int_equal(symlink("..data/beta.lua", in(*state, "more/beta.lua")), 0);
    struct rulebook *rulebook = open_book(*state);
    assert_true(has_engine(rulebook, "beta"));
    assert_int_equal(symlink("..v2", in(*state, "more/..data_new")), 0);
    assert_int_equal(rename(in(*state, "more/..data_new"), in(*state, "more/..data")), 0);
    expect_reloads(rulebook, 1, 0);
    assert_true(has_engine(rulebook, "gamma"));
    rulebook_close(rulebook);
}

static void test_reloads_now(void **state) {
    struct rulebook *rulebook = open_book(*state);
    rulebook_reload_now(rulebook);
    assert_int_equal(rulebook_counters(rulebook).generation, 2);
    assert_int_equal(rulebook_counters(rulebook).succeeded, 1);
    put(*state, "more/beta.lua", "return 1");
    rulebook_reload_now(rulebook);
    rulebook_reload_now(rulebook);
    assert_int_equal(rulebook_counters(rulebook).generation, 2);
    assert_int_equal(rulebook_counters(rulebook).failed, 2);
    put_engine(*state, "more/beta.lua", "beta", "beta_");
    rulebook_reload_now(rulebook);
    assert_int_equal(rulebook_counters(rulebook).generation, 3);
    assert_true(has_engine(rulebook, "beta"));
    rulebook_close(rulebook);
}

/* What somebody who is told of new generations sees. */
struct told {
    struct rulebook *rulebook;
    atomic_int times;
    atomic_int number; /* of the generation then */
};

static void tell(void *context) {
    struct told *told = context;
    struct generation *generation = rulebook_generation(told->rulebook);
    told->number = (int)generation_number(generation);
    told->times++;
    generation_unref(generation);
}

static void test_tells_of_new_generations(void **state) {
    struct told told = {.rulebook = open_book(*state)};
    rulebook_watch(told.rulebook, tell, &told);
    rulebook_reload_now(told.rulebook);
    assert_int_equal(told.times, 1);
    assert_int_equal(told.number, 2);
    put(*state, "more/bad.lua", "return 1");
    rulebook_reload_now(told.rulebook);
    assert_int_equal(told.times, 1);
    put_engine(*state, "more/bad.lua", "good", "good_");
    expect_reloads(told.rulebook, 2, 1);
    for (int64_t until_ms = clock_ms() + PATIENCE_MS; told.times < 2; pause_briefly())
        assert_true(clock_ms() < until_ms);
    assert_int_equal(told.number, 3);
    rulebook_close(told.rulebook);
}

static void test_status_tells_layers_and_mapping(void **state) {
    char expected[1024];
    put_engine(*state, "more/alpha.lua", "alpha", "mine_");
    put_source(*state, "more/store.lua", "store", "'st', ''");
    put_workflow(*state, "more/task.lua", "task", "/v1/tasks");
    struct rulebook *rulebook = open_book(*state);
    char *status = status_of(rulebook, "alpha");
    snprintf(expected, sizeof expected,
             "\"files\":[{\"path\":\"%s\",\"layer\":\"%s\",\"replaces\":\"rules/engines/"
             "alpha.lua\"},",
             in(*state, "more/alpha.lua"), in(*state, "more"));
    assert_non_null(strstr(status, expected));
    snprintf(expected, sizeof expected,
             "\"engines\":[{\"name\":\"alpha\",\"aliases\":[],\"file\":\"%s\"}],"
             "\"sources\":[{\"name\":\"store\",\"schemes\":[\"st\",\"\"],\"file\":\"%s\"}],"
             "\"workflows\":[{\"name\":\"task\",\"method\":\"POST\",\"path\":\"/v1/tasks\","
             "\"file\":\"%s\"}],\"mapping\":{\"aliases\":[]",
             in(*state, "more/alpha.lua"), in(*state, "more/store.lua"),
             in(*state, "more/task.lua"));
    assert_non_null(strstr(status, expected));
    assert_non_null(strstr(status, "\"sources\":[{\"name\":\"mine_\"}]"));
    memory_free(status);
    status = status_of(rulebook, "unknown");
    assert_non_null(strstr(status, "\"mapping\":null}"));
    memory_free(status);
    rulebook_close(rulebook);
}

struct reader {
    struct rulebook *rulebook;
    atomic_bool *stop;
};

static void *read_for_ever(void *context) {
    const struct reader *reader = context;
    while (!atomic_load(reader->stop)) {
        struct generation *generation = rulebook_generation(reader->rulebook);
        if (!generation_engine(generation, "alpha"))
            abort();
        generation_unref(generation);
        memory_free(status_of(reader->rulebook, "alpha"));
    }
    return NULL;
}

static void test_readers_and_reloads_side_by_side(void **state) {
    atomic_bool stop;
    pthread_t threads[3];
    atomic_init(&stop, false);
    struct reader reader = {open_book(*state), &stop};
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, read_for_ever, &reader), 0);
    for (int i = 0; i < 20; i++) {
        put(*state, "more/beta.lua", i % 2 ? "return 1" : "return 2");
        rulebook_reload_now(reader.rulebook);
        put_engine(*state, "more/beta.lua", "beta", i % 2 ? "a" : "b");
        rulebook_reload_now(reader.rulebook);
    }
    atomic_store(&stop, true);
    for (size_t i = 0; i < 3; i++)
        pthread_join(threads[i], NULL);
    assert_true(has_engine(reader.rulebook, "beta"));
    rulebook_close(reader.rulebook);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up_rules, tear_down_rules)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_open_reports_every_problem),
        TEST(test_an_edit_goes_live),
        TEST(test_good_bad_bad_good),
        TEST(test_the_same_bad_content_is_reported_once),
        TEST(test_a_directory_that_vanishes_is_a_problem),
        TEST(test_the_engine_in_use_cannot_be_edited_away),
        TEST(test_a_mount_that_is_swapped_goes_live),
        TEST(test_reloads_now),
        TEST(test_tells_of_new_generations),
        TEST(test_status_tells_layers_and_mapping),
        TEST(test_readers_and_reloads_side_by_side),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
