/*
 * Rule files: any bytes, loaded as the only rule file there is, give a generation or problems that
 * name the file. They never crash the process, and never keep it longer than the budget allows.
 */
#include "policy/generation.h"

#include "base/clock.h"
#include "fuzz.h"

#define FILE_NAME "rules/fuzz.lua"
#define BUDGET_SECONDS 0.1

/* How much longer than its budget a load may take, on a busy machine and with sanitizers. */
enum { SLACK_MS = 8000 };

static void check_problems(const struct problems *problems) {
    must(problems->count > 0);
    for (size_t i = 0; i < problems->count; i++)
        must(problems->list[i].text && *problems->list[i].text);
}

static void check_engine(const struct generation *generation, const struct engine *engine) {
    must(engine->name && engine->mapping && engine->effective);
    must(generation_engine(generation, engine->name) == engine);
    for (size_t i = 0; i < mapping_family_count(engine->mapping); i++)
        must(*mapping_family_name(engine->mapping, i));
}

static void check_source(const struct generation *generation, const struct source *source) {
    const struct source *found = NULL;
    must(*source->name && *source->help && source->effective && source->scheme_count > 0);
    char *uri = memory_format("%s%sx", source->schemes[0], *source->schemes[0] ? "://" : "");
    struct error *error = generation_source_of(generation, uri, &found);
    must(!error && found == source);
    error_free(error);
    memory_free(uri);
}

/* Whether a name is a parameter, or there is none. */
static bool is_parameter(const struct workflow *workflow, const char *name) {
    bool found = name == NULL;
    for (size_t i = 0; i < workflow->param_count; i++)
        found = found || strcmp(workflow->params[i].name, name) == 0;
    return found;
}

static void check_workflow(const struct workflow *workflow) {
    must(*workflow->name && *workflow->summary && workflow->effective);
    must(workflow->method ? *workflow->method && *workflow->path == '/'
                          : workflow->every > 0 || workflow->every_setting || workflow->events);
    must(is_parameter(workflow, workflow->async) && is_parameter(workflow, workflow->exclusive));
    for (size_t i = 0; i < workflow->echo_count; i++)
        must(is_parameter(workflow, workflow->echo[i]));
    for (size_t i = 0; i < workflow->same_count; i++)
        must(is_parameter(workflow, workflow->same[i]));
    for (size_t i = 0; i < workflow->param_count; i++)
        must(!workflow->params[i].required || !workflow->params[i].fallback);
}

static void check_generation(const struct generation *generation) {
    size_t engines = generation_engine_count(generation);
    size_t sources = generation_source_count(generation);
    size_t workflows = generation_workflow_count(generation);
    must(engines + sources + workflows == 1);
    if (engines)
        check_engine(generation, generation_engine_at(generation, 0));
    if (sources)
        check_source(generation, generation_source_at(generation, 0));
    if (workflows)
        check_workflow(generation_workflow_at(generation, 0));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct rule_sources sources = {
        .lua = KTHENA_SOURCE_DIR "/lua",
        .variables = {.pod = "p", .model = "m"},
        .limits = {.memory_bytes = 16 << 20, .budget_seconds = BUDGET_SECONDS}};
    char *text = fuzz_copy(data, size);
    struct problems problems = {0};
    int64_t start = clock_ms();
    struct generation *generation =
        generation_build(snapshot_of(FILE_NAME, text, size), &sources, 1, &problems);
    must(clock_ms() - start < (int64_t)(BUDGET_SECONDS * 1000) + SLACK_MS);
    if (generation)
        check_generation(generation);
    else
        check_problems(&problems);
    generation_unref(generation);
    problems_free(&problems);
    memory_free(text);
    return 0;
}
