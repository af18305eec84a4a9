#include "base/options_internal.h"

#include "base/memory.h"
#include "base/text.h"

#include <stdlib.h>
#include <string.h>

struct parser {
    const struct command_spec *command;
    struct options *options;
    int argc;
    char **argv;
    int at;
};

static struct error *complain(const struct command_spec *command, const char *what,
                              const char *nearest, const char *dashes) {
    return nearest ? error_new(ERROR_INVALID, NULL,
                               "%s; did you mean '%s%s'? see 'kthena-runtime %s --help'", what,
                               dashes, nearest, command->name)
                   : error_new(ERROR_INVALID, NULL, "%s; see 'kthena-runtime %s --help'", what,
                               command->name);
}

/* "text, json or xml", and the word of the choices that is nearest to text. */
static void describe_choices(const char *choices, const char *text, struct buffer *expected,
                             char **nearest) {
    const char **words = NULL;
    char *storage = NULL;
    size_t count = option_choices(choices, &words, &storage);
    for (size_t i = 0; i < count; i++)
        buffer_format(expected, "%s%s", i == 0 ? "" : i + 1 == count ? " or " : ", ", words[i]);
    const char *found = text_nearest(text, words, count);
    *nearest = found ? memory_string(found) : NULL;
    memory_free(words);
    memory_free(storage);
}

static struct error *invalid_value(const struct command_spec *command,
                                   const struct option_spec *spec, const char *text,
                                   const char *expected, enum option_origin origin) {
    struct buffer what = {0};
    char *nearest = NULL;
    buffer_format(&what, "invalid value '%s' for '--%s'", text, spec->name);
    if (origin == ORIGIN_ENVIRONMENT)
        buffer_format(&what, " (from the variable %s)", spec->environment);
    buffer_string(&what, ": expected ");
    if (spec->type == OPTION_CHOICE)
        describe_choices(spec->choices, text, &what, &nearest);
    else
        buffer_string(&what, expected);
    struct error *error = complain(command, buffer_text(&what), nearest, "");
    memory_free(nearest);
    buffer_free(&what);
    return error;
}

static struct error *set(struct parser *parser, size_t index, const char *text,
                         enum option_origin origin) {
    const struct option_spec *spec = &parser->command->options[index];
    struct option_value *value = &parser->options->values[index];
    const char *expected = option_value_set(spec, value, text, origin);
    if (!expected)
        return NULL;
    return invalid_value(parser->command, spec, text, expected, origin);
}

static void add_positional(struct parser *parser, const char *text) {
    struct options *options = parser->options;
    size_t size = (options->positional_count + 1) * sizeof *options->positional;
    options->positional = memory_resize(options->positional, size);
    options->positional[options->positional_count++] = memory_string(text);
}

/* The index of a flag by its long name of the given length, or option_count. */
static size_t find_long(const struct command_spec *command, const char *name, size_t length) {
    size_t i = 0;
    for (; i < command->option_count; i++)
        if (strlen(command->options[i].name) == length &&
            memcmp(command->options[i].name, name, length) == 0)
            break;
    return i;
}

static size_t find_short(const struct command_spec *command, char name) {
    size_t i = 0;
    while (i < command->option_count && command->options[i].short_name != name)
        i++;
    return i;
}

static struct error *unknown_flag(struct parser *parser, const char *argument) {
    const struct command_spec *command = parser->command;
    if (command->pass_unknown) {
        add_positional(parser, argument);
        return NULL;
    }
    const char **names = memory_alloc((command->option_count + 1) * sizeof *names);
    for (size_t i = 0; i < command->option_count; i++)
        names[i] = command->options[i].name;
    names[command->option_count] = "help";
    int length = (int)strcspn(argument, "=");
    char *word = memory_copy(argument, (size_t)length);
    const char *bare = word + strspn(word, "-");
    const char *nearest = text_nearest(bare, names, command->option_count + 1);
    char *what = memory_format("unknown flag '%s'", word);
    struct error *error = complain(command, what, strlen(bare) > 1 ? nearest : NULL, "--");
    memory_free(what);
    memory_free(word);
    memory_free(names);
    return error;
}

/* Whether an argument is one of the command's flags, and so hardly another flag's value. */
static bool is_flag(const struct command_spec *command, const char *argument) {
    if (strcmp(argument, "--") == 0)
        return true;
    if (text_starts(argument, "--"))
        return find_long(command, argument + 2, strcspn(argument + 2, "=")) < command->option_count;
    return argument[0] == '-' && argument[1] != '\0' && argument[2] == '\0' &&
           find_short(command, argument[1]) < command->option_count;
}

/* Takes the value that is attached to the flag (NULL: none is) or the next argument. */
static struct error *take(struct parser *parser, size_t index, const char *attached) {
    const struct option_spec *spec = &parser->command->options[index];
    if (!attached && spec->type == OPTION_FLAG)
        attached = "true";
    if (!attached && parser->at < parser->argc &&
        !is_flag(parser->command, parser->argv[parser->at]))
        attached = parser->argv[parser->at++];
    if (attached)
        return set(parser, index, attached, ORIGIN_ARGUMENT);
    char *what = memory_format("flag '--%s' needs a value", spec->name);
    struct error *error = complain(parser->command, what, NULL, "");
    memory_free(what);
    return error;
}

