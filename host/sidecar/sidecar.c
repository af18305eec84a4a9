#include "sidecar/sidecar.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/thread.h"
#include "sidecar/services.h"

#include <string.h>

/* Between two attempts to reach an engine that has not answered yet. */
#define PROBE_INTERVAL_MS 1000

/* How long handlers may take to return once the drain is over. */
#define STOP_TIMEOUT_MS 1500

/* How long jobs have at least once the server has stopped. They were cancelled before the drain. */
#define JOBS_TIMEOUT_MS 500

/* How long the stop waits for a fetch of the prober. */
#define PROBER_TIMEOUT_MS 500

static bool is_auto(const struct sidecar *sidecar) {
    return strcmp(sidecar->config.engine, "auto") == 0;
}

const struct engine *sidecar_engine(struct sidecar *sidecar, const struct generation *generation,
                                    const char *page, size_t length) {
    if (!is_auto(sidecar))
        return generation_engine(generation, sidecar->config.engine);
    pthread_mutex_lock(&sidecar->lock);
    const struct engine *engine =
        sidecar->detected ? generation_engine(generation, sidecar->detected) : NULL;
    if (!engine && page) {
        engine = generation_detect(generation, page, length);
        memory_free(sidecar->detected);
        sidecar->detected = engine ? memory_string(engine->name) : NULL;
        if (engine) {
            log_info("recognised the engine as %s", engine->name);
            rulebook_require(sidecar->rulebook, engine->name);
        } else if (length && !sidecar->puzzled) {
            sidecar->puzzled = true;
            log_warning("no rules recognise the engine by its page, which passes as it is; name it "
                        "with --engine");
        }
    }
    pthread_mutex_unlock(&sidecar->lock);
    return engine;
}

static struct mapping *choose_mapping(void *context, const char *page, size_t length) {
    struct sidecar *sidecar = context;
    struct generation *generation = rulebook_generation(sidecar->rulebook);
    const struct engine *engine = sidecar_engine(sidecar, generation, page, length);
    struct mapping *mapping = engine ? mapping_ref(engine->mapping) : NULL;
    generation_unref(generation);
    return mapping;
}

static struct error *fetch_page(void *context, const char *accept, struct fetched_page *page) {
    struct sidecar *sidecar = context;
    struct http_request request = {.url = sidecar->config.metrics_url,
                                   .accept = accept,
                                   .timeout_ms = sidecar->config.request_timeout_ms,
                                   .body_limit = sidecar->config.max_page_bytes};
    struct http_reply reply = {.body = page->body};
    struct error *error = http_exchange(sidecar->client, &request, &reply);
    page->status = reply.status;
    page->content_type = reply.content_type;
    page->body = reply.body;
    buffer_free(&reply.headers);
    if (!error)
        engine_watch_page(sidecar->watch, page->body.data, page->body.length);
    if (!error || error->kind == ERROR_UNREACHABLE)
        engine_watch_seen(sidecar->watch, !error);
    if (error && error->kind == ERROR_LIMIT)
        return error_new(ERROR_LIMIT, error, "the page is larger than --max-page-bytes allows");
    return error;
}

static void collect_rules(void *context, struct metric_writer *writer) {
    struct rulebook_counters counters = rulebook_counters(context);
    writer_family(writer, "kthena_runtime_rules_generation", METRIC_GAUGE,
                  "Number of the rules generation in force.");
    writer_sample(writer, NULL, NULL, (double)counters.generation);
    writer_family(writer, "kthena_runtime_rules_age_seconds", METRIC_GAUGE,
                  "Time since that generation was loaded.");
    writer_sample(writer, NULL, NULL, clock_wall() - counters.loaded_at);
    writer_family(writer, "kthena_runtime_rules_reloads_total", METRIC_COUNTER,
                  "Rules reloads that succeeded.");
    writer_sample(writer, NULL, NULL, (double)counters.succeeded);
    writer_family(writer, "kthena_runtime_rules_reload_failures_total", METRIC_COUNTER,
                  "Rules reloads that failed and left the last good generation in force.");
    writer_sample(writer, NULL, NULL, (double)counters.failed);
}

