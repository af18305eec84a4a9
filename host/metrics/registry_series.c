/* The series of a family of the registry. */
#include "base/memory.h"
#include "base/text.h"
#include "metrics/registry_internal.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { SHOWN_MAX = 100 };

static void free_series(struct series *series) {
    for (size_t i = 0; i < series->label_count; i++) {
        memory_free((char *)series->labels[i].name);
        memory_free((char *)series->labels[i].value);
    }
    memory_free(series->labels);
    memory_free(series->counts);
    memory_free(series->key);
}

void series_drop(struct registry_family *family) {
    for (size_t i = 0; i < family->series_count; i++)
        free_series(&family->series[i]);
    family->series_count = 0;
}

static bool is_label(const char *name, enum metric_type type) {
    size_t length = strlen(name);
    bool letters =
        strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_") == length;
    bool own = type == METRIC_HISTOGRAM && strcmp(name, "le") == 0;
    return length > 0 && length <= SHOWN_MAX && letters && !own &&
           !(name[0] >= '0' && name[0] <= '9') && strncmp(name, "__", 2) != 0;
}

static int by_name(const void *left, const void *right) {
    return strcmp(((const struct metric_label *)left)->name,
                  ((const struct metric_label *)right)->name);
}

/* Checks and sorts labels. */
static struct error *check_labels(const struct registry_family *family, struct metric_label *labels,
                                  size_t count) {
    if (count > 0)
        qsort(labels, count, sizeof *labels, by_name);
    for (size_t i = 0; i < count; i++) {
        if (!is_label(labels[i].name, family->type))
            return error_new(ERROR_INVALID, NULL, "%s: '%.*s' cannot be the name of a label here",
                             family->name, SHOWN_MAX, labels[i].name);
        if (i > 0 && strcmp(labels[i].name, labels[i - 1].name) == 0)
            return error_new(ERROR_INVALID, NULL, "%s: the label %s is there twice", family->name,
                             labels[i].name);
        if (strlen(labels[i].value) > REGISTRY_VALUE_MAX)
            return error_new(ERROR_LIMIT, NULL, "%s: the label %s has %zu bytes; %d are allowed",
                             family->name, labels[i].name, strlen(labels[i].value),
                             REGISTRY_VALUE_MAX);
    }
    return NULL;
}

/* The labels as one text, different for different labels. */
static char *key_of(const struct metric_label *labels, size_t count) {
    struct buffer key = {0};
    for (size_t i = 0; i < count; i++)
        buffer_format(&key, "%s=%zu:%s;", labels[i].name, strlen(labels[i].value), labels[i].value);
    char *text = memory_string(buffer_text(&key));
    buffer_free(&key);
    return text;
}

static char *clean(const char *value) {
    struct buffer text = {0};
    size_t length = strlen(value);
    for (size_t at = 0; at < length;) {
        size_t size = text_utf8(value + at, length - at);
        buffer_append(&text, size ? value + at : "\xef\xbf\xbd", size ? size : 3);
        at += size ? size : 1;
    }
    char *copy = memory_string(buffer_text(&text));
    buffer_free(&text);
    return copy;
}

