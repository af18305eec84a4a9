#include "rename_support.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))

static struct mapping_builder *merging(enum merge_kind kind, const char *scale) {
    struct mapping_builder *builder = family_of("std:w", METRIC_GAUGE, "e:w", scale);
    mapping_drop_label(builder, "rank");
    mapping_merge(builder, kind);
    return builder;
}

static void assert_merged(enum merge_kind kind, const char *scale, const char *page,
                          const char *samples) {
    assert_family(merging(kind, scale), "gauge", page, samples);
}

static void keeps_the_largest_or_the_smallest(void **state) {
    (void)state;
    static const char page[] = "e:w{m=\"a\",rank=\"0\"} 3\n"
                               "e:w{m=\"b\",rank=\"0\"} -1\n"
                               "e:w{m=\"a\",rank=\"1\"} 11.0\n"
                               "e:w{rank=\"0\",m=\"a\"} 7\n"
                               "e:w{m=\"b\",rank=\"1\"} -2e0\n";
    assert_merged(MERGE_MAX, NULL, page, "std:w{m=\"a\"} 11.0\nstd:w{m=\"b\"} -1\n");
    assert_merged(MERGE_MIN, NULL, page, "std:w{m=\"a\"} 3\nstd:w{m=\"b\"} -2e0\n");
    assert_merged(MERGE_MAX, "0.5", page, "std:w{m=\"a\"} 5.5\nstd:w{m=\"b\"} -0.5\n");
    assert_merged(MERGE_MAX, "-1", page, "std:w{m=\"a\"} -3\nstd:w{m=\"b\"} 2\n");
}

static void a_number_beats_nan(void **state) {
    (void)state;
    static const struct {
        const char *first, *second, *max, *min;
    } cases[] = {
        {"NaN", "1", "1", "1"},       {"1", "NaN", "1", "1"},       {"-nan", "-5", "-5", "-5"},
        {"2", "-nan(ind)", "2", "2"}, {"NaN", "NaN", "NaN", "NaN"}, {"NaN", "-Inf", "-Inf", "-Inf"},
        {"+Inf", "1", "+Inf", "1"},   {"1", "-Inf", "1", "-Inf"},   {"5", "5.0", "5", "5"},
        {"1e3", "999", "1e3", "999"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        char *page = memory_format("e:w{rank=\"0\"} %s\ne:w{rank=\"1\"} %s\n", cases[i].first,
                                   cases[i].second);
        char *max = memory_format("std:w %s\n", cases[i].max);
        char *min = memory_format("std:w %s\n", cases[i].min);
        assert_merged(MERGE_MAX, NULL, page, max);
        assert_merged(MERGE_MIN, NULL, page, min);
        memory_free(page);
        memory_free(max);
        memory_free(min);
    }
}

static void keeps_the_whole_line_of_the_winner(void **state) {
    (void)state;
    assert_merged(MERGE_MAX, NULL,
                  "e:w{rank=\"0\"} 1 100\ne:w{rank=\"1\"} 2 200\ne:w{rank=\"2\"} 1.5\n",
                  "std:w 2 200\n");
    assert_merged(MERGE_MIN, NULL, "e:w{rank=\"0\"} 1 # {t=\"1\"} 1\ne:w{rank=\"1\"} 2 200\n",
                  "std:w 1\n");
}

static void merges_without_edits(void **state) {
    (void)state;
    struct mapping_builder *builder = family_of("std:w_total", METRIC_COUNTER, "e:w", NULL);
    mapping_merge(builder, MERGE_MAX);
    assert_family(builder, "counter", "e:w{a=\"b\"} 1\ne:w{a=\"b\"} 2\ne:w{a=\"c\"} 0\n",
                  "std:w_total{a=\"b\"} 2\nstd:w_total{a=\"c\"} 0\n");
}

/* Enough series to grow the table many times; each comes three times. */
static void merges_thousands_of_series(void **state) {
    (void)state;
    enum { SERIES = 3000 };
    struct buffer page = {0}, samples = {0};
    for (int round = 0; round < 3; round++)
        for (int i = 0; i < SERIES; i++)
            buffer_format(&page, "e:w{rank=\"%d\",id=\"%d\"} %d\n", round, i,
                          (i * 7 + round * 1009) % 2003);
    for (int i = 0; i < SERIES; i++) {
        int largest = 0;
        for (int round = 0; round < 3; round++) {
            int value = (i * 7 + round * 1009) % 2003;
            largest = value > largest ? value : largest;
        }
        buffer_format(&samples, "std:w{id=\"%d\"} %d\n", i, largest);
    }
    assert_merged(MERGE_MAX, NULL, buffer_text(&page), buffer_text(&samples));
    buffer_free(&page);
    buffer_free(&samples);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keeps_the_largest_or_the_smallest),
        cmocka_unit_test(a_number_beats_nan),
        cmocka_unit_test(keeps_the_whole_line_of_the_winner),
        cmocka_unit_test(merges_without_edits),
        cmocka_unit_test(merges_thousands_of_series),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
