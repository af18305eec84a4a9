#include "base/options.h"

#include "base/memory.h"
#include "base/options_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct option_value *find(const struct options *options, const char *name) {
    const struct command_spec *command = options->command;
    for (size_t i = 0; i < command->option_count; i++)
        if (strcmp(command->options[i].name, name) == 0)
            return &options->values[i];
    fprintf(stderr, "kthena-runtime: command '%s' has no option '%s'\n", command->name, name);
    abort();
}

bool options_wants_help(const struct options *options) {
    return options->wants_help;
}

bool options_given(const struct options *options, const char *name) {
    return find(options, name)->origin > ORIGIN_FALLBACK;
}

const char *options_string(const struct options *options, const char *name) {
    const struct option_value *value = find(options, name);
    return value->count > 0 ? value->texts[value->count - 1] : NULL;
}

bool options_flag(const struct options *options, const char *name) {
    return find(options, name)->parsed.flag;
}

int64_t options_integer(const struct options *options, const char *name) {
    return find(options, name)->parsed.integer;
}

double options_seconds(const struct options *options, const char *name) {
    return find(options, name)->parsed.seconds;
}

size_t options_bytes(const struct options *options, const char *name) {
    return find(options, name)->parsed.bytes;
}

size_t options_list(const struct options *options, const char *name, const char *const **values) {
    const struct option_value *value = find(options, name);
    *values = (const char *const *)value->texts;
    return value->count;
}

size_t options_positional(const struct options *options, const char *const **values) {
    *values = (const char *const *)options->positional;
    return options->positional_count;
}

void options_free(struct options *options) {
    if (!options)
        return;
    for (size_t i = 0; i < options->command->option_count; i++) {
        struct option_value *value = &options->values[i];
        for (size_t j = 0; j < value->count; j++)
            memory_free(value->texts[j]);
        memory_free(value->texts);
    }
    for (size_t i = 0; i < options->positional_count; i++)
        memory_free(options->positional[i]);
    memory_free(options->positional);
    memory_free(options->values);
    memory_free(options);
}
