/*
 * Rule files: any bytes, loaded as the only rule file there is, give a generation or problems that
 * name the file. They never crash the process, and never keep it longer than the budget allows.
 */
#include "policy/generation.h"

#include "base/clock.h"
#include "fuzz.h"

#define FILE_NAME "rules/engines/fuzz.lua"
#define BUDGET_SECONDS 0.1

/* How much longer than its budget a load may take, on a busy machine and with sanitizers. */
enum { SLACK_MS = 8000 };

static void check_problems(const struct problems *problems) {
    must(problems->count > 0);
    for (size_t i = 0; i < problems->count; i++)
        must(problems->list[i].text && *problems->list[i].text);
}

static void check_generation(const struct generation *generation) {
    must(generation_engine_count(generation) == 1);
    const struct engine *engine = generation_engine_at(generation, 0);
    must(engine->name && engine->mapping && engine->effective);
    must(generation_engine(generation, engine->name) == engine);
    for (size_t i = 0; i < mapping_family_count(engine->mapping); i++)
        must(*mapping_family_name(engine->mapping, i));
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
