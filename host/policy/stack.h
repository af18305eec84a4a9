/*
 * Runs a function on a thread with a stack of its own and waits for it. Lua's C functions that call
 * back into Lua (table.sort, string.format) recurse on the C stack until Lua's own stack is full,
 * which takes megabytes, and the host's threads have small stacks. The generation builder loads
 * rules here.
 */
#ifndef KTHENA_POLICY_STACK_H
#define KTHENA_POLICY_STACK_H

#include "base/error.h"

/* Returns when run(context) has returned. ERROR_LIMIT when there is no room for another thread. */
struct error *stack_run(void (*run)(void *), void *context) __attribute__((warn_unused_result));

#endif
