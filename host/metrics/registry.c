#include "metrics/registry.h"

#include "base/memory.h"
#include "base/text.h"
#include "metrics/registry_internal.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PREFIX "kthena_runtime_"

enum { NAME_MAX_BYTES = 200, HELP_MAX = 500, SHOWN_MAX = 200 };

struct metric_registry *registry_new(struct own_metrics *own) {
    struct metric_registry *registry = memory_zero(1, sizeof *registry);
    pthread_mutex_init(&registry->mutex, NULL);
    registry->own = own;
    if (own)
        own_metrics_register(own, registry_collect, registry);
    return registry;
}

static void free_family(struct registry_family *family) {
    series_drop(family);
    for (size_t i = 0; i < family->bound_count; i++)
        memory_free((char *)family->bounds[i].text);
    memory_free(family->bounds);
    memory_free(family->series);
    memory_free(family->name);
    memory_free(family->help);
    memory_free(family);
}

void registry_free(struct metric_registry *registry) {
    if (!registry)
        return;
    for (size_t i = 0; i < registry->count; i++)
        free_family(registry->families[i]);
    memory_free(registry->families);
    pthread_mutex_destroy(&registry->mutex);
    memory_free(registry);
}

static bool ends_with(const char *name, const char *suffix) {
    size_t length = strlen(name), tail = strlen(suffix);
    return length > tail && strcmp(name + length - tail, suffix) == 0;
}

static struct error *check_name(const char *name, enum metric_type type) {
    static const char *const others[] = {"_bucket", "_sum", "_count", "_created"};
    size_t length = strlen(name);
    bool counter = type == METRIC_COUNTER;
    if (!text_starts(name, PREFIX) || length == strlen(PREFIX) || length > NAME_MAX_BYTES ||
        strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_") != length)
        return error_new(ERROR_INVALID, NULL,
                         "'%.*s' is no name for a metric; expected " PREFIX
                         " and lower-case letters, digits and '_'",
                         SHOWN_MAX, name);
    if (ends_with(name, "_total") != counter)
        return error_new(ERROR_INVALID, NULL,
                         "%s: the name of a counter, and of nothing else, ends "
                         "with _total",
                         name);
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        if (ends_with(name, others[i]))
            return error_new(ERROR_INVALID, NULL, "%s: %s is what samples of a histogram end with",
                             name, others[i]);
    return NULL;
}

static struct error *check_bounds(const char *name, enum metric_type type, const double *bounds,
                                  size_t count) {
    if (type != METRIC_HISTOGRAM)
        return NULL;
    if (count == 0 || count > REGISTRY_BUCKETS_MAX)
        return error_new(ERROR_INVALID, NULL, "%s: expected 1 to %d bounds of buckets, got %zu",
                         name, REGISTRY_BUCKETS_MAX, count);
    for (size_t i = 0; i < count; i++)
        if (!isfinite(bounds[i]) || (i > 0 && bounds[i] <= bounds[i - 1]))
            return error_new(ERROR_INVALID, NULL,
                             "%s: the bounds of its buckets are not finite and ascending", name);
    return NULL;
}

/* Whether the process has a family of this name by itself. */
static bool is_taken(const struct metric_registry *registry, const char *name) {
    struct buffer page = {0};
    if (!registry->own)
        return false;
    own_metrics_write(registry->own, false, &page);
    char *line = memory_format("# TYPE %s ", name);
    bool taken = strstr(buffer_text(&page), line) != NULL;
    memory_free(line);
    buffer_free(&page);
    return taken;
}

/* Where a name is among the families, or belongs. The mutex is held. */
static size_t find(const struct metric_registry *registry, const char *name, bool *exists) {
    size_t at = 0;
    while (at < registry->count && strcmp(registry->families[at]->name, name) < 0)
        at++;
    *exists = at < registry->count && strcmp(registry->families[at]->name, name) == 0;
    return at;
}

/* As help stands in a page: on one line, and not too long. */
static char *help_text(const char *help) {
    struct buffer text = {0};
    for (size_t at = 0; help[at] && text.length < HELP_MAX;) {
        size_t size = text_utf8(help + at, strlen(help + at));
        if (help[at] == '\\')
            buffer_string(&text, "\\\\");
        else if (size == 0 || (unsigned char)help[at] < 0x20)
            buffer_byte(&text, ' ');
        else
            buffer_append(&text, help + at, size);
        at += size ? size : 1;
    }
    char *copy = memory_string(buffer_text(&text));
    buffer_free(&text);
    return copy;
}

/* The text of `le`: the shortest that reads back as the same double, and not as an integer. Round
 * numbers stay without an exponent, as everybody writes them. */
static char *bound_text(double bound) {
    char text[40];
    if (floor(bound) == bound && fabs(bound) < 1e15) {
        snprintf(text, sizeof text, "%.1f", bound);
        return memory_string(text);
    }
    for (int digits = 1; digits <= 17; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, bound);
        if (strtod(text, NULL) == bound)
            break;
    }
    return memory_string(text);
}

