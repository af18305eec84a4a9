/*
 * The sidecar's own metrics: a list of collectors, one for each unit that has figures to show,
 * written after the engine's page and alone at /metrics/runtime. A unit registers its collector
 * while the process starts; from then on any thread may write.
 */
#ifndef KTHENA_METRICS_OWN_METRICS_H
#define KTHENA_METRICS_OWN_METRICS_H

#include "metrics/writer.h"

struct own_metrics;

/* Writes a unit's families. Runs on any thread, several at a time. */
typedef void own_collector(void *context, struct metric_writer *writer);

/* The object begins with the collector of the process itself: build, memory, CPU. */
struct own_metrics *own_metrics_new(const char *version);
void own_metrics_free(struct own_metrics *metrics);

/* Adds a collector; context must outlive the object. Not to be called once others write. */
void own_metrics_register(struct own_metrics *metrics, own_collector *collector, void *context);

/* Appends every family, without a final "# EOF". */
void own_metrics_write(const struct own_metrics *metrics, bool open_metrics, struct buffer *out);

#endif
