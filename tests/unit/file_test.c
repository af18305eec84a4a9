#include "base/file.h"

#include "base/memory.h"
#include "base/thread.h"

#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

/* A directory of its own for each test, removed with all that is in it. */
struct fixture {
    char dir[64];
    struct buffer out;
};

static int set_up(void **state) {
    struct fixture *fixture = calloc(1, sizeof *fixture);
    snprintf(fixture->dir, sizeof fixture->dir, "/tmp/kthena-file-test-XXXXXX");
    *state = fixture;
    return mkdtemp(fixture->dir) ? 0 : -1;
}

static int tear_down(void **state) {
    struct fixture *fixture = *state;
    char *command = memory_format("rm -r '%s'", fixture->dir);
    int status = system(command);
    memory_free(command);
    buffer_free(&fixture->out);
    free(fixture);
    return status;
}

/* The path of a name in the fixture's directory, until the next call. */
static const char *in(const struct fixture *fixture, const char *name) {
    static char path[128];
    snprintf(path, sizeof path, "%s/%s", fixture->dir, name);
    return path;
}

static void put_file(const struct fixture *fixture, const char *name, size_t length) {
    FILE *stream = fopen(in(fixture, name), "w");
    assert_non_null(stream);
    for (size_t i = 0; i < length; i++)
        assert_int_not_equal(fputc((int)('a' + i % 26), stream), EOF);
    assert_int_equal(fclose(stream), 0);
}

static void expect_error(struct error *error, enum error_kind kind, const char *part) {
    assert_non_null(error);
    assert_int_equal(error->kind, kind);
    assert_non_null(strstr(error->message, part));
    error_free(error);
}

static void reads_whole_files(void **state) {
    struct fixture *fixture = *state;
    static const size_t sizes[] = {0, 1, 65535, 65536, 65537, 1000000};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        put_file(fixture, "file", sizes[i]);
        buffer_clear(&fixture->out);
        buffer_string(&fixture->out, "before");
        assert_null(file_read(in(fixture, "file"), sizes[i], &fixture->out));
        assert_int_equal(fixture->out.length, sizes[i] + 6);
        assert_memory_equal(fixture->out.data, "before", 6);
        for (size_t j = 0; j < sizes[i]; j++)
            assert_int_equal(fixture->out.data[j + 6], 'a' + j % 26);
    }
}

static void refuses_more_than_the_limit(void **state) {
    struct fixture *fixture = *state;
    put_file(fixture, "file", 1001);
    buffer_string(&fixture->out, "before");
    expect_error(file_read(in(fixture, "file"), 1000, &fixture->out), ERROR_LIMIT,
                 "/file: it is larger than 1000 bytes");
    assert_string_equal(buffer_text(&fixture->out), "before");
    assert_null(file_read(in(fixture, "file"), 0, &fixture->out));
    assert_int_equal(fixture->out.length, 1007);
    expect_error(file_read("/dev/zero", 1 << 20, &fixture->out), ERROR_LIMIT, "/dev/zero");
}

static void says_why_it_cannot_read(void **state) {
    struct fixture *fixture = *state;
    expect_error(file_read(in(fixture, "none"), 0, &fixture->out), ERROR_NOT_FOUND,
                 "/none: No such file or directory");
    expect_error(file_read(fixture->dir, 0, &fixture->out), ERROR_IO, "Is a directory");
    put_file(fixture, "file", 1);
    expect_error(file_read(in(fixture, "file/below"), 0, &fixture->out), ERROR_NOT_FOUND,
                 "Not a directory");
    assert_int_equal(chmod(in(fixture, "file"), 0), 0);
    if (geteuid() != 0)
        expect_error(file_read(in(fixture, "file"), 0, &fixture->out), ERROR_DENIED, "denied");
    assert_int_equal(fixture->out.length, 0);
}

/* Writes more than a pipe holds, so that the reader has to read many times. */
static void *fill_pipe(void *context) {
    int fd = *(int *)context;
    char block[1000];
    memset(block, 'p', sizeof block);
    for (int i = 0; i < 300; i++)
        if (write(fd, block, sizeof block) != sizeof block)
            break;
    close(fd);
    return NULL;
}

static void reads_pipes_and_standard_input(void **state) {
    struct fixture *fixture = *state;
    int saved = dup(STDIN_FILENO);
    for (int round = 0; round < 2; round++) {
        int ends[2];
        char path[32] = "/dev/stdin";
        pthread_t writer;
        assert_int_equal(pipe(ends), 0);
        if (round == 0)
            assert_int_equal(dup2(ends[0], STDIN_FILENO), STDIN_FILENO);
        else
            snprintf(path, sizeof path, "/dev/fd/%d", ends[0]);
        assert_null(thread_start(&writer, "writer", fill_pipe, &ends[1]));
        buffer_clear(&fixture->out);
        assert_null(file_read(path, 300000, &fixture->out));
        pthread_join(writer, NULL);
        assert_int_equal(fixture->out.length, 300000);
        close(ends[0]);
    }
    dup2(saved, STDIN_FILENO);
    close(saved);
}

