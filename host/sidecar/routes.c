#include "base/json.h"
#include "server/openapi.h"
#include "server/reply.h"
#include "sidecar/sidecar_internal.h"

static const char *const exposition_type = "text/plain; version=0.0.4; charset=utf-8";

static void get_health(struct request *request, void *context) {
    (void)context;
    static const char body[] = "{\"status\":\"healthy\",\"service\":\"runtime\"}";
    reply_send(request, 200, "application/json", NULL, &(struct span){body, sizeof body - 1}, 1);
}

static void get_metrics(struct request *request, void *context) {
    struct sidecar *sidecar = context;
    struct scrape *scrape = scraper_get(sidecar->scraper, request_header(request, "Accept"));
    sidecar_note_scrape(sidecar, scrape);
    if (scrape->failure) {
        reply_error(request, 502, "Failed to fetch metrics from engine: %s", scrape->failure);
    } else {
        struct buffer body = scrape->body;
        const char *headers = "Vary: Accept, Accept-Encoding\r\n";
        if (request_accepts_gzip(request)) {
            struct buffer gzip = scrape_gzip(scrape);
            if (gzip.length) {
                body = gzip;
                headers = "Vary: Accept, Accept-Encoding\r\nContent-Encoding: gzip\r\n";
            }
        }
        reply_send(request, 200, scrape->content_type, headers,
                   &(struct span){body.data, body.length}, 1);
    }
    scrape_release(sidecar->scraper, scrape);
}

static void get_own_metrics(struct request *request, void *context) {
    struct sidecar *sidecar = context;
    struct buffer body = {0};
    own_metrics_write(sidecar->own, false, &body);
    reply_send(request, 200, exposition_type, NULL, &(struct span){body.data, body.length}, 1);
    buffer_free(&body);
}

static void get_openapi(struct request *request, void *context) {
    const struct sidecar *sidecar = context;
    struct openapi_info info = {.title = "kthena-runtime",
                                .version = KTHENA_VERSION,
                                .description = "The sidecar of an LLM inference engine.",
                                .token = sidecar->config.server.token_file != NULL};
    struct buffer body = {0};
    openapi_write(&info, request->table->routes, request->table->count, &body);
    reply_json(request, 200, &body);
    buffer_free(&body);
}

static void get_rules(struct request *request, void *context) {
    struct sidecar *sidecar = context;
    struct generation *generation = rulebook_generation(sidecar->rulebook);
    const struct engine *engine = sidecar_engine(sidecar, generation, NULL, 0);
    struct buffer body = {0};
    rulebook_status(sidecar->rulebook, engine ? engine->name : NULL, &body);
    generation_unref(generation);
    reply_json(request, 200, &body);
    buffer_free(&body);
}

#define STATUS_SCHEMA                                                                              \
    "{\"type\":\"object\",\"properties\":{\"status\":{\"type\":\"string\"}},"                      \
    "\"required\":[\"status\"]}"

const struct route sidecar_routes[] = {
    {.method = "GET",
     .path = "/health",
     .open = true,
     .handler = get_health,
     .summary = "Whether the sidecar runs; does not look at the engine",
     REPLIES({200, "The sidecar runs", "application/json", STATUS_SCHEMA})},
    {.method = "GET",
     .path = "/ready",
     .open = true,
     .handler = sidecar_get_ready,
     .summary = "Whether the rules are loaded and the engine has answered; with ?NAME=1 also "
                "whether the workflow that guards the readiness under this name is content",
     REPLIES({200, "Ready", "application/json", STATUS_SCHEMA},
             {400, "No workflow guards the readiness under this name", NULL, NULL},
             {503, "Not ready; the detail says why", NULL, NULL})},
    {.method = "GET",
     .path = "/metrics",
     .open = true,
     .slow = true,
     .handler = get_metrics,
     .summary = "The engine's metrics, the standard kthena:* families and the sidecar's own",
     REPLIES({200, "A Prometheus or OpenMetrics exposition", "text/plain", NULL},
             {502, "The engine gave no page; the detail says why", NULL, NULL})},
    {.method = "GET",
     .path = "/metrics/runtime",
     .handler = get_own_metrics,
     .summary = "The sidecar's own metrics alone",
     REPLIES({200, "A Prometheus exposition", "text/plain", NULL})},
    {.method = "GET",
     .path = "/openapi.json",
     .handler = get_openapi,
     .summary = "This description",
     REPLIES({200, "An OpenAPI 3.1 document", "application/json", "{\"type\":\"object\"}"})},
    {.method = "GET",
     .path = "/v1/rules",
     .handler = get_rules,
     .summary = "The rules in force: generation, files, what failed and why, effective mapping",
     REPLIES({200, "The rules' state", "application/json", "{\"type\":\"object\"}"})},
};
const size_t sidecar_route_count = sizeof sidecar_routes / sizeof *sidecar_routes;

const char *const sidecar_reserved[] = {
    "/", "/health*", "/ready*", "/metrics*", "/openapi.json", "/v1/rules*", "/v1/jobs*", NULL,
};
