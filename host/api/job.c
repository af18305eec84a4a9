/*
 * host.job: what the rule's call is part of. id() is the job's, nil outside of jobs; trigger() what
 * started the workflow ("call", "timer", ...); phase(text) says what is being done now; cancelled()
 * is whether somebody asked to stop.
 */
#include "api/context.h"

#include "api/api.h"

static int id(lua_State *lua) {
    lua_pushstring(lua, api_context(lua)->job);
    return 1;
}

static int trigger(lua_State *lua) {
    const char *text = api_context(lua)->trigger;
    lua_pushstring(lua, text ? text : "call");
    return 1;
}

static int phase(lua_State *lua) {
    struct host_context *context = api_context(lua);
    progress_set_phase(context->progress, api_text(lua, 1));
    return 0;
}

static int cancelled(lua_State *lua) {
    lua_pushboolean(lua, context_is_cancelled(api_context(lua)));
    return 1;
}

int api_open_job(lua_State *lua) {
    static const luaL_Reg functions[] = {
        {"id", id}, {"trigger", trigger}, {"phase", phase}, {"cancelled", cancelled}, {NULL, NULL}};
    luaL_newlib(lua, functions);
    return 1;
}