static struct error *parse_long(struct parser *parser, const char *argument) {
    const char *name = argument + 2;
    size_t length = strcspn(name, "=");
    size_t index = find_long(parser->command, name, length);
    if (index == parser->command->option_count)
        return unknown_flag(parser, argument);
    return take(parser, index, name[length] == '=' ? name + length + 1 : NULL);
}

static struct error *parse_short(struct parser *parser, const char *argument) {
    size_t index = find_short(parser->command, argument[1]);
    if (index == parser->command->option_count)
        return unknown_flag(parser, argument);
    const char *attached = argument[2] != '\0' ? argument + 2 : NULL;
    if (attached && parser->command->options[index].type == OPTION_FLAG)
        return unknown_flag(parser, argument);
    return take(parser, index, attached);
}

static bool is_help(const struct command_spec *command, const char *argument) {
    if (strcmp(argument, "-h") == 0)
        return find_short(command, 'h') == command->option_count;
    return strcmp(argument, "--help") == 0 || strcmp(argument, "-?") == 0;
}

static struct error *parse_arguments(struct parser *parser) {
    bool flags_end = false;
    struct error *error = NULL;
    while (parser->at < parser->argc && !error && !parser->options->wants_help) {
        const char *argument = parser->argv[parser->at++];
        if (flags_end || argument[0] != '-' || argument[1] == '\0')
            add_positional(parser, argument);
        else if (strcmp(argument, "--") == 0)
            flags_end = true;
        else if (is_help(parser->command, argument))
            parser->options->wants_help = true;
        else if (argument[1] == '-')
            error = parse_long(parser, argument);
        else
            error = parse_short(parser, argument);
    }
    return error;
}

/* Sets a value, or the parts between the commas of a list. */
static struct error *set_from(struct parser *parser, size_t index, const char *text,
                              enum option_origin origin) {
    if (parser->command->options[index].type != OPTION_LIST)
        return set(parser, index, text, origin);
    char *copy = memory_string(text);
    char *rest = NULL;
    struct error *error = NULL;
    for (char *part = strtok_r(copy, ",", &rest); part && !error;
         part = strtok_r(NULL, ",", &rest)) {
        part += strspn(part, " ");
        size_t length = strlen(part);
        while (length > 0 && part[length - 1] == ' ')
            part[--length] = '\0';
        if (length > 0)
            error = set(parser, index, part, origin);
    }
    memory_free(copy);
    return error;
}

static struct error *fill_absent(struct parser *parser) {
    for (size_t i = 0; i < parser->command->option_count; i++) {
        const struct option_spec *spec = &parser->command->options[i];
        const struct option_value *value = &parser->options->values[i];
        struct error *error = NULL;
        const char *text = spec->environment ? getenv(spec->environment) : NULL;
        if (value->origin == ORIGIN_NONE && text && *text != '\0')
            error = set_from(parser, i, text, ORIGIN_ENVIRONMENT);
        if (!error && value->origin == ORIGIN_NONE && spec->fallback)
            error = set_from(parser, i, spec->fallback, ORIGIN_FALLBACK);
        if (error)
            return error;
    }
    return NULL;
}

static struct error *check_required(struct parser *parser) {
    struct buffer missing = {0};
    size_t count = 0;
    for (size_t i = 0; i < parser->command->option_count; i++) {
        const struct option_spec *spec = &parser->command->options[i];
        if (!spec->required || parser->options->values[i].origin != ORIGIN_NONE)
            continue;
        buffer_format(&missing, "%s'--%s'", count++ > 0 ? " and " : "", spec->name);
        if (spec->environment)
            buffer_format(&missing, " (or the variable %s)", spec->environment);
    }
    struct error *error = NULL;
    if (count > 0) {
        char *what = memory_format("missing required flag%s %s", count > 1 ? "s" : "",
                                   buffer_text(&missing));
        error = complain(parser->command, what, NULL, "");
        memory_free(what);
    }
    buffer_free(&missing);
    return error;
}

static struct error *check_positional(struct parser *parser) {
    const struct command_spec *command = parser->command;
    size_t count = parser->options->positional_count;
    char *what = NULL;
    if (count < (size_t)command->positional_min)
        what = memory_format("missing argument: expected %s", command->usage);
    else if (command->positional_max >= 0 && count > (size_t)command->positional_max)
        what = memory_format("unexpected argument '%s'",
                             parser->options->positional[command->positional_max]);
    struct error *error = what ? complain(command, what, NULL, "") : NULL;
    memory_free(what);
    return error;
}

struct error *options_parse(const struct command_spec *command, int argc, char **argv,
                            struct options **out) {
    struct options *options = memory_zero(1, sizeof *options);
    options->command = command;
    options->values = memory_zero(command->option_count, sizeof *options->values);
    struct parser parser = {.command = command, .options = options, .argc = argc, .argv = argv};
    *out = NULL;
    struct error *error = parse_arguments(&parser);
    if (!error && !options->wants_help)
        error = fill_absent(&parser);
    if (!error && !options->wants_help)
        error = check_required(&parser);
    if (!error && !options->wants_help)
        error = check_positional(&parser);
    if (error)
        options_free(options);
    else
        *out = options;
    return error;
}
