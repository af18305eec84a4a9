/*
 * host.state: the tables in which workflows remember values (store/state.h). open("state") is a
 * handle of the persisted one, open("memory") of the other.
 *
 *   table:get(name)                     the value as JSON and its version; nil and 0 for none
 *   table:all(prefix)                   a JSON object of the values whose names begin so
 *   table:set(name, JSON or nil)        true; or nil, a message and a kind
 *   table:replace(name, JSON or nil, version)
 *                                       whether the version still was this one; or nil, a message
 *                                       and a kind
 */
#include "store/state.h"

#include "api/context.h"
#include "policy/guard.h"

#include "api/api.h"

static const char TABLE[] = "host.state";

struct handle {
    struct state_table *table;
    bool owned;
};

static struct state_table *check(lua_State *lua) {
    const struct handle *handle = luaL_checkudata(lua, 1, TABLE);
    luaL_argcheck(lua, handle->table, 1, "the table is gone");
    if (!handle->owned)
        api_context(lua);
    return handle->table;
}

static int get(lua_State *lua) {
    struct state_table *table = check(lua);
    const char *name = api_text(lua, 2);
    struct buffer *json = api_buffer(lua);
    uint64_t version;
    if (state_table_get(table, name, json, &version))
        api_push_buffer(lua, json);
    else
        lua_pushnil(lua);
    lua_pushnumber(lua, (double)version);
    return 2;
}

static int all(lua_State *lua) {
    struct state_table *table = check(lua);
    const char *prefix = api_text(lua, 2);
    struct buffer *json = api_buffer(lua);
    state_table_all(table, prefix, json);
    api_push_buffer(lua, json);
    return 1;
}

static int change(lua_State *lua, bool any) {
    struct state_table *table = check(lua);
    const char *name = api_text(lua, 2);
    const char *json = api_text_or_null(lua, 3);
    uint64_t version = any ? 0 : (uint64_t)luaL_checknumber(lua, 4);
    bool done = true;
    guard_pause(lua);
    struct error *error = any ? state_table_set(table, name, json)
                              : state_table_replace(table, name, json, version, &done);
    guard_resume(lua);
    if (error)
        return api_fail_kind(lua, error);
    lua_pushboolean(lua, done);
    return 1;
}

static int set(lua_State *lua) {
    return change(lua, true);
}

static int replace(lua_State *lua) {
    return change(lua, false);
}

static int collect(lua_State *lua) {
    struct handle *handle = luaL_checkudata(lua, 1, TABLE);
    if (handle->owned)
        state_table_close(handle->table);
    handle->table = NULL;
    return 0;
}

void api_push_state(lua_State *lua, struct state_table *table) {
    static const luaL_Reg methods[] = {
        {"get", get}, {"all", all}, {"set", set}, {"replace", replace}, {NULL, NULL}};
    struct handle *handle = lua_newuserdata(lua, sizeof *handle);
    *handle = (struct handle){.table = table};
    api_handle(lua, TABLE, methods, collect);
    lua_setmetatable(lua, -2);
    if (table)
        return;
    char *kept_aside;
    error_free(state_table_open(NULL, &handle->table, &kept_aside));
    handle->owned = true;
}

static int open(lua_State *lua) {
    static const char *const names[] = {"state", "memory", NULL};
    const struct services *services = api_services(lua);
    bool persisted = luaL_checkoption(lua, 1, NULL, names) == 0;
    struct state_table *table = persisted ? services->state : services->memory;
    if (!table)
        api_no_service(lua, persisted ? "ctx.state" : "ctx.memory");
    api_push_state(lua, table);
    return 1;
}

int api_open_state(lua_State *lua) {
    static const luaL_Reg functions[] = {{"open", open}, {NULL, NULL}};
    luaL_newlib(lua, functions);
    return 1;
}
