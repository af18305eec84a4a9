/*
 * host.mapping: builder() makes a builder of metric rules, a thin skin over metrics/mapping.h.
 * Calls are in the order of nesting: a family, its label edits, its alternatives, their parts and
 * selections. build() ends the builder and returns the compiled mapping.
 *
 *   builder:family(name, type, help or nil)          "counter" "gauge" "histogram" "summary"
 *   builder:drop_label(name)  :rename_label(from, to)  :add_label(name, value)
 *   builder:merge(kind)                              "max" "min"
 *   builder:alternative(source_family, needs_all)
 *   builder:part(sample, role, scale or nil)         "value" "bucket" "sum" "count"
 *                                                    returns true, or nil and what is wrong with
 * scale builder:where(label, value) builder:build()
 */
#include "api/api.h"

#include <stdbool.h>

static const char BUILDER[] = "host.mapping.builder";
static const char MAPPING[] = "host.mapping";

struct builder {
    struct mapping_builder *inner; /* NULL once built */
    bool family;                   /* there is one */
    bool alternative;              /* the last family has one */
};

struct handle {
    struct mapping *mapping;
};

static struct builder *check(lua_State *lua, bool family, bool alternative) {
    struct builder *builder = luaL_checkudata(lua, 1, BUILDER);
    luaL_argcheck(lua, builder->inner, 1, "the mapping is built already");
    luaL_argcheck(lua, builder->family || !family, 1, "call family first");
    luaL_argcheck(lua, builder->alternative || !alternative, 1, "call alternative first");
    return builder;
}

static int family(lua_State *lua) {
    static const char *const types[] = {"counter", "gauge", "histogram", "summary", NULL};
    struct builder *builder = check(lua, false, false);
    const char *name = api_text(lua, 2);
    enum metric_type type = (enum metric_type)luaL_checkoption(lua, 3, NULL, types);
    mapping_family(builder->inner, name, type, api_text_or_null(lua, 4));
    builder->family = true;
    builder->alternative = false;
    return 0;
}

static int alternative(lua_State *lua) {
    struct builder *builder = check(lua, true, false);
    mapping_alternative(builder->inner, api_text(lua, 2), lua_toboolean(lua, 3));
    builder->alternative = true;
    return 0;
}

static int part(lua_State *lua) {
    static const char *const roles[] = {"value", "bucket", "sum", "count", NULL};
    struct builder *builder = check(lua, true, true);
    const char *sample = api_text(lua, 2);
    enum part_role role = (enum part_role)luaL_checkoption(lua, 3, NULL, roles);
    const char *scale = api_text_or_null(lua, 4);
    struct error *error = mapping_part(builder->inner, sample, role, scale);
    if (error)
        return api_fail(lua, error);
    lua_pushboolean(lua, true);
    return 1;
}

static int where(lua_State *lua) {
    struct builder *builder = check(lua, true, true);
    const char *label = api_text(lua, 2);
    mapping_where(builder->inner, label, api_text(lua, 3));
    return 0;
}

static int drop_label(lua_State *lua) {
    struct builder *builder = check(lua, true, false);
    mapping_drop_label(builder->inner, api_text(lua, 2));
    return 0;
}

static int rename_label(lua_State *lua) {
    struct builder *builder = check(lua, true, false);
    const char *from = api_text(lua, 2);
    mapping_rename_label(builder->inner, from, api_text(lua, 3));
    return 0;
}

static int add_label(lua_State *lua) {
    struct builder *builder = check(lua, true, false);
    const char *name = api_text(lua, 2);
    mapping_add_label(builder->inner, name, api_text(lua, 3));
    return 0;
}

static int merge(lua_State *lua) {
    static const char *const kinds[] = {"max", "min", NULL};
    struct builder *builder = check(lua, true, false);
    int kind = luaL_checkoption(lua, 2, NULL, kinds);
    mapping_merge(builder->inner, kind == 0 ? MERGE_MAX : MERGE_MIN);
    return 0;
}

static int collect_mapping(lua_State *lua) {
    struct handle *handle = luaL_checkudata(lua, 1, MAPPING);
    mapping_unref(handle->mapping);
    handle->mapping = NULL;
    return 0;
}

struct mapping **api_push_mapping(lua_State *lua) {
    struct handle *handle = lua_newuserdata(lua, sizeof *handle);
    handle->mapping = NULL;
    api_handle(lua, MAPPING, NULL, collect_mapping);
    lua_setmetatable(lua, -2);
    return &handle->mapping;
}

static int build(lua_State *lua) {
    struct builder *builder = check(lua, false, false);
    struct mapping **mapping = api_push_mapping(lua);
    *mapping = mapping_build(builder->inner);
    builder->inner = NULL;
    return 1;
}

struct mapping *api_mapping(lua_State *lua, int argument) {
    struct handle *handle = luaL_checkudata(lua, argument, MAPPING);
    luaL_argcheck(lua, handle->mapping, argument, "the mapping is gone");
    return handle->mapping;
}

static int collect_builder(lua_State *lua) {
    struct builder *builder = luaL_checkudata(lua, 1, BUILDER);
    mapping_builder_free(builder->inner);
    builder->inner = NULL;
    return 0;
}

static int new_builder(lua_State *lua) {
    static const luaL_Reg methods[] = {
        {"family", family},
        {"alternative", alternative},
        {"part", part},
        {"where", where},
        {"drop_label", drop_label},
        {"rename_label", rename_label},
        {"add_label", add_label},
        {"merge", merge},
        {"build", build},
        {NULL, NULL},
    };
    struct builder *builder = lua_newuserdata(lua, sizeof *builder);
    *builder = (struct builder){0};
    api_handle(lua, BUILDER, methods, collect_builder);
    lua_setmetatable(lua, -2);
    builder->inner = mapping_builder_new();
    return 1;
}

int api_open_mapping(lua_State *lua) {
    static const luaL_Reg functions[] = {{"builder", new_builder}, {NULL, NULL}};
    luaL_newlib(lua, functions);
    return 1;
}
