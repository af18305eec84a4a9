/*
 * host.json: decode(text) and encode(value) are cjson's, strict about numbers, and return nil and a
 * message when they fail; quote(text) and number(n) write one value the way the host writes JSON,
 * for kthena.json, whose output is the same from run to run. The module "cjson" is here too.
 */
#include "base/json.h"

#include "api/api.h"

/* Of liblua5.1-cjson; its header declares the first of them only. */
int luaopen_cjson(lua_State *lua);
int luaopen_cjson_safe(lua_State *lua);

/* Calls module.setting(false) for the module on the top of the stack. */
static void forbid(lua_State *lua, const char *setting) {
    lua_getfield(lua, -1, setting);
    lua_pushboolean(lua, false);
    lua_call(lua, 1, 0);
}

static void be_strict(lua_State *lua) {
    forbid(lua, "encode_invalid_numbers");
    forbid(lua, "decode_invalid_numbers");
}

static int quote(lua_State *lua) {
    size_t length;
    const char *text = luaL_checklstring(lua, 1, &length);
    struct json json;
    struct buffer *out = api_buffer(lua);
    json_begin(&json, out);
    json_text(&json, text, length);
    api_push_buffer(lua, out);
    return 1;
}

static int number(lua_State *lua) {
    double value = luaL_checknumber(lua, 1);
    struct json json;
    struct buffer *out = api_buffer(lua);
    json_begin(&json, out);
    json_number(&json, value);
    api_push_buffer(lua, out);
    return 1;
}

int api_open_cjson(lua_State *lua) {
    luaopen_cjson(lua);
    be_strict(lua);
    return 1;
}

int api_open_json(lua_State *lua) {
    static const luaL_Reg functions[] = {{"quote", quote}, {"number", number}, {NULL, NULL}};
    static const char *const taken[] = {"encode", "decode", "null"};
    luaL_newlib(lua, functions);
    luaopen_cjson_safe(lua);
    be_strict(lua);
    for (size_t i = 0; i < sizeof taken / sizeof *taken; i++) {
        lua_getfield(lua, -1, taken[i]);
        lua_setfield(lua, -3, taken[i]);
    }
    lua_pop(lua, 1);
    return 1;
}
