/*
 * The subcommands. Each commands/NAME.c describes one on the command line and runs it; main.c finds
 * the one that was asked for, parses its options and turns its result into the process's exit
 * status. A command prints what it was asked for on standard output and its errors on standard
 * error.
 */
#ifndef KTHENA_COMMANDS_COMMAND_H
#define KTHENA_COMMANDS_COMMAND_H

#include "base/error.h"
#include "base/log.h"
#include "base/options.h"
#include "policy/generation.h"
#include "policy/paths.h"
#include "transfer/download.h"

/* Exit statuses of every command. */
enum { EXIT_OK = 0, EXIT_FAILED = 1, EXIT_MISUSE = 2, EXIT_INTERRUPTED = 130 };

struct command {
    struct command_spec spec;
    /* Runs with parsed options. Sets *status, EXIT_OK before the call. An error is printed by main:
     * ERROR_INVALID means misuse, any other kind a failure. */
    struct error *(*run)(const struct options *options, int *status);
    /* In its place, for a command that finds its options out itself: parses the arguments, helps,
     * runs. */
    struct error *(*start)(int count, char **arguments, int *status);
};

extern const struct command serve_command;
extern const struct command download_command;
extern const struct command verify_command;
extern const struct command call_command;
extern const struct command status_command;
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

#define OPTION_CA_FILE                                                                             \
    {                                                                                              \
        .name = "ca-file", .value = "FILE", .type = OPTION_STRING,                                 \
        .environment = "KTHENA_CA_FILE",                                                           \
        .help = "trust these authorities (PEM) instead of the system's when downloading; "         \
                "SSL_CERT_FILE and AWS_CA_BUNDLE are understood too"                               \
    }
#define OPTION_MAX_ATTEMPTS                                                                        \
    {                                                                                              \
        .name = "max-attempts", .value = "N", .type = OPTION_INTEGER,                              \
        .environment = "KTHENA_MAX_ATTEMPTS", .fallback = "5",                                     \
        .help = "tries of each range of a download that bring nothing"                             \
    }
#define OPTION_STALL_SECONDS                                                                       \
    {                                                                                              \
        .name = "stall-seconds", .value = "SECONDS", .type = OPTION_SECONDS,                       \
        .environment = "KTHENA_STALL_SECONDS", .fallback = "60",                                   \
        .help = "cut a connection of a download that brings nothing for so long, and try again"    \
    }
#define OPTION_LIMIT_RATE                                                                          \
    {                                                                                              \
        .name = "limit-rate", .value = "SIZE", .type = OPTION_BYTES,                               \
        .environment = "KTHENA_LIMIT_RATE",                                                        \
        .help = "bytes a second of a download, over all its connections"                           \
    }
#define OPTION_INSECURE                                                                            \
    {                                                                                              \
        .name = "insecure", .type = OPTION_FLAG, .environment = "KTHENA_INSECURE",                 \
        .help = "do not check the certificates of download sources"                                \
    }
#define OPTION_LOG_LEVEL                                                                           \
    {                                                                                              \
        .name = "log-level", .type = OPTION_CHOICE, .environment = "KTHENA_LOG_LEVEL",             \
        .fallback = "info", .choices = LOG_LEVEL_CHOICES, .help = "least level that is logged"     \
    }
#define OPTION_LOG_FORMAT                                                                          \
    {                                                                                              \
        .name = "log-format", .type = OPTION_CHOICE, .environment = "KTHENA_LOG_FORMAT",           \
        .fallback = "text", .choices = LOG_FORMAT_CHOICES,                                         \
        .help = "log lines for people or for machines"                                             \
    }
enum { COMMAND_WORKERS_MAX = 256 }; /* of --max-workers */

/* Sets the log up as --log-level and --log-format say. */
void command_configure_log(const struct options *options);

/* How to download by --max-attempts, --stall-seconds, --limit-rate, --ca-file, --insecure and the
 * environment; warns of --insecure. */
struct error *command_download_config(const struct options *options, struct download_config *out)
    __attribute__((warn_unused_result));

/* Where rules come from according to --rules, without variables. paths must be found, and outlive
 * the result. */
struct rule_sources command_rule_sources(const struct options *options, const struct paths *paths);

/* What --pod and --model say. */
struct rule_variables command_variables(const struct options *options);

/* Loads the rules once. On ERROR_POLICY every problem has been printed on standard error. */
struct error *command_load_rules(const struct options *options, const struct paths *paths,
                                 struct rule_variables variables, struct generation **out)
    __attribute__((warn_unused_result));

/* Prints the help of a command. */
struct error *command_help(const struct command_spec *spec) __attribute__((warn_unused_result));

/* Writes a buffer to standard output. */
struct error *command_print(const struct buffer *text) __attribute__((warn_unused_result));

#endif
