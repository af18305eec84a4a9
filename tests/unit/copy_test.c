#include "store/copy.h"

#include "store_support.h"

enum { KB = 1024, MB = 1024 * KB };

/* What the copy has told of, and what happens to the source or the copying at its first piece. */
struct told {
    int64_t bytes;
    int calls;
    atomic_bool *cancel;
    const char *truncate, *touch;
};

static void note(int64_t bytes, void *context) {
    struct told *told = context;
    assert_true(bytes > 0);
    told->bytes += bytes;
    if (told->calls++ > 0)
        return;
    if (told->cancel)
        atomic_store(told->cancel, true);
    if (told->truncate)
        assert_int_equal(truncate(told->truncate, 1000), 0);
    if (told->touch)
        assert_int_equal(
            utimensat(AT_FDCWD, told->touch, (struct timespec[]){{.tv_sec = 1}, {.tv_sec = 2}}, 0),
            0);
}

static struct error *copy(const char *source, const char *target, struct told *told) {
    int from = open(source, O_RDONLY);
    int to = open(target, O_RDWR | O_CREAT | O_TRUNC, 0600);
    assert_true(from >= 0 && to >= 0);
    struct error *error = copy_file(from, to, source, note, told, told->cancel);
    close(from);
    close(to);
    return error;
}

/* Fills part of a file with bytes that are nowhere else the same. */
static void scribble(const char *path, int64_t at, int64_t length) {
    int fd = open(path, O_WRONLY | O_CREAT, 0666);
    uint32_t *numbers = memory_alloc((size_t)length + 4);
    for (int64_t i = 0; i * 4 < length; i++)
        numbers[i] = (uint32_t)((at + i) * 2654435761);
    assert_int_equal(pwrite(fd, numbers, (size_t)length, at), length);
    memory_free(numbers);
    close(fd);
}

static void expect_same(const struct fixture *fixture, const char *a, const char *b) {
    size_t lengths[2];
    char *bytes[2] = {get(fixture, a, &lengths[0]), get(fixture, b, &lengths[1])};
    assert_int_equal(lengths[0], lengths[1]);
    assert_int_equal(memcmp(bytes[0], bytes[1], lengths[0]), 0);
    memory_free(bytes[0]);
    memory_free(bytes[1]);
}

static void expect_copied(const struct fixture *fixture) {
    struct told told = {0};
    struct stat source;
    struct stat target;
    expect_good(copy(in(fixture, "source"), in(fixture, "out/target"), &told));
    expect_same(fixture, "source", "out/target");
    assert_int_equal(stat(in(fixture, "source"), &source), 0);
    assert_int_equal(stat(in(fixture, "out/target"), &target), 0);
    assert_int_equal(told.bytes, source.st_size);
    assert_int_equal(target.st_mtim.tv_sec, source.st_mtim.tv_sec);
    assert_int_equal(target.st_mtim.tv_nsec, source.st_mtim.tv_nsec);
    assert_int_equal(target.st_mode & 07777, source.st_mode & 01777);
    assert_true(target.st_blocks <= source.st_blocks + 64); /* holes stay holes */
}

/* Sources of all shapes, with holes at the beginning, the end and in between. */
static void copy_shapes(const struct fixture *fixture) {
    static const struct {
        int64_t size;
        int64_t pieces[6]; /* where and how long */
    } shapes[] = {
        {0, {0}},
        {1, {0, 1}},
        {5 * MB + 7, {0, 5 * MB + 7}},
        {8 * MB, {0}},
        {8 * MB, {0, 4096}},
        {8 * MB, {8 * MB - 5, 5}},
        {20 * MB + 3, {4 * MB, 1 * MB, 9 * MB, 2 * MB + 1, 16 * MB, 12}},
    };
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        put(fixture, "source", "", 0);
        for (size_t piece = 0; piece < 6; piece += 2)
            if (shapes[i].pieces[piece + 1])
                scribble(in(fixture, "source"), shapes[i].pieces[piece],
                         shapes[i].pieces[piece + 1]);
        assert_int_equal(truncate(in(fixture, "source"), shapes[i].size), 0);
        assert_int_equal(chmod(in(fixture, "source"), i % 2 ? 06751 : 01444), 0);
        assert_int_equal(utimensat(AT_FDCWD, in(fixture, "source"),
                                   (struct timespec[]){{.tv_sec = 5}, {1234567890, 987654321}}, 0),
                         0);
        expect_copied(fixture);
        assert_int_equal(unlink(in(fixture, "source")), 0);
    }
}

