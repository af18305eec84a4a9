#include "policy/generation.h"

#include "base/clock.h"
#include "base/memory.h"
#include "policy/loader.h"
#include "policy/names.h"
#include "policy/settings.h"
#include "policy/stack.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

/* Each thread loads the library for itself, so files must be many before a second one is worth it.
 */
enum { LOADERS = 2, PARALLEL_FROM = 8 };

struct generation {
    atomic_int references;
    uint64_t number;
    double loaded_at;
    struct snapshot *snapshot;
    struct rule *rules; /* by kind and name once it is built; in the order of the files before */
    size_t rule_count;
    size_t first[RULE_KINDS + 1]; /* of each kind in rules */
};

/* A generation while it is built, by several threads. */
struct build {
    struct generation *generation;
    const struct rule_sources *sources;
    atomic_size_t next;        /* file to be loaded */
    struct problems *problems; /* of each file */
};

/* Loads one file in the state, which it makes if there is none. */
static void load_file(struct build *build, size_t index, struct state **state) {
    const struct rule_sources *sources = build->sources;
    const struct rule_file *file = &build->generation->snapshot->files[index];
    struct rule *rule = &build->generation->rules[index];
    struct problems *problems = &build->problems[index];
    struct error *error =
        *state ? NULL : state_new(sources->lua, sources->limits.memory_bytes, state);
    if (error) {
        char *text = error_text(error);
        problems_add(problems, file->display, "%s", text);
        memory_free(text);
        error_free(error);
        return;
    }
    bool good = loader_file(*state, file, sources, rule, problems);
    /* What a bad file leaves behind, garbage above all, must not be the next one's problem. */
    if (!good || (*state)->used_bytes > (*state)->memory_bytes / 4) {
        state_free(*state);
        *state = NULL;
    }
}

/* On each of the threads: takes files as long as there are any. */
static void load_files(void *context) {
    struct build *build = context;
    struct state *state = NULL;
    size_t index;
    while ((index = atomic_fetch_add(&build->next, 1)) < build->generation->rule_count)
        load_file(build, index, &state);
    state_free(state);
}

/* Loads every file, and collects what is wrong with them in the order of the files. */
static void load_all(struct generation *generation, const struct rule_sources *sources,
                     struct problems *found) {
    size_t count = generation->rule_count;
    struct build build = {.generation = generation,
                          .sources = sources,
                          .problems = memory_zero(count, sizeof *build.problems)};
    struct error *error = stack_run(load_files, &build, count < PARALLEL_FROM ? 1 : LOADERS);
    if (error) {
        problems_add_text(found, "", error->message);
        error_free(error);
    }
    for (size_t i = 0; i < count; i++) {
        problems_append(found, &build.problems[i]);
        problems_free(&build.problems[i]);
    }
    memory_free(build.problems);
}

static int by_kind_and_name(const void *left, const void *right) {
    const struct rule *a = left;
    const struct rule *b = right;
    if (a->kind != b->kind)
        return a->kind < b->kind ? -1 : 1;
    return strcmp(loader_name(a), loader_name(b));
}

/* Sorts the rules and notes where each kind begins. */
static void arrange(struct generation *generation) {
    if (generation->rule_count > 0)
        qsort(generation->rules, generation->rule_count, sizeof *generation->rules,
              by_kind_and_name);
    size_t at = 0;
    for (size_t kind = 0; kind <= RULE_KINDS; kind++) {
        while (at < generation->rule_count && generation->rules[at].kind < kind)
            at++;
        generation->first[kind] = at;
    }
}

struct generation *generation_build(struct snapshot *snapshot, const struct rule_sources *sources,
                                    uint64_t number, struct problems *problems) {
    struct generation *generation = memory_zero(1, sizeof *generation);
    struct problems found = {0};
    atomic_init(&generation->references, 1);
    generation->number = number;
    generation->loaded_at = clock_wall();
    generation->snapshot = snapshot;
    generation->rules = memory_zero(snapshot->count, sizeof *generation->rules);
    generation->rule_count = snapshot->count;
    problems_copy(&found, &snapshot->problems);
    load_all(generation, sources, &found);
    arrange(generation);
    names_check(generation, sources->reserved, &found);
    settings_check(generation, &found);
    if (found.count > 0) {
        problems_append(problems, &found);
        generation_unref(generation);
        generation = NULL;
    }
    problems_free(&found);
    return generation;
}

struct generation *generation_ref(struct generation *generation) {
    atomic_fetch_add_explicit(&generation->references, 1, memory_order_relaxed);
    return generation;
}

void generation_unref(struct generation *generation) {
    if (!generation ||
        atomic_fetch_sub_explicit(&generation->references, 1, memory_order_acq_rel) != 1)
        return;
    for (size_t i = 0; i < generation->rule_count; i++)
        loader_free(&generation->rules[i]);
    memory_free(generation->rules);
    snapshot_unref(generation->snapshot);
    memory_free(generation);
}

uint64_t generation_number(const struct generation *generation) {
    return generation->number;
}

double generation_loaded_at(const struct generation *generation) {
    return generation->loaded_at;
}

const struct snapshot *generation_files(const struct generation *generation) {
    return generation->snapshot;
}

static size_t count_of(const struct generation *generation, enum rule_kind kind) {
    return generation->first[kind + 1] - generation->first[kind];
}

static const struct rule *rule_at(const struct generation *generation, enum rule_kind kind,
                                  size_t index) {
    return &generation->rules[generation->first[kind] + index];
}

size_t generation_engine_count(const struct generation *generation) {
    return count_of(generation, RULE_ENGINE);
}

const struct engine *generation_engine_at(const struct generation *generation, size_t index) {
    return &rule_at(generation, RULE_ENGINE, index)->as.engine;
}

size_t generation_source_count(const struct generation *generation) {
    return count_of(generation, RULE_SOURCE);
}

const struct source *generation_source_at(const struct generation *generation, size_t index) {
    return &rule_at(generation, RULE_SOURCE, index)->as.source;
}

size_t generation_workflow_count(const struct generation *generation) {
    return count_of(generation, RULE_WORKFLOW);
}

const struct workflow *generation_workflow_at(const struct generation *generation, size_t index) {
    return &rule_at(generation, RULE_WORKFLOW, index)->as.workflow;
}

const struct workflow *generation_workflow(const struct generation *generation, const char *name) {
    for (size_t i = 0; i < generation_workflow_count(generation); i++)
        if (strcmp(generation_workflow_at(generation, i)->name, name) == 0)
            return generation_workflow_at(generation, i);
    return NULL;
}
