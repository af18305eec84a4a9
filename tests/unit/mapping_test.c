#include "metrics/mapping.h"

#include "base/memory.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void reports_families_and_alternatives_in_order(void **state) {
    (void)state;
    struct mapping_builder *builder = mapping_builder_new();
    mapping_family(builder, "std:waiting", METRIC_GAUGE, "Waiting.");
    mapping_alternative(builder, "engine:waiting", false);
    assert_null(mapping_part(builder, "engine:waiting", PART_VALUE, NULL));
    mapping_alternative(builder, "engine_waiting", false);
    assert_null(mapping_part(builder, "engine_waiting", PART_VALUE, NULL));
    mapping_family(builder, "std:none", METRIC_COUNTER, NULL);
    mapping_family(builder, "std:latency", METRIC_SUMMARY, NULL);
    mapping_alternative(builder, "engine:sum", true);
    struct mapping *mapping = mapping_build(builder);
    assert_int_equal(mapping_family_count(mapping), 3);
    assert_string_equal(mapping_family_name(mapping, 0), "std:waiting");
    assert_string_equal(mapping_family_name(mapping, 1), "std:none");
    assert_string_equal(mapping_family_name(mapping, 2), "std:latency");
    assert_string_equal(mapping_alternative_name(mapping, 0, 0), "engine:waiting");
    assert_string_equal(mapping_alternative_name(mapping, 0, 1), "engine_waiting");
    assert_null(mapping_alternative_name(mapping, 0, 2));
    assert_null(mapping_alternative_name(mapping, 1, 0));
    assert_string_equal(mapping_alternative_name(mapping, 2, 0), "engine:sum");
    assert_null(mapping_alternative_name(mapping, 2, 1));
    mapping_unref(mapping);
}

static void copies_what_it_is_given(void **state) {
    (void)state;
    char *name = memory_string("std:name"), *source = memory_string("engine:name");
    struct mapping_builder *builder = mapping_builder_new();
    mapping_family(builder, name, METRIC_GAUGE, name);
    mapping_drop_label(builder, name);
    mapping_rename_label(builder, name, source);
    mapping_add_label(builder, name, source);
    mapping_alternative(builder, source, false);
    mapping_where(builder, name, source);
    assert_null(mapping_part(builder, source, PART_VALUE, "0.5"));
    memset(name, 'x', strlen(name));
    memset(source, 'x', strlen(source));
    memory_free(name);
    memory_free(source);
    struct mapping *mapping = mapping_build(builder);
    assert_string_equal(mapping_family_name(mapping, 0), "std:name");
    assert_string_equal(mapping_alternative_name(mapping, 0, 0), "engine:name");
    mapping_unref(mapping);
}

static void refuses_factors_that_are_no_numbers(void **state) {
    (void)state;
    static const char *const bad[] = {"",     "0",   "-0.0", "0e9", "x",        "1 ",
                                      "0x10", "NaN", "Inf",  "1e",  "1e100000", "1.1.1"};
    static const char *const good[] = {"1", "1.0", "0.001", "1e-6", "-1", "+3.5E2", "1e99999"};
    struct mapping_builder *builder = mapping_builder_new();
    mapping_family(builder, "std:x", METRIC_GAUGE, NULL);
    mapping_alternative(builder, "x", false);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct error *error = mapping_part(builder, "x", PART_VALUE, bad[i]);
        assert_non_null(error);
        assert_int_equal(error->kind, ERROR_INVALID);
        char *expected =
            memory_format("expected a decimal number other than 0, got \"%s\"", bad[i]);
        assert_string_equal(error->message, expected);
        memory_free(expected);
        error_free(error);
    }
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        assert_null(mapping_part(builder, "x", PART_VALUE, good[i]));
    mapping_builder_free(builder);
}

static void an_abandoned_builder_leaves_nothing(void **state) {
    (void)state;
    mapping_builder_free(NULL);
    mapping_builder_free(mapping_builder_new());
    struct mapping_builder *builder = mapping_builder_new();
    mapping_family(builder, "std:x", METRIC_HISTOGRAM, "With \\ and \n and \".");
    mapping_merge(builder, MERGE_MAX);
    mapping_add_label(builder, "pod", "a\"b");
    mapping_alternative(builder, "x", true);
    mapping_where(builder, "a", "b");
    mapping_builder_free(builder);
}

static void lives_until_the_last_reference_goes(void **state) {
    (void)state;
    struct mapping_builder *builder = mapping_builder_new();
    mapping_family(builder, "std:x", METRIC_GAUGE, NULL);
    struct mapping *mapping = mapping_build(builder);
    assert_ptr_equal(mapping_ref(mapping), mapping);
    mapping_unref(mapping);
    assert_string_equal(mapping_family_name(mapping, 0), "std:x");
    mapping_unref(mapping);
    mapping_unref(NULL);
}

static void the_empty_mapping_is_one(void **state) {
    (void)state;
    assert_int_equal(mapping_family_count(mapping_empty()), 0);
    assert_ptr_equal(mapping_empty(), mapping_empty());
}

static void grows_with_its_rules(void **state) {
    (void)state;
    enum { FAMILIES = 300, ALTERNATIVES = 7 };
    struct mapping_builder *builder = mapping_builder_new();
    for (int i = 0; i < FAMILIES; i++) {
        char *name = memory_format("std:%d", i);
        mapping_family(builder, name, METRIC_GAUGE, NULL);
        memory_free(name);
        for (int j = 0; j < ALTERNATIVES; j++) {
            char *source = memory_format("engine%d:%d", j, i);
            mapping_alternative(builder, source, false);
            mapping_where(builder, source, source);
            assert_null(mapping_part(builder, source, PART_VALUE, NULL));
            mapping_add_label(builder, source, source);
            memory_free(source);
        }
    }
    struct mapping *mapping = mapping_build(builder);
    assert_int_equal(mapping_family_count(mapping), FAMILIES);
    assert_string_equal(mapping_family_name(mapping, 299), "std:299");
    assert_string_equal(mapping_alternative_name(mapping, 299, 6), "engine6:299");
    assert_string_equal(mapping_alternative_name(mapping, 0, 3), "engine3:0");
    mapping_unref(mapping);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reports_families_and_alternatives_in_order),
        cmocka_unit_test(copies_what_it_is_given),
        cmocka_unit_test(refuses_factors_that_are_no_numbers),
        cmocka_unit_test(an_abandoned_builder_leaves_nothing),
        cmocka_unit_test(lives_until_the_last_reference_goes),
        cmocka_unit_test(the_empty_mapping_is_one),
        cmocka_unit_test(grows_with_its_rules),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
