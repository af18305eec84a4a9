#include "store_support.h"

/* Writes parts/<number> and leaves it closed. */
static void put_part(const struct fixture *fixture, uint64_t number, const char *text) {
    int fd;
    expect_good(directory_open_part(&fixture->directory, number, &fd));
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    close(fd);
}

static void test_parts_are_made_and_removed(void **state) {
    const struct fixture *fixture = *state;
    int fd;
    char text[8] = {0};
    put_part(fixture, 7, "seven");
    put_part(fixture, UINT64_MAX, "most");
    expect_text(fixture, "out/.kthena/parts/7", "seven");
    expect_good(directory_open_part(&fixture->directory, 7, &fd));
    assert_int_equal(pread(fd, text, sizeof text, 0), 5); /* neither emptied nor write-only */
    assert_int_equal(fcntl(fd, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
    close(fd);
    directory_remove_part(&fixture->directory, 7);
    directory_remove_part(&fixture->directory, 7);
    assert_false(exists(fixture, "out/.kthena/parts/7"));
    assert_true(exists(fixture, "out/.kthena/parts/18446744073709551615"));
}

static void test_a_part_is_never_a_link(void **state) {
    const struct fixture *fixture = *state;
    int fd;
    put_text(fixture, "precious", "precious");
    assert_int_equal(mkdir(in(fixture, "out/.kthena/parts"), 0777), 0);
    assert_int_equal(symlink("../../../precious", in(fixture, "out/.kthena/parts/1")), 0);
    put_part(fixture, 1, "overwritten");
    expect_text(fixture, "precious", "precious");
    expect_text(fixture, "out/.kthena/parts/1", "overwritten");
    assert_int_equal(mkdir(in(fixture, "out/.kthena/parts/2"), 0777), 0);
    expect_error(directory_open_part(&fixture->directory, 2, &fd), ERROR_IO, ".kthena/parts/2");
    assert_int_equal(fd, -1);
    assert_int_equal(rename(in(fixture, "out/.kthena/parts"), in(fixture, "away")), 0);
    assert_int_equal(symlink("../../away", in(fixture, "out/.kthena/parts")), 0);
    expect_error(directory_open_part(&fixture->directory, 3, &fd), ERROR_IO, "could not open");
    assert_false(exists(fixture, "away/3"));
    directory_remove_part(&fixture->directory, 1);
    assert_true(exists(fixture, "away/1"));
}

static void test_publishes_under_a_new_name(void **state) {
    const struct fixture *fixture = *state;
    struct stat before;
    struct stat after;
    mode_t mask = umask(022);
    put_part(fixture, 1, "one");
    assert_int_equal(stat(in(fixture, "out/.kthena/parts/1"), &before), 0);
    expect_good(directory_publish(&fixture->directory, 1, "a/b/c.txt"));
    umask(mask);
    expect_text(fixture, "out/a/b/c.txt", "one");
    assert_false(exists(fixture, "out/.kthena/parts/1"));
    assert_true(directory_stat(&fixture->directory, "a/b/c.txt", &after));
    assert_int_equal(after.st_ino, before.st_ino);
    assert_int_equal(after.st_mode & 07777, 0644);
    assert_int_equal(stat(in(fixture, "out/a"), &after), 0);
    assert_int_equal(after.st_mode & 07777, 0755);
}

static void test_publishing_replaces_files_and_links(void **state) {
    const struct fixture *fixture = *state;
    put_text(fixture, "precious", "precious");
    put_text(fixture, "out/file", "old");
    assert_int_equal(symlink("../precious", in(fixture, "out/link")), 0);
    put_part(fixture, 1, "one");
    put_part(fixture, 2, "two");
    expect_good(directory_publish(&fixture->directory, 1, "file"));
    expect_good(directory_publish(&fixture->directory, 2, "link"));
    expect_text(fixture, "out/file", "one");
    expect_text(fixture, "out/link", "two");
    expect_text(fixture, "precious", "precious");
}

static void test_publishing_stops_at_what_is_in_the_way(void **state) {
    const struct fixture *fixture = *state;
    assert_int_equal(mkdir(in(fixture, "outside"), 0777), 0);
    assert_int_equal(symlink("../outside", in(fixture, "out/link")), 0);
    assert_int_equal(mkdir(in(fixture, "out/dir"), 0777), 0);
    put_text(fixture, "out/file", "x");
    put_part(fixture, 1, "one");
    expect_error(directory_publish(&fixture->directory, 1, "dir"), ERROR_EXISTS,
                 "a directory of that name is there");
    expect_error(directory_publish(&fixture->directory, 1, "file/below"), ERROR_EXISTS,
                 "a file or symbolic link stands where a directory has to be");
    expect_error(directory_publish(&fixture->directory, 1, "link/file"), ERROR_EXISTS,
                 "symbolic link");
    expect_error(directory_publish(&fixture->directory, 1, "link/a/file"), ERROR_EXISTS,
                 "symbolic link");
    expect_error(directory_publish(&fixture->directory, 2, "fine"), ERROR_IO, "fine: No such file");
    assert_int_equal(names_in(fixture, "outside"), 0);
    expect_text(fixture, "out/.kthena/parts/1", "one");
}

static void test_no_path_leads_out(void **state) {
    static const char *const paths[] = {
        "",    "/",    "/etc/x", "..",    "../x",    "a/../../x",    "a/..",         ".",
        "./x", "a//b", "a/",     "a/./b", ".kthena", ".kthena/lock", ".KTHENA/lock",
    };
    const struct fixture *fixture = *state;
    struct stat about;
    int fd;
    put_part(fixture, 1, "one");
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
        expect_error(directory_publish(&fixture->directory, 1, paths[i]), ERROR_INVALID,
                     "it has to be a path below the directory");
        expect_error(directory_write_file(&fixture->directory, paths[i], "x", 1), ERROR_INVALID,
                     "below the directory");
        expect_error(directory_open_file(&fixture->directory, paths[i], &fd), ERROR_INVALID,
                     "below the directory");
        assert_false(directory_stat(&fixture->directory, paths[i], &about));
    }
    expect_good(directory_publish(&fixture->directory, 1, "..a/.kthena/...")); /* that is fine */
    expect_text(fixture, "out/..a/.kthena/...", "one");
}

static void test_opens_regular_files_only(void **state) {
    const struct fixture *fixture = *state;
    int fd = 5;
    struct stat about;
    put_text(fixture, "out/file", "x");
    put_text(fixture, "precious", "x");
    assert_int_equal(symlink("file", in(fixture, "out/link")), 0);
    assert_int_equal(symlink("..", in(fixture, "out/up")), 0);
    assert_int_equal(mkfifo(in(fixture, "out/pipe"), 0666), 0);
    assert_int_equal(mkdir(in(fixture, "out/dir"), 0777), 0);
    expect_error(directory_open_file(&fixture->directory, "none", &fd), ERROR_NOT_FOUND, "none");
    assert_int_equal(fd, -1);
    expect_error(directory_open_file(&fixture->directory, "no/ne", &fd), ERROR_NOT_FOUND, "no/ne");
    expect_error(directory_open_file(&fixture->directory, "link", &fd), ERROR_INVALID, "link");
    expect_error(directory_open_file(&fixture->directory, "up/precious", &fd), ERROR_INVALID,
                 "symbolic link");
    expect_error(directory_open_file(&fixture->directory, "pipe", &fd), ERROR_INVALID, "regular");
    expect_error(directory_open_file(&fixture->directory, "dir", &fd), ERROR_INVALID, "regular");
    expect_error(directory_open_file(&fixture->directory, "file/x", &fd), ERROR_INVALID, "file/x");
    assert_false(directory_stat(&fixture->directory, "link", &about));
    assert_false(directory_stat(&fixture->directory, "up/precious", &about));
    assert_false(directory_stat(&fixture->directory, "pipe", &about));
    assert_false(directory_stat(&fixture->directory, "dir", &about));
    assert_false(directory_stat(&fixture->directory, "none", &about));
    assert_true(directory_stat(&fixture->directory, "file", &about));
    assert_int_equal(about.st_size, 1);
    expect_good(directory_open_file(&fixture->directory, "file", &fd));
    assert_true(fd >= 0);
    close(fd);
}

static void test_writes_small_files(void **state) {
    const struct fixture *fixture = *state;
    put_text(fixture, "precious", "precious");
    assert_int_equal(symlink("../precious", in(fixture, "out/link")), 0);
    expect_good(directory_write_file(&fixture->directory, ".cache/a/b.metadata", "text\n", 5));
    expect_text(fixture, "out/.cache/a/b.metadata", "text\n");
    expect_good(directory_write_file(&fixture->directory, ".cache/a/b.metadata", "", 0));
    expect_text(fixture, "out/.cache/a/b.metadata", "");
    expect_good(directory_write_file(&fixture->directory, "link", "mine", 4));
    expect_text(fixture, "out/link", "mine");
    expect_text(fixture, "precious", "precious");
    expect_error(directory_write_file(&fixture->directory, ".cache", "x", 1), ERROR_EXISTS,
                 "a directory of that name");
    assert_int_equal(names_in(fixture, "out/.kthena/parts"), 0);
}

static void expect_kind(const struct fixture *fixture, int number, enum error_kind kind,
                        const char *part) {
    errno = number;
    expect_error(directory_error(&fixture->directory, "write", "a/b"), kind, part);
}

static void test_errors_have_their_kinds(void **state) {
    const struct fixture *fixture = *state;
    expect_kind(fixture, ENOSPC, ERROR_SPACE, "out/a/b: No space left on device; free some space");
    expect_kind(fixture, EDQUOT, ERROR_SPACE, "raise the quota");
    expect_kind(fixture, EACCES, ERROR_DENIED, "change the permissions");
    expect_kind(fixture, EPERM, ERROR_DENIED, "could not write /");
    expect_kind(fixture, EROFS, ERROR_DENIED, "mount the volume writable");
    expect_kind(fixture, EIO, ERROR_IO, "Input/output error");
    errno = EIO;
    struct error *error = directory_error(&fixture->directory, "sync", "");
    char *expected =
        memory_format("could not sync %s: Input/output error", fixture->directory.path);
    assert_string_equal(error->message, expected);
    memory_free(expected);
    error_free(error);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_parts_are_made_and_removed, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_part_is_never_a_link, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_publishes_under_a_new_name, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_publishing_replaces_files_and_links, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_publishing_stops_at_what_is_in_the_way, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_no_path_leads_out, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_opens_regular_files_only, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_writes_small_files, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_errors_have_their_kinds, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
