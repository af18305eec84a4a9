/*
 * Runs a function on threads with large stacks and waits for them. Lua's C functions that call
 * back into Lua (table.sort, string.format) recurse on the C stack until Lua's own stack is full,
 * which takes megabytes, and the host's threads have small stacks. The generation builder loads
 * rules here.
 */
#ifndef KTHENA_POLICY_STACK_H
#define KTHENA_POLICY_STACK_H

#include "base/error.h"

enum { STACK_THREADS_MAX = 4 };

/* Calls run(context) on count threads, or on fewer where there is no room for so many, and returns
 * when every call has returned. ERROR_LIMIT when there is no room for one. */
struct error *stack_run(void (*run)(void *), void *context, int count)
    __attribute__((warn_unused_result));

#endif
