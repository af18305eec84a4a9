/* host.env: get(name) is a variable of the process's environment, secret(name) the same as a secret
 * without white space at its ends; nil for one that is not there or empty. */
#include "api/api.h"

#include <stdlib.h>

static int get(lua_State *lua) {
    const char *value = getenv(api_text(lua, 1));
    lua_pushstring(lua, value && *value ? value : NULL);
    return 1;
}

static int secret(lua_State *lua) {
    const char *value = getenv(api_text(lua, 1));
    if (value && *value)
        api_push_trimmed_secret(lua, value, strlen(value));
    else
        lua_pushnil(lua);
    return 1;
}

int api_open_env(lua_State *lua) {
    static const luaL_Reg functions[] = {{"get", get}, {"secret", secret}, {NULL, NULL}};
    luaL_newlib(lua, functions);
    return 1;
}
