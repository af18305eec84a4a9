/* host.time: now() is seconds since the epoch, monotonic() seconds for durations. */
#include "base/clock.h"

#include "api/api.h"

static int now(lua_State *lua) {
    lua_pushnumber(lua, clock_wall());
    return 1;
}

static int monotonic(lua_State *lua) {
    lua_pushnumber(lua, (double)clock_ns() / 1e9);
    return 1;
}

int api_open_time(lua_State *lua) {
    static const luaL_Reg functions[] = {
        {"now", now},
        {"monotonic", monotonic},
        {NULL, NULL},
    };
    luaL_newlib(lua, functions);
    return 1;
}
