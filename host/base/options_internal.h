/*
 * What the files of the options unit share: the parsed values and the parser of single values.
 * Private to options.c, options_parse.c, options_value.c and options_help.c.
 */
#ifndef KTHENA_BASE_OPTIONS_INTERNAL_H
#define KTHENA_BASE_OPTIONS_INTERNAL_H

#include "base/options.h"

enum option_origin { ORIGIN_NONE, ORIGIN_FALLBACK, ORIGIN_ENVIRONMENT, ORIGIN_ARGUMENT };

struct option_value {
    enum option_origin origin;
    char **texts; /* owned; one, or for OPTION_LIST any number */
    size_t count;
    union {
        bool flag;
        int64_t integer;
        double seconds;
        size_t bytes;
    } parsed;
};

struct options {
    const struct command_spec *command;
    struct option_value *values; /* one for each of the command's options */
    char **positional;           /* owned */
    size_t positional_count;
    bool wants_help;
};

/* Reads text as the option's type and makes it the value, or adds it to a list. Returns what was
 * expected, for the error message, or NULL. */
const char *option_value_set(const struct option_spec *spec, struct option_value *value,
                             const char *text, enum option_origin origin);

/* Splits "text|json" into words; the caller frees words and *storage. */
size_t option_choices(const char *choices, const char ***words, char **storage);

#endif
