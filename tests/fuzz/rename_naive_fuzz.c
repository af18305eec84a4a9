/*
 * The renamer against a plain one that looks at each line for itself, strictly: which lines are
 * samples, which of them a rule takes, what they become, and what is left when series are merged.
 */
#include "metrics/exposition.h"
#include "rename_rules.h"

#include <math.h>

#define HEAD "# HELP std:g Help.\n# TYPE std:g gauge\n"

static struct mapping *plain, *edited, *merged;

/* One gauge from one source, rewritten when a label that nobody has is dropped. */
static struct mapping *gauge(const char *dropped, enum merge_kind merge) {
    struct mapping_builder *builder = mapping_builder_new();
    mapping_family(builder, "std:g", METRIC_GAUGE, "Help.");
    if (dropped)
        mapping_drop_label(builder, dropped);
    mapping_merge(builder, merge);
    rule_source(builder, "e:g", NULL);
    return mapping_build(builder);
}

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerInitialize(int *argc, char ***argv) {
    (void)argc;
    (void)argv;
    plain = gauge(NULL, MERGE_NONE);
    edited = gauge("a", MERGE_NONE);
    merged = gauge("a", MERGE_MAX);
    return 0;
}

static bool span_is(struct span span, const char *text) {
    return span.length == strlen(text) && memcmp(span.at, text, span.length) == 0;
}

struct tally {
    size_t lines, samples, others;
    bool exposed;
    struct buffer taken; /* the lines a rule takes, as they are on the page */
};

static void tally_line(struct tally *tally, const char *at, const char *end) {
    struct exposition_sample sample;
    struct exposition_comment comment;
    tally->lines++;
    while (at < end && (*at == ' ' || *at == '\t'))
        at++;
    if (at == end)
        return;
    if (*at == '#') {
        exposition_comment(at, end, &comment);
        if (comment.kind == EXPOSITION_HELP || comment.kind == EXPOSITION_TYPE)
            tally->exposed |= span_is(comment.name, "std:g");
    } else if (exposition_sample(at, end, &sample)) {
        tally->samples++;
        tally->exposed |= span_is(sample.name, "std:g");
        if (span_is(sample.name, "e:g")) {
            buffer_append(&tally->taken, at, (size_t)(end - at));
            buffer_byte(&tally->taken, '\n');
        }
    } else {
        tally->others++;
    }
}

static struct tally tally_page(const uint8_t *data, size_t size) {
    struct tally tally = {0};
    const char *at = (const char *)data, *stop = at + size;
    while (at < stop) {
        const char *end = memchr(at, '\n', (size_t)(stop - at));
        if (!end)
            end = stop;
        tally_line(&tally, at, end);
        at = end + 1;
    }
    return tally;
}

/* The next line of a text of whole lines, read as a sample, or false at its end. */
static bool next_sample(const char **at, const struct buffer *text,
                        struct exposition_sample *sample) {
    const char *stop = text->data ? text->data + text->length : NULL;
    if (*at == stop)
        return false;
    const char *end = memchr(*at, '\n', (size_t)(stop - *at));
    must(end && exposition_sample(*at, end, sample));
    *at = end + 1;
    return true;
}

/* Behind the head of the one family; or the end when there is none. */
static const char *skip_head(const struct buffer *families) {
    if (families->length == 0)
        return families->data;
    must(families->length >= strlen(HEAD) && memcmp(families->data, HEAD, strlen(HEAD)) == 0);
    return families->data + strlen(HEAD);
}

/* Each line taken must be there under its new name: verbatim, unless it has what may not stay. */
static void check_plain(const struct tally *tally, const struct buffer *families) {
    const char *from = tally->taken.data, *to = skip_head(families);
    struct exposition_sample was, is;
    while (next_sample(&from, &tally->taken, &was)) {
        must(next_sample(&to, families, &is));
        must(span_is(is.name, "std:g") && !is.exemplar.at);
        if (exposition_odd_nan(was.value.at, was.value.length)) {
            must(span_is(is.value, "NaN"));
        } else if (!was.exemplar.at) {
            const char *rest = is.name.at + is.name.length, *old = was.name.at + was.name.length;
            must(to - rest == from - old && memcmp(rest, old, (size_t)(to - rest)) == 0);
        } else {
            must(is.value.length == was.value.length);
            must(memcmp(is.value.at, was.value.at, was.value.length) == 0);
        }
    }
    must(!next_sample(&to, families, &is));
}

/* The best of the lines from `at` on that have this line's series. */
static struct exposition_sample best_of(const struct buffer *families,
                                        const struct exposition_sample *series, const char *at) {
    struct exposition_sample best = *series, other;
    size_t length = (size_t)(series->value.at - series->name.at);
    while (next_sample(&at, families, &other)) {
        if ((size_t)(other.value.at - other.name.at) != length ||
            memcmp(other.name.at, series->name.at, length) != 0)
            continue;
        double value = strtod(other.value.at, NULL), old = strtod(best.value.at, NULL);
        if (isnan(old) || value > old)
            best = other;
    }
    return best;
}

static bool came_before(const char *at, const struct buffer *families,
                        const struct exposition_sample *series) {
    struct exposition_sample other;
    size_t length = (size_t)(series->value.at - series->name.at);
    while (at < series->name.at && next_sample(&at, families, &other))
        if (other.name.at != series->name.at &&
            (size_t)(other.value.at - other.name.at) == length &&
            memcmp(other.name.at, series->name.at, length) == 0)
            return true;
    return false;
}

/* Merged is what is edited, with the best line of each series in the place of its first. */
static void check_merged(const struct buffer *unmerged, const struct buffer *families) {
    const char *from = skip_head(unmerged), *start = from, *to = skip_head(families);
    struct exposition_sample series, is;
    while (next_sample(&from, unmerged, &series)) {
        if (came_before(start, unmerged, &series))
            continue;
        struct exposition_sample best = best_of(unmerged, &series, from);
        must(next_sample(&to, families, &is));
        size_t length = (size_t)(best.rest.at + best.rest.length - best.name.at);
        must((size_t)(to - 1 - is.name.at) == length);
        must(memcmp(is.name.at, best.name.at, length) == 0);
    }
    must(!next_sample(&to, families, &is));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct tally tally = tally_page(data, size);
    struct buffer verbatim = {0}, rewritten = {0}, best = {0};
    struct rename_result result = rule_apply(plain, data, size, &verbatim, NULL);
    rule_apply(edited, data, size, &rewritten, NULL);
    rule_apply(merged, data, size, &best, NULL);
    must(result.lines == tally.lines);
    must(result.samples >= tally.samples); /* what no rule takes is read less strictly */
    must(result.samples + result.unparsed == tally.samples + tally.others);
    if (tally.exposed)
        buffer_clear(&tally.taken);
    must((verbatim.length > 0) == (tally.taken.length > 0));
    must((rewritten.length > 0) == (tally.taken.length > 0));
    check_plain(&tally, &verbatim);
    check_merged(&rewritten, &best);
    buffer_free(&tally.taken);
    buffer_free(&verbatim);
    buffer_free(&rewritten);
    buffer_free(&best);
    return 0;
}
