#include "base/options.h"

#include "base/memory.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define COUNT(array) (sizeof(array) / sizeof *(array))

static const struct option_spec specs[] = {
    {.name = "integer", .type = OPTION_INTEGER},
    {.name = "port", .type = OPTION_PORT},
    {.name = "seconds", .type = OPTION_SECONDS},
    {.name = "bytes", .type = OPTION_BYTES},
    {.name = "choice", .type = OPTION_CHOICE, .choices = "text|json|both"},
    {.name = "flag", .type = OPTION_FLAG},
};

static const struct command_spec command = {
    .name = "try", .usage = "", .options = specs, .option_count = COUNT(specs)};

static struct error *parse(const char *name, const char *text, struct options **options) {
    char *argument = memory_format("--%s=%s", name, text);
    struct error *error = options_parse(&command, 1, &argument, options);
    memory_free(argument);
    return error;
}

static struct options *good(const char *name, const char *text) {
    struct options *options = NULL;
    struct error *error = parse(name, text, &options);
    if (error)
        fail_msg("%s: %s", text, error->message);
    assert_string_equal(options_string(options, name), text);
    return options;
}

static void bad(const char *name, const char *text, const char *expected) {
    struct options *options = NULL;
    struct error *error = parse(name, text, &options);
    if (!error)
        fail_msg("--%s=%s is taken", name, text);
    char *message = memory_format("invalid value '%s' for '--%s': expected %s "
                                  "see 'kthena-runtime try --help'",
                                  text, name, expected);
    assert_string_equal(error->message, message);
    assert_null(options);
    memory_free(message);
    error_free(error);
}

static void reads_integers(void **state) {
    (void)state;
    static const struct {
        const char *text;
        int64_t value;
    } cases[] = {
        {"0", 0},
        {"-5", -5},
        {"+5", 5},
        {"007", 7},
        {"9223372036854775807", INT64_MAX},
        {"-9223372036854775808", INT64_MIN},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct options *options = good("integer", cases[i].text);
        assert_true(options_integer(options, "integer") == cases[i].value);
        options_free(options);
    }
}

static void refuses_other_integers(void **state) {
    (void)state;
    static const char *const wrong[] = {"", "x", "1x", "0x10", "1.5", "-", "--1", " 1", "1e3"};
    for (size_t i = 0; i < COUNT(wrong); i++)
        bad("integer", wrong[i], "a whole number;");
    bad("integer", "9223372036854775808", "a whole number that fits in 64 bits;");
    bad("integer", "-9223372036854775809", "a whole number that fits in 64 bits;");
}

static void reads_ports(void **state) {
    (void)state;
    static const char *const wrong[] = {"", "65536", "-1", "+1", "80x", "99999999999999999999"};
    static const int right[] = {0, 1, 80, 65535};
    for (size_t i = 0; i < COUNT(right); i++) {
        char text[8];
        snprintf(text, sizeof text, "%d", right[i]);
        struct options *options = good("port", text);
        assert_int_equal(options_integer(options, "port"), right[i]);
        options_free(options);
    }
    for (size_t i = 0; i < COUNT(wrong); i++)
        bad("port", wrong[i], "a port number from 0 to 65535;");
}

static void reads_durations(void **state) {
    (void)state;
    static const struct {
        const char *text;
        double seconds;
    } cases[] = {
        {"30", 30},    {"0.5", 0.5},     {"30s", 30},  {"500ms", 0.5},
        {"2m", 120},   {"1.5h", 5400},   {"0", 0},     {"1.", 1},
        {".25", 0.25}, {"123ms", 0.123}, {"0.1", 0.1}, {"1000000000", 1e9},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct options *options = good("seconds", cases[i].text);
        assert_true(options_seconds(options, "seconds") == cases[i].seconds);
        options_free(options);
    }
}

static void refuses_other_durations(void **state) {
    (void)state;
    static const char *const wrong[] = {"",     ".",     "-1",  "+1",  "1e3", "inf", "nan",
                                        "0x10", "1.2.3", "3 s", "10d", "s",   "5S",  " 5"};
    for (size_t i = 0; i < COUNT(wrong); i++)
        bad("seconds", wrong[i], "a duration such as 30, 0.5, 500ms or 2m;");
    double seconds = 7;
    assert_true(options_read_seconds("1.5m", &seconds));
    assert_true(seconds == 90);
    assert_false(options_read_seconds("1000000001", &seconds));
    assert_false(options_read_seconds("soon", &seconds));
    assert_true(seconds == 90);
    bad("seconds", "1000000001", "a duration of at most 1000000000 seconds;");
    bad("seconds", "300000h", "a duration of at most 1000000000 seconds;");
}

static void reads_sizes(void **state) {
    (void)state;
    static const struct {
        const char *text;
        size_t bytes;
    } cases[] = {
        {"1048576", 1048576},
        {"64MiB", 64 << 20},
        {"64MB", 64000000},
        {"10k", 10240},
        {"10K", 10240},
        {"10kB", 10000},
        {"10KiB", 10240},
        {"10kib", 10240},
        {"1g", 1 << 30},
        {"1GB", 1000000000},
        {"2T", 2ULL << 40},
        {"5B", 5},
        {"0", 0},
        {"18446744073709551615", SIZE_MAX},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct options *options = good("bytes", cases[i].text);
        assert_true(options_bytes(options, "bytes") == cases[i].bytes);
        options_free(options);
    }
}

static void refuses_other_sizes(void **state) {
    (void)state;
    static const char *const wrong[] = {"",     "x",   "-1",   "+1",     "1.5g", "10 k",
                                        "10kk", "10i", "10bb", "10kiB2", "k",    "0x10"};
    for (size_t i = 0; i < COUNT(wrong); i++)
        bad("bytes", wrong[i], "a size such as 1048576, 64MiB, 64MB or 10k;");
    bad("bytes", "16777216T", "a size that fits in 64 bits;");
    bad("bytes", "18446744073709551616", "a size that fits in 64 bits;");
}

static void reads_choices(void **state) {
    (void)state;
    options_free(good("choice", "text"));
    options_free(good("choice", "json"));
    options_free(good("choice", "both"));
    bad("choice", "jsn", "text, json or both; did you mean 'json'?");
    bad("choice", "tex", "text, json or both; did you mean 'text'?");
    bad("choice", "JSON", "text, json or both; did you mean 'json'?");
    bad("choice", "zzzzz", "text, json or both;");
    bad("choice", "text|json", "text, json or both;");
    bad("choice", "", "text, json or both;");
}

static void reads_truth_values(void **state) {
    (void)state;
    static const char *const yes[] = {"true", "1", "yes", "on", "TRUE"};
    static const char *const no[] = {"false", "0", "no", "off", "False"};
    for (size_t i = 0; i < COUNT(yes); i++) {
        struct options *options = good("flag", yes[i]);
        assert_true(options_flag(options, "flag"));
        options_free(options);
        options = good("flag", no[i]);
        assert_false(options_flag(options, "flag"));
        assert_true(options_given(options, "flag"));
        options_free(options);
    }
    bad("flag", "maybe", "true or false;");
    bad("flag", "", "true or false;");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_integers),
        cmocka_unit_test(refuses_other_integers),
        cmocka_unit_test(reads_ports),
        cmocka_unit_test(reads_durations),
        cmocka_unit_test(refuses_other_durations),
        cmocka_unit_test(reads_sizes),
        cmocka_unit_test(refuses_other_sizes),
        cmocka_unit_test(reads_choices),
        cmocka_unit_test(reads_truth_values),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
