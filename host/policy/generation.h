/*
 * A generation: the rules of one moment, checked as a whole and compiled. It is immutable and
 * reference-counted, so a scrape keeps the generation it began with while a reload swaps in the
 * next. The rulebook builds generations for the server; the metrics and rules commands build one
 * for themselves.
 *
 * Rule files run once, in a Lua state that lives only while the generation is built: sandboxed,
 * with JIT off, under a memory cap and a time budget for each file. No bytes given as a rule file
 * crash the process. One hole is known: a single call of a C function of Lua's library, such as
 * string.find with a pathological pattern, runs to its end before the budget cuts the rule off.
 */
#ifndef KTHENA_POLICY_GENERATION_H
#define KTHENA_POLICY_GENERATION_H

#include "metrics/mapping.h"
#include "policy/files.h"
#include "policy/workflow.h"

#include <stdint.h>

/* What rules may know of the process: $pod and $model in added labels. NULL leaves the word as it
 * is written, for commands that run without a pod. The texts must outlive whoever is given them. */
struct rule_variables {
    const char *pod;
    const char *model;
};

/* The bounds of one load. 0 is the default. */
struct rule_limits {
    size_t memory_bytes;   /* 64 MiB for the Lua state */
    double budget_seconds; /* 1 s for each file */
};

/* Everything a generation is built from. */
struct rule_sources {
    const char *lua; /* the directory that holds kthena/ */
    struct layers layers;
    struct rule_variables variables;
    struct rule_limits limits;
    /* Paths that no workflow may have, up to a NULL: "/v1/jobs" is that path, "/v1/jobs*" all that
     * begin so. NULL: none. Must outlive whoever is given it. */
    const char *const *reserved;
};

struct engine {
    char *name;
    char **aliases;
    size_t alias_count;
    char **detect; /* beginnings of page lines that tell this engine, for `auto` */
    size_t detect_count;
    struct mapping *mapping;
    char *effective; /* the rules with every default filled in: a JSON object on one line, which
                        names the file each rule came from */
    const struct rule_file *file;
};

struct generation;

/* Checks and compiles a snapshot, whose reference passes here in every case. Returns a generation
 * with one reference; or NULL, when anything is wrong in any file, and adds every problem to
 * problems. Of the sources everything but the layers is used. */
struct generation *generation_build(struct snapshot *snapshot, const struct rule_sources *sources,
                                    uint64_t number, struct problems *problems)
    __attribute__((warn_unused_result));

struct generation *generation_ref(struct generation *generation);
void generation_unref(struct generation *generation); /* NULL is fine */

/* The number it was built with, and when that was, in seconds since the epoch. */
uint64_t generation_number(const struct generation *generation);
double generation_loaded_at(const struct generation *generation);

/* The files it was built from. */
const struct snapshot *generation_files(const struct generation *generation);

/* The engines by name. They live as long as the generation. */
size_t generation_engine_count(const struct generation *generation);
const struct engine *generation_engine_at(const struct generation *generation, size_t index);

/* The engine of this name or alias, or NULL. */
const struct engine *generation_engine(const struct generation *generation, const char *name);

/* ERROR_INVALID for a name that generation_engine does not know: "unknown engine 'acne'; did you
 * mean 'acme'? known: ...". */
struct error *generation_unknown_engine(const struct generation *generation, const char *name)
    __attribute__((warn_unused_result));

/* Every name and alias, sorted. The caller frees the array with memory_free, not the names, which
 * live as long as the generation. */
size_t generation_engine_names(const struct generation *generation, const char ***names);

/* The sources and the workflows by name, in the same way. */
size_t generation_source_count(const struct generation *generation);
const struct source *generation_source_at(const struct generation *generation, size_t index);
size_t generation_workflow_count(const struct generation *generation);
const struct workflow *generation_workflow_at(const struct generation *generation, size_t index);

/* The workflow of this name, or NULL. */
const struct workflow *generation_workflow(const struct generation *generation, const char *name);

/* The settings that the workflows declare, by name; what several declare alike is one. The caller
 * frees the array with memory_free, not the settings, which live as long as the generation. */
size_t generation_settings(const struct generation *generation, const struct setting ***settings);

/* The source that resolves a URI: that of its scheme ("acme://..."), in whatever case, or of the
 * empty scheme for a text without "://" that is no path. ERROR_INVALID lists the known ones with
 * their help and says what was meant most likely. */
struct error *generation_source_of(const struct generation *generation, const char *uri,
                                   const struct source **out) __attribute__((warn_unused_result));

/* The engine with the most lines of the page that begin with one of its detect strings; of several
 * the first by name; NULL when no line does. */
const struct engine *generation_detect(const struct generation *generation, const char *page,
                                       size_t length);

/* Appends a JSON text indented by two spaces a level, with a newline at the end: an engine's
 * effective rules for people. */
void generation_indent(const char *json, struct buffer *out);

#endif
