/* What a download does when the server or the way to it fails: which failures are tried again, what
 * is kept, and what it says when it gives up. */
#include "download_support.h"
#include "store/lock_internal.h"

/* One file of 5 parts and a bit, and a server that plays one fault. */
struct one {
    struct trial trial;
    char *bytes;
    size_t size;
};

static void one_start(struct one *one, struct server_fault fault) {
    trial_init(&one->trial);
    one->size = 5 * PART + 100;
    one->bytes = make_bytes(one->size, 3);
    server_add(&one->trial.server, "/dir/file", one->bytes, one->size, "\"v1\"");
    server_fault(&one->trial.server, fault);
    range_server_start(&one->trial.server);
    trial_add(&one->trial, trial_file(&one->trial, "dir/file", (int64_t)one->size));
}

static void one_end(struct one *one) {
    range_server_stop(&one->trial.server);
    memory_free(one->bytes);
    trial_free(&one->trial);
}

/* The download works, after so many retries of the cause, and fetches at most so many bytes more
 * than the file has. */
static void one_works(struct server_fault fault, enum retry_cause cause, int retries,
                      int64_t more) {
    struct one one;
    one_start(&one, fault);
    trial_works(&one.trial);
    assert_file(&one.trial, "dir/file", one.bytes, one.size);
    assert_int_equal(count_of(&one.trial.progress.retries[cause]), retries);
    assert_int_equal(progress_retries(&one.trial.progress), retries);
    assert_int_equal(count_of(&one.trial.progress.bytes_done), one.size);
    if (count_of(&one.trial.progress.bytes_fetched) > (int64_t)one.size + more)
        fail_msg("fetched %lld of %zu bytes",
                 (long long)count_of(&one.trial.progress.bytes_fetched), one.size);
    one_end(&one);
}

static void one_fails(struct server_fault fault, enum error_kind kind, const char *part) {
    struct one one;
    one_start(&one, fault);
    one.trial.config.max_attempts = 2;
    trial_fails(&one.trial, kind, part);
    assert_non_null(strstr(one.trial.text, "could not download 'dir/file'"));
    assert_false(exists(&one.trial, "dir/file"));
    assert_false(exists(&one.trial, ".kthena/manifest"));
    one_end(&one);
}

static void goes_on_after_a_reset(void **state) {
    (void)state;
    one_works((struct server_fault){.kind = FAULT_RESET, .times = 2, .after = 1000}, RETRY_RESET, 2,
              0);
}

static void goes_on_after_a_truncated_body(void **state) {
    (void)state;
    one_works((struct server_fault){.kind = FAULT_CLOSE, .times = 3, .after = 30000}, RETRY_RESET,
              3, 0);
}

/* More cuts than attempts, but each brings bytes. */
static void progress_earns_new_attempts(void **state) {
    (void)state;
    one_works(
        (struct server_fault){.kind = FAULT_CLOSE, .range = "131", .times = 4, .after = 10000},
        RETRY_RESET, 1, 0);
    struct one one;
    one_start(&one, (struct server_fault){.kind = FAULT_CLOSE, .times = 4, .after = 15000});
    one.trial.config.max_workers = 1;
    one.trial.config.max_attempts = 2;
    trial_works(&one.trial);
    assert_int_equal(count_of(&one.trial.progress.retries[RETRY_RESET]), 4);
    one_end(&one);
}

static void goes_on_after_a_stall(void **state) {
    (void)state;
    struct one one;
    one_start(&one, (struct server_fault){.kind = FAULT_STALL, .times = 1, .after = 500});
    one.trial.config.stall_ms = 300;
    trial_works(&one.trial);
    assert_file(&one.trial, "dir/file", one.bytes, one.size);
    assert_int_equal(count_of(&one.trial.progress.retries[RETRY_STALL]), 1);
    assert_int_equal(count_of(&one.trial.progress.bytes_fetched), one.size);
    one_end(&one);
}

