/* What a runner can be asked for, and how each is put to Lua. */
#include "api/api.h"
#include "base/memory.h"
#include "policy/guard.h"
#include "policy/params.h"
#include "policy/runner_internal.h"

#include <cjson/cJSON.h>

static void set_text(lua_State *lua, const char *name, const char *text) {
    lua_pushstring(lua, text);
    lua_setfield(lua, -2, name);
}

static void set_list(lua_State *lua, const char *name, const char *const *items, size_t count) {
    lua_createtable(lua, (int)count, 0);
    for (size_t i = 0; i < count; i++) {
        lua_pushstring(lua, items[i]);
        lua_rawseti(lua, -2, (int)i + 1);
    }
    lua_setfield(lua, -2, name);
}

/* Pushes a configuration; text that is none is the caller's mistake, reported like a rule's. */
static void push_config(lua_State *lua, const char *json) {
    struct error *error = api_push_config(lua, json);
    if (error) {
        api_push_error(lua, error);
        lua_error(lua);
    }
}

/* { source, directory, foreign, workers, include, exclude, config } */
static void push_request(lua_State *lua, const struct runner_call *call) {
    const struct download_request *request = call->request;
    lua_newtable(lua);
    set_text(lua, "source", request->source);
    set_text(lua, "directory", request->directory);
    set_list(lua, "include", request->include, request->include_count);
    set_list(lua, "exclude", request->exclude, request->exclude_count);
    lua_pushboolean(lua, request->foreign);
    lua_setfield(lua, -2, "foreign");
    lua_pushinteger(lua, request->max_workers);
    lua_setfield(lua, -2, "workers");
    if (request->config) {
        push_config(lua, request->config);
        lua_setfield(lua, -2, "config");
    }
}

/* The rule file, the parameters as JSON, and the configurations by name. */
static void push_workflow(lua_State *lua, const struct runner_call *call) {
    const struct rule_file *file = call->workflow->file;
    char chunk[GUARD_CHUNK_SIZE];
    guard_chunk(file->display, chunk);
    lua_newtable(lua);
    lua_pushlstring(lua, file->text, file->length);
    lua_setfield(lua, -2, "text");
    set_text(lua, "chunk", chunk);
    set_text(lua, "path", file->display);
    lua_pushstring(lua, call->params);
    lua_newtable(lua);
    for (size_t i = 0; i < call->secret_count; i++) {
        push_config(lua, call->secrets[i].json);
        lua_setfield(lua, -2, call->secrets[i].name);
    }
}

/* Whether the configuration is one, before a rule file is opened for it. */
static struct error *check_config(const char *json) {
    cJSON *parsed = NULL;
    if (!json)
        return NULL;
    struct error *error = params_parse("config", json, strlen(json), &parsed);
    if (!error && !cJSON_IsObject(parsed))
        error = error_new(ERROR_INVALID, NULL,
                          "config: expected a JSON object such as {\"endpoint\": \"https://...\"}");
    cJSON_Delete(parsed);
    return error;
}

static struct error *call_source(struct runner *runner, struct generation *generation,
                                 struct runner_call *call) {
    const struct source *source;
    struct error *error = generation_source_of(generation, call->request->source, &source);
    if (!error)
        error = check_config(call->request->config);
    if (error)
        return error;
    call->display = source->file->display;
    call->push = push_request;
    return runner_call(runner, generation, call);
}

struct error *runner_download(struct runner *runner, struct generation *generation,
                              const struct download_request *request, struct progress *progress,
                              const atomic_bool *cancel, struct buffer *result) {
    struct runner_call call = {
        .entry = "download",
        .request = request,
        .progress = progress,
        .cancel = cancel,
        .result = result,
    };
    return call_source(runner, generation, &call);
}

struct error *runner_plan(struct runner *runner, struct generation *generation,
                          const struct download_request *request, const atomic_bool *cancel,
                          struct buffer *result) {
    struct progress progress;
    struct runner_call call = {
        .entry = "plan",
        .request = request,
        .progress = &progress,
        .cancel = cancel,
        .result = result,
    };
    progress_init(&progress);
    struct error *error = call_source(runner, generation, &call);
    progress_destroy(&progress);
    return error;
}

static void wipe(char *text) {
    if (text)
        explicit_bzero(text, strlen(text));
    memory_free(text);
}

/* Takes the configurations out of the parameters: they hold secrets, and Lua gets them as handles
 * only. The caller frees the list. */
static struct runner_secret *take_secrets(const struct workflow *workflow, cJSON *params,
                                          size_t *count) {
    struct runner_secret *secrets = memory_zero(workflow->param_count + 1, sizeof *secrets);
    *count = 0;
    for (size_t i = 0; i < workflow->param_count; i++) {
        const struct param *param = &workflow->params[i];
        cJSON *value = param->type == PARAM_CONFIG
                           ? cJSON_DetachItemFromObjectCaseSensitive(params, param->name)
                           : NULL;
        if (cJSON_IsObject(value)) {
            char *text = cJSON_PrintUnformatted(value);
            secrets[*count].name = param->name;
            secrets[(*count)++].json = memory_string(text ? text : "{}");
            cJSON_free(text);
        }
        cJSON_Delete(value);
    }
    return secrets;
}

struct error *runner_workflow(struct runner *runner, struct generation *generation,
                              const struct workflow *workflow, const char *params,
                              const char *trigger, struct job *job, struct buffer *result) {
    cJSON *parsed = NULL;
    struct error *error = params_parse("the parameters", params, strlen(params), &parsed);
    if (error)
        return error;
    struct runner_call call = {
        .display = workflow->file->display,
        .entry = "workflow",
        .push = push_workflow,
        .workflow = workflow,
        .trigger = trigger,
        .progress = job_progress(job),
        .job = job,
        .cancel = job_cancel_flag(job),
        .result = result,
    };
    struct runner_secret *secrets = take_secrets(workflow, parsed, &call.secret_count);
    char *rest = cJSON_PrintUnformatted(parsed);
    call.params = rest ? rest : "{}";
    call.secrets = secrets;
    error = runner_call(runner, generation, &call);
    if (!error && call.status)
        job_set_status(job, call.status);
    for (size_t i = 0; i < call.secret_count; i++)
        wipe(secrets[i].json);
    memory_free(secrets);
    cJSON_free(rest);
    cJSON_Delete(parsed);
    return error;
}
