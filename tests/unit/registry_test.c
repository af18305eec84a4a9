/* Metrics made while the process runs: what a page shows of them, and what is refused. */
#include "metrics/registry.h"

#include "base/memory.h"
#include "base/thread.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define NO_LABELS NULL, 0
#define LABELS(...)                                                                                \
    (const struct metric_label[]){__VA_ARGS__},                                                    \
        sizeof((const struct metric_label[]){__VA_ARGS__}) / sizeof(struct metric_label)

static int set_up(void **state) {
    *state = registry_new(NULL);
    return 0;
}

static int tear_down(void **state) {
    registry_free(*state);
    return 0;
}

static void expect_page(struct metric_registry *registry, bool open_metrics, const char *expected) {
    struct buffer page = {0};
    struct metric_writer writer = {.out = &page, .open_metrics = open_metrics};
    registry_collect(registry, &writer);
    assert_string_equal(buffer_text(&page), expected);
    buffer_free(&page);
}

static void good(struct error *error) {
    if (error)
        fail_msg("%s", error->message);
}

static void refused(struct error *error, enum error_kind kind, const char *part) {
    assert_non_null(error);
    if (error->kind != kind || !strstr(error->message, part))
        fail_msg("%s: %s", error_kind_name(error->kind), error->message);
    error_free(error);
}

static struct registry_family *family(struct metric_registry *registry, const char *name,
                                      enum metric_type type) {
    static const double bounds[] = {0.1, 1, 2.5};
    struct registry_family *made = NULL;
    good(registry_family(registry, name, type, "Help.", bounds, 3, &made));
    return made;
}

static void shows_gauges_counters_and_histograms(void **state) {
    struct registry_family *gauge = family(*state, "kthena_runtime_b", METRIC_GAUGE);
    struct registry_family *counter = family(*state, "kthena_runtime_a_total", METRIC_COUNTER);
    struct registry_family *seconds = family(*state, "kthena_runtime_c_seconds", METRIC_HISTOGRAM);
    expect_page(*state, false, "");
    good(registry_set(gauge, LABELS({"z", "2"}, {"y", "1"}), 3));
    good(registry_set(gauge, LABELS({"y", "1"}, {"z", "2"}), -4.5));
    good(registry_set(gauge, LABELS({"y", "0"}), INFINITY));
    good(registry_add(gauge, NO_LABELS, 1));
    good(registry_add(gauge, NO_LABELS, -3));
    good(registry_add(counter, LABELS({"r", "ok"}), 1));
    good(registry_add(counter, LABELS({"r", "ok"}), 2));
    good(registry_add(counter, LABELS({"r", "bad"}), 0));
    good(registry_observe(seconds, LABELS({"r", "ok"}), 0.1));
    good(registry_observe(seconds, LABELS({"r", "ok"}), 0.2));
    good(registry_observe(seconds, LABELS({"r", "ok"}), 1e12));
    static const char page[] =
        "# HELP kthena_runtime_b Help.\n# TYPE kthena_runtime_b gauge\n"
        "kthena_runtime_b -2\n"
        "kthena_runtime_b{y=\"0\"} +Inf\n"
        "kthena_runtime_b{y=\"1\",z=\"2\"} -4.5\n"
        "# HELP kthena_runtime_c_seconds Help.\n# TYPE kthena_runtime_c_seconds histogram\n"
        "kthena_runtime_c_seconds_bucket{r=\"ok\",le=\"0.1\"} 1\n"
        "kthena_runtime_c_seconds_bucket{r=\"ok\",le=\"1.0\"} 2\n"
        "kthena_runtime_c_seconds_bucket{r=\"ok\",le=\"2.5\"} 2\n"
        "kthena_runtime_c_seconds_bucket{r=\"ok\",le=\"+Inf\"} 3\n"
        "kthena_runtime_c_seconds_sum{r=\"ok\"} 1000000000000.3\n"
        "kthena_runtime_c_seconds_count{r=\"ok\"} 3\n";
    char *text = memory_format("# HELP kthena_runtime_a_total Help.\n# TYPE kthena_runtime_a_total "
                               "counter\nkthena_runtime_a_total{r=\"ok\"} 3\n"
                               "kthena_runtime_a_total{r=\"bad\"} 0\n%s",
                               page);
    expect_page(*state, false, text);
    memory_free(text);
    text = memory_format("# HELP kthena_runtime_a Help.\n# TYPE kthena_runtime_a "
                         "counter\nkthena_runtime_a_total{r=\"ok\"} 3\n"
                         "kthena_runtime_a_total{r=\"bad\"} 0\n%s",
                         page);
    expect_page(*state, true, text);
    memory_free(text);
    good(registry_clear(gauge));
    good(registry_set(gauge, LABELS({"y", "1"}), 1));
    struct buffer now = {0};
    struct metric_writer writer = {.out = &now};
    registry_collect(*state, &writer);
    assert_non_null(strstr(buffer_text(&now), "kthena_runtime_b{y=\"1\"} 1\n"));
    assert_null(strstr(buffer_text(&now), "z=\"2\""));
    buffer_free(&now);
}