static void gives_up_on_a_connection_that_always_stalls(void **state) {
    (void)state;
    struct one one;
    one_start(&one, (struct server_fault){.kind = FAULT_STALL, .times = -1});
    one.trial.config.stall_ms = 200;
    one.trial.config.max_attempts = 2;
    trial_fails(&one.trial, ERROR_TIMEOUT, "/dir/file: no byte came for 1 s");
    assert_non_null(strstr(one.trial.text, "in 2 attempts"));
    one_end(&one);
}

static void tries_passing_statuses_again(void **state) {
    (void)state;
    static const int statuses[] = {408, 429, 500, 502, 503, 504};
    for (size_t i = 0; i < sizeof statuses / sizeof *statuses; i++)
        one_works((struct server_fault){.kind = FAULT_STATUS,
                                        .times = 1,
                                        .status = statuses[i],
                                        .headers = "Retry-After: 0\r\n",
                                        .body = "later"},
                  RETRY_STATUS, 1, 0);
    one_fails(
        (struct server_fault){
            .kind = FAULT_STATUS, .times = -1, .status = 503, .body = "come\nback\x01 later"},
        ERROR_PROTOCOL, "status 503: come back later");
}

static void waits_as_long_as_it_is_told(void **state) {
    (void)state;
    struct timespec before, after;
    clock_gettime(CLOCK_MONOTONIC, &before);
    one_works((struct server_fault){.kind = FAULT_STATUS,
                                    .times = 1,
                                    .status = 429,
                                    .headers = "RateLimit: \"api\";r=0;t=1\r\n"},
              RETRY_STATUS, 1, 0);
    clock_gettime(CLOCK_MONOTONIC, &after);
    double seconds =
        (double)(after.tv_sec - before.tv_sec) + (double)(after.tv_nsec - before.tv_nsec) / 1e9;
    assert_true(seconds > 1.9);
}

static void tries_a_wrong_content_range_again(void **state) {
    (void)state;
    one_works((struct server_fault){.kind = FAULT_WRONG_RANGE, .times = 1}, RETRY_STATUS, 1, 0);
    one_fails((struct server_fault){.kind = FAULT_WRONG_RANGE, .times = -1}, ERROR_PROTOCOL,
              "its Content-Range is not what was asked for");
}

static void starts_over_when_ranges_are_ignored(void **state) {
    (void)state;
    struct one one;
    one_start(&one, (struct server_fault){.kind = FAULT_IGNORE_RANGE, .times = -1});
    trial_works(&one.trial);
    assert_file(&one.trial, "dir/file", one.bytes, one.size);
    assert_int_equal(count_of(&one.trial.progress.bytes_done), one.size);
    assert_int_equal(count_of(&one.trial.progress.bytes_fetched), one.size);
    one_end(&one);
    /* in mid-file, after ranges that worked */
    one_start(&one, (struct server_fault){.kind = FAULT_IGNORE_RANGE, .skip = 3, .times = -1});
    trial_works(&one.trial);
    assert_file(&one.trial, "dir/file", one.bytes, one.size);
    assert_int_equal(count_of(&one.trial.progress.bytes_done), one.size);
    one_end(&one);
}

static void a_stream_without_ranges_starts_again(void **state) {
    (void)state;
    struct one one;
    one_start(&one, (struct server_fault){.kind = FAULT_CLOSE, .times = 1, .after = 4 * PART});
    server_fault(&one.trial.server, (struct server_fault){.kind = FAULT_IGNORE_RANGE, .times = -1});
    one.trial.server.faults[0].range = "x"; /* not yet */
    trial_plan(&one.trial, NULL);
    trial_add(&one.trial, trial_file(&one.trial, "dir/file", -1));
    one.trial.server.faults[0] =
        (struct server_fault){.kind = FAULT_CLOSE, .skip = 1, .times = 1, .after = 4 * PART};
    trial_works(&one.trial);
    assert_file(&one.trial, "dir/file", one.bytes, one.size);
    assert_int_equal(count_of(&one.trial.progress.bytes_done), one.size);
    one_end(&one);
}

