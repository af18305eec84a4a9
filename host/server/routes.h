/*
 * Finds the route of a request in the table. Used by the dispatcher; nothing is allocated.
 */
#ifndef KTHENA_SERVER_ROUTES_H
#define KTHENA_SERVER_ROUTES_H

#include "base/buffer.h"
#include "server/request.h"
#include "server/route.h"

#include <stdbool.h>
#include <stddef.h>

/* A part of a path. */
struct segment {
    const char *text; /* in the path, not NUL-terminated */
    size_t length;
};

struct route_match {
    const struct route *route; /* NULL: none has this path and this method */
    bool path_known;           /* some route has this path */
    struct segment parameters[REQUEST_PARAMETERS_MAX]; /* of the route, in order */
    size_t parameter_count;
};

/* Finds the route with the fewest braces that matches the decoded path; HEAD finds GET. */
void routes_find(const struct route_table *table, const char *method, const char *path,
                 struct route_match *match);

/* Appends the methods that the path has, "GET, HEAD, POST". */
void routes_allow(const struct route_table *table, const char *path, struct buffer *out);

#endif
