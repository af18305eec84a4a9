#include "metrics/writer.h"

#include "metrics/exposition.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#define COUNT(array) (sizeof(array) / sizeof *(array))

static void assert_text(struct buffer *out, const char *expected) {
    assert_string_equal(buffer_text(out), expected);
    buffer_free(out);
}

static void speaks_both_dialects(void **state) {
    (void)state;
    for (int open_metrics = 0; open_metrics < 2; open_metrics++) {
        struct buffer out = {0};
        struct metric_writer writer = {.out = &out, .open_metrics = open_metrics};
        writer_family(&writer, "x_requests_total", METRIC_COUNTER, "Requests.");
        writer_sample(&writer, NULL, NULL, 3);
        writer_family(&writer, "x_size_bytes", METRIC_GAUGE, "Size.");
        writer_sample(&writer, "kind", "big", 0.5);
        writer_sample(&writer, "kind", "", -2);
        assert_text(&out, open_metrics
                              ? "# HELP x_requests Requests.\n# TYPE x_requests counter\n"
                                "x_requests_total 3\n"
                                "# HELP x_size_bytes Size.\n# TYPE x_size_bytes gauge\n"
                                "x_size_bytes{kind=\"big\"} 0.5\nx_size_bytes{kind=\"\"} -2\n"
                              : "# HELP x_requests_total Requests.\n"
                                "# TYPE x_requests_total counter\nx_requests_total 3\n"
                                "# HELP x_size_bytes Size.\n# TYPE x_size_bytes gauge\n"
                                "x_size_bytes{kind=\"big\"} 0.5\nx_size_bytes{kind=\"\"} -2\n");
    }
}

static void escapes_label_values(void **state) {
    (void)state;
    struct buffer out = {0};
    struct metric_writer writer = {.out = &out, .family = "x"};
    writer_sample(&writer, "file", "C:\\a\n\"b\"\xc3\xb6", 1);
    assert_text(&out, "x{file=\"C:\\\\a\\n\\\"b\\\"\xc3\xb6\"} 1\n");
}

static void writes_numbers_that_read_back_the_same(void **state) {
    (void)state;
    static const struct {
        double value;
        const char *text;
    } exact[] = {{0, "0"},
                 {1, "1"},
                 {-1, "-1"},
                 {0.1, "0.1"},
                 {1788860300.25, "1788860300.25"},
                 {9007199254740991, "9007199254740991"},
                 {1e16, "1e+16"},
                 {1e300, "1e+300"},
                 {NAN, "NaN"},
                 {INFINITY, "+Inf"},
                 {-INFINITY, "-Inf"}};
    for (size_t i = 0; i < COUNT(exact); i++) {
        struct buffer out = {0};
        struct metric_writer writer = {.out = &out, .family = "x"};
        writer_sample(&writer, NULL, NULL, exact[i].value);
        assert_memory_equal(buffer_text(&out), "x ", 2);
        assert_int_equal(out.data[out.length - 1], '\n');
        out.data[out.length - 1] = '\0';
        assert_string_equal(out.data + 2, exact[i].text);
        buffer_free(&out);
    }
    uint64_t seed = 20261001;
    for (int i = 0; i < 20000; i++) {
        seed ^= seed << 13, seed ^= seed >> 7, seed ^= seed << 17;
        double value = i % 2 ? (double)(seed >> seed % 64) / 1000 : 0;
        if (i % 2 == 0)
            memcpy(&value, &seed, sizeof value);
        if (isnan(value) || isinf(value))
            continue;
        struct buffer out = {0};
        struct metric_writer writer = {.out = &out, .family = "x"};
        writer_sample(&writer, NULL, NULL, value);
        assert_true(exposition_number(out.data + 2, out.length - 3));
        assert_true(strtod(buffer_text(&out) + 2, NULL) == value);
        buffer_free(&out);
    }
}

