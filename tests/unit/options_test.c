#include "base/options.h"

#include "base/memory.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define COUNT(array) (sizeof(array) / sizeof *(array))

static const struct option_spec serve_options[] = {
    {.name = "engine",
     .short_name = 'E',
     .value = "NAME",
     .type = OPTION_STRING,
     .environment = "TEST_ENGINE",
     .required = true,
     .help = "whose page it is"},
    {.name = "pod",
     .short_name = 'I',
     .value = "NAME",
     .type = OPTION_STRING,
     .required = true,
     .help = "the pod"},
    {.name = "host",
     .short_name = 'H',
     .value = "ADDRESS",
     .type = OPTION_LIST,
     .environment = "TEST_HOST",
     .fallback = "0.0.0.0,::",
     .help = "where to listen: a name, an IPv4 or IPv6 address, or unix:/path for a socket that "
             "other containers of the pod can open"},
    {.name = "port",
     .short_name = 'P',
     .value = "NUMBER",
     .type = OPTION_PORT,
     .environment = "TEST_PORT",
     .fallback = "9000",
     .help = "the port"},
    {.name = "request-timeout",
     .value = "SECONDS",
     .type = OPTION_SECONDS,
     .environment = "TEST_REQUEST_TIMEOUT",
     .fallback = "30",
     .help = "the whole time allowed"},
    {.name = "max-page-bytes",
     .value = "SIZE",
     .type = OPTION_BYTES,
     .fallback = "64MiB",
     .help = "the largest page"},
    {.name = "log-format",
     .type = OPTION_CHOICE,
     .environment = "TEST_LOG_FORMAT",
     .fallback = "text",
     .choices = "text|json|both",
     .help = "how lines look"},
    {.name = "workers", .value = "N", .type = OPTION_INTEGER, .help = "how many"},
    {.name = "verbose",
     .short_name = 'v',
     .type = OPTION_FLAG,
     .environment = "TEST_VERBOSE",
     .help = "say more"},
};

static const struct command_spec serve = {
    .name = "serve",
    .summary = "serves",
    .usage = "",
    .description = "Serves the page of the engine, and after it the standard names, to anyone who "
                   "asks for it.\n\nA second paragraph.",
    .examples = "kthena-runtime serve -E x -I p\nkthena-runtime serve --help",
    .options = serve_options,
    .option_count = COUNT(serve_options),
};

static const struct option_spec run_options[] = {
    {.name = "rules", .short_name = 'r', .value = "DIR", .type = OPTION_LIST, .help = "rules"},
    {.name = "quiet", .short_name = 'q', .type = OPTION_FLAG, .help = "say less"},
};

static const struct command_spec run = {
    .name = "run",
    .usage = "[PATH...] [runner's flags]",
    .options = run_options,
    .option_count = COUNT(run_options),
    .positional_max = -1,
    .pass_unknown = true,
};

static const struct command_spec copy = {
    .name = "copy", .usage = "FROM [TO]", .positional_min = 1, .positional_max = 2};

static int set_up(void **state) {
    (void)state;
    for (size_t i = 0; i < COUNT(serve_options); i++)
        if (serve_options[i].environment)
            unsetenv(serve_options[i].environment);
    return 0;
}

/* Arguments in one text, separated by spaces; "''" is an empty one. */
static struct error *parse(const struct command_spec *command, const char *line,
                           struct options **options) {
    char *argv[32];
    int argc = 0;
    char *copied = memory_string(line);
    char *rest = NULL;
    for (char *word = strtok_r(copied, " ", &rest); word; word = strtok_r(NULL, " ", &rest)) {
        assert_true(argc < 31);
        argv[argc++] = strcmp(word, "''") == 0 ? "" : word;
    }
    argv[argc] = NULL;
    struct error *error = options_parse(command, argc, argv, options);
    memory_free(copied);
    return error;
}

static struct options *good(const struct command_spec *command, const char *line) {
    struct options *options = NULL;
    struct error *error = parse(command, line, &options);
    if (error)
        fail_msg("%s: %s", line, error->message);
    assert_non_null(options);
    return options;
}

static void bad(const struct command_spec *command, const char *line, const char *message) {
    struct options *options = NULL;
    struct error *error = parse(command, line, &options);
    assert_null(options);
    assert_non_null(error);
    assert_int_equal(error->kind, ERROR_INVALID);
    assert_string_equal(error->message, message);
    error_free(error);
}

/* For serve, with its required flags given. */
static struct options *served(const char *line) {
    char *whole = memory_format("-E e -I p %s", line);
    struct options *options = good(&serve, whole);
    memory_free(whole);
    return options;
}

static void refused(const char *line, const char *what) {
    char *whole = memory_format("-E e -I p %s", line);
    char *message = memory_format("%s see 'kthena-runtime serve --help'", what);
    bad(&serve, whole, message);
    memory_free(message);
    memory_free(whole);
}

