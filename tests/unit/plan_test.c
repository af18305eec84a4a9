#include "base/memory.h"
#include "transfer/plan.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct plan *new_plan(void) {
    size_t access;
    struct plan *plan = plan_new();
    plan_add_access(plan, &(struct plan_access){0}, &access);
    assert_int_equal(access, 0);
    return plan;
}

static struct plan_file file_at(const char *path) {
    return (struct plan_file){.path = path, .size = 1, .url = "https://host/x", .mtime_ns = -1};
}

static void assert_refused(const struct plan_file *file, enum error_kind kind, const char *part) {
    struct plan *plan = new_plan();
    struct error *error = plan_add_file(plan, file);
    assert_non_null(error);
    assert_int_equal(error->kind, kind);
    if (!strstr(error->message, part))
        fail_msg("no \"%s\" in: %s", part, error->message);
    for (const char *c = error->message; *c; c++)
        assert_true((unsigned char)*c >= 0x20);
    assert_int_equal(plan->file_count, 0);
    error_free(error);
    plan_free(plan);
}

static void refuses_paths_that_lead_elsewhere(void **state) {
    (void)state;
    char part[258], path[PLAN_PATH_MAX + 2];
    memset(part, 'a', 256);
    part[256] = '\0';
    for (size_t i = 0; i <= PLAN_PATH_MAX; i++)
        path[i] = i % 2 ? '/' : 'a';
    path[PLAN_PATH_MAX + 1] = '\0';
    const char *const paths[] = {"",        "/a",        "a//b", "a/",   ".",       "..",
                                 "a/./b",   "a/../b",    "../a", "a/..", ".kthena", ".kthena/log",
                                 ".KTHENA", ".Kthena/x", "./x",  part,   path,      "a/."};
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
        struct plan_file file = file_at(paths[i]);
        assert_refused(&file, ERROR_INVALID, "the source lists a file '");
    }
}

static void takes_other_paths(void **state) {
    (void)state;
    char part[256];
    memset(part, 'a', 255);
    part[255] = '\0';
    const char *const paths[] = {"a",        "b/b",       "...",     "..a",   "a..",     ".hidden",
                                 ".kthenaa", "x/.kthena", "a b*?[]", "é/字",  "CC:x",    "C:x",
                                 "a\\b",     "a\nb",      "a\x7f",   "..\\x", "\x1b[2J", part};
    struct plan *plan = new_plan();
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
        struct plan_file file = file_at(paths[i]);
        assert_null(plan_add_file(plan, &file));
    }
    assert_null(plan_seal(plan));
    assert_int_equal(plan->file_count, sizeof paths / sizeof *paths);
    plan_free(plan);
}

static void refuses_files_that_make_no_sense(void **state) {
    (void)state;
    struct plan_file file = file_at("a");
    file.url = NULL;
    assert_refused(&file, ERROR_INVALID, "either a URL or a local path");
    file.url = "https://host/x";
    file.local = "/x";
    assert_refused(&file, ERROR_INVALID, "either a URL or a local path");
    file.url = NULL;
    file.local = "x";
    assert_refused(&file, ERROR_INVALID, "not absolute");
    file = file_at("a");
    file.url = "ftp://host/x";
    assert_refused(&file, ERROR_INVALID, "not http or https");
    file = file_at("a");
    file.access = 1;
    assert_refused(&file, ERROR_INVALID, "names no access");
    file = file_at("a");
    file.digest = DIGEST_SHA256;
    assert_refused(&file, ERROR_INVALID, "the digest of file 'a' is no sha256");
    file.hex = "d41d8cd98f00b204e9800998ecf8427e";
    assert_refused(&file, ERROR_INVALID, "is no sha256");
    file.digest = DIGEST_NONE;
    assert_refused(&file, ERROR_INVALID, "is no none");
}

static void copies_and_normalises(void **state) {
    (void)state;
    struct plan *plan = new_plan();
    char path[] = "b", etag[] = "W/\"x\"", url[] = "http://host/b?c";
    struct plan_file file = {.path = path,
                             .size = -7,
                             .url = url,
                             .etag = etag,
                             .digest = DIGEST_MD5,
                             .hex = "1B2M2Y8AsgTpgAmY7PhCfg==",
                             .present = 9};
    assert_null(plan_add_file(plan, &file));
    path[0] = url[0] = etag[3] = '!';
    file = (struct plan_file){.path = "a", .size = 5, .local = "/x", .etag = "\"", .access = 99};
    assert_null(plan_add_file(plan, &file));
    plan_set_revision(plan, "r", true);
    assert_null(plan_seal(plan));
    assert_string_equal(plan->files[0].path, "a");
    assert_string_equal(plan->files[0].etag, "\"");
    assert_string_equal(plan->files[1].path, "b");
    assert_string_equal(plan->files[1].url, "http://host/b?c");
    assert_string_equal(plan->files[1].etag, "x");
    assert_string_equal(plan->files[1].hex, "d41d8cd98f00b204e9800998ecf8427e");
    assert_int_equal(plan->files[1].size, -1);
    assert_int_equal(plan->files[1].present, 0);
    assert_int_equal(plan->bytes, 5);
    assert_string_equal(plan->revision, "r");
    assert_true(plan->pinned);
    plan_free(plan);
}

