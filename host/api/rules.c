/*
 * host.rules, for tests and rule authors only. load(path, text, pod, model, memory_bytes,
 * budget_seconds) loads one engine file exactly as the server does, in a state of its own. It
 * returns a mapping for host.metrics and the effective rules as JSON; or nil and every problem, one
 * a line. All but path and text may be nil. check(kind, path, text) does so with a file of kind
 * "engine", "source" or "workflow", and returns the effective rules; or nil and the problems.
 */
#include "api/api.h"
#include "policy/generation.h"
#include "policy/state.h"

/* Builds a generation of the one file, which must be of this kind. Appends the problems when there
 * are any; the result is then NULL. */
static struct generation *build(const struct rule_sources *sources, struct snapshot *file,
                                enum rule_kind kind, struct buffer *result) {
    struct problems problems = {0};
    file->files[0].kind = kind;
    struct generation *generation = generation_build(file, sources, 1, &problems);
    problems_print(&problems, result);
    problems_free(&problems);
    return generation;
}

static int load(lua_State *lua) {
    size_t length;
    const char *path = api_text(lua, 1);
    const char *text = luaL_checklstring(lua, 2, &length);
    struct rule_sources sources = {
        .lua = state_of(lua)->library,
        .variables = {.pod = api_text_or_null(lua, 3), .model = api_text_or_null(lua, 4)},
        .limits = {.memory_bytes = (size_t)luaL_optinteger(lua, 5, 0),
                   .budget_seconds = luaL_optnumber(lua, 6, 0)},
    };
    struct mapping **mapping = api_push_mapping(lua);
    struct buffer *result = api_buffer(lua);
    struct generation *generation =
        build(&sources, snapshot_of(path, text, length), RULE_ENGINE, result);
    if (generation) {
        const struct engine *engine = generation_engine_at(generation, 0);
        *mapping = mapping_ref(engine->mapping);
        buffer_string(result, engine->effective);
    }
    bool loaded = generation != NULL;
    generation_unref(generation);
    if (loaded)
        lua_pushvalue(lua, -2);
    else
        lua_pushnil(lua);
    api_push_buffer(lua, result);
    return 2;
}

static const char *effective_of(const struct generation *generation, enum rule_kind kind) {
    switch (kind) {
    case RULE_SOURCE:
        return generation_source_at(generation, 0)->effective;
    case RULE_WORKFLOW:
        return generation_workflow_at(generation, 0)->effective;
    default:
        return generation_engine_at(generation, 0)->effective;
    }
}

static int check(lua_State *lua) {
    static const char *const kinds[] = {"engine", "source", "workflow", NULL};
    size_t length;
    enum rule_kind kind = RULE_ENGINE + (enum rule_kind)luaL_checkoption(lua, 1, NULL, kinds);
    const char *path = api_text(lua, 2);
    const char *text = luaL_checklstring(lua, 3, &length);
    struct rule_sources sources = {.lua = state_of(lua)->library};
    struct buffer *result = api_buffer(lua);
    struct generation *generation = build(&sources, snapshot_of(path, text, length), kind, result);
    if (generation)
        buffer_string(result, effective_of(generation, kind));
    bool loaded = generation != NULL;
    generation_unref(generation);
    if (!loaded)
        lua_pushnil(lua);
    api_push_buffer(lua, result);
    return loaded ? 1 : 2;
}

int api_open_rules(lua_State *lua) {
    static const luaL_Reg functions[] = {{"load", load}, {"check", check}, {NULL, NULL}};
    luaL_newlib(lua, functions);
    return 1;
}
