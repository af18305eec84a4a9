/* What a download does when all is well: ranges, order, digests, names, and the second run. */
#include "download_support.h"

static void fetches_files_of_all_sizes(void **state) {
    (void)state;
    struct trial trial;
    trial_init(&trial);
    static const size_t sizes[] = {0, 1, PART - 1, PART, PART + 1, 5 * PART + 17, 12 * PART};
    enum { COUNT = sizeof sizes / sizeof *sizes };
    char *bytes[COUNT], names[COUNT][32], hex[DIGEST_TEXT_SIZE];
    int64_t sum = 0;
    for (unsigned i = 0; i < COUNT; i++) {
        snprintf(names[i], sizeof names[i], "/a/%u/file-%u", i % 3, i);
        bytes[i] = make_bytes(sizes[i], i);
        server_add(&trial.server, names[i], bytes[i], sizes[i], "\"e\"");
        sum += (int64_t)sizes[i];
    }
    range_server_start(&trial.server);
    for (unsigned i = 0; i < COUNT; i++) {
        struct plan_file file = trial_file(&trial, names[i] + 1, (int64_t)sizes[i]);
        file.etag = i % 2 ? "W/\"e\"" : NULL;
        if (i % 3) {
            digest_of(DIGEST_SHA256, bytes[i], sizes[i], hex);
            file.digest = DIGEST_SHA256;
            file.hex = hex;
        }
        trial_add(&trial, file);
    }
    plan_set_revision(trial.plan, "r1", true);
    trial_works(&trial);
    struct manifest manifest = trial_manifest(&trial);
    assert_int_equal(manifest.count, COUNT);
    assert_string_equal(manifest.source, "test://files");
    assert_string_equal(manifest.revision, "r1");
    assert_true(manifest.pinned);
    for (unsigned i = 0; i < COUNT; i++) {
        assert_file(&trial, names[i] + 1, bytes[i], sizes[i]);
        const struct manifest_file *file = manifest_find(&manifest, names[i] + 1);
        enum digest_kind kind = i % 3 ? DIGEST_SHA256 : DIGEST_XXH3;
        digest_of(kind, bytes[i], sizes[i], hex);
        char *digest = memory_format("%s:%s", digest_name(kind), hex);
        assert_string_equal(file->digest, digest);
        assert_string_equal(file->etag, sizes[i] || i % 2 ? "e" : "");
        assert_int_equal(file->size, sizes[i]);
        memory_free(digest);
    }
    assert_int_equal(count_of(&trial.progress.bytes_total), sum);
    assert_int_equal(count_of(&trial.progress.bytes_done), sum);
    assert_int_equal(count_of(&trial.progress.bytes_fetched), sum);
    assert_int_equal(count_of(&trial.progress.files_done), COUNT);
    assert_int_equal(count_of(&trial.progress.files_present), 0);
    assert_int_equal(count_of(&trial.progress.connections), 0);
    assert_int_equal(progress_retries(&trial.progress), 0);
    assert_true(trial.server.most_connections <= 4);
    assert_false(exists(&trial, ".kthena/journal"));
    assert_false(exists(&trial, ".kthena/parts/1"));
    /* 6 and 12 ranges for the large ones, and no request for the empty one */
    assert_int_equal(server_count(&trial.server, "\r\nRange: bytes="), 2 + 6 + 12);
    assert_int_equal(server_count(&trial.server, "GET /a/"), 2 + 6 + 12 + 3);
    assert_int_equal(server_count(&trial.server, "Accept-Encoding: identity\r\n"), 23);
    assert_int_equal(server_count(&trial.server, "User-Agent: kthena-test/1\r\n"), 23);

    trial_works(&trial); /* again: all is there */
    assert_int_equal(server_count(&trial.server, "GET /a/"), 23);
    assert_int_equal(count_of(&trial.progress.files_present), COUNT);
    assert_int_equal(count_of(&trial.progress.bytes_done), sum);
    assert_int_equal(count_of(&trial.progress.bytes_fetched), 0);
    struct manifest again = trial_manifest(&trial);
    assert_string_equal(again.completed, manifest.completed); /* not written again */
    manifest_free(&again);
    manifest_free(&manifest);
    range_server_stop(&trial.server);
    for (unsigned i = 0; i < COUNT; i++)
        memory_free(bytes[i]);
    trial_free(&trial);
}

