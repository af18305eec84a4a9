#include "base/memory.h"
#include "base/text.h"
#include "commands/command.h"
#include "policy/check.h"

#include <stdio.h>
#include <string.h>

static struct error *check(const struct options *options, const struct paths *paths,
                           const char *const *directories, size_t count, int *status) {
    struct rule_sources sources = command_rule_sources(options, paths);
    if (count) {
        sources.layers.directories = directories;
        sources.layers.count = count;
    }
    struct buffer text = {0};
    size_t problems = 0, files = 0;
    rules_check(&sources, &text, &problems, &files);
    if (problems || files == 0)
        *status = EXIT_FAILED;
    if (files == 0 && problems == 0)
        buffer_string(&text, "no rule file to check: a directory needs NAME.lua or "
                             "engines/NAME.lua\n");
    else if (problems == 0)
        buffer_format(&text, "%zu rule file%s, no problems\n", files, files == 1 ? "" : "s");
    struct error *error = command_print(&text);
    buffer_free(&text);
    return error;
}

static struct error *explain(const struct options *options, const struct paths *paths) {
    const char *name = options_string(options, "engine");
    if (!name)
        return error_new(ERROR_INVALID, NULL,
                         "rules explain needs --engine NAME; see 'kthena-runtime rules --help'");
    struct generation *generation = NULL;
    struct error *error = command_load_rules(options, paths, &generation);
    if (error)
        return error;
    const struct engine *engine = generation_engine(generation, name);
    struct buffer text = {0};
    if (engine) {
        generation_indent(engine->effective, &text);
        error = command_print(&text);
    } else {
        error = generation_unknown_engine(generation, name);
    }
    buffer_free(&text);
    generation_unref(generation);
    return error;
}

static struct error *unknown_action(const char *word) {
    static const char *const actions[] = {"check", "explain"};
    const char *nearest = text_nearest(word, actions, sizeof actions / sizeof *actions);
    return error_new(ERROR_INVALID, NULL,
                     "unknown action '%s'; %s%s%s'rules' knows check and explain", word,
                     nearest ? "did you mean '" : "", nearest ? nearest : "", nearest ? "'? " : "");
}

static struct error *run(const struct options *options, int *status) {
    const char *const *words;
    size_t count = options_positional(options, &words);
    struct paths paths = {0};
    struct error *error = paths_find(&paths);
    if (error)
        return error;
    if (strcmp(words[0], "check") == 0)
        error = check(options, &paths, words + 1, count - 1, status);
    else if (strcmp(words[0], "explain") == 0 && count == 1)
        error = explain(options, &paths);
    else if (strcmp(words[0], "explain") == 0)
        error = error_new(ERROR_INVALID, NULL,
                          "unexpected '%s'; name the engine with --engine, a directory of rules "
                          "with --rules",
                          words[1]);
    else
        error = unknown_action(words[0]);
    paths_free(&paths);
    return error;
}

static const struct option_spec rules_options[] = {
    {.name = "engine",
     .short_name = 'E',
     .value = "NAME",
     .type = OPTION_STRING,
     .environment = "KTHENA_ENGINE",
     .help = "engine to explain"},
    OPTION_RULES,
    OPTION_POD(false),
    OPTION_MODEL(false),
};

const struct command rules_command = {
    .spec = {.name = "rules",
             .summary = "check rule files, or show what they come to",
             .usage = "check [DIR]... | explain --engine NAME",
             .description =
                 "check validates the rule files of each DIR (the built-in ones when none is "
                 "given) as the server would load them, and prints every problem as "
                 "'file: key: message'. Exit status 1 if there is any.\n"
                 "explain prints an engine's effective rules as JSON, with the file they came "
                 "from.",
             .examples = "kthena-runtime rules check ./my-rules\n"
                         "kthena-runtime rules explain --engine NAME\n"
                         "kthena-runtime rules explain --engine acme --rules ./my-rules",
             .options = rules_options,
             .option_count = sizeof rules_options / sizeof *rules_options,
             .positional_min = 1,
             .positional_max = -1},
    .run = run,
};
