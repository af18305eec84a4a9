#include "download_support.h"
#include "transfer/verify.h"

/* The problems found, one a line. */
static void on_problem(const char *path, const char *what, void *context) {
    buffer_format(context, "%s: %s\n", path, what);
}

struct found {
    struct buffer problems;
    size_t files;
    int64_t bytes;
    struct error *error;
};

static struct found verify(struct trial *trial, const struct manifest *manifest,
                           const atomic_bool *cancel) {
    struct found found = {0};
    struct directory directory;
    progress_init(&trial->progress);
    assert_null(directory_open(trial->dir, &directory));
    found.error = verify_directory(&directory, manifest, on_problem, &found.problems,
                                   &trial->progress, cancel, &found.files, &found.bytes);
    directory_close(&directory);
    progress_destroy(&trial->progress);
    return found;
}

static struct manifest_file entries[] = {
    {.path = "a", .size = 5, .digest = "md5:5d41402abc4b2a76b9719d911017c592", .etag = ""},
    {.path = "dir/b", .size = 5, .digest = "sha1:aaf4c61ddcc5e8a2dabede0f3b482cd9aea9434d"},
    {.path = "empty", .size = 0, .digest = "crc32:00000000"},
};
static const struct manifest manifest = {.files = entries,
                                         .count = sizeof entries / sizeof *entries};

static void write_all_files(const struct trial *trial) {
    write_file(trial, "a", "hello", 5);
    write_file(trial, "dir/b", "hello", 5);
    write_file(trial, "empty", "", 0);
}

static void finds_nothing_wrong(void **state) {
    (void)state;
    struct trial trial;
    trial_init(&trial);
    write_all_files(&trial);
    struct found found = verify(&trial, &manifest, NULL);
    assert_null(found.error);
    assert_int_equal(found.problems.length, 0);
    assert_int_equal(found.files, 3);
    assert_int_equal(found.bytes, 10);
    assert_int_equal(count_of(&trial.progress.bytes_total), 10);
    assert_int_equal(count_of(&trial.progress.bytes_done), 10);
    assert_int_equal(count_of(&trial.progress.files_done), 3);
    buffer_free(&found.problems);
    trial_free(&trial);
}

static void tells_what_is_wrong(void **state) {
    (void)state;
    struct trial trial;
    trial_init(&trial);
    write_file(&trial, "a", "hallo", 5);
    write_file(&trial, "empty", "no", 2);
    struct found found = verify(&trial, &manifest, NULL);
    assert_null(found.error);
    const char *text = buffer_text(&found.problems);
    assert_non_null(strstr(text, "a: md5 598d4c200461b81522a3328565c25f7c, expected "
                                 "5d41402abc4b2a76b9719d911017c592\n"));
    assert_non_null(strstr(text, "dir/b: missing\n"));
    assert_non_null(strstr(text, "empty: size 2, expected 0\n"));
    assert_int_equal(found.files, 0);
    assert_int_equal(found.bytes, 0);
    buffer_free(&found.problems);
    trial_free(&trial);
}

static void judges_what_is_no_file_and_no_digest(void **state) {
    (void)state;
    struct trial trial;
    trial_init(&trial);
    write_all_files(&trial);
    struct manifest_file odd[] = {{.path = "a", .size = 5, .digest = "sha512:00"},
                                  {.path = "dir", .size = 5, .digest = "crc32:00000000"}};
    struct found found = verify(&trial, &(struct manifest){.files = odd, .count = 2}, NULL);
    assert_null(found.error);
    const char *text = buffer_text(&found.problems);
    assert_non_null(
        strstr(text, "a: its digest in the manifest, 'sha512:00', is of no known kind"));
    assert_non_null(strstr(text, "dir: could not open"));
    buffer_free(&found.problems);
    trial_free(&trial);
}

static void stops_when_cancelled(void **state) {
    (void)state;
    struct trial trial;
    const atomic_bool cancel = true;
    trial_init(&trial);
    struct found found = verify(&trial, &manifest, &cancel);
    assert_non_null(found.error);
    assert_int_equal(found.error->kind, ERROR_CANCELLED);
    assert_int_equal(found.problems.length, 0);
    error_free(found.error);
    trial_free(&trial);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finds_nothing_wrong),
        cmocka_unit_test(tells_what_is_wrong),
        cmocka_unit_test(judges_what_is_no_file_and_no_digest),
        cmocka_unit_test(stops_when_cancelled),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
