/*
 * Loads one rule file in a Lua state: hands its text to lua/kthena/rules.lua, which runs it in the
 * sandbox, checks what it returns and expands it, and takes the results back one text at a time.
 * The generation builder is its only user.
 */
#ifndef KTHENA_POLICY_LOADER_H
#define KTHENA_POLICY_LOADER_H

#include "policy/generation.h"
#include "policy/state.h"

/* What a file came to. */
struct rule {
    enum rule_kind kind; /* RULE_ANY: nothing, it is bad */
    union {
        struct engine engine;
        struct source source;
        struct workflow workflow;
    } as;
};

/* Loads a file into out, which the caller frees with loader_free in every case. Adds what is wrong
 * with the file to problems. True when nothing is. */
bool loader_file(struct state *state, const struct rule_file *file,
                 const struct rule_sources *sources, struct rule *out, struct problems *problems);

/* The name a rule gives itself: "" for one that came to nothing. */
const char *loader_name(const struct rule *rule);

void loader_free(struct rule *rule);

#endif
