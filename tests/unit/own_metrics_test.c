#include "metrics/own_metrics.h"

#include "metrics/exposition.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void collect_number(void *context, struct metric_writer *writer) {
    writer_family(writer, "x_seen_total", METRIC_COUNTER, "Seen.");
    writer_sample(writer, NULL, NULL, *(const int *)context);
}

/* Checks that every line is an exposition. */
static void assert_page(struct buffer *page) {
    assert_true(page->length > 0 && page->data[page->length - 1] == '\n');
    for (const char *at = buffer_text(page), *end; *at; at = end + 1) {
        end = strchr(at, '\n');
        struct exposition_sample sample;
        struct exposition_comment comment = {.kind = EXPOSITION_COMMENT};
        if (*at == '#')
            exposition_comment(at, end, &comment);
        if (*at == '#' ? comment.kind != EXPOSITION_HELP && comment.kind != EXPOSITION_TYPE
                       : !exposition_sample(at, end, &sample))
            fail_msg("no exposition: %.*s", (int)(end - at), at);
    }
}

/* The value of the line that begins with this. */
static double value_of(struct buffer *page, const char *series) {
    const char *found = strstr(buffer_text(page), series);
    if (!found)
        fail_msg("no %s in:\n%s", series, page->data);
    return strtod(found + strlen(series), NULL);
}

static void shows_the_process(void **state) {
    (void)state;
    struct own_metrics *metrics = own_metrics_new("1.2.3");
    struct buffer page = {0};
    own_metrics_write(metrics, false, &page);
    assert_page(&page);
    assert_true(value_of(&page, "\nkthena_runtime_build_info{version=\"1.2.3\"} ") == 1);
    double memory = value_of(&page, "\nkthena_runtime_process_resident_memory_bytes ");
    assert_true(memory > 100e3 && memory < 1e12);
    assert_true(value_of(&page, "\nkthena_runtime_process_cpu_seconds_total ") > 0);
    assert_non_null(strstr(page.data, "# TYPE kthena_runtime_process_cpu_seconds_total counter\n"));
    buffer_free(&page);
    own_metrics_free(metrics);
    own_metrics_free(NULL);
}

static void cpu_time_grows(void **state) {
    (void)state;
    static const char series[] = "\nkthena_runtime_process_cpu_seconds_total ";
    struct own_metrics *metrics = own_metrics_new("1");
    struct buffer page = {0};
    own_metrics_write(metrics, false, &page);
    double before = value_of(&page, series), after;
    do {
        buffer_clear(&page);
        own_metrics_write(metrics, false, &page);
        after = value_of(&page, series);
    } while (after == before);
    assert_true(after > before);
    buffer_free(&page);
    own_metrics_free(metrics);
}

static void collectors_write_in_order_behind_what_is_there(void **state) {
    (void)state;
    int first = 7, second = 8;
    struct own_metrics *metrics = own_metrics_new("1");
    own_metrics_register(metrics, collect_number, &first);
    own_metrics_register(metrics, collect_number, &second);
    for (int open_metrics = 0; open_metrics < 2; open_metrics++) {
        struct buffer page = {0};
        buffer_string(&page, "engine 1\n");
        own_metrics_write(metrics, open_metrics, &page);
        assert_page(&page);
        assert_memory_equal(page.data, "engine 1\n# HELP kthena_runtime_build_info ", 42);
        static const char *const ends[] = {
            "# HELP x_seen_total Seen.\n# TYPE x_seen_total counter\nx_seen_total 7\n"
            "# HELP x_seen_total Seen.\n# TYPE x_seen_total counter\nx_seen_total 8\n",
            "# HELP x_seen Seen.\n# TYPE x_seen counter\nx_seen_total 7\n"
            "# HELP x_seen Seen.\n# TYPE x_seen counter\nx_seen_total 8\n"};
        const char *end = ends[open_metrics];
        assert_string_equal(page.data + page.length - strlen(end), end);
        assert_null(strstr(page.data, "# EOF"));
        buffer_free(&page);
    }
    own_metrics_free(metrics);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(shows_the_process),
        cmocka_unit_test(cpu_time_grows),
        cmocka_unit_test(collectors_write_in_order_behind_what_is_there),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
