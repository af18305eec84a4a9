/*
 * host.lock: acquire(name, seconds or nil) waits for a lock of the process (jobs/locks.h) and is a
 * handle; or nil, a message and a kind. handle:release() gives it back; the end of the call does
 * that too.
 */
#include "api/held.h"

#include "api/context.h"
#include "base/clock.h"
#include "base/memory.h"
#include "policy/guard.h"

#include "api/api.h"

static const char HELD[] = "host.lock";

#define SECONDS_MAX 1e9

void held_close(struct held_lock *held) {
    if (!held->lock)
        return;
    *held->link = held->next;
    if (held->next)
        held->next->link = held->link;
    locks_release(held->lock);
    memory_free(held->name);
    *held = (struct held_lock){0};
}

void held_close_all(struct held_lock **list) {
    while (*list)
        held_close(*list);
}

static int collect(lua_State *lua) {
    held_close(luaL_checkudata(lua, 1, HELD));
    return 0;
}

static struct error *acquire_for(struct held_lock *held, struct host_context *context,
                                 const char *name, int64_t deadline_ms) {
    for (const struct held_lock *own = context->locks; own; own = own->next)
        if (strcmp(own->name, name) == 0)
            return error_new(ERROR_INVALID, NULL,
                             "this call has the lock '%s' already and would wait for itself", name);
    char *owner = memory_format("job %s", context->job ? context->job : "(none)");
    struct error *error = locks_acquire(context->services->locks, name, owner, deadline_ms,
                                        context->cancel, &held->lock);
    memory_free(owner);
    if (error)
        return error;
    held->name = memory_string(name);
    held->next = context->locks;
    if (held->next)
        held->next->link = &held->next;
    held->link = &context->locks;
    context->locks = held;
    return NULL;
}

static int acquire(lua_State *lua) {
    static const luaL_Reg methods[] = {{"release", collect}, {NULL, NULL}};
    const char *name = api_text(lua, 1);
    double seconds = luaL_optnumber(lua, 2, SECONDS_MAX);
    luaL_argcheck(lua, seconds >= 0, 2, "expected a number of seconds");
    if (!api_services(lua)->locks)
        api_no_service(lua, "ctx.lock");
    struct held_lock *held = lua_newuserdata(lua, sizeof *held);
    *held = (struct held_lock){0};
    api_handle(lua, HELD, methods, collect);
    lua_setmetatable(lua, -2);
    int64_t wait_ms = (int64_t)((seconds < SECONDS_MAX ? seconds : SECONDS_MAX) * 1000);
    guard_pause(lua);
    struct error *error = acquire_for(held, api_context(lua), name, clock_ms() + wait_ms);
    guard_resume(lua);
    return error ? api_fail_kind(lua, error) : 1;
}

int api_open_lock(lua_State *lua) {
    static const luaL_Reg functions[] = {{"acquire", acquire}, {NULL, NULL}};
    luaL_newlib(lua, functions);
    return 1;
}
