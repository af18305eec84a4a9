#include "policy/guard.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/memory.h"

#include <stdio.h>
#include <string.h>

enum { TRACEBACK_MAX = 4096, LIMIT_TEXT_SIZE = 64 };

/* One guarded call. The error is made inside the protection and outlives it. */
struct call {
    struct state *state;
    const char *display;
    char chunk[GUARD_CHUNK_SIZE];
    lua_CFunction body;
    void *context;
    struct error *error;
};

void guard_chunk(const char *display, char chunk[GUARD_CHUNK_SIZE]) {
    const char *slash = strrchr(display, '/');
    snprintf(chunk, GUARD_CHUNK_SIZE, "=%s", slash ? slash + 1 : display);
}

/* Pushes "name:line: " of the innermost code of a rule file that runs, or "". Rule files are loaded
 * under "=name", the library's under "@path". */
static void push_place(lua_State *lua) {
    lua_Debug frame;
    for (int level = 0; lua_getstack(lua, level, &frame); level++) {
        lua_getinfo(lua, "Sl", &frame);
        if (frame.source[0] == '=' && frame.currentline > 0) {
            lua_pushfstring(lua, "%s:%d: ", frame.short_src, frame.currentline);
            return;
        }
    }
    lua_pushliteral(lua, "");
}

/* Fires at every instruction once the budget is used up, so that no pcall can swallow it. */
static void over_budget(lua_State *lua, lua_Debug *here) {
    (void)here;
    struct state *state = state_of(lua);
    atomic_store_explicit(&state->watch.reached, true, memory_order_relaxed);
    push_place(lua);
    lua_pushfstring(lua, "used more than %f s", state->budget_seconds);
    lua_concat(lua, 2);
    lua_error(lua);
}

/* The message handler: notes where the error came from, and leaves it as it is. */
static int trace(lua_State *lua) {
    const struct call *call = lua_touserdata(lua, lua_upvalueindex(1));
    char flat[TRACEBACK_MAX];
    size_t length = 0;
    luaL_traceback(lua, lua, NULL, 1);
    for (const char *from = lua_tostring(lua, -1); from && *from; from++) {
        if (length == sizeof flat - 1)
            break;
        flat[length++] = *from == '\n' ? ';' : *from == '\t' ? ' ' : *from;
    }
    flat[length] = '\0';
    const char *message = lua_type(lua, 1) == LUA_TSTRING ? lua_tostring(lua, 1) : "no message";
    log_debug("%s: %s; %s", call->display, message, flat);
    lua_settop(lua, 1);
    return 1;
}

static void memory_text(size_t bytes, char text[LIMIT_TEXT_SIZE]) {
    if (bytes % (1024 * 1024) == 0)
        snprintf(text, LIMIT_TEXT_SIZE, "%zu MiB", bytes / (1024 * 1024));
    else
        snprintf(text, LIMIT_TEXT_SIZE, "%zu KiB", bytes / 1024);
}

/* Puts the file's display path before the message, in the place of the chunk's name if it is there.
 */
static struct error *locate(const struct call *call, const char *message) {
    const char *name = call->chunk + 1;
    size_t length = strlen(name);
    if (length > 0 && strncmp(message, name, length) == 0 && message[length] == ':' &&
        message[length + 1] >= '0' && message[length + 1] <= '9')
        return error_new(ERROR_POLICY, NULL, "%s%s", call->display, message + length);
    return error_new(ERROR_POLICY, NULL, "%s: %s", call->display, message);
}

/* Makes the error from the value on the top of the stack. No metamethod is called. */
static struct error *error_of(const struct call *call, lua_State *lua, int status) {
    int type = lua_type(lua, -1);
    if (type != LUA_TSTRING)
        return error_new(ERROR_POLICY, NULL, "%s: raised an error that is no message but a %s",
                         call->display, lua_typename(lua, type));
    const char *message = lua_tostring(lua, -1);
    if (status == LUA_ERRMEM ||
        (call->state->exhausted && strstr(message, "not enough memory") != NULL)) {
        char limit[LIMIT_TEXT_SIZE];
        memory_text(call->state->memory_bytes, limit);
        return error_new(ERROR_POLICY, NULL, "%s: used more than %s of memory", call->display,
                         limit);
    }
    return locate(call, message);
}

static int run(lua_State *lua) {
    struct call *call = lua_touserdata(lua, 1);
    lua_pushlightuserdata(lua, call);
    lua_pushcclosure(lua, trace, 1);
    lua_pushcfunction(lua, call->body);
    lua_pushlightuserdata(lua, call->context);
    int status = lua_pcall(lua, 1, 0, -3);
    if (status != 0)
        call->error = error_of(call, lua, status);
    return 0;
}

static int collect(lua_State *lua) {
    lua_gc(lua, LUA_GCCOLLECT, 0);
    return 0;
}

/* Collects what a call that used up the memory left behind. Even that takes a little memory. */
static void collect_garbage(struct state *state) {
    size_t memory_bytes = state->memory_bytes;
    state->memory_bytes = 0;
    if (lua_cpcall(state->lua, collect, NULL) != 0)
        lua_settop(state->lua, 0);
    state->memory_bytes = memory_bytes;
}

struct error *guard_call(struct state *state, const char *display, double budget_seconds,
                         lua_CFunction body, void *context) {
    struct call call = {
        .state = state,
        .display = display,
        .body = body,
        .context = context,
    };
    guard_chunk(display, call.chunk);
    state->exhausted = false;
    state->budget_seconds = budget_seconds;
    if (budget_seconds > 0) {
        int64_t deadline_ms = clock_ms() + (int64_t)(budget_seconds * 1000);
        struct error *error = watchdog_enter(&state->watch, state->lua, over_budget, deadline_ms);
        if (error)
            return error_new(ERROR_LIMIT, error, "%s: could not be run", display);
    }
    int status = lua_cpcall(state->lua, run, &call);
    bool late = budget_seconds > 0 && watchdog_leave(&state->watch);
    if (status != 0 && !call.error)
        call.error = error_of(&call, state->lua, status);
    lua_settop(state->lua, 0);
    if (state->exhausted)
        collect_garbage(state);
    if (late && call.error && !strstr(call.error->message, "used more than")) {
        /* Code that handles errors was cut off too and left another message. */
        error_free(call.error);
        call.error =
            error_new(ERROR_POLICY, NULL, "%s: used more than %g s", display, budget_seconds);
    }
    return call.error;
}

void guard_pause(lua_State *lua) {
    watchdog_pause(&state_of(lua)->watch);
}

void guard_resume(lua_State *lua) {
    watchdog_resume(&state_of(lua)->watch);
}
