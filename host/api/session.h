/*
 * An output directory while a call works in it: opened, locked or only looked at, and in the list
 * of its context, so that the lock never outlives the call. host.download hands it to Lua. The
 * handle owns the memory.
 */
#ifndef KTHENA_API_SESSION_H
#define KTHENA_API_SESSION_H

#include "api/context.h"
#include "store/lock.h"

struct session {
    struct directory directory;
    struct lock *lock;        /* NULL: it is only looked at */
    struct error *unwritable; /* why it could not be opened for more; NULL: it was not tried */
    bool open;
    struct session *next;
    struct session **link; /* NULL while it is in no list */
};

/* Opens and locks a directory, waiting for whoever has it; the session, all zero before, is then in
 * the context's list. Errors as directory_open and lock_acquire. Where nothing can be written, but
 * a download was finished before, the session is one to look only: that may be all it takes. */
struct error *session_open(struct session *session, struct host_context *context, const char *path)
    __attribute__((warn_unused_result));

/* Opens a directory in which a download was finished, to look only; false when it is not one. */
bool session_look(struct session *session, struct host_context *context, const char *path);

/* ERROR_EXISTS when the lock was lost; why nothing can be written when that is so. */
struct error *session_check(const struct session *session) __attribute__((warn_unused_result));

/* Unlocks and closes; a closed one is fine. */
void session_close(struct session *session);
void session_close_all(struct session **list);

#endif