static void expect_texts(size_t count, const char *const *values, const char *expected) {
    struct buffer joined = {0};
    for (size_t i = 0; i < count; i++)
        buffer_format(&joined, "%s%s", i ? "|" : "", values[i]);
    assert_string_equal(buffer_text(&joined), expected);
    buffer_free(&joined);
}

static void expect_list(const struct options *options, const char *name, const char *expected) {
    const char *const *values = NULL;
    size_t count = options_list(options, name, &values);
    expect_texts(count, values, expected);
}

static void expect_positional(const struct command_spec *command, const char *line,
                              const char *expected) {
    struct options *options = good(command, line);
    const char *const *values = NULL;
    size_t count = options_positional(options, &values);
    expect_texts(count, values, expected);
    options_free(options);
}

static void takes_every_spelling(void **state) {
    (void)state;
    static const char *const lines[] = {
        "--engine a --pod b --port 80 --verbose",
        "--engine=a --pod=b --port=80 --verbose=true",
        "-E a -I b -P 80 -v",
        "-Ea -Ib -P80 -v",
        "-v -P 80 -Ib --engine a",
        "-P 1 -P 80 -E x -Ea -Ib -v --port 80",
    };
    for (size_t i = 0; i < COUNT(lines); i++) {
        struct options *options = good(&serve, lines[i]);
        assert_string_equal(options_string(options, "engine"), "a");
        assert_string_equal(options_string(options, "pod"), "b");
        assert_int_equal(options_integer(options, "port"), 80);
        assert_true(options_flag(options, "verbose"));
        assert_true(options_given(options, "port"));
        options_free(options);
    }
}

static void fills_in_defaults(void **state) {
    (void)state;
    struct options *options = served("");
    assert_int_equal(options_integer(options, "port"), 9000);
    assert_true(options_seconds(options, "request-timeout") == 30.0);
    assert_int_equal(options_bytes(options, "max-page-bytes"), 64 << 20);
    assert_string_equal(options_string(options, "log-format"), "text");
    expect_list(options, "host", "0.0.0.0|::");
    assert_false(options_flag(options, "verbose"));
    assert_int_equal(options_integer(options, "workers"), 0);
    assert_null(options_string(options, "workers"));
    assert_false(options_given(options, "port"));
    assert_false(options_given(options, "workers"));
    assert_false(options_wants_help(options));
    options_free(options);
}

static void reads_the_environment(void **state) {
    (void)state;
    setenv("TEST_ENGINE", "from-env", 1);
    setenv("TEST_HOST", "a, b,,c ", 1);
    setenv("TEST_PORT", "81", 1);
    setenv("TEST_REQUEST_TIMEOUT", "", 1);
    setenv("TEST_VERBOSE", "yes", 1);
    struct options *options = good(&serve, "-I p");
    assert_string_equal(options_string(options, "engine"), "from-env");
    expect_list(options, "host", "a|b|c");
    assert_int_equal(options_integer(options, "port"), 81);
    assert_true(options_given(options, "port"));
    assert_true(options_seconds(options, "request-timeout") == 30.0);
    assert_false(options_given(options, "request-timeout"));
    assert_true(options_flag(options, "verbose"));
    options_free(options);
}

static void arguments_win_over_the_environment(void **state) {
    (void)state;
    setenv("TEST_PORT", "not a port", 1);
    setenv("TEST_HOST", "a,b", 1);
    setenv("TEST_VERBOSE", "on", 1);
    struct options *options = served("-P 82 -H c,d --host e --verbose=no");
    assert_int_equal(options_integer(options, "port"), 82);
    expect_list(options, "host", "c,d|e");
    assert_string_equal(options_string(options, "host"), "e");
    assert_false(options_flag(options, "verbose"));
    options_free(options);
}

static void names_the_variable_of_a_bad_value(void **state) {
    (void)state;
    setenv("TEST_PORT", "9k", 1);
    refused("", "invalid value '9k' for '--port' (from the variable TEST_PORT): "
                "expected a port number from 0 to 65535;");
    setenv("TEST_PORT", "1", 1);
    setenv("TEST_LOG_FORMAT", "JSON", 1);
    refused("", "invalid value 'JSON' for '--log-format' (from the variable TEST_LOG_FORMAT): "
                "expected text, json or both; did you mean 'json'?");
}

static void names_all_that_is_missing(void **state) {
    (void)state;
    bad(&serve, "",
        "missing required flags '--engine' (or the variable TEST_ENGINE) and '--pod'; "
        "see 'kthena-runtime serve --help'");
    bad(&serve, "-E x", "missing required flag '--pod'; see 'kthena-runtime serve --help'");
    setenv("TEST_ENGINE", "", 1);
    bad(&serve, "-I x",
        "missing required flag '--engine' (or the variable TEST_ENGINE); "
        "see 'kthena-runtime serve --help'");
}

