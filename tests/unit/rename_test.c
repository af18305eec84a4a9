#include "metrics/rename.h"

#include "rename_support.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))

static struct mapping_builder *gauge(void) {
    return family_of("std:w", METRIC_GAUGE, "e:w", NULL);
}

static void copies_lines_verbatim(void **state) {
    (void)state;
    static const char *const rests[] = {
        " 1",
        " 1.50e+00",
        "{} 1",
        "{b=\"2\",a=\"1\"} 007",
        "{le=\"0.5\",a=\"1\"} 3",
        "{ a = \"1\" , } 3",
        "{a=\"\\\"}\\n\"} -0",
        "  \t1  ",
        " 1 1788860300500",
        " 1 1788860300.5 ",
        " NaN",
        " Nan",
        " +Inf 12",
        " 1e+011",
        "{a=\"\xff\"} 1",
        "{\"a.b\"=\"1\"} 1",
    };
    for (size_t i = 0; i < COUNT(rests); i++) {
        char *page = memory_format("e:w%s\n", rests[i]);
        char *samples = memory_format("std:w%s\n", rests[i]);
        assert_family(gauge(), "gauge", page, samples);
        memory_free(page);
        memory_free(samples);
    }
}

static void keeps_the_order_of_a_histogram(void **state) {
    (void)state;
    static const char *const orders[][2] = {
        {"e:h_sum 2\ne:h_bucket{le=\"1\"} 1\ne:h_bucket{le=\"+Inf\"} 3\ne:h_count 3\n",
         "std:h_sum 2\nstd:h_bucket{le=\"1\"} 1\nstd:h_bucket{le=\"+Inf\"} 3\nstd:h_count 3\n"},
        {"e:h_count 3\ne:h_sum 2\nother 1\ne:h_bucket{le=\"1\",a=\"b\"} 1\n",
         "std:h_count 3\nstd:h_sum 2\nstd:h_bucket{le=\"1\",a=\"b\"} 1\n"},
        {"e:h_bucket{le=\"1\"} 1\n", "std:h_bucket{le=\"1\"} 1\n"},
    };
    for (size_t i = 0; i < COUNT(orders); i++)
        assert_family(family_of("std:h", METRIC_HISTOGRAM, "e:h", NULL), "histogram", orders[i][0],
                      orders[i][1]);
    assert_family(family_of("std:s", METRIC_SUMMARY, "e:s", NULL), "summary",
                  "e:s{quantile=\"0.5\"} 1\ne:s_sum 2\ne:s_count 3\ne:s_bucket 4\n",
                  "std:s{quantile=\"0.5\"} 1\nstd:s_sum 2\nstd:s_count 3\n");
}

static void never_takes_a_look_alike(void **state) {
    (void)state;
    assert_renamed(
        gauge(),
        "e:w_created 1\ne:w_by_reason{a=\"b\"} 1\ne:w2 1\nxe:w 1\ne:W 1\ne: 1\n"
        "# TYPE e:w gauge\n# e:w 1\n#e:w 1\ne:wéw 1\ne:w-x 1\n{\"e:w\"} 1\ne:w_total 1\n",
        "");
}

static void survives_every_form_of_line(void **state) {
    (void)state;
    static const struct {
        const char *page;
        size_t lines, samples, unparsed;
        bool found;
    } cases[] = {
        {"", 0, 0, 0, false},
        {"\n", 1, 0, 0, false},
        {"\n\n \n\t\n", 4, 0, 0, false},
        {"e:w 1", 1, 1, 0, true},
        {"\n\ne:w 1\n\n", 4, 1, 0, true},
        {" \te:w 1\n", 1, 1, 0, true},
        {"e:w 1\r\n", 1, 0, 1, false}, /* no parser takes a carriage return */
        {"# TYPE e:w gauge\r\ne:w 1\n", 2, 1, 0, true},
        {"e:w\n", 1, 0, 1, false},
        {"e:w \n", 1, 0, 1, false},
        {"e:w one\n", 1, 0, 1, false},
        {"e:w{a=\"b\" 1\n", 1, 0, 1, false},
        {"e:w{a=\"b} 1\n", 1, 0, 1, false},
        {"e:w 1 2 3\n", 1, 0, 1, false},
        {"e:w e+05\nother e+05\nother -e+05\nother 1e\n", 4, 0, 4, false},
        {"a{b=\"c\"] 1\na{b=\"c\"b} 1\na[b=\"c\"} 1\na{9=\"c\"} 1\na{b=\"c\"}{ 1\n", 5, 0, 5,
         false},
        {"<html>\nother 1\n{\"json\": true}\n[]\n1\n-\n", 6, 1, 5, false},
        {"a{b=\"c\"} 1\na{b=\"c\"} x\na{b=c} 1\na{b=\"c\"}\n", 4, 1, 3, false},
        {"a{b=\"c\"} 1 5\na 1 # {} 2\na -nan(ind)\na NaN\n", 4, 4, 0, false},
        {"#\n# \n#x\n# HELP\n# TYPE e:w\n", 5, 0, 0, false},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct mapping *mapping = mapping_build(gauge());
        struct buffer out = {0};
        struct rename_result result = rename_text(mapping, cases[i].page, &out, NULL);
        assert_int_equal(result.lines, cases[i].lines);
        assert_int_equal(result.samples, cases[i].samples);
        assert_int_equal(result.unparsed, cases[i].unparsed);
        assert_int_equal(result.body, strlen(cases[i].page));
        assert_false(result.open_metrics);
        buffer_free(&out);
        mapping_unref(mapping);
        assert_family(gauge(), "gauge", cases[i].page, cases[i].found ? "std:w 1\n" : "");
    }
}

