/* What the sidecar's files share: its parts, and the routes each file contributes. Private to
 * sidecar/. */
#ifndef KTHENA_SIDECAR_SIDECAR_INTERNAL_H
#define KTHENA_SIDECAR_SIDECAR_INTERNAL_H

#include "jobs/jobs.h"
#include "metrics/own_metrics.h"
#include "metrics/scraper.h"
#include "policy/runner.h"
#include "server/route.h"
#include "sidecar/engine_watch.h"
#include "sidecar/sidecar.h"
#include "sidecar/triggers.h"
#include "transfer/http.h"

#include <pthread.h>

/* The routes while one generation of the rules is in force. */
struct sidecar_table {
    struct route_table table;
    struct generation *generation; /* with a reference */
    size_t references;             /* under the sidecar's lock */
    struct workflow_route *workflows;
    size_t workflow_count;
    struct route routes[];
};

struct sidecar {
    struct sidecar_config config;
    struct rulebook *rulebook;
    struct http_client *client;
    struct own_metrics *own;
    struct scraper *scraper;
    struct runner_config runner; /* of the job threads */
    struct jobs *jobs;
    struct server *server;
    struct services services;    /* of workflows */
    struct engine_target target; /* one of them */
    struct engine_watch *watch;
    struct triggers *triggers;

    pthread_t prober; /* asks the engine until it has answered once */
    bool has_prober;
    pthread_mutex_t lock;        /* of what follows */
    pthread_cond_t changed;      /* of stopping and probed */
    struct sidecar_table *table; /* the current one, with a reference; NULL: none was asked for */
    bool stopping;
    bool probed;    /* the prober is about to return */
    char *detected; /* the engine `auto` has recognised, or NULL */
    bool failing;   /* the last scrape brought no page, and that has been logged */
    bool puzzled;   /* a page that `auto` did not recognise has been logged */
};

/* The engine whose rules apply, recognised from the page where it is `auto`; NULL while none is
 * known. The result lives as long as the generation. */
const struct engine *sidecar_engine(struct sidecar *sidecar, const struct generation *generation,
                                    const char *page, size_t length);

/* Logs when scrapes begin to fail, and when they succeed again. */
void sidecar_note_scrape(struct sidecar *sidecar, const struct scrape *scrape);

/* Gives the table of the generation in force, which is made when it is first asked for; and takes
 * it back. For struct route_tables, with the sidecar as context. */
const struct route_table *sidecar_table_acquire(void *sidecar);
void sidecar_table_release(const struct route_table *table, void *sidecar);

/* Drops the current table. */
void sidecar_table_drop(struct sidecar *sidecar);

/* Answers GET /ready; a route_handler. */
void sidecar_get_ready(struct request *request, void *sidecar);

/* The routes that do not change. Their contexts are filled in: the sidecar. */
extern const struct route sidecar_routes[];
extern const size_t sidecar_route_count;
extern const struct route sidecar_job_routes[];
extern const size_t sidecar_job_route_count;

/* Fills in the replies of a route. */
#define REPLIES(...)                                                                               \
    .replies = (const struct route_reply[]){__VA_ARGS__},                                          \
    .reply_count = sizeof((const struct route_reply[]){__VA_ARGS__}) / sizeof(struct route_reply)

#endif
