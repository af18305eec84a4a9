#include "api/api.h"

#include "base/memory.h"

#include <stdbool.h>
#include <string.h>

static const char BUFFER[] = "host.buffer";

enum { ERROR_TEXT_MAX = 1000 };

static void preload(lua_State *lua, const luaL_Reg *modules) {
    lua_getglobal(lua, "package");
    lua_getfield(lua, -1, "preload");
    for (; modules->name; modules++) {
        lua_pushcfunction(lua, modules->func);
        lua_setfield(lua, -2, modules->name);
    }
    lua_pop(lua, 2);
}

void api_register(lua_State *lua) {
    static const luaL_Reg modules[] = {
        {"cjson", api_open_cjson},
        {"host.access", api_open_access},
        {"host.call", api_open_call},
        {"host.config", api_open_config},
        {"host.download", api_open_download},
        {"host.engine", api_open_engine},
        {"host.env", api_open_env},
        {"host.file", api_open_file},
        {"host.files", api_open_files},
        {"host.http", api_open_http},
        {"host.job", api_open_job},
        {"host.json", api_open_json},
        {"host.lock", api_open_lock},
        {"host.log", api_open_log},
        {"host.manifest", api_open_manifest},
        {"host.mapping", api_open_mapping},
        {"host.metrics", api_open_metrics},
        {"host.plan", api_open_plan},
        {"host.registry", api_open_registry},
        {"host.secret", api_open_secret},
        {"host.settings", api_open_settings},
        {"host.sign", api_open_sign},
        {"host.sources", api_open_sources},
        {"host.state", api_open_state},
        {"host.text", api_open_text},
        {"host.time", api_open_time},
        {"host.url", api_open_url},
        {"host.xml", api_open_xml},
        {NULL, NULL},
    };
    preload(lua, modules);
}

void api_register_for_tests(lua_State *lua) {
    static const luaL_Reg modules[] = {
        {"host.rules", api_open_rules}, {"host.testing", api_open_testing}, {NULL, NULL}};
    preload(lua, modules);
}

static int collect_buffer(lua_State *lua) {
    buffer_free(luaL_checkudata(lua, 1, BUFFER));
    return 0;
}

struct buffer *api_buffer(lua_State *lua) {
    struct buffer *buffer = lua_newuserdata(lua, sizeof *buffer);
    *buffer = (struct buffer){0};
    api_handle(lua, BUFFER, NULL, collect_buffer);
    lua_setmetatable(lua, -2);
    return buffer;
}

void api_push_buffer(lua_State *lua, struct buffer *buffer) {
    lua_pushlstring(lua, buffer->length ? buffer->data : "", buffer->length);
    buffer_free(buffer);
}

void api_push_error(lua_State *lua, struct error *error) {
    char copy[ERROR_TEXT_MAX + 1];
    char *text = error_text(error);
    size_t length = strnlen(text, ERROR_TEXT_MAX);
    memcpy(copy, text, length);
    memory_free(text);
    error_free(error);
    lua_pushlstring(lua, copy, length);
}

int api_fail(lua_State *lua, struct error *error) {
    api_push_error(lua, error);
    lua_pushnil(lua);
    lua_insert(lua, -2);
    return 2;
}

int api_fail_kind(lua_State *lua, struct error *error) {
    const char *kind = error_kind_name(error->kind);
    api_fail(lua, error);
    lua_pushstring(lua, kind);
    return 3;
}

const char *api_text(lua_State *lua, int argument) {
    size_t length;
    const char *text = luaL_checklstring(lua, argument, &length);
    luaL_argcheck(lua, strlen(text) == length, argument, "text with a NUL in it");
    return text;
}

const char *api_text_or_null(lua_State *lua, int argument) {
    return lua_isnoneornil(lua, argument) ? NULL : api_text(lua, argument);
}

void api_handle(lua_State *lua, const char *type, const luaL_Reg *methods, lua_CFunction collect) {
    luaL_getmetatable(lua, type);
    if (!lua_isnil(lua, -1))
        return;
    lua_pop(lua, 1);
    lua_newtable(lua);
    lua_pushcfunction(lua, collect);
    lua_setfield(lua, -2, "__gc");
    lua_pushboolean(lua, false);
    lua_setfield(lua, -2, "__metatable");
    lua_newtable(lua);
    for (; methods && methods->name; methods++) {
        lua_pushcfunction(lua, methods->func);
        lua_setfield(lua, -2, methods->name);
    }
    lua_setfield(lua, -2, "__index");
    /* Registered last: any of the above may run out of memory, and half of it must not be found. */
    lua_pushvalue(lua, -1);
    lua_setfield(lua, LUA_REGISTRYINDEX, type);
}
