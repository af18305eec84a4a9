/*
 * What the files of the loader share: the load that goes on, and how each kind of rule takes its
 * results. Lua holds a userdata, the outcome, whose methods are these; each method finds the load
 * behind it with load_of. Included by loader*.c only.
 */
#ifndef KTHENA_POLICY_LOADER_PRIVATE_H
#define KTHENA_POLICY_LOADER_PRIVATE_H

#include "policy/loader.h"

#include <lauxlib.h>

/* One file while it is loaded. */
struct load {
    const struct rule_file *file;
    const struct rule_variables *variables;
    struct rule *rule;
    struct problems *problems;
    size_t problem_count; /* of this file, more than are kept */
};

/* The load of the method that runs, whose argument 1 is the outcome. A Lua error once it is over.
 */
struct load *load_of(lua_State *lua);

/* The same, and the rule is of this kind from now on, or was already. A Lua error when it is of
 * another. */
struct rule *load_rule(lua_State *lua, enum rule_kind kind);

/* Make copies of a text: in the place of what the field held, or at the end of a list. */
void load_replace(char **field, const char *text);
void load_append(char ***list, size_t *count, const char *text);
void load_free_list(char **list, size_t count);

/* Each kind's methods, which end with a NULL; whether a rule has all it must have; and what frees
 * it. */
extern const luaL_Reg load_engine_methods[];
extern const luaL_Reg load_source_methods[];
extern const luaL_Reg load_workflow_methods[];
bool load_engine_complete(const struct engine *engine);
bool load_source_complete(const struct source *source);
bool load_workflow_complete(const struct workflow *workflow);
void load_engine_free(struct engine *engine);
void load_source_free(struct source *source);
void load_workflow_free(struct workflow *workflow);

#endif
