#include "store/manifest.h"

#include "store_support.h"

static const char manifest_path[] = "out/.kthena/manifest";

static char sha256[] = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

static struct manifest_file file_of(const char *path) {
    return (struct manifest_file){
        .path = (char *)path,
        .size = 5,
        .digest = sha256,
        .etag = (char *)"\"etag\"",
        .mtime_ns = 1700000000123456789,
        .inode = UINT64_MAX,
    };
}

static struct manifest manifest_of(struct manifest_file *files, size_t count) {
    return (struct manifest){
        .source = (char *)"scheme://bucket/prefix",
        .revision = (char *)"main",
        .pinned = true,
        .completed = (char *)"2026-10-01T12:00:00Z",
        .files = files,
        .count = count,
    };
}

static void test_reads_what_it_has_written(void **state) {
    const struct fixture *fixture = *state;
    struct manifest_file files[] = {file_of("a b"), file_of("a/b\xff\x01"),
                                    file_of("h\xc3\xa9\n\"\\")};
    struct manifest written = manifest_of(files, 3);
    struct manifest manifest;
    files[0].size = INT64_C(9007199254740992);
    files[0].mtime_ns = INT64_MIN;
    files[1].etag = (char *)"\x80";
    files[1].inode = 0;
    files[2].size = 0;
    files[2].etag = (char *)"";
    expect_good(manifest_write(&fixture->directory, &written));
    assert_int_equal(names_in(fixture, "out/.kthena/parts"), 0);
    expect_good(manifest_read(&fixture->directory, &manifest));
    assert_string_equal(manifest.source, written.source);
    assert_string_equal(manifest.revision, "main");
    assert_string_equal(manifest.completed, written.completed);
    assert_true(manifest.pinned);
    assert_int_equal(manifest.count, 3);
    for (size_t i = 0; i < 3; i++) {
        const struct manifest_file *found = manifest_find(&manifest, files[i].path);
        assert_ptr_equal(found, &manifest.files[i]);
        assert_int_equal(found->size, files[i].size);
        assert_string_equal(found->digest, files[i].digest);
        assert_string_equal(found->etag, files[i].etag);
        assert_int_equal(found->mtime_ns, files[i].mtime_ns);
        assert_int_equal(found->inode, files[i].inode);
    }
    assert_null(manifest_find(&manifest, "a"));
    manifest_free(&manifest);
    manifest_free(&manifest);
}

static void test_writes_readable_json(void **state) {
    const struct fixture *fixture = *state;
    struct manifest_file files[] = {file_of("a")};
    struct manifest manifest = manifest_of(files, 1);
    manifest.pinned = false;
    expect_good(manifest_write(&fixture->directory, &manifest));
    expect_text(
        fixture, manifest_path,
        "{\"version\":1,\"source\":\"scheme://bucket/prefix\",\"revision\":\"main\","
        "\"pinned\":false,\"completed\":\"2026-10-01T12:00:00Z\",\"files\":[{\"path\":\"a\","
        "\"size\":5,\"digest\":\"sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495"
        "991b7852b855\",\"etag\":\"\\\"etag\\\"\",\"mtime_ns\":\"1700000000123456789\","
        "\"inode\":\"18446744073709551615\"}]}\n");
    manifest.count = 0;
    expect_good(manifest_write(&fixture->directory, &manifest)); /* over the old one */
    expect_good(manifest_read(&fixture->directory, &manifest));
    assert_int_equal(manifest.count, 0);
    assert_null(manifest_find(&manifest, "a"));
    manifest_free(&manifest);
}

