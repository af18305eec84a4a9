#include "policy/loader.h"

#include "api/api.h"
#include "base/memory.h"
#include "policy/guard.h"
#include "policy/loader_private.h"

#include <string.h>

enum { DEFAULT_BUDGET_SECONDS = 1, PROBLEMS_MAX = 100, METHODS_MAX = 64 };

static const char OUTCOME[] = "host.outcome";

/* What Lua holds of a load: a userdata whose methods take the results. */
struct outcome {
    struct load *load; /* NULL once the load is over */
};

struct load *load_of(lua_State *lua) {
    struct outcome *outcome = luaL_checkudata(lua, 1, OUTCOME);
    luaL_argcheck(lua, outcome->load, 1, "the load is over");
    return outcome->load;
}

/* Where a rule keeps its file. */
static const struct rule_file **file_of(struct rule *rule) {
    switch (rule->kind) {
    case RULE_ENGINE:
        return &rule->as.engine.file;
    case RULE_SOURCE:
        return &rule->as.source.file;
    default:
        return &rule->as.workflow.file;
    }
}

struct rule *load_rule(lua_State *lua, enum rule_kind kind) {
    struct load *load = load_of(lua);
    luaL_argcheck(lua, load->rule->kind == RULE_ANY || load->rule->kind == kind, 1,
                  "the rule is of another kind");
    if (load->rule->kind == RULE_ANY) {
        load->rule->kind = kind;
        *file_of(load->rule) = load->file;
    }
    return load->rule;
}

void load_replace(char **field, const char *text) {
    memory_free(*field);
    *field = memory_string(text);
}

void load_append(char ***list, size_t *count, const char *text) {
    *list = memory_resize(*list, (*count + 1) * sizeof **list);
    (*list)[(*count)++] = memory_string(text);
}

void load_free_list(char **list, size_t count) {
    for (size_t i = 0; i < count; i++)
        memory_free(list[i]);
    memory_free(list);
}

/* outcome:problem(key or nil, message) */
static int take_problem(lua_State *lua) {
    struct load *load = load_of(lua);
    const char *key = luaL_optstring(lua, 2, "");
    const char *message = luaL_checkstring(lua, 3);
    if (load->problem_count++ < PROBLEMS_MAX)
        problems_add(load->problems, load->file->display, "%s%s%s", key, *key ? ": " : "", message);
    return 0;
}

/* outcome:effective(json), once its kind is known */
static int take_effective(lua_State *lua) {
    struct rule *rule = load_of(lua)->rule;
    const char *json = api_text(lua, 2);
    luaL_argcheck(lua, rule->kind != RULE_ANY, 1, "the rule is of no kind yet");
    if (rule->kind == RULE_ENGINE)
        load_replace(&rule->as.engine.effective, json);
    else if (rule->kind == RULE_SOURCE)
        load_replace(&rule->as.source.effective, json);
    else
        load_replace(&rule->as.workflow.effective, json);
    return 0;
}

static int collect(lua_State *lua) {
    struct outcome *outcome = luaL_checkudata(lua, 1, OUTCOME);
    outcome->load = NULL;
    return 0;
}

static struct outcome *push_outcome(lua_State *lua, struct load *load) {
    static const luaL_Reg common[] = {
        {"problem", take_problem}, {"effective", take_effective}, {NULL, NULL}};
    const luaL_Reg *const parts[] = {common, load_engine_methods, load_source_methods,
                                     load_workflow_methods};
    luaL_Reg methods[METHODS_MAX] = {{NULL, NULL}};
    size_t count = 0;
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        for (const luaL_Reg *method = parts[i]; method->name && count < METHODS_MAX - 1; method++)
            methods[count++] = *method;
    struct outcome *outcome = lua_newuserdata(lua, sizeof *outcome);
    outcome->load = load;
    api_handle(lua, OUTCOME, methods, collect);
    lua_setmetatable(lua, -2);
    return outcome;
}

static void set_field(lua_State *lua, const char *name, const char *text) {
    lua_pushstring(lua, text);
    lua_setfield(lua, -2, name);
}

/* What rules.lua is told of a file: texts only. */
static void push_file(lua_State *lua, const struct load *load) {
    const struct rule_file *file = load->file;
    char chunk[GUARD_CHUNK_SIZE];
    guard_chunk(file->display, chunk);
    lua_newtable(lua);
    lua_pushlstring(lua, file->text, file->length);
    lua_setfield(lua, -2, "text");
    set_field(lua, "chunk", chunk);
    set_field(lua, "path", file->display);
    set_field(lua, "kind", rule_kind_name(file->kind));
    set_field(lua, "replaces", file->replaces);
    set_field(lua, "pod", load->variables->pod);
    set_field(lua, "model", load->variables->model);
}

static bool is_complete(const struct rule *rule) {
    switch (rule->kind) {
    case RULE_ENGINE:
        return load_engine_complete(&rule->as.engine);
    case RULE_SOURCE:
        return load_source_complete(&rule->as.source);
    case RULE_WORKFLOW:
        return load_workflow_complete(&rule->as.workflow);
    default:
        return false;
    }
}

/* require("kthena.rules").load_file(file, outcome) */
static int load_file(lua_State *lua) {
    struct load *load = lua_touserdata(lua, 1);
    lua_getglobal(lua, "require");
    lua_pushliteral(lua, "kthena.rules");
    lua_call(lua, 1, 1);
    lua_getfield(lua, -1, "load_file");
    push_file(lua, load);
    struct outcome *outcome = push_outcome(lua, load);
    lua_pushvalue(lua, -1);
    lua_insert(lua, 2); /* keeps it alive below the call */
    lua_call(lua, 2, 0);
    outcome->load = NULL;
    if (load->problem_count == 0 && !is_complete(load->rule))
        return luaL_error(lua, "the rule library returned nothing for this file");
    return 0;
}

bool loader_file(struct state *state, const struct rule_file *file,
                 const struct rule_sources *sources, struct rule *out, struct problems *problems) {
    const struct rule_limits *limits = &sources->limits;
    double budget = limits->budget_seconds > 0 ? limits->budget_seconds : DEFAULT_BUDGET_SECONDS;
    struct load load = {
        .file = file,
        .variables = &sources->variables,
        .rule = out,
        .problems = problems,
    };
    *out = (struct rule){.kind = RULE_ANY};
    struct error *error = guard_call(state, file->display, budget, load_file, &load);
    if (load.problem_count > PROBLEMS_MAX)
        problems_add(problems, file->display, "%zu more problems",
                     load.problem_count - PROBLEMS_MAX);
    if (error) {
        char *text = error_text(error);
        problems_add_text(problems, file->display, text);
        memory_free(text);
        error_free(error);
        return false;
    }
    return load.problem_count == 0;
}

const char *loader_name(const struct rule *rule) {
    const char *name = rule->kind == RULE_ENGINE     ? rule->as.engine.name
                       : rule->kind == RULE_SOURCE   ? rule->as.source.name
                       : rule->kind == RULE_WORKFLOW ? rule->as.workflow.name
                                                     : NULL;
    return name ? name : "";
}

void loader_free(struct rule *rule) {
    if (rule->kind == RULE_ENGINE)
        load_engine_free(&rule->as.engine);
    else if (rule->kind == RULE_SOURCE)
        load_source_free(&rule->as.source);
    else if (rule->kind == RULE_WORKFLOW)
        load_workflow_free(&rule->as.workflow);
    *rule = (struct rule){.kind = RULE_ANY};
}
