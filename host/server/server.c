#include "server/server.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/thread.h"
#include "server/exchange.h"

#include <signal.h>
#include <stdio.h>

#ifdef KTHENA_SYSTEM_CIVETWEB
enum { HAS_TLS = false }; /* the distribution's civetweb was made for an OpenSSL that it has not */
#else
enum { HAS_TLS = true };
#endif

enum {
    WORKERS = 112, /* of which 70 may be held, so that 4 jobs and 64 more may be waited for */
    ATTACH_MS = 10000,
    LAST_REQUESTS_MS = 1000, /* for requests that came in while draining */
};

/* On civetweb's accepting thread, before it first looks at its sockets. */
static void *init_thread(const struct mg_context *civetweb, int type) {
    if (type != 0)
        return NULL;
    struct server *server = mg_get_user_data(civetweb);
    struct error *error = handover_attach(server->handover, civetweb);
    pthread_mutex_lock(&server->mutex);
    server->attached = true;
    server->attach_error = error;
    pthread_cond_signal(&server->changed);
    pthread_mutex_unlock(&server->mutex);
    return NULL;
}

static int external_ssl_ctx(void **context, void *data) {
    const struct server *server = data;
    *context = server->tls ? tls_context(server->tls) : NULL;
    return server->tls != NULL;
}

/* Workers are few because the gate gives them only whole requests, and because the handover frees
 * one that waits for the next request of an idle connection as soon as it is needed: connections
 * may therefore be kept for longer than a scrape interval. request_timeout_ms bounds one wait for a
 * client; how long a body or a reply may take in all is bounded by link_deadline. */
static struct error *start_civetweb(struct server *server, int workers) {
    char worker_text[16];
    snprintf(worker_text, sizeof worker_text, "%d", workers);
    const char *options[] = {"listening_ports",
                             server->tls ? "127.0.0.1:0,127.0.0.1:0s" : "127.0.0.1:0",
                             "num_threads",
                             worker_text,
                             "connection_queue",
                             worker_text,
                             "enable_keep_alive",
                             "yes",
                             "keep_alive_timeout_ms",
                             "65000",
                             "request_timeout_ms",
                             "10000",
                             "max_request_size",
                             "16384",
                             "tcp_nodelay",
                             "1",
                             "decode_url",
                             "no",
                             "enable_auth_domain_check",
                             "no",
                             NULL};
    struct mg_callbacks callbacks = {.init_thread = init_thread,
                                     .external_ssl_ctx = external_ssl_ctx};
    dispatch_callbacks(&callbacks);
    char why[256] = "";
    struct mg_init_data init = {&callbacks, server, options};
    struct mg_error_data failure = {.text = why, .text_buffer_size = sizeof why};
    /* Signals are for the main thread. */
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    server->civetweb = mg_start2(&init, &failure);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (!server->civetweb)
        return error_new(ERROR_IO, NULL, "could not start the HTTP library: %s", why);
    return NULL;
}

static struct error *wait_attached(struct server *server) {
    int64_t deadline = clock_ms() + ATTACH_MS;
    pthread_mutex_lock(&server->mutex);
    while (!server->attached && clock_ms() < deadline)
        clock_wait(&server->changed, &server->mutex, deadline);
    struct error *error = server->attach_error;
    server->attach_error = NULL;
    if (!error && !server->attached)
        error = error_new(ERROR_TIMEOUT, NULL, "the HTTP library has not started in time");
    pthread_mutex_unlock(&server->mutex);
    return error;
}

static struct error *open_tls(struct server *server, const struct server_config *config) {
    if (!config->tls_cert && !config->tls_key)
        return NULL;
    if (!config->tls_cert || !config->tls_key)
        return error_new(ERROR_INVALID, NULL,
                         "a TLS certificate and a TLS key are needed, not only one of them; give "
                         "--tls-cert and --tls-key");
    if (!HAS_TLS)
        return error_new(ERROR_INVALID, NULL,
                         "this build has no TLS; build it without KTHENA_SYSTEM_CIVETWEB");
    return tls_open(config->tls_cert, config->tls_key, &server->tls);
}