static void takes_the_first_source_present(void **state) {
    (void)state;
    static const struct {
        const char *page, *samples;
    } cases[] = {
        {"c 3\nb 2\na 1\n", "std:w 1\n"},
        {"c 3\nb 2\nb{x=\"y\"} 4\n", "std:w 2\nstd:w{x=\"y\"} 4\n"},
        {"c 3\na x\n", "std:w 3\n"},
        {"d 3\n# TYPE a gauge\n", ""},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct mapping_builder *builder = family_of("std:w", METRIC_GAUGE, "a", NULL);
        add_source(builder, "b", NULL);
        add_source(builder, "c", NULL);
        assert_family(builder, "gauge", cases[i].page, cases[i].samples);
    }
}

static struct mapping_builder *pair(void) {
    struct mapping_builder *builder = mapping_builder_new();
    mapping_family(builder, "std:l", METRIC_SUMMARY, "Help.");
    mapping_alternative(builder, "e:us", true);
    assert_null(mapping_part(builder, "e:us", PART_SUM, "0.000001"));
    assert_null(mapping_part(builder, "e:done", PART_COUNT, "0.000001"));
    return builder;
}

static void takes_a_pair_only_whole(void **state) {
    (void)state;
    assert_family(pair(), "summary", "e:done 4\ne:us 2500000\n", "std:l_count 4\nstd:l_sum 2.5\n");
    assert_renamed(pair(), "e:us 2500000\n", "");
    assert_renamed(pair(), "e:done 4\n", "");
    assert_renamed(pair(), "e:done 4\ne:us broken\n", "");
}

static void one_source_may_serve_several_families(void **state) {
    (void)state;
    struct mapping_builder *builder = family_of("std:h", METRIC_HISTOGRAM, "e:h", NULL);
    mapping_family(builder, "std:tokens_total", METRIC_COUNTER, "Help.");
    mapping_alternative(builder, "e:h", false);
    assert_null(mapping_part(builder, "e:h_sum", PART_VALUE, NULL));
    mapping_family(builder, "std:requests", METRIC_GAUGE, "Help.");
    mapping_alternative(builder, "e:h", false);
    assert_null(mapping_part(builder, "e:h_count", PART_VALUE, NULL));
    assert_renamed(builder, "e:h_sum 12\ne:h_count 3\n",
                   "# HELP std:h Help.\n# TYPE std:h histogram\n"
                   "std:h_sum 12\nstd:h_count 3\n"
                   "# HELP std:tokens_total Help.\n# TYPE std:tokens_total counter\n"
                   "std:tokens_total 12\n"
                   "# HELP std:requests Help.\n# TYPE std:requests gauge\n"
                   "std:requests 3\n");
}

static void reports_what_became_of_each_family(void **state) {
    (void)state;
    struct mapping_builder *builder = family_of("std:a", METRIC_GAUGE, "a1", NULL);
    add_source(builder, "a2", NULL);
    mapping_family(builder, "std:b", METRIC_GAUGE, NULL);
    add_source(builder, "b", NULL);
    mapping_family(builder, "std:c", METRIC_GAUGE, NULL);
    add_source(builder, "c", NULL);
    mapping_family(builder, "std:d", METRIC_GAUGE, NULL);
    struct mapping *mapping = mapping_build(builder);
    struct rename_choice choices[4];
    struct buffer out = {0};
    rename_text(mapping, "a2 1\nc 1\nstd:c 1\n", &out, choices);
    assert_int_equal(choices[0].outcome, RENAME_TAKEN);
    assert_int_equal(choices[0].alternative, 1);
    assert_int_equal(choices[1].outcome, RENAME_ABSENT);
    assert_int_equal(choices[2].outcome, RENAME_EXPOSED);
    assert_int_equal(choices[3].outcome, RENAME_ABSENT);
    buffer_free(&out);
    mapping_unref(mapping);
}