static void many_small_files_share_few_connections(void **state) {
    (void)state;
    struct trial trial;
    enum { COUNT = 500 };
    static char names[COUNT][32];
    trial_init(&trial);
    char *bytes = make_bytes(3000, 1);
    for (unsigned i = 0; i < COUNT; i++) {
        snprintf(names[i], sizeof names[i], "/s/%u", i);
        server_add(&trial.server, names[i], bytes + i, 2000, NULL);
    }
    range_server_start(&trial.server);
    for (unsigned i = 0; i < COUNT; i++)
        trial_add(&trial, trial_file(&trial, names[i] + 1, 2000));
    trial_works(&trial);
    for (unsigned i = 0; i < COUNT; i++)
        assert_file(&trial, names[i] + 1, bytes + i, 2000);
    range_server_stop(&trial.server);
    assert_int_equal(trial.server.thread_count, 4); /* connections in all */
    assert_int_equal(count_of(&trial.progress.files_done), COUNT);
    memory_free(bytes);
    trial_free(&trial);
}

static void sets_mode_and_time(void **state) {
    (void)state;
    struct trial trial;
    struct stat about;
    trial_init(&trial);
    server_add(&trial.server, "/x", "abc", 3, "\"1\"");
    range_server_start(&trial.server);
    struct plan_file file = trial_file(&trial, "x", 3);
    file.etag = "1";
    file.mode = 0751;
    file.mtime_ns = 1234567890123456789;
    trial_add(&trial, file);
    trial_works(&trial);
    char *name = memory_format("%s/x", trial.dir);
    assert_int_equal(stat(name, &about), 0);
    assert_int_equal(about.st_mode & 07777, 0751);
    assert_int_equal(about.st_mtim.tv_sec, 1234567890);
    assert_int_equal(about.st_mtim.tv_nsec, 123456789);
    memory_free(name);
    trial_works(&trial);
    assert_int_equal(server_count(&trial.server, "GET /x"), 1);
    range_server_stop(&trial.server);
    trial_free(&trial);
}

static void checks_every_kind_of_digest(void **state) {
    (void)state;
    struct trial trial;
    char names[DIGEST_XXH3 + 1][16], hex[DIGEST_TEXT_SIZE];
    trial_init(&trial);
    char *bytes = make_bytes(2 * PART, 7);
    for (int kind = DIGEST_SHA256; kind <= DIGEST_XXH3; kind++) {
        snprintf(names[kind], sizeof names[kind], "/%d", kind);
        server_add(&trial.server, names[kind], bytes, 2 * PART, NULL);
    }
    range_server_start(&trial.server);
    for (int kind = DIGEST_SHA256; kind <= DIGEST_XXH3; kind++) {
        digest_of((enum digest_kind)kind, bytes, 2 * PART, hex);
        struct plan_file file = trial_file(&trial, names[kind] + 1, 2 * PART);
        file.digest = (enum digest_kind)kind;
        file.hex = hex;
        trial_add(&trial, file);
    }
    trial_works(&trial);
    assert_int_equal(count_of(&trial.progress.mismatches), 0);
    range_server_stop(&trial.server);
    memory_free(bytes);
    trial_free(&trial);
}

