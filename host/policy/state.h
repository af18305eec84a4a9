/*
 * One Lua state, as the policy layer wants it: LuaJIT with its compiler off (the time budget needs
 * that), a cap on memory, cjson and the host's namespaces (host.*) at hand for require, and
 * kthena.* found in one directory and nowhere else. States share nothing; a state belongs to the
 * thread that uses it, and its maker frees it.
 *
 * Garbage counts towards the cap until it is collected, so a rule can hold somewhat less than that.
 */
#ifndef KTHENA_POLICY_STATE_H
#define KTHENA_POLICY_STATE_H

#include "base/error.h"
#include "policy/watchdog.h"

#include <lua.h>
#include <stdbool.h>
#include <stddef.h>

struct host_context; /* api/context.h */

enum { STATE_MEMORY_BYTES = 64 * 1024 * 1024 }; /* the usual cap */

struct state {
    lua_State *lua;
    char *library;         /* the directory that holds kthena/ */
    size_t memory_bytes;   /* the cap; 0: none */
    size_t used_bytes;     /* allocated by Lua now */
    bool exhausted;        /* an allocation was refused since the last guarded call began */
    double budget_seconds; /* of the guarded call that runs, and its watch */
    struct watch watch;
    struct host_context *context; /* of the call that runs, for the namespaces that need one */
    lua_Alloc allocate;           /* Lua's own allocator, and its context */
    void *allocate_context;
};

/* Makes a state for rules: libraries base, package, string, table, math and bit. library is the
 * directory that holds kthena/; memory_bytes 0 is the usual cap. ERROR_LIMIT when memory does not
 * suffice. */
struct error *state_new(const char *library, size_t memory_bytes, struct state **out)
    __attribute__((warn_unused_result));

/* Makes a full state for tests: every standard library, the system's Lua modules, no cap, and the
 * namespaces that only tests have. */
struct error *state_new_for_tests(const char *library, struct state **out)
    __attribute__((warn_unused_result));

/* NULL is fine. */
void state_free(struct state *state);

/* The state object behind a Lua state made here. */
struct state *state_of(lua_State *lua);

#endif
