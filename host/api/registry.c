/*
 * host.registry: family(name, type, help, list of bounds or nil) is a metric made while the process
 * runs (metrics/registry.h): "gauge", "counter" or "histogram". Labels are a table.
 *
 *   family:set(value, labels or nil)  :add(...)  :observe(...)  :clear()
 *
 * What fails is nil, a message and a kind.
 */
#include "metrics/registry.h"

#include "api/context.h"

#include "api/api.h"

static const char FAMILY[] = "host.registry";

struct handle {
    struct registry_family *family;
};

static struct registry_family *check(lua_State *lua) {
    const struct handle *handle = luaL_checkudata(lua, 1, FAMILY);
    api_context(lua); /* the registry is that of the call that runs */
    return handle->family;
}

static int succeed(lua_State *lua, struct error *error) {
    if (error)
        return api_fail_kind(lua, error);
    lua_pushboolean(lua, true);
    return 1;
}

/* The text of a label's value at the top of the stack, in its place there. */
static const char *value_text(lua_State *lua, const char *name) {
    if (lua_type(lua, -1) == LUA_TBOOLEAN) {
        bool is_true = lua_toboolean(lua, -1);
        lua_pop(lua, 1);
        lua_pushstring(lua, is_true ? "true" : "false");
    }
    size_t length;
    const char *text = lua_tolstring(lua, -1, &length);
    if (!text)
        luaL_error(lua, "label %s: expected a text or a number, got %s", name,
                   luaL_typename(lua, -1));
    /* A text ends at its NUL: no metric is worth an error. */
    return text;
}

/* Reads the table of labels at `argument`, and leaves the texts on the stack. */
static size_t read_labels(lua_State *lua, int argument,
                          struct metric_label labels[REGISTRY_LABELS_MAX]) {
    size_t count = 0;
    if (lua_isnoneornil(lua, argument))
        return 0;
    luaL_checktype(lua, argument, LUA_TTABLE);
    luaL_checkstack(lua, 2 * REGISTRY_LABELS_MAX + 4, "too little of it");
    lua_pushnil(lua);
    while (lua_next(lua, argument)) {
        if (lua_type(lua, -2) != LUA_TSTRING)
            return (size_t)luaL_error(lua, "expected names of labels as keys, got a %s",
                                      luaL_typename(lua, -2));
        if (count == REGISTRY_LABELS_MAX)
            return (size_t)luaL_error(lua, "more than %d labels", REGISTRY_LABELS_MAX);
        const char *name = lua_tostring(lua, -2);
        labels[count++] = (struct metric_label){name, value_text(lua, name)};
        lua_pushvalue(lua, -2); /* the key again, above the value that stays */
    }
    return count;
}

typedef struct error *operation(struct registry_family *family, const struct metric_label *labels,
                                size_t count, double value);

static int apply(lua_State *lua, operation *apply_to) {
    struct metric_label labels[REGISTRY_LABELS_MAX];
    struct registry_family *family = check(lua);
    double value = luaL_checknumber(lua, 2);
    size_t count = read_labels(lua, 3, labels);
    return succeed(lua, apply_to(family, labels, count, value));
}

static int set(lua_State *lua) {
    return apply(lua, registry_set);
}

static int add(lua_State *lua) {
    return apply(lua, registry_add);
}

static int observe(lua_State *lua) {
    return apply(lua, registry_observe);
}

static int clear(lua_State *lua) {
    return succeed(lua, registry_clear(check(lua)));
}

static int collect(lua_State *lua) {
    (void)lua; /* the registry has the family */
    return 0;
}

static size_t read_bounds(lua_State *lua, int argument, double bounds[REGISTRY_BUCKETS_MAX]) {
    if (lua_isnoneornil(lua, argument))
        return 0;
    luaL_checktype(lua, argument, LUA_TTABLE);
    size_t count = lua_objlen(lua, argument);
    luaL_argcheck(lua, count <= REGISTRY_BUCKETS_MAX, argument, "too many buckets");
    for (size_t i = 0; i < count; i++) {
        lua_rawgeti(lua, argument, (int)i + 1);
        bounds[i] = luaL_checknumber(lua, -1);
        lua_pop(lua, 1);
    }
    return count;
}

static int family(lua_State *lua) {
    static const luaL_Reg methods[] = {
        {"set", set}, {"add", add}, {"observe", observe}, {"clear", clear}, {NULL, NULL}};
    static const char *const names[] = {"gauge", "counter", "histogram", NULL};
    static const enum metric_type types[] = {METRIC_GAUGE, METRIC_COUNTER, METRIC_HISTOGRAM};
    double bounds[REGISTRY_BUCKETS_MAX];
    const char *name = api_text(lua, 1);
    enum metric_type type = types[luaL_checkoption(lua, 2, NULL, names)];
    const char *help = api_text(lua, 3);
    size_t count = read_bounds(lua, 4, bounds);
    struct metric_registry *registry = api_services(lua)->metrics;
    if (!registry)
        api_no_service(lua, "ctx.metrics");
    struct handle *handle = lua_newuserdata(lua, sizeof *handle);
    handle->family = NULL;
    api_handle(lua, FAMILY, methods, collect);
    lua_setmetatable(lua, -2);
    struct error *error =
        registry_family(registry, name, type, help, bounds, count, &handle->family);
    return error ? api_fail_kind(lua, error) : 1;
}

int api_open_registry(lua_State *lua) {
    static const luaL_Reg functions[] = {{"family", family}, {NULL, NULL}};
    luaL_newlib(lua, functions);
    return 1;
}
