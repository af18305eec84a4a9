/* What requests may have written and read: directories, sources, endpoints. */
#include "policy/access.h"

#include "base/memory.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static const struct access anything = {0};

static void expect(const struct access *access, const char *directory, const char *resolved) {
    char *path = NULL;
    struct error *error = access_directory(access, directory, &path);
    if (error)
        fail_msg("%s: %s", directory, error->message);
    assert_string_equal(path, resolved);
    memory_free(path);
}

static void refuse(const struct access *access, const char *directory, enum error_kind kind) {
    char *path = NULL;
    struct error *error = access_directory(access, directory, &path);
    if (!error)
        fail_msg("%s was taken, as %s", directory, path);
    assert_null(path);
    assert_int_equal(error->kind, kind);
    error_free(error);
}

static void test_any_directory_but_the_systems(void **state) {
    (void)state;
    expect(&anything, "/models/new//deep/./x/", "/models/new/deep/x");
    expect(&anything, "/models/a/../b", "/models/b");
    expect(&anything, "/dev/shm/m", "/dev/shm/m");
    expect(&anything, "/mnt/volume", "/mnt/volume");
    static const char *const denied[] = {
        "/",          "/etc",           "/etc/kthena", "/usr/share/x",
        "/proc/self", "/sys/x",         "/dev/sda",    "/var",
        "/home",      "/run/secrets/x", "/m/../..",    "/models/../../etc/x",
        "//",         "/nowhere/../usr"};
    for (size_t i = 0; i < sizeof denied / sizeof *denied; i++)
        refuse(&anything, denied[i], ERROR_DENIED);
    refuse(&anything, "", ERROR_INVALID);
    refuse(&anything, "/dev/null/x", ERROR_INVALID);
}

static void test_home_and_here(void **state) {
    (void)state;
    setenv("HOME", "/models", 1);
    expect(&anything, "~", "/models");
    expect(&anything, "~/downloads", "/models/downloads");
    expect(&anything, "/models/~", "/models/~");
    unsetenv("HOME");
    refuse(&anything, "~/downloads", ERROR_INVALID);
    char here[512], wanted[600];
    assert_non_null(getcwd(here, sizeof here));
    snprintf(wanted, sizeof wanted, "%s/x", here);
    expect(&anything, "x", wanted);
}

static void test_roots_after_links(void **state) {
    (void)state;
    char top[] = "/tmp/kthena-access-XXXXXX", path[64], wanted[128];
    assert_non_null(mkdtemp(top));
    snprintf(path, sizeof path, "%s/inside", top);
    assert_int_equal(mkdir(path, 0755), 0);
    const char *roots[] = {"/elsewhere", path};
    struct access access = {.roots = roots, .root_count = 2};
    char link[128], below[256];
    snprintf(link, sizeof link, "%s/link", path);
    assert_int_equal(symlink("/etc", link), 0);
    snprintf(below, sizeof below, "%s/link/x", path);
    refuse(&access, below, ERROR_DENIED);
    snprintf(below, sizeof below, "%s/a/b", path);
    expect(&access, below, below);
    snprintf(below, sizeof below, "%s/inside2", top);
    refuse(&access, below, ERROR_DENIED);
    snprintf(below, sizeof below, "%s/in", top);
    assert_int_equal(symlink(path, below), 0);
    snprintf(below, sizeof below, "%s/in/m", top);
    snprintf(wanted, sizeof wanted, "%s/m", path);
    expect(&access, below, wanted);
    expect(&access, "/elsewhere/m", "/elsewhere/m");
    const char *etc[] = {"/etc/models"};
    struct access told = {.roots = etc, .root_count = 1};
    expect(&told, "/etc/models/m", "/etc/models/m");
    refuse(&told, "/etc", ERROR_DENIED);
    unlink(link);
    snprintf(below, sizeof below, "%s/in", top);
    unlink(below);
    rmdir(path);
    rmdir(top);
}

static void test_sources(void **state) {
    (void)state;
    static const char *const globs[] = {"acme://models/*", "https://hub.example/*/x?"};
    struct access access = {.sources = globs, .source_count = 2};
    assert_null(access_source(&anything, "other://x"));
    assert_null(access_source(&access, "acme://models/a/b"));
    assert_null(access_source(&access, "https://hub.example/a/b/x1"));
    static const char *const denied[] = {"acme://models",           "acme://models2/a",
                                         "xacme://models/a",        "https://hub.example/x1",
                                         "https://hub.example/a/x", ""};
    for (size_t i = 0; i < sizeof denied / sizeof *denied; i++) {
        struct error *error = access_source(&access, denied[i]);
        assert_non_null(error);
        assert_int_equal(error->kind, ERROR_DENIED);
        error_free(error);
    }
    static const char *const climbing[] = {"acme://models/../etc",     "acme://models/a/..",
                                           "acme://models/%2e%2E/etc", "acme://models/a%2F..%2fb",
                                           "acme://models/..?x",       "acme://models/a/..\\b"};
    for (size_t i = 0; i < sizeof climbing / sizeof *climbing; i++) {
        struct error *error = access_source(&access, climbing[i]);
        if (!error)
            fail_msg("%s was taken", climbing[i]);
        assert_int_equal(error->kind, ERROR_DENIED);
        error_free(error);
        assert_null(access_source(&anything, climbing[i]));
    }
    assert_null(access_source(&access, "acme://models/a..b/..c/.../?x=.."));
    assert_false(access_allows(&anything, "https://hub.example/a/x1"));
    assert_true(access_allows(&access, "https://hub.example/a/x1"));
}

int main(void) {
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_any_directory_but_the_systems),
        cmocka_unit_test(test_home_and_here),
        cmocka_unit_test(test_roots_after_links),
        cmocka_unit_test(test_sources),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
