#include "store_support.h"

static void test_makes_the_directory_and_its_work_directory(void **state) {
    const struct fixture *fixture = *state;
    struct directory directory;
    mode_t before = umask(027);
    expect_good(directory_open(in(fixture, "a/b//c/"), &directory));
    umask(before);
    char *expected = realpath(in(fixture, "a/b/c"), NULL);
    assert_string_equal(directory.path, expected);
    free(expected);
    struct stat about;
    assert_int_equal(fstat(directory.work_fd, &about), 0);
    assert_int_equal(about.st_mode & 07777, 0750);
    assert_int_equal(stat(in(fixture, "a/b"), &about), 0);
    assert_int_equal(about.st_mode & 07777, 0750);
    assert_int_equal(names_in(fixture, "a/b/c"), 1);
    assert_int_equal(names_in(fixture, "a/b/c/.kthena"), 0);
    directory_close(&directory);
    expect_good(directory_open(in(fixture, "a/b/c"), &directory)); /* again */
    directory_close(&directory);
    directory_close(&directory);
}

static void test_opens_relative_paths_and_links(void **state) {
    const struct fixture *fixture = *state;
    struct directory directory;
    assert_int_equal(symlink("out", in(fixture, "link")), 0);
    expect_good(directory_open(in(fixture, "link"), &directory));
    char *expected = realpath(fixture->path, NULL);
    assert_string_equal(directory.path, expected);
    directory_close(&directory);
    char *before = getcwd(NULL, 0);
    assert_int_equal(chdir(fixture->dir), 0);
    expect_good(directory_open("out", &directory));
    assert_string_equal(directory.path, expected);
    directory_close(&directory);
    assert_int_equal(chdir(before), 0);
    free(before);
    free(expected);
}

static void test_refuses_what_is_no_directory(void **state) {
    const struct fixture *fixture = *state;
    struct directory directory;
    put_text(fixture, "file", "x");
    assert_int_equal(symlink("nowhere", in(fixture, "dangling")), 0);
    expect_error(directory_open("", &directory), ERROR_INVALID, "empty path");
    expect_error(directory_open(in(fixture, "file"), &directory), ERROR_INVALID,
                 "file is not a directory");
    expect_error(directory_open(in(fixture, "file/a/b"), &directory), ERROR_INVALID,
                 "file is not a directory; move it away");
    expect_error(directory_open(in(fixture, "dangling"), &directory), ERROR_INVALID,
                 "dangling is a link to no directory");
    assert_int_equal(directory.fd, -1);
    assert_null(directory.path);
}

static void test_refuses_a_work_directory_that_is_a_link(void **state) {
    const struct fixture *fixture = *state;
    struct directory directory;
    assert_int_equal(mkdir(in(fixture, "top"), 0777), 0);
    assert_int_equal(mkdir(in(fixture, "elsewhere"), 0777), 0);
    assert_int_equal(symlink("../elsewhere", in(fixture, "top/.kthena")), 0);
    expect_error(directory_open(in(fixture, "top"), &directory), ERROR_INVALID,
                 ".kthena: it is no directory; remove it");
    expect_error(directory_open_existing(in(fixture, "top"), &directory), ERROR_INVALID,
                 "it is no directory");
    assert_int_equal(unlink(in(fixture, "top/.kthena")), 0);
    put_text(fixture, "top/.kthena", "");
    expect_error(directory_open(in(fixture, "top"), &directory), ERROR_INVALID,
                 "it is no directory");
}

static void test_opens_an_existing_one_for_reading(void **state) {
    const struct fixture *fixture = *state;
    struct directory directory;
    expect_error(directory_open_existing(in(fixture, "none"), &directory), ERROR_NOT_FOUND,
                 "there is no such directory");
    assert_int_equal(mkdir(in(fixture, "bare"), 0777), 0);
    expect_good(directory_open_existing(in(fixture, "bare"), &directory));
    assert_int_equal(directory.work_fd, -1);
    assert_int_equal(names_in(fixture, "bare"), 0);
    directory_close(&directory);
    expect_good(directory_open_existing(fixture->path, &directory));
    assert_true(directory.work_fd >= 0);
    directory_close(&directory);
    put_text(fixture, "file", "x");
    expect_error(directory_open_existing(in(fixture, "file"), &directory), ERROR_INVALID,
                 "is not a directory");
}

