/*
 * A journal that is damaged, or of a hostile hand: the records up to the damage count, nothing
 * else, and what the journal says is held against what is there.
 */
#include "store/journal.h"

#include "base/thread.h"
#include "store/journal_internal.h"
#include "store/journal_record.h"
#include "store_support.h"

#include <signal.h>

static struct journal *open_journal_of(const struct fixture *fixture) {
    struct journal *journal = NULL;
    expect_good(journal_open_in(&fixture->directory, "plan", "boot", &journal));
    return journal;
}

static void make_part(const struct fixture *fixture, uint64_t part, int64_t size) {
    int fd;
    expect_good(directory_open_part(&fixture->directory, part, &fd));
    assert_int_equal(ftruncate(fd, size), 0);
    close(fd);
}

static uint64_t begin(const struct fixture *fixture, struct journal *journal, const char *path) {
    uint64_t part = 0;
    expect_good(journal_begin(journal, path, 1000, "etag", "sha256:00", &part));
    make_part(fixture, part, 1000);
    return part;
}

/* How many of the 100 bytes noted one by one are known. */
static int64_t known_bytes(struct journal *journal) {
    const struct journal_file *file = journal_find(journal, "a");
    if (!file || file->range_count == 0)
        return 0;
    assert_int_equal(file->range_count, 1);
    assert_int_equal(file->ranges[0].first, 0);
    return file->ranges[0].end;
}

static void test_damage_costs_what_stands_behind_it(void **state) {
    const struct fixture *fixture = *state;
    size_t length;
    struct journal *journal = open_journal_of(fixture);
    begin(fixture, journal, "a");
    for (int i = 0; i < 100; i++)
        expect_good(journal_written(journal, "a", i, i + 1));
    journal_close(journal);
    char *whole = get(fixture, "out/.kthena/journal", &length);
    int64_t before = 0;
    for (size_t at = 0; at < length; at += 3) {
        bool cut = at % 2 == 0;
        whole[at] = (char)(whole[at] ^ 0x10);
        put(fixture, "out/.kthena/journal", whole, cut ? at : length);
        whole[at] = (char)(whole[at] ^ 0x10);
        make_part(fixture, 1, 1000);
        journal = open_journal_of(fixture);
        int64_t bytes = known_bytes(journal);
        assert_true(bytes >= before && bytes <= 100);
        before = bytes;
        if (bytes > 0) /* and the journal is whole again */
            expect_good(journal_written(journal, "a", 100, 101));
        journal_close(journal);
        journal = open_journal_of(fixture);
        assert_true(bytes == 0 || journal_find(journal, "a")->range_count > 0);
        journal_close(journal);
    }
    assert_int_equal(before, 99); /* only the last record was hit */
    memory_free(whole);
}

static void test_survives_a_full_disk(void **state) {
    struct fixture *fixture = *state;
    if (!mount_small(fixture, "size=256k"))
        return;
    directory_close(&fixture->directory);
    expect_good(directory_open(fixture->path, &fixture->directory));
    char filler[65536] = {0};
    put(fixture, "out/filler", filler, sizeof filler);
    struct journal *journal = open_journal_of(fixture);
    uint64_t part = begin(fixture, journal, "a");
    int64_t at = 0;
    struct error *error = NULL;
    while (!(error = journal_written(journal, "a", at % 500 * 2, at % 500 * 2 + 1)))
        at++;
    expect_error(error, ERROR_SPACE, ".kthena/journal: No space left on device; free some space");
    assert_true(at > 1000);
    expect_error(journal_written(journal, "a", 1, 2), ERROR_SPACE, "could not write");
    assert_int_equal(journal_find(journal, "a")->range_count, 500);
    journal_close(journal);
    expect_error(journal_open_in(&fixture->directory, "plan", "boot", &journal), ERROR_SPACE,
                 "No space left");
    assert_false(exists(fixture, "out/.kthena/journal.new"));
    assert_int_equal(unlink(in(fixture, "out/filler")), 0);
    journal = open_journal_of(fixture); /* as if nothing had happened */
    assert_int_equal(journal_find(journal, "a")->range_count, 500);
    assert_int_equal(journal_find(journal, "a")->part, part);
    expect_good(journal_written(journal, "a", 1, 2));
    assert_int_equal(journal_find(journal, "a")->range_count, 499);
    journal_close(journal);
    directory_close(&fixture->directory);
    assert_int_equal(umount(fixture->path), 0);
}

