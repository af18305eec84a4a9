#include "policy/test_runner.h"

#include "base/memory.h"
#include "policy/guard.h"

/* One run of busted. */
struct run {
    int argc;
    char **argv;
    int status;
};

/* Runs busted. Its ways out of a run all go through busted.compatibility.exit, which gets a message
 * of its own here, so that this state and this process end the way the host ends them. */
static const char SCRIPT[] =
    "local arguments = ...\n"
    "local installed, problem = pcall(require, 'busted.compatibility')\n"
    "if not installed then return nil, tostring(problem):match('[^\\n]*') end\n"
    "local finished = {}\n"
    "problem.exit = function(status)\n"
    "  finished.status = status == 0 and 0 or 1\n"
    "  error(finished, 0)\n"
    "end\n"
    "arg = arguments\n"
    "local ok, message = xpcall(function()\n"
    "  require('busted.runner')({ standalone = false })\n"
    "end, function(raised)\n"
    "  return raised == finished and raised or debug.traceback(tostring(raised), 2)\n"
    "end)\n"
    "if ok then return 0 end\n"
    "if message == finished then return finished.status end\n"
    "error(message, 0)\n";

static void push_arguments(lua_State *lua, const struct run *run) {
    lua_newtable(lua);
    lua_pushliteral(lua, "kthena-runtime test");
    lua_rawseti(lua, -2, 0);
    for (int i = 0; i < run->argc; i++) {
        lua_pushstring(lua, run->argv[i]);
        lua_rawseti(lua, -2, i + 1);
    }
}

static int run_busted(lua_State *lua) {
    struct run *run = lua_touserdata(lua, 1);
    if (luaL_loadbufferx(lua, SCRIPT, sizeof SCRIPT - 1, "@kthena-runtime test", "t") != 0)
        return lua_error(lua);
    push_arguments(lua, run);
    lua_call(lua, 1, 2);
    if (lua_isnil(lua, -2))
        return luaL_error(lua,
                          "could not find busted, which runs the specs; install it (on Debian: "
                          "apt-get install lua-busted): %s",
                          lua_tostring(lua, -1));
    run->status = (int)lua_tointeger(lua, -2);
    return 0;
}

struct error *test_runner_run(const struct paths *paths, int argc, char **argv, int *status) {
    struct state *state;
    struct run run = {.argc = argc, .argv = argv};
    struct error *error = state_new_for_tests(paths->lua, &state);
    if (error)
        return error;
    error = guard_call(state, "kthena-runtime test", 0, run_busted, &run);
    state_free(state);
    *status = run.status;
    return error;
}
