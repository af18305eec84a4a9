#include "policy/loader.h"

#include "api/api.h"
#include "base/memory.h"
#include "policy/guard.h"

#include <string.h>

enum { DEFAULT_BUDGET_SECONDS = 1, PROBLEMS_MAX = 100 };

static const char OUTCOME[] = "host.outcome";

/* One file while it is loaded. */
struct load {
    const struct rule_file *file;
    const struct rule_variables *variables;
    struct engine *engine;
    struct problems *problems;
    size_t problem_count; /* of this file, more than are kept */
};

/* What Lua holds of a load: a userdata whose methods take the results. */
struct outcome {
    struct load *load; /* NULL once the load is over */
};

static struct load *check(lua_State *lua) {
    struct outcome *outcome = luaL_checkudata(lua, 1, OUTCOME);
    luaL_argcheck(lua, outcome->load, 1, "the load is over");
    return outcome->load;
}

static void append(char ***list, size_t *count, const char *text) {
    *list = memory_resize(*list, (*count + 1) * sizeof **list);
    (*list)[(*count)++] = memory_string(text);
}

static void replace(char **field, const char *text) {
    memory_free(*field);
    *field = memory_string(text);
}

/* outcome:problem(key or nil, message) */
static int take_problem(lua_State *lua) {
    struct load *load = check(lua);
    const char *key = luaL_optstring(lua, 2, "");
    const char *message = luaL_checkstring(lua, 3);
    if (load->problem_count++ < PROBLEMS_MAX)
        problems_add(load->problems, load->file->display, "%s%s%s", key, *key ? ": " : "", message);
    return 0;
}

static int take_engine(lua_State *lua) {
    struct load *load = check(lua);
    replace(&load->engine->name, api_text(lua, 2));
    return 0;
}

static int take_alias(lua_State *lua) {
    struct load *load = check(lua);
    append(&load->engine->aliases, &load->engine->alias_count, api_text(lua, 2));
    return 0;
}

static int take_detect(lua_State *lua) {
    struct load *load = check(lua);
    append(&load->engine->detect, &load->engine->detect_count, api_text(lua, 2));
    return 0;
}

static int take_mapping(lua_State *lua) {
    struct load *load = check(lua);
    struct mapping *mapping = api_mapping(lua, 2);
    mapping_unref(load->engine->mapping);
    load->engine->mapping = mapping_ref(mapping);
    return 0;
}

static int take_effective(lua_State *lua) {
    struct load *load = check(lua);
    replace(&load->engine->effective, api_text(lua, 2));
    return 0;
}

static int collect(lua_State *lua) {
    struct outcome *outcome = luaL_checkudata(lua, 1, OUTCOME);
    outcome->load = NULL;
    return 0;
}

static struct outcome *push_outcome(lua_State *lua, struct load *load) {
    static const luaL_Reg methods[] = {
        {"problem", take_problem},
        {"engine", take_engine},
        {"alias", take_alias},
        {"detect", take_detect},
        {"mapping", take_mapping},
        {"effective", take_effective},
        {NULL, NULL},
    };
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
    set_field(lua, "layer", file->layer);
    set_field(lua, "replaces", file->replaces);
    set_field(lua, "pod", load->variables->pod);
    set_field(lua, "model", load->variables->model);
}

/* require("kthena.rules").load_engine(file, outcome) */
static int load_engine(lua_State *lua) {
    struct load *load = lua_touserdata(lua, 1);
    lua_getglobal(lua, "require");
    lua_pushliteral(lua, "kthena.rules");
    lua_call(lua, 1, 1);
    lua_getfield(lua, -1, "load_engine");
    push_file(lua, load);
    struct outcome *outcome = push_outcome(lua, load);
    lua_pushvalue(lua, -1);
    lua_insert(lua, 2); /* keeps it alive below the call */
    lua_call(lua, 2, 0);
    outcome->load = NULL;
    if (load->problem_count == 0 &&
        !(load->engine->name && load->engine->mapping && load->engine->effective))
        return luaL_error(lua, "the rule library returned nothing for this file");
    return 0;
}

bool loader_engine(struct state *state, const struct rule_file *file,
                   const struct rule_sources *sources, struct engine *out,
                   struct problems *problems) {
    const struct rule_limits *limits = &sources->limits;
    double budget = limits->budget_seconds > 0 ? limits->budget_seconds : DEFAULT_BUDGET_SECONDS;
    struct load load = {
        .file = file,
        .variables = &sources->variables,
        .engine = out,
        .problems = problems,
    };
    *out = (struct engine){.file = file};
    struct error *error = guard_call(state, file->display, budget, load_engine, &load);
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

static void free_list(char **list, size_t count) {
    for (size_t i = 0; i < count; i++)
        memory_free(list[i]);
    memory_free(list);
}

void loader_engine_free(struct engine *engine) {
    memory_free(engine->name);
    free_list(engine->aliases, engine->alias_count);
    free_list(engine->detect, engine->detect_count);
    mapping_unref(engine->mapping);
    memory_free(engine->effective);
    *engine = (struct engine){0};
}
