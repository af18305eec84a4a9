/*
 * The table of what a server answers: one struct route for each method and path. commands/ and
 * sidecar/ fill it in; the server dispatches by it and openapi.h describes it. Everything in it is
 * borrowed and must live, unchanged, until the server has stopped; or, where the table changes
 * while the server runs, until it was released (struct route_tables).
 */
#ifndef KTHENA_SERVER_ROUTE_H
#define KTHENA_SERVER_ROUTE_H

#include <stdbool.h>
#include <stddef.h>

struct request;

/* Answers one request with exactly one call of a reply_ function, or one reply_stream. Runs on one
 * of the server's worker threads (256 KiB of stack), many at a time; context is the route's. A
 * handler that returns without a reply makes a 500. */
typedef void (*route_handler)(struct request *request, void *context);

/* One answer a route may give, as the API description tells it. */
struct route_reply {
    int status;
    const char *description;
    const char *content_type; /* NULL: an error, {"detail": "..."} */
    const char *schema;       /* JSON schema as JSON text, NULL: none */
};

/* A parameter of the query, as the API description tells it. */
struct route_parameter {
    const char *name;
    const char *description;
    const char *schema; /* JSON schema as JSON text */
};

struct route {
    const char *method; /* "GET" also answers HEAD */
    const char *path;   /* "/v1/jobs/{id}": a segment in braces matches one non-empty segment */
    bool open;          /* answers without a token even when one is configured */
    bool slow; /* may take long: such requests get no more than three quarters of the workers, the
                  rest stays for probes; one too many is answered with 503 */
    bool held; /* may keep its worker for minutes, as event streams and jobs that are waited for do:
                  as slow, and no more than five eighths of the workers, so that slow requests which
                  take seconds get through */
    size_t body_limit; /* bytes of request body at most; 0: the route takes none */
    route_handler handler;
    void *context;

    const char *summary; /* one line for the API description */
    /* For clients that offer the routes by name (`kthena-runtime call`), as extensions of the
     * description: x-workflow; x-async, the boolean of the body that makes it answer at once;
     * x-status, the title under which `kthena-runtime status` shows its reply. NULL: none. */
    const char *workflow;
    const char *async;
    const char *status;
    const struct route_parameter *query;
    size_t query_count;
    const char *request_type;   /* media type of the body, NULL when body_limit is 0 */
    const char *request_schema; /* JSON schema of the body as JSON text, NULL: none */
    const struct route_reply *replies;
    size_t reply_count;
};

struct route_table {
    const struct route *routes;
    size_t count;
};

/* Where a server gets its routes from when they change while it runs. Each request acquires the
 * table that is current, and releases it when its handler has returned. Any thread calls. */
struct route_tables {
    const struct route_table *(*acquire)(void *context);
    void (*release)(const struct route_table *table, void *context);
    void *context;
};

#endif
