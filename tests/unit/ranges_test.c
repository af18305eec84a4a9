#include "store/ranges.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { BITS = 96 };

/* The ranges are the runs of a bitmap: sorted, apart from one another, and none empty. */
static void expect_bitmap(const struct ranges *ranges, const char bits[BITS]) {
    size_t index = 0;
    for (int at = 0; at < BITS;) {
        int end = at;
        while (end < BITS && bits[end] == bits[at])
            end++;
        if (bits[at]) {
            assert_true(index < ranges->count);
            assert_int_equal(ranges->list[index].first, at);
            assert_int_equal(ranges->list[index].end, end);
            index++;
        }
        at = end;
    }
    assert_int_equal(ranges->count, index);
}

static void test_ranges_are_the_runs_of_a_bitmap(void **state) {
    (void)state;
    unsigned int seed = 1;
    for (int round = 0; round < 3000; round++) {
        struct ranges ranges = {0};
        char bits[BITS] = {0};
        int longest = 1 + round % 40;
        for (int step = 0; step < 40; step++) {
            int first = rand_r(&seed) % BITS;
            int end = first + 1 + rand_r(&seed) % longest;
            if (rand_r(&seed) % 20 == 0) {
                ranges_clip(&ranges, first);
                memset(bits + first, 0, (size_t)(BITS - first));
            } else {
                end = end < BITS ? end : BITS;
                ranges_add(&ranges, first, end);
                memset(bits + first, 1, (size_t)(end - first));
            }
            expect_bitmap(&ranges, bits);
        }
        ranges_clear(&ranges);
        assert_int_equal(ranges.count, 0);
    }
}

static void test_takes_the_largest_numbers(void **state) {
    (void)state;
    struct ranges ranges = {0};
    ranges_add(&ranges, INT64_MAX - 1, INT64_MAX);
    ranges_add(&ranges, 0, 1);
    ranges_add(&ranges, 1, INT64_MAX - 1);
    assert_int_equal(ranges.count, 1);
    assert_int_equal(ranges.list[0].first, 0);
    assert_int_equal(ranges.list[0].end, INT64_MAX);
    ranges_clear(&ranges);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ranges_are_the_runs_of_a_bitmap),
        cmocka_unit_test(test_takes_the_largest_numbers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
