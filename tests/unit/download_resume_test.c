/* What a run makes of what earlier ones left: partial files, complete ones, other people's. */
#include "download_support.h"

/* A file of 8 parts that the first run leaves unfinished: its server refuses the part that begins
 * at byte 196608 (the fourth) for good. */
struct half {
    struct trial trial;
    char *bytes, hex[DIGEST_TEXT_SIZE];
    size_t size;
};

static void half_start(struct half *half) {
    trial_init(&half->trial);
    half->trial.config.max_workers = 1;
    half->size = 8 * PART;
    half->bytes = make_bytes(half->size, 3);
    digest_of(DIGEST_SHA256, half->bytes, half->size, half->hex);
    server_add(&half->trial.server, "/file", half->bytes, half->size, "\"v1\"");
    server_fault(
        &half->trial.server,
        (struct server_fault){
            .kind = FAULT_STATUS, .path = "/file", .range = "196608-", .times = 1, .status = 403});
    range_server_start(&half->trial.server);
}

static void half_plan(struct half *half, const char *etag, bool digest, const char *revision) {
    trial_plan(&half->trial, NULL);
    struct plan_file file = trial_file(&half->trial, "file", (int64_t)half->size);
    file.etag = etag;
    if (digest) {
        file.digest = DIGEST_SHA256;
        file.hex = half->hex;
    }
    if (revision)
        plan_set_revision(half->trial.plan, revision, true);
    trial_add(&half->trial, file);
}

static void half_end(struct half *half) {
    range_server_stop(&half->trial.server);
    memory_free(half->bytes);
    trial_free(&half->trial);
}

/* The second run fetches so many bytes. */
static void half_goes_on(struct half *half, int64_t fetched) {
    trial_works(&half->trial);
    assert_file(&half->trial, "file", half->bytes, half->size);
    assert_int_equal(count_of(&half->trial.progress.bytes_fetched), fetched);
    assert_int_equal(count_of(&half->trial.progress.bytes_done), half->size);
    assert_false(exists(&half->trial, ".kthena/journal"));
}

static void goes_on_where_it_was(void **state) {
    (void)state;
    static const struct {
        const char *etag;
        bool digest;
        const char *revision;
    } cases[] = {{"v1", false, NULL},
                 {NULL, true, NULL},
                 {NULL, false, "abc"},
                 {"v1", true, "abc"},
                 {NULL, false, NULL}}; /* the last: by the ETag that the replies gave */
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct half half;
        half_start(&half);
        half_plan(&half, cases[i].etag, cases[i].digest, cases[i].revision);
        trial_fails(&half.trial, ERROR_DENIED, "403");
        half_goes_on(&half, 5 * PART);
        half_end(&half);
    }
}

static void without_any_identity_it_starts_again(void **state) {
    (void)state;
    struct half half;
    half_start(&half);
    half.trial.server.files[0].etag = NULL;
    half_plan(&half, NULL, false, NULL);
    trial_fails(&half.trial, ERROR_DENIED, "403");
    half_goes_on(&half, 8 * PART);
    half_end(&half);
}

static void bytes_of_another_version_are_dropped(void **state) {
    (void)state;
    struct half half;
    half_start(&half); /* the plan knows */
    half_plan(&half, "v1", false, NULL);
    trial_fails(&half.trial, ERROR_DENIED, "403");
    server_lock(&half.trial.server);
    half.bytes[5] ^= 1;
    half.trial.server.files[0].etag = "\"v2\"";
    server_unlock(&half.trial.server);
    half_plan(&half, "v2", false, NULL);
    half_goes_on(&half, 8 * PART);
    assert_int_equal(progress_retries(&half.trial.progress), 0);
    half_end(&half);

    half_start(&half); /* only the reply tells */
    half_plan(&half, NULL, false, NULL);
    trial_fails(&half.trial, ERROR_DENIED, "403");
    server_lock(&half.trial.server);
    half.bytes[5] ^= 1;
    half.trial.server.files[0].etag = "\"v2\"";
    server_unlock(&half.trial.server);
    half_goes_on(&half, 8 * PART);
    assert_int_equal(count_of(&half.trial.progress.retries[RETRY_CHANGED]), 1);
    half_end(&half);
}

static void what_was_cut_off_a_partial_file_is_fetched_again(void **state) {
    (void)state;
    struct half half;
    half_start(&half);
    half_plan(&half, "v1", true, NULL);
    trial_fails(&half.trial, ERROR_DENIED, "403");
    char *parts = memory_format("%s/.kthena/parts", half.trial.dir);
    DIR *dir = opendir(parts);
    int cut = 0;
    for (struct dirent *entry; (entry = readdir(dir));) {
        char *name = memory_format("%s/%s", parts, entry->d_name);
        cut += truncate(name, 1000) == 0;
        memory_free(name);
    }
    closedir(dir);
    memory_free(parts);
    assert_int_equal(cut, 1);
    half_goes_on(&half, 8 * PART - 1000); /* what is cut off is asked for again */
    half_end(&half);
}