static void test_writes_no_nonsense(void **state) {
    const struct fixture *fixture = *state;
    struct manifest_file files[] = {file_of("a"), file_of("b")};
    struct manifest manifest = manifest_of(files, 2);
    files[1].path = (char *)"a";
    expect_error(manifest_write(&fixture->directory, &manifest), ERROR_INVALID,
                 "'a': it is listed");
    files[1].path = (char *)"../b";
    expect_error(manifest_write(&fixture->directory, &manifest), ERROR_INVALID, "leads out");
    files[1] = file_of("b");
    files[1].digest = (char *)"none";
    expect_error(manifest_write(&fixture->directory, &manifest), ERROR_INVALID, "kind:hex");
    files[1] = file_of("b");
    files[1].size = -1;
    expect_error(manifest_write(&fixture->directory, &manifest), ERROR_INVALID, "out of range");
    assert_false(exists(fixture, manifest_path));
}

/* The manifest with one part of it replaced. */
static char *with(const char *old, const char *new) {
    static const char good[] =
        " { \"version\" : 1, \"source\":\"s\",\"revision\":\"\",\"pinned\":true,\"extra\":{\"a\":"
        "[1,2]},\"completed\":\"now\",\n\"files\":[{\"path\":\"a/b\",\"size\":1,\"digest\":\"md5:0"
        "0\",\"etag\":\"e\",\"mtime_ns\":\"1\",\"inode\":\"2\",\"more\":null} , {\"path\":\"a/a\","
        "\"size\":1,\"digest\":\"md5:00\",\"etag\":\"e\",\"mtime_ns\":\"1\",\"inode\":\"2\"}]}\r\n";
    const char *at = strstr(good, old);
    assert_non_null(at);
    return memory_format("%.*s%s%s", (int)(at - good), good, new, at + strlen(old));
}

static void test_takes_any_good_json(void **state) {
    const struct fixture *fixture = *state;
    struct manifest manifest;
    char *text = with("", "");
    put_text(fixture, manifest_path, text);
    memory_free(text);
    expect_good(manifest_read(&fixture->directory, &manifest));
    assert_int_equal(manifest.count, 2);
    assert_string_equal(manifest.files[0].path, "a/a"); /* sorted */
    assert_string_equal(manifest.source, "s");
    manifest_free(&manifest);
    text = with("\"path\":\"a/b\"", "\"path_hex\":\"61ff\"");
    put_text(fixture, manifest_path, text);
    memory_free(text);
    expect_good(manifest_read(&fixture->directory, &manifest));
    assert_string_equal(manifest.files[1].path, "a\xff");
    manifest_free(&manifest);
}

