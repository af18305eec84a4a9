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

/* In the order of enum setting_type. */
static const char *const SETTING_TYPES[] = {"string", "integer", "number", "seconds", "boolean",
                                            "list",   "file",    "secret", NULL};

/* outcome:workflow(name, summary, method or nil, path or nil) */
static int take_workflow(lua_State *lua) {
    struct workflow *workflow = workflow_of(lua);
    const char *method = api_text_or_null(lua, 4);
    const char *path = api_text_or_null(lua, 5);
    load_replace(&workflow->name, api_text(lua, 2));
    load_replace(&workflow->summary, api_text(lua, 3));
    if (method && path) {
        load_replace(&workflow->method, method);
        load_replace(&workflow->path, path);
    }
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

/* outcome:serial(parameter) */
static int take_serial(lua_State *lua) {
    load_replace(&workflow_of(lua)->serial, api_text(lua, 2));
    return 0;
}

/* outcome:parallel(count) */
static int take_parallel(lua_State *lua) {
    workflow_of(lua)->parallel = (int)luaL_checkinteger(lua, 2);
    return 0;
}

/* outcome:every(seconds) */
static int take_every(lua_State *lua) {
    workflow_of(lua)->every = luaL_checknumber(lua, 2);
    return 0;
}

/* outcome:every_setting(name) */
static int take_every_setting(lua_State *lua) {
    load_replace(&workflow_of(lua)->every_setting, api_text(lua, 2));
    return 0;
}

/* outcome:event(name) */
static int take_event(lua_State *lua) {
    static const char *const names[] = {"start", "engine_up", "rules_changed", "file_changed",
                                        NULL};
    static const enum workflow_event events[] = {WORKFLOW_ON_START, WORKFLOW_ON_ENGINE_UP,
                                                 WORKFLOW_ON_RULES_CHANGED,
                                                 WORKFLOW_ON_FILE_CHANGED};
    workflow_of(lua)->events |= (unsigned)events[luaL_checkoption(lua, 2, NULL, names)];
    return 0;
}

/* outcome:quiet() */
static int take_quiet(lua_State *lua) {
    workflow_of(lua)->quiet = true;
    return 0;
}

/* outcome:ready(name) */
static int take_ready(lua_State *lua) {
    load_replace(&workflow_of(lua)->ready, api_text(lua, 2));
    return 0;
}

/* outcome:status(title) */
static int take_status(lua_State *lua) {
    load_replace(&workflow_of(lua)->status, api_text(lua, 2));
    return 0;
}

/* outcome:setting(name, flag or nil, env or nil, type, default or nil, help) */
static int take_setting(lua_State *lua) {
    struct workflow *workflow = workflow_of(lua);
    const char *name = api_text(lua, 2);
    const char *flag = api_text_or_null(lua, 3);
    const char *env = api_text_or_null(lua, 4);
    int type = luaL_checkoption(lua, 5, NULL, SETTING_TYPES);
    const char *fallback = api_text_or_null(lua, 6);
    const char *help = api_text(lua, 7);
    workflow->settings = memory_resize(workflow->settings,
                                       (workflow->setting_count + 1) * sizeof *workflow->settings);
    workflow->settings[workflow->setting_count++] = (struct setting){
        .name = memory_string(name),
        .flag = flag ? memory_string(flag) : NULL,
        .env = env ? memory_string(env) : NULL,
        .type = (enum setting_type)type,
        .fallback = fallback ? memory_string(fallback) : NULL,
        .help = memory_string(help),
    };
    return 0;
}

const luaL_Reg load_workflow_methods[] = {
    {"workflow", take_workflow}, {"param", take_param},
    {"choice", take_choice},     {"async", take_async},
    {"started", take_started},   {"echo", take_echo},
    {"same", take_same},         {"exclusive", take_exclusive},
    {"serial", take_serial},     {"parallel", take_parallel},
    {"every", take_every},       {"every_setting", take_every_setting},
    {"event", take_event},       {"quiet", take_quiet},
    {"ready", take_ready},       {"status", take_status},
    {"setting", take_setting},   {NULL, NULL},
};

bool load_workflow_complete(const struct workflow *workflow) {
    bool starts =
        workflow->path || workflow->every > 0 || workflow->every_setting || workflow->events != 0;
    return workflow->name && workflow->summary && starts && workflow->effective;
}

static void free_param(struct param *param) {
    memory_free(param->name);
    memory_free(param->fallback);
    memory_free(param->help);
    load_free_list(param->choices, param->choice_count);
}

static void free_setting(struct setting *setting) {
    memory_free(setting->name);
    memory_free(setting->flag);
    memory_free(setting->env);
    memory_free(setting->fallback);
    memory_free(setting->help);
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
    memory_free(workflow->serial);
    memory_free(workflow->every_setting);
    memory_free(workflow->ready);
    memory_free(workflow->status);
    for (size_t i = 0; i < workflow->setting_count; i++)
        free_setting(&workflow->settings[i]);
    memory_free(workflow->settings);
    memory_free(workflow->effective);
}