static void test_believes_the_parts_more_than_itself(void **state) {
    const struct fixture *fixture = *state;
    struct journal *journal = open_journal_of(fixture);
    uint64_t a = begin(fixture, journal, "a");
    uint64_t b = begin(fixture, journal, "b");
    uint64_t c = begin(fixture, journal, "c");
    expect_good(journal_written(journal, "a", 0, 300));
    expect_good(journal_written(journal, "a", 400, 600));
    expect_good(journal_written(journal, "b", 0, 1000));
    expect_good(journal_written(journal, "c", 0, 1000));
    expect_good(journal_sync(journal, journal_mark(journal)));
    journal_close(journal);
    make_part(fixture, a, 500);
    directory_remove_part(&fixture->directory, b);
    directory_remove_part(&fixture->directory, c);
    char name[64];
    snprintf(name, sizeof name, "out/.kthena/parts/%d", (int)c);
    put_text(fixture, "elsewhere", "bytes of another");
    assert_int_equal(symlink(in(fixture, "elsewhere"), in(fixture, name)), 0);
    make_part(fixture, 77, 10);
    put_text(fixture, "out/.kthena/parts/01", "x");
    put_text(fixture, "out/.kthena/parts/+1", "x");
    put_text(fixture, "out/.kthena/parts/new-77", "x");
    for (int run = 0; run < 2; run++) { /* what is taken back stays so when the part grows */
        journal = open_journal_of(fixture);
        const struct journal_file *file = journal_find(journal, "a");
        assert_int_equal(file->range_count, 2);
        assert_int_equal(file->ranges[1].first, 400);
        assert_int_equal(file->ranges[1].end, 500);
        assert_null(journal_find(journal, "b"));
        assert_null(journal_find(journal, "c"));
        assert_int_equal(names_in(fixture, "out/.kthena/parts"), 1);
        journal_close(journal);
        make_part(fixture, a, 1000);
        make_part(fixture, b, 1000);
    }
    expect_text(fixture, "elsewhere", "bytes of another");
}

/* Appends a record with a right checksum. */
static void add(struct buffer *bytes, struct record record) {
    assert_true(record_encode(&record, bytes->length, bytes));
}

/* Opens what was added, and says how many bytes of "a" it believes. */
static int64_t open_added(const struct fixture *fixture, struct buffer *bytes) {
    put(fixture, "out/.kthena/journal", bytes->data, bytes->length);
    make_part(fixture, 1, 100);
    struct journal *journal = open_journal_of(fixture);
    int64_t known = known_bytes(journal);
    journal_close(journal);
    return known;
}

static void test_stops_at_records_that_make_no_sense(void **state) {
    const struct fixture *fixture = *state;
    const struct record header = {RECORD_HEADER, {0}, {JOURNAL_FORMAT, "boot", "plan"}};
    const struct record begins = {RECORD_BEGIN, {1, 100}, {"a", "", ""}};
    const struct record senseless[] = {
        {RECORD_HEADER, {0}, {JOURNAL_FORMAT, "boot", "plan"}},
        {RECORD_BEGIN, {1, 100}, {"b", "", ""}},          /* a number used already */
        {RECORD_BEGIN, {UINT64_MAX, 100}, {"b", "", ""}}, /* one with nothing behind it */
        {RECORD_BEGIN, {2, 100}, {"../b", "", ""}},       /* a way out */
        {RECORD_BEGIN, {2, (uint64_t)-2}, {"b", "", ""}}, /* no size */
        {RECORD_WRITTEN, {1, 50, 101}, {NULL}},           /* beyond the end */
        {RECORD_WRITTEN, {1, 50, 50}, {NULL}},            /* nothing */
        {RECORD_WRITTEN, {1, (uint64_t)-5, 50}, {NULL}},  /* before the beginning */
        {RECORD_WRITTEN, {9, 0, 50}, {NULL}},             /* no such file */
        {RECORD_RESTART, {9}, {NULL}},
    };
    for (size_t i = 0; i < sizeof senseless / sizeof *senseless; i++) {
        struct buffer bytes = {0};
        add(&bytes, header);
        add(&bytes, begins);
        add(&bytes, (struct record){RECORD_WRITTEN, {1, 0, 10}, {NULL}});
        assert_int_equal(open_added(fixture, &bytes), 10);
        add(&bytes, senseless[i]);
        add(&bytes, (struct record){RECORD_WRITTEN, {1, 10, 20}, {NULL}});
        assert_int_equal(open_added(fixture, &bytes), 10);
        buffer_free(&bytes);
    }
}

