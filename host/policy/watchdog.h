/*
 * Cuts off Lua code that runs too long. One thread, started when first needed and kept until the
 * process ends, knows the deadline of every guarded call; at the deadline it arms a hook that fires
 * at every instruction. lua_sethook is the one function of Lua that may be called while the state
 * runs in another thread. Used by the guard only.
 *
 * The interpreter changes the same byte when it enters and leaves hooks and finalizers, and neither
 * side locks it: arming may be lost. So the hook is armed again every few milliseconds until it has
 * fired once, and then left alone.
 *
 * Time that the host spends working for a rule is the host's, not the rule's: a paused watch has no
 * deadline, and gets what was left of it when it goes on.
 */
#ifndef KTHENA_POLICY_WATCHDOG_H
#define KTHENA_POLICY_WATCHDOG_H

#include "base/error.h"

#include <lua.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/* One watched call. The caller owns it, and it must stay where it is until watchdog_leave. */
struct watch {
    lua_State *lua;
    lua_Hook hook;
    int64_t deadline_ms; /* monotonic; what is left while paused */
    bool paused;
    bool armed;          /* the deadline has passed */
    atomic_bool reached; /* set by the hook: it has fired */
    struct watch *next;
    struct watch **link;
};

/* Watches a state from now on. ERROR_LIMIT when the watchdog's thread could not be started. */
struct error *watchdog_enter(struct watch *watch, lua_State *lua, lua_Hook hook,
                             int64_t deadline_ms) __attribute__((warn_unused_result));

/* Stops the watch's clock, and starts it again. The calls do not nest. A deadline that has passed
 * has passed. No effect on a watch that is not entered. */
void watchdog_pause(struct watch *watch);
void watchdog_resume(struct watch *watch);

/* Ends the watch and removes the hook. Returns whether it was armed: the deadline had passed. */
bool watchdog_leave(struct watch *watch);

#endif