static size_t find(const struct registry_family *family, const char *key, bool *exists) {
    size_t low = 0, high = family->series_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (strcmp(family->series[middle].key, key) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    *exists = low < family->series_count && strcmp(family->series[low].key, key) == 0;
    return low;
}

static void insert(struct registry_family *family, size_t at, const char *key,
                   const struct metric_label *labels, size_t count) {
    if (family->series_count == family->series_capacity) {
        family->series_capacity = family->series_capacity ? family->series_capacity * 2 : 8;
        family->series =
            memory_resize(family->series, family->series_capacity * sizeof *family->series);
    }
    struct series *series = &family->series[at];
    memmove(series + 1, series, (family->series_count++ - at) * sizeof *series);
    *series = (struct series){.key = memory_string(key), .label_count = count};
    series->labels = memory_zero(count + 1, sizeof *series->labels);
    for (size_t i = 0; i < count; i++)
        series->labels[i] =
            (struct metric_label){memory_string(labels[i].name), memory_string(labels[i].value)};
    if (family->type == METRIC_HISTOGRAM)
        series->counts = memory_zero(family->bound_count + 1, sizeof *series->counts);
}

/* The series of checked labels, made if there is none; NULL when there are too many. The mutex is
 * held. */
static struct series *series_of(struct registry_family *family, const struct metric_label *labels,
                                size_t count) {
    bool exists;
    char *key = key_of(labels, count);
    size_t at = find(family, key, &exists);
    bool full = !exists && family->series_count == REGISTRY_SERIES_MAX;
    if (!exists && !full)
        insert(family, at, key, labels, count);
    memory_free(key);
    return full ? NULL : &family->series[at];
}

enum operation { SET, ADD, OBSERVE };

static void apply(const struct registry_family *family, struct series *series,
                  enum operation operation, double value) {
    size_t bucket = 0;
    if (operation == SET) {
        series->value = value;
        return;
    }
    series->value += value;
    if (operation == ADD || !series->counts)
        return;
    while (bucket < family->bound_count && value > family->bounds[bucket].value)
        bucket++;
    series->counts[bucket]++;
}

static struct error *check_operation(const struct registry_family *family, enum operation operation,
                                     double value) {
    static const char *const words[] = {"set", "added to", "observed into"};
    bool counter = family->type == METRIC_COUNTER, gauge = family->type == METRIC_GAUGE;
    bool fits = operation == SET   ? gauge
                : operation == ADD ? gauge || counter
                                   : family->type == METRIC_HISTOGRAM;
    if (!fits)
        return error_new(ERROR_INVALID, NULL, "%s is of a type that cannot be %s", family->name,
                         words[operation]);
    if (isnan(value))
        return error_new(ERROR_INVALID, NULL, "%s: expected a number, got one that is none",
                         family->name);
    if ((!gauge && !isfinite(value)) || (counter && value < 0))
        return error_new(ERROR_INVALID, NULL, "%s: %g cannot be %s it", family->name, value,
                         words[operation]);
    return NULL;
}

static struct error *change(struct registry_family *family, enum operation operation,
                            const struct metric_label *labels, size_t count, double value) {
    struct metric_label own[REGISTRY_LABELS_MAX] = {{0}};
    struct error *error = check_operation(family, operation, value);
    if (error)
        return error;
    if (count > REGISTRY_LABELS_MAX)
        return error_new(ERROR_LIMIT, NULL, "%s: expected at most %d labels, got %zu", family->name,
                         REGISTRY_LABELS_MAX, count);
    for (size_t i = 0; i < count; i++)
        own[i] = (struct metric_label){labels[i].name, clean(labels[i].value)};
    error = check_labels(family, own, count);
    if (!error) {
        pthread_mutex_lock(&family->registry->mutex);
        struct series *series = series_of(family, own, count);
        if (series)
            apply(family, series, operation, value);
        pthread_mutex_unlock(&family->registry->mutex);
        if (!series)
            error = error_new(ERROR_LIMIT, NULL,
                              "%s has %d series already; labels are for a bounded number of values",
                              family->name, REGISTRY_SERIES_MAX);
    }
    for (size_t i = 0; i < count; i++)
        memory_free((char *)own[i].value);
    return error;
}

struct error *registry_set(struct registry_family *family, const struct metric_label *labels,
                           size_t count, double value) {
    return change(family, SET, labels, count, value);
}

struct error *registry_add(struct registry_family *family, const struct metric_label *labels,
                           size_t count, double value) {
    return change(family, ADD, labels, count, value);
}

struct error *registry_observe(struct registry_family *family, const struct metric_label *labels,
                               size_t count, double value) {
    return change(family, OBSERVE, labels, count, value);
}

struct error *registry_clear(struct registry_family *family) {
    if (family->type != METRIC_GAUGE)
        return error_new(ERROR_INVALID, NULL, "%s is no gauge; what it has counted stays",
                         family->name);
    pthread_mutex_lock(&family->registry->mutex);
    series_drop(family);
    pthread_mutex_unlock(&family->registry->mutex);
    return NULL;
}