static void copies_accesses(void **state) {
    (void)state;
    struct plan *plan = new_plan();
    char name[] = "Name", value[] = "value", header[] = "etag";
    struct http_header headers[] = {{name, value, true}, {"B", "c", false}};
    struct plan_digest_header digests[] = {{header, DIGEST_MD5, "x", "y"},
                                           {"h", DIGEST_SHA1, NULL, NULL}};
    struct plan_access access = {.headers = headers,
                                 .header_count = 2,
                                 .digests = digests,
                                 .digest_count = 2,
                                 .pin_name = "p",
                                 .pin_value = "q",
                                 .reason_headers = "a,b"};
    for (size_t i = 1; i <= 5; i++) {
        size_t index;
        plan_add_access(plan, &access, &index);
        assert_int_equal(index, i);
    }
    name[0] = value[0] = header[0] = '!';
    const struct plan_access *kept = &plan->accesses[5];
    assert_string_equal(kept->headers[0].name, "Name");
    assert_string_equal(kept->headers[0].value, "value");
    assert_true(kept->headers[0].is_private);
    assert_false(kept->headers[1].is_private);
    assert_string_equal(kept->digests[0].name, "etag");
    assert_string_equal(kept->digests[0].unless_name, "x");
    assert_string_equal(kept->digests[0].unless_value, "y");
    assert_null(kept->digests[1].unless_name);
    assert_string_equal(kept->pin_value, "q");
    assert_string_equal(kept->reason_headers, "a,b");
    plan_free(plan);
}

static void assert_unsealed(const char *const *paths, size_t count, const char *part) {
    struct plan *plan = new_plan();
    for (size_t i = 0; i < count; i++) {
        struct plan_file file = file_at(paths[i]);
        assert_null(plan_add_file(plan, &file));
    }
    struct error *error = plan_seal(plan);
    assert_non_null(error);
    assert_int_equal(error->kind, ERROR_INVALID);
    if (!strstr(error->message, part))
        fail_msg("no \"%s\" in: %s", part, error->message);
    error_free(error);
    plan_free(plan);
}

static void refuses_files_in_each_other_s_way(void **state) {
    (void)state;
    assert_unsealed((const char *[]){"a", "b", "a"}, 3, "the source lists file 'a' twice");
    assert_unsealed((const char *[]){"a/b", "a", "a-b"}, 3,
                    "'a' both as a file and as the directory of 'a/b'");
    assert_unsealed((const char *[]){"a/b/c/d", "a/b.c", "a/b"}, 3,
                    "'a/b' both as a file and as the directory of 'a/b/c/d'");
    assert_unsealed((const char *[]){"a!", "a", "a/b", "a/c"}, 4, "'a' both as a file");
}

static void refuses_sizes_that_overflow(void **state) {
    (void)state;
    struct plan *plan = new_plan();
    struct plan_file file = file_at("a");
    file.size = INT64_MAX;
    assert_null(plan_add_file(plan, &file));
    assert_null(plan_seal(plan));
    file.path = "b";
    file.size = 1;
    assert_null(plan_add_file(plan, &file));
    struct error *error = plan_seal(plan);
    assert_non_null(error);
    error_free(error);
    plan_free(plan);
}

/* Adds the files, filters, and returns the paths that are left, each with a space behind it. */
static char *filtered(const char *const *include, size_t includes, const char *const *exclude,
                      size_t excludes) {
    static const char *const paths[] = {"README.md", "a.bin", "b.bin", "onnx/a.bin",
                                        "onnx/x/y.txt"};
    struct plan *plan = new_plan();
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
        struct plan_file file = file_at(paths[i]);
        assert_null(plan_add_file(plan, &file));
    }
    plan_filter(plan, include, includes, exclude, excludes);
    char *left = memory_string("");
    for (size_t i = 0; i < plan->file_count; i++) {
        char *more = memory_format("%s%s ", left, plan->files[i].path);
        memory_free(left);
        left = more;
    }
    struct plan_file file = file_at("more"); /* there is room for it whatever is left */
    assert_null(plan_add_file(plan, &file));
    plan_free(plan);
    return left;
}

static void assert_filtered(const char *include, const char *exclude, const char *expected) {
    char *left = filtered(&include, include != NULL, &exclude, exclude != NULL);
    assert_string_equal(left, expected);
    memory_free(left);
}

static void filters(void **state) {
    (void)state;
    assert_filtered(NULL, NULL, "README.md a.bin b.bin onnx/a.bin onnx/x/y.txt ");
    assert_filtered("*.bin", NULL, "a.bin b.bin onnx/a.bin ");
    assert_filtered("*.bin", "onnx/**", "a.bin b.bin ");
    assert_filtered(NULL, "*.bin", "README.md onnx/x/y.txt ");
    assert_filtered("onnx/*", NULL, "onnx/a.bin ");
    assert_filtered("nothing", NULL, "");
    char *left = filtered((const char *[]){"a.bin", "*.md"}, 2, (const char *[]){"x", "onnx/*"}, 2);
    assert_string_equal(left, "README.md a.bin ");
    memory_free(left);
}

static void holds_very_many(void **state) {
    (void)state;
    struct plan *plan = new_plan();
    char path[64];
    for (int i = 0; i < 100000; i++) {
        snprintf(path, sizeof path, "%d/%d/file-%d", i % 10, i % 1000, i);
        struct plan_file file = file_at(path);
        assert_null(plan_add_file(plan, &file));
    }
    assert_null(plan_seal(plan));
    assert_int_equal(plan->bytes, 100000);
    for (size_t i = 1; i < plan->file_count; i++)
        assert_true(strcmp(plan->files[i - 1].path, plan->files[i].path) < 0);
    plan_free(plan);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(refuses_paths_that_lead_elsewhere),
        cmocka_unit_test(takes_other_paths),
        cmocka_unit_test(refuses_files_that_make_no_sense),
        cmocka_unit_test(copies_and_normalises),
        cmocka_unit_test(copies_accesses),
        cmocka_unit_test(refuses_files_in_each_other_s_way),
        cmocka_unit_test(refuses_sizes_that_overflow),
        cmocka_unit_test(filters),
        cmocka_unit_test(holds_very_many),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
