/*
 * host.time: now() is seconds since the epoch, monotonic() seconds for durations; sleep(seconds) is
 * true after that time, or nil, a message and a kind when the call is cancelled meanwhile.
 */
#include "base/clock.h"

#include "api/context.h"
#include "policy/guard.h"

#include <time.h>

#include "api/api.h"

static int now(lua_State *lua) {
    lua_pushnumber(lua, clock_wall());
    return 1;
}

static int monotonic(lua_State *lua) {
    lua_pushnumber(lua, (double)clock_ns() / 1e9);
    return 1;
}

#define SLEEP_MAX_SECONDS 86400

enum { LOOK_MS = 50 };

static int sleep_for(lua_State *lua) {
    const struct host_context *context = api_context(lua);
    double seconds = luaL_checknumber(lua, 1);
    luaL_argcheck(lua, seconds >= 0 && seconds <= SLEEP_MAX_SECONDS, 1,
                  "expected from 0 to 86400 seconds");
    guard_pause(lua);
    int64_t end_ns = clock_ns() + (int64_t)(seconds * 1e9);
    for (int64_t left; (left = end_ns - clock_ns()) > 0 && !context_is_cancelled(context);) {
        left = left < LOOK_MS * 1000000 ? left : LOOK_MS * 1000000;
        nanosleep(&(struct timespec){.tv_nsec = left}, NULL);
    }
    guard_resume(lua);
    if (context_is_cancelled(context))
        return api_fail_kind(lua, error_new(ERROR_CANCELLED, NULL, "cancelled while it slept"));
    lua_pushboolean(lua, true);
    return 1;
}

int api_open_time(lua_State *lua) {
    static const luaL_Reg functions[] = {
        {"now", now},
        {"monotonic", monotonic},
        {"sleep", sleep_for},
        {NULL, NULL},
    };
    luaL_newlib(lua, functions);
    return 1;
}
