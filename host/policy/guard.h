/*
 * The one way the host calls Lua. A body, a C function, runs protected: whatever it pushes, calls
 * and reads, and however the Lua code it calls misbehaves, control comes back here with an error or
 * without one. A time budget is enforced by the watchdog; the memory cap is the state's. The body
 * checks the results itself, inside the protection, and leaves them in its context, whose memory
 * the caller owns in every case.
 *
 * This guards against accidents. It does not contain an author who means harm. What the budget does
 * not interrupt: one call of a C function of Lua's library before it returns, and the handler of
 * xpcall for an error that the budget itself raised (the sandbox has an xpcall without that hole).
 */
#ifndef KTHENA_POLICY_GUARD_H
#define KTHENA_POLICY_GUARD_H

#include "policy/state.h"

#include <lauxlib.h>

/* A name for luaL_loadbuffer and the like, for the code of the file that is shown as `display`. The
 * guard puts the whole of display in its place in messages, which Lua would cut short. */
#define GUARD_CHUNK_SIZE LUA_IDSIZE
void guard_chunk(const char *display, char chunk[GUARD_CHUNK_SIZE]);

/* Calls body with context as its light userdata argument 1. display names the file in messages.
 * ERROR_POLICY reads "<display>:<line>: <message>", or without a line where there is none, such as
 * "rules/engines/x.lua: used more than 64 MiB of memory"; the garbage is then collected, so that
 * the state can be used again. Tracebacks go to the debug log. A body must not keep C memory of its
 * own over a call that can raise a Lua error. budget_seconds 0: no budget. Calls on one state do
 * not nest. */
struct error *guard_call(struct state *state, const char *display, double budget_seconds,
                         lua_CFunction body, void *context) __attribute__((warn_unused_result));

/* For the host's functions that Lua calls: the time between the two does not count towards the
 * budget. In between nothing of Lua may be called. They do not nest; without a budget they do
 * nothing. */
void guard_pause(lua_State *lua);
void guard_resume(lua_State *lua);

#endif
