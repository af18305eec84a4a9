#include "store/journal.h"

#include "store/journal_internal.h"
#include "store_support.h"

static struct journal *open_as(const struct fixture *fixture, const char *plan, const char *boot) {
    struct journal *journal = NULL;
    expect_good(journal_open_in(&fixture->directory, plan, boot, &journal));
    assert_non_null(journal);
    return journal;
}

static struct journal *open_journal_of(const struct fixture *fixture) {
    return open_as(fixture, "plan", "boot-1");
}

static uint64_t begin(struct journal *journal, const char *path, int64_t size) {
    uint64_t part = 0;
    expect_good(journal_begin(journal, path, size, "etag", "sha256:00", &part));
    assert_int_not_equal(part, 0);
    return part;
}

/* Begins a file, and makes its part as long as it is. */
static uint64_t begin_with_part(const struct fixture *fixture, struct journal *journal,
                                const char *path, int64_t size) {
    int fd;
    uint64_t part = begin(journal, path, size);
    expect_good(directory_open_part(&fixture->directory, part, &fd));
    assert_int_equal(ftruncate(fd, size), 0);
    close(fd);
    return part;
}

static void sync_all(struct journal *journal) {
    expect_good(journal_sync(journal, journal_mark(journal)));
}

/* Checks the ranges of a file, written "0-10 20-30". */
static void expect_ranges(struct journal *journal, const char *path, const char *expected) {
    struct buffer text = {0};
    const struct journal_file *file = journal_find(journal, path);
    assert_non_null(file);
    for (size_t i = 0; i < file->range_count; i++)
        buffer_format(&text, "%s%d-%d", i > 0 ? " " : "", (int)file->ranges[i].first,
                      (int)file->ranges[i].end);
    assert_string_equal(buffer_text(&text), expected);
    buffer_free(&text);
}

static bool has_part(const struct fixture *fixture, uint64_t part) {
    char name[64];
    snprintf(name, sizeof name, "out/.kthena/parts/%d", (int)part);
    return exists(fixture, name);
}

static void test_goes_on_where_a_run_stopped(void **state) {
    const struct fixture *fixture = *state;
    struct journal *journal = open_journal_of(fixture);
    assert_null(journal_find(journal, "a"));
    uint64_t a = begin_with_part(fixture, journal, "a", 100);
    uint64_t b = begin_with_part(fixture, journal, "dir/b\n\xff", 50);
    assert_int_not_equal(a, b);
    expect_good(journal_written(journal, "a", 0, 10));
    expect_good(journal_written(journal, "a", 20, 30));
    expect_good(journal_written(journal, "dir/b\n\xff", 0, 50));
    journal_close(journal);
    for (int run = 0; run < 3; run++) { /* as often as it may be interrupted */
        journal = open_journal_of(fixture);
        expect_ranges(journal, "a", "0-10 20-30");
        expect_ranges(journal, "dir/b\n\xff", "0-50");
        const struct journal_file *file = journal_find(journal, "a");
        assert_int_equal(file->part, a);
        assert_int_equal(file->size, 100);
        assert_string_equal(file->etag, "etag");
        assert_string_equal(file->identity, "sha256:00");
        assert_false(file->complete);
        assert_int_equal(begin(journal, "a", 100), a);
        journal_close(journal);
    }
    journal = open_journal_of(fixture);
    expect_good(journal_written(journal, "a", 10, 20));
    expect_ranges(journal, "a", "0-30");
    journal_close(journal);
}

