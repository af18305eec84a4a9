/* What the sidecar's files share: its parts, and the routes each file contributes. Private to
 * sidecar/. */
#ifndef KTHENA_SIDECAR_SIDECAR_INTERNAL_H
#define KTHENA_SIDECAR_SIDECAR_INTERNAL_H

#include "metrics/own_metrics.h"
#include "metrics/scraper.h"
#include "server/route.h"
#include "sidecar/sidecar.h"
#include "transfer/http.h"

#include <pthread.h>

struct sidecar {
    struct sidecar_config config;
    struct rulebook *rulebook;
    struct http_client *client;
    struct own_metrics *own;
    struct scraper *scraper;
    struct server *server;
    struct route *routes;
    size_t route_count;
    struct buffer openapi; /* the API description, made once */

    pthread_t prober; /* asks the engine until it has answered once */
    bool has_prober;
    pthread_mutex_t lock;   /* of what follows */
    pthread_cond_t changed; /* of stopping and probed */
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

/* Fills in the route table, with the sidecar as context. */
extern const struct route sidecar_routes[];
extern const size_t sidecar_route_count;

#endif