static void test_says_what_is_damaged(void **state) {
    static const struct {
        const char *old, *new, *problem;
    } cases[] = {
        {" {", "", "expected '{'"},
        {" {", "[", "expected '{'"},
        {"}]}", "}]", "expected ','"},
        {"}]}", "", "not JSON, or cut off"},
        {"}]}", "}]} x", "something follows its end"},
        {"\"version\" : 1", "\"version\":2", "version: this program knows version 1 only"},
        {"\"version\" : 1", "\"version\":\"1\"", "version"},
        {"\"version\" : 1,", "", "a part is missing"},
        {"\"pinned\":true,", "", "a part is missing"},
        {"\"pinned\":true", "\"pinned\":1", "pinned: expected true or false"},
        {"\"source\":\"s\",", "", "a part is missing"},
        {"\"source\":\"s\"", "\"source\":1", "source: expected one text"},
        {"\"source\":\"s\"", "\"source_hex\":\"4\"", "source_hex: expected hexadecimal digits"},
        {"\"source\":\"s\"", "\"source\":\"s\",\"source\":\"t\"", "source: expected one text"},
        {"\"completed\":\"now\",", "\"completed\":\"now\",\"files\":[],",
         "files: it is there twice"},
        {"\"files\":[", "\"files\":{", "expected '['"},
        {"\"files\":[", "\"files\":[1,", "files[0].expected an object"},
        {"\"path\":\"a/b\"", "\"path\":\"a/a\"", "a path is listed twice"},
        {"\"path\":\"a/b\"", "\"path\":\"../b\"", "files[0].path: it leads out of the directory"},
        {"\"path\":\"a/b\"", "\"path\":\"/b\"", "files[0].path: it leads out"},
        {"\"path\":\"a/b\"", "\"path\":\"\\u0000b\"", "files[0].path: it leads out"},
        {"\"path\":\"a/b\"", "\"path\":\".kthena/lock\"", "files[0].path: it leads out"},
        {"\"path\":\"a/b\"", "\"path_hex\":\"6100\"", "files[0].path: expected a text"},
        {"\"path\":\"a/b\"", "\"path_hex\":\"6x\"", "files[0].path: expected a text"},
        {"\"path\":\"a/b\"", "\"path\":5", "files[0].path: expected a text"},
        {"\"size\":1", "\"size\":-1", "files[0].size: expected a whole number"},
        {"\"size\":1", "\"size\":1.5", "files[0].size: expected a whole number"},
        {"\"size\":1", "\"size\":1e300", "files[0].size: expected a whole number"},
        {"\"size\":1", "\"size\":\"1\"", "files[0].size: expected a whole number"},
        {"\"size\":1,", "", "files[0].size: expected a whole number"},
        {"\"digest\":\"md5:00\"", "\"digest\":\"md5\"", "files[0].digest: it is not of the form"},
        {"\"digest\":\"md5:00\"", "\"digest\":\":00\"", "files[0].digest: it is not of the form"},
        {"\"digest\":\"md5:00\"", "\"digest\":\"md5:0G\"",
         "files[0].digest: it is not of the form"},
        {"\"digest\":\"md5:00\"", "\"digest\":null", "files[0].digest: expected a text"},
        {"\"etag\":\"e\",", "", "files[0].etag: expected a text"},
        {"\"mtime_ns\":\"1\"", "\"mtime_ns\":1", "files[0].mtime_ns: expected a number"},
        {"\"mtime_ns\":\"1\"", "\"mtime_ns\":\"1x\"", "files[0].mtime_ns: expected a number"},
        {"\"mtime_ns\":\"1\"", "\"mtime_ns\":\"9223372036854775808\"", "files[0].mtime_ns"},
        {"\"inode\":\"2\"", "\"inode\":\"-2\"", "files[0].inode: expected a number"},
        {"\"inode\":\"2\"", "\"inode\":\"\"", "files[0].inode: expected a number"},
        {"\"inode\":\"2\"", "\"inode\":\"18446744073709551616\"", "files[0].inode"},
        {"null}", "nul}", "not JSON"},
        {"[1,2]", "[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[1]", "nested too deep"},
        {"\"extra\"", "extra", "expected a key"},
        {"\"extra\":", "\"extra\"", "expected ':'"},
    };
    const struct fixture *fixture = *state;
    struct manifest manifest;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char *text = with(cases[i].old, cases[i].new);
        put_text(fixture, manifest_path, text);
        memory_free(text);
        struct error *error = manifest_read(&fixture->directory, &manifest);
        assert_true(!error || strstr(error->message, "; downloading again repairs it"));
        expect_error(error, ERROR_INVALID, cases[i].problem);
        assert_null(manifest.files);
        assert_int_equal(manifest.count, 0);
    }
}

/* Wherever it is cut, and whichever bit is wrong, it is an error or a manifest. */
static void test_survives_any_damage(void **state) {
    const struct fixture *fixture = *state;
    struct manifest manifest;
    char *text = with("", "");
    size_t length = strlen(text) - 2; /* without the white space at its end */
    for (size_t i = 0; i < length; i++) {
        put(fixture, manifest_path, text, i);
        expect_error(manifest_read(&fixture->directory, &manifest), ERROR_INVALID, "is damaged");
        text[i] = (char)(text[i] ^ (1 << i % 8));
        put(fixture, manifest_path, text, length);
        struct error *error = manifest_read(&fixture->directory, &manifest);
        assert_true(!error || error->kind == ERROR_INVALID);
        error_free(error);
        manifest_free(&manifest);
        text[i] = (char)(text[i] ^ (1 << i % 8));
    }
    memory_free(text);
}

