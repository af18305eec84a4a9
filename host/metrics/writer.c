#include "metrics/writer.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

static const char *const type_names[] = {[METRIC_COUNTER] = "counter",
                                         [METRIC_GAUGE] = "gauge",
                                         [METRIC_HISTOGRAM] = "histogram",
                                         [METRIC_SUMMARY] = "summary"};

/* The shortest decimal text that reads back as the same double, in the spelling of expositions. */
static void write_number(struct buffer *out, double value) {
    if (isnan(value)) {
        buffer_string(out, "NaN");
    } else if (isinf(value)) {
        buffer_string(out, value > 0 ? "+Inf" : "-Inf");
    } else {
        char text[32];
        for (int digits = 15; digits <= 17; digits++) {
            snprintf(text, sizeof text, "%.*g", digits, value);
            if (strtod(text, NULL) == value)
                break;
        }
        buffer_string(out, text);
    }
}

void writer_family(struct metric_writer *writer, const char *name, enum metric_type type,
                   const char *help) {
    size_t length = strlen(name);
    if (writer->open_metrics && type == METRIC_COUNTER)
        length -= strlen("_total");
    writer->family = name;
    buffer_format(writer->out, "# HELP %.*s %s\n# TYPE %.*s %s\n", (int)length, name, help,
                  (int)length, name, type_names[type]);
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

void writer_sample(struct metric_writer *writer, const char *label, const char *label_value,
                   double value) {
    struct buffer *out = writer->out;
    buffer_string(out, writer->family);
    if (label) {
        buffer_format(out, "{%s=\"", label);
        write_escaped(out, label_value);
        buffer_string(out, "\"}");
    }
    buffer_byte(out, ' ');
    write_number(out, value);
    buffer_byte(out, '\n');
}

void histogram_observe(struct histogram *histogram, double value) {
    size_t bucket = 0;
    while (bucket < histogram->bound_count && value > histogram->bounds[bucket])
        bucket++;
    atomic_fetch_add_explicit(&histogram->counts[bucket], 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&histogram->nanos, (uint64_t)(value * 1e9), memory_order_relaxed);
}

void writer_histogram(struct metric_writer *writer, const char *name, const char *help,
                      struct histogram *histogram) {
    struct buffer *out = writer->out;
    uint64_t total = 0;
    writer_family(writer, name, METRIC_HISTOGRAM, help);
    for (size_t i = 0; i <= histogram->bound_count; i++) {
        total += atomic_load_explicit(&histogram->counts[i], memory_order_relaxed);
        buffer_format(out, "%s_bucket{le=\"", name);
        write_number(out, i < histogram->bound_count ? histogram->bounds[i] : INFINITY);
        buffer_format(out, "\"} %llu\n", (unsigned long long)total);
    }
    buffer_format(out, "%s_sum ", name);
    write_number(out, (double)atomic_load(&histogram->nanos) / 1e9);
    buffer_format(out, "\n%s_count %llu\n", name, (unsigned long long)total);
}
