/*
 * host.sources: find(uri) is the rule file of the source that resolves it: its text, its name for
 * Lua, its name for people; or nil, a message and a kind.
 */
#include "api/context.h"
#include "policy/guard.h"

#include "api/api.h"

static int find(lua_State *lua) {
    const struct host_context *context = api_context(lua);
    const char *uri = api_text(lua, 1);
    const struct source *source = NULL;
    char chunk[GUARD_CHUNK_SIZE];
    if (!context->generation)
        return luaL_error(lua, "there are no sources here");
    struct error *error = generation_source_of(context->generation, uri, &source);
    if (error)
        return api_fail_kind(lua, error);
    guard_chunk(source->file->display, chunk);
    lua_pushlstring(lua, source->file->text, source->file->length);
    lua_pushstring(lua, chunk);
    lua_pushstring(lua, source->file->display);
    return 3;
}

int api_open_sources(lua_State *lua) {
    static const luaL_Reg functions[] = {{"find", find}, {NULL, NULL}};
    luaL_newlib(lua, functions);
    return 1;
}