static void a_corrupted_partial_file_is_found_by_its_digest(void **state) {
    (void)state;
    struct half half;
    half_start(&half);
    half_plan(&half, "v1", true, NULL);
    trial_fails(&half.trial, ERROR_DENIED, "403");
    char *name = memory_format("%s/.kthena/parts/1", half.trial.dir);
    int fd = open(name, O_WRONLY);
    if (fd < 0) {
        memory_free(name);
        name = memory_format("%s/.kthena/parts/0", half.trial.dir);
        fd = open(name, O_WRONLY);
    }
    assert_int_equal(pwrite(fd, "?", 1, 70000), 1);
    close(fd);
    memory_free(name);
    half_goes_on(&half, 5 * PART + 8 * PART);
    assert_int_equal(count_of(&half.trial.progress.mismatches), 1);
    half_end(&half);
}

/* For a digest that only a whole reply tells, HEAD is asked when the rest is a range. */
static void learns_the_digest_of_a_resumed_file(void **state) {
    (void)state;
    struct half half;
    char line[DIGEST_TEXT_SIZE + 16];
    half_start(&half);
    half.trial.config.part_bytes = 100 * PART;
    half.trial.config.max_attempts = 1;
    half.trial.server.faults[0] =
        (struct server_fault){.kind = FAULT_CLOSE, .times = 1, .after = 3 * PART};
    snprintf(line, sizeof line, "X-Sum: %s\r\n", half.hex);
    half.trial.server.files[0].headers = line;
    struct plan_digest_header digest = {.name = "x-sum", .kind = DIGEST_SHA256};
    trial_plan(&half.trial, &(struct plan_access){.digests = &digest, .digest_count = 1});
    struct plan_file file = trial_file(&half.trial, "file", (int64_t)half.size);
    file.etag = "v1";
    trial_add(&half.trial, file);
    trial_fails(&half.trial, ERROR_PROTOCOL, "ended early");
    assert_int_equal(server_count(&half.trial.server, "HEAD"), 0);
    half_goes_on(&half, 5 * PART);
    assert_int_equal(server_count(&half.trial.server, "HEAD"), 1);
    struct manifest manifest = trial_manifest(&half.trial);
    assert_memory_equal(manifest.files[0].digest, "sha256:", 7);
    manifest_free(&manifest);
    half_end(&half);
}

static void *cancel_later(void *context) {
    struct half *half = context;
    while (server_sent(&half->trial.server) < 4 * PART)
        usleep(1000);
    atomic_store((atomic_bool *)(uintptr_t)half->trial.config.cancel, true);
    return NULL;
}

static void a_cancelled_run_is_gone_on_with(void **state) {
    (void)state;
    struct half half;
    atomic_bool cancel = false;
    pthread_t thread;
    half_start(&half);
    half.trial.server.fault_count = 0;
    half.trial.server.pause_us = 20000;
    half.trial.config.cancel = &cancel;
    half_plan(&half, "v1", true, NULL);
    assert_null(thread_start(&thread, "canceller", cancel_later, &half));
    trial_fails(&half.trial, ERROR_CANCELLED, "cancelled");
    pthread_join(thread, NULL);
    int64_t fetched = count_of(&half.trial.progress.bytes_fetched);
    assert_true(fetched >= PART && fetched < 8 * PART);
    atomic_store(&cancel, false);
    server_lock(&half.trial.server);
    half.trial.server.pause_us = 0;
    server_unlock(&half.trial.server);
    trial_works(&half.trial);
    assert_file(&half.trial, "file", half.bytes, half.size);
    assert_true(count_of(&half.trial.progress.bytes_fetched) <= 8 * PART - fetched / PART * PART);
    half_end(&half);
}

static void a_file_that_is_right_is_adopted(void **state) {
    (void)state;
    struct half half;
    half_start(&half);
    write_file(&half.trial, "file", half.bytes, half.size);
    half_plan(&half, NULL, true, NULL);
    half_goes_on(&half, 0);
    assert_int_equal(count_of(&half.trial.progress.files_present), 1);
    assert_int_equal(half.trial.server.thread_count, 0);
    half.bytes[9] ^= 1; /* one that only has the size is replaced */
    digest_of(DIGEST_SHA256, half.bytes, half.size, half.hex);
    half.trial.server.fault_count = 0;
    remove_tree(half.trial.dir);
    half.bytes[9] ^= 1;
    write_file(&half.trial, "file", half.bytes, half.size);
    half.bytes[9] ^= 1;
    half_plan(&half, NULL, true, NULL);
    half_goes_on(&half, 8 * PART);
    assert_int_equal(count_of(&half.trial.progress.files_present), 0);
    assert_int_equal(count_of(&half.trial.progress.mismatches), 0);
    half_end(&half);
}