static void test_copies_files_of_all_shapes(void **state) {
    copy_shapes(*state);
}

/* Where the kernel cannot clone, and does not copy between two file systems by itself. */
static void test_copies_to_another_file_system(void **state) {
    struct fixture *fixture = *state;
    if (!mount_small(fixture, "size=64m"))
        return;
    copy_shapes(fixture);
    assert_int_equal(umount(fixture->path), 0);
}

static void test_copies_within_a_file_system_in_memory(void **state) {
    struct fixture *fixture = *state;
    if (!mount_small(fixture, "size=64m"))
        return;
    struct fixture inside = {.dir = ""};
    snprintf(inside.dir, sizeof inside.dir, "%.60s/out", fixture->dir);
    assert_int_equal(mkdir(in(&inside, "out"), 0777), 0);
    copy_shapes(&inside);
    assert_int_equal(umount(fixture->path), 0);
}

static void test_says_that_the_disk_is_full(void **state) {
    struct fixture *fixture = *state;
    struct told told = {0};
    if (!mount_small(fixture, "size=1m"))
        return;
    scribble(in(fixture, "source"), 0, 4 * MB);
    expect_error(copy(in(fixture, "source"), in(fixture, "out/target"), &told), ERROR_SPACE,
                 "source: No space left on device; free some space");
    assert_true(told.bytes <= MB);
    assert_int_equal(umount(fixture->path), 0);
}

static void test_is_cancelled_between_pieces(void **state) {
    const struct fixture *fixture = *state;
    atomic_bool cancel = false;
    struct told told = {.cancel = &cancel};
    scribble(in(fixture, "source"), 0, 2 * MB);
    for (int64_t hole = 1; hole < 20; hole++) /* an extent each: one piece at least */
        scribble(in(fixture, "source"), hole * 4 * MB, 4096);
    expect_error(copy(in(fixture, "source"), in(fixture, "out/target"), &told), ERROR_CANCELLED,
                 "the copy of ");
    assert_true(told.calls <= 2); /* the piece, and the hole behind it */
    assert_true(told.bytes < 12 * MB);
    told.calls = 0;
    expect_error(copy(in(fixture, "source"), in(fixture, "out/target"), &told), ERROR_CANCELLED,
                 "cancelled"); /* before the first */
    assert_int_equal(told.calls, 0);
}

static void test_notices_that_the_source_changes(void **state) {
    const struct fixture *fixture = *state;
    char *source = memory_string(in(fixture, "source"));
    struct told shrinks = {.truncate = source};
    struct told touched = {.touch = source};
    scribble(source, 0, 40 * MB);
    expect_error(copy(source, in(fixture, "out/target"), &touched), ERROR_PROTOCOL,
                 "it changed while it was copied; run it again");
    expect_error(copy(source, in(fixture, "out/target"), &shrinks), ERROR_PROTOCOL,
                 "it changed while it was copied");
    memory_free(source);
}

static void test_copies_regular_files_only(void **state) {
    const struct fixture *fixture = *state;
    struct told told = {0};
    expect_error(copy(in(fixture, "out"), in(fixture, "target"), &told), ERROR_INVALID,
                 "not a regular file");
    int from = open(in(fixture, "target"), O_WRONLY);
    scribble(in(fixture, "target"), 0, 10);
    int to = open(in(fixture, "out/target"), O_RDWR | O_CREAT, 0666);
    expect_error(copy_file(from, to, "name", NULL, NULL, NULL), ERROR_IO, "could not read name");
    close(to);
    close(from);
}

static void test_needs_nobody_to_tell(void **state) {
    const struct fixture *fixture = *state;
    put_text(fixture, "source", "text");
    int from = open(in(fixture, "source"), O_RDONLY);
    int to = open(in(fixture, "target"), O_RDWR | O_CREAT, 0666);
    expect_good(copy_file(from, to, "source", NULL, NULL, NULL));
    close(from);
    close(to);
    expect_text(fixture, "target", "text");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_copies_files_of_all_shapes, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_copies_to_another_file_system, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_copies_within_a_file_system_in_memory, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_says_that_the_disk_is_full, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_is_cancelled_between_pieces, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_notices_that_the_source_changes, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_copies_regular_files_only, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_needs_nobody_to_tell, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
