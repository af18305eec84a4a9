/*
 * Writes metric families of our own in the dialect of the page they are appended to: text format
 * 0.0.4 or OpenMetrics. Units that have figures to show (the scraper, the rules, jobs) write them
 * through it in a collector, see own_metrics.h. The writer borrows the buffer.
 */
#ifndef KTHENA_METRICS_WRITER_H
#define KTHENA_METRICS_WRITER_H

#include "base/buffer.h"
#include "metrics/mapping.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct metric_writer {
    struct buffer *out;
    bool open_metrics;
    const char *family; /* of the samples that follow */
};

/* Begins a family. Counters are named with their _total in both dialects. */
void writer_family(struct metric_writer *writer, const char *name, enum metric_type type,
                   const char *help);

/* A label of a sample; the value is escaped. */
struct metric_label {
    const char *name;
    const char *value;
};

/* Adds a sample of the family with any number of labels. */
void writer_labelled(struct metric_writer *writer, const struct metric_label *labels, size_t count,
                     double value);

/* Adds a sample of the family, with one label unless label is NULL; the value is escaped. */
void writer_sample(struct metric_writer *writer, const char *label, const char *label_value,
                   double value);

#define HISTOGRAM_BUCKETS_MAX 16

/* An upper bound, and how it is written in `le`. */
struct histogram_bound {
    double value;
    const char *text;
};

/* A histogram that any thread may observe into without a lock. */
struct histogram {
    const struct histogram_bound *bounds;                   /* ascending, without +Inf */
    size_t bound_count;                                     /* at most HISTOGRAM_BUCKETS_MAX */
    atomic_uint_fast64_t counts[HISTOGRAM_BUCKETS_MAX + 1]; /* the last is above every bound */
    atomic_uint_fast64_t nanos; /* sum of all observations, in billionths */
};

void histogram_observe(struct histogram *histogram, double value);

/* Writes the whole family. */
void writer_histogram(struct metric_writer *writer, const char *name, const char *help,
                      struct histogram *histogram);

/* Adds the series of one histogram to a family that has one for each value of some labels, and that
 * writer_family has begun. */
void writer_histogram_labelled(struct metric_writer *writer, const struct metric_label *labels,
                               size_t count, struct histogram *histogram);

/* The same from figures of any number: the count of each bucket, the last of which is above every
 * bound, and the sum. */
void writer_buckets(struct metric_writer *writer, const struct metric_label *labels, size_t count,
                    const struct histogram_bound *bounds, size_t bound_count,
                    const uint64_t *counts, double sum);

#endif