/* The plan names the ETag, so that it does not matter which of several replies is read first. */
static void plan_etag(struct one *one, const char *etag) {
    trial_plan(&one->trial, NULL);
    struct plan_file file = trial_file(&one->trial, "dir/file", (int64_t)one->size);
    file.etag = etag;
    trial_add(&one->trial, file);
}

static void starts_again_when_the_source_changes(void **state) {
    (void)state;
    char *other = make_bytes(6 * PART, 99);
    struct one one;
    one_start(&one, (struct server_fault){.kind = FAULT_CHANGE,
                                          .skip = 3,
                                          .times = 1,
                                          .etag = "\"v2\"",
                                          .bytes = other,
                                          .size = 6 * PART});
    plan_etag(&one, "v1");
    trial_works(&one.trial);
    assert_file(&one.trial, "dir/file", other, 6 * PART);
    assert_int_equal(count_of(&one.trial.progress.retries[RETRY_CHANGED]), 1);
    assert_int_equal(count_of(&one.trial.progress.bytes_done), 6 * PART);
    assert_int_equal(count_of(&one.trial.progress.bytes_total), 6 * PART);
    struct manifest manifest = trial_manifest(&one.trial);
    assert_string_equal(manifest.files[0].etag, "v2");
    assert_int_equal(manifest.files[0].size, 6 * PART);
    manifest_free(&manifest);
    one_end(&one);

    one_start(&one, (struct server_fault){.kind = FAULT_CHANGE,
                                          .skip = 3,
                                          .times = 1,
                                          .etag = "\"v2\"",
                                          .bytes = other,
                                          .size = 6 * PART});
    server_fault(&one.trial.server, (struct server_fault){.kind = FAULT_CHANGE,
                                                          .skip = 7,
                                                          .times = 1,
                                                          .etag = "\"v3\"",
                                                          .bytes = other,
                                                          .size = 6 * PART});
    plan_etag(&one, "v1");
    trial_fails(&one.trial, ERROR_PROTOCOL, "changes while it is read");
    assert_false(exists(&one.trial, "dir/file"));
    one_end(&one);
    memory_free(other);
}

/* The range that is asked for is no longer there: the server says no more than that. */
static void starts_again_when_the_source_shrinks(void **state) {
    (void)state;
    static const char *const etags[] = {"\"v2\"", "\"v1\"", NULL};
    char *other = make_bytes(PART + 7, 99);
    for (size_t i = 0; i < sizeof etags / sizeof *etags; i++) {
        struct one one;
        struct server_fault shrinks = {.kind = FAULT_CHANGE,
                                       .range = "327680-",
                                       .times = 1,
                                       .etag = etags[i],
                                       .bytes = other,
                                       .size = PART + 7};
        one_start(&one, shrinks);
        trial_works(&one.trial);
        assert_file(&one.trial, "dir/file", other, PART + 7);
        assert_int_equal(count_of(&one.trial.progress.retries[RETRY_CHANGED]), 1);
        assert_int_equal(count_of(&one.trial.progress.bytes_done), PART + 7);
        assert_int_equal(count_of(&one.trial.progress.bytes_total), PART + 7);
        one_end(&one);

        one_start(&one, shrinks);
        shrinks.range = "65536-65542";
        shrinks.size = 10;
        server_fault(&one.trial.server, shrinks);
        trial_fails(&one.trial, ERROR_PROTOCOL, "changes while it is read");
        assert_false(exists(&one.trial, "dir/file"));
        one_end(&one);
    }
    memory_free(other);
}

static void the_plan_s_etag_may_be_out_of_date(void **state) {
    (void)state;
    struct one one;
    one_start(&one, (struct server_fault){.kind = FAULT_CLOSE, .range = "none", .times = -1});
    plan_etag(&one, "v0");
    trial_works(&one.trial);
    assert_file(&one.trial, "dir/file", one.bytes, one.size);
    assert_int_equal(count_of(&one.trial.progress.retries[RETRY_CHANGED]), 1);
    one_end(&one);
}

