#include "base/memory.h"
#include "base/text.h"
#include "commands/command.h"
#include "policy/check.h"

#include <stdio.h>
#include <string.h>

static struct error *check(const struct options *options, const struct paths *paths,
                           const char *const *directories, size_t count, int *status) {
    struct rule_sources sources = command_rule_sources(options, paths);
    sources.variables = command_variables(options);
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
        buffer_string(&text, "no rule file to check: a directory needs NAME.lua, "
                             "engines/NAME.lua, sources/NAME.lua or workflows/NAME.lua\n");
    else if (problems == 0)
        buffer_format(&text, "%zu rule file%s, no problems\n", files, files == 1 ? "" : "s");
    struct error *error = command_print(&text);
    buffer_free(&text);
    return error;
}

/* A source or a workflow of a generation; false when there is none at this place. */
static bool rule_at(const struct generation *generation, const char *kind, size_t index,
                    const char **name, const char **effective) {
    if (strcmp(kind, "source") == 0 && index < generation_source_count(generation)) {
        *name = generation_source_at(generation, index)->name;
        *effective = generation_source_at(generation, index)->effective;
        return true;
    }
    if (strcmp(kind, "workflow") == 0 && index < generation_workflow_count(generation)) {
        *name = generation_workflow_at(generation, index)->name;
        *effective = generation_workflow_at(generation, index)->effective;
        return true;
    }
    return false;
}

static struct error *unknown_rule(const struct generation *generation, const char *kind,
                                  const char *name) {
    struct buffer known = {0};
    const char **names = NULL;
    const char *other, *effective;
    size_t count = 0;
    for (; rule_at(generation, kind, count, &other, &effective); count++) {
        names = memory_resize(names, (count + 1) * sizeof *names);
        names[count] = other;
        buffer_format(&known, "%s%s", count ? ", " : "", other);
    }
    const char *nearest = text_nearest(name, names, count);
    struct error *error = error_new(ERROR_INVALID, NULL, "unknown %s '%s'; %s%s%sknown: %s", kind,
                                    name, nearest ? "did you mean '" : "", nearest ? nearest : "",
                                    nearest ? "'? " : "", count ? buffer_text(&known) : "none");
    memory_free(names);
    buffer_free(&known);
    return error;
}

/* Finds the effective rules of what is named. */
static struct error *find(const struct generation *generation, const char *kind, const char *name,
                          const char **effective) {
    if (strcmp(kind, "engine") == 0) {
        const struct engine *engine = generation_engine(generation, name);
        if (!engine)
            return generation_unknown_engine(generation, name);
        *effective = engine->effective;
        return NULL;
    }
    const char *other;
    for (size_t i = 0; rule_at(generation, kind, i, &other, effective); i++)
        if (strcmp(other, name) == 0)
            return NULL;
    return unknown_rule(generation, kind, name);
}

static struct error *explain(const struct options *options, const struct paths *paths) {
    /* An engine may come from the environment, where it is meant for the server: it comes last. */
    static const char *const kinds[] = {"source", "workflow", "engine"};
    size_t kind = 0;
    while (kind < 3 && !options_string(options, kinds[kind]))
        kind++;
    if (kind == 3)
        return error_new(ERROR_INVALID, NULL,
                         "rules explain needs --engine, --source or --workflow NAME; see "
                         "'kthena-runtime rules --help'");
    if (kind == 0 && options_string(options, "workflow"))
        return error_new(ERROR_INVALID, NULL,
                         "--source and --workflow cannot be explained at once; give one of them");
    struct generation *generation = NULL;
    struct error *error =
        command_load_rules(options, paths, command_variables(options), &generation);
    if (error)
        return error;
    struct buffer text = {0};
    const char *effective = NULL;
    error = find(generation, kinds[kind], options_string(options, kinds[kind]), &effective);
    if (!error) {
        generation_indent(effective, &text);
        error = command_print(&text);
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
                          "unexpected '%s'; name what to explain with --engine, --source or "
                          "--workflow, a directory of rules with --rules",
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
    {.name = "source", .value = "NAME", .type = OPTION_STRING, .help = "source to explain"},
    {.name = "workflow", .value = "NAME", .type = OPTION_STRING, .help = "workflow to explain"},
    OPTION_RULES,
    OPTION_POD(false),
    OPTION_MODEL(false),
};

const struct command rules_command = {
    .spec = {.name = "rules",
             .summary = "check rule files, or show what they come to",
             .usage = "check [DIR]... | explain --engine|--source|--workflow NAME",
             .description =
                 "check validates the rule files of each DIR (the built-in ones when none is "
                 "given) as the server would load them, and prints every problem as "
                 "'file: key: message'. Exit status 1 if there is any.\n"
                 "explain prints the effective rules of an engine, a source or a workflow as "
                 "JSON, with the file they came from.",
             .examples = "kthena-runtime rules check ./my-rules\n"
                         "kthena-runtime rules explain --engine NAME\n"
                         "kthena-runtime rules explain --engine acme --rules ./my-rules\n"
                         "kthena-runtime rules explain --source NAME",
             .options = rules_options,
             .option_count = sizeof rules_options / sizeof *rules_options,
             .positional_min = 1,
             .positional_max = -1},
    .run = run,
};
