#include "transfer/headers.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define COUNT(array) (sizeof(array) / sizeof *(array))

static void content_ranges_are_read(void **state) {
    (void)state;
    static const struct {
        const char *value;
        int64_t first, last, total;
    } cases[] = {
        {"bytes 0-499/1234", 0, 499, 1234},
        {"Bytes 0-0/1", 0, 0, 1},
        {"bytes 500-999/*", 500, 999, -1},
        {"bytes 007-007/010", 7, 7, 10},
        {"bytes 0-9223372036854775806/9223372036854775807", 0, INT64_MAX - 1, INT64_MAX},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        int64_t first, last, total;
        assert_true(header_content_range(cases[i].value, &first, &last, &total));
        assert_int_equal(first, cases[i].first);
        assert_int_equal(last, cases[i].last);
        assert_int_equal(total, cases[i].total);
    }
}

static void what_is_no_content_range_is_refused(void **state) {
    (void)state;
    static const char *const wrong[] = {
        "",
        "bytes",
        "bytes ",
        "bytes=0-499/1234",
        "bytes */1234",
        "bytes 0-499",
        "bytes 0-499/",
        "bytes 0-/1234",
        "bytes -499/1234",
        "bytes 500-499/1234",
        "bytes 0-1234/1234",
        "bytes 0-499/1234 ",
        "bytes  0-499/1234",
        "bytes 0 - 499/1234",
        "bytes +0-499/1234",
        "bytes 0-499/-1",
        "bytes 0-499/**",
        "bytes 0x0-499/1234",
        "lines 0-499/1234",
        "bytes 0-9223372036854775807/9223372036854775808",
        "bytes 0-99999999999999999999/*",
    };
    for (size_t i = 0; i < COUNT(wrong); i++) {
        int64_t first = 1, last = 2, total = 3;
        if (header_content_range(wrong[i], &first, &last, &total))
            fail_msg("taken: %s", wrong[i]);
        assert_true(first == 1 && last == 2 && total == 3);
    }
}

static void retry_after_is_seconds_or_a_date(void **state) {
    (void)state;
    const double wall = 784111777; /* Sun, 06 Nov 1994 08:49:37 GMT */
    static const struct {
        const char *value;
        int64_t ms;
    } cases[] = {
        {"0", 0},
        {"120", 120000},
        {"9223372036854775", 9223372036854775000},
        {"9223372036854776", -1},
        {"Sun, 06 Nov 1994 08:49:37 GMT", 0},
        {"Sun, 06 Nov 1994 08:50:07 GMT", 30000},
        {"Sun, 06 Nov 1994 08:49:07 GMT", 0},
        {"Sunday, 06-Nov-94 08:49:47 GMT", 10000},
        {"Sun Nov  6 08:49:38 1994", 1000},
        {"Mon, 07 Nov 1994 08:49:37 GMT", 86400000},
        {"", -1},
        {"-1", -1},
        {"1.5", -1},
        {"12 s", -1},
        {"soon", -1},
        {"Sun, 06 Nov 1994 08:49:37", -1},
        {"Sun, 06 Nov 1994 08:49:37 GMT+1", -1},
        {"Sun, 06 Nov", -1},
    };
    for (size_t i = 0; i < COUNT(cases); i++)
        if (header_retry_after(cases[i].value, wall) != cases[i].ms)
            fail_msg("%s: %lld", cases[i].value,
                     (long long)header_retry_after(cases[i].value, wall));
}

static void rate_limits_tell_when_to_come_back(void **state) {
    (void)state;
    static const struct {
        const char *value;
        int64_t ms;
    } cases[] = {
        {"\"api\";r=0;t=55", 56000},
        {"\"api\";r=0;t=0", 1000},
        {"\"api\";r=1;t=55", 0},
        {"\"api\";r=499", 0},
        {"\"api\" ; r=0 ; t=55", 56000},
        {"\"api\";t=55;r=0", 56000},
        {"api;r=0;t=5", 6000},
        {"\"a \\\"b\\\";r=9\";r=0;t=2", 3000},
        {"\"api\";r=0;t=55;pk=\"x;y\";flag", 56000},
        {"\"a\";r=0;t=5, \"b\";r=0;t=9, \"c\";r=5;t=99", 10000},
        {"\"api\"", -1},
        {"\"api\";r=0", -1},
        {"\"api\";t=55", -1},
        {"", -1},
        {";r=0;t=55", -1},
        {"\"api;r=0;t=55", -1},
        {"\"api\";r=;t=55", -1},
        {"\"api\";r=-1;t=55", -1},
        {"\"api\";r=0;t=99999999999999999999", -1},
        {"\"api\";r=0;t=55,", -1},
        {"\"api\";r=0;t=55 x", -1},
        {"\"api\";r=0;;t=55", -1},
        {"limit=100, remaining=0, reset=50", -1},
    };
    for (size_t i = 0; i < COUNT(cases); i++)
        if (header_rate_limit(cases[i].value) != cases[i].ms)
            fail_msg("%s: %lld", cases[i].value, (long long)header_rate_limit(cases[i].value));
}

static void some_statuses_pass(void **state) {
    (void)state;
    int passing = 0;
    for (long status = 0; status < 1000; status++)
        passing += header_status_is_passing(status);
    assert_int_equal(passing, 6);
    static const long statuses[] = {408, 429, 500, 502, 503, 504};
    for (size_t i = 0; i < COUNT(statuses); i++)
        assert_true(header_status_is_passing(statuses[i]));
}

static void delays_grow_and_heed_the_server(void **state) {
    (void)state;
    static const int64_t longest[] = {1000, 2000, 4000, 8000, 8000, 8000};
    int64_t least = INT64_MAX, most = 0;
    for (int round = 0; round < 200; round++)
        for (size_t i = 0; i < COUNT(longest); i++) {
            int64_t delay = retry_delay_ms((int)i + 2, -1);
            assert_in_range(delay, longest[i] / 2, longest[i]);
            least = i == 3 && delay < least ? delay : least;
            most = i == 3 && delay > most ? delay : most;
        }
    assert_true(least < most); /* the jitter is one */
    assert_int_equal(retry_delay_ms(2, 30000), 30000);
    assert_int_equal(retry_delay_ms(9, 299000), 299000);
    assert_int_equal(retry_delay_ms(2, 300001), 300000);
    assert_int_equal(retry_delay_ms(2, INT64_MAX), 300000);
    assert_in_range(retry_delay_ms(5, 10), 4000, 8000);
    assert_in_range(retry_delay_ms(1000000, 0), 4000, 8000);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(content_ranges_are_read),
        cmocka_unit_test(what_is_no_content_range_is_refused),
        cmocka_unit_test(retry_after_is_seconds_or_a_date),
        cmocka_unit_test(rate_limits_tell_when_to_come_back),
        cmocka_unit_test(some_statuses_pass),
        cmocka_unit_test(delays_grow_and_heed_the_server),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
