/*
 * Describes a table of routes as an OpenAPI 3.1 document: paths, methods, path parameters, bodies,
 * replies, the shape of errors, and the bearer token where one is asked for. Used by the route that
 * serves the description.
 */
#ifndef KTHENA_SERVER_OPENAPI_H
#define KTHENA_SERVER_OPENAPI_H

#include "base/buffer.h"
#include "server/route.h"

#include <stdbool.h>
#include <stddef.h>

struct openapi_info {
    const char *title;
    const char *version;
    const char *description; /* NULL: none */
    bool token;              /* routes that are not open ask for a bearer token */
};

/* Appends the document, JSON on one line, to out. The schemas in the routes must be JSON. */
void openapi_write(const struct openapi_info *info, const struct route *routes, size_t route_count,
                   struct buffer *out);

#endif
