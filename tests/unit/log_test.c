#include "base/log.h"

#include "base/buffer.h"
#include "base/thread.h"

#include <errno.h>
#include <pthread.h>
#include <pty.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

/* A pipe that the log writes into; its reader does not block. */
struct fixture {
    int ends[2];
    char text[65536];
};

static int set_up(void **state) {
    struct fixture *fixture = calloc(1, sizeof *fixture);
    *state = fixture;
    return pipe(fixture->ends);
}

static int tear_down(void **state) {
    struct fixture *fixture = *state;
    log_configure(LOG_INFO, LOG_TEXT, STDERR_FILENO);
    close(fixture->ends[0]);
    close(fixture->ends[1]);
    free(fixture);
    return 0;
}

/* What was logged since the last call, after the time, which has its 24 characters checked. */
static const char *logged(struct fixture *fixture, size_t before) {
    assert_int_equal(write(fixture->ends[1], "", 1), 1);
    ssize_t length = read(fixture->ends[0], fixture->text, sizeof fixture->text);
    assert_true(length > 0 && fixture->text[length - 1] == '\0');
    if (length == 1)
        return "";
    static const char shape[] = "dddd-dd-ddTdd:dd:dd.dddZ";
    for (size_t i = 0; shape[i]; i++) {
        char byte = fixture->text[before + i];
        assert_true(shape[i] == 'd' ? byte >= '0' && byte <= '9' : byte == shape[i]);
    }
    return fixture->text + before + 24;
}

static void writes_a_line_of_text(void **state) {
    struct fixture *fixture = *state;
    log_configure(LOG_DEBUG, LOG_TEXT, fixture->ends[1]);
    log_debug("one %d", 1);
    assert_string_equal(logged(fixture, 0), " debug one 1\n");
    log_info("two");
    assert_string_equal(logged(fixture, 0), " info  two\n");
    log_warning("three\n");
    assert_string_equal(logged(fixture, 0), " warn  three\n");
    log_error("%s", "four");
    assert_string_equal(logged(fixture, 0), " error four\n");
    log_info("%s", "");
    assert_string_equal(logged(fixture, 0), " info  \n");
}

static void writes_a_line_of_json(void **state) {
    struct fixture *fixture = *state;
    log_configure(LOG_DEBUG, LOG_JSON, fixture->ends[1]);
    log_warning("a \"b\"\n\x01\xFF");
    assert_string_equal(
        logged(fixture, sizeof "{\"time\":\"" - 1),
        "\",\"level\":\"warning\",\"message\":\"a \\\"b\\\"\\n\\u0001\xEF\xBF\xBD\"}\n");
    log_info("%s", "");
    assert_string_equal(logged(fixture, sizeof "{\"time\":\"" - 1),
                        "\",\"level\":\"info\",\"message\":\"\"}\n");
}

static void escapes_control_characters(void **state) {
    struct fixture *fixture = *state;
    log_configure(LOG_INFO, LOG_TEXT, fixture->ends[1]);
    log_info("a\nb\tc\rd\x1b[31me\x7f"
             "f\x01");
    assert_string_equal(logged(fixture, 0), " info  a\\nb\\tc\\rd\\x1b[31me\\x7ff\\x01\n");
    log_info("gr\xC3\xBC\xC3\x9F \xC2\x9B"
             "31m \xFF \xC2\xA0");
    assert_string_equal(logged(fixture, 0),
                        " info  gr\xC3\xBC\xC3\x9F \\xc2\\x9b31m \\xff \xC2\xA0\n");
}

static void honours_the_level(void **state) {
    struct fixture *fixture = *state;
    log_configure(LOG_WARNING, LOG_TEXT, fixture->ends[1]);
    log_debug("no");
    log_info("no");
    log_error_free(LOG_INFO, error_new(ERROR_IO, NULL, "no"), "no");
    assert_string_equal(logged(fixture, 0), "");
    log_warning("yes");
    assert_string_equal(logged(fixture, 0), " warn  yes\n");
}

static void adds_the_error(void **state) {
    struct fixture *fixture = *state;
    log_configure(LOG_INFO, LOG_TEXT, fixture->ends[1]);
    struct error *cause = error_new(ERROR_IO, NULL, "disk full");
    log_error_free(LOG_ERROR, error_new(ERROR_IO, cause, "write"), "could not save %s", "x");
    assert_string_equal(logged(fixture, 0), " error could not save x: write: disk full\n");
    log_error_free(LOG_ERROR, NULL, "alone");
    assert_string_equal(logged(fixture, 0), " error alone\n");
}

