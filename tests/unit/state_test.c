/* The table of remembered values: what it holds, what its file holds, and what survives. */
#include "store/state.h"

#include "base/clock.h"
#include "base/thread.h"
#include "store_support.h"

#include <signal.h>
#include <stdatomic.h>

#define FILE_NAME "out/state.json"

static struct state_table *open_table(const struct fixture *fixture) {
    struct state_table *table = NULL;
    char *kept_aside;
    expect_good(state_table_open(fixture->path, &table, &kept_aside));
    if (kept_aside)
        fail_msg("%s", kept_aside);
    return table;
}

static struct state_table *open_memory(void) {
    struct state_table *table = NULL;
    char *kept_aside;
    expect_good(state_table_open(NULL, &table, &kept_aside));
    assert_null(kept_aside);
    return table;
}

static void set(struct state_table *table, const char *name, const char *json) {
    expect_good(state_table_set(table, name, json));
}

static void expect_json(struct state_table *table, const char *name, const char *json) {
    struct buffer found = {0};
    assert_true(state_table_get(table, name, &found, NULL) == (json != NULL));
    assert_string_equal(buffer_text(&found), json ? json : "");
    buffer_free(&found);
}

static void expect_all(struct state_table *table, const char *prefix, const char *json) {
    struct buffer found = {0};
    state_table_all(table, prefix, &found);
    assert_string_equal(buffer_text(&found), json);
    buffer_free(&found);
}

static void values_are_set_changed_and_removed(void **state) {
    struct state_table *tables[] = {open_memory(), open_table(*state)};
    for (size_t i = 0; i < 2; i++) {
        struct state_table *table = tables[i];
        expect_json(table, "a", NULL);
        expect_all(table, "", "{}");
        set(table, "b/2", "{\"x\":[1,null]}");
        set(table, "b/1", "\"one\"");
        set(table, "a", "1");
        set(table, "b", "true");
        set(table, "c", "null");
        expect_json(table, "b/1", "\"one\"");
        expect_all(table, "b/", "{\"b/1\":\"one\",\"b/2\":{\"x\":[1,null]}}");
        expect_all(table, "",
                   "{\"a\":1,\"b\":true,\"b/1\":\"one\",\"b/2\":{\"x\":[1,null]},\"c\":null}");
        expect_all(table, "z", "{}");
        set(table, "b/1", "2");
        set(table, "b/2", NULL);
        set(table, "none", NULL);
        expect_json(table, "b/2", NULL);
        expect_all(table, "b/", "{\"b/1\":2}");
        state_table_close(table);
    }
    expect_text(*state, FILE_NAME,
                "{\"version\":1,\"values\":{\"a\":1,\"b\":true,\"b/1\":2,\"c\":null}}\n");
    assert_int_equal(names_in(*state, "out"), 1);
}

static void values_outlive_the_table(void **state) {
    struct state_table *table = open_table(*state);
    set(table, "quo\"te\\ \n \xc3\xa4", "{\"text\":\"\xe2\x82\xac \\\"\",\"list\":[]}");
    set(table, "n", "0.1");
    state_table_close(table);
    table = open_table(*state);
    expect_json(table, "quo\"te\\ \n \xc3\xa4", "{\"text\":\"\xe2\x82\xac \\\"\",\"list\":[]}");
    expect_json(table, "n", "0.1");
    state_table_close(table);
}

static void a_value_is_replaced_only_while_it_is_the_same(void **state) {
    (void)state;
    struct state_table *table = open_memory();
    struct buffer found = {0};
    uint64_t none, first, again;
    bool done;
    assert_false(state_table_get(table, "a", &found, &none));
    expect_good(state_table_replace(table, "a", "1", none, &done));
    assert_true(done);
    assert_true(state_table_get(table, "a", &found, &first));
    expect_good(state_table_replace(table, "a", "2", none, &done));
    assert_false(done);
    set(table, "a", "3");
    set(table, "a", "1");
    assert_true(state_table_get(table, "a", &found, &again));
    assert_true(first != again);
    expect_good(state_table_replace(table, "a", "4", first, &done));
    assert_false(done);
    expect_good(state_table_replace(table, "a", NULL, again, &done));
    assert_true(done);
    expect_json(table, "a", NULL);
    expect_good(state_table_replace(table, "a", "5", again, &done));
    assert_false(done);
    buffer_free(&found);
    state_table_close(table);
}