static void a_size_that_is_not_the_plan_s_is_an_error(void **state) {
    (void)state;
    struct one one;
    one_start(&one, (struct server_fault){.kind = FAULT_CLOSE, .range = "none", .times = -1});
    one.trial.config.max_attempts = 1;
    trial_plan(&one.trial, NULL);
    trial_add(&one.trial, trial_file(&one.trial, "dir/file", (int64_t)one.size - 1));
    trial_fails(&one.trial, ERROR_PROTOCOL, "it has 327780 bytes and should have 327779");
    one_end(&one);
    one_start(&one, (struct server_fault){.kind = FAULT_CLOSE, .range = "none", .times = -1});
    one.trial.config.max_attempts = 1;
    trial_plan(&one.trial, NULL);
    trial_add(&one.trial, trial_file(&one.trial, "dir/file", 20));
    trial_fails(&one.trial, ERROR_PROTOCOL, "it has 327780 bytes and should have 20");
    one_end(&one);
}

static void set_digest(struct one *one) {
    char hex[DIGEST_TEXT_SIZE];
    digest_of(DIGEST_SHA256, one->bytes, one->size, hex);
    trial_plan(&one->trial, NULL);
    struct plan_file file = trial_file(&one->trial, "dir/file", (int64_t)one->size);
    file.digest = DIGEST_SHA256;
    file.hex = hex;
    trial_add(&one->trial, file);
}

static void wrong_bytes_are_fetched_once_more(void **state) {
    (void)state;
    struct one one;
    one_start(&one, (struct server_fault){.kind = FAULT_FLIP, .range = "131072-", .times = 1});
    set_digest(&one);
    trial_works(&one.trial);
    assert_file(&one.trial, "dir/file", one.bytes, one.size);
    assert_int_equal(count_of(&one.trial.progress.mismatches), 1);
    assert_int_equal(count_of(&one.trial.progress.retries[RETRY_DIGEST]), 1);
    assert_int_equal(count_of(&one.trial.progress.bytes_done), one.size);
    assert_int_equal(count_of(&one.trial.progress.bytes_fetched), 2 * one.size);
    one_end(&one);
}

static void wrong_bytes_twice_are_an_error_with_both_digests(void **state) {
    (void)state;
    struct one one;
    char good[DIGEST_TEXT_SIZE], bad[DIGEST_TEXT_SIZE];
    one_start(&one, (struct server_fault){.kind = FAULT_FLIP, .range = "131072-", .times = -1});
    set_digest(&one);
    trial_fails(&one.trial, ERROR_PROTOCOL, "could not download 'dir/file'");
    digest_of(DIGEST_SHA256, one.bytes, one.size, good);
    one.bytes[131072] = (char)(one.bytes[131072] ^ 1);
    digest_of(DIGEST_SHA256, one.bytes, one.size, bad);
    one.bytes[131072] = (char)(one.bytes[131072] ^ 1);
    assert_non_null(strstr(one.trial.text, good));
    assert_non_null(strstr(one.trial.text, bad));
    assert_int_equal(count_of(&one.trial.progress.mismatches), 2);
    assert_false(exists(&one.trial, "dir/file"));
    server_lock(&one.trial.server);
    one.trial.server.faults[0].times = 0;
    server_unlock(&one.trial.server);
    /* the next run finds nothing of the wrong bytes */
    trial_works(&one.trial);
    assert_file(&one.trial, "dir/file", one.bytes, one.size);
    one_end(&one);
}

