/*
 * What the tests of generations share: layers with two engines to build from, the last of them
 * empty, and the problems of a build as text.
 */
#ifndef KTHENA_TESTS_GENERATION_SUPPORT_H
#define KTHENA_TESTS_GENERATION_SUPPORT_H

#include "base/memory.h"
#include "policy/check.h"
#include "rule_files.h"

static inline int set_up_rules(void **state) {
    int status = set_up(state);
    make_directory(*state, "rules");
    make_directory(*state, "rules/engines");
    put_engine(*state, "rules/engines/beta.lua", "beta", "beta_");
    put_engine(*state, "rules/engines/alpha.lua", "alpha", "alpha_");
    make_directory(*state, "more");
    return status;
}

static inline struct rule_sources sources_of(const struct fixture *fixture,
                                             const char *const *directories, size_t count) {
    return (struct rule_sources){
        .lua = "lua",
        .layers = {in(fixture, "rules"), directories, count},
        .limits = {.budget_seconds = 30},
    };
}

static inline struct generation *build(const struct rule_sources *sources,
                                       struct problems *problems) {
    return generation_build(snapshot_read(&sources->layers), sources, 7, problems);
}

static inline struct generation *build_good(const struct fixture *fixture) {
    struct problems problems = {0};
    struct rule_sources sources = sources_of(fixture, NULL, 0);
    struct generation *generation = build(&sources, &problems);
    assert_non_null(generation);
    assert_int_equal(problems.count, 0);
    return generation;
}

/* The problems of all layers, one a line, with the fixture's directory written as "~". */
static inline char *problems_of(const struct fixture *fixture, const struct rule_sources *sources) {
    struct problems problems = {0};
    struct buffer text = {0};
    struct generation *generation = build(sources, &problems);
    problems_print(&problems, &text);
    buffer_text(&text);
    for (char *at = text.data; (at = strstr(at, fixture->dir)); at++) {
        size_t length = strlen(fixture->dir);
        *at = '~';
        memmove(at + 1, at + length, strlen(at + length) + 1);
    }
    assert_true((generation == NULL) == (problems.count > 0));
    generation_unref(generation);
    problems_free(&problems);
    return text.data;
}

static inline void expect_problems(const struct fixture *fixture, const char *expected) {
    const char *more = in(fixture, "more");
    struct rule_sources sources = sources_of(fixture, &more, 1);
    char *text = problems_of(fixture, &sources);
    assert_string_equal(text, expected);
    memory_free(text);
}

#endif
