#include "base/log.h"
#include "base/memory.h"
#include "base/redact.h"
#include "base/url.h"
#include "commands/serve_options.h"
#include "commands/signals.h"
#include "sidecar/sidecar.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* How long requests in flight may take once a signal has come; the process is gone within 10 s. */
#define DRAIN_MS 6500

enum { JOBS_MAX = 64 }; /* of --max-jobs: each has a thread with a Lua state */

/* The engine's addresses. */
struct engine_urls {
    char *base;    /* without a slash at its end */
    char *metrics; /* that and the path of its metrics */
};

static void free_urls(struct engine_urls *urls) {
    memory_free(urls->base);
    memory_free(urls->metrics);
}

/* The engine's URLs, checked. */
static struct error *join_url(const struct options *options, struct engine_urls *out) {
    const char *base = options_string(options, "engine-base-url");
    const char *path = options_string(options, "engine-metrics-path");
    struct url url = {0};
    struct error *error = url_parse(base, &url);
    if (error)
        return error_new(ERROR_INVALID, error, "flag '--engine-base-url'");
    url_free(&url);
    if (strchr(base, '?'))
        return error_new(ERROR_INVALID, NULL,
                         "flag '--engine-base-url': '%s' has a query; give it with "
                         "--engine-metrics-path",
                         base);
    size_t length = strlen(base);
    while (length && base[length - 1] == '/')
        length--;
    char *joined = memory_format("%.*s%s%s", (int)length, base, *path == '/' ? "" : "/", path);
    error = url_parse(joined, &url);
    if (error) {
        memory_free(joined);
        return error_new(ERROR_INVALID, error, "flag '--engine-metrics-path'");
    }
    url_free(&url);
    out->base = memory_format("%.*s", (int)length, base);
    out->metrics = joined;
    return NULL;
}

static const char *variable(const char *name) {
    const char *value = getenv(name);
    return value && *value ? value : NULL;
}

static struct error *configure(const struct serve_options *given, struct sidecar_config *config,
                               struct engine_urls *urls) {
    const struct options *options = given->options;
    struct error *error = join_url(options, urls);
    if (error)
        return error;
    const char *cert = options_string(options, "tls-cert"),
               *key = options_string(options, "tls-key");
    if (!cert != !key)
        return error_new(ERROR_INVALID, NULL, "--tls-cert and --tls-key go together; give %s too",
                         cert ? "--tls-key" : "--tls-cert");
    const char *ca_file = options_string(options, "engine-ca-file");
    *config = (struct sidecar_config){
        .engine = options_string(options, "engine"),
        .metrics_url = urls->metrics,
        .engine_url = urls->base,
        .management_url = options_string(options, "engine-management-url"),
        .engine_api_key = variable("ENGINE_API_KEY"),
        .state_dir = options_string(options, "state-dir"),
        .settings = given->values,
        .setting_count = given->value_count,
        .request_timeout_ms = (int64_t)(options_seconds(options, "request-timeout") * 1000),
        .max_page_bytes = options_bytes(options, "max-page-bytes"),
        .ca_file = ca_file ? ca_file : variable("SSL_CERT_FILE"),
        .rules = given->sources,
        .first = given->generation,
        .server = {.port = (int)options_integer(options, "port"),
                   .tls_cert = cert,
                   .tls_key = key,
                   .token_file = options_string(options, "auth-token-file")},
    };
    if (config->engine_api_key)
        redact_secret(config->engine_api_key, strlen(config->engine_api_key));
    config->server.host_count = options_list(options, "host", &config->server.hosts);
    config->access.root_count = options_list(options, "output-root", &config->access.roots);
    config->access.source_count = options_list(options, "allow-source", &config->access.sources);
    if (config->request_timeout_ms <= 0)
        return error_new(ERROR_INVALID, NULL, "--request-timeout must be more than 0 s");
    if (config->max_page_bytes == 0)
        return error_new(ERROR_INVALID, NULL, "--max-page-bytes must be more than 0");
    int64_t jobs = options_integer(options, "max-jobs");
    if (jobs < 1 || jobs > JOBS_MAX)
        return error_new(ERROR_INVALID, NULL, "--max-jobs must be from 1 to %d", JOBS_MAX);
    config->max_jobs = (int)jobs;
    return command_download_config(options, &config->download);
}

/* Serves until a signal asks to stop; SIGHUP reloads the rules. */
static struct error *serve(const struct sidecar_config *config, struct signals *signals) {
    struct sidecar *sidecar = NULL;
    struct buffer problems = {0};
    struct error *error = sidecar_start(config, &problems, &sidecar);
    if (problems.length)
        fwrite(problems.data, 1, problems.length, stderr);
    buffer_free(&problems);
    if (error)
        return error;
    int number;
    while ((number = signals_wait(signals)) == SIGHUP) {
        log_info("SIGHUP: reloading the rules");
        sidecar_reload(sidecar);
    }
    log_info("%s: draining", number == SIGINT ? "SIGINT" : "SIGTERM");
    if (!sidecar_stop(sidecar, DRAIN_MS))
        _exit(EXIT_OK); /* a request would not end; there is nothing left to lose */
    log_info("stopped");
    return NULL;
}