void sidecar_note_scrape(struct sidecar *sidecar, const struct scrape *scrape) {
    pthread_mutex_lock(&sidecar->lock);
    bool was_failing = sidecar->failing;
    sidecar->failing = scrape->failure != NULL;
    pthread_mutex_unlock(&sidecar->lock);
    if (scrape->failure && !was_failing)
        log_warning("no metrics from the engine: %s", scrape->failure);
    else if (!scrape->failure && was_failing)
        log_info("metrics from the engine again");
}

/* Scrapes until the engine has answered once, so that readiness does not depend on somebody else's
 * scrapes. */
static void *probe(void *context) {
    struct sidecar *sidecar = context;
    char *why = NULL;
    pthread_mutex_lock(&sidecar->lock);
    while (!sidecar->stopping) {
        pthread_mutex_unlock(&sidecar->lock);
        struct scrape *scrape = scraper_get(sidecar->scraper, NULL);
        sidecar_note_scrape(sidecar, scrape);
        scrape_release(sidecar->scraper, scrape);
        bool answered = scraper_answered(sidecar->scraper, &why);
        memory_free(why);
        pthread_mutex_lock(&sidecar->lock);
        if (answered || sidecar->stopping) /* nobody would wake the wait below any more */
            break;
        clock_wait(&sidecar->changed, &sidecar->lock, clock_ms() + PROBE_INTERVAL_MS);
    }
    sidecar->probed = true;
    pthread_cond_broadcast(&sidecar->changed);
    pthread_mutex_unlock(&sidecar->lock);
    return NULL;
}

static struct error *load_rules(struct sidecar *sidecar, struct buffer *problems) {
    struct error *error =
        rulebook_open(&sidecar->config.rules, sidecar->config.first, problems, &sidecar->rulebook);
    if (error || is_auto(sidecar))
        return error;
    struct generation *generation = rulebook_generation(sidecar->rulebook);
    if (!generation_engine(generation, sidecar->config.engine))
        error = generation_unknown_engine(generation, sidecar->config.engine);
    else
        rulebook_require(sidecar->rulebook, sidecar->config.engine);
    generation_unref(generation);
    return error;
}

static struct error *new_worker(void *context, void **worker) {
    const struct sidecar *sidecar = context;
    struct runner *runner = NULL;
    struct error *error = runner_new(&sidecar->runner, &runner);
    *worker = runner;
    return error;
}

static void free_worker(void *worker) {
    runner_free(worker);
}

static void job_ended(void *context, struct job *job) {
    const struct sidecar *sidecar = context;
    triggers_ended(sidecar->triggers, job);
}

static struct error *make_parts(struct sidecar *sidecar) {
    struct network network = {.user_agent = "kthena-runtime/" KTHENA_VERSION,
                              .ca_file = sidecar->config.ca_file,
                              .direct = true};
    sidecar->client = http_client_new(&network);
    sidecar->own = own_metrics_new(KTHENA_VERSION);
    struct scraper_config scraper = {.url = sidecar->config.metrics_url,
                                     .fetch = fetch_page,
                                     .choose = choose_mapping,
                                     .context = sidecar,
                                     .own = sidecar->own};
    sidecar->scraper = scraper_new(&scraper);
    sidecar->runner = (struct runner_config){.lua = sidecar->config.rules.lua,
                                             .download = sidecar->config.download,
                                             .access = &sidecar->config.access,
                                             .services = &sidecar->services};
    struct jobs_config jobs = {.threads = sidecar->config.max_jobs,
                               .worker_new = new_worker,
                               .worker_free = free_worker,
                               .ended = job_ended,
                               .context = sidecar};
    sidecar->jobs = jobs_new(&jobs);
    own_metrics_register(sidecar->own, scraper_collect, sidecar->scraper);
    own_metrics_register(sidecar->own, collect_rules, sidecar->rulebook);
    own_metrics_register(sidecar->own, jobs_collect, sidecar->jobs);
    return services_make(sidecar);
}

