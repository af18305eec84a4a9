/*
 * Loads one rule file in a Lua state: hands its text to lua/kthena/rules.lua, which runs it in the
 * sandbox, checks what it returns and expands it, and takes the results back one text at a time.
 * The generation builder is its only user.
 */
#ifndef KTHENA_POLICY_LOADER_H
#define KTHENA_POLICY_LOADER_H

#include "policy/generation.h"
#include "policy/state.h"

/* Loads an engine's rules into out, which the caller frees with loader_engine_free in every case.
 * Adds what is wrong with the file to problems. True when nothing is. */
bool loader_engine(struct state *state, const struct rule_file *file,
                   const struct rule_sources *sources, struct engine *out,
                   struct problems *problems);

void loader_engine_free(struct engine *engine);

#endif
