/* What a download makes of a directory after the power was lost: bytes that nothing has synced may
 * be gone, whatever was said of them. */
#include "download_support.h"

#include "store/journal_internal.h"

enum { PARTS = 8, SIZE = PARTS * PART };

/* A download of one file, without a digest that would tell what is lost, which the server ends at
 * the part `last`. */
static char *start(struct trial *trial, int last, int pause_us) {
    static char range[32];
    trial_init(trial);
    trial->config.max_workers = 1;
    char *bytes = make_bytes(SIZE, 5);
    snprintf(range, sizeof range, "%d-", last * PART);
    server_add(&trial->server, "/file", bytes, SIZE, "\"v1\"");
    server_fault(
        &trial->server,
        (struct server_fault){.kind = FAULT_STATUS, .range = range, .times = 1, .status = 403});
    trial->server.pause_us = pause_us;
    range_server_start(&trial->server);
    struct plan_file file = trial_file(trial, "file", SIZE);
    file.etag = "v1";
    trial_add(trial, file);
    trial_fails(trial, ERROR_DENIED, "403");
    server_lock(&trial->server);
    trial->server.pause_us = 0;
    server_unlock(&trial->server);
    return bytes;
}

static void lose(int fd, int64_t first, int64_t end) {
    static const char nothing[SIZE];
    assert_int_equal(pwrite(fd, nothing, (size_t)(end - first), first), end - first);
}

/* Another boot looks at the journal; all that it does not believe in is lost. Returns how many
 * bytes are left. */
static int64_t reboot(const struct trial *trial) {
    struct directory directory;
    struct journal *journal;
    int64_t at = 0, left = 0;
    int fd;
    assert_null(directory_open(trial->dir, &directory));
    assert_null(journal_open_in(&directory, "test://files@", "another-boot", &journal));
    const struct journal_file *file = journal_find(journal, "file");
    for (size_t i = 0; file && i < file->range_count; i++) {
        assert_null(directory_open_part(&directory, file->part, &fd));
        lose(fd, at, file->ranges[i].first);
        close(fd);
        at = file->ranges[i].end;
        left += at - file->ranges[i].first;
    }
    if (file && file->range_count > 0) {
        assert_null(directory_open_part(&directory, file->part, &fd));
        lose(fd, at, SIZE);
        close(fd);
    }
    journal_close(journal);
    directory_close(&directory);
    return left;
}

static void goes_on(struct trial *trial, char *bytes, int64_t left) {
    trial_works(trial);
    assert_file(trial, "file", bytes, SIZE);
    assert_int_equal(count_of(&trial->progress.bytes_fetched), SIZE - left);
    range_server_stop(&trial->server);
    memory_free(bytes);
    trial_free(trial);
}

static void what_was_not_synced_is_fetched_again(void **state) {
    (void)state;
    struct trial trial;
    char *bytes = start(&trial, 3, 0); /* ends long before the first sync */
    int64_t left = reboot(&trial);
    assert_int_equal(left, 0);
    goes_on(&trial, bytes, left);
}

static void what_was_synced_is_kept(void **state) {
    (void)state;
    struct trial trial;
    char *bytes = start(&trial, 7, 600000); /* 4.2 s, in which there is a sync or two */
    int64_t left = reboot(&trial);
    assert_true(left >= PART && left <= 7 * PART);
    goes_on(&trial, bytes, left);
}

/* A process that was killed has lost nothing. */
static void without_a_reboot_all_is_kept(void **state) {
    (void)state;
    struct trial trial;
    char *bytes = start(&trial, 3, 0);
    goes_on(&trial, bytes, 3 * PART);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_not_synced_is_fetched_again),
        cmocka_unit_test(what_was_synced_is_kept),
        cmocka_unit_test(without_a_reboot_all_is_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
