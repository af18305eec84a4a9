/*
 * What must hold of everything the renamer appends to a page: whole families of the mapping, in its
 * order, each once and only when it was reported as taken, every line of them strictly an
 * exposition.
 */
#ifndef KTHENA_TESTS_FAMILIES_CHECK_H
#define KTHENA_TESTS_FAMILIES_CHECK_H

#include "fuzz.h"
#include "metrics/exposition.h"
#include "metrics/rename.h"

static inline bool span_is(struct span span, const char *text) {
    return span.length == strlen(text) && memcmp(span.at, text, span.length) == 0;
}

static inline bool ends_in_total(const char *name) {
    return strlen(name) > 6 && strcmp(name + strlen(name) - 6, "_total") == 0;
}

/* Steps over one line; its end. */
static inline const char *line_end(const char *at, const char *stop) {
    const char *end = memchr(at, '\n', (size_t)(stop - at));
    must(end);
    return end;
}

static inline const char *read_comment(const char *at, const char *stop,
                                       struct exposition_comment *comment) {
    const char *end = line_end(at, stop);
    must(*at == '#');
    exposition_comment(at, end, comment);
    return end + 1;
}

/* HELP and TYPE, both of the family; in OpenMetrics a counter's name is there without its _total.
 */
static inline const char *check_head(const char *at, const char *stop, const char *family,
                                     bool open_metrics) {
    static const char *const types[] = {"counter", "gauge", "histogram", "summary", "unknown"};
    struct exposition_comment help, type;
    at = read_comment(at, stop, &help);
    at = read_comment(at, stop, &type);
    must(help.kind == EXPOSITION_HELP && type.kind == EXPOSITION_TYPE);
    bool bare = open_metrics && span_is(type.text, "counter");
    char *name = memory_copy(family, strlen(family) - (bare ? strlen("_total") : 0));
    must(!bare || ends_in_total(family));
    must(span_is(help.name, name) && span_is(type.name, name));
    memory_free(name);
    size_t known = 0;
    while (known < (open_metrics ? 5 : 4) && !span_is(type.text, types[known]))
        known++;
    must(known < (open_metrics ? 5 : 4));
    return at;
}

static inline const char *check_sample(const char *at, const char *stop, const char *family) {
    const char *end = line_end(at, stop);
    struct exposition_sample sample;
    must(exposition_sample(at, end, &sample));
    size_t length = strlen(family);
    must(sample.name.length >= length && memcmp(at, family, length) == 0);
    struct span suffix = {at + length, sample.name.length - length};
    bool bucket = span_is(suffix, "_bucket");
    must(suffix.length == 0 || bucket || span_is(suffix, "_sum") || span_is(suffix, "_count"));
    must(!exposition_odd_nan(sample.value.at, sample.value.length));
    must(!sample.exemplar.at || bucket || ends_in_total(family));
    return end + 1;
}

static inline void check_families(const struct mapping *mapping, const struct buffer *families,
                                  const struct rename_choice *choices, bool open_metrics) {
    const char *at = families->data, *stop = at ? at + families->length : NULL;
    for (size_t i = 0; i < mapping_family_count(mapping); i++) {
        const char *name = mapping_family_name(mapping, i);
        must(choices[i].outcome != RENAME_TAKEN ||
             mapping_alternative_name(mapping, i, choices[i].alternative));
        if (choices[i].outcome != RENAME_TAKEN)
            continue;
        at = check_head(at, stop, name, open_metrics);
        while (at < stop && *at != '#')
            at = check_sample(at, stop, name);
    }
    must(at == stop);
}

#endif
