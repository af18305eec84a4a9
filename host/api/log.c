/* host.log: debug, info, warning and error write one line each to the process's log. */
#include "base/log.h"

#include "api/api.h"

static int write_at(lua_State *lua, enum log_level level) {
    log_write(level, "%s", luaL_checkstring(lua, 1));
    return 0;
}

static int debug(lua_State *lua) {
    return write_at(lua, LOG_DEBUG);
}

static int info(lua_State *lua) {
    return write_at(lua, LOG_INFO);
}

static int warning(lua_State *lua) {
    return write_at(lua, LOG_WARNING);
}

static int error(lua_State *lua) {
    return write_at(lua, LOG_ERROR);
}

int api_open_log(lua_State *lua) {
    static const luaL_Reg functions[] = {
        {"debug", debug}, {"info", info}, {"warning", warning}, {"error", error}, {NULL, NULL},
    };
    luaL_newlib(lua, functions);
    return 1;
}