static void a_name_keeps_its_type(void **state) {
    struct registry_family *gauge = family(*state, "kthena_runtime_x", METRIC_GAUGE), *other = NULL;
    assert_ptr_equal(gauge, family(*state, "kthena_runtime_x", METRIC_GAUGE));
    static const double bounds[] = {1};
    refused(registry_family(*state, "kthena_runtime_x", METRIC_HISTOGRAM, "", bounds, 1, &other),
            ERROR_EXISTS, "kthena_runtime_x is there already, and of another type");
}

static void names_are_checked(void **state) {
    static const struct {
        const char *name;
        enum metric_type type;
        const char *part;
    } cases[] = {
        {"", METRIC_GAUGE, "'' is no name for a metric; expected kthena_runtime_"},
        {"x", METRIC_GAUGE, "is no name"},
        {"kthena_runtime_", METRIC_GAUGE, "is no name"},
        {"kthena_runtime_A", METRIC_GAUGE, "is no name"},
        {"kthena_runtime_a-b", METRIC_GAUGE, "is no name"},
        {"kthena_runtime_a\n# TYPE", METRIC_GAUGE, "is no name"},
        {"kthena_runtime_a", METRIC_COUNTER, "ends with _total"},
        {"kthena_runtime_a_total", METRIC_GAUGE, "and of nothing else, ends with _total"},
        {"kthena_runtime_a_count", METRIC_GAUGE, "_count is what samples of a histogram"},
        {"kthena_runtime_a_bucket", METRIC_HISTOGRAM, "_bucket is what"},
    };
    static const double bounds[] = {1};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct registry_family *made = NULL;
        refused(registry_family(*state, cases[i].name, cases[i].type, "", bounds, 1, &made),
                ERROR_INVALID, cases[i].part);
        assert_null(made);
    }
    expect_page(*state, false, "");
}

static void bounds_are_checked(void **state) {
    static const double bad[][2] = {{1, 1}, {2, 1}, {1, INFINITY}, {NAN, 1}};
    struct registry_family *made = NULL;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        refused(registry_family(*state, "kthena_runtime_x", METRIC_HISTOGRAM, "", bad[i], 2, &made),
                ERROR_INVALID, "not finite and ascending");
    refused(registry_family(*state, "kthena_runtime_x", METRIC_HISTOGRAM, "", NULL, 0, &made),
            ERROR_INVALID, "expected 1 to 64 bounds");
    refused(registry_family(*state, "kthena_runtime_x", METRIC_HISTOGRAM, "", bad[0], 65, &made),
            ERROR_INVALID, "got 65");
}