static struct registry_family *make_family(struct metric_registry *registry, const char *name,
                                           enum metric_type type, const char *help,
                                           const double *bounds, size_t bound_count) {
    struct registry_family *family = memory_zero(1, sizeof *family);
    family->registry = registry;
    family->name = memory_string(name);
    family->help = help_text(help);
    family->type = type;
    if (type != METRIC_HISTOGRAM)
        return family;
    family->bounds = memory_zero(bound_count, sizeof *family->bounds);
    family->bound_count = bound_count;
    for (size_t i = 0; i < bound_count; i++)
        family->bounds[i] = (struct histogram_bound){bounds[i], bound_text(bounds[i])};
    return family;
}

static void insert(struct metric_registry *registry, size_t at, struct registry_family *family) {
    registry->families =
        memory_resize(registry->families, (registry->count + 1) * sizeof *registry->families);
    struct registry_family **place = registry->families + at;
    memmove(place + 1, place, (registry->count++ - at) * sizeof *place);
    *place = family;
}

/* Finds a family; NULL, and no error, when there is none. */
static struct error *find_family(struct metric_registry *registry, const char *name,
                                 enum metric_type type, struct registry_family **out) {
    bool exists;
    pthread_mutex_lock(&registry->mutex);
    size_t at = find(registry, name, &exists);
    *out = exists ? registry->families[at] : NULL;
    pthread_mutex_unlock(&registry->mutex);
    if (!*out || (*out)->type == type)
        return NULL;
    return error_new(ERROR_EXISTS, NULL, "%s is there already, and of another type", name);
}

/* Adds a family, unless another thread has been faster. */
static struct error *add_family(struct metric_registry *registry, struct registry_family *family,
                                struct registry_family **out) {
    bool exists;
    struct error *error = NULL;
    pthread_mutex_lock(&registry->mutex);
    size_t at = find(registry, family->name, &exists);
    bool full = !exists && registry->count == REGISTRY_FAMILIES_MAX;
    if (!exists && !full)
        insert(registry, at, family);
    *out = exists ? registry->families[at] : family;
    if (full)
        error = error_new(ERROR_LIMIT, NULL, "there are %d metrics already, too many for %s",
                          REGISTRY_FAMILIES_MAX, family->name);
    else if ((*out)->type != family->type)
        error =
            error_new(ERROR_EXISTS, NULL, "%s is there already, and of another type", family->name);
    pthread_mutex_unlock(&registry->mutex);
    if (exists || full)
        free_family(family);
    return error;
}

struct error *registry_family(struct metric_registry *registry, const char *name,
                              enum metric_type type, const char *help, const double *bounds,
                              size_t bound_count, struct registry_family **out) {
    struct error *error = check_name(name, type);
    if (!error)
        error = check_bounds(name, type, bounds, bound_count);
    if (!error)
        error = find_family(registry, name, type, out);
    if (error || *out)
        return error;
    if (is_taken(registry, name)) {
        /* by the process, or meanwhile by another thread's call of this */
        error = find_family(registry, name, type, out);
        if (error || *out)
            return error;
        return error_new(ERROR_EXISTS, NULL, "%s is a metric of the process itself", name);
    }
    return add_family(registry, make_family(registry, name, type, help, bounds, bound_count), out);
}

static void write_family(const struct registry_family *family, struct metric_writer *writer) {
    if (family->series_count == 0)
        return;
    writer_family(writer, family->name, family->type, family->help);
    for (size_t i = 0; i < family->series_count; i++) {
        const struct series *series = &family->series[i];
        if (family->type == METRIC_HISTOGRAM)
            writer_buckets(writer, series->labels, series->label_count, family->bounds,
                           family->bound_count, series->counts, series->value);
        else
            writer_labelled(writer, series->labels, series->label_count, series->value);
    }
}

void registry_collect(void *context, struct metric_writer *writer) {
    struct metric_registry *registry = context;
    pthread_mutex_lock(&registry->mutex);
    for (size_t i = 0; i < registry->count; i++)
        write_family(registry->families[i], writer);
    pthread_mutex_unlock(&registry->mutex);
}
