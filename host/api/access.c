/*
 * host.access: what requests may make this process do (policy/access.h). url(text) is whether an
 * endpoint is allowed by name; source(uri) is true, directory(path) the resolved path; or nil, a
 * message and a kind. Without limits everything is allowed.
 */
#include "api/context.h"
#include "base/memory.h"

#include "api/api.h"

static int url(lua_State *lua) {
    const struct access *access = api_context(lua)->access;
    const char *text = api_text(lua, 1);
    lua_pushboolean(lua, !access || access_allows(access, text));
    return 1;
}

static int source(lua_State *lua) {
    const struct access *access = api_context(lua)->access;
    const char *uri = api_text(lua, 1);
    struct error *error = access ? access_source(access, uri) : NULL;
    if (error)
        return api_fail_kind(lua, error);
    lua_pushboolean(lua, true);
    return 1;
}

static int directory(lua_State *lua) {
    const struct access *access = api_context(lua)->access;
    const char *path = api_text(lua, 1);
    char *resolved = NULL;
    struct buffer *kept = api_buffer(lua);
    struct error *error = access ? access_directory(access, path, &resolved) : NULL;
    if (error)
        return api_fail_kind(lua, error);
    buffer_string(kept, resolved ? resolved : path);
    memory_free(resolved);
    api_push_buffer(lua, kept);
    return 1;
}

enum access_reach api_reach(lua_State *lua, int argument) {
    static const char *const words[] = {"anywhere", "named", "guarded", NULL};
    static const enum access_reach reaches[] = {ACCESS_ANYWHERE, ACCESS_NAMED, ACCESS_GUARDED};
    return reaches[luaL_checkoption(lua, argument, NULL, words)];
}

int api_open_access(lua_State *lua) {
    static const luaL_Reg functions[] = {
        {"url", url}, {"source", source}, {"directory", directory}, {NULL, NULL}};
    luaL_newlib(lua, functions);
    return 1;
}
