/*
 * Metrics that are made while the process runs: gauges, counters and histograms with labels, as
 * workflows define them (policy/services.h). The sidecar owns one registry; its families are
 * written with the process's own (own_metrics.h). Any thread may call.
 */
#ifndef KTHENA_METRICS_REGISTRY_H
#define KTHENA_METRICS_REGISTRY_H

#include "base/error.h"
#include "metrics/own_metrics.h"

enum {
    REGISTRY_FAMILIES_MAX = 1000,
    REGISTRY_SERIES_MAX = 10000, /* of a family */
    REGISTRY_LABELS_MAX = 16,    /* of a series */
    REGISTRY_VALUE_MAX = 1024,   /* bytes of a label's value */
    REGISTRY_BUCKETS_MAX = 64,
};

struct metric_registry;
struct registry_family;

/* Makes a registry and registers its collector with own, which must outlive it and writes no page
 * after it is freed; NULL: it stands alone. */
struct metric_registry *registry_new(struct own_metrics *own);
void registry_free(struct metric_registry *registry); /* NULL is fine */

/*
 * The family of this name, made if there is none; it lives as long as the registry. Names begin
 * with kthena_runtime_; a counter's ends with _total, no other's with that or what a histogram
 * adds. bounds are a histogram's, ascending, without infinity; those it was made with stay. The
 * help of a family stays too. ERROR_INVALID for a wrong name or bounds, ERROR_EXISTS for a name
 * that has another type or is the process's own, ERROR_LIMIT.
 */
struct error *registry_family(struct metric_registry *registry, const char *name,
                              enum metric_type type, const char *help, const double *bounds,
                              size_t bound_count, struct registry_family **out)
    __attribute__((warn_unused_result));

/* Set a gauge's series; add to a counter's, which never falls, or a gauge's; observe into a
 * histogram's. Labels may be in any order. ERROR_INVALID for a type that has no such operation,
 * wrong names of labels, one that is there twice, and a value that is no number or negative where
 * it must not be; ERROR_LIMIT for one series too many and for long values. Bytes that are no UTF-8
 * become U+FFFD. */
struct error *registry_set(struct registry_family *family, const struct metric_label *labels,
                           size_t count, double value) __attribute__((warn_unused_result));
struct error *registry_add(struct registry_family *family, const struct metric_label *labels,
                           size_t count, double value) __attribute__((warn_unused_result));
struct error *registry_observe(struct registry_family *family, const struct metric_label *labels,
                               size_t count, double value) __attribute__((warn_unused_result));

/* Drops every series of a gauge. */
struct error *registry_clear(struct registry_family *family) __attribute__((warn_unused_result));

/* An own_collector of the registry's families. */
void registry_collect(void *registry, struct metric_writer *writer);

#endif