static void asks_head_for_what_the_plan_does_not_say(void **state) {
    (void)state;
    struct trial trial;
    char hex[DIGEST_TEXT_SIZE];
    trial_init(&trial);
    char *bytes = make_bytes(3 * PART, 7);
    digest_of(DIGEST_SHA256, bytes, 3 * PART, hex);
    char *headers = memory_format("X-Parts: abc-2\r\nX-Sum: %s\r\n", hex);
    server_add(&trial.server, "/big", bytes, 3 * PART, "\"one\"");
    trial.server.files[0].headers = headers;
    server_add(&trial.server, "/unknown", bytes, PART + 5, NULL);
    server_add(&trial.server, "/nothing", bytes, 0, NULL);
    range_server_start(&trial.server);
    struct plan_digest_header digests[] = {
        {.name = "x-parts", .kind = DIGEST_MD5}, /* none of its kind */
        {.name = "x-sum", .kind = DIGEST_SHA256, .unless_name = "x-parts", .unless_value = "zzz"}};
    trial_plan(&trial, &(struct plan_access){.digests = digests, .digest_count = 2});
    struct plan_file file = trial_file(&trial, "big", 3 * PART);
    file.ask_head = true;
    trial_add(&trial, file);
    trial_add(&trial, trial_file(&trial, "unknown", -1));
    trial_add(&trial, trial_file(&trial, "nothing", -1));
    trial_works(&trial);
    assert_file(&trial, "big", bytes, 3 * PART);
    assert_file(&trial, "unknown", bytes, PART + 5);
    assert_file(&trial, "nothing", bytes, 0);
    struct manifest manifest = trial_manifest(&trial);
    assert_memory_equal(manifest_find(&manifest, "big")->digest, "sha256:", 7);
    assert_string_equal(manifest_find(&manifest, "big")->etag, "one");
    assert_memory_equal(manifest_find(&manifest, "unknown")->digest, "xxh3:", 5);
    manifest_free(&manifest);
    assert_int_equal(server_count(&trial.server, "HEAD /"), 3);
    assert_int_equal(server_count(&trial.server, "GET /nothing"), 0);
    assert_int_equal(count_of(&trial.progress.bytes_total), 4 * PART + 5);
    assert_int_equal(count_of(&trial.progress.bytes_done), 4 * PART + 5);
    int asked = server_count(&trial.server, "GET /big");
    trial_works(&trial); /* HEAD tells that the one with an ETag is the same */
    assert_int_equal(server_count(&trial.server, "GET /big"), asked);
    assert_int_equal(server_count(&trial.server, "GET /unknown"), 4);
    assert_int_equal(count_of(&trial.progress.bytes_total), 4 * PART + 5);
    assert_int_equal(count_of(&trial.progress.bytes_done), 4 * PART + 5);
    assert_int_equal(count_of(&trial.progress.files_present), 1);
    range_server_stop(&trial.server);
    memory_free(headers);
    memory_free(bytes);
    trial_free(&trial);
}

static void learns_the_digest_from_the_reply_with_the_whole(void **state) {
    (void)state;
    struct trial trial;
    trial_init(&trial);
    server_add(&trial.server, "/good", "hello", 5, "\"5d41402abc4b2a76b9719d911017c592\"");
    server_add(&trial.server, "/parts", "hello", 5, "\"5d41402abc4b2a76b9719d911017c593-2\"");
    server_add(&trial.server, "/kms", "hello", 5, "\"00000000000000000000000000000000\"");
    trial.server.files[2].headers = "x-encryption: kms\r\n";
    range_server_start(&trial.server);
    struct plan_digest_header digest = {
        .name = "etag", .kind = DIGEST_MD5, .unless_name = "x-encryption"};
    trial_plan(&trial, &(struct plan_access){.digests = &digest, .digest_count = 1});
    trial_add(&trial, trial_file(&trial, "good", 5));
    trial_add(&trial, trial_file(&trial, "parts", 5));
    trial_add(&trial, trial_file(&trial, "kms", 5));
    trial_works(&trial);
    struct manifest manifest = trial_manifest(&trial);
    assert_string_equal(manifest_find(&manifest, "good")->digest,
                        "md5:5d41402abc4b2a76b9719d911017c592");
    assert_memory_equal(manifest_find(&manifest, "parts")->digest, "xxh3:", 5);
    assert_memory_equal(manifest_find(&manifest, "kms")->digest, "xxh3:", 5);
    manifest_free(&manifest);
    range_server_stop(&trial.server);
    trial_free(&trial);
}

