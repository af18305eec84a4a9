/* host.env: get(name) is a variable of the process's environment; nil for one that is not there or
 * empty. */
#include "api/api.h"

#include <stdlib.h>

static int get(lua_State *lua) {
    const char *value = getenv(api_text(lua, 1));
    lua_pushstring(lua, value && *value ? value : NULL);
    return 1;
}

int api_open_env(lua_State *lua) {
    static const luaL_Reg functions[] = {{"get", get}, {NULL, NULL}};
    luaL_newlib(lua, functions);
    return 1;
}