static void only_what_changed_is_fetched_again(void **state) {
    (void)state;
    struct trial trial;
    trial_init(&trial);
    server_add(&trial.server, "/a", "aaaa", 4, "\"1\"");
    server_add(&trial.server, "/b", "bbbb", 4, "\"1\"");
    server_add(&trial.server, "/c", "cccc", 4, "\"1\"");
    range_server_start(&trial.server);
    const char *names[] = {"a", "b", "c"};
    for (int run = 1; run <= 3; run++) {
        trial_plan(&trial, NULL);
        for (int i = 0; i < 3; i++) {
            struct plan_file file = trial_file(&trial, names[i], 4);
            file.etag = i == 1 && run > 1 ? "2" : "1";
            trial_add(&trial, file);
        }
        if (run == 2) { /* b is new at the source, and somebody has touched c */
            server_lock(&trial.server);
            trial.server.files[1].bytes = "BBBB";
            trial.server.files[1].etag = "\"2\"";
            server_unlock(&trial.server);
            write_file(&trial, "c", "oops", 4);
        }
        trial_works(&trial);
        assert_int_equal(count_of(&trial.progress.files_present), run == 1 ? 0 : run == 2 ? 1 : 3);
    }
    assert_file(&trial, "a", "aaaa", 4);
    assert_file(&trial, "b", "BBBB", 4);
    assert_file(&trial, "c", "cccc", 4);
    assert_int_equal(server_count(&trial.server, "GET /a"), 1);
    assert_int_equal(server_count(&trial.server, "GET /b"), 2);
    assert_int_equal(server_count(&trial.server, "GET /c"), 2);
    range_server_stop(&trial.server);
    trial_free(&trial);
}

static void a_pinned_revision_needs_no_digest(void **state) {
    (void)state;
    struct trial trial;
    trial_init(&trial);
    server_add(&trial.server, "/a", "aaaa", 4, NULL);
    range_server_start(&trial.server);
    for (int run = 1; run <= 4; run++) {
        trial_plan(&trial, NULL);
        plan_set_revision(trial.plan, run < 3 ? "r1" : "r2", true);
        trial.source = run < 4 ? "test://files" : "test://others";
        trial_add(&trial, trial_file(&trial, "a", 4));
        trial_works(&trial);
        assert_int_equal(count_of(&trial.progress.files_present), run == 2);
        struct manifest manifest = trial_manifest(&trial);
        assert_string_equal(manifest.revision, trial.plan->revision);
        assert_string_equal(manifest.source, trial.source);
        manifest_free(&manifest);
    }
    range_server_stop(&trial.server);
    trial_free(&trial);
}

static void a_damaged_manifest_is_as_good_as_none(void **state) {
    (void)state;
    struct half half;
    half_start(&half);
    half.trial.server.fault_count = 0;
    half_plan(&half, "v1", false, NULL);
    half_goes_on(&half, 8 * PART);
    char *name = memory_format("%s/.kthena/manifest", half.trial.dir);
    assert_int_equal(truncate(name, 20), 0);
    memory_free(name);
    half_goes_on(&half, 8 * PART);
    half_end(&half);
}

static void a_thousand_files_that_are_there_ask_for_nothing(void **state) {
    (void)state;
    struct trial trial;
    enum { COUNT = 500 };
    static char names[COUNT][32];
    trial_init(&trial);
    for (int i = 0; i < COUNT; i++) {
        snprintf(names[i], sizeof names[i], "/d%d/f%d", i % 7, i);
        server_add(&trial.server, names[i], names[i], 6, "\"e\"");
    }
    range_server_start(&trial.server);
    for (int i = 0; i < COUNT; i++) {
        struct plan_file file = trial_file(&trial, names[i] + 1, 6);
        file.etag = "e";
        trial_add(&trial, file);
    }
    trial_works(&trial);
    range_server_stop(&trial.server);
    trial_works(&trial); /* with nobody to ask */
    assert_int_equal(count_of(&trial.progress.files_present), COUNT);
    trial_free(&trial);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(goes_on_where_it_was),
        cmocka_unit_test(without_any_identity_it_starts_again),
        cmocka_unit_test(bytes_of_another_version_are_dropped),
        cmocka_unit_test(what_was_cut_off_a_partial_file_is_fetched_again),
        cmocka_unit_test(a_corrupted_partial_file_is_found_by_its_digest),
        cmocka_unit_test(learns_the_digest_of_a_resumed_file),
        cmocka_unit_test(a_cancelled_run_is_gone_on_with),
        cmocka_unit_test(a_file_that_is_right_is_adopted),
        cmocka_unit_test(only_what_changed_is_fetched_again),
        cmocka_unit_test(a_pinned_revision_needs_no_digest),
        cmocka_unit_test(a_damaged_manifest_is_as_good_as_none),
        cmocka_unit_test(a_thousand_files_that_are_there_ask_for_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
