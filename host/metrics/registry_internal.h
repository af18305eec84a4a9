/* What registry.c, which has the families, and registry_series.c, which has what is in one, share.
 * Private to the two. */
#ifndef KTHENA_METRICS_REGISTRY_INTERNAL_H
#define KTHENA_METRICS_REGISTRY_INTERNAL_H

#include "metrics/registry.h"

#include <pthread.h>

struct series {
    char *key;                   /* the labels as one text */
    struct metric_label *labels; /* by name; owned */
    size_t label_count;
    double value;     /* of a histogram the sum */
    uint64_t *counts; /* of a histogram's buckets */
};

struct registry_family {
    struct metric_registry *registry;
    char *name;
    char *help; /* as it is written */
    enum metric_type type;
    struct histogram_bound *bounds;
    size_t bound_count;
    struct series *series; /* by key */
    size_t series_count;
    size_t series_capacity;
};

struct metric_registry {
    struct own_metrics *own;
    pthread_mutex_t mutex;             /* of the families and all in them */
    struct registry_family **families; /* by name */
    size_t count;
};

/* Frees all series. */
void series_drop(struct registry_family *family);

#endif