static void test_a_sync_record_covers_no_more_than_what_is_before_it(void **state) {
    const struct fixture *fixture = *state;
    struct buffer bytes = {0};
    add(&bytes, (struct record){RECORD_HEADER, {0}, {JOURNAL_FORMAT, "other boot", "plan"}});
    add(&bytes, (struct record){RECORD_BEGIN, {1, 100}, {"a", "", ""}});
    add(&bytes, (struct record){RECORD_WRITTEN, {1, 0, 10}, {NULL}});
    uint64_t mark = bytes.length;
    add(&bytes, (struct record){RECORD_SYNC, {UINT64_MAX}, {NULL}});
    assert_int_equal(open_added(fixture, &bytes), 0);
    add(&bytes, (struct record){RECORD_SYNC, {mark}, {NULL}});
    add(&bytes, (struct record){RECORD_WRITTEN, {1, 10, 20}, {NULL}});
    assert_int_equal(open_added(fixture, &bytes), 10);
    buffer_free(&bytes);
}

static void test_is_replaced_when_it_is_no_journal(void **state) {
    const struct fixture *fixture = *state;
    put_text(fixture, "precious", "precious");
    put_text(fixture, "out/.kthena/journal", "{\"version\":1}\n");
    journal_close(open_journal_of(fixture));
    assert_int_equal(unlink(in(fixture, "out/.kthena/journal")), 0);
    assert_int_equal(symlink("../../precious", in(fixture, "out/.kthena/journal")), 0);
    assert_int_equal(symlink("../../precious", in(fixture, "out/.kthena/journal.new")), 0);
    struct journal *journal = open_journal_of(fixture);
    begin(fixture, journal, "a");
    journal_close(journal);
    expect_text(fixture, "precious", "precious");
    assert_int_equal(mkfifo(in(fixture, "out/.kthena/pipe"), 0666), 0);
    assert_int_equal(rename(in(fixture, "out/.kthena/pipe"), in(fixture, "out/.kthena/journal")),
                     0);
    journal_close(open_journal_of(fixture));
    assert_int_equal(unlink(in(fixture, "out/.kthena/journal")), 0);
    assert_int_equal(mkdir(in(fixture, "out/.kthena/journal"), 0777), 0);
    expect_error(journal_open(&fixture->directory, "plan", &journal), ERROR_IO, "journal");
    assert_null(journal);
    assert_false(exists(fixture, "out/.kthena/journal.new"));
}

/* Writes one byte after the other, and says so when each is noted, until it is killed. */
static void write_until_killed(const struct fixture *fixture, int said) {
    int fd;
    uint64_t part;
    struct journal *journal = open_journal_of(fixture);
    if (journal_begin(journal, "a", 1000000, "etag", "sha256:00", &part) ||
        directory_open_part(&fixture->directory, part, &fd))
        _exit(1);
    for (int64_t at = known_bytes(journal); at < 1000000; at++)
        if (pwrite(fd, "x", 1, at) != 1 || journal_written(journal, "a", at, at + 1) ||
            (at % 7 == 0 && journal_sync(journal, journal_mark(journal))) ||
            write(said, &at, sizeof at) != sizeof at)
            _exit(1);
    _exit(0);
}

static void test_survives_being_killed(void **state) {
    const struct fixture *fixture = *state;
    int64_t confirmed = 0;
    for (int round = 0; round < 20; round++) {
        int said[2];
        assert_int_equal(pipe(said), 0);
        pid_t child = fork();
        assert_true(child >= 0);
        if (child == 0)
            write_until_killed(fixture, said[1]);
        close(said[1]);
        int64_t at = -1;
        for (int i = 0; i <= round; i++) /* sooner or later */
            assert_int_equal(read(said[0], &at, sizeof at), sizeof at);
        assert_int_equal(kill(child, SIGKILL), 0);
        assert_int_equal(waitpid(child, NULL, 0), child);
        assert_true(at >= confirmed); /* went on where the one before was killed */
        while (read(said[0], &confirmed, sizeof confirmed) == sizeof confirmed)
            ;
        close(said[0]);
        confirmed = confirmed > at ? confirmed : at;
        struct journal *journal = open_journal_of(fixture);
        int64_t known = known_bytes(journal);
        assert_true(known > confirmed && known <= confirmed + 2);
        journal_close(journal);
        confirmed = known;
    }
}

