#include "base/memory.h"
#include "metrics/rename_merge.h"
#include "metrics/rename_page.h"

/* A line with more labels than this has no label edits applied and is left out of an edited family.
 */
#define LABELS_MAX 128

static const char *const type_names[] = {[METRIC_COUNTER] = "counter",
                                         [METRIC_GAUGE] = "gauge",
                                         [METRIC_HISTOGRAM] = "histogram",
                                         [METRIC_SUMMARY] = "summary"};

static bool is_blank(char byte) {
    return byte == ' ' || byte == '\t';
}

static bool ends_in_total(const char *name) {
    size_t length = strlen(name);
    return length > 6 && strcmp(name + length - 6, "_total") == 0;
}

static bool span_is(struct span span, const char *text) {
    size_t length = strlen(text);
    return span.length == length && memcmp(span.at, text, length) == 0;
}

/* The escaped value of a label, "" when the sample has none of that name. */
static struct span label_value(const struct exposition_sample *sample, const char *name) {
    const char *at = sample->labels.at, *end = at ? at + sample->labels.length : NULL;
    struct exposition_label label;
    while (at && exposition_label(&at, end, &label))
        if (span_is(label.name, name))
            return label.value;
    return (struct span){"", 0};
}

bool page_selects(const struct alternative *alternative, const struct exposition_sample *sample) {
    for (size_t i = 0; i < alternative->where_count; i++) {
        const struct where *where = &alternative->wheres[i];
        struct span value = label_value(sample, where->label);
        bool any = false;
        for (size_t j = 0; j < alternative->where_count && !any; j++)
            any = strcmp(alternative->wheres[j].label, where->label) == 0 &&
                  span_is(value, alternative->wheres[j].value);
        if (!any)
            return false;
    }
    return true;
}

/* Appends a number times the scale; what is no decimal (NaN, Inf), or too long, stays as it is. */
static void write_scaled(struct span number, const struct decimal *scale, struct buffer *out) {
    struct decimal value;
    if (decimal_parse(number.at, number.length, &value) && decimal_multiply(&value, scale, &value))
        decimal_write(&value, out);
    else
        buffer_append(out, number.at, number.length);
}

static void write_label(struct span name, struct span value, const struct binding *binding,
                        bool first, struct buffer *out) {
    if (!first)
        buffer_byte(out, ',');
    buffer_append(out, name.at, name.length);
    buffer_string(out, "=\"");
    if (binding->scaled && binding->role == PART_BUCKET && span_is(name, "le"))
        write_scaled(value, &binding->scale, out);
    else
        buffer_append(out, value.at, value.length);
    buffer_byte(out, '"');
}

static void remove_label(struct exposition_label *labels, size_t count, const char *name,
                         const struct exposition_label *except) {
    for (size_t i = 0; i < count; i++)
        if (&labels[i] != except && span_is(labels[i].name, name))
            labels[i].name.length = 0;
}

/* Applies a family's edits in place; a removed label has an empty name. Returns the new count. */
static size_t edit_labels(const struct family *family, struct exposition_label *labels,
                          size_t count) {
    for (size_t e = 0; e < family->edit_count; e++) {
        const struct label_edit *edit = &family->edits[e];
        if (edit->kind == LABEL_DROP)
            remove_label(labels, count, edit->name, NULL);
        for (size_t i = 0; i < count && edit->kind == LABEL_RENAME; i++)
            if (span_is(labels[i].name, edit->name)) {
                remove_label(labels, count, edit->value, &labels[i]);
                labels[i].name = (struct span){edit->value, strlen(edit->value)};
            }
        if (edit->kind == LABEL_ADD && count < LABELS_MAX) {
            remove_label(labels, count, edit->name, NULL);
            labels[count++] = (struct exposition_label){{edit->name, strlen(edit->name)},
                                                        {edit->value, strlen(edit->value)}};
        }
    }
    return count;
}

/* Appends the edited labels with their braces; nothing when none is left. False when there are too
 * many to edit. */
static bool write_labels(const struct family *family, const struct binding *binding,
                         const struct exposition_sample *sample, struct buffer *out) {
    struct exposition_label labels[LABELS_MAX];
    size_t count = 0;
    const char *at = sample->labels.at, *end = at ? at + sample->labels.length : NULL;
    while (at && at < end) {
        if (count == LABELS_MAX)
            return false;
        if (exposition_label(&at, end, &labels[count]))
            count++;
    }
    count = edit_labels(family, labels, count);
    bool first = true;
    for (size_t i = 0; i < count; i++)
        if (labels[i].name.length) {
            if (first)
                buffer_byte(out, '{');
            write_label(labels[i].name, labels[i].value, binding, first, out);
            first = false;
        }
    if (!first)
        buffer_byte(out, '}');
    return true;
}

/* Appends " # {labels} value [timestamp]" with the value scaled. */
static void write_exemplar(struct span exemplar, const struct decimal *scale, struct buffer *out) {
    struct exposition_sample parsed;
    const char *labels = memchr(exemplar.at, '{', exemplar.length);
    struct buffer line = {0};
    buffer_byte(&line, 'x'); /* behind its '#' an exemplar reads like a sample without a name */
    buffer_append(&line, labels, (size_t)(exemplar.at + exemplar.length - labels));
    if (exposition_sample(line.data, line.data + line.length, &parsed)) {
        buffer_string(out, " # {");
        buffer_append(out, parsed.labels.at, parsed.labels.length);
        buffer_string(out, "} ");
        write_scaled(parsed.value, scale, out);
        buffer_append(out, parsed.rest.at, parsed.rest.length);
    }
    buffer_free(&line);
}

