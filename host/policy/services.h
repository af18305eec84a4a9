/*
 * What workflows can use beside downloads: objects of the process that all its job threads share,
 * each locked by itself. The sidecar makes them and hands them to the runners; the namespaces in
 * api/ reach them through the context of a call. Everything is borrowed. A command that runs rules
 * without a server has none of them: NULL, and the namespaces say so.
 */
#ifndef KTHENA_POLICY_SERVICES_H
#define KTHENA_POLICY_SERVICES_H

#include "base/error.h"
#include "policy/generation.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct http_client;
struct job;
struct jobs;
struct locks;
struct metric_registry;
struct state_table;
struct watched_files;

/* The engine this process stands beside. */
struct engine_target {
    const char *url;            /* base URL without a slash at the end */
    const char *management_url; /* NULL: the rules find one */
    const char *model;
    const char *pod;
    const char *api_key;        /* sent as a bearer token; NULL: none */
    struct http_client *client; /* direct, with the engine's CA */
    int64_t timeout_ms;         /* of a request that names none */
    /* The rules of the engine in use, NULL while it is not recognised; lives as long as the
     * generation. */
    const struct engine *(*rules)(void *context, const struct generation *generation);
    /* An engine call has been refused at the door, or has been answered. */
    void (*seen)(void *context, bool answered);
    void *context;
};

/* The value of a setting that rules declare, as the command line or the environment gave it. */
struct setting_value {
    const char *name;
    const char *text; /* NULL: the default */
};

struct services {
    const struct engine_target *engine;
    struct state_table *state;  /* persisted */
    struct state_table *memory; /* as long as the process */
    struct locks *locks;
    struct metric_registry *metrics;
    struct watched_files *files; /* of the settings of type file */
    const struct setting_value *settings;
    size_t setting_count;
    /* Submits a call of another workflow, by name, with checked parameters (params_check) as the
     * trigger says; *out has a reference. */
    struct error *(*submit)(void *context, struct generation *generation, const char *workflow,
                            const char *params, const char *trigger, struct job **out);
    void *context;
};

#endif