static void a_family_exposed_already_is_not_made(void **state) {
    (void)state;
    static const char *const pages[] = {
        "e:h_sum 1\nstd:h_bucket{le=\"1\"} 1\n", "std:h_sum 1\ne:h_sum 1\n",
        "std:h_count{a=\"b\"} 1\ne:h_sum 1\n",   "std:h 1\ne:h_sum 1\n",
        "# TYPE std:h histogram\ne:h_sum 1\n",   "e:h_sum 1\n# HELP std:h Help.\n",
    };
    static const char *const others[] = {
        "std:h_created 1\ne:h_sum 1\n",         "std:h_sum one\ne:h_sum 1\n",
        "# UNIT std:h seconds\ne:h_sum 1\n",    "#TYPE std:h histogram\ne:h_sum 1\n",
        "# TYPE std:h2 histogram\ne:h_sum 1\n", "xstd:h 1\ne:h_sum 1\n",
    };
    for (size_t i = 0; i < COUNT(pages); i++)
        assert_renamed(family_of("std:h", METRIC_HISTOGRAM, "e:h", NULL), pages[i], "");
    for (size_t i = 0; i < COUNT(others); i++)
        assert_family(family_of("std:h", METRIC_HISTOGRAM, "e:h", NULL), "histogram", others[i],
                      "std:h_sum 1\n");
}

/* A gauge std:a has no sample std:a_count; that name is another family's. */
static void names_that_overlap_are_told_apart(void **state) {
    (void)state;
    for (int order = 0; order < 2; order++) {
        struct mapping_builder *builder =
            family_of(order ? "std:a" : "std:a_count", METRIC_GAUGE, order ? "a" : "n", NULL);
        mapping_family(builder, order ? "std:a_count" : "std:a", METRIC_GAUGE, "Help.");
        add_source(builder, order ? "n" : "a", NULL);
        assert_renamed(builder, "a 1\nn 2\nstd:a_count 3\n",
                       "# HELP std:a Help.\n# TYPE std:a gauge\nstd:a 1\n");
    }
}

static void a_family_declared_twice_is_still_one(void **state) {
    (void)state;
    struct mapping_builder *builder = mapping_builder_new();
    mapping_family(builder, "std:w", METRIC_GAUGE, NULL);
    add_source(builder, "e:w", NULL);
    assert_renamed(builder,
                   "# HELP e:w First.\n# TYPE e:w gauge\ne:w{a=\"1\"} 1\n"
                   "# HELP e:w Second.\n# TYPE e:w gauge\ne:w{a=\"2\"} 2\n",
                   "# HELP std:w First.\n# TYPE std:w gauge\nstd:w{a=\"1\"} 1\nstd:w{a=\"2\"} 2\n");
}

/* The name of the line before is remembered; neighbours in every order must not be mixed up. */
static void neighbours_are_told_apart(void **state) {
    (void)state;
    struct mapping_builder *builder = family_of("std:w", METRIC_GAUGE, "e:w", NULL);
    mapping_family(builder, "std:w2", METRIC_GAUGE, "Help.");
    add_source(builder, "e:w2", NULL);
    assert_renamed(builder, "e:w 1\ne:w2 2\ne:w{a=\"b\"} 3\ne:w\ne:w22 1\ne:w2\t4\ne: 5\ne:w2 6\n",
                   "# HELP std:w Help.\n# TYPE std:w gauge\nstd:w 1\nstd:w{a=\"b\"} 3\n"
                   "# HELP std:w2 Help.\n# TYPE std:w2 gauge\nstd:w2 2\nstd:w2\t4\nstd:w2 6\n");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(copies_lines_verbatim),
        cmocka_unit_test(keeps_the_order_of_a_histogram),
        cmocka_unit_test(never_takes_a_look_alike),
        cmocka_unit_test(survives_every_form_of_line),
        cmocka_unit_test(takes_the_first_source_present),
        cmocka_unit_test(takes_a_pair_only_whole),
        cmocka_unit_test(one_source_may_serve_several_families),
        cmocka_unit_test(reports_what_became_of_each_family),
        cmocka_unit_test(a_family_exposed_already_is_not_made),
        cmocka_unit_test(names_that_overlap_are_told_apart),
        cmocka_unit_test(a_family_declared_twice_is_still_one),
        cmocka_unit_test(neighbours_are_told_apart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