static void labels_and_values_are_checked(void **state) {
    struct registry_family *gauge = family(*state, "kthena_runtime_g", METRIC_GAUGE);
    struct registry_family *counter = family(*state, "kthena_runtime_c_total", METRIC_COUNTER);
    struct registry_family *histogram = family(*state, "kthena_runtime_h", METRIC_HISTOGRAM);
    static const char *const bad[] = {"", "1a", "a-b", "__name__", "a\"b", "\xc3\xa4"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        refused(registry_set(gauge, LABELS({bad[i], "x"}), 1), ERROR_INVALID,
                "cannot be the name of a label");
    refused(registry_observe(histogram, LABELS({"le", "1"}), 1), ERROR_INVALID, "'le' cannot be");
    good(registry_set(gauge, LABELS({"le", "1"}), 1));
    refused(registry_set(gauge, LABELS({"a", "1"}, {"b", "1"}, {"a", "2"}), 1), ERROR_INVALID,
            "the label a is there twice");
    char *large = memory_zero(REGISTRY_VALUE_MAX + 2, 1);
    memset(large, 'x', REGISTRY_VALUE_MAX + 1);
    refused(registry_set(gauge, LABELS({"a", large}), 1), ERROR_LIMIT, "1025 bytes");
    memory_free(large);
    struct metric_label many[REGISTRY_LABELS_MAX + 1] = {{"a", "b"}};
    refused(registry_set(gauge, many, REGISTRY_LABELS_MAX + 1, 1), ERROR_LIMIT, "at most 16");
    refused(registry_set(counter, NO_LABELS, 1), ERROR_INVALID, "a type that cannot be set");
    refused(registry_set(histogram, NO_LABELS, 1), ERROR_INVALID, "cannot be set");
    refused(registry_add(histogram, NO_LABELS, 1), ERROR_INVALID, "cannot be added to");
    refused(registry_observe(gauge, NO_LABELS, 1), ERROR_INVALID, "cannot be observed into");
    refused(registry_add(counter, NO_LABELS, -1), ERROR_INVALID, "-1 cannot be added to it");
    refused(registry_add(counter, NO_LABELS, INFINITY), ERROR_INVALID, "inf cannot be");
    refused(registry_observe(histogram, NO_LABELS, NAN), ERROR_INVALID, "got one that is none");
    refused(registry_set(gauge, NO_LABELS, NAN), ERROR_INVALID, "got one that is none");
    refused(registry_clear(counter), ERROR_INVALID, "is no gauge");
    expect_page(*state, false,
                "# HELP kthena_runtime_g Help.\n# TYPE kthena_runtime_g gauge\n"
                "kthena_runtime_g{le=\"1\"} 1\n");
}

static void text_is_escaped(void **state) {
    struct registry_family *gauge = NULL;
    good(registry_family(*state, "kthena_runtime_g", METRIC_GAUGE, "a\nb\\c \xff\xc3\xa4", NULL, 0,
                         &gauge));
    good(registry_set(gauge, LABELS({"a", "x\"y\\z\n\xff\xe2\x82\xac"}), 1));
    expect_page(*state, false,
                "# HELP kthena_runtime_g a b\\\\c  \xc3\xa4\n# TYPE kthena_runtime_g gauge\n"
                "kthena_runtime_g{a=\"x\\\"y\\\\z\\n\xef\xbf\xbd\xe2\x82\xac\"} 1\n");
}

static void series_are_bounded(void **state) {
    struct registry_family *gauge = family(*state, "kthena_runtime_g", METRIC_GAUGE);
    for (int i = 0; i < REGISTRY_SERIES_MAX; i++) {
        char value[16];
        snprintf(value, sizeof value, "%d", i);
        good(registry_set(gauge, LABELS({"n", value}), i));
    }
    refused(registry_set(gauge, LABELS({"n", "x"}), 1), ERROR_LIMIT, "has 10000 series already");
    good(registry_set(gauge, LABELS({"n", "5"}), 1));
    good(registry_clear(gauge));
    good(registry_set(gauge, LABELS({"n", "x"}), 1));
    struct registry_family *made;
    for (int i = 1; i < REGISTRY_FAMILIES_MAX; i++) {
        char name[64];
        snprintf(name, sizeof name, "kthena_runtime_n%d", i);
        family(*state, name, METRIC_GAUGE);
    }
    refused(registry_family(*state, "kthena_runtime_more", METRIC_GAUGE, "", NULL, 0, &made),
            ERROR_LIMIT, "too many for kthena_runtime_more");
}

static void the_processes_own_names_are_taken(void **state) {
    (void)state;
    struct own_metrics *own = own_metrics_new("1");
    struct metric_registry *registry = registry_new(own);
    struct registry_family *made = NULL;
    struct buffer page = {0};
    refused(
        registry_family(registry, "kthena_runtime_build_info", METRIC_GAUGE, "", NULL, 0, &made),
        ERROR_EXISTS, "kthena_runtime_build_info is a metric of the process itself");
    good(registry_family(registry, "kthena_runtime_build", METRIC_GAUGE, "B.", NULL, 0, &made));
    good(registry_set(made, NO_LABELS, 7));
    good(registry_family(registry, "kthena_runtime_build", METRIC_GAUGE, "B.", NULL, 0, &made));
    own_metrics_write(own, false, &page);
    assert_non_null(strstr(buffer_text(&page), "\nkthena_runtime_build 7\n"));
    buffer_free(&page);
    own_metrics_free(own);
    registry_free(registry);
}

enum { THREADS = 4, ROUNDS = 2000 };

static void *work(void *context) {
    struct buffer page = {0};
    for (int i = 0; i < ROUNDS; i++) {
        char value[16];
        snprintf(value, sizeof value, "%d", i % 7);
        good(registry_add(family(context, "kthena_runtime_n_total", METRIC_COUNTER),
                          LABELS({"n", value}), 1));
        good(registry_observe(family(context, "kthena_runtime_h", METRIC_HISTOGRAM), NO_LABELS, 1));
        good(registry_clear(family(context, "kthena_runtime_g", METRIC_GAUGE)));
        if (i % 100 == 0)
            registry_collect(context, &(struct metric_writer){.out = &page});
    }
    buffer_free(&page);
    return NULL;
}

static void threads_count_together(void **state) {
    pthread_t threads[THREADS];
    struct buffer page = {0};
    for (int i = 0; i < THREADS; i++)
        assert_null(thread_start(&threads[i], "worker", work, *state));
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    registry_collect(*state, &(struct metric_writer){.out = &page});
    assert_non_null(strstr(buffer_text(&page), "\nkthena_runtime_h_count 8000\n"));
    assert_non_null(strstr(buffer_text(&page), "\nkthena_runtime_n_total{n=\"0\"} 1144\n"));
    buffer_free(&page);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(shows_gauges_counters_and_histograms),
        TEST(a_name_keeps_its_type),
        TEST(names_are_checked),
        TEST(bounds_are_checked),
        TEST(labels_and_values_are_checked),
        TEST(text_is_escaped),
        TEST(series_are_bounded),
        TEST(the_processes_own_names_are_taken),
        TEST(threads_count_together),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
