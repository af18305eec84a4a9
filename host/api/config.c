/*
 * host.config: a source's configuration as a request or the command line brought it, a JSON object.
 * Its values stay on this side, because some are secrets and only the rule knows which.
 *
 *   open(json, a text or a secret)    a handle; or nil, a message and a kind
 *   config:has(key)                   whether there is a value; null and "" are none
 *   config:text(key)                  the value as a text; or nil, a message and a kind
 *   config:secret(key)                the same as a secret
 *
 * Numbers and booleans are texts as well, the way JSON writes them.
 */
#include "api/api.h"

#include "base/memory.h"

#include <cjson/cJSON.h>
#include <stdio.h>

static const char CONFIG[] = "host.config";

enum { SCALAR_SIZE = 32 };

struct config {
    cJSON *root;
};

static void wipe(cJSON *item) {
    for (; item; item = item->next) {
        if (item->valuestring)
            explicit_bzero(item->valuestring, strlen(item->valuestring));
        wipe(item->child);
    }
}

static int collect(lua_State *lua) {
    struct config *config = luaL_checkudata(lua, 1, CONFIG);
    wipe(config->root);
    cJSON_Delete(config->root);
    config->root = NULL;
    return 0;
}

static const cJSON *find(lua_State *lua) {
    const struct config *config = luaL_checkudata(lua, 1, CONFIG);
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(config->root, api_text(lua, 2));
    bool is_empty = cJSON_IsNull(item) || (cJSON_IsString(item) && !*item->valuestring);
    return is_empty ? NULL : item;
}

static int has(lua_State *lua) {
    lua_pushboolean(lua, find(lua) != NULL);
    return 1;
}

/* The text of a value, perhaps in scalar; NULL when it is no text. */
static const char *text_of(const cJSON *item, char scalar[SCALAR_SIZE]) {
    if (cJSON_IsString(item))
        return item->valuestring;
    if (cJSON_IsBool(item))
        return cJSON_IsTrue(item) ? "true" : "false";
    if (!cJSON_IsNumber(item))
        return NULL;
    snprintf(scalar, SCALAR_SIZE, "%.15g", item->valuedouble);
    return scalar;
}

static int value(lua_State *lua, bool is_secret) {
    char scalar[SCALAR_SIZE];
    const cJSON *item = find(lua);
    const char *text = item ? text_of(item, scalar) : NULL;
    if (!text)
        return api_fail_kind(lua, error_new(ERROR_INVALID, NULL, "config: %s: expected a text",
                                            lua_tostring(lua, 2)));
    if (is_secret)
        api_push_trimmed_secret(lua, text, strlen(text));
    else
        lua_pushstring(lua, text);
    return 1;
}

static int text(lua_State *lua) {
    return value(lua, false);
}

static int secret(lua_State *lua) {
    return value(lua, true);
}

struct error *api_push_config(lua_State *lua, const char *json) {
    static const luaL_Reg methods[] = {
        {"has", has}, {"text", text}, {"secret", secret}, {NULL, NULL}};
    struct config *config = lua_newuserdata(lua, sizeof *config);
    config->root = NULL;
    api_handle(lua, CONFIG, methods, collect);
    lua_setmetatable(lua, -2);
    const char *end = NULL;
    config->root = cJSON_ParseWithOpts(json, &end, true);
    if (config->root && cJSON_IsObject(config->root))
        return NULL;
    lua_pop(lua, 1);
    if (config->root)
        return error_new(ERROR_INVALID, NULL, "config: expected a JSON object");
    return error_new(ERROR_INVALID, NULL,
                     "config: expected a JSON object; it is no JSON from byte %td on", end - json);
}

static int open(lua_State *lua) {
    struct error *error = api_push_config(lua, api_secret_text(lua, 1));
    return error ? api_fail_kind(lua, error) : 1;
}

int api_open_config(lua_State *lua) {
    static const luaL_Reg functions[] = {{"open", open}, {NULL, NULL}};
    luaL_newlib(lua, functions);
    return 1;
}