/* Only buckets and counters have exemplars, and a counter's name then ends in _total. */
static bool has_exemplars(const struct family *family, const struct binding *binding) {
    return binding->role == PART_BUCKET ||
           (family->type == METRIC_COUNTER && ends_in_total(family->name));
}

/* Appends value, timestamp and exemplar as the family's type allows them. */
static void write_value(const struct family *family, const struct binding *binding,
                        const struct exposition_sample *sample, struct buffer *out) {
    bool scaled = binding->scaled && (binding->role == PART_VALUE || binding->role == PART_SUM);
    buffer_byte(out, ' ');
    if (exposition_odd_nan(sample->value.at, sample->value.length))
        buffer_string(out, "NaN");
    else if (scaled)
        write_scaled(sample->value, &binding->scale, out);
    else
        buffer_append(out, sample->value.at, sample->value.length);
    if (!sample->exemplar.at) {
        buffer_append(out, sample->rest.at, sample->rest.length);
        return;
    }
    size_t timestamp = (size_t)(sample->exemplar.at - sample->rest.at);
    while (timestamp && is_blank(sample->rest.at[timestamp - 1]))
        timestamp--;
    buffer_append(out, sample->rest.at, timestamp);
    if (!has_exemplars(family, binding))
        return;
    if (binding->scaled)
        write_exemplar(sample->exemplar, &binding->scale, out);
    else {
        buffer_byte(out, ' ');
        buffer_append(out, sample->exemplar.at, sample->exemplar.length);
    }
}

/* Appends one sample that a rule changes, or that is not verbatim. */
static void emit_changed(const struct family *family, const struct binding *binding,
                         const struct record *record, struct merge *merge, struct buffer *out) {
    struct exposition_sample sample;
    exposition_sample(record->line, record->line + record->length, &sample);
    size_t start = out->length;
    struct span name = family->samples[binding->role];
    buffer_append(out, name.at, name.length);
    if (!write_labels(family, binding, &sample, out)) {
        out->length = start;
        return;
    }
    size_t series = out->length - start;
    write_value(family, binding, &sample, out);
    buffer_byte(out, '\n');
    if (merge)
        merge_add(merge, out, start, series);
}

/* Appends one sample that no rule changes: the new name, then the line's own bytes. */
static void emit_verbatim(struct span name, const struct record *record, struct buffer *out) {
    size_t rest = record->length - record->name_length;
    char *to = buffer_reserve(out, name.length + rest + 1);
    memcpy(to, name.at, name.length);
    memcpy(to + name.length, record->line + record->name_length, rest);
    to[name.length + rest] = '\n';
    out->length += name.length + rest + 1;
}

/* The HELP text on the page of a metadata name; at is NULL without one. */
static struct span help_of(const struct page *page, const char *name) {
    return page->helps[trie_find(page->mapping->metas.trie, name, strlen(name))];
}

static void write_source_help(const struct page *page, const struct alternative *alternative,
                              struct buffer *out) {
    struct span help = help_of(page, alternative->meta);
    if (!help.at && alternative->open_meta && page->open_metrics)
        help = help_of(page, alternative->open_meta);
    if (help.at)
        buffer_append(out, help.at, help.length);
    else
        buffer_format(out, "The engine's %s.", alternative->meta);
}

/* HELP with the quotes escaped that OpenMetrics wants escaped. */
static void write_help(const struct page *page, const struct family *family,
                       const struct alternative *alternative, struct buffer *out) {
    if (!family->help) {
        write_source_help(page, alternative, out);
        return;
    }
    const char *at = family->help, *quote;
    while (page->open_metrics && (quote = strchr(at, '"'))) {
        buffer_append(out, at, (size_t)(quote - at));
        buffer_string(out, "\\\"");
        at = quote + 1;
    }
    buffer_string(out, at);
}

static void write_head(const struct page *page, const struct family *family,
                       const struct alternative *alternative, struct buffer *out) {
    size_t length = strlen(family->name);
    const char *type = type_names[family->type];
    if (page->open_metrics && family->type == METRIC_COUNTER) {
        if (ends_in_total(family->name))
            length -= strlen("_total");
        else
            type = "unknown"; /* an OpenMetrics counter must end in _total */
    }
    buffer_string(out, "# HELP ");
    buffer_append(out, family->name, length);
    buffer_byte(out, ' ');
    write_help(page, family, alternative, out);
    buffer_string(out, "\n# TYPE ");
    buffer_append(out, family->name, length);
    buffer_byte(out, ' ');
    buffer_string(out, type);
    buffer_byte(out, '\n');
}

void page_emit(const struct page *page, const struct family *family,
               const struct alternative *alternative, struct buffer *out) {
    write_head(page, family, alternative, out);
    bool merged = family->merge != MERGE_NONE;
    struct merge merge = {.kind = family->merge};
    const struct chain *chain = &page->chains[alternative - page->mapping->alternatives];
    for (int i = chain->first; i != MAPPING_NONE; i = page->records[i].next) {
        const struct record *record = &page->records[i];
        const struct binding *binding = &page->mapping->bindings[record->binding];
        if (record->verbatim && !binding->scaled && !merged && family->edit_count == 0)
            emit_verbatim(family->samples[binding->role], record, out);
        else
            emit_changed(family, binding, record, merged ? &merge : NULL, out);
    }
    if (merged)
        merge_finish(&merge, out);
}
