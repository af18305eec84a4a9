#include "server/routes.h"

#include <string.h>

/* Whether the path has the pattern's shape; its parameters are then in match. */
static bool fits(const char *pattern, const char *path, struct route_match *match) {
    match->parameter_count = 0;
    while (*pattern && *path) {
        if (*pattern != '{') {
            if (*pattern++ != *path++)
                return false;
            continue;
        }
        size_t length = strcspn(path, "/");
        if (length == 0 || match->parameter_count == REQUEST_PARAMETERS_MAX)
            return false;
        match->parameters[match->parameter_count++] = (struct segment){path, length};
        path += length;
        pattern += strcspn(pattern, "/");
    }
    return !*pattern && !*path;
}

static bool has_method(const struct route *route, const char *method) {
    return !strcmp(route->method, method) ||
           (!strcmp(method, "HEAD") && !strcmp(route->method, "GET"));
}

void routes_find(const struct route_table *table, const char *method, const char *path,
                 struct route_match *match) {
    *match = (struct route_match){0};
    for (size_t i = 0; i < table->count; i++) {
        const struct route *route = &table->routes[i];
        struct route_match candidate = {.route = route, .path_known = true};
        if (!fits(route->path, path, &candidate))
            continue;
        match->path_known = true;
        if (has_method(route, method) &&
            (!match->route || candidate.parameter_count < match->parameter_count))
            *match = candidate;
    }
}

static void add_method(struct buffer *out, size_t start, const char *method) {
    if (out->length > start)
        buffer_string(out, ", ");
    buffer_string(out, method);
}

void routes_allow(const struct route_table *table, const char *path, struct buffer *out) {
    size_t start = out->length;
    struct route_match match;
    for (size_t i = 0; i < table->count; i++) {
        const struct route *route = &table->routes[i];
        if (!fits(route->path, path, &match))
            continue;
        add_method(out, start, route->method);
        if (!strcmp(route->method, "GET"))
            add_method(out, start, "HEAD");
    }
}
