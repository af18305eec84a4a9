/*
 * What the tests of the policy layer share: a directory of rule files of their own, removed with
 * all that is in it. set_up and tear_down are cmocka fixtures.
 */
#ifndef KTHENA_TESTS_RULE_FILES_H
#define KTHENA_TESTS_RULE_FILES_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

struct fixture {
    char dir[64];
};

static inline int set_up(void **state) {
    struct fixture *fixture = calloc(1, sizeof *fixture);
    snprintf(fixture->dir, sizeof fixture->dir, "/tmp/kthena-rules-test-XXXXXX");
    *state = fixture;
    return mkdtemp(fixture->dir) ? 0 : -1;
}

static inline int tear_down(void **state) {
    struct fixture *fixture = *state;
    char command[128];
    snprintf(command, sizeof command, "rm -r '%s'", fixture->dir);
    int status = system(command);
    free(fixture);
    return status;
}

/* The path of a name in the fixture's directory. Good for the next 31 calls. */
static inline const char *in(const struct fixture *fixture, const char *name) {
    static char paths[32][192];
    static unsigned next;
    char *path = paths[next++ % 32];
    snprintf(path, sizeof paths[0], "%s/%s", fixture->dir, name);
    return path;
}

static inline void make_directory(const struct fixture *fixture, const char *name) {
    assert_int_equal(mkdir(in(fixture, name), 0755), 0);
}

/* Writes a file at once, as an editor does: under another name, then renamed. */
static inline void put(const struct fixture *fixture, const char *name, const char *text) {
    const char *path = in(fixture, name);
    const char *other = in(fixture, ".new");
    FILE *stream = fopen(other, "w");
    assert_non_null(stream);
    assert_true(fputs(text, stream) >= 0);
    assert_int_equal(fclose(stream), 0);
    assert_int_equal(rename(other, path), 0);
}

/* A rule file of an engine with one gauge, made from this source. */
static inline void put_engine(const struct fixture *fixture, const char *name, const char *engine,
                              const char *source) {
    char text[512];
    snprintf(text, sizeof text,
             "return { api = 1, engine = '%s', detect = { '%s' }, metrics = {\n"
             "  { name = 'kthena:x', type = 'gauge', from = '%s' } } }\n",
             engine, source, source);
    put(fixture, name, text);
}

/* A rule file of a source with these schemes, a list in Lua without its braces. */
static inline void put_source(const struct fixture *fixture, const char *name, const char *source,
                              const char *schemes) {
    char text[512];
    snprintf(text, sizeof text,
             "return { api = 1, source = '%s', schemes = { %s }, help = '%s://bucket/prefix',\n"
             "  resolve = function() end }\n",
             source, schemes, source);
    put(fixture, name, text);
}

/* A rule file of a workflow with this path and one parameter, `id`. */
static inline void put_workflow(const struct fixture *fixture, const char *name,
                                const char *workflow, const char *path) {
    char text[512];
    snprintf(text, sizeof text,
             "return { api = 1, workflow = '%s', route = { method = 'POST', path = '%s' },\n"
             "  params = { { name = 'id', type = 'string' } }, run = function() end }\n",
             workflow, path);
    put(fixture, name, text);
}

#endif