static struct error *open_parts(struct server *server, const struct server_config *config) {
    int workers = config->worker_count ? config->worker_count : WORKERS;
    struct error *error = open_tls(server, config);
    if (!error && config->token_file)
        error = auth_open(config->token_file, &server->auth);
    if (!error)
        error = listeners_open(&server->listeners, config->hosts, config->host_count, config->port,
                               server->tls != NULL);
    if (error)
        return error;
    server->slow_max = workers < 4 ? 1 : (size_t)workers - (size_t)workers / 4;
    server->held_max = workers < 4 ? 1 : (size_t)workers * 5 / 8;
    server->handover = handover_new(workers);
    if (server->tls)
        tls_bind(server->tls, server->handover);
    error = start_civetweb(server, workers);
    if (!error)
        error = wait_attached(server);
    struct gate_config gate = {.listeners = &server->listeners,
                               .handover = server->handover,
                               .head_ms = config->head_ms,
                               .pending_max = config->pending_max};
    return error ? error : gate_start(&gate, &server->gate);
}

static void server_free(struct server *server) {
    handover_free(server->handover);
    tls_free(server->tls);
    auth_free(server->auth);
    listeners_free(&server->listeners);
    pthread_cond_destroy(&server->changed);
    pthread_mutex_destroy(&server->mutex);
    memory_free(server);
    mg_exit_library();
}

struct error *server_start(const struct server_config *config, struct server **out) {
    mg_init_library(0);
    struct server *server = memory_zero(1, sizeof *server);
    server->table = (struct route_table){config->routes, config->route_count};
    if (config->tables)
        server->tables = *config->tables;
    pthread_mutex_init(&server->mutex, NULL);
    clock_condition_init(&server->changed);
    *out = server; /* before the first handler runs, since it may ask for it */
    struct error *error = open_parts(server, config);
    if (error) {
        *out = NULL;
        if (server->civetweb) {
            handover_close(server->handover);
            mg_stop(server->civetweb);
        }
        server_free(server);
        return error;
    }
    for (size_t i = 0; i < server->listeners.count; i++)
        log_info("listening on %s", server->listeners.items[i].text);
    return NULL;
}

size_t server_address_count(const struct server *server) {
    return server->listeners.count;
}

const char *server_address(const struct server *server, size_t index) {
    return server->listeners.items[index].text;
}

int server_port(const struct server *server, size_t index) {
    return server->listeners.items[index].port;
}

bool server_draining(const struct server *server) {
    return atomic_load(&server->draining);
}

size_t server_drain(struct server *server, int64_t timeout_ms) {
    atomic_store(&server->draining, true);
    return handover_drain(server->handover, clock_ms() + timeout_ms);
}

/* mg_stop waits for every handler to return; so it runs where it can be left behind. */
static void *stop_civetweb(void *context) {
    struct server *server = context;
    mg_stop(server->civetweb);
    pthread_mutex_lock(&server->mutex);
    server->stopped = true;
    pthread_cond_signal(&server->changed);
    pthread_mutex_unlock(&server->mutex);
    return NULL;
}

static bool stop_in_time(struct server *server, int64_t deadline_ms) {
    pthread_t thread;
    struct error *error = thread_start(&thread, "stop", stop_civetweb, server);
    if (error) {
        log_error_free(LOG_ERROR, error, "could not stop the HTTP library");
        return false;
    }
    pthread_mutex_lock(&server->mutex);
    while (!server->stopped && clock_ms() < deadline_ms)
        clock_wait(&server->changed, &server->mutex, deadline_ms);
    bool stopped = server->stopped;
    pthread_mutex_unlock(&server->mutex);
    if (stopped)
        pthread_join(thread, NULL);
    else
        pthread_detach(thread);
    return stopped;
}

bool server_stop(struct server *server, int64_t timeout_ms) {
    int64_t deadline = clock_ms() + timeout_ms;
    atomic_store(&server->draining, true);
    gate_stop(server->gate);
    server->gate = NULL;
    listeners_close(&server->listeners);
    handover_drain(server->handover,
                   clock_ms() +
                       (timeout_ms / 2 < LAST_REQUESTS_MS ? timeout_ms / 2 : LAST_REQUESTS_MS));
    handover_close(server->handover);
    if (!stop_in_time(server, deadline))
        return false;
    server_free(server);
    return true;
}