static void a_histogram_is_cumulative(void **state) {
    (void)state;
    static const struct histogram_bound bounds[] = {{0.5, "0.5"}, {1, "1.0"}, {2.5, "2.5"}};
    struct histogram histogram = {.bounds = bounds, .bound_count = COUNT(bounds)};
    static const double values[] = {0, 0.5, 0.75, 1, 2.5, 2.625, 100};
    for (size_t i = 0; i < COUNT(values); i++)
        histogram_observe(&histogram, values[i]);
    for (int open_metrics = 0; open_metrics < 2; open_metrics++) {
        struct buffer out = {0};
        struct metric_writer writer = {.out = &out, .open_metrics = open_metrics};
        writer_histogram(&writer, "x_seconds", "Time.", &histogram);
        assert_text(&out, "# HELP x_seconds Time.\n# TYPE x_seconds histogram\n"
                          "x_seconds_bucket{le=\"0.5\"} 2\n"
                          "x_seconds_bucket{le=\"1.0\"} 4\n"
                          "x_seconds_bucket{le=\"2.5\"} 5\n"
                          "x_seconds_bucket{le=\"+Inf\"} 7\n"
                          "x_seconds_sum 107.375\n"
                          "x_seconds_count 7\n");
    }
}

static void several_labels_stand_side_by_side(void **state) {
    (void)state;
    static const struct histogram_bound bounds[] = {{1, "1.0"}};
    static const struct metric_label labels[] = {{"kind", "a\"b"}, {"result", "done"}};
    struct histogram histogram = {.bounds = bounds, .bound_count = COUNT(bounds)};
    histogram_observe(&histogram, 0.5);
    struct buffer out = {0};
    struct metric_writer writer = {.out = &out};
    writer_family(&writer, "x_total", METRIC_COUNTER, "Things.");
    writer_labelled(&writer, labels, 2, 3);
    writer_labelled(&writer, NULL, 0, 4);
    writer_family(&writer, "y", METRIC_HISTOGRAM, "Time.");
    writer_histogram_labelled(&writer, labels, 2, &histogram);
    writer_histogram_labelled(&writer, labels + 1, 1, &histogram);
    assert_text(&out, "# HELP x_total Things.\n# TYPE x_total counter\n"
                      "x_total{kind=\"a\\\"b\",result=\"done\"} 3\n"
                      "x_total 4\n"
                      "# HELP y Time.\n# TYPE y histogram\n"
                      "y_bucket{kind=\"a\\\"b\",result=\"done\",le=\"1.0\"} 1\n"
                      "y_bucket{kind=\"a\\\"b\",result=\"done\",le=\"+Inf\"} 1\n"
                      "y_sum{kind=\"a\\\"b\",result=\"done\"} 0.5\n"
                      "y_count{kind=\"a\\\"b\",result=\"done\"} 1\n"
                      "y_bucket{result=\"done\",le=\"1.0\"} 1\n"
                      "y_bucket{result=\"done\",le=\"+Inf\"} 1\n"
                      "y_sum{result=\"done\"} 0.5\n"
                      "y_count{result=\"done\"} 1\n");
}

static void a_histogram_begins_empty(void **state) {
    (void)state;
    struct histogram histogram = {0};
    struct buffer out = {0};
    struct metric_writer writer = {.out = &out};
    writer_histogram(&writer, "x", "Nothing.", &histogram);
    assert_text(&out, "# HELP x Nothing.\n# TYPE x histogram\nx_bucket{le=\"+Inf\"} 0\n"
                      "x_sum 0\nx_count 0\n");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(speaks_both_dialects),
        cmocka_unit_test(escapes_label_values),
        cmocka_unit_test(writes_numbers_that_read_back_the_same),
        cmocka_unit_test(a_histogram_is_cumulative),
        cmocka_unit_test(several_labels_stand_side_by_side),
        cmocka_unit_test(a_histogram_begins_empty),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
