#include "api/session.h"

#include "base/log.h"
#include "base/memory.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

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

static struct error *open_and_lock(struct session *session, struct host_context *context,
                                   const char *path) {
    struct wait wait = {.context = context, .directory = &session->directory};
    struct error *error = directory_open(path, &session->directory);
    if (error)
        return error;
    error = lock_acquire(&session->directory, wait_for, &wait, context->cancel, &session->lock);
    memory_free(wait.owner);
    if (error)
        directory_close(&session->directory);
    return error;
}

static void enlist(struct session *session, struct host_context *context) {
    session->open = true;
    session->next = context->sessions;
    if (session->next)
        session->next->link = &session->next;
    session->link = &context->sessions;
    context->sessions = session;
}

bool session_look(struct session *session, struct host_context *context, const char *path) {
    struct error *error = directory_open_existing(path, &session->directory);
    if (error) {
        error_free(error);
        return false;
    }
    int work_fd = session->directory.work_fd;
    if (work_fd < 0 || faccessat(work_fd, "manifest", R_OK, AT_EACCESS) != 0) {
        directory_close(&session->directory);
        return false;
    }
    enlist(session, context);
    return true;
}

struct error *session_open(struct session *session, struct host_context *context,
                           const char *path) {
    struct error *error = open_and_lock(session, context, path);
    if (!error) {
        enlist(session, context);
    } else if ((error->kind == ERROR_DENIED || error->kind == ERROR_SPACE) &&
               session_look(session, context, path)) {
        session->unwritable = error;
        error = NULL;
    }
    return error;
}

struct error *session_check(const struct session *session) {
    const struct error *why = session->unwritable;
    return why ? error_new(why->kind, NULL, "%s", why->message) : lock_check(session->lock);
}

void session_close(struct session *session) {
    if (!session->open)
        return;
    *session->link = session->next;
    if (session->next)
        session->next->link = session->link;
    lock_release(session->lock);
    error_free(session->unwritable);
    directory_close(&session->directory);
    *session = (struct session){0};
}

void session_close_all(struct session **list) {
    while (*list)
        session_close(*list);
}
