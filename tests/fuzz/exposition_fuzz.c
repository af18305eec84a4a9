/*
 * The line scanner. Every line of the input is read in memory of its own: what is taken for a
 * sample must consist of its parts and nothing else, the fast reader of labels must not take more
 * than the strict one, and the block-wise byte loops must agree with plain ones.
 */
#include "metrics/bytes.h"
#include "metrics/exposition.h"

#include "base/buffer.h"
#include "fuzz.h"

static size_t blanks(const char *at, const char *end) {
    size_t count = 0;
    while (at + count < end && (at[count] == ' ' || at[count] == '\t'))
        count++;
    return count;
}

/* Steps through labels that were taken and returns how many there are. */
static size_t check_labels(struct span labels) {
    const char *at = labels.at, *end = at + labels.length;
    struct exposition_label label;
    size_t count = 0;
    while (at < end) {
        const char *before = at;
        bool more = exposition_label(&at, end, &label);
        must(at >= before && at <= end);
        must(more || at == end);
        if (!more)
            break;
        count++;
        must(label.name.length > 0 && label.name.at >= before);
        must(label.name.at + label.name.length <= end);
        must(!label.value.at || label.value.at[-1] == '"');
        must(!label.value.at || label.value.at[label.value.length] == '"');
    }
    return count;
}

static void check_sample(const char *line, const char *end,
                         const struct exposition_sample *sample) {
    const char *at = line + blanks(line, end);
    must(sample->name.at == at);
    at += sample->name.length;
    must(exposition_name(sample->name.at, end) == sample->name.length);
    must(sample->name.length || sample->labels.at);
    if (sample->labels.at) {
        at += blanks(at, end);
        must(*at == '{' && sample->labels.at == at + 1);
        size_t count = check_labels(sample->labels);
        must(count || sample->name.length);
        at = sample->labels.at + sample->labels.length;
        must(*at++ == '}');
    }
    at += blanks(at, end);
    must(sample->value.at == at && sample->value.length > 0);
    must(exposition_number(at, sample->value.length));
    at += sample->value.length;
    must(sample->rest.at == at && at + sample->rest.length == end);
    must(!sample->exemplar.at || (*sample->exemplar.at == '#' && sample->exemplar.at > at));
    must(!sample->exemplar.at || sample->exemplar.at + sample->exemplar.length == end);
}

/* The same series written anew, canonically, must be a sample too. */
static void check_rewritten(const struct exposition_sample *sample) {
    struct buffer line = {0};
    buffer_append(&line, sample->name.at, sample->name.length);
    if (sample->labels.at) {
        buffer_byte(&line, '{');
        buffer_append(&line, sample->labels.at, sample->labels.length);
        buffer_byte(&line, '}');
    }
    buffer_byte(&line, ' ');
    buffer_append(&line, sample->value.at, sample->value.length);
    buffer_append(&line, sample->rest.at, sample->rest.length);
    struct exposition_sample again;
    must(exposition_sample(line.data, line.data + line.length, &again));
    must(again.value.length == sample->value.length);
    must(again.exemplar.length == sample->exemplar.length);
    buffer_free(&line);
}

/* Takes the line for what follows a name. */
static void check_canonical(const char *line, const char *end) {
    const char *after;
    if (!exposition_canonical_labels(line, end, &after))
        return;
    must(after > line && after <= end && after[-1] == '}');
    struct buffer text = {0};
    buffer_byte(&text, 'x');
    buffer_append(&text, line, (size_t)(after - line));
    buffer_string(&text, " 1");
    struct exposition_sample sample;
    must(exposition_sample(text.data, text.data + text.length, &sample));
    must(sample.labels.length == (size_t)(after - line) - 2);
    must(check_labels(sample.labels) > 0);
    buffer_free(&text);
}

static bool in_name(char byte) {
    return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') ||
           (byte >= '0' && byte <= '9') || byte == '_' || byte == ':';
}

static void check_bytes(const char *line, const char *end) {
    const char *name = line, *quote = line;
    while (name < end && in_name(*name))
        name++;
    must(bytes_skip_name(line, end) == name);
    while (quote < end && *quote != '"' && *quote != '\\')
        quote++;
    must(bytes_find_quote(line, end) == quote);
    size_t half = (size_t)(end - line) / 2;
    must(bytes_same(line, line + half, half) == (memcmp(line, line + half, half) == 0));
}

static void check_comment(const char *line, const char *end) {
    struct exposition_comment comment;
    exposition_comment(line, end, &comment);
    bool named = comment.kind == EXPOSITION_HELP || comment.kind == EXPOSITION_TYPE;
    must(named == (comment.name.length > 0));
    must(!named || comment.text.at + comment.text.length == end);
}

static void check_line(const char *bytes, size_t length) {
    char *line = fuzz_copy(bytes, length);
    char *end = line + length;
    struct exposition_sample sample;
    if (exposition_sample(line, end, &sample)) {
        check_sample(line, end, &sample);
        check_rewritten(&sample);
    }
    if (length && *line == '#')
        check_comment(line, end);
    check_canonical(line, end);
    check_bytes(line, end);
    must(!exposition_odd_nan(line, length) || exposition_number(line, length));
    memory_free(line);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    const char *at = (const char *)data, *stop = at + size;
    while (at < stop) {
        const char *end = memchr(at, '\n', (size_t)(stop - at));
        if (!end)
            end = stop;
        if (end > at)
            check_line(at, (size_t)(end - at));
        at = end + 1;
    }
    return 0;
}
