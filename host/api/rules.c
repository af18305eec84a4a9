/*
 * host.rules, for tests and rule authors only: load(path, text, pod, model, memory_bytes,
 * budget_seconds) loads one engine file exactly as the server does, in a state of its own. It
 * returns a mapping for host.metrics and the effective rules as JSON; or nil and every problem, one
 * a line. All but path and text may be nil.
 */
#include "api/api.h"
#include "policy/generation.h"
#include "policy/state.h"

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
    struct problems problems = {0};
    struct generation *generation =
        generation_build(snapshot_of(path, text, length), &sources, 1, &problems);
    if (generation) {
        const struct engine *engine = generation_engine_at(generation, 0);
        *mapping = mapping_ref(engine->mapping);
        buffer_string(result, engine->effective);
    } else {
        problems_print(&problems, result);
    }
    bool loaded = generation != NULL;
    problems_free(&problems);
    generation_unref(generation);
    if (loaded)
        lua_pushvalue(lua, -2);
    else
        lua_pushnil(lua);
    api_push_buffer(lua, result);
    return 2;
}

int api_open_rules(lua_State *lua) {
    static const luaL_Reg functions[] = {{"load", load}, {NULL, NULL}};
    luaL_newlib(lua, functions);
    return 1;
}
