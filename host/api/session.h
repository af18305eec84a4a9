/*
 * An output directory while a call works in it: opened, locked, and in the list of its context, so
 * that the lock never outlives the call. host.download hands it to Lua. The handle owns the memory.
 */
#ifndef KTHENA_API_SESSION_H
#define KTHENA_API_SESSION_H

#include "api/context.h"
#include "store/lock.h"

struct session {
    struct directory directory;
    struct lock *lock;
    bool open;
    struct session *next;
    struct session **link; /* NULL while it is in no list */
};

/* Opens and locks a directory, waiting for whoever has it; the session, all zero before, is then in
 * the context's list. Errors as directory_open and lock_acquire. */
struct error *session_open(struct session *session, struct host_context *context, const char *path)
    __attribute__((warn_unused_result));

/* Unlocks and closes; a closed one is fine. */
void session_close(struct session *session);
void session_close_all(struct session **list);

#endif
