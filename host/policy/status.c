/* The state of a rulebook as JSON. */
#include "base/clock.h"
#include "base/json.h"
#include "policy/rulebook.h"

static void write_time(struct json *json, const char *key, double wall) {
    char text[CLOCK_TEXT_SIZE];
    clock_text(wall, text);
    json_key_string(json, key, text);
}

static void write_failure(struct json *json, struct rulebook *rulebook) {
    struct buffer problems = {0};
    double failed_at;
    json_key(json, "failure");
    if (!rulebook_failure(rulebook, &problems, &failed_at)) {
        json_null(json);
        return;
    }
    json_object(json);
    write_time(json, "at", failed_at);
    json_key(json, "problems");
    json_array(json);
    for (size_t at = 0; at < problems.length;) {
        const char *line = problems.data + at;
        size_t length = (size_t)((const char *)memchr(line, '\n', problems.length - at) - line);
        json_text(json, line, length);
        at += length + 1;
    }
    json_end_array(json);
    json_end_object(json);
    buffer_free(&problems);
}

static void write_files(struct json *json, const struct snapshot *snapshot) {
    json_key(json, "files");
    json_array(json);
    for (size_t i = 0; i < snapshot->count; i++) {
        const struct rule_file *file = &snapshot->files[i];
        json_object(json);
        json_key_string(json, "path", file->display);
        json_key_string(json, "layer", file->layer);
        json_key_string(json, "replaces", file->replaces);
        json_end_object(json);
    }
    json_end_array(json);
}

static void write_list(struct json *json, const char *key, char *const *list, size_t count) {
    json_key(json, key);
    json_array(json);
    for (size_t i = 0; i < count; i++)
        json_string(json, list[i]);
    json_end_array(json);
}

static void write_engines(struct json *json, const struct generation *generation) {
    json_key(json, "engines");
    json_array(json);
    for (size_t i = 0; i < generation_engine_count(generation); i++) {
        const struct engine *engine = generation_engine_at(generation, i);
        json_object(json);
        json_key_string(json, "name", engine->name);
        write_list(json, "aliases", engine->aliases, engine->alias_count);
        json_key_string(json, "file", engine->file->display);
        json_end_object(json);
    }
    json_end_array(json);
}

static void write_sources(struct json *json, const struct generation *generation) {
    json_key(json, "sources");
    json_array(json);
    for (size_t i = 0; i < generation_source_count(generation); i++) {
        const struct source *source = generation_source_at(generation, i);
        json_object(json);
        json_key_string(json, "name", source->name);
        write_list(json, "schemes", source->schemes, source->scheme_count);
        json_key_string(json, "file", source->file->display);
        json_end_object(json);
    }
    json_end_array(json);
}

static void write_workflows(struct json *json, const struct generation *generation) {
    json_key(json, "workflows");
    json_array(json);
    for (size_t i = 0; i < generation_workflow_count(generation); i++) {
        const struct workflow *workflow = generation_workflow_at(generation, i);
        json_object(json);
        json_key_string(json, "name", workflow->name);
        json_key_string(json, "method", workflow->method);
        json_key_string(json, "path", workflow->path);
        json_key_string(json, "file", workflow->file->display);
        json_end_object(json);
    }
    json_end_array(json);
}

static void write_mapping(struct json *json, const struct generation *generation,
                          const char *name) {
    const struct engine *engine = name ? generation_engine(generation, name) : NULL;
    json_key(json, "mapping");
    if (engine)
        json_raw(json, engine->effective, strlen(engine->effective));
    else
        json_null(json);
}

void rulebook_status(struct rulebook *rulebook, const char *engine, struct buffer *out) {
    struct json json;
    struct rulebook_counters counters = rulebook_counters(rulebook);
    struct generation *generation = rulebook_generation(rulebook);
    json_begin(&json, out);
    json_object(&json);
    json_key_integer(&json, "generation", (int64_t)generation_number(generation));
    write_time(&json, "loaded_at", generation_loaded_at(generation));
    json_key(&json, "reloads");
    json_object(&json);
    json_key_integer(&json, "succeeded", (int64_t)counters.succeeded);
    json_key_integer(&json, "failed", (int64_t)counters.failed);
    json_end_object(&json);
    write_failure(&json, rulebook);
    write_files(&json, generation_files(generation));
    write_engines(&json, generation);
    write_sources(&json, generation);
    write_workflows(&json, generation);
    write_mapping(&json, generation, engine);
    json_end_object(&json);
    generation_unref(generation);
}
