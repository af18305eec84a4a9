/* Taking away what a download has brought: what the manifest lists, and nothing else. */
#include "store/manifest.h"

#include "store_support.h"

/* Writes files and a manifest that lists them. */
static void bring(const struct fixture *fixture, const char *const *paths, size_t count) {
    struct manifest_file files[8] = {{0}};
    for (size_t i = 0; i < count; i++) {
        struct stat about;
        expect_good(directory_write_file(&fixture->directory, paths[i], "text", 4));
        assert_true(directory_stat(&fixture->directory, paths[i], &about));
        files[i] = (struct manifest_file){
            .path = (char *)paths[i], .size = 4, .digest = "md5:00", .etag = "", .inode = 1};
    }
    struct manifest manifest = {.source = "s",
                                .revision = "",
                                .completed = "2026-10-01T12:00:00Z",
                                .files = files,
                                .count = count};
    expect_good(manifest_write(&fixture->directory, &manifest));
}

static const char *const paths[] = {"a", "sub/b", "sub/deep/c", "sub/deep/d"};

static void removes_everything_it_lists(void **state) {
    const struct fixture *fixture = *state;
    size_t count;
    bring(fixture, paths, 4);
    put_text(fixture, "out/.kthena/journal", "x");
    put_text(fixture, "out/.kthena/parts/1", "x");
    expect_good(manifest_delete(&fixture->directory, &count));
    assert_int_equal(count, 4);
    assert_false(exists(fixture, "out"));
}

static void leaves_what_it_does_not_list(void **state) {
    const struct fixture *fixture = *state;
    size_t count;
    bring(fixture, paths, 4);
    put_text(fixture, "out/sub/deep/own", "mine");
    put_text(fixture, "out/notes", "mine");
    assert_int_equal(mkdir(in(fixture, "out/empty"), 0755), 0);
    expect_good(manifest_delete(&fixture->directory, &count));
    assert_int_equal(count, 4);
    assert_false(exists(fixture, "out/.kthena"));
    assert_false(exists(fixture, "out/sub/b"));
    expect_text(fixture, "out/sub/deep/own", "mine");
    expect_text(fixture, "out/notes", "mine");
    assert_true(exists(fixture, "out/empty"));
    assert_int_equal(names_in(fixture, "out/sub/deep"), 1);
}

/* What stands under a listed name and is no file is not what was brought. */
static void follows_no_link(void **state) {
    const struct fixture *fixture = *state;
    size_t count;
    bring(fixture, paths, 4);
    assert_int_equal(mkdir(in(fixture, "elsewhere"), 0755), 0);
    put_text(fixture, "elsewhere/c", "mine");
    put_text(fixture, "target", "mine");
    assert_int_equal(unlink(in(fixture, "out/a")), 0);
    assert_int_equal(symlink("../target", in(fixture, "out/a")), 0);
    assert_int_equal(rename(in(fixture, "out/sub/deep"), in(fixture, "moved")), 0);
    assert_int_equal(symlink("../../elsewhere", in(fixture, "out/sub/deep")), 0);
    expect_good(manifest_delete(&fixture->directory, &count));
    assert_int_equal(count, 1);
    expect_text(fixture, "elsewhere/c", "mine");
    expect_text(fixture, "target", "mine");
    assert_true(exists(fixture, "out/a"));
}

static void what_is_gone_already_is_no_error(void **state) {
    const struct fixture *fixture = *state;
    size_t count;
    bring(fixture, paths, 4);
    assert_int_equal(unlink(in(fixture, "out/sub/b")), 0);
    assert_int_equal(unlink(in(fixture, "out/sub/deep/c")), 0);
    expect_good(manifest_delete(&fixture->directory, &count));
    assert_int_equal(count, 2);
    assert_false(exists(fixture, "out"));
}

static void without_a_manifest_nothing_is_removed(void **state) {
    const struct fixture *fixture = *state;
    size_t count;
    put_text(fixture, "out/a", "mine");
    expect_error(manifest_delete(&fixture->directory, &count), ERROR_NOT_FOUND, "out");
    put_text(fixture, "out/.kthena/manifest", "{\"version\":1,");
    expect_error(manifest_delete(&fixture->directory, &count), ERROR_INVALID, "out");
    assert_int_equal(count, 0);
    expect_text(fixture, "out/a", "mine");
    assert_true(exists(fixture, "out/.kthena/manifest"));
}

static int delete_as_nobody(const struct fixture *fixture) {
    size_t count = 99;
    struct directory directory;
    struct error *error = directory_open_existing(fixture->path, &directory);
    if (error)
        return 1;
    error = manifest_delete(&directory, &count);
    int result = error && error->kind == ERROR_DENIED && count == 0 ? 0 : 2;
    error_free(error);
    directory_close(&directory);
    return result;
}

static void a_file_that_cannot_be_removed_keeps_the_manifest(void **state) {
    const struct fixture *fixture = *state;
    bring(fixture, paths, 4);
    assert_int_equal(chmod(fixture->dir, 0755), 0);
    if (getuid() != 0)
        assert_int_equal(chmod(fixture->path, 0555), 0);
    assert_int_equal(run_as_nobody(delete_as_nobody, fixture), 0);
    assert_int_equal(chmod(fixture->path, 0755), 0);
    assert_true(exists(fixture, "out/a"));
    assert_true(exists(fixture, "out/.kthena/manifest"));
}

static void one_digest_stands_for_all_files(void **state) {
    (void)state;
    char text[MANIFEST_DIGEST_SIZE], other[MANIFEST_DIGEST_SIZE];
    struct manifest_file files[] = {{.path = "a", .digest = "md5:00"},
                                    {.path = "b", .digest = "md5:01"}};
    struct manifest manifest = {.files = files, .count = 2};
    manifest_digest(&manifest, text);
    /* printf 'a md5:00\nb md5:01\n' | sha256sum */
    assert_string_equal(text,
                        "sha256:56971268952ee662369a79ec5e8316a6875132b48c5436890ab761948535d8ea");
    files[1].path = "c";
    manifest_digest(&manifest, other);
    assert_string_not_equal(text, other);
    manifest.count = 0;
    manifest_digest(&manifest, text);
    assert_string_equal(text,
                        "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(removes_everything_it_lists),
        TEST(leaves_what_it_does_not_list),
        TEST(follows_no_link),
        TEST(what_is_gone_already_is_no_error),
        TEST(without_a_manifest_nothing_is_removed),
        TEST(a_file_that_cannot_be_removed_keeps_the_manifest),
        TEST(one_digest_stands_for_all_files),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
