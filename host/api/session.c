#include "api/session.h"

#include "base/log.h"
#include "base/memory.h"

#include <stdio.h>

/* For whom a session waits: said once to the log, and in the progress. */
struct wait {
    struct host_context *context;
    const struct directory *directory;
    char *owner;
};

static void wait_for(const char *owner, void *context) {
    struct wait *wait = context;
    char phase[PROGRESS_PHASE_SIZE];
    snprintf(phase, sizeof phase, "waiting for %s", owner);
    progress_set_phase(wait->context->progress, phase);
    if (wait->owner && strcmp(wait->owner, owner) == 0)
        return;
    log_info("%s is in use; waiting for %s to finish there", wait->directory->path, owner);
    memory_free(wait->owner);
    wait->owner = memory_string(owner);
}

struct error *session_open(struct session *session, struct host_context *context,
                           const char *path) {
    struct wait wait = {.context = context, .directory = &session->directory};
    struct error *error = directory_open(path, &session->directory);
    if (error)
        return error;
    error = lock_acquire(&session->directory, wait_for, &wait, context->cancel, &session->lock);
    memory_free(wait.owner);
    if (error) {
        directory_close(&session->directory);
        return error;
    }
    session->open = true;
    session->next = context->sessions;
    if (session->next)
        session->next->link = &session->next;
    session->link = &context->sessions;
    context->sessions = session;
    return NULL;
}

void session_close(struct session *session) {
    if (!session->open)
        return;
    *session->link = session->next;
    if (session->next)
        session->next->link = session->link;
    lock_release(session->lock);
    directory_close(&session->directory);
    *session = (struct session){0};
}

void session_close_all(struct session **list) {
    while (*list)
        session_close(*list);
}
