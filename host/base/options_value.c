#include "base/options_internal.h"

#include "base/memory.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static const double seconds_max = 1e9;

/* Reads digits with an optional fraction, and returns where they end; NULL if there are none. No
 * sign, exponent, hexadecimal, infinity or space, all of which strtod would take. */
static const char *parse_decimal(const char *text, double *number) {
    size_t length = strspn(text, "0123456789.");
    size_t digits = 0;
    size_t points = 0;
    for (size_t i = 0; i < length; i++)
        *(text[i] == '.' ? &points : &digits) += 1;
    if (digits == 0 || points > 1)
        return NULL;
    char *copy = memory_copy(text, length);
    *number = strtod(copy, NULL);
    memory_free(copy);
    return text + length;
}

static const char *parse_seconds(const char *text, double *seconds) {
    /* Dividing by 1000 rounds once, multiplying by 0.001 twice. */
    static const struct {
        const char *suffix;
        double times;
        double over;
    } units[] = {{"", 1, 1}, {"s", 1, 1}, {"ms", 1, 1000}, {"m", 60, 1}, {"h", 3600, 1}};
    double number = 0;
    const char *end = parse_decimal(text, &number);
    for (size_t i = 0; end && i < sizeof units / sizeof *units; i++) {
        if (strcmp(end, units[i].suffix) != 0)
            continue;
        *seconds = number * units[i].times / units[i].over;
        return *seconds <= seconds_max ? NULL : "a duration of at most 1000000000 seconds";
    }
    return "a duration such as 30, 0.5, 500ms or 2m";
}

bool options_read_seconds(const char *text, double *seconds) {
    double read = 0;
    bool good = !parse_seconds(text, &read);
    if (good)
        *seconds = read;
    return good;
}

/* How many bytes a suffix stands for: k and KiB are 1024, kB is 1000. 0 if it is none. */
static size_t byte_unit(const char *suffix) {
    if (*suffix == '\0' || strcasecmp(suffix, "b") == 0)
        return 1;
    const char *letters = "kmgt";
    const char *letter = strchr(letters, tolower((unsigned char)*suffix));
    bool decimal = strcasecmp(suffix + 1, "b") == 0;
    if (!letter || (suffix[1] != '\0' && !decimal && strcasecmp(suffix + 1, "ib") != 0))
        return 0;
    size_t factor = 1;
    for (const char *each = letters; each <= letter; each++)
        factor *= decimal ? 1000 : 1024;
    return factor;
}

static const char *parse_bytes(const char *text, size_t *bytes) {
    static const char expected[] = "a size such as 1048576, 64MiB, 64MB or 10k";
    if (!isdigit((unsigned char)*text))
        return expected;
    char *end = NULL;
    errno = 0;
    unsigned long long number = strtoull(text, &end, 10);
    size_t factor = byte_unit(end);
    if (factor == 0)
        return expected;
    if (errno == ERANGE || number > SIZE_MAX / factor)
        return "a size that fits in 64 bits";
    *bytes = (size_t)number * factor;
    return NULL;
}

static const char *parse_integer(const char *text, int64_t *integer) {
    const char *digits = text + (*text == '-' || *text == '+');
    if (*digits == '\0' || digits[strspn(digits, "0123456789")] != '\0')
        return "a whole number";
    errno = 0;
    *integer = strtoll(text, NULL, 10);
    return errno == ERANGE ? "a whole number that fits in 64 bits" : NULL;
}

static const char *parse_port(const char *text, int64_t *port) {
    static const char expected[] = "a port number from 0 to 65535";
    if (!isdigit((unsigned char)*text) || parse_integer(text, port))
        return expected;
    return *port >= 0 && *port <= 65535 ? NULL : expected;
}

static const char *parse_flag(const char *text, bool *flag) {
    static const char *const yes[] = {"true", "1", "yes", "on"};
    static const char *const no[] = {"false", "0", "no", "off"};
    for (size_t i = 0; i < sizeof yes / sizeof *yes; i++) {
        *flag = strcasecmp(text, yes[i]) == 0;
        if (*flag || strcasecmp(text, no[i]) == 0)
            return NULL;
    }
    return "true or false";
}

static const char *parse_choice(const char *text, const char *choices) {
    size_t length = strlen(text);
    for (const char *each = choices; *each;) {
        size_t each_length = strcspn(each, "|");
        if (each_length == length && strncmp(each, text, length) == 0)
            return NULL;
        each += each_length + (each[each_length] == '|');
    }
    return "one of its choices";
}

static const char *parse(const struct option_spec *spec, struct option_value *value,
                         const char *text) {
    switch (spec->type) {
    case OPTION_FLAG:
        return parse_flag(text, &value->parsed.flag);
    case OPTION_INTEGER:
        return parse_integer(text, &value->parsed.integer);
    case OPTION_PORT:
        return parse_port(text, &value->parsed.integer);
    case OPTION_SECONDS:
        return parse_seconds(text, &value->parsed.seconds);
    case OPTION_BYTES:
        return parse_bytes(text, &value->parsed.bytes);
    case OPTION_CHOICE:
        return parse_choice(text, spec->choices);
    case OPTION_STRING:
    case OPTION_LIST:
        break;
    }
    return NULL;
}

const char *option_value_set(const struct option_spec *spec, struct option_value *value,
                             const char *text, enum option_origin origin) {
    const char *expected = parse(spec, value, text);
    if (expected)
        return expected;
    if (spec->type != OPTION_LIST)
        while (value->count > 0)
            memory_free(value->texts[--value->count]);
    value->texts = memory_resize(value->texts, (value->count + 1) * sizeof *value->texts);
    value->texts[value->count++] = memory_string(text);
    value->origin = origin;
    return NULL;
}

size_t option_choices(const char *choices, const char ***words, char **storage) {
    size_t count = 0;
    *storage = memory_string(choices);
    *words = memory_alloc((strlen(choices) + 1) * sizeof **words);
    char *rest = NULL;
    for (char *word = strtok_r(*storage, "|", &rest); word; word = strtok_r(NULL, "|", &rest))
        (*words)[count++] = word;
    return count;
}
