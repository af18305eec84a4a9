/*
 * What the tests of the store share: a directory of their own for each test, opened as an output
 * directory, with small helpers to fill it and to look into it. Included by one test source each.
 */
#ifndef KTHENA_TESTS_STORE_SUPPORT_H
#define KTHENA_TESTS_STORE_SUPPORT_H

#include "base/file.h"
#include "base/memory.h"
#include "store/directory.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

struct fixture {
    char dir[72];  /* the output directory is "out" in it */
    char path[80]; /* of the output directory */
    struct directory directory;
};

/* The path of a name in the fixture's directory, until the next call but three. */
static inline const char *in(const struct fixture *fixture, const char *name) {
    static char paths[4][4200];
    static int next;
    char *path = paths[next++ % 4];
    snprintf(path, sizeof paths[0], "%s/%s", fixture->dir, name);
    return path;
}

static inline int set_up_empty(void **state) {
    struct fixture *fixture = calloc(1, sizeof *fixture);
    snprintf(fixture->dir, sizeof fixture->dir, "/tmp/kthena-store-test-XXXXXX");
    *state = fixture;
    if (!mkdtemp(fixture->dir))
        return -1;
    snprintf(fixture->path, sizeof fixture->path, "%s/out", fixture->dir);
    fixture->directory = (struct directory){.fd = -1, .work_fd = -1, .parts_fd = -1};
    return 0;
}

static inline int set_up(void **state) {
    if (set_up_empty(state) != 0)
        return -1;
    struct fixture *fixture = *state;
    struct error *error = directory_open(fixture->path, &fixture->directory);
    assert_null(error);
    return 0;
}

static inline int tear_down(void **state) {
    struct fixture *fixture = *state;
    directory_close(&fixture->directory);
    umount2(fixture->path, MNT_DETACH); /* what a failed test left mounted */
    char *command = memory_format("rm -rf '%s'", fixture->dir);
    int status = system(command);
    memory_free(command);
    free(fixture);
    return status;
}

static inline void put(const struct fixture *fixture, const char *name, const char *bytes,
                       size_t length) {
    FILE *stream = fopen(in(fixture, name), "w");
    assert_non_null(stream);
    assert_int_equal(fwrite(bytes, 1, length, stream), length);
    assert_int_equal(fclose(stream), 0);
}

/* Mounts a file system of its own as the output directory; false, and said so, where one may not.
 */
static inline bool mount_small(const struct fixture *fixture, const char *options) {
    if (mount("none", fixture->path, "tmpfs", 0, options) == 0)
        return true;
    print_message("skipped: mounting is not possible here: %s\n", strerror(errno));
    return false;
}

static inline void put_text(const struct fixture *fixture, const char *name, const char *text) {
    put(fixture, name, text, strlen(text));
}

/* The bytes of a file, NUL-terminated; the caller frees them. */
static inline char *get(const struct fixture *fixture, const char *name, size_t *length) {
    struct buffer bytes = {0};
    assert_null(file_read(in(fixture, name), 0, &bytes));
    if (length)
        *length = bytes.length;
    buffer_text(&bytes);
    return bytes.data;
}

static inline void expect_text(const struct fixture *fixture, const char *name, const char *text) {
    char *found = get(fixture, name, NULL);
    assert_string_equal(found, text);
    memory_free(found);
}

static inline bool exists(const struct fixture *fixture, const char *name) {
    struct stat about;
    return lstat(in(fixture, name), &about) == 0;
}

/* How many names a directory of the fixture has. */
static inline size_t names_in(const struct fixture *fixture, const char *name) {
    size_t count = 0;
    DIR *stream = opendir(in(fixture, name));
    struct dirent *each;
    while (stream && (each = readdir(stream)))
        count += strcmp(each->d_name, ".") != 0 && strcmp(each->d_name, "..") != 0;
    if (stream)
        closedir(stream);
    return count;
}

static inline void expect_error(struct error *error, enum error_kind kind, const char *part) {
    assert_non_null(error);
    char *text = error_text(error);
    if (error->kind != kind || !strstr(text, part))
        fail_msg("expected %s with '%s', got %s: %s", error_kind_name(kind), part,
                 error_kind_name(error->kind), text);
    memory_free(text);
    error_free(error);
}

static inline void expect_good(struct error *error) {
    if (error)
        fail_msg("%s: %s", error_kind_name(error->kind), error->message);
}

/* Runs a function in a child as another user; its result is the child's. Skips when it cannot. */
static inline int run_as_nobody(int (*run)(const struct fixture *), const struct fixture *fixture) {
    int status;
    if (getuid() != 0)
        return run(fixture);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0)
        _exit(setgid(65534) == 0 && setuid(65534) == 0 ? run(fixture) : 99);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

#endif
