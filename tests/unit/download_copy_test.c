/* Local files: copied, hashed, published and gone on with as remote ones are. */
#include "download_support.h"

static char *source_path(const struct trial *trial, const char *name) {
    return memory_format("%s/source/%s", trial->root, name);
}

static void make_source(const struct trial *trial, const char *name, const char *bytes,
                        size_t size) {
    char *dir = memory_format("%s/source", trial->root), *path = source_path(trial, name);
    mkdir(dir, 0777);
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, size, file), size);
    fclose(file);
    struct timespec times[] = {{.tv_sec = 1000}, {.tv_sec = 1000, .tv_nsec = 5}};
    assert_int_equal(utimensat(AT_FDCWD, path, times, 0), 0);
    assert_int_equal(chmod(path, 0640), 0);
    memory_free(dir);
    memory_free(path);
}

static void add_local(struct trial *trial, const char *name, int64_t size) {
    char *path = source_path(trial, name);
    struct plan_file file = trial_file(trial, name, size);
    file.local = path;
    file.mtime_ns = 1000 * INT64_C(1000000000) + 5;
    trial_add(trial, file);
    memory_free(path);
}

static void copies_files(void **state) {
    (void)state;
    struct trial trial;
    struct stat about;
    trial_init(&trial);
    char *bytes = make_bytes(9000000, 3), hex[DIGEST_TEXT_SIZE];
    make_source(&trial, "big", bytes, 9000000);
    make_source(&trial, "empty", "", 0);
    make_source(&trial, "small", "hello", 5);
    for (int run = 1; run <= 2; run++) {
        trial_plan(&trial, NULL);
        add_local(&trial, "big", 9000000);
        add_local(&trial, "empty", 0);
        add_local(&trial, "small", run == 1 ? -1 : 5);
        trial_works(&trial);
        assert_int_equal(count_of(&trial.progress.files_done), 3);
        assert_int_equal(count_of(&trial.progress.files_present), run == 1 ? 0 : 3);
        assert_int_equal(count_of(&trial.progress.bytes_fetched), run == 1 ? 9000005 : 0);
        assert_int_equal(count_of(&trial.progress.bytes_done), 9000005);
        assert_int_equal(count_of(&trial.progress.bytes_total), 9000005);
    }
    assert_file(&trial, "big", bytes, 9000000);
    assert_file(&trial, "empty", "", 0);
    assert_file(&trial, "small", "hello", 5);
    char *name = memory_format("%s/big", trial.dir);
    assert_int_equal(stat(name, &about), 0);
    assert_int_equal(about.st_mode & 0777, 0640);
    assert_int_equal(about.st_mtim.tv_sec, 1000);
    assert_int_equal(about.st_mtim.tv_nsec, 5);
    struct manifest manifest = trial_manifest(&trial);
    digest_of(DIGEST_XXH3, bytes, 9000000, hex);
    assert_string_equal(manifest_find(&manifest, "big")->digest + 5, hex);
    manifest_free(&manifest);
    memory_free(name);
    memory_free(bytes);
    trial_free(&trial);
}

static void a_missing_source_is_not_found(void **state) {
    (void)state;
    struct trial trial;
    trial_init(&trial);
    add_local(&trial, "none", 5);
    trial_fails(&trial, ERROR_NOT_FOUND, "source/none' to copy it");
    trial_free(&trial);
}

static void a_source_that_changed_is_an_error(void **state) {
    (void)state;
    struct trial trial;
    trial_init(&trial);
    make_source(&trial, "file", "hello", 5);
    add_local(&trial, "file", 7);
    trial_fails(&trial, ERROR_PROTOCOL, "it has 5 bytes and had 7 when it was listed");
    trial_free(&trial);
}

static void a_wrong_digest_is_an_error(void **state) {
    (void)state;
    struct trial trial;
    trial_init(&trial);
    make_source(&trial, "file", "hello", 5);
    char *path = source_path(&trial, "file");
    struct plan_file file = trial_file(&trial, "file", 5);
    file.local = path;
    file.digest = DIGEST_MD5;
    file.hex = "5d41402abc4b2a76b9719d911017c593";
    trial_add(&trial, file);
    trial_fails(&trial, ERROR_PROTOCOL, "5d41402abc4b2a76b9719d911017c592 and should have");
    assert_false(exists(&trial, "file"));
    memory_free(path);
    trial_free(&trial);
}

static void a_source_that_is_the_target_is_no_work(void **state) {
    (void)state;
    struct trial trial;
    trial_init(&trial);
    write_file(&trial, "file", "hello", 5);
    char *path = memory_format("%s/file", trial.dir);
    struct plan_file file = trial_file(&trial, "file", 5);
    file.local = path;
    trial_add(&trial, file);
    trial_works(&trial);
    assert_file(&trial, "file", "hello", 5);
    assert_int_equal(count_of(&trial.progress.files_present), 1);
    assert_int_equal(count_of(&trial.progress.bytes_fetched), 0);
    memory_free(path);
    trial_free(&trial);
}

static void what_is_no_file_is_refused(void **state) {
    (void)state;
    struct trial trial;
    trial_init(&trial);
    char *path = memory_format("%s/fifo", trial.root);
    assert_int_equal(mkfifo(path, 0600), 0);
    struct plan_file file = trial_file(&trial, "fifo", -1);
    file.local = path;
    trial_add(&trial, file);
    trial_fails(&trial, ERROR_INVALID, "not a regular file");
    memory_free(path);
    trial_free(&trial);
}

static void copies_very_many(void **state) {
    (void)state;
    struct trial trial;
    enum { COUNT = 300 };
    char name[16];
    trial_init(&trial);
    for (int i = 0; i < COUNT; i++) {
        snprintf(name, sizeof name, "f%d", i);
        make_source(&trial, name, name, 2);
        add_local(&trial, name, 2);
    }
    trial_works(&trial);
    for (int i = 0; i < COUNT; i++) {
        snprintf(name, sizeof name, "f%d", i);
        assert_file(&trial, name, name, 2);
    }
    trial_free(&trial);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(copies_files),
        cmocka_unit_test(a_missing_source_is_not_found),
        cmocka_unit_test(a_source_that_changed_is_an_error),
        cmocka_unit_test(a_wrong_digest_is_an_error),
        cmocka_unit_test(a_source_that_is_the_target_is_no_work),
        cmocka_unit_test(what_is_no_file_is_refused),
        cmocka_unit_test(copies_very_many),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
