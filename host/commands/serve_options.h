/*
 * The options of `serve`: its own, and those that the settings of rules declare. The rules are
 * read before the command line can be, with what it says of --rules, --pod and --model; the
 * generation made for that is the one the server starts with. Used by serve.c, which owns the
 * result.
 */
#ifndef KTHENA_COMMANDS_SERVE_OPTIONS_H
#define KTHENA_COMMANDS_SERVE_OPTIONS_H

#include "commands/command.h"
#include "policy/services.h"

struct serve_options {
    struct command_spec spec; /* with the rules' options, for help */
    struct options *options;
    struct paths paths;
    struct rule_sources sources;
    struct generation *generation; /* NULL when the rules are bad: loading them again tells why */
    struct setting_value *values;  /* of every setting, by name */
    size_t value_count;
    /* The rest is private. */
    struct options *early;
    struct option_spec *list;
    struct error *missing; /* why paths were not found */
    char *problem;         /* the first one of bad rules */
};

/* Reads the command line. ERROR_INVALID for a mistake in it, or for a setting whose flag is one of
 * serve's own. After help was asked for nothing else needs to be there. */
struct error *serve_options_read(const struct command_spec *own, int count, char **arguments,
                                 struct serve_options *out) __attribute__((warn_unused_result));
void serve_options_free(struct serve_options *options);

#endif
