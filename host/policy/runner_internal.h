/*
 * What runner.c, which owns the Lua state, and runner_calls.c, which says what is called in it,
 * share. Private to the two.
 */
#ifndef KTHENA_POLICY_RUNNER_INTERNAL_H
#define KTHENA_POLICY_RUNNER_INTERNAL_H

#include "api/context.h"
#include "policy/runner.h"
#include "policy/state.h"

struct runner {
    const struct runner_config *config;
    struct http_client *clients[ACCESS_GUARDED + 1]; /* by how far they reach */
    struct generation *generation; /* the state's, with a reference; NULL: there is no state */
    struct state *state;
};

/* A parameter that holds a configuration, as JSON, apart from the others. */
struct runner_secret {
    const char *name;
    char *json; /* wiped when freed */
};

/* One call of a function of lua/kthena/calls.lua. */
struct runner_call {
    const char *display;                                          /* the rule file, for messages */
    const char *entry;                                            /* the function's name */
    void (*push)(lua_State *lua, const struct runner_call *call); /* its arguments */
    const struct download_request *request;
    const struct workflow *workflow;
    const char *params; /* without the configurations */
    const struct runner_secret *secrets;
    size_t secret_count;
    const char *trigger;
    struct progress *progress;
    struct job *job; /* NULL: none */
    const atomic_bool *cancel;
    struct buffer *result;
    int status;          /* that the function returned with its result; 0: none */
    struct error *error; /* what the function returned instead of a result */
};

/* Makes the call in the state of the generation and within the bounds of time and memory. No text
 * that comes back holds a secret. */
struct error *runner_call(struct runner *runner, struct generation *generation,
                          struct runner_call *call) __attribute__((warn_unused_result));

#endif
