/*
 * host.settings: what the command line and the environment say of the settings that rules declare.
 *
 *   text(name)     the text, nil when nothing was said
 *   secret(name)   the same as a secret
 *   file(name)     of a file that is followed (store/watched.h): its path, its last good content as
 *                  JSON or nil, a problem or nil, and its version; nil when it is not followed
 */
#include "api/context.h"
#include "store/watched.h"

#include "api/api.h"

static const char VIEW[] = "host.settings.view";

static const char *find(lua_State *lua) {
    const struct services *services = api_services(lua);
    const char *name = api_text(lua, 1);
    for (size_t i = 0; i < services->setting_count; i++)
        if (strcmp(services->settings[i].name, name) == 0)
            return services->settings[i].text;
    return NULL;
}

static int text(lua_State *lua) {
    lua_pushstring(lua, find(lua));
    return 1;
}

static int secret(lua_State *lua) {
    const char *value = find(lua);
    if (value)
        api_push_trimmed_secret(lua, value, strlen(value));
    else
        lua_pushnil(lua);
    return 1;
}

static int collect(lua_State *lua) {
    watched_view_free(luaL_checkudata(lua, 1, VIEW));
    return 0;
}

static int file(lua_State *lua) {
    struct watched_files *files = api_services(lua)->files;
    const char *name = api_text(lua, 1);
    struct watched_view *view = lua_newuserdata(lua, sizeof *view);
    *view = (struct watched_view){0};
    api_handle(lua, VIEW, NULL, collect);
    lua_setmetatable(lua, -2);
    if (!files || !watched_get(files, name, view))
        return 0;
    lua_pushstring(lua, view->path);
    lua_pushstring(lua, view->json);
    lua_pushstring(lua, view->problem);
    lua_pushnumber(lua, (double)view->version);
    watched_view_free(view);
    return 4;
}

int api_open_settings(lua_State *lua) {
    static const luaL_Reg functions[] = {
        {"text", text}, {"secret", secret}, {"file", file}, {NULL, NULL}};
    luaL_newlib(lua, functions);
    return 1;
}