static void standard_input_goes_on_from_where_it_stands(void **state) {
    struct fixture *fixture = *state;
    int saved = dup(STDIN_FILENO);
    put_file(fixture, "file", 26);
    int fd = open(in(fixture, "file"), O_RDONLY);
    assert_int_equal(lseek(fd, 20, SEEK_SET), 20);
    assert_int_equal(dup2(fd, STDIN_FILENO), STDIN_FILENO);
    assert_null(file_read("/dev/stdin", 0, &fixture->out));
    assert_string_equal(buffer_text(&fixture->out), "uvwxyz");
    dup2(saved, STDIN_FILENO);
    close(saved);
    close(fd);
}

static void joins(void **state) {
    (void)state;
    static const struct {
        const char *dir, *name, *joined;
    } cases[] = {
        {"a", "b", "a/b"}, {"a/", "b", "a/b"},    {"/", "b", "/b"},
        {"", "b", "b"},    {".", "b/c", "./b/c"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char *joined = file_join(cases[i].dir, cases[i].name);
        assert_string_equal(joined, cases[i].joined);
        memory_free(joined);
    }
}

static void lists_sorted_names(void **state) {
    struct fixture *fixture = *state;
    static const char *const files[] = {"b.lua",       "a.lua", "B.lua", "a.lua.bak",
                                        ".hidden.lua", "lua",   ".lua",  "c.txt"};
    for (size_t i = 0; i < sizeof files / sizeof *files; i++)
        put_file(fixture, files[i], 1);
    assert_int_equal(mkdir(in(fixture, "d.lua"), 0700), 0);
    assert_int_equal(symlink("a.lua", in(fixture, "link.lua")), 0);
    assert_int_equal(symlink("nowhere", in(fixture, "dangling.lua")), 0);
    static const char *const expected[] = {"B.lua", "a.lua", "b.lua", "dangling.lua", "link.lua"};
    char **names = NULL;
    size_t count = 0;
    assert_null(file_list(fixture->dir, ".lua", &names, &count));
    assert_int_equal(count, sizeof expected / sizeof *expected);
    for (size_t i = 0; i < count; i++)
        assert_string_equal(names[i], expected[i]);
    file_list_free(names, count);
    assert_null(file_list(fixture->dir, NULL, &names, &count));
    assert_int_equal(count, 8);
    file_list_free(names, count);
}

static void lists_nothing(void **state) {
    struct fixture *fixture = *state;
    char **names = NULL;
    size_t count = 1;
    assert_null(file_list(fixture->dir, ".lua", &names, &count));
    assert_int_equal(count, 0);
    file_list_free(names, count);
    expect_error(file_list(in(fixture, "none"), ".lua", &names, &count), ERROR_NOT_FOUND,
                 "could not list directory");
    assert_null(names);
    put_file(fixture, "file", 1);
    expect_error(file_list(in(fixture, "file"), ".lua", &names, &count), ERROR_NOT_FOUND,
                 "Not a directory");
}

static void knows_directories(void **state) {
    struct fixture *fixture = *state;
    put_file(fixture, "file", 1);
    assert_int_equal(symlink(fixture->dir, in(fixture, "link")), 0);
    assert_true(file_is_directory(fixture->dir));
    assert_true(file_is_directory(in(fixture, "link")));
    assert_false(file_is_directory(in(fixture, "file")));
    assert_false(file_is_directory(in(fixture, "none")));
}

static void finds_its_own_directory(void **state) {
    (void)state;
    char *dir = file_program_directory();
    char *program = file_join(dir, "file_test");
    assert_int_equal(dir[0], '/');
    assert_int_equal(access(program, X_OK), 0);
    memory_free(program);
    memory_free(dir);
}

static void *note_signals(void *context) {
    sigset_t *blocked = context;
    pthread_sigmask(SIG_SETMASK, NULL, blocked);
    return NULL;
}

static void threads_block_all_signals(void **state) {
    (void)state;
    sigset_t before;
    sigset_t after;
    sigset_t inside;
    pthread_t thread;
    sigemptyset(&inside);
    pthread_sigmask(SIG_SETMASK, NULL, &before);
    assert_null(thread_start(&thread, "fifteen-letters", note_signals, &inside));
    pthread_join(thread, NULL);
    pthread_sigmask(SIG_SETMASK, NULL, &after);
    assert_int_equal(sigismember(&inside, SIGTERM), 1);
    assert_int_equal(sigismember(&inside, SIGHUP), 1);
    assert_int_equal(sigismember(&inside, SIGCHLD), 1);
    assert_int_equal(sigismember(&after, SIGTERM), sigismember(&before, SIGTERM));
    assert_int_equal(sigismember(&after, SIGTERM), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(reads_whole_files, set_up, tear_down),
        cmocka_unit_test_setup_teardown(refuses_more_than_the_limit, set_up, tear_down),
        cmocka_unit_test_setup_teardown(says_why_it_cannot_read, set_up, tear_down),
        cmocka_unit_test_setup_teardown(reads_pipes_and_standard_input, set_up, tear_down),
        cmocka_unit_test_setup_teardown(standard_input_goes_on_from_where_it_stands, set_up,
                                        tear_down),
        cmocka_unit_test(joins),
        cmocka_unit_test_setup_teardown(lists_sorted_names, set_up, tear_down),
        cmocka_unit_test_setup_teardown(lists_nothing, set_up, tear_down),
        cmocka_unit_test_setup_teardown(knows_directories, set_up, tear_down),
        cmocka_unit_test(finds_its_own_directory),
        cmocka_unit_test(threads_block_all_signals),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