static struct error *start_server(struct sidecar *sidecar) {
    struct route_tables tables = {
        .acquire = sidecar_table_acquire, .release = sidecar_table_release, .context = sidecar};
    struct server_config server = sidecar->config.server;
    server.tables = &tables;
    return server_start(&server, &sidecar->server);
}

/* Frees everything but a running server and prober; no job runs any more. */
static void release(struct sidecar *sidecar) {
    sidecar_table_drop(sidecar);
    jobs_close(sidecar->jobs, clock_ms());
    rulebook_close(sidecar->rulebook);
    services_free(sidecar);
    scraper_free(sidecar->scraper);
    own_metrics_free(sidecar->own);
    http_client_free(sidecar->client);
    memory_free(sidecar->detected);
    pthread_mutex_destroy(&sidecar->lock);
    pthread_cond_destroy(&sidecar->changed);
    memory_free(sidecar);
}

struct error *sidecar_start(const struct sidecar_config *config, struct buffer *problems,
                            struct sidecar **out) {
    struct sidecar *sidecar = memory_zero(1, sizeof *sidecar);
    sidecar->config = *config;
    pthread_mutex_init(&sidecar->lock, NULL);
    clock_condition_init(&sidecar->changed);
    struct error *error = load_rules(sidecar, problems);
    if (!error)
        error = make_parts(sidecar);
    if (!error)
        error = start_server(sidecar);
    if (error) {
        release(sidecar);
        return error;
    }
    error = services_start(sidecar);
    if (error) {
        sidecar_stop(sidecar, 0);
        return error;
    }
    error = thread_start(&sidecar->prober, "prober", probe, sidecar);
    sidecar->has_prober = !error;
    if (error)
        log_error_free(LOG_WARNING, error, "readiness waits for the first scrape");
    *out = sidecar;
    return NULL;
}

void sidecar_reload(struct sidecar *sidecar) {
    rulebook_reload_now(sidecar->rulebook);
}

/* Waits for the prober to return. It may be in the middle of a fetch that nobody waits for; it is
 * then left behind. */
static bool join_prober(struct sidecar *sidecar) {
    int64_t deadline = clock_ms() + PROBER_TIMEOUT_MS;
    pthread_mutex_lock(&sidecar->lock);
    while (!sidecar->probed && clock_ms() < deadline)
        clock_wait(&sidecar->changed, &sidecar->lock, deadline);
    bool probed = sidecar->probed;
    pthread_mutex_unlock(&sidecar->lock);
    if (probed)
        pthread_join(sidecar->prober, NULL);
    else
        pthread_detach(sidecar->prober);
    return probed;
}

static bool wait_for_jobs(struct sidecar *sidecar, int64_t deadline_ms) {
    int64_t least = clock_ms() + JOBS_TIMEOUT_MS;
    bool ended = jobs_stop(sidecar->jobs, deadline_ms > least ? deadline_ms : least);
    if (!ended)
        log_warning("a job did not end in time and is cut");
    return ended;
}

bool sidecar_stop(struct sidecar *sidecar, int64_t drain_ms) {
    int64_t deadline = clock_ms() + drain_ms;
    pthread_mutex_lock(&sidecar->lock);
    sidecar->stopping = true;
    pthread_cond_broadcast(&sidecar->changed);
    pthread_mutex_unlock(&sidecar->lock);
    bool alone = services_stop(sidecar);
    jobs_stop(sidecar->jobs, 0);
    size_t running = server_drain(sidecar->server, drain_ms);
    if (running)
        log_warning("%zu requests were still running after %lld ms and are cut", running,
                    (long long)drain_ms);
    alone = (!sidecar->has_prober || join_prober(sidecar)) && alone;
    bool stopped = server_stop(sidecar->server, STOP_TIMEOUT_MS);
    if (!wait_for_jobs(sidecar, deadline) || !stopped || !alone)
        return false;
    release(sidecar);
    return true;
}
