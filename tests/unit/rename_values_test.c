#include "rename_support.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))

static void scales_values_exactly(void **state) {
    (void)state;
    static const char *const cases[][2] = {
        {" 250", " 0.25"},
        {"{a=\"b\"} 1e3 1788860300500", "{a=\"b\"} 1 1788860300500"},
        {" 0.1", " 0.0001"},
        {" -7.0", " -0.007"},
        {" 0", " 0"},
        {" NaN", " NaN"},
        {" +Inf", " +Inf"},
        {" -Inf", " -Inf"},
        {" -nan(ind)", " NaN"},
        {" 1e99999", " 1e+99996"},
        {" 1e100000", " 1e100000"}, /* beyond what is scaled: as it was */
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        char *page = memory_format("e:ms%s\n", cases[i][0]);
        char *samples = memory_format("std:s%s\n", cases[i][1]);
        assert_family(family_of("std:s", METRIC_GAUGE, "e:ms", "0.001"), "gauge", page, samples);
        memory_free(page);
        memory_free(samples);
    }
}

static void scales_bounds_and_sums_but_no_counts(void **state) {
    (void)state;
    assert_family(family_of("std:h", METRIC_HISTOGRAM, "e:h", "1e-3"), "histogram",
                  "e:h_bucket{le=\"250\",a=\"500\"} 7\n"
                  "e:h_bucket{a=\"le\",le=\"2.5e+03\"} 8\n"
                  "e:h_bucket{le=\"+Inf\"} 9\n"
                  "e:h_bucket{le=\"\"} 9\n"
                  "e:h_bucket 9\n"
                  "e:h_count{le=\"1000\"} 1000\n"
                  "e:h_sum{le=\"1000\"} 1000\n",
                  "std:h_bucket{le=\"0.25\",a=\"500\"} 7\n"
                  "std:h_bucket{a=\"le\",le=\"2.5\"} 8\n"
                  "std:h_bucket{le=\"+Inf\"} 9\n"
                  "std:h_bucket{le=\"\"} 9\n"
                  "std:h_bucket 9\n"
                  "std:h_count{le=\"1000\"} 1000\n"
                  "std:h_sum{le=\"1000\"} 1\n");
    assert_family(family_of("std:s", METRIC_SUMMARY, "e:s", "0.000001"), "summary",
                  "e:s{quantile=\"0.5\"} 1500000\ne:s_sum 3000000\ne:s_count 2000000\n",
                  "std:s{quantile=\"0.5\"} 1.5\nstd:s_sum 3\nstd:s_count 2000000\n");
}

static void each_source_has_its_own_scale(void **state) {
    (void)state;
    static const char *const cases[][2] = {{"ms 5\nus 6\n", "std:s 0.005\n"},
                                           {"us 6\n", "std:s 0.000006\n"},
                                           {"s 7.0\n", "std:s 7.0\n"}};
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct mapping_builder *builder = family_of("std:s", METRIC_GAUGE, "ms", "0.001");
        add_source(builder, "us", "1e-6");
        add_source(builder, "s", "1");
        assert_family(builder, "gauge", cases[i][0], cases[i][1]);
    }
}

static void takes_a_sum_as_a_counter(void **state) {
    (void)state;
    struct mapping_builder *builder = mapping_builder_new();
    mapping_family(builder, "std:t_total", METRIC_COUNTER, NULL);
    mapping_alternative(builder, "e:tokens", false);
    assert_null(mapping_part(builder, "e:tokens_sum", PART_VALUE, "2"));
    assert_renamed(builder,
                   "# HELP e:tokens Tokens \\\\ each.\n# TYPE e:tokens histogram\n"
                   "e:tokens_bucket{le=\"1\"} 3\ne:tokens_sum{m=\"x\"} 70\ne:tokens_count 9\n",
                   "# HELP std:t_total Tokens \\\\ each.\n# TYPE std:t_total counter\n"
                   "std:t_total{m=\"x\"} 140\n");
}

static void spells_nan_as_parsers_want_it(void **state) {
    (void)state;
    assert_family(family_of("std:w", METRIC_GAUGE, "e:w", NULL), "gauge",
                  "e:w -nan\ne:w{a=\"b\"} -nan(ind) 5\ne:w +NaN\ne:w nan\ne:w Nan\ne:w nan(ind)\n",
                  "std:w NaN\nstd:w{a=\"b\"} NaN 5\nstd:w NaN\nstd:w nan\n"
                  "std:w Nan\nstd:w NaN\n");
}

static void exemplars_stay_where_they_may(void **state) {
    (void)state;
    static const struct {
        enum metric_type type;
        const char *name, *source, *scale, *samples;
    } cases[] = {
        {METRIC_COUNTER, "std:x_total", "e:x_total", NULL,
         "std:x_total{a=\"b\"} 5 9 # {t=\"1\"} 250 3.5\n"},
        {METRIC_COUNTER, "std:x_total", "e:x_total", "0.1",
         "std:x_total{a=\"b\"} 0.5 9 # {t=\"1\"} 25 3.5\n"},
        {METRIC_COUNTER, "std:x", "e:x_total", NULL, "std:x{a=\"b\"} 5 9\n"},
        {METRIC_GAUGE, "std:x", "e:x_total", NULL, "std:x{a=\"b\"} 5 9\n"},
        {METRIC_GAUGE, "std:x_total", "e:x_total", "0.1", "std:x_total{a=\"b\"} 0.5 9\n"},
        {METRIC_HISTOGRAM, "std:h", "e:h", NULL,
         "std:h_bucket{le=\"1000\"} 3 # { t = \"2\" } 500\nstd:h_sum 7\n"},
        {METRIC_HISTOGRAM, "std:h", "e:h", "0.001",
         "std:h_bucket{le=\"1\"} 3 # { t = \"2\" } 0.5\nstd:h_sum 0.007\n"},
    };
    static const char *const types[] = {
        [METRIC_COUNTER] = "counter", [METRIC_GAUGE] = "gauge", [METRIC_HISTOGRAM] = "histogram"};
    static const char page[] = "e:x_total{a=\"b\"} 5 9\t # {t=\"1\"} 250 3.5\n"
                               "e:h_bucket{le=\"1000\"} 3 # { t = \"2\" } 500\n"
                               "e:h_sum 7 # {t=\"3\"} 9\n";
    for (size_t i = 0; i < COUNT(cases); i++)
        assert_family(family_of(cases[i].name, cases[i].type, cases[i].source, cases[i].scale),
                      types[cases[i].type], page, cases[i].samples);
}