static void refusals_are_fatal_at_once(void **state) {
    (void)state;
    static const struct {
        int status;
        enum error_kind kind;
    } cases[] = {{400, ERROR_PROTOCOL},  {401, ERROR_UNAUTHORIZED}, {403, ERROR_DENIED},
                 {404, ERROR_NOT_FOUND}, {410, ERROR_NOT_FOUND},    {416, ERROR_PROTOCOL},
                 {204, ERROR_PROTOCOL},  {501, ERROR_PROTOCOL}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct one one;
        one_start(&one, (struct server_fault){.kind = FAULT_STATUS,
                                              .times = -1,
                                              .status = cases[i].status,
                                              .headers = "X-Error-Code: Gated\r\n"
                                                         "X-Error-Message: ask for it\r\n",
                                              .body = "<no>"});
        trial_plan(&one.trial,
                   &(struct plan_access){.reason_headers = "x-error-code, x-error-message,x-none"});
        trial_add(&one.trial, trial_file(&one.trial, "dir/file", (int64_t)one.size));
        char *status = memory_format("status %d", cases[i].status);
        trial_fails(&one.trial, cases[i].kind, status);
        assert_non_null(
            strstr(one.trial.text, "(x-error-code: Gated; x-error-message: ask for it)"));
        assert_int_equal(progress_retries(&one.trial.progress), 0);
        memory_free(status);
        one_end(&one);
    }
}

static void what_is_complete_is_kept_after_an_error(void **state) {
    (void)state;
    struct trial trial;
    trial_init(&trial);
    char *bytes = make_bytes(4 * PART, 5);
    server_add(&trial.server, "/good", bytes, 4 * PART, "\"g\"");
    range_server_start(&trial.server);
    trial.config.max_workers = 1;
    trial_add(&trial, trial_file(&trial, "bad", 10));
    trial_add(&trial, trial_file(&trial, "good", 4 * PART));
    trial_fails(&trial, ERROR_NOT_FOUND, "could not download 'bad': GET http://127.0.0.1:");
    int asked = server_count(&trial.server, "GET /good");
    trial_plan(&trial, NULL);
    trial_add(&trial, trial_file(&trial, "good", 4 * PART));
    trial_works(&trial);
    assert_file(&trial, "good", bytes, 4 * PART);
    assert_int_equal(server_count(&trial.server, "GET /good"), asked);
    range_server_stop(&trial.server);
    memory_free(bytes);
    trial_free(&trial);
}

/* They were in memory, or on disk and not hashed yet, when the run ended: it does not matter which.
 */
static void what_came_in_one_piece_is_kept_after_an_error(void **state) {
    (void)state;
    static const size_t sizes[] = {1000, 300 * 1000}; /* collected in memory; written at once */
    enum { GOOD = 10 };
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        struct trial trial;
        char paths[GOOD][24];
        trial_init(&trial);
        trial.config.max_workers = 1;
        trial.config.part_bytes = 1024 * 1024;
        char *bytes = make_bytes(sizes[i], 5);
        for (int k = 0; k < GOOD; k++) {
            snprintf(paths[k], sizeof paths[k], "/good%d", k);
            server_add(&trial.server, paths[k], bytes, sizes[i], "\"g\"");
        }
        range_server_start(&trial.server);
        for (int k = 0; k < GOOD; k++)
            trial_add(&trial, trial_file(&trial, paths[k] + 1, (int64_t)sizes[i]));
        trial_add(&trial, trial_file(&trial, "bad", 10)); /* the smallest is the last one */
        trial_fails(&trial, ERROR_NOT_FOUND, "could not download 'bad'");
        trial_plan(&trial, NULL);
        for (int k = 0; k < GOOD; k++)
            trial_add(&trial, trial_file(&trial, paths[k] + 1, (int64_t)sizes[i]));
        trial_works(&trial);
        for (int k = 0; k < GOOD; k++)
            assert_file(&trial, paths[k] + 1, bytes, sizes[i]);
        assert_int_equal(server_count(&trial.server, "GET /good"), GOOD);
        range_server_stop(&trial.server);
        memory_free(bytes);
        trial_free(&trial);
    }
}

static void nobody_there_is_unreachable(void **state) {
    (void)state;
    struct trial trial;
    trial_init(&trial);
    range_server_start(&trial.server);
    trial.config.max_attempts = 2;
    trial_add(&trial, trial_file(&trial, "file", 10));
    range_server_stop(&trial.server);
    trial_fails(&trial, ERROR_UNREACHABLE, "Connection refused");
    assert_int_equal(count_of(&trial.progress.retries[RETRY_CONNECT]), 1);
    trial_free(&trial);
}