static int open_denied(const struct fixture *fixture) {
    struct directory directory;
    struct error *error = directory_open(fixture->path, &directory);
    bool good = error && error->kind == ERROR_DENIED &&
                strstr(error->message, "could not write in") &&
                strstr(error->message, "Permission denied; change the permissions");
    error_free(error);
    error = directory_open(in(fixture, "new"), &directory);
    good = good && error && error->kind == ERROR_DENIED &&
           strstr(error->message, "could not make directory");
    error_free(error);
    return good ? 0 : 1;
}

static void test_says_when_it_may_not_write(void **state) {
    const struct fixture *fixture = *state;
    assert_int_equal(chmod(fixture->dir, 0555), 0);
    assert_int_equal(chmod(fixture->path, 0555), 0);
    assert_int_equal(run_as_nobody(open_denied, fixture), 0);
    assert_int_equal(chmod(fixture->dir, 0755), 0);
}

static void fill(const struct fixture *fixture) {
    static const char bytes[4096];
    FILE *stream = fopen(in(fixture, "out/filler"), "w");
    assert_non_null(stream);
    setvbuf(stream, NULL, _IONBF, 0);
    while (fwrite(bytes, 1, sizeof bytes, stream) == sizeof bytes)
        ;
    fclose(stream);
}

static void test_says_when_the_file_system_is_full(void **state) {
    struct fixture *fixture = *state;
    if (!mount_small(fixture, "size=256k"))
        return;
    struct directory directory;
    expect_good(directory_open(fixture->path, &directory));
    expect_good(directory_require_space(&directory, 200 * 1024));
    expect_error(directory_require_space(&directory, 10 * 1024 * 1024), ERROR_SPACE,
                 ": 10.5 MB are needed, 262 kB are free; free some space");
    fill(fixture);
    expect_error(directory_write_file(&directory, "more", "text", 4), ERROR_SPACE,
                 "could not write");
    assert_int_equal(names_in(fixture, "out/.kthena/parts"), 0);
    expect_error(directory_require_space(&directory, 1), ERROR_SPACE, "0 B are free");
    expect_good(directory_require_space(&directory, 0));
    directory_close(&directory);
    expect_error(directory_open(fixture->path, &directory), ERROR_SPACE,
                 "No space left on device; free some space");
    assert_int_equal(names_in(fixture, "out"), 2);
    assert_int_equal(umount(fixture->path), 0);
}

static void test_says_when_the_volume_is_read_only(void **state) {
    struct fixture *fixture = *state;
    struct directory directory;
    if (!mount_small(fixture, "size=256k"))
        return;
    assert_int_equal(mount("none", fixture->path, "tmpfs", MS_REMOUNT | MS_RDONLY, NULL), 0);
    expect_error(directory_open(fixture->path, &directory), ERROR_DENIED,
                 "Read-only file system; mount the volume writable");
    expect_error(directory_open(in(fixture, "out/below"), &directory), ERROR_DENIED,
                 "Read-only file system");
    expect_good(directory_open_existing(fixture->path, &directory));
    directory_close(&directory);
    assert_int_equal(umount(fixture->path), 0);
}

static void expect_size_text(int64_t bytes, const char *expected) {
    char text[16];
    directory_size_text(bytes, text);
    assert_string_equal(text, expected);
}

static void test_writes_sizes_with_three_digits(void **state) {
    (void)state;
    expect_size_text(0, "0 B");
    expect_size_text(-1, "0 B");
    expect_size_text(999, "999 B");
    expect_size_text(1000, "1.00 kB");
    expect_size_text(12345, "12.3 kB");
    expect_size_text(99949, "99.9 kB");
    expect_size_text(99950, "100 kB");
    expect_size_text(999499, "999 kB");
    expect_size_text(999500, "1.00 MB");
    expect_size_text(12345678901, "12.3 GB");
    expect_size_text(9994999, "9.99 MB");
    expect_size_text(9995000, "10.0 MB");
    expect_size_text(INT64_MAX, "9.22 EB");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_makes_the_directory_and_its_work_directory,
                                        set_up_empty, tear_down),
        cmocka_unit_test_setup_teardown(test_opens_relative_paths_and_links, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_refuses_what_is_no_directory, set_up_empty, tear_down),
        cmocka_unit_test_setup_teardown(test_refuses_a_work_directory_that_is_a_link, set_up_empty,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_opens_an_existing_one_for_reading, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_says_when_it_may_not_write, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_says_when_the_file_system_is_full, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_says_when_the_volume_is_read_only, set_up, tear_down),
        cmocka_unit_test(test_writes_sizes_with_three_digits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