static void test_another_version_starts_anew(void **state) {
    const struct fixture *fixture = *state;
    struct journal *journal = open_journal_of(fixture);
    uint64_t part = begin_with_part(fixture, journal, "a", 100);
    uint64_t next = 0;
    static const struct {
        int64_t size;
        const char *etag, *identity;
    } others[] = {{101, "etag", "sha256:00"},
                  {101, "other", "sha256:00"},
                  {101, "other", ""},
                  {-1, "other", ""},
                  {-1, "", ""}};
    expect_good(journal_written(journal, "a", 0, 10));
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        expect_good(
            journal_begin(journal, "a", others[i].size, others[i].etag, others[i].identity, &next));
        assert_true(next > part);
        assert_false(has_part(fixture, part));
        expect_ranges(journal, "a", "");
        part = next;
    }
    expect_good(journal_written(journal, "a", 5, 1 << 20)); /* of unknown size */
    expect_ranges(journal, "a", "5-1048576");
    journal_close(journal);
}

static void test_complete_files_are_known(void **state) {
    const struct fixture *fixture = *state;
    struct journal *journal = open_journal_of(fixture);
    for (int run = 0; run < 2; run++) {
        uint64_t part = begin_with_part(fixture, journal, "a", 3);
        expect_good(journal_written(journal, "a", 0, 3));
        expect_good(directory_publish(&fixture->directory, part, "a"));
        expect_good(
            journal_complete(journal, "a", run ? "xxh3:1234" : "sha256:00", -5, UINT64_C(1) << 63));
        journal_close(journal);
        journal = open_journal_of(fixture);
        const struct journal_file *file = journal_find(journal, "a");
        assert_true(file->complete);
        assert_string_equal(file->digest, run ? "xxh3:1234" : "sha256:00");
        assert_int_equal(file->mtime_ns, -5);
        assert_int_equal(file->inode, UINT64_C(1) << 63);
        assert_int_equal(file->range_count, 0);
        assert_true(begin(journal, "a", 3) > part); /* as if it were not as it was */
        assert_false(journal_find(journal, "a")->complete);
    }
    journal_close(journal);
}

/* Killed between noting that a file is complete and renaming it. */
static void test_finishes_a_rename(void **state) {
    const struct fixture *fixture = *state;
    struct stat about;
    struct journal *journal = open_journal_of(fixture);
    char name[64];
    for (int good = 0; good < 2; good++) {
        uint64_t part = begin_with_part(fixture, journal, "dir/a", 3);
        snprintf(name, sizeof name, "out/.kthena/parts/%d", (int)part);
        assert_int_equal(stat(in(fixture, name), &about), 0);
        int64_t mtime = (int64_t)about.st_mtim.tv_sec * 1000000000 + about.st_mtim.tv_nsec;
        expect_good(journal_complete(journal, "dir/a", "sha256:00", mtime,
                                     good ? about.st_ino : about.st_ino + 1));
        journal_close(journal);
        journal = open_journal_of(fixture);
        assert_int_equal(exists(fixture, "out/dir/a"), good);
        assert_false(has_part(fixture, part));
    }
    assert_true(journal_find(journal, "dir/a")->complete);
    journal_close(journal);
}

/* That a file began is of no use before something is said of it, and costs no write of its own. */
static void test_a_begin_is_written_with_what_follows(void **state) {
    const struct fixture *fixture = *state;
    struct stat about;
    struct journal *journal = open_journal_of(fixture);
    assert_int_equal(stat(in(fixture, "out/.kthena/journal"), &about), 0);
    int64_t before = about.st_size;
    begin_with_part(fixture, journal, "a", 10);
    assert_int_equal(stat(in(fixture, "out/.kthena/journal"), &about), 0);
    assert_int_equal(about.st_size, before);
    expect_good(journal_written(journal, "a", 0, 5));
    assert_int_equal(stat(in(fixture, "out/.kthena/journal"), &about), 0);
    assert_true(about.st_size > before);
    /* as after a kill: what the first one has not written is lost with it */
    begin_with_part(fixture, journal, "b", 10);
    struct journal *next = open_journal_of(fixture);
    expect_ranges(next, "a", "0-5");
    assert_null(journal_find(next, "b"));
    journal_close(next);
    journal_close(journal);
}