static const struct option_spec own_options[] = {
    {.name = "engine",
     .short_name = 'E',
     .value = "NAME",
     .type = OPTION_STRING,
     .environment = "KTHENA_ENGINE",
     .required = true,
     .help = "the inference engine, by a name the rules know; auto recognises it by its page"},
    {.name = "host",
     .short_name = 'H',
     .value = "ADDRESS",
     .type = OPTION_LIST,
     .environment = "KTHENA_HOST",
     .fallback = "0.0.0.0",
     .help = "address to listen on: IPv4, IPv6, a name, or unix:/path (never TLS)"},
    {.name = "port",
     .short_name = 'P',
     .value = "PORT",
     .type = OPTION_PORT,
     .environment = "KTHENA_PORT",
     .fallback = "9000",
     .help = "port to listen on; 0 takes a free one"},
    {.name = "engine-base-url",
     .short_name = 'B',
     .value = "URL",
     .type = OPTION_STRING,
     .environment = "KTHENA_ENGINE_BASE_URL",
     .fallback = "http://localhost:8000",
     .help = "where the engine listens"},
    {.name = "engine-metrics-path",
     .short_name = 'M',
     .value = "PATH",
     .type = OPTION_STRING,
     .environment = "KTHENA_ENGINE_METRICS_PATH",
     .fallback = "/metrics",
     .help = "path of the engine's metrics"},
    {.name = "engine-management-url",
     .value = "URL",
     .type = OPTION_STRING,
     .environment = "KTHENA_ENGINE_MANAGEMENT_URL",
     .help = "the engine's other address, if it has one for its administration"},
    {.name = "engine-ca-file",
     .value = "FILE",
     .type = OPTION_STRING,
     .environment = "KTHENA_ENGINE_CA_FILE",
     .help = "authorities trusted for an https engine, instead of the system's"},
    {.name = "state-dir",
     .value = "DIR",
     .type = OPTION_STRING,
     .environment = "KTHENA_STATE_DIR",
     .help = "keep here what workflows remember, across restarts"},
    OPTION_POD(true),
    OPTION_MODEL(true),
    OPTION_RULES,
    {.name = "request-timeout",
     .value = "SECONDS",
     .type = OPTION_SECONDS,
     .environment = "REQUEST_TIMEOUT",
     .fallback = "30",
     .help = "the whole time a request to the engine may take; 500ms and 2m are understood too"},
    {.name = "max-page-bytes",
     .value = "SIZE",
     .type = OPTION_BYTES,
     .environment = "KTHENA_MAX_PAGE_BYTES",
     .fallback = "64MiB",
     .help = "refuse a larger metrics page"},
    {.name = "auth-token-file",
     .value = "FILE",
     .type = OPTION_STRING,
     .environment = "KTHENA_AUTH_TOKEN_FILE",
     .help = "ask for this bearer token, except at /health, /ready and /metrics"},
    {.name = "tls-cert",
     .value = "FILE",
     .type = OPTION_STRING,
     .environment = "KTHENA_TLS_CERT",
     .help = "serve TLS with this certificate (PEM, with its chain); re-read when it changes"},
    {.name = "tls-key",
     .value = "FILE",
     .type = OPTION_STRING,
     .environment = "KTHENA_TLS_KEY",
     .help = "the certificate's private key (PEM)"},
    {.name = "output-root",
     .value = "DIR",
     .type = OPTION_LIST,
     .environment = "KTHENA_OUTPUT_ROOT",
     .help = "requests may only have files written below this; without it anywhere but in the "
             "system's own directories"},
    {.name = "allow-source",
     .value = "GLOB",
     .type = OPTION_LIST,
     .environment = "KTHENA_ALLOW_SOURCE",
     .help = "requests may only name these sources and endpoints"},
    {.name = "max-jobs",
     .value = "N",
     .type = OPTION_INTEGER,
     .environment = "KTHENA_MAX_JOBS",
     .fallback = "4",
     .help = "jobs that run at a time; 64 more wait, others are refused"},
    OPTION_MAX_ATTEMPTS,
    OPTION_STALL_SECONDS,
    OPTION_LIMIT_RATE,
    OPTION_CA_FILE,
    OPTION_INSECURE,
    OPTION_LOG_LEVEL,
    OPTION_LOG_FORMAT,
};

static struct error *start(int count, char **arguments, int *status);

const struct command serve_command = {
    .spec = {.name = "serve",
             .summary = "run the sidecar (the default command)",
             .usage = "",
             .description =
                 "Serves the engine's metrics under the standard names at /metrics, and "
                 "/metrics/runtime, /health, /ready, /v1/rules, /v1/jobs and /openapi.json. Rule "
                 "files are watched: an edit is live within two seconds, a bad one leaves the last "
                 "good rules in force. SIGHUP reloads, SIGTERM and SIGINT drain.\n"
                 "In the variable of a repeatable option commas separate the values. "
                 "ENGINE_API_KEY is sent to the engine as a bearer token. SSL_CERT_FILE takes the "
                 "place of the system's authorities for an https engine.",
             .examples = "kthena-runtime --engine NAME --pod p.ns --model m\n"
                         "kthena-runtime -E auto -I p.ns -N m -B http://localhost:30000 -P 9100\n"
                         "kthena-runtime serve -E acme --rules /etc/kthena/rules -I p.ns -N m",
             .options = own_options,
             .option_count = sizeof own_options / sizeof *own_options},
    .start = start,
};

static struct error *run(const struct serve_options *given) {
    command_configure_log(given->options);
    struct signals signals;
    signals_block(&signals);
    struct sidecar_config config;
    struct engine_urls urls = {0};
    struct error *error = configure(given, &config, &urls);
    if (!error)
        error = serve(&config, &signals);
    free_urls(&urls);
    return error;
}

static struct error *start(int count, char **arguments, int *status) {
    struct serve_options given;
    (void)status;
    struct error *error = serve_options_read(&serve_command.spec, count, arguments, &given);
    if (error)
        return error;
    error = options_wants_help(given.options) ? command_help(&given.spec) : run(&given);
    serve_options_free(&given);
    return error;
}
