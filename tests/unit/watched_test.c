/* Files that are followed: what is known of them after each kind of change. */
#include "store/watched.h"

#include "base/clock.h"
#include "base/memory.h"
#include "rule_files.h"

#include <pthread.h>

enum { PATIENCE_MS = 20000 };

/* What the callback has told, with a count for those who wait. */
struct told {
    pthread_mutex_t mutex;
    pthread_cond_t more;
    int count;
    char last[512]; /* "NAME: problem or good" */
};

static struct told told = {.mutex = PTHREAD_MUTEX_INITIALIZER};

static void note(void *context, const char *name, const char *problem) {
    assert_ptr_equal(context, &told);
    pthread_mutex_lock(&told.mutex);
    told.count++;
    snprintf(told.last, sizeof told.last, "%s: %s", name, problem ? problem : "good");
    pthread_cond_broadcast(&told.more);
    pthread_mutex_unlock(&told.mutex);
}

/* Waits for one more call than before. */
static void wait_for_change(const char *expected) {
    static int seen;
    int64_t deadline = clock_ms() + PATIENCE_MS;
    pthread_mutex_lock(&told.mutex);
    if (!expected)
        seen = told.count;
    while (expected && told.count == seen && clock_ms() < deadline)
        clock_wait(&told.more, &told.mutex, deadline);
    if (expected && (told.count != ++seen || !strstr(told.last, expected)))
        fail_msg("%d changes, the last is %s", told.count, told.last);
    pthread_mutex_unlock(&told.mutex);
}

static struct watched_files *follow(const struct watched_file *list, size_t count) {
    struct watched_files *files = NULL;
    wait_for_change(NULL);
    assert_null(watched_open(list, count, note, &told, &files));
    return files;
}

static void expect_view(struct watched_files *files, const char *name, const char *json,
                        uint64_t version, const char *problem) {
    struct watched_view view;
    assert_true(watched_get(files, name, &view));
    assert_string_equal(view.json ? view.json : "none", json ? json : "none");
    assert_int_equal(view.version, version);
    if (!problem != !view.problem || (problem && !strstr(view.problem, problem)))
        fail_msg("expected the problem %s, got %s", problem ? problem : "none",
                 view.problem ? view.problem : "none");
    watched_view_free(&view);
}

static void follows_good_and_bad_content(void **state) {
    const char *path = in(*state, "a.yaml");
    put(*state, "a.yaml", "a: 1\n");
    struct watched_files *files = follow(&(struct watched_file){"cfg", path}, 1);
    expect_view(files, "cfg", "{\"a\":1}", 1, NULL);
    put(*state, "a.yaml", "{\"a\": [2]}");
    wait_for_change("cfg: good");
    expect_view(files, "cfg", "{\"a\":[2]}", 2, NULL);
    put(*state, "a.yaml", "a: [2");
    wait_for_change("a.yaml, line ");
    expect_view(files, "cfg", "{\"a\":[2]}", 2, "a.yaml, line ");
    put(*state, "a.yaml", "a: 3\n");
    wait_for_change("cfg: good");
    expect_view(files, "cfg", "{\"a\":3}", 3, NULL);
    assert_int_equal(unlink(in(*state, "a.yaml")), 0);
    wait_for_change("cfg: could not open ");
    expect_view(files, "cfg", "{\"a\":3}", 3, "No such file or directory");
    put(*state, "a.yaml", "a: 3\n");
    wait_for_change("cfg: good");
    expect_view(files, "cfg", "{\"a\":3}", 4, NULL);
    struct watched_view view;
    assert_true(watched_get(files, "cfg", &view));
    assert_string_equal(view.path, in(*state, "a.yaml"));
    watched_view_free(&view);
    assert_false(watched_get(files, "none", &view));
    watched_close(files);
}

static void waits_for_what_is_not_there_yet(void **state) {
    char missing[192], large[192];
    snprintf(missing, sizeof missing, "%s", in(*state, "missing.yaml"));
    snprintf(large, sizeof large, "%s", in(*state, "large.yaml"));
    char *text = memory_zero(WATCHED_BYTES_MAX + 2, 1);
    memset(text, 'x', WATCHED_BYTES_MAX + 1);
    put(*state, "large.yaml", text);
    text[WATCHED_BYTES_MAX] = '\0';
    const struct watched_file list[] = {
        {"missing", missing}, {"large", large}, {"directory", ((struct fixture *)*state)->dir}};
    struct watched_files *files = follow(list, 3);
    expect_view(files, "missing", NULL, 0, "No such file or directory");
    expect_view(files, "large", NULL, 0, "larger than 1048576 bytes");
    expect_view(files, "directory", NULL, 0, "it is no regular file");
    put(*state, "missing.yaml", "");
    wait_for_change("missing: good");
    expect_view(files, "missing", "null", 1, NULL);
    put(*state, "large.yaml", text);
    wait_for_change("large: good");
    watched_close(files);
    memory_free(text);
}

/* A ConfigMap mount: the file is a link through ..data, a link that is swapped. */
static void follows_a_swapped_link(void **state) {
    make_directory(*state, "..one");
    make_directory(*state, "..two");
    put(*state, "..one/cfg", "a: 1");
    put(*state, "..two/cfg", "a: 2");
    assert_int_equal(symlink("..one", in(*state, "..data")), 0);
    assert_int_equal(symlink("..data/cfg", in(*state, "cfg")), 0);
    struct watched_files *files = follow(&(struct watched_file){"cfg", in(*state, "cfg")}, 1);
    expect_view(files, "cfg", "{\"a\":1}", 1, NULL);
    assert_int_equal(symlink("..two", in(*state, "..data_tmp")), 0);
    assert_int_equal(rename(in(*state, "..data_tmp"), in(*state, "..data")), 0);
    wait_for_change("cfg: good");
    expect_view(files, "cfg", "{\"a\":2}", 2, NULL);
    watched_close(files);
}

static void nothing_may_be_followed(void **state) {
    (void)state;
    struct watched_view view;
    struct watched_files *files = follow(NULL, 0);
    assert_false(watched_get(files, "x", &view));
    watched_close(files);
    watched_close(NULL);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(follows_good_and_bad_content),
        TEST(waits_for_what_is_not_there_yet),
        TEST(follows_a_swapped_link),
        TEST(nothing_may_be_followed),
    };
    clock_condition_init(&told.more);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