static void names_the_nearest_flag(void **state) {
    (void)state;
    refused("--prot 9", "unknown flag '--prot'; did you mean '--port'?");
    refused("--prot=9", "unknown flag '--prot'; did you mean '--port'?");
    refused("--log-fromat json", "unknown flag '--log-fromat'; did you mean '--log-format'?");
    refused("--request 9", "unknown flag '--request'; did you mean '--request-timeout'?");
    refused("-engine", "unknown flag '-engine'; did you mean '--engine'?");
    refused("--hlep", "unknown flag '--hlep'; did you mean '--help'?");
    refused("--zzzzzz", "unknown flag '--zzzzzz';");
    refused("-z", "unknown flag '-z';");
    refused("-vv", "unknown flag '-vv';");
    refused("---", "unknown flag '---';");
    refused("--=x", "unknown flag '--';");
}

static void wants_values(void **state) {
    (void)state;
    refused("--port", "flag '--port' needs a value;");
    refused("-P", "flag '--port' needs a value;");
    refused("--port --verbose", "flag '--port' needs a value;");
    refused("--port --host=x", "flag '--port' needs a value;");
    refused("--port -v", "flag '--port' needs a value;");
    refused("--port --", "flag '--port' needs a value;");
    refused("--port ''", "invalid value '' for '--port': expected a port number from 0 to 65535;");
    struct options *options = served("--workers -3 --engine - -I --other");
    assert_int_equal(options_integer(options, "workers"), -3);
    assert_string_equal(options_string(options, "engine"), "-");
    assert_string_equal(options_string(options, "pod"), "--other");
    options_free(options);
}

static void counts_positional_arguments(void **state) {
    (void)state;
    refused("stray", "unexpected argument 'stray';");
    bad(&copy, "", "missing argument: expected FROM [TO]; see 'kthena-runtime copy --help'");
    bad(&copy, "a b c d", "unexpected argument 'c'; see 'kthena-runtime copy --help'");
    expect_positional(&copy, "a", "a");
    expect_positional(&copy, "a -", "a|-");
    expect_positional(&copy, "-- -x --y", "-x|--y");
    expect_positional(&copy, "a -- --", "a|--");
    expect_positional(&copy, "'' b", "|b");
}

static void passes_unknown_flags_on(void **state) {
    (void)state;
    expect_positional(&run, "", "");
    expect_positional(&run, "spec -o TAP --filter=a --filter b -v --no-x",
                      "spec|-o|TAP|--filter=a|--filter|b|-v|--no-x");
    expect_positional(&run, "-vq -q spec --rules d -- --rules e -- --help",
                      "-vq|spec|--rules|e|--|--help");
    struct options *options = good(&run, "--filter x --rules d -re --quiet");
    expect_list(options, "rules", "d|e");
    assert_true(options_flag(options, "quiet"));
    options_free(options);
    bad(&run, "--rules", "flag '--rules' needs a value; see 'kthena-runtime run --help'");
}

static void asking_for_help_requires_nothing(void **state) {
    (void)state;
    setenv("TEST_PORT", "nonsense", 1);
    static const char *const lines[] = {"--help", "-?", "-h", "-P 9 --help --no-such", "stray -?"};
    for (size_t i = 0; i < COUNT(lines); i++) {
        struct options *options = good(&serve, lines[i]);
        assert_true(options_wants_help(options));
        options_free(options);
    }
    struct options *options = good(&run, "spec --help");
    assert_true(options_wants_help(options));
    options_free(options);
    expect_positional(&copy, "-- --help", "--help");
}

static void h_may_be_a_flag_of_the_command(void **state) {
    (void)state;
    static const struct option_spec one[] = {
        {.name = "human", .short_name = 'h', .type = OPTION_FLAG, .help = "for people"}};
    static const struct command_spec list = {.name = "list", .options = one, .option_count = 1};
    struct options *options = good(&list, "-h");
    assert_true(options_flag(options, "human"));
    assert_false(options_wants_help(options));
    options_free(options);
}

static void none_can_be_freed(void **state) {
    (void)state;
    options_free(NULL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(takes_every_spelling, set_up),
        cmocka_unit_test_setup(fills_in_defaults, set_up),
        cmocka_unit_test_setup(reads_the_environment, set_up),
        cmocka_unit_test_setup(arguments_win_over_the_environment, set_up),
        cmocka_unit_test_setup(names_the_variable_of_a_bad_value, set_up),
        cmocka_unit_test_setup(names_all_that_is_missing, set_up),
        cmocka_unit_test_setup(names_the_nearest_flag, set_up),
        cmocka_unit_test_setup(wants_values, set_up),
        cmocka_unit_test_setup(counts_positional_arguments, set_up),
        cmocka_unit_test_setup(passes_unknown_flags_on, set_up),
        cmocka_unit_test_setup(asking_for_help_requires_nothing, set_up),
        cmocka_unit_test_setup(h_may_be_a_flag_of_the_command, set_up),
        cmocka_unit_test(none_can_be_freed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
