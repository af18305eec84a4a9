/*
 * One HTTP request, as a route's handler sees it. What it points to is the server's and lives until
 * the handler returns. Before a handler runs the request has been checked: framing, path, method,
 * token, and the announced length of the body. Used by commands/ and by what it registers as
 * routes.
 */
#ifndef KTHENA_SERVER_REQUEST_H
#define KTHENA_SERVER_REQUEST_H

#include "base/buffer.h"
#include "server/route.h"

#include <stdbool.h>
#include <stddef.h>

enum { REQUEST_PARAMETERS_MAX = 4 };

struct request {
    const char *method; /* as sent; "HEAD" runs the handler of "GET" and its reply has no body */
    const char *path;   /* percent-decoded, without the query; holds no control characters */
    const char *query;  /* what follows '?', still encoded; "" if nothing does */
    const char *peer;   /* "10.0.0.7:41234", "[::1]:41234" or "unix", for logs */
    bool secure;        /* came over TLS */
    const struct route *route;
    const struct route_table *table; /* that the route is of */

    /* The rest is private to server/. */
    struct exchange *exchange;
    const char *parameters[REQUEST_PARAMETERS_MAX]; /* of the path, in order */
};

/* The value of a header, by its name in any case; NULL if it was not sent. Of a header sent more
 * than once, the first. */
const char *request_header(const struct request *request, const char *name);

/* The segment of the path that stands for {name} in the route's path; NULL if there is none. */
const char *request_parameter(const struct request *request, const char *name);

/* Appends the decoded value of a parameter of the query to out; false when it was not sent. Of one
 * sent more than once, the first. */
bool request_query(const struct request *request, const char *name, struct buffer *out);

/* Appends the whole body to out. False when that failed: too large, cut short, too slow. The client
 * has then been answered, and the handler just returns. */
bool request_body(struct request *request, struct buffer *out);

/* Whether the body's media type is type ("application/json"; parameters are ignored). If not, the
 * client has been answered with 415 and the handler just returns. */
bool request_require_type(struct request *request, const char *type);

/* Whether the client accepts a gzip-encoded reply and does not prefer it plain. */
bool request_accepts_gzip(const struct request *request);

/* Whether the client has closed the connection, or its sending half: most likely nobody waits for
 * the reply any more. Cheap enough to be asked now and then while a long request runs. */
bool request_gone(const struct request *request);

#endif
