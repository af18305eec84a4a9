#include "metrics/exposition.h"

#include "metrics/bytes.h"

#include <string.h>
#include <strings.h>

static bool is_blank(char byte) {
    return byte == ' ' || byte == '\t';
}

static bool is_digit(char byte) {
    return byte >= '0' && byte <= '9';
}

static const char *skip_blanks(const char *at, const char *end) {
    while (at < end && is_blank(*at))
        at++;
    return at;
}

/* What a byte may be in a name. */
enum { BEGINS_LABEL = 1, IN_LABEL = 2, BEGINS_METRIC = 4 };
#define LETTER (BEGINS_LABEL | IN_LABEL | BEGINS_METRIC)

static const unsigned char name_class[256] = {
    ['0' ... '9'] = IN_LABEL, ['a' ... 'z'] = LETTER, ['A' ... 'Z'] = LETTER,
    ['_'] = LETTER,           [':'] = BEGINS_METRIC,
};

size_t exposition_name(const char *at, const char *end) {
    if (at == end || !(name_class[(unsigned char)*at] & BEGINS_METRIC))
        return 0;
    return (size_t)(bytes_skip_name(at, end) - at);
}

static size_t bare_label_name(const char *at, const char *end) {
    /* Byte by byte: label names are short, and a block at a time measures slower. */
    const char *from = at;
    if (at == end || !(name_class[(unsigned char)*at] & BEGINS_LABEL))
        return 0;
    while (at < end && name_class[(unsigned char)*at] & IN_LABEL)
        at++;
    return (size_t)(at - from);
}

bool exposition_begins_label(char byte) {
    return name_class[(unsigned char)byte] & BEGINS_LABEL;
}

/* The byte behind the closing quote of the string that begins at the quote `at`, or NULL. */
static const char *skip_string(const char *at, const char *end) {
    for (at++; at < end; at += 2) { /* past a backslash and what it escapes */
        at = bytes_find_quote(at, end);
        if (at < end && *at == '"')
            return at + 1;
    }
    return NULL;
}

bool exposition_canonical_labels(const char *at, const char *end, const char **after) {
    if (at == end || *at != '{')
        return false;
    do {
        at++;
        const char *name = at;
        at += bare_label_name(at, end);
        if (at == name || end - at < 2 || at[0] != '=' || at[1] != '"')
            return false;
        at = skip_string(at + 1, end);
        if (!at || at == end)
            return false;
    } while (*at == ',');
    *after = at + 1;
    return *at == '}';
}

static const char *skip_digits(const char *at, const char *end) {
    while (at < end && is_digit(*at))
        at++;
    return at;
}

static bool is_word(const char *text, size_t length, const char *word) {
    return strlen(word) == length && strncasecmp(text, word, length) == 0;
}

static bool is_decimal(const char *at, const char *end) {
    const char *whole = at;
    at = skip_digits(at, end);
    size_t digits = (size_t)(at - whole);
    if (at < end && *at == '.') {
        const char *fraction = at + 1;
        at = skip_digits(fraction, end);
        digits += (size_t)(at - fraction);
    }
    if (digits == 0)
        return false;
    if (at < end && (*at == 'e' || *at == 'E')) {
        at++;
        if (at < end && (*at == '+' || *at == '-'))
            at++;
        const char *exponent = at;
        at = skip_digits(at, end);
        if (at == exponent)
            return false;
    }
    return at == end;
}

bool exposition_odd_nan(const char *text, size_t length) {
    bool sign = length && (*text == '-' || *text == '+');
    return is_word(text + sign, length - sign, "nan(ind)") ||
           (sign && is_word(text + 1, length - 1, "nan"));
}

bool exposition_number(const char *text, size_t length) {
    bool sign = length && (*text == '-' || *text == '+');
    const char *bare = text + sign;
    size_t rest = length - sign;
    if (rest && (is_digit(*bare) || *bare == '.'))
        return is_decimal(bare, text + length);
    return is_word(bare, rest, "nan") || is_word(bare, rest, "inf") ||
           is_word(bare, rest, "infinity") || is_word(bare, rest, "nan(ind)");
}

/* The number at `at` as a span; NULL when there is none, else what follows it. */
static const char *read_number(const char *at, const char *end, struct span *out) {
    const char *from = at;
    while (at < end && !is_blank(*at))
        at++;
    *out = (struct span){from, (size_t)(at - from)};
    return exposition_number(from, out->length) ? at : NULL;
}

