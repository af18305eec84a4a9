/* What the library tells of a workflow. */
#include "api/api.h"
#include "base/memory.h"
#include "policy/loader_private.h"

/* In the order of enum param_type. */
static const char *const TYPES[] = {"string", "integer", "number", "boolean",   "list",
                                    "object", "config",  "source", "directory", NULL};

static struct workflow *workflow_of(lua_State *lua) {
    return &load_rule(lua, RULE_WORKFLOW)->as.workflow;
}

/* outcome:workflow(name, summary, method, path) */
static int take_workflow(lua_State *lua) {
    struct workflow *workflow = workflow_of(lua);
    load_replace(&workflow->name, api_text(lua, 2));
    load_replace(&workflow->summary, api_text(lua, 3));
    load_replace(&workflow->method, api_text(lua, 4));
    load_replace(&workflow->path, api_text(lua, 5));
    return 0;
}

/* outcome:param(name, type, required, default or nil, help, min or nil, max or nil): every argument
 * is looked at before the first is copied, for each may raise an error. */
static int take_param(lua_State *lua) {
    struct workflow *workflow = workflow_of(lua);
    const char *name = api_text(lua, 2);
    int type = luaL_checkoption(lua, 3, NULL, TYPES);
    const char *fallback = api_text_or_null(lua, 5);
    const char *help = api_text(lua, 6);
    struct param param = {
        .type = (enum param_type)type,
        .required = lua_toboolean(lua, 4),
        .has_min = !lua_isnoneornil(lua, 7),
        .has_max = !lua_isnoneornil(lua, 8),
        .min = luaL_optnumber(lua, 7, 0),
        .max = luaL_optnumber(lua, 8, 0),
    };
    load_replace(&param.name, name);
    load_replace(&param.help, help);
    if (fallback)
        load_replace(&param.fallback, fallback);
    workflow->params =
        memory_resize(workflow->params, (workflow->param_count + 1) * sizeof *workflow->params);
    workflow->params[workflow->param_count++] = param;
    return 0;
}

/* outcome:choice(text): one more of the last parameter. */
static int take_choice(lua_State *lua) {
    struct workflow *workflow = workflow_of(lua);
    const char *text = api_text(lua, 2);
    luaL_argcheck(lua, workflow->param_count > 0, 2, "no parameter to choose it for");
    struct param *param = &workflow->params[workflow->param_count - 1];
    load_append(&param->choices, &param->choice_count, text);
    return 0;
}

/* outcome:async(parameter) */
static int take_async(lua_State *lua) {
    load_replace(&workflow_of(lua)->async, api_text(lua, 2));
    return 0;
}

/* outcome:started(message) */
static int take_started(lua_State *lua) {
    load_replace(&workflow_of(lua)->started_message, api_text(lua, 2));
    return 0;
}

/* outcome:echo(parameter) */
static int take_echo(lua_State *lua) {
    struct workflow *workflow = workflow_of(lua);
    load_append(&workflow->echo, &workflow->echo_count, api_text(lua, 2));
    return 0;
}

/* outcome:same(parameter) */
static int take_same(lua_State *lua) {
    struct workflow *workflow = workflow_of(lua);
    load_append(&workflow->same, &workflow->same_count, api_text(lua, 2));
    return 0;
}

/* outcome:exclusive(parameter) */
static int take_exclusive(lua_State *lua) {
    load_replace(&workflow_of(lua)->exclusive, api_text(lua, 2));
    return 0;
}

const luaL_Reg load_workflow_methods[] = {
    {"workflow", take_workflow}, {"param", take_param},         {"choice", take_choice},
    {"async", take_async},       {"started", take_started},     {"echo", take_echo},
    {"same", take_same},         {"exclusive", take_exclusive}, {NULL, NULL},
};

bool load_workflow_complete(const struct workflow *workflow) {
    return workflow->name && workflow->summary && workflow->method && workflow->path &&
           workflow->effective;
}

static void free_param(struct param *param) {
    memory_free(param->name);
    memory_free(param->fallback);
    memory_free(param->help);
    load_free_list(param->choices, param->choice_count);
}

void load_workflow_free(struct workflow *workflow) {
    memory_free(workflow->name);
    memory_free(workflow->summary);
    memory_free(workflow->method);
    memory_free(workflow->path);
    for (size_t i = 0; i < workflow->param_count; i++)
        free_param(&workflow->params[i]);
    memory_free(workflow->params);
    memory_free(workflow->async);
    memory_free(workflow->started_message);
    load_free_list(workflow->echo, workflow->echo_count);
    load_free_list(workflow->same, workflow->same_count);
    memory_free(workflow->exclusive);
    memory_free(workflow->effective);
}
