/*
 * The declarative command line. A command describes its flags in a static table; options_parse
 * reads them from the arguments, then from the environment, then from the table's defaults, and
 * options_help prints the same table for people. Used by commands/ and main.c.
 *
 * The caller owns the struct options it receives. Every text and list got from it belongs to it
 * and lives until options_free. Asking for a name that is not in the table is a programming error.
 */
#ifndef KTHENA_BASE_OPTIONS_H
#define KTHENA_BASE_OPTIONS_H

#include "base/buffer.h"
#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum option_type {
    OPTION_FLAG,    /* no value; from the environment, or as --name=false, a truth value */
    OPTION_STRING,  /* any text; the last one given wins, as for all types but the list */
    OPTION_LIST,    /* any texts, repeatable; in the environment separated by commas */
    OPTION_INTEGER, /* a whole number, 64 bits */
    OPTION_SECONDS, /* a duration of at most 1e9 s: 30, 0.5, 30s, 500ms, 2m, 1h */
    OPTION_BYTES,   /* a size: 1048576, 10k = 10KiB = 10240, 10kB = 10000, up to T */
    OPTION_CHOICE,  /* one of the words in choices */
    OPTION_PORT,    /* 0 (any that is free) to 65535 */
};

struct option_spec {
    const char *name;  /* long name without dashes */
    char short_name;   /* 0: none */
    const char *value; /* what help calls the value, "NAME"; NULL: the choices */
    enum option_type type;
    const char *environment; /* variable read when the flag is absent; NULL: none */
    const char *fallback;    /* default, as the user would type it; NULL: none */
    const char *choices;     /* "text|json", for OPTION_CHOICE */
    bool required;
    const char *help;
};

struct command_spec {
    const char *name;
    const char *summary;     /* one line, for the list of commands */
    const char *usage;       /* the positional arguments in the usage line: "[FILE]" or "" */
    const char *description; /* paragraphs separated by newlines, wrapped when printed */
    const char *examples;    /* lines, printed as they are */
    const struct option_spec *options;
    size_t option_count;
    int positional_min;
    int positional_max; /* -1: any number */
    bool pass_unknown;  /* unknown flags are kept, untouched, among the positional arguments */
};

struct options;

/*
 * Parses the arguments that follow the command's name: --name value, --name=value, -n value,
 * -nvalue; "--" ends the flags. An empty variable counts as absent. At --help, -? or -h (unless the
 * command has an h of its own) parsing ends, options_wants_help is true, and nothing is required.
 * ERROR_INVALID names the flag, the variable if the value came from there, the value, what is
 * expected and the nearest valid word. The spec and its texts must outlive *out, which is NULL on
 * error.
 */
struct error *options_parse(const struct command_spec *command, int argc, char **argv,
                            struct options **out) __attribute__((warn_unused_result));

bool options_wants_help(const struct options *options);

/* Whether a flag came from the command line or the environment, and not from its default. */
bool options_given(const struct options *options, const char *name);

/* The text of a value of any type, of a list its last; NULL if absent. */
const char *options_string(const struct options *options, const char *name);

/* The typed value; 0 or false if absent. options_integer also reads ports. */
bool options_flag(const struct options *options, const char *name);
int64_t options_integer(const struct options *options, const char *name);
double options_seconds(const struct options *options, const char *name);
size_t options_bytes(const struct options *options, const char *name);

/* Reads a duration as OPTION_SECONDS takes it. False, and nothing stored, for any other text. */
bool options_read_seconds(const char *text, double *seconds);

/* Stores where the texts are and returns how many. */
size_t options_list(const struct options *options, const char *name, const char *const **values);
size_t options_positional(const struct options *options, const char *const **values);

/* Appends the command's help: usage, description, options and examples, 100 columns at most. */
void options_help(const struct command_spec *command, const char *program, struct buffer *out);

/* NULL is fine. */
void options_free(struct options *options);

#endif