static void guarded_downloads_do_not_reach_this_machine(void **state) {
    (void)state;
    struct one one;
    one_start(&one, (struct server_fault){.kind = FAULT_RESET, .times = 0});
    one.trial.config.network.guarded = true;
    trial_fails(&one.trial, ERROR_DENIED, "loopback");
    assert_int_equal(one.trial.server.thread_count, 0);
    one_end(&one);
}

static void no_space_is_told_before_the_first_byte(void **state) {
    (void)state;
    struct one one;
    one_start(&one, (struct server_fault){.kind = FAULT_RESET, .times = 0});
    trial_plan(&one.trial, NULL);
    trial_add(&one.trial, trial_file(&one.trial, "dir/file", INT64_C(1) << 60));
    trial_fails(&one.trial, ERROR_SPACE, "1.15 EB are needed");
    assert_int_equal(one.trial.server.thread_count, 0);
    one_end(&one);
}

/* Another process has taken the directory over, as after a long stop of this one. */
static void a_lost_lock_ends_the_run(void **state) {
    (void)state;
    static const struct lock_settings settings = {
        .heartbeat_ms = 20, .silent_ms = 1000, .volume = LOCK_VOLUME_LOCAL};
    struct one one;
    struct directory directory;
    one_start(&one, (struct server_fault){.kind = FAULT_STALL, .times = -1});
    assert_null(directory_open(one.trial.dir, &directory));
    assert_null(lock_acquire_with(&directory, &settings, NULL, NULL, NULL, &one.trial.config.lock));
    assert_int_equal(unlinkat(directory.work_fd, "lock", 0), 0);
    trial_fails(&one.trial, ERROR_EXISTS, "was taken over by another process");
    assert_false(exists(&one.trial, ".kthena/manifest"));
    lock_release(one.trial.config.lock);
    directory_close(&directory);
    one_end(&one);
}

/* A directory stands where a file has to be. */
static void what_cannot_be_put_in_place_is_an_error(void **state) {
    (void)state;
    struct one one;
    one_start(&one, (struct server_fault){.kind = FAULT_RESET, .times = 0});
    write_file(&one.trial, "dir/file/inside", "x", 1);
    trial_fails(&one.trial, ERROR_EXISTS, "dir/file");
    one_end(&one);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(goes_on_after_a_reset),
        cmocka_unit_test(goes_on_after_a_truncated_body),
        cmocka_unit_test(progress_earns_new_attempts),
        cmocka_unit_test(goes_on_after_a_stall),
        cmocka_unit_test(gives_up_on_a_connection_that_always_stalls),
        cmocka_unit_test(tries_passing_statuses_again),
        cmocka_unit_test(waits_as_long_as_it_is_told),
        cmocka_unit_test(tries_a_wrong_content_range_again),
        cmocka_unit_test(starts_over_when_ranges_are_ignored),
        cmocka_unit_test(a_stream_without_ranges_starts_again),
        cmocka_unit_test(starts_again_when_the_source_changes),
        cmocka_unit_test(starts_again_when_the_source_shrinks),
        cmocka_unit_test(the_plan_s_etag_may_be_out_of_date),
        cmocka_unit_test(a_size_that_is_not_the_plan_s_is_an_error),
        cmocka_unit_test(wrong_bytes_are_fetched_once_more),
        cmocka_unit_test(wrong_bytes_twice_are_an_error_with_both_digests),
        cmocka_unit_test(refusals_are_fatal_at_once),
        cmocka_unit_test(what_is_complete_is_kept_after_an_error),
        cmocka_unit_test(what_came_in_one_piece_is_kept_after_an_error),
        cmocka_unit_test(nobody_there_is_unreachable),
        cmocka_unit_test(guarded_downloads_do_not_reach_this_machine),
        cmocka_unit_test(no_space_is_told_before_the_first_byte),
        cmocka_unit_test(a_lost_lock_ends_the_run),
        cmocka_unit_test(what_cannot_be_put_in_place_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