static void leaves_errno_alone(void **state) {
    struct fixture *fixture = *state;
    log_configure(LOG_INFO, LOG_TEXT, -1);
    errno = EAGAIN;
    log_info("to nowhere");
    assert_int_equal(errno, EAGAIN);
    log_error_free(LOG_INFO, error_new(ERROR_IO, NULL, "x"), "to nowhere");
    assert_int_equal(errno, EAGAIN);
    log_configure(LOG_INFO, LOG_TEXT, fixture->ends[1]);
}

static void reads_words(void **state) {
    (void)state;
    enum log_level level = LOG_INFO;
    enum log_format format = LOG_TEXT;
    assert_true(log_level_parse("debug", &level));
    assert_int_equal(level, LOG_DEBUG);
    assert_true(log_level_parse("error", &level));
    assert_int_equal(level, LOG_ERROR);
    assert_false(log_level_parse("warn", &level));
    assert_int_equal(level, LOG_ERROR);
    assert_true(log_format_parse("json", &format));
    assert_int_equal(format, LOG_JSON);
    assert_true(log_format_parse("text", &format));
    assert_int_equal(format, LOG_TEXT);
    assert_false(log_format_parse("xml", &format));
}

/* Whether a line written to a terminal has an escape sequence in it. */
static int is_coloured(enum log_format format) {
    int master = -1;
    int terminal = -1;
    char line[256];
    assert_int_equal(openpty(&master, &terminal, NULL, NULL, NULL), 0);
    log_configure(LOG_INFO, format, terminal);
    log_info("x");
    ssize_t length = read(master, line, sizeof line);
    assert_true(length > 0);
    close(master);
    close(terminal);
    return memchr(line, '\x1b', (size_t)length) != NULL;
}

static void has_colours_on_terminals_only(void **state) {
    (void)state;
    setenv("TERM", "xterm", 1);
    unsetenv("NO_COLOR");
    assert_true(is_coloured(LOG_TEXT));
    assert_false(is_coloured(LOG_JSON));
    setenv("NO_COLOR", "", 1);
    assert_true(is_coloured(LOG_TEXT));
    setenv("NO_COLOR", "1", 1);
    assert_false(is_coloured(LOG_TEXT));
    unsetenv("NO_COLOR");
    setenv("TERM", "dumb", 1);
    assert_false(is_coloured(LOG_TEXT));
}

enum { WRITERS = 4, LINES = 200, LINE_LENGTH = 6000 };

static void *write_lines(void *context) {
    char letter = *(const char *)context;
    char message[LINE_LENGTH + 1] = {0};
    memset(message, letter, LINE_LENGTH);
    for (int i = 0; i < LINES; i++)
        log_info("%s", message);
    return NULL;
}

static void check_line(const char *line) {
    static const char start[] = "info  ";
    const char *message = strstr(line, start);
    assert_non_null(message);
    message += sizeof start - 1;
    assert_int_equal(strlen(message), LINE_LENGTH);
    assert_int_equal(strspn(message, (char[]){message[0], '\0'}), LINE_LENGTH);
}

/* Lines longer than what a pipe takes at once stay whole. */
static void lines_of_threads_never_mix(void **state) {
    struct fixture *fixture = *state;
    static const char letters[] = "abcd";
    pthread_t writers[WRITERS];
    log_configure(LOG_INFO, LOG_TEXT, fixture->ends[1]);
    for (int i = 0; i < WRITERS; i++)
        assert_null(thread_start(&writers[i], "writer", write_lines, (void *)&letters[i]));
    FILE *stream = fdopen(dup(fixture->ends[0]), "r");
    char *line = NULL;
    size_t size = 0;
    for (int i = 0; i < WRITERS * LINES; i++) {
        ssize_t length = getline(&line, &size, stream);
        assert_true(length > 0);
        line[length - 1] = '\0';
        check_line(line);
    }
    for (int i = 0; i < WRITERS; i++)
        pthread_join(writers[i], NULL);
    free(line);
    fclose(stream);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(writes_a_line_of_text, set_up, tear_down),
        cmocka_unit_test_setup_teardown(writes_a_line_of_json, set_up, tear_down),
        cmocka_unit_test_setup_teardown(escapes_control_characters, set_up, tear_down),
        cmocka_unit_test_setup_teardown(honours_the_level, set_up, tear_down),
        cmocka_unit_test_setup_teardown(adds_the_error, set_up, tear_down),
        cmocka_unit_test_setup_teardown(leaves_errno_alone, set_up, tear_down),
        cmocka_unit_test(reads_words),
        cmocka_unit_test_setup_teardown(has_colours_on_terminals_only, set_up, tear_down),
        cmocka_unit_test_setup_teardown(lines_of_threads_never_mix, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