static void what_cannot_be_kept_is_refused(void **state) {
    struct state_table *table = open_table(*state);
    char *long_name = memory_zero(STATE_KEY_MAX + 2, 1);
    memset(long_name, 'x', STATE_KEY_MAX + 1);
    expect_error(state_table_set(table, "", "1"), ERROR_INVALID, "cannot be the name of a value");
    expect_error(state_table_set(table, "a\xff", "1"), ERROR_INVALID, "bytes of UTF-8");
    expect_error(state_table_set(table, long_name, "1"), ERROR_INVALID, "1 to 1024 bytes");
    expect_error(state_table_set(table, "a", ""), ERROR_INVALID, "the value of a is no JSON");
    expect_error(state_table_set(table, "a", "{\"x\":"), ERROR_INVALID, "is no JSON");
    expect_error(state_table_set(table, "a", "1 2"), ERROR_INVALID, "is no JSON");
    char *large = memory_zero(STATE_VALUE_MAX + 3, 1);
    memset(large, '1', STATE_VALUE_MAX + 1);
    expect_error(state_table_set(table, "a", large), ERROR_LIMIT, "1048577 bytes");
    long_name[STATE_KEY_MAX] = '\0';
    set(table, long_name, "1");
    expect_json(table, "a", NULL);
    memory_free(large);
    memory_free(long_name);
    state_table_close(table);
}

/* Puts bytes in the place of the file, opens the table, and expects it to be empty and usable. */
static void expect_kept_aside(const struct fixture *fixture, const char *bytes, size_t length,
                              const char *why) {
    struct state_table *table = NULL;
    char *kept_aside = NULL;
    put(fixture, FILE_NAME, bytes, length);
    expect_good(state_table_open(fixture->path, &table, &kept_aside));
    assert_non_null(kept_aside);
    if (!strstr(kept_aside, why))
        fail_msg("no '%s' in %s", why, kept_aside);
    char *name = strstr(kept_aside, "kept as ");
    assert_non_null(name);
    name += strlen("kept as ");
    *strchr(name, ',') = '\0';
    assert_non_null(strstr(name, "/state.json.damaged-2"));
    struct buffer kept = {0};
    expect_good(file_read(name, 0, &kept));
    assert_int_equal(kept.length, length);
    if (length > 0)
        assert_memory_equal(kept.data, bytes, length);
    buffer_free(&kept);
    expect_all(table, "", "{}");
    set(table, "a", "1");
    state_table_close(table);
    table = open_table(fixture);
    expect_json(table, "a", "1");
    state_table_close(table);
    memory_free(kept_aside);
}