enum { THREADS = 4, PIECES = 400 };

struct writer {
    struct journal *journal;
    int number;
};

static void *write_pieces(void *context) {
    const struct writer *writer = context;
    char path[16];
    uint64_t part;
    for (int i = 0; i < PIECES; i++) {
        snprintf(path, sizeof path, "f%d-%d", writer->number, i % 8);
        struct error *error =
            i < 8 ? journal_begin(writer->journal, path, PIECES, "", "", &part) : NULL;
        if (!error)
            error = journal_written(writer->journal, path, i, i + 1);
        if (!error && i % 50 == 49)
            error = journal_sync(writer->journal, journal_mark(writer->journal));
        if (error)
            return error;
        if (journal_find(writer->journal, path)->range_count == 0)
            return error_new(ERROR_IO, NULL, "%s has nothing", path);
    }
    return NULL;
}

static void test_takes_records_of_many_threads(void **state) {
    const struct fixture *fixture = *state;
    pthread_t threads[THREADS];
    struct writer writers[THREADS];
    char path[16];
    void *error;
    struct journal *journal = open_journal_of(fixture);
    for (int i = 0; i < THREADS; i++) {
        writers[i] = (struct writer){journal, i};
        expect_good(thread_start(&threads[i], "writer", write_pieces, &writers[i]));
    }
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], &error);
        expect_good(error);
    }
    for (uint64_t part = 1; part <= THREADS * 8; part++)
        make_part(fixture, part, PIECES);
    journal_close(journal);
    journal = open_journal_of(fixture);
    for (int i = 0; i < THREADS * 8; i++) {
        snprintf(path, sizeof path, "f%d-%d", i / 8, i % 8);
        const struct journal_file *file = journal_find(journal, path);
        assert_int_equal(file->range_count, PIECES / 8);
        for (size_t each = 0; each < file->range_count; each++)
            assert_int_equal(file->ranges[each].first, each * 8 + (size_t)(i % 8));
    }
    journal_close(journal);
}

static void test_stays_small_over_many_runs(void **state) {
    const struct fixture *fixture = *state;
    struct stat about;
    struct journal *journal = open_journal_of(fixture);
    begin(fixture, journal, "a");
    journal_close(journal);
    for (int run = 0; run < 20; run++) {
        journal = open_journal_of(fixture);
        for (int i = 0; i < 1000; i++)
            expect_good(journal_written(journal, "a", i, i + 1));
        journal_close(journal);
    }
    journal_close(open_journal_of(fixture));
    assert_int_equal(stat(in(fixture, "out/.kthena/journal"), &about), 0);
    assert_true(about.st_size < 300);
}

static void test_takes_very_many_files(void **state) {
    const struct fixture *fixture = *state;
    char path[64];
    uint64_t part;
    enum { FILES = 50000 };
    struct journal *journal = open_journal_of(fixture);
    for (int run = 0; run < 2; run++) {
        for (int i = 0; i < FILES; i++) {
            snprintf(path, sizeof path, "directory/of/files/%d.bin", i);
            const struct journal_file *file = journal_find(journal, path);
            assert_int_equal(file != NULL, run);
            if (run == 0) {
                expect_good(journal_begin(journal, path, i, "etag", "xxh3:01", &part));
                expect_good(journal_complete(journal, path, "xxh3:01", i, (uint64_t)i));
            } else {
                assert_true(file->complete);
                assert_int_equal(file->inode, i);
            }
        }
        if (run == 0) {
            expect_good(journal_sync(journal, journal_mark(journal)));
            journal_close(journal);
            journal = open_journal_of(fixture);
        }
    }
    journal_close(journal);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_damage_costs_what_stands_behind_it, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_survives_a_full_disk, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_believes_the_parts_more_than_itself, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_stops_at_records_that_make_no_sense, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_a_sync_record_covers_no_more_than_what_is_before_it,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_is_replaced_when_it_is_no_journal, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_survives_being_killed, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_takes_records_of_many_threads, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_stays_small_over_many_runs, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_takes_very_many_files, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
