/*
 * The grammar of a Prometheus exposition, line by line: text format 0.0.4
 * (prometheus.io/docs/instrumenting/ exposition_formats) and OpenMetrics 1.0. Nothing is copied or
 * changed: results point into the line. The renamer is its main user; the own metrics' tests and
 * the fuzzers use it too.
 *
 * A line is given as [line, end) without its newline.
 */
#ifndef KTHENA_METRICS_EXPOSITION_H
#define KTHENA_METRICS_EXPOSITION_H

#include <stdbool.h>
#include <stddef.h>

struct span {
    const char *at;
    size_t length;
};

struct exposition_sample {
    struct span name;
    struct span labels;   /* what stands between the braces; at is NULL without braces */
    struct span value;    /* a number, NaN or Inf as it was written */
    struct span rest;     /* timestamp and exemplar with their blanks, may be empty */
    struct span exemplar; /* the part of rest from its '#' on; at is NULL without one */
};

struct exposition_label {
    struct span name;  /* quoted names (UTF-8 names) with their quotes */
    struct span value; /* still escaped, without its quotes */
};

enum exposition_kind { EXPOSITION_HELP, EXPOSITION_TYPE, EXPOSITION_EOF, EXPOSITION_COMMENT };

struct exposition_comment {
    enum exposition_kind kind;
    struct span name; /* of HELP and TYPE */
    struct span text; /* what follows the name, still escaped */
};

/* Reads a sample line strictly. False when the line is not one. */
bool exposition_sample(const char *line, const char *end, struct exposition_sample *out);

/* Steps through labels: *at starts at labels.at and moves on. False at the end (*at == end), and on
 * what is no label
 * (*at != end). */
bool exposition_label(const char **at, const char *end, struct exposition_label *out);

/* Reads a line that begins with '#'. */
void exposition_comment(const char *line, const char *end, struct exposition_comment *out);

/* Length of the metric name at the beginning of [at, end), 0 when there is none. */
size_t exposition_name(const char *at, const char *end);

/* A fast and equally strict reader of labels in the form every client library writes, {a="x",b="y"}
 * without blanks, at the brace `at`. True with *after behind the closing brace; false says nothing
 * but that the form is another. */
bool exposition_canonical_labels(const char *at, const char *end, const char **after);

/* Whether a label name may begin with this byte. */
bool exposition_begins_label(char byte);

/* Whether the text is a value: a decimal number, Inf, or NaN in any of the spellings engines print.
 */
bool exposition_number(const char *text, size_t length);

/* Whether the text is a NaN that parsers refuse: with a sign, or as "nan(ind)". */
bool exposition_odd_nan(const char *text, size_t length);

#endif
