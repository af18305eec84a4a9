/*
 * The subcommands. Each commands/NAME.c describes one on the command line and runs it; main.c finds
 * the one that was asked for, parses its options and turns its result into the process's exit
 * status. A command prints what it was asked for on standard output and its errors on standard
 * error.
 */
#ifndef KTHENA_COMMANDS_COMMAND_H
#define KTHENA_COMMANDS_COMMAND_H

#include "base/error.h"
#include "base/options.h"
#include "policy/generation.h"
#include "policy/paths.h"

/* Exit statuses of every command. */
enum { EXIT_OK = 0, EXIT_FAILED = 1, EXIT_MISUSE = 2 };

struct command {
    struct command_spec spec;
    /* Runs with parsed options. Sets *status, EXIT_OK before the call. An error is printed by main:
     * ERROR_INVALID means misuse, any other kind a failure. */
    struct error *(*run)(const struct options *options, int *status);
};

extern const struct command serve_command;
extern const struct command metrics_command;
extern const struct command rules_command;
extern const struct command test_command;
extern const struct command demo_engine_command;
extern const struct command version_command;

/* Options that several commands share. */
#define OPTION_RULES                                                                               \
    {                                                                                              \
        .name = "rules", .value = "DIR", .type = OPTION_LIST, .environment = "KTHENA_RULES",       \
        .help = "directory of rule files, over the built-in ones (those can be moved with "        \
                "KTHENA_RULES_DIR); later ones win"                                                \
    }
#define OPTION_POD(is_required)                                                                    \
    {                                                                                              \
        .name = "pod", .short_name = 'I', .value = "NAME", .type = OPTION_STRING,                  \
        .environment = "KTHENA_POD", .required = (is_required),                                    \
        .help = "this pod, as pod.namespace; $pod in rules"                                        \
    }
#define OPTION_MODEL(is_required)                                                                  \
    {                                                                                              \
        .name = "model", .short_name = 'N', .value = "NAME", .type = OPTION_STRING,                \
        .environment = "KTHENA_MODEL", .required = (is_required),                                  \
        .help = "the model the engine serves; $model in rules"                                     \
    }

/* Where rules come from according to --rules, --pod and --model. paths must be found, and outlive
 * the result. */
struct rule_sources command_rule_sources(const struct options *options, const struct paths *paths);

/* Loads the rules once. On ERROR_POLICY every problem has been printed on standard error. */
struct error *command_load_rules(const struct options *options, const struct paths *paths,
                                 struct generation **out) __attribute__((warn_unused_result));

/* Writes a buffer to standard output. */
struct error *command_print(const struct buffer *text) __attribute__((warn_unused_result));

#endif
