#include "metrics/writer.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

static const char *const type_names[] = {[METRIC_COUNTER] = "counter",
                                         [METRIC_GAUGE] = "gauge",
                                         [METRIC_HISTOGRAM] = "histogram",
                                         [METRIC_SUMMARY] = "summary"};

/* Doubles up to this hold every integer exactly. */
#define EXACT_INTEGERS 9007199254740992.0 /* 2^53 */

static void write_integer(struct buffer *out, uint64_t value) {
    char digits[20];
    size_t from = sizeof digits;
    do
        digits[--from] = (char)('0' + value % 10);
    while (value /= 10);
    buffer_append(out, digits + from, sizeof digits - from);
}

/* The shortest decimal text that reads back as the same double. */
static void write_fraction(struct buffer *out, double value) {
    char text[32];
    for (int digits = 15; digits <= 17; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, value);
        if (strtod(text, NULL) == value)
            break;
    }
    buffer_string(out, text);
}

static void write_number(struct buffer *out, double value) {
    if (isnan(value))
        buffer_string(out, "NaN");
    else if (isinf(value))
        buffer_string(out, value > 0 ? "+Inf" : "-Inf");
    else if (value >= 0 && value < EXACT_INTEGERS && value == floor(value))
        write_integer(out, (uint64_t)value);
    else
        write_fraction(out, value);
}

static void write_head(struct buffer *out, const char *keyword, const char *name, size_t length,
                       const char *text) {
    buffer_string(out, keyword);
    buffer_append(out, name, length);
    buffer_byte(out, ' ');
    buffer_string(out, text);
    buffer_byte(out, '\n');
}

void writer_family(struct metric_writer *writer, const char *name, enum metric_type type,
                   const char *help) {
    size_t length = strlen(name);
    if (writer->open_metrics && type == METRIC_COUNTER)
        length -= strlen("_total");
    writer->family = name;
    write_head(writer->out, "# HELP ", name, length, help);
    write_head(writer->out, "# TYPE ", name, length, type_names[type]);
}

static void write_escaped(struct buffer *out, const char *text) {
    for (; *text; text++) {
        if (*text == '\n')
            buffer_string(out, "\\n");
        else if (*text == '"' || *text == '\\')
            buffer_format(out, "\\%c", *text);
        else
            buffer_byte(out, *text);
    }
}

/* Opens the braces, if there are labels, and writes these; the caller closes. */
static void write_labels(struct buffer *out, const struct metric_label *labels, size_t count) {
    for (size_t i = 0; i < count; i++) {
        buffer_byte(out, i ? ',' : '{');
        buffer_string(out, labels[i].name);
        buffer_string(out, "=\"");
        write_escaped(out, labels[i].value);
        buffer_byte(out, '"');
    }
}

/* Begins a sample, its name and labels and the space behind them. */
static void write_series(struct metric_writer *writer, const char *suffix,
                         const struct metric_label *labels, size_t count) {
    buffer_string(writer->out, writer->family);
    buffer_string(writer->out, suffix);
    write_labels(writer->out, labels, count);
    buffer_string(writer->out, count ? "} " : " ");
}

void writer_labelled(struct metric_writer *writer, const struct metric_label *labels, size_t count,
                     double value) {
    write_series(writer, "", labels, count);
    write_number(writer->out, value);
    buffer_byte(writer->out, '\n');
}

void writer_sample(struct metric_writer *writer, const char *label, const char *label_value,
                   double value) {
    writer_labelled(writer, &(struct metric_label){label, label_value}, label ? 1 : 0, value);
}

void histogram_observe(struct histogram *histogram, double value) {
    size_t bucket = 0;
    while (bucket < histogram->bound_count && value > histogram->bounds[bucket].value)
        bucket++;
    atomic_fetch_add_explicit(&histogram->counts[bucket], 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&histogram->nanos, (uint64_t)(value * 1e9), memory_order_relaxed);
}

static void write_bucket(struct metric_writer *writer, const struct metric_label *labels,
                         size_t count, const char *bound, uint64_t total) {
    struct buffer *out = writer->out;
    buffer_string(out, writer->family);
    buffer_string(out, "_bucket");
    write_labels(out, labels, count);
    buffer_format(out, "%cle=\"%s\"} ", count ? ',' : '{', bound);
    write_integer(out, total);
    buffer_byte(out, '\n');
}

void writer_buckets(struct metric_writer *writer, const struct metric_label *labels, size_t count,
                    const struct histogram_bound *bounds, size_t bound_count,
                    const uint64_t *counts, double sum) {
    struct buffer *out = writer->out;
    uint64_t total = 0;
    for (size_t i = 0; i <= bound_count; i++) {
        total += counts[i];
        write_bucket(writer, labels, count, i < bound_count ? bounds[i].text : "+Inf", total);
    }
    write_series(writer, "_sum", labels, count);
    write_number(out, sum);
    buffer_byte(out, '\n');
    write_series(writer, "_count", labels, count);
    write_integer(out, total);
    buffer_byte(out, '\n');
}

void writer_histogram_labelled(struct metric_writer *writer, const struct metric_label *labels,
                               size_t count, struct histogram *histogram) {
    uint64_t counts[HISTOGRAM_BUCKETS_MAX + 1];
    for (size_t i = 0; i <= histogram->bound_count; i++)
        counts[i] = atomic_load_explicit(&histogram->counts[i], memory_order_relaxed);
    writer_buckets(writer, labels, count, histogram->bounds, histogram->bound_count, counts,
                   (double)atomic_load(&histogram->nanos) / 1e9);
}

void writer_histogram(struct metric_writer *writer, const char *name, const char *help,
                      struct histogram *histogram) {
    writer_family(writer, name, METRIC_HISTOGRAM, help);
    writer_histogram_labelled(writer, NULL, 0, histogram);
}
