#include "policy/generation.h"

#include "base/clock.h"
#include "base/memory.h"
#include "policy/loader.h"
#include "policy/stack.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct generation {
    atomic_int references;
    uint64_t number;
    double loaded_at;
    struct snapshot *snapshot;
    struct engine *engines; /* by name */
    size_t engine_count;
};

/* A generation while it is built. */
struct build {
    struct generation *generation;
    const struct rule_sources *sources;
    struct problems *problems;
};

/* A name or alias, and where it stands. */
struct claim {
    const char *name;
    const struct engine *engine;
    size_t alias; /* from 1; 0 is the engine's own name */
    size_t order; /* of the file: layer first, then name */
};

/* Loads one file in the state, which it makes if there is none. */
static void load_file(struct build *build, const struct rule_file *file, struct state **state) {
    const struct rule_sources *sources = build->sources;
    struct engine *engine = &build->generation->engines[build->generation->engine_count++];
    struct error *error =
        *state ? NULL : state_new(sources->lua, sources->limits.memory_bytes, state);
    if (error) {
        char *text = error_text(error);
        problems_add(build->problems, file->display, "%s", text);
        memory_free(text);
        error_free(error);
        *engine = (struct engine){.file = file};
        return;
    }
    bool good = loader_engine(*state, file, sources, engine, build->problems);
    /* What a bad file leaves behind, garbage above all, must not be the next one's problem. */
    if (!good || (*state)->used_bytes > (*state)->memory_bytes / 4) {
        state_free(*state);
        *state = NULL;
    }
}

static void load_files(void *context) {
    struct build *build = context;
    const struct snapshot *snapshot = build->generation->snapshot;
    struct state *state = NULL;
    for (size_t i = 0; i < snapshot->count; i++)
        load_file(build, &snapshot->files[i], &state);
    state_free(state);
}

static int by_claim(const void *left, const void *right) {
    const struct claim *a = left;
    const struct claim *b = right;
    int order = strcmp(a->name, b->name);
    if (order == 0 && a->order != b->order)
        return a->order < b->order ? -1 : 1;
    if (order == 0)
        return a->alias < b->alias ? -1 : a->alias > b->alias;
    return order;
}

static void report_claim(struct problems *problems, const struct claim *claim,
                         const struct claim *first) {
    char key[32] = "engine";
    if (claim->alias > 0)
        snprintf(key, sizeof key, "aliases[%zu]", claim->alias);
    if (claim->engine == first->engine)
        problems_add(problems, claim->engine->file->display, "%s: \"%s\" is there twice", key,
                     claim->name);
    else
        problems_add(problems, claim->engine->file->display, "%s: \"%s\" is taken by %s", key,
                     claim->name, first->engine->file->display);
}

/* Names and aliases are unique over all files. The file of the earlier layer keeps a name. */
static void check_names(const struct generation *generation, struct problems *problems) {
    size_t count = 0;
    for (size_t i = 0; i < generation->engine_count; i++)
        count += 1 + generation->engines[i].alias_count;
    struct claim *claims = memory_zero(count, sizeof *claims);
    size_t used = 0;
    for (size_t i = 0; i < generation->engine_count; i++) {
        const struct engine *engine = &generation->engines[i];
        size_t order = engine->file->rank * RULE_FILES_MAX + i;
        if (engine->name)
            claims[used++] = (struct claim){engine->name, engine, 0, order};
        for (size_t j = 0; j < engine->alias_count; j++)
            claims[used++] = (struct claim){engine->aliases[j], engine, j + 1, order};
    }
    if (used > 0)
        qsort(claims, used, sizeof *claims, by_claim);
    for (size_t first = 0, i = 1; i < used; i++) {
        if (strcmp(claims[i].name, claims[first].name) == 0)
            report_claim(problems, &claims[i], &claims[first]);
        else
            first = i;
    }
    memory_free(claims);
}

static int by_name(const void *a, const void *b) {
    return strcmp(((const struct engine *)a)->name, ((const struct engine *)b)->name);
}

struct generation *generation_build(struct snapshot *snapshot, const struct rule_sources *sources,
                                    uint64_t number, struct problems *problems) {
    struct generation *generation = memory_zero(1, sizeof *generation);
    struct problems found = {0};
    struct build build = {generation, sources, &found};
    atomic_init(&generation->references, 1);
    generation->number = number;
    generation->loaded_at = clock_wall();
    generation->snapshot = snapshot;
    generation->engines = memory_zero(snapshot->count, sizeof *generation->engines);
    problems_copy(&found, &snapshot->problems);
    struct error *error = stack_run(load_files, &build);
    if (error) {
        problems_add_text(&found, "", error->message);
        error_free(error);
    }
    check_names(generation, &found);
    if (found.count > 0) {
        for (size_t i = 0; i < found.count; i++)
            problems_add_text(problems, found.list[i].file, found.list[i].text);
        generation_unref(generation);
        generation = NULL;
    } else if (generation->engine_count > 0) {
        qsort(generation->engines, generation->engine_count, sizeof *generation->engines, by_name);
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
    for (size_t i = 0; i < generation->engine_count; i++)
        loader_engine_free(&generation->engines[i]);
    memory_free(generation->engines);
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

size_t generation_engine_count(const struct generation *generation) {
    return generation->engine_count;
}

const struct engine *generation_engine_at(const struct generation *generation, size_t index) {
    return &generation->engines[index];
}