static void takes_a_server_without_head_or_length(void **state) {
    (void)state;
    struct trial trial;
    trial_init(&trial);
    char *bytes = make_bytes(3 * PART, 7);
    server_add(&trial.server, "/no-head", bytes, 3 * PART, NULL);
    server_add(&trial.server, "/no-length", bytes, 2 * PART, NULL);
    server_fault(&trial.server,
                 (struct server_fault){.kind = FAULT_REFUSE_HEAD, .path = "/no-head", .times = -1});
    server_fault(&trial.server,
                 (struct server_fault){.kind = FAULT_NO_LENGTH, .path = "/no-length", .times = -1});
    range_server_start(&trial.server);
    trial_add(&trial, trial_file(&trial, "no-head", -1));
    trial_add(&trial, trial_file(&trial, "no-length", -1));
    trial_works(&trial);
    assert_file(&trial, "no-head", bytes, 3 * PART);
    assert_file(&trial, "no-length", bytes, 2 * PART);
    assert_int_equal(server_count(&trial.server, "Range:"), 0);
    range_server_stop(&trial.server);
    memory_free(bytes);
    trial_free(&trial);
}

/* A connection that gets nothing holds its worker, and none but its own. */
static void one_slow_file_does_not_hold_up_the_others(void **state) {
    (void)state;
    struct trial trial;
    trial_init(&trial);
    char *bytes = make_bytes(20 * PART, 7);
    server_add(&trial.server, "/slow", bytes, 20 * PART, NULL);
    server_add(&trial.server, "/quick", bytes, 3 * PART, NULL);
    server_fault(&trial.server,
                 (struct server_fault){.kind = FAULT_STALL, .path = "/slow", .times = -1});
    range_server_start(&trial.server);
    trial.config.stall_ms = 1000;
    trial.config.max_attempts = 1;
    trial_add(&trial, trial_file(&trial, "slow", 20 * PART));
    trial_add(&trial, trial_file(&trial, "quick", 3 * PART));
    trial_fails(&trial, ERROR_TIMEOUT, "could not download 'slow'");
    assert_file(&trial, "quick", bytes, 3 * PART);
    range_server_stop(&trial.server);
    memory_free(bytes);
    trial_free(&trial);
}

static void holds_to_the_rate(void **state) {
    (void)state;
    struct trial trial;
    trial_init(&trial);
    char *bytes = make_bytes(500000, 7);
    server_add(&trial.server, "/a", bytes, 300000, NULL);
    server_add(&trial.server, "/b", bytes, 200000, NULL);
    range_server_start(&trial.server);
    trial.config.limit_rate = 500000;
    trial_add(&trial, trial_file(&trial, "a", 300000));
    trial_add(&trial, trial_file(&trial, "b", 200000));
    struct timespec before, after;
    clock_gettime(CLOCK_MONOTONIC, &before);
    trial_works(&trial);
    clock_gettime(CLOCK_MONOTONIC, &after);
    double seconds =
        (double)(after.tv_sec - before.tv_sec) + (double)(after.tv_nsec - before.tv_nsec) / 1e9;
    assert_true(seconds > 0.8); /* a slower machine only takes longer */
    assert_file(&trial, "a", bytes, 300000);
    range_server_stop(&trial.server);
    memory_free(bytes);
    trial_free(&trial);
}

static void an_empty_plan_leaves_an_empty_manifest(void **state) {
    (void)state;
    struct trial trial;
    trial_init(&trial);
    trial_works(&trial);
    struct manifest manifest = trial_manifest(&trial);
    assert_int_equal(manifest.count, 0);
    manifest_free(&manifest);
    trial_free(&trial);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fetches_files_of_all_sizes),
        cmocka_unit_test(many_small_files_share_few_connections),
        cmocka_unit_test(sets_mode_and_time),
        cmocka_unit_test(checks_every_kind_of_digest),
        cmocka_unit_test(asks_head_for_what_the_plan_does_not_say),
        cmocka_unit_test(learns_the_digest_from_the_reply_with_the_whole),
        cmocka_unit_test(takes_a_server_without_head_or_length),
        cmocka_unit_test(one_slow_file_does_not_hold_up_the_others),
        cmocka_unit_test(holds_to_the_rate),
        cmocka_unit_test(an_empty_plan_leaves_an_empty_manifest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
