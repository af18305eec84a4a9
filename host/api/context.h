/*
 * What the namespaces that reach the world work with: the connections, the limits and the live
 * numbers of one call of a rule. The runner makes one for each call and binds it to the Lua state
 * (policy/state.h, context); so do tests. While none is bound, as when rule files are loaded, those
 * namespaces refuse to work.
 *
 * A context also remembers what a call must not leave behind, whatever became of its Lua code:
 * output directories and names that are still locked, and the secrets that its messages may hold.
 */
#ifndef KTHENA_API_CONTEXT_H
#define KTHENA_API_CONTEXT_H

#include "base/buffer.h"
#include "jobs/jobs.h"
#include "policy/access.h"
#include "policy/generation.h"
#include "policy/services.h"
#include "transfer/download.h"
#include "transfer/http.h"

#include <lua.h>

struct session;   /* of host.download */
struct held_lock; /* of host.lock */

/* Everything is borrowed. */
struct host_context {
    struct http_client *clients[ACCESS_GUARDED + 1]; /* by how far they reach */
    const struct download_config *download;
    const struct access *access;         /* NULL: everything is allowed */
    const struct services *services;     /* NULL: none */
    const struct generation *generation; /* whose sources may be used; NULL: none */
    struct progress *progress;
    const char *job;     /* its id, NULL outside of jobs */
    struct job *self;    /* the job, NULL outside of jobs */
    const char *trigger; /* what started the workflow, NULL outside of workflows */
    const atomic_bool *cancel;
    /* The rest is private to api/. */
    struct session *sessions;
    struct held_lock *locks;
    struct buffer secrets; /* each with its NUL */
};

/* The context of the call that runs; a Lua error when there is none. */
struct host_context *api_context(lua_State *lua);

/* Its services, all NULL when there are none; and the Lua error for whoever needs one of them that
 * is NULL, `what` being its name for rules ("ctx.state"). */
const struct services *api_services(lua_State *lua);
_Noreturn void api_no_service(lua_State *lua, const char *what);

/* Whether somebody has asked the call to end. */
bool context_is_cancelled(const struct host_context *context);

/* Registers a secret until the context ends (base/redact.h). */
void context_keep_secret(struct host_context *context, const char *text);

/* Closes what is still open and forgets the secrets. To be called after the last use of the
 * messages and results of the call, with the state still there. */
void context_end(struct host_context *context);

#endif