static void a_damaged_file_is_kept_aside(void **state) {
    static const struct {
        const char *text, *why;
    } cases[] = {
        {"", "is damaged: it is empty"},
        {"{\"version\":1,\"values\":{\"a\":1", "is damaged: it is no JSON"},
        {"{\"version\":1,\"values\":{}} x", "is damaged: it is no JSON"},
        {"{\"values\":{}}", "is damaged: it has no version"},
        {"{\"version\":\"1\",\"values\":{}}", "is damaged: it has no version"},
        {"[1]", "is damaged: it has no version"},
        {"{\"version\":1}", "is damaged: it has no values"},
        {"{\"version\":1,\"values\":[1]}", "is damaged: it has no values"},
        {"{\"version\":1,\"values\":{\"a\":1,\"\":2}}", "a name that none can have"},
        {"{\"version\":1,\"values\":{\"a\":1,\"\xff\":2}}", "a name that none can have"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        expect_kept_aside(*state, cases[i].text, strlen(cases[i].text), cases[i].why);
    expect_kept_aside(*state, "\0\0\0\0", 4, "is damaged");
    assert_int_equal(names_in(*state, "out"), sizeof cases / sizeof *cases + 2);
}

static void a_file_of_a_later_version_stays(void **state) {
    static const char later[] = "{\"version\":2,\"values\":{\"a\":1}}\n";
    struct state_table *table = NULL;
    char *kept_aside;
    put_text(*state, FILE_NAME, later);
    const struct fixture *fixture = *state;
    expect_error(state_table_open(fixture->path, &table, &kept_aside), ERROR_INVALID,
                 "state.json is of version 2, this program reads version 1");
    assert_null(kept_aside);
    assert_null(table);
    expect_text(*state, FILE_NAME, later);
    assert_int_equal(names_in(*state, "out"), 1);
}

static void a_half_written_new_file_is_nothing(void **state) {
    struct state_table *table = open_table(*state);
    set(table, "a", "1");
    state_table_close(table);
    put_text(*state, "out/state.json.new", "{\"version\":1,\"val");
    table = open_table(*state);
    expect_json(table, "a", "1");
    state_table_close(table);
    assert_int_equal(names_in(*state, "out"), 1);
}

static void a_directory_belongs_to_one_table(void **state) {
    const struct fixture *fixture = *state;
    struct state_table *table = open_table(fixture), *other = NULL;
    char *kept_aside;
    expect_error(state_table_open(fixture->path, &other, &kept_aside), ERROR_EXISTS,
                 "is in use by another process");
    state_table_close(table);
    other = open_table(fixture);
    state_table_close(other);
}

static int open_as_nobody(const struct fixture *fixture) {
    struct state_table *table = NULL;
    char *kept_aside;
    struct error *error = state_table_open(in(fixture, "out"), &table, &kept_aside);
    int result = error && error->kind == ERROR_DENIED ? 0 : 1;
    error_free(error);
    return result;
}

static void a_directory_is_made_or_the_error_says_why_not(void **state) {
    const struct fixture *fixture = *state;
    struct state_table *table = NULL;
    char *kept_aside;
    expect_good(state_table_open(in(fixture, "out/a/b"), &table, &kept_aside));
    set(table, "x", "1");
    state_table_close(table);
    assert_true(exists(fixture, "out/a/b/state.json"));
    put_text(fixture, "file", "");
    table = NULL;
    expect_error(state_table_open(in(fixture, "file/x"), &table, &kept_aside), ERROR_IO,
                 "could not make directory");
    assert_null(table);
    assert_int_equal(chmod(fixture->path, 0555), 0);
    assert_int_equal(chmod(fixture->dir, 0755), 0);
    assert_int_equal(run_as_nobody(open_as_nobody, fixture), 0);
    assert_int_equal(chmod(fixture->path, 0755), 0);
}

static void a_full_disk_leaves_the_old_value(void **state) {
    const struct fixture *fixture = *state;
    if (!mount_small(fixture, "size=256k"))
        return;
    struct state_table *table = open_table(fixture);
    set(table, "a", "\"old\"");
    char *large = memory_zero(200 * 1024, 1);
    memset(large, '1', 200 * 1024 - 1);
    large[0] = large[200 * 1024 - 2] = '"';
    put(fixture, "out/filler", large, 200 * 1024 - 1);
    expect_error(state_table_set(table, "a", large), ERROR_SPACE, "could not write");
    expect_error(state_table_set(table, "b", large), ERROR_SPACE, "free some space");
    expect_json(table, "a", "\"old\"");
    expect_json(table, "b", NULL);
    expect_text(fixture, FILE_NAME, "{\"version\":1,\"values\":{\"a\":\"old\"}}\n");
    assert_false(exists(fixture, "out/state.json.new"));
    assert_int_equal(unlink(in(fixture, "out/filler")), 0);
    set(table, "b", "2");
    expect_json(table, "b", "2");
    state_table_close(table);
    memory_free(large);
}

enum { MANY = 10000 };

static void there_may_be_many_values(void **state) {
    struct state_table *table = open_memory();
    struct buffer file = {0};
    buffer_string(&file, "{\"version\":1,\"values\":{");
    for (int i = MANY - 1; i >= 0; i--) {
        char name[32], json[32];
        snprintf(name, sizeof name, "key/%d", i);
        snprintf(json, sizeof json, "{\"n\":%d}", i);
        set(table, name, json);
        buffer_format(&file, "\"%s\":%s%s", name, json, i ? "," : "}}");
    }
    expect_json(table, "key/9999", "{\"n\":9999}");
    expect_all(table, "key/12345", "{}");
    expect_all(table, "key/999",
               "{\"key/999\":{\"n\":999},\"key/9990\":{\"n\":9990},"
               "\"key/9991\":{\"n\":9991},\"key/9992\":{\"n\":9992},"
               "\"key/9993\":{\"n\":9993},\"key/9994\":{\"n\":9994},"
               "\"key/9995\":{\"n\":9995},\"key/9996\":{\"n\":9996},"
               "\"key/9997\":{\"n\":9997},\"key/9998\":{\"n\":9998},"
               "\"key/9999\":{\"n\":9999}}");
    state_table_close(table);
    put(*state, FILE_NAME, file.data, file.length);
    buffer_free(&file);
    table = open_table(*state);
    set(table, "key/5000", "\"new\"");
    set(table, "key/0", NULL);
    state_table_close(table);
    table = open_table(*state);
    expect_json(table, "key/5000", "\"new\"");
    expect_json(table, "key/0", NULL);
    expect_json(table, "key/9998", "{\"n\":9998}");
    state_table_close(table);
}

enum { THREADS = 4, ROUNDS = 500 };

static void *count_up(void *context) {
    struct state_table *table = context;
    struct buffer text = {0};
    for (int i = 0; i < ROUNDS;) {
        uint64_t version;
        char next[32];
        bool done;
        buffer_clear(&text);
        state_table_get(table, "count", &text, &version);
        snprintf(next, sizeof next, "%d", atoi(buffer_text(&text)) + 1);
        error_free(state_table_replace(table, "count", next, version, &done));
        i += done;
        buffer_clear(&text);
        state_table_all(table, "", &text);
    }
    buffer_free(&text);
    return NULL;
}

static void threads_lose_no_update(void **state) {
    (void)state;
    struct state_table *table = open_memory();
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++)
        expect_good(thread_start(&threads[i], "counter", count_up, table));
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    expect_json(table, "count", "2000");
    state_table_close(table);
}

/* A child sets a to 0, 1, 2... and says each that has been set, until it is killed. */
static pid_t start_child(const struct fixture *fixture, int *said) {
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child > 0) {
        close(ends[1]);
        *said = ends[0];
        return child;
    }
    struct state_table *table = NULL;
    char *kept_aside;
    if (state_table_open(fixture->path, &table, &kept_aside) || kept_aside)
        _exit(1);
    for (int i = 0;; i++) {
        char json[32];
        snprintf(json, sizeof json, "%d", i);
        if (state_table_set(table, "a", json) || write(ends[1], &i, sizeof i) != sizeof i)
            _exit(1);
    }
}

