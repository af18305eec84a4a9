/*
 * The sidecar put together: rules, engine client, scraper, jobs, own metrics and HTTP routes,
 * started and stopped as one. The serve command owns one; everything in it has its own thread-safe
 * unit below.
 */
#ifndef KTHENA_SIDECAR_SIDECAR_H
#define KTHENA_SIDECAR_SIDECAR_H

#include "base/error.h"
#include "policy/access.h"
#include "policy/rulebook.h"
#include "policy/services.h"
#include "server/server.h"
#include "transfer/download.h"

#include <stdint.h>

struct sidecar;

struct sidecar_config {
    const char *engine;      /* a name or alias the rules know, or "auto" */
    const char *metrics_url; /* of the engine */
    const char *engine_url; /* its base, without a slash at the end; NULL: for tests, metrics_url */
    const char *management_url;           /* of engines that have one, NULL: the rules find it */
    const char *engine_api_key;           /* sent with engine calls of workflows, NULL: none */
    const char *state_dir;                /* for what workflows remember, NULL: nowhere */
    const struct setting_value *settings; /* of the rules */
    size_t setting_count;
    int64_t request_timeout_ms;
    size_t max_page_bytes;
    const char *ca_file;             /* trusted for the engine's certificate, NULL: the system's */
    int max_jobs;                    /* that run at a time, the others wait; 0: the default, 4 */
    struct access access;            /* what requests may have written and read */
    struct download_config download; /* of jobs: network, attempts, rate */
    struct rule_sources rules;
    struct generation *first; /* of these rules, built already; NULL: it is yet to be. Borrowed */
    struct server_config server; /* without its routes */
};

/* The paths that are the server's own, which no workflow may have, for struct rule_sources. */
extern const char *const sidecar_reserved[];

/*
 * Loads the rules and starts to serve. ERROR_POLICY for bad rules, whose problems are then lines in
 * problems; ERROR_INVALID for an unknown engine; the server's errors otherwise. The
 * configuration's texts must outlive the sidecar.
 */
struct error *sidecar_start(const struct sidecar_config *config, struct buffer *problems,
                            struct sidecar **out) __attribute__((warn_unused_result));

/* Loads the rules again, changed or not. */
void sidecar_reload(struct sidecar *sidecar);

/* Cancels the jobs, drains for at most drain_ms, stops and frees. False when a request or a job
 * would not end; the caller must then _exit. Takes at most 2.5 s more than drain_ms. */
bool sidecar_stop(struct sidecar *sidecar, int64_t drain_ms);

#endif
