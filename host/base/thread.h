/*
 * Starts threads the way this process wants them: named, with a small stack, and with every signal
 * blocked, so that signals reach only the main thread. Used wherever the host starts a thread. The
 * caller owns the thread and joins it.
 */
#ifndef KTHENA_BASE_THREAD_H
#define KTHENA_BASE_THREAD_H

#include "base/error.h"

#include <pthread.h>
#include <stddef.h>

/* Runs run(context) in a new thread with 256 KiB of stack. The name, 15 bytes at most, is what ps
 * and gdb show. ERROR_LIMIT when the system has no room for another thread. */
struct error *thread_start(pthread_t *thread, const char *name, void *(*run)(void *), void *context)
    __attribute__((warn_unused_result));

/* The same with another size of stack; only what is touched becomes memory. For threads that run
 * Lua, whose C functions recurse (policy/stack.h). */
struct error *thread_start_sized(pthread_t *thread, const char *name, size_t stack_size,
                                 void *(*run)(void *), void *context)
    __attribute__((warn_unused_result));

#endif
