#include "policy/names.h"

#include "base/memory.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What is unique among its own kind only. */
enum space { ENGINES, SOURCES, SCHEMES, WORKFLOWS, ROUTES };

/* A name and where it stands. */
struct claim {
    enum space space;
    char *name; /* owned; how it is compared */
    const char *shown;
    const struct rule_file *file;
    const char *key;
    size_t item; /* of the list that key is, from 1; 0: it is none */
    size_t order;
};

struct claims {
    const struct generation *generation;
    struct claim *list;
    size_t count;
    size_t room;
};

static void add(struct claims *claims, struct claim claim) {
    if (claims->count == claims->room) {
        claims->room = claims->room ? claims->room * 2 : 64;
        claims->list = memory_resize(claims->list, claims->room * sizeof *claims->list);
    }
    size_t place = (size_t)(claim.file - generation_files(claims->generation)->files);
    claim.order = claim.file->rank * RULE_FILES_MAX + place;
    claims->list[claims->count++] = claim;
}

static void add_name(struct claims *claims, enum space space, const char *name,
                     const struct rule_file *file, const char *key, size_t item) {
    if (name)
        add(claims, (struct claim){space, memory_string(name), name, file, key, item, 0});
}

/* A route is its method and its path, in which parameters are alike whatever their names. */
static char *route_of(const struct workflow *workflow) {
    struct buffer text = {0};
    buffer_format(&text, "%s ", workflow->method);
    bool inside = false;
    for (const char *at = workflow->path; *at; at++) {
        inside = inside && *at != '}';
        if (!inside)
            buffer_byte(&text, *at);
        inside = inside || *at == '{';
    }
    char *route = memory_copy(text.data, text.length);
    buffer_free(&text);
    return route;
}

static void add_workflow(struct claims *claims, const struct workflow *workflow) {
    add_name(claims, WORKFLOWS, workflow->name, workflow->file, "workflow", 0);
    if (workflow->path)
        add(claims, (struct claim){ROUTES, route_of(workflow), workflow->path, workflow->file,
                                   "route.path", 0, 0});
}

static void collect(struct claims *claims) {
    const struct generation *generation = claims->generation;
    for (size_t i = 0; i < generation_engine_count(generation); i++) {
        const struct engine *engine = generation_engine_at(generation, i);
        add_name(claims, ENGINES, engine->name, engine->file, "engine", 0);
        for (size_t j = 0; j < engine->alias_count; j++)
            add_name(claims, ENGINES, engine->aliases[j], engine->file, "aliases", j + 1);
    }
    for (size_t i = 0; i < generation_source_count(generation); i++) {
        const struct source *source = generation_source_at(generation, i);
        add_name(claims, SOURCES, source->name, source->file, "source", 0);
        for (size_t j = 0; j < source->scheme_count; j++)
            add_name(claims, SCHEMES, source->schemes[j], source->file, "schemes", j + 1);
    }
    for (size_t i = 0; i < generation_workflow_count(generation); i++)
        add_workflow(claims, generation_workflow_at(generation, i));
}

static int by_claim(const void *left, const void *right) {
    const struct claim *a = left;
    const struct claim *b = right;
    if (a->space != b->space)
        return a->space < b->space ? -1 : 1;
    int order = strcmp(a->name, b->name);
    if (order == 0 && a->order != b->order)
        return a->order < b->order ? -1 : 1;
    if (order == 0)
        return a->item < b->item ? -1 : a->item > b->item;
    return order;
}

static void report(struct problems *problems, const struct claim *claim,
                   const struct claim *first) {
    char key[32];
    snprintf(key, sizeof key, claim->item ? "%s[%zu]" : "%s", claim->key, claim->item);
    if (claim->file == first->file)
        problems_add(problems, claim->file->display, "%s: \"%s\" is there twice", key,
                     claim->shown);
    else
        problems_add(problems, claim->file->display, "%s: \"%s\" is taken by %s", key, claim->shown,
                     first->file->display);
}

/* Whether a path of a workflow, in which "{...}" is any segment, may be one that a pattern means.
 */
static bool meets(const char *path, const char *pattern) {
    while (*pattern != '*') {
        if (*path == '{') {
            size_t segment = strcspn(pattern, "/*");
            if (pattern[segment] == '*')
                return true;
            if (segment == 0)
                return false;
            path += strcspn(path, "/");
            pattern += segment;
        }
        if (*path != *pattern)
            return false;
        if (!*path)
            return true;
        path++;
        pattern++;
    }
    return true;
}

static void check_reserved(const struct workflow *workflow, const char *const *reserved,
                           struct problems *problems) {
    for (; workflow->path && reserved && *reserved; reserved++)
        if (meets(workflow->path, *reserved)) {
            problems_add(problems, workflow->file->display,
                         "route.path: \"%s\" belongs to the server itself (%s); choose another",
                         workflow->path, *reserved);
            return;
        }
}

void names_check(const struct generation *generation, const char *const *reserved,
                 struct problems *problems) {
    struct claims claims = {.generation = generation};
    collect(&claims);
    if (claims.count > 0)
        qsort(claims.list, claims.count, sizeof *claims.list, by_claim);
    for (size_t first = 0, i = 1; i < claims.count; i++) {
        const struct claim *claim = &claims.list[i];
        if (claim->space == claims.list[first].space &&
            strcmp(claim->name, claims.list[first].name) == 0)
            report(problems, claim, &claims.list[first]);
        else
            first = i;
    }
    for (size_t i = 0; i < claims.count; i++)
        memory_free(claims.list[i].name);
    memory_free(claims.list);
    for (size_t i = 0; i < generation_workflow_count(generation); i++)
        check_reserved(generation_workflow_at(generation, i), reserved, problems);
}