static void test_restart_forgets_the_ranges(void **state) {
    const struct fixture *fixture = *state;
    struct journal *journal = open_journal_of(fixture);
    uint64_t part = begin_with_part(fixture, journal, "a", 100);
    expect_good(journal_written(journal, "a", 0, 50));
    sync_all(journal);
    expect_good(journal_restart(journal, "a"));
    expect_ranges(journal, "a", "");
    expect_good(journal_written(journal, "a", 60, 70));
    journal_close(journal);
    journal = open_journal_of(fixture);
    expect_ranges(journal, "a", "60-70");
    assert_int_equal(journal_find(journal, "a")->part, part);
    journal_close(journal);
}

static void test_misuse_is_an_error(void **state) {
    const struct fixture *fixture = *state;
    uint64_t part;
    struct journal *journal = open_journal_of(fixture);
    expect_error(journal_written(journal, "a", 0, 1), ERROR_INVALID, "a: it was not begun");
    expect_error(journal_complete(journal, "a", "x:1", 0, 0), ERROR_INVALID, "not begun");
    expect_error(journal_restart(journal, "a"), ERROR_INVALID, "not begun");
    expect_error(journal_begin(journal, "../a", 1, "", "", &part), ERROR_INVALID, "'../a'");
    begin(journal, "a", 10);
    expect_error(journal_written(journal, "a", 0, 11), ERROR_INVALID, "bytes 0 to 11 of a");
    expect_error(journal_written(journal, "a", -1, 5), ERROR_INVALID, "are written");
    expect_error(journal_written(journal, "a", 5, 5), ERROR_INVALID, "are written");
    char *etag = memory_zero(1, 200000);
    memset(etag, 'e', 199999);
    expect_error(journal_begin(journal, "b", 1, etag, "", &part), ERROR_LIMIT, "too long");
    memory_free(etag);
    assert_null(journal_find(journal, "b"));
    expect_good(journal_written(journal, "a", 0, 10)); /* and goes on all the same */
    journal_close(journal);
    journal_close(NULL);
    journal_remove(NULL);
}

static void test_what_was_not_synced_does_not_survive_a_reboot(void **state) {
    const struct fixture *fixture = *state;
    struct journal *journal = open_journal_of(fixture);
    begin_with_part(fixture, journal, "a", 100);
    begin_with_part(fixture, journal, "b", 100);
    begin_with_part(fixture, journal, "c", 100);
    expect_good(journal_written(journal, "a", 0, 10));
    expect_good(journal_written(journal, "b", 0, 10));
    uint64_t mark = journal_mark(journal);
    expect_good(journal_written(journal, "a", 10, 20)); /* while data is synced: not covered */
    expect_good(journal_sync(journal, mark));
    expect_good(journal_written(journal, "a", 20, 30));
    expect_good(journal_restart(journal, "b")); /* what is taken back is taken back */
    expect_good(journal_complete(journal, "c", "sha256:00", 1, 2));
    journal_close(journal);
    journal = open_as(fixture, "plan", "boot-2");
    expect_ranges(journal, "a", "0-10");
    expect_ranges(journal, "b", "");
    assert_false(journal_find(journal, "c")->complete);
    journal_close(journal);
    /* The first boot's system would believe more; but that has gone out of the file. */
    journal = open_journal_of(fixture);
    expect_ranges(journal, "a", "0-10");
    journal_close(journal);
}