static void what_was_set_survives_a_kill(void **state) {
    for (int round = 0; round < 25; round++) {
        int said, number, last = -1, status;
        pid_t child = start_child(*state, &said);
        struct timespec pause = {.tv_nsec = 2000000 + (rand() % 8000) * 1000};
        assert_int_equal(read(said, &last, sizeof last), sizeof last);
        nanosleep(&pause, NULL);
        assert_int_equal(kill(child, SIGKILL), 0);
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_true(WIFSIGNALED(status));
        while (read(said, &number, sizeof number) == sizeof number)
            last = number;
        close(said);
        struct state_table *table = open_table(*state);
        struct buffer found = {0};
        assert_true(state_table_get(table, "a", &found, NULL));
        assert_in_range(atoi(buffer_text(&found)), last, last + 1);
        buffer_free(&found);
        state_table_close(table);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up_table, tear_down)

/* The directory is there, without .kthena in it. */
static int set_up_table(void **state) {
    int status = set_up_empty(state);
    const struct fixture *fixture = *state;
    return status == 0 ? mkdir(fixture->path, 0755) : status;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(values_are_set_changed_and_removed),
        TEST(values_outlive_the_table),
        TEST(a_value_is_replaced_only_while_it_is_the_same),
        TEST(what_cannot_be_kept_is_refused),
        TEST(a_damaged_file_is_kept_aside),
        TEST(a_file_of_a_later_version_stays),
        TEST(a_half_written_new_file_is_nothing),
        TEST(a_directory_belongs_to_one_table),
        TEST(a_directory_is_made_or_the_error_says_why_not),
        TEST(a_full_disk_leaves_the_old_value),
        TEST(there_may_be_many_values),
        TEST(threads_lose_no_update),
        TEST(what_was_set_survives_a_kill),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
