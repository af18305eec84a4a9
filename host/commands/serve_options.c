#include "commands/serve_options.h"

#include "base/memory.h"

#include <stdlib.h>
#include <string.h>

/* What the rules are read with. Everything else passes. */
static const struct option_spec early_options[] = {
    OPTION_RULES,
    OPTION_POD(false),
    OPTION_MODEL(false),
};
static const struct command_spec early_spec = {
    .name = "serve",
    .options = early_options,
    .option_count = sizeof early_options / sizeof *early_options,
    .positional_max = -1,
    .pass_unknown = true,
};

/* Builds the first generation, if that can be done. What is wrong is told when the rules are loaded
 * again, or when the command line is wrong too, perhaps for want of a flag that they declare. */
static void read_rules(struct serve_options *out, int count, char **arguments) {
    struct problems problems = {0};
    struct error *error = options_parse(&early_spec, count, arguments, &out->early);
    out->missing = paths_find(&out->paths);
    if (!error && !out->missing) {
        out->sources = command_rule_sources(out->early, &out->paths);
        out->sources.variables = command_variables(out->early);
        out->generation =
            generation_build(snapshot_read(&out->sources.layers), &out->sources, 1, &problems);
    }
    if (!out->generation && problems.count > 0)
        out->problem = memory_string(problems.list[0].text);
    problems_free(&problems);
    error_free(error);
}

static enum option_type type_of(enum setting_type type) {
    switch (type) {
    case SETTING_INTEGER:
        return OPTION_INTEGER;
    case SETTING_SECONDS:
        return OPTION_SECONDS;
    case SETTING_BOOLEAN:
        return OPTION_FLAG;
    case SETTING_LIST:
        return OPTION_LIST;
    case SETTING_STRING:
    case SETTING_NUMBER:
    case SETTING_FILE:
    case SETTING_SECRET:
        break;
    }
    return OPTION_STRING;
}

static const char *value_name(enum setting_type type) {
    static const char *const names[] = {
        [SETTING_STRING] = "TEXT",     [SETTING_INTEGER] = "N",    [SETTING_NUMBER] = "NUMBER",
        [SETTING_SECONDS] = "SECONDS", [SETTING_BOOLEAN] = NULL,   [SETTING_LIST] = "TEXT",
        [SETTING_FILE] = "FILE",       [SETTING_SECRET] = "SECRET"};
    return names[type];
}

static bool is_own(const struct command_spec *own, const char *flag) {
    for (size_t i = 0; i < own->option_count; i++)
        if (strcmp(own->options[i].name, flag) == 0)
            return true;
    return strcmp(flag, "help") == 0;
}

/* Own options first, then one for each setting that has a flag. */
static struct error *add_options(const struct command_spec *own, const struct setting **settings,
                                 size_t count, struct serve_options *out) {
    out->spec = *own;
    out->list = memory_zero(own->option_count + count, sizeof *out->list);
    memcpy(out->list, own->options, own->option_count * sizeof *out->list);
    for (size_t i = 0; i < count; i++) {
        const struct setting *setting = settings[i];
        if (!setting->flag)
            continue;
        if (is_own(own, setting->flag))
            return error_new(ERROR_INVALID, NULL,
                             "the rules' setting '%s' wants the flag --%s, which is serve's own; "
                             "give it another",
                             setting->name, setting->flag);
        out->list[out->spec.option_count++] = (struct option_spec){
            .name = setting->flag,
            .value = value_name(setting->type),
            .type = type_of(setting->type),
            .environment = setting->env,
            .fallback = setting->fallback,
            .help = setting->help,
        };
    }
    out->spec.options = out->list;
    return NULL;
}

/* What a setting's flag or variable says; a list's items are separated by commas. */
static char *text_of(const struct options *options, const struct setting *setting) {
    if (!setting->flag) {
        const char *text = setting->env ? getenv(setting->env) : NULL;
        return text && *text ? memory_string(text) : NULL;
    }
    if (!options_given(options, setting->flag))
        return NULL;
    if (setting->type == SETTING_BOOLEAN)
        return memory_string(options_flag(options, setting->flag) ? "true" : "false");
    if (setting->type != SETTING_LIST)
        return memory_string(options_string(options, setting->flag));
    struct buffer joined = {0};
    const char *const *items;
    size_t count = options_list(options, setting->flag, &items);
    for (size_t i = 0; i < count; i++)
        buffer_format(&joined, "%s%s", i ? "," : "", items[i]);
    char *text = memory_string(buffer_text(&joined));
    buffer_free(&joined);
    return text;
}

static void take_values(const struct setting **settings, size_t count, struct serve_options *out) {
    out->values = memory_zero(count, sizeof *out->values);
    for (size_t i = 0; i < count; i++)
        out->values[out->value_count++] = (struct setting_value){
            .name = memory_string(settings[i]->name),
            .text = text_of(out->options, settings[i]),
        };
}

struct error *serve_options_read(const struct command_spec *own, int count, char **arguments,
                                 struct serve_options *out) {
    const struct setting **settings = NULL;
    *out = (struct serve_options){0};
    read_rules(out, count, arguments);
    size_t setting_count = out->generation ? generation_settings(out->generation, &settings) : 0;
    struct error *error = add_options(own, settings, setting_count, out);
    if (!error)
        error = options_parse(&out->spec, count, arguments, &out->options);
    if (error && out->problem)
        error = error_new(ERROR_INVALID, error,
                          "could not load the rules (%s), so the flags they declare are not known",
                          out->problem);
    if (!error && out->missing && !options_wants_help(out->options)) {
        error = out->missing;
        out->missing = NULL;
    }
    if (!error)
        take_values(settings, setting_count, out);
    memory_free(settings);
    if (error)
        serve_options_free(out);
    return error;
}

void serve_options_free(struct serve_options *options) {
    for (size_t i = 0; i < options->value_count; i++) {
        char *text = (char *)options->values[i].text;
        if (text)
            explicit_bzero(text, strlen(text));
        memory_free(text);
        memory_free((char *)options->values[i].name);
    }
    memory_free(options->values);
    options_free(options->options);
    memory_free(options->list);
    generation_unref(options->generation);
    options_free(options->early);
    paths_free(&options->paths);
    error_free(options->missing);
    memory_free(options->problem);
    *options = (struct serve_options){0};
}