/* Reads "{...}" at `at`; labels is what stands between the braces. The name of a metric without one
 * in front stands there first, quoted and without a value. NULL when it is malformed. */
static const char *read_labels(const char *at, const char *end, bool unnamed, struct span *labels) {
    const char *from = ++at;
    struct exposition_label label;
    for (; exposition_label(&at, end, &label); unnamed = false)
        if (unnamed != !label.value.at)
            return NULL;
    if (unnamed || at == end || *at != '}')
        return NULL;
    *labels = (struct span){from, (size_t)(at - from)};
    return at + 1;
}

/* [timestamp] [# {labels} value [timestamp]] and nothing else. */
static bool read_rest(const char *at, const char *end, struct span *exemplar) {
    struct span number;
    at = skip_blanks(at, end);
    if (at < end && *at != '#') {
        at = read_number(at, end, &number);
        if (!at)
            return false;
        at = skip_blanks(at, end);
    }
    if (at == end)
        return true;
    if (*at != '#')
        return false;
    exemplar->at = at;
    exemplar->length = (size_t)(end - at);
    at = skip_blanks(at + 1, end);
    struct span labels;
    if (at == end || *at != '{' || !(at = read_labels(at, end, false, &labels)))
        return false;
    at = read_number(skip_blanks(at, end), end, &number);
    if (!at)
        return false;
    at = skip_blanks(at, end);
    return at == end || ((at = read_number(at, end, &number)) && skip_blanks(at, end) == end);
}

bool exposition_sample(const char *line, const char *end, struct exposition_sample *out) {
    *out = (struct exposition_sample){0};
    const char *at = skip_blanks(line, end);
    out->name = (struct span){at, exposition_name(at, end)};
    at += out->name.length;
    const char *after_name = at;
    at = skip_blanks(at, end);
    if (at < end && *at == '{') {
        at = read_labels(at, end, out->name.length == 0, &out->labels);
        if (!at)
            return false;
        at = skip_blanks(at, end);
    } else if (out->name.length == 0 || at == after_name) {
        return false;
    }
    at = read_number(at, end, &out->value);
    if (!at)
        return false;
    out->rest = (struct span){at, (size_t)(end - at)};
    return read_rest(at, end, &out->exemplar);
}

static size_t label_name(const char *at, const char *end) {
    if (at < end && *at == '"') {
        const char *after = skip_string(at, end);
        return after ? (size_t)(after - at) : 0;
    }
    return bare_label_name(at, end);
}

bool exposition_label(const char **at, const char *end, struct exposition_label *out) {
    const char *from = *at = skip_blanks(*at, end);
    out->name = (struct span){from, label_name(from, end)};
    if (out->name.length == 0)
        return false;
    const char *next = skip_blanks(from + out->name.length, end);
    if (next < end && *next == '=') {
        next = skip_blanks(next + 1, end);
        const char *value = next;
        if (value == end || *value != '"' || !(next = skip_string(value, end)))
            return false;
        out->value = (struct span){value + 1, (size_t)(next - value) - 2};
    } else if (*from == '"') {
        out->value = (struct span){NULL, 0}; /* the quoted metric name itself */
    } else {
        return false;
    }
    next = skip_blanks(next, end);
    if (next < end && *next == ',')
        next++;
    else if (next < end && *next != '}')
        return false;
    *at = skip_blanks(next, end);
    return true;
}

void exposition_comment(const char *line, const char *end, struct exposition_comment *out) {
    *out = (struct exposition_comment){.kind = EXPOSITION_COMMENT};
    size_t length = (size_t)(end - line);
    if (length >= 5 && memcmp(line, "# EOF", 5) == 0 && skip_blanks(line + 5, end) == end) {
        out->kind = EXPOSITION_EOF;
        return;
    }
    const char *word = skip_blanks(line + 1, end);
    if (word == line + 1 || end - word < 5 || !is_blank(word[4]))
        return;
    bool help = memcmp(word, "HELP", 4) == 0, type = memcmp(word, "TYPE", 4) == 0;
    const char *name = skip_blanks(word + 5, end);
    size_t length_of_name = exposition_name(name, end);
    if ((!help && !type) || length_of_name == 0)
        return;
    const char *text = skip_blanks(name + length_of_name, end);
    out->kind = help ? EXPOSITION_HELP : EXPOSITION_TYPE;
    out->name = (struct span){name, length_of_name};
    out->text = (struct span){text, (size_t)(end - text)};
}
