/*
 * A named lock while a call has it: in the list of its context, so that it never outlives the call.
 * host.lock hands it to Lua. The handle owns the memory.
 */
#ifndef KTHENA_API_HELD_H
#define KTHENA_API_HELD_H

#include "jobs/locks.h"

struct held_lock {
    struct named_lock *lock; /* NULL: it is released */
    char *name;
    struct held_lock *next;
    struct held_lock **link;
};

/* Releases; a released one is fine. */
void held_close(struct held_lock *held);
void held_close_all(struct held_lock **list);

#endif