static struct mapping_builder *without_help(void) {
    struct mapping_builder *builder = mapping_builder_new();
    mapping_family(builder, "std:x_total", METRIC_COUNTER, NULL);
    add_source(builder, "e:x_total", NULL);
    return builder;
}

static void help_is_the_rules_or_the_sources(void **state) {
    (void)state;
    static const char *const cases[][2] = {
        {"# HELP e:x_total Some \"text\". \n", "Some \"text\". "},
        {"# HELP e:x_total One.\n# HELP e:x_total Two.\n", "One."},
        {"#   HELP   e:x_total\tOne.\n", "One."},
        {"# HELP e:x_total\n", ""},
        {"# HELP e:x_total2 Other.\n# HELP e:x Other.\n", "The engine's e:x_total."},
        {"# TYPE e:x_total counter\n", "The engine's e:x_total."},
        {"", "The engine's e:x_total."},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        char *page = memory_format("%se:x_total 1\n", cases[i][0]);
        char *families = memory_format(
            "# HELP std:x_total %s\n# TYPE std:x_total counter\nstd:x_total 1\n", cases[i][1]);
        assert_renamed(without_help(), page, families);
        memory_free(page);
        memory_free(families);
    }
    struct mapping_builder *builder = mapping_builder_new();
    mapping_family(builder, "std:w", METRIC_GAUGE, "A \"quote\",\na \\.");
    add_source(builder, "e:w", NULL);
    assert_renamed(builder, "# HELP e:w Not this.\ne:w 1\n",
                   "# HELP std:w A \"quote\",\\na \\\\.\n# TYPE std:w gauge\nstd:w 1\n");
}

static void speaks_open_metrics_to_a_page_that_does(void **state) {
    (void)state;
    static const char start[] = "# HELP e:x The source's.\n# TYPE e:x counter\ne:x_total 1\n";
    static const char *const ends[] = {"# EOF\n", "# EOF", "# EOF \n\n", "\n  # EOF\n"};
    for (size_t i = 0; i < COUNT(ends); i++) {
        char *page = memory_format("%s%s", start, ends[i]);
        assert_renamed(without_help(), page,
                       "# HELP std:x The source's.\n# TYPE std:x counter\nstd:x_total 1\n");
        memory_free(page);
    }
    struct mapping_builder *builder = family_of("std:plain", METRIC_COUNTER, "e:x_total", NULL);
    mapping_family(builder, "std:g", METRIC_GAUGE, "A \"quote\".");
    add_source(builder, "e:x_total", NULL);
    assert_renamed(builder, "e:x_total 1\n# EOF\n",
                   "# HELP std:plain Help.\n# TYPE std:plain unknown\nstd:plain 1\n"
                   "# HELP std:g A \\\"quote\\\".\n# TYPE std:g gauge\nstd:g 1\n");
    assert_renamed(without_help(), "e:x_total 1\n# TYPE std:x counter\n# EOF\n", "");
}

static void the_end_of_open_metrics_is_cut_off(void **state) {
    (void)state;
    static const struct {
        const char *page;
        bool open_metrics;
        size_t body;
    } cases[] = {
        {"a 1\n# EOF\n", true, 4},     {"a 1\n# EOF", true, 4},
        {"# EOF\n", true, 0},          {"a 1\n# EOF\n\n", true, 4},
        {"a 1\n# EOF x\n", false, 12}, {"a 1\n# EOFX\n", false, 11},
        {"# EOF\na 1\n", false, 10},   {"# EOF\n# a\n", false, 10},
        {"# EOF\n# EOF\n", true, 6},   {"# EOF\n# HELP a b\n", false, 17},
        {"# EOF\n?\n", false, 8},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct buffer out = {0};
        struct rename_result result = rename_text(mapping_empty(), cases[i].page, &out, NULL);
        assert_int_equal(result.open_metrics, cases[i].open_metrics);
        assert_int_equal(result.body, cases[i].body);
        assert_int_equal(out.length, 0);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(scales_values_exactly),
        cmocka_unit_test(scales_bounds_and_sums_but_no_counts),
        cmocka_unit_test(each_source_has_its_own_scale),
        cmocka_unit_test(takes_a_sum_as_a_counter),
        cmocka_unit_test(spells_nan_as_parsers_want_it),
        cmocka_unit_test(exemplars_stay_where_they_may),
        cmocka_unit_test(help_is_the_rules_or_the_sources),
        cmocka_unit_test(speaks_open_metrics_to_a_page_that_does),
        cmocka_unit_test(the_end_of_open_metrics_is_cut_off),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
