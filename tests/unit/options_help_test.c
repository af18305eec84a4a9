#include "base/options.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define COUNT(array) (sizeof(array) / sizeof *(array))

static void expect_help(const struct command_spec *command, const char *expected) {
    struct buffer out = {0};
    options_help(command, "kthena-runtime", &out);
    assert_string_equal(buffer_text(&out), expected);
    buffer_free(&out);
}

static const struct option_spec serve_options[] = {
    {.name = "engine",
     .short_name = 'E',
     .value = "NAME",
     .type = OPTION_STRING,
     .environment = "ENGINE",
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
     .environment = "HOST",
     .fallback = "0.0.0.0",
     .help = "where to listen: a name, an IPv4 or IPv6 address, or unix:/path for a socket that "
             "other containers of the pod can open"},
    {.name = "request-timeout",
     .value = "SECONDS",
     .type = OPTION_SECONDS,
     .environment = "REQUEST_TIMEOUT",
     .fallback = "30",
     .help = "the whole time that is allowed"},
    {.name = "log-format",
     .type = OPTION_CHOICE,
     .fallback = "text",
     .choices = "text|json",
     .help = "how lines look"},
    {.name = "rules", .type = OPTION_LIST, .help = "more rules"},
    {.name = "verbose", .short_name = 'v', .type = OPTION_FLAG, .help = "say more"},
};

static void is_one_neat_screen(void **state) {
    (void)state;
    static const struct command_spec serve = {
        .name = "serve",
        .usage = "",
        .description = "Serves the page of the engine, and after it the standard names, to anyone "
                       "who asks for it, again and again.\n\nA second paragraph.",
        .examples = "kthena-runtime serve -E x -I p\n\nkthena-runtime serve --help",
        .options = serve_options,
        .option_count = COUNT(serve_options),
    };
    expect_help(&serve,
                "usage: kthena-runtime serve [options]\n"
                "\n"
                "Serves the page of the engine, and after it the standard names, to anyone who "
                "asks for it, again and\n"
                "again.\n"
                "\n"
                "A second paragraph.\n"
                "\n"
                "options:\n"
                "  -E, --engine NAME              whose page it is [required, env ENGINE]\n"
                "  -I, --pod NAME                 the pod [required]\n"
                "  -H, --host ADDRESS             where to listen: a name, an IPv4 or IPv6 "
                "address, or unix:/path for\n"
                "                                 a socket that other containers of the pod can "
                "open\n"
                "                                 [repeatable, env HOST, default 0.0.0.0]\n"
                "      --request-timeout SECONDS  the whole time that is allowed "
                "[env REQUEST_TIMEOUT, default 30]\n"
                "      --log-format text|json     how lines look [default text]\n"
                "      --rules VALUE              more rules [repeatable]\n"
                "  -v, --verbose                  say more\n"
                "  -h, --help                     show this help\n"
                "\n"
                "examples:\n"
                "  kthena-runtime serve -E x -I p\n"
                "\n"
                "  kthena-runtime serve --help\n");
}

static void leaves_out_what_there_is_not(void **state) {
    (void)state;
    static const struct command_spec version = {.name = "version"};
    expect_help(&version, "usage: kthena-runtime version [options]\n"
                          "\n"
                          "options:\n"
                          "  -h, --help  show this help\n");
}

static void gives_way_to_an_h_of_the_command(void **state) {
    (void)state;
    static const struct option_spec one[] = {
        {.name = "human", .short_name = 'h', .type = OPTION_FLAG, .help = "for people"}};
    static const struct command_spec list = {
        .name = "list", .usage = "[FILE]", .options = one, .option_count = 1};
    expect_help(&list, "usage: kthena-runtime list [options] [FILE]\n"
                       "\n"
                       "options:\n"
                       "  -h, --human  for people\n"
                       "  -?, --help   show this help\n");
}

static void keeps_within_100_columns(void **state) {
    (void)state;
    static const struct option_spec wide[] = {
        {.name = "a-name-so-long-that-its-help-is-below",
         .value = "VALUE",
         .type = OPTION_STRING,
         .environment = "A_VARIABLE_WITH_A_LONG_NAME",
         .fallback = "and a default of many words, which has to be broken into more than one line",
         .help = "gr\xC3\xBC\xC3\x9F"
                 "e gr\xC3\xBC\xC3\x9F"
                 "e gr\xC3\xBC\xC3\x9F"
                 "e gr\xC3\xBC\xC3\x9F"
                 "e gr\xC3\xBC\xC3\x9F"
                 "e gr\xC3\xBC\xC3\x9F"
                 "e gr\xC3\xBC\xC3\x9F"
                 "e gr\xC3\xBC\xC3\x9F"
                 "e gr\xC3\xBC\xC3\x9F"
                 "e gr\xC3\xBC\xC3\x9F"
                 "e gr\xC3\xBC\xC3\x9F"
                 "e gr\xC3\xBC\xC3\x9F"
                 "e gr\xC3\xBC\xC3\x9F"
                 "e gr\xC3\xBC\xC3\x9F"
                 "e and  on"}};
    static const struct command_spec command = {.name = "w", .options = wide, .option_count = 1};
    static const char greeting[] = "gr\xC3\xBC\xC3\x9F"
                                   "e";
    struct buffer out = {0};
    options_help(&command, "kthena-runtime", &out);
    size_t lines = 0;
    char *rest = NULL;
    buffer_text(&out);
    for (char *line = strtok_r(out.data, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
        size_t columns = 0;
        for (const char *each = line; *each; each++)
            columns += ((unsigned char)*each & 0xC0) != 0x80;
        assert_true(columns <= 100);
        assert_true(line[strlen(line) - 1] != ' ');
        if (lines++ == 2)
            assert_string_equal(line, "      --a-name-so-long-that-its-help-is-below VALUE");
        if (lines == 4)
            assert_non_null(strstr(line, greeting));
        assert_null(strstr(line, "and  on"));
    }
    assert_int_equal(lines, 7);
    buffer_free(&out);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(is_one_neat_screen),
        cmocka_unit_test(leaves_out_what_there_is_not),
        cmocka_unit_test(gives_way_to_an_h_of_the_command),
        cmocka_unit_test(keeps_within_100_columns),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
