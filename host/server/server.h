/*
 * The HTTP server: listens on any number of addresses, answers by a table of routes, checks tokens,
 * speaks TLS, and drains before it stops. It knows nothing of what its routes do. commands/ starts
 * one, waits for a signal, drains and stops it.
 *
 * How it is built: gate.h holds every connection until its request has arrived, so that silent and
 * slow clients cost a descriptor and no thread; handover.h passes it to civetweb, whose worker
 * threads parse and answer; request_check.h refuses what civetweb lets through; reply.h writes.
 */
#ifndef KTHENA_SERVER_SERVER_H
#define KTHENA_SERVER_SERVER_H

#include "base/error.h"
#include "server/route.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct server;

struct server_config {
    const char *const *hosts; /* "0.0.0.0", "::", "[::1]", "localhost", "unix:/path" */
    size_t host_count;
    int port;                   /* of every host that is no unix socket; 0: one that is free */
    const char *tls_cert;       /* PEM files, both or neither; unix sockets stay plain */
    const char *tls_key;        /* re-read when their content changes */
    const char *token_file;     /* NULL: no token is asked for; re-read when its content changes */
    const struct route *routes; /* borrowed until server_stop */
    size_t route_count;
    const struct route_tables *tables; /* NULL: routes; else these are not looked at, for they come
                                          from here and may change. Copied */
    int worker_count;                  /* requests answered at the same time; 0: the default, 112 */
    int head_ms;        /* time for a request's head to arrive; 0: the default, 10 s */
    size_t pending_max; /* connections held without a request; 0: the default, 4096 */
};

/* Starts to listen and to answer. Strings of the configuration are copied. The errors name the
 * address, file or token and what to do about it; *out is then NULL. Otherwise *out is set before
 * the first request is taken, for handlers that ask it. Raises the limit of open files. */
struct error *server_start(const struct server_config *config, struct server **out)
    __attribute__((warn_unused_result));

/* The addresses listened on, as "http://127.0.0.1:9000", "https://[::1]:9000" or "unix:/path", with
 * the port that port 0 became; and that port alone (0 for a unix socket). */
size_t server_address_count(const struct server *server);
const char *server_address(const struct server *server, size_t index);
int server_port(const struct server *server, size_t index);

/* Starts to drain and waits until no request is being answered, at most timeout_ms. From the call
 * on replies say "Connection: close" and idle connections are closed; new connections are still
 * answered, so that probes learn what is going on. Returns how many requests are still running. */
size_t server_drain(struct server *server, int64_t timeout_ms);

/* Whether server_drain has been called. May be asked from any thread. */
bool server_draining(const struct server *server);

/* Closes everything and frees the server; requests still running are cut. True when that was done;
 * false when a handler did not return within timeout_ms: the server is then left as it is and the
 * caller must end the process with _exit. */
bool server_stop(struct server *server, int64_t timeout_ms);

#endif