static void test_opening_syncs_what_a_killed_run_left(void **state) {
    const struct fixture *fixture = *state;
    struct journal *journal = open_journal_of(fixture);
    char name[16];
    for (int i = 0; i < 200; i++) { /* more than are synced one by one */
        snprintf(name, sizeof name, "f%d", i);
        uint64_t part = begin_with_part(fixture, journal, name, 10);
        expect_good(journal_written(journal, name, 0, 5));
        if (i % 2 == 0) {
            expect_good(directory_publish(&fixture->directory, part, name));
            expect_good(journal_complete(journal, name, "sha256:00", 0, 0));
        }
        if (i == 20) { /* few at first */
            journal_close(journal);
            journal = open_journal_of(fixture);
        }
    }
    journal_close(journal);
    journal_close(open_journal_of(fixture));
    journal = open_as(fixture, "plan", "boot-2");
    for (int i = 0; i < 200; i++) {
        snprintf(name, sizeof name, "f%d", i);
        assert_int_equal(journal_find(journal, name)->complete, i % 2 == 0);
        expect_ranges(journal, name, i % 2 ? "0-5" : "");
    }
    journal_close(journal);
}

static void test_an_unknown_boot_is_never_the_same(void **state) {
    const struct fixture *fixture = *state;
    struct journal *journal = open_as(fixture, "plan", "-");
    begin_with_part(fixture, journal, "a", 100);
    expect_good(journal_written(journal, "a", 0, 10));
    sync_all(journal);
    expect_good(journal_written(journal, "a", 10, 20));
    journal_close(journal);
    journal = open_as(fixture, "plan", "-");
    expect_ranges(journal, "a", "0-10");
    journal_close(journal);
}

static void test_keeps_of_another_plan_what_a_digest_names(void **state) {
    const struct fixture *fixture = *state;
    uint64_t part;
    static const char *const identities[] = {"sha256:00", "revision", ""};
    static const char *const names[] = {"digest", "revision", "nothing"};
    struct journal *journal = open_journal_of(fixture);
    for (size_t i = 0; i < 3; i++) {
        begin_with_part(fixture, journal, names[i], 100);
        expect_good(journal_begin(journal, names[i], 100, "e", identities[i], &part));
        int fd;
        expect_good(directory_open_part(&fixture->directory, part, &fd));
        assert_int_equal(ftruncate(fd, 100), 0);
        close(fd);
        expect_good(journal_written(journal, names[i], 0, 10));
    }
    journal_close(journal);
    journal = open_journal_of(fixture);
    for (size_t i = 0; i < 3; i++)
        expect_ranges(journal, names[i], "0-10");
    journal_close(journal);
    journal = open_as(fixture, "other", "boot-1");
    expect_ranges(journal, "digest", "0-10");
    assert_null(journal_find(journal, "revision"));
    assert_null(journal_find(journal, "nothing"));
    assert_int_equal(names_in(fixture, "out/.kthena/parts"), 1);
    journal_close(journal);
}

static void test_syncing_nothing_new_writes_nothing(void **state) {
    const struct fixture *fixture = *state;
    struct journal *journal = open_journal_of(fixture);
    begin(journal, "a", 100);
    sync_all(journal);
    uint64_t mark = journal_mark(journal);
    for (int i = 0; i < 3; i++)
        sync_all(journal);
    assert_int_equal(journal_mark(journal), mark);
    journal_close(journal);
}

static void test_removes_everything_at_the_end(void **state) {
    const struct fixture *fixture = *state;
    struct journal *journal = NULL;
    expect_good(journal_open(&fixture->directory, "plan", &journal));
    begin_with_part(fixture, journal, "a", 100);
    put_text(fixture, "out/.kthena/parts/new-1", "left by a kill");
    journal_remove(journal);
    assert_int_equal(names_in(fixture, "out/.kthena"), 0);
    assert_int_equal(names_in(fixture, "out"), 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_goes_on_where_a_run_stopped, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_another_version_starts_anew, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_complete_files_are_known, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_finishes_a_rename, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_begin_is_written_with_what_follows, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_restart_forgets_the_ranges, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_misuse_is_an_error, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_what_was_not_synced_does_not_survive_a_reboot, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_opening_syncs_what_a_killed_run_left, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_an_unknown_boot_is_never_the_same, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_keeps_of_another_plan_what_a_digest_names, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_syncing_nothing_new_writes_nothing, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_removes_everything_at_the_end, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
