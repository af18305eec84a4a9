#include "base/file.h"
#include "base/memory.h"
#include "commands/command.h"
#include "metrics/rename.h"

#include <stdio.h>
#include <string.h>

/* One line for each standard name: the source taken, or why there is none. */
static void report(const struct mapping *mapping, const struct rename_choice *choices,
                   struct buffer *out) {
    for (size_t i = 0; i < mapping_family_count(mapping); i++) {
        const char *name = mapping_family_name(mapping, i);
        if (choices[i].outcome == RENAME_TAKEN) {
            buffer_format(out, "%s: taken from %s\n", name,
                          mapping_alternative_name(mapping, i, choices[i].alternative));
            continue;
        }
        if (choices[i].outcome == RENAME_EXPOSED) {
            buffer_format(out, "%s: not made, the engine exposes it itself\n", name);
            continue;
        }
        buffer_format(out, "%s: not made, the page has no matching samples of ", name);
        const char *source;
        for (size_t j = 0; (source = mapping_alternative_name(mapping, i, j)); j++)
            buffer_format(out, "%s%s", j ? ", " : "", source);
        buffer_byte(out, '\n');
    }
}

static void filter(const struct options *options, const struct mapping *mapping,
                   const struct buffer *page, struct buffer *out) {
    struct buffer families = {0};
    struct rename_result result;
    struct rename_choice *choices = memory_zero(mapping_family_count(mapping), sizeof *choices);
    rename_page(mapping, page->data, page->length, &families, &result, choices);
    if (options_flag(options, "why")) {
        report(mapping, choices, out);
        if (result.unparsed)
            buffer_format(out, "%zu of %zu lines are no exposition and pass through\n",
                          result.unparsed, result.lines);
    } else {
        if (!options_flag(options, "only")) {
            buffer_append(out, page->data, result.body);
            if (result.body && page->data[result.body - 1] != '\n')
                buffer_byte(out, '\n');
        }
        buffer_append(out, families.data, families.length);
        if (result.open_metrics)
            buffer_string(out, "# EOF\n");
    }
    memory_free(choices);
    buffer_free(&families);
}

static struct error *find_engine(const struct options *options, const struct generation *generation,
                                 const struct buffer *page, const struct engine **engine) {
    const char *name = options_string(options, "engine");
    if (strcmp(name, "auto") == 0) {
        *engine = generation_detect(generation, page->data, page->length);
        return *engine ? NULL
                       : error_new(ERROR_NOT_FOUND, NULL,
                                   "could not recognise the engine by its page; name it with "
                                   "--engine");
    }
    *engine = generation_engine(generation, name);
    return *engine ? NULL : generation_unknown_engine(generation, name);
}

static struct error *run(const struct options *options, int *status) {
    (void)status;
    const char *const *files;
    size_t count = options_positional(options, &files);
    struct paths paths = {0};
    struct generation *generation = NULL;
    struct buffer page = {0}, out = {0};
    const struct engine *engine = NULL;
    struct error *error = paths_find(&paths);
    if (!error)
        error = command_load_rules(options, &paths, command_variables(options), &generation);
    if (!error)
        error = file_read(count && strcmp(files[0], "-") != 0 ? files[0] : "/dev/stdin",
                          options_bytes(options, "max-page-bytes"), &page);
    if (!error)
        error = find_engine(options, generation, &page, &engine);
    if (!error) {
        filter(options, engine->mapping, &page, &out);
        error = command_print(&out);
    }
    buffer_free(&out);
    buffer_free(&page);
    generation_unref(generation);
    paths_free(&paths);
    return error;
}

static const struct option_spec metrics_options[] = {
    {.name = "engine",
     .short_name = 'E',
     .value = "NAME",
     .type = OPTION_STRING,
     .environment = "KTHENA_ENGINE",
     .required = true,
     .help = "engine whose rules apply, or auto"},
    {.name = "only", .type = OPTION_FLAG, .help = "print the standard families alone"},
    {.name = "why",
     .type = OPTION_FLAG,
     .help = "print, for every standard name, the source taken or why there is none"},
    OPTION_RULES,
    OPTION_POD(false),
    OPTION_MODEL(false),
    {.name = "max-page-bytes",
     .value = "SIZE",
     .type = OPTION_BYTES,
     .environment = "KTHENA_MAX_PAGE_BYTES",
     .fallback = "64MiB",
     .help = "refuse a larger page"},
};

const struct command metrics_command = {
    .spec = {.name = "metrics",
             .summary = "rename a page from a file or standard input",
             .usage = "[FILE]",
             .description =
                 "Reads an engine's metrics page from FILE, or from standard input, and prints "
                 "what the server would answer: the page untouched, then the standard families "
                 "the rules make of it. The inner loop of writing a rule file.",
             .examples =
                 "curl -s localhost:8000/metrics | kthena-runtime metrics --engine auto --only\n"
                 "kthena-runtime metrics --engine acme --rules ./my-rules --why page.prom",
             .options = metrics_options,
             .option_count = sizeof metrics_options / sizeof *metrics_options,
             .positional_max = 1},
    .run = run,
};