static void test_says_that_there_is_none(void **state) {
    const struct fixture *fixture = *state;
    struct manifest manifest;
    struct directory bare;
    expect_error(manifest_read(&fixture->directory, &manifest), ERROR_NOT_FOUND,
                 ".kthena/manifest: no download into this directory was finished");
    assert_int_equal(mkdir(in(fixture, "bare"), 0777), 0);
    expect_good(directory_open_existing(in(fixture, "bare"), &bare));
    expect_error(manifest_read(&bare, &manifest), ERROR_NOT_FOUND, "was finished");
    directory_close(&bare);
    put_text(fixture, "precious", "{}");
    assert_int_equal(symlink("../../precious", in(fixture, manifest_path)), 0);
    expect_error(manifest_read(&fixture->directory, &manifest), ERROR_INVALID,
                 "not a regular file");
    struct manifest empty = manifest_of(NULL, 0);
    expect_good(manifest_write(&fixture->directory, &empty)); /* replaces the link */
    expect_text(fixture, "precious", "{}");
    assert_int_equal(unlink(in(fixture, manifest_path)), 0);
    assert_int_equal(mkfifo(in(fixture, manifest_path), 0666), 0);
    expect_error(manifest_read(&fixture->directory, &manifest), ERROR_INVALID,
                 "not a regular file");
}

static int read_denied(const struct fixture *fixture) {
    struct manifest manifest;
    struct error *error = manifest_read(&fixture->directory, &manifest);
    bool good = error && error->kind == ERROR_DENIED;
    error_free(error);
    return good ? 0 : 1;
}

static void test_says_when_it_may_not_be_read(void **state) {
    const struct fixture *fixture = *state;
    put_text(fixture, manifest_path, "");
    assert_int_equal(chmod(in(fixture, manifest_path), 0), 0);
    assert_int_equal(run_as_nobody(read_denied, fixture), 0);
}

static void test_knows_which_files_are_there(void **state) {
    const struct fixture *fixture = *state;
    struct stat about;
    struct manifest_file file = file_of("dir/a");
    assert_false(manifest_file_is_present(&fixture->directory, &file));
    expect_good(directory_write_file(&fixture->directory, "dir/a", "hello", 5));
    assert_true(directory_stat(&fixture->directory, "dir/a", &about));
    file.inode = about.st_ino;
    file.mtime_ns = (int64_t)about.st_mtim.tv_sec * 1000000000 + about.st_mtim.tv_nsec;
    assert_true(manifest_file_is_present(&fixture->directory, &file));
    file.size++;
    assert_false(manifest_file_is_present(&fixture->directory, &file));
    file.size--;
    file.mtime_ns++;
    assert_false(manifest_file_is_present(&fixture->directory, &file));
    file.mtime_ns--;
    file.inode++;
    assert_false(manifest_file_is_present(&fixture->directory, &file));
}

static void test_takes_very_many_files(void **state) {
    const struct fixture *fixture = *state;
    enum { FILES = 10000 };
    struct manifest_file *files = memory_zero(FILES, sizeof *files);
    struct manifest manifest;
    for (int i = 0; i < FILES; i++)
        files[i] = file_of(memory_format("directory/of/%05d.safetensors", i));
    struct manifest written = manifest_of(files, FILES);
    expect_good(manifest_write(&fixture->directory, &written));
    expect_good(manifest_read(&fixture->directory, &manifest));
    assert_int_equal(manifest.count, FILES);
    for (int i = 0; i < FILES; i++) {
        assert_ptr_equal(manifest_find(&manifest, files[i].path), &manifest.files[i]);
        memory_free(files[i].path);
    }
    manifest_free(&manifest);
    memory_free(files);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_reads_what_it_has_written, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_writes_readable_json, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_writes_no_nonsense, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_takes_any_good_json, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_says_what_is_damaged, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_survives_any_damage, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_says_that_there_is_none, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_says_when_it_may_not_be_read, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_knows_which_files_are_there, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_takes_very_many_files, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
