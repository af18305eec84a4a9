/*
 * host.secret: texts that Lua can hand on and never read.
 *
 *   new(text)               a handle; tostring() of it is "***"
 *   ini(secret, section)    the keys of a section of an INI file, in lower case, to their values:
 *                           secrets if the file is one, else texts; nil when there is no such
 *                           section
 *
 * While a handle lives, and until the call ends in which it was made, its text is cut out of
 * everything that is meant for people.
 */
#include "api/context.h"
#include "base/memory.h"
#include "base/redact.h"
#include "policy/state.h"

#include "api/api.h"

#include <ctype.h>

static const char SECRET[] = "host.secret";

enum { KEY_MAX = 128 };

struct secret {
    char *text;
    size_t length;
};

static int collect(lua_State *lua) {
    struct secret *secret = luaL_checkudata(lua, 1, SECRET);
    if (!secret->text)
        return 0;
    redact_forget(secret->text, secret->length);
    explicit_bzero(secret->text, secret->length);
    memory_free(secret->text);
    *secret = (struct secret){0};
    return 0;
}

static int hide(lua_State *lua) {
    lua_pushliteral(lua, "***");
    return 1;
}

void api_push_secret(lua_State *lua, const char *text, size_t length) {
    struct secret *secret = lua_newuserdata(lua, sizeof *secret);
    struct host_context *context = state_of(lua)->context;
    *secret = (struct secret){0};
    api_handle(lua, SECRET, NULL, collect);
    lua_pushcfunction(lua, hide);
    lua_setfield(lua, -2, "__tostring");
    lua_setmetatable(lua, -2);
    secret->text = memory_copy(text, length);
    secret->length = length;
    redact_secret(text, length);
    if (context)
        context_keep_secret(context, secret->text);
}

bool api_is_secret(lua_State *lua, int argument) {
    return luaL_testudata(lua, argument, SECRET) != NULL;
}

const char *api_secret(lua_State *lua, int argument, size_t *length) {
    const struct secret *secret = luaL_testudata(lua, argument, SECRET);
    if (secret) {
        *length = secret->length;
        return secret->text ? secret->text : "";
    }
    if (lua_type(lua, argument) != LUA_TSTRING)
        luaL_argerror(lua, argument,
                      lua_pushfstring(lua, "expected a text or a secret, got %s",
                                      luaL_typename(lua, argument)));
    return lua_tolstring(lua, argument, length);
}

const char *api_secret_text(lua_State *lua, int argument) {
    size_t length;
    const char *text = api_secret(lua, argument, &length);
    luaL_argcheck(lua, strlen(text) == length, argument, "text with a NUL in it");
    return text;
}

const char *api_secret_or_null(lua_State *lua, int argument) {
    return lua_isnoneornil(lua, argument) ? NULL : api_secret_text(lua, argument);
}

static int new_secret(lua_State *lua) {
    size_t length;
    const char *text = luaL_checklstring(lua, 1, &length);
    api_push_secret(lua, text, length);
    return 1;
}

/* A piece of a text. */
struct span {
    const char *at;
    size_t length;
};

static struct span trim(struct span span) {
    while (span.length > 0 && isspace((unsigned char)*span.at))
        span = (struct span){span.at + 1, span.length - 1};
    while (span.length > 0 && isspace((unsigned char)span.at[span.length - 1]))
        span.length--;
    return span;
}

void api_push_trimmed_secret(lua_State *lua, const char *text, size_t length) {
    struct span span = trim((struct span){text, length});
    api_push_secret(lua, span.at, span.length);
}

static struct span next_line(struct span *rest) {
    const char *newline = memchr(rest->at, '\n', rest->length);
    size_t length = newline ? (size_t)(newline - rest->at) : rest->length;
    size_t taken = length + (newline != NULL);
    struct span line = {rest->at, length};
    *rest = (struct span){rest->at + taken, rest->length - taken};
    return line;
}

static bool is_section(struct span line, const char *wanted) {
    struct span name = trim((struct span){line.at + 1, line.length - 2});
    return name.length == strlen(wanted) && memcmp(name.at, wanted, name.length) == 0;
}

/* Sets table[key] for "key = value"; the table is on the top of the stack. */
static void set_entry(lua_State *lua, struct span line, bool is_secret) {
    char key[KEY_MAX];
    const char *equals = memchr(line.at, '=', line.length);
    if (!equals)
        return;
    struct span name = trim((struct span){line.at, (size_t)(equals - line.at)});
    struct span value =
        trim((struct span){equals + 1, line.length - (size_t)(equals + 1 - line.at)});
    if (name.length == 0 || name.length > sizeof key)
        return;
    for (size_t i = 0; i < name.length; i++)
        key[i] = (char)tolower((unsigned char)name.at[i]);
    lua_pushlstring(lua, key, name.length);
    if (is_secret)
        api_push_secret(lua, value.at, value.length);
    else
        lua_pushlstring(lua, value.at, value.length);
    lua_rawset(lua, -3);
}

static int ini(lua_State *lua) {
    struct span rest;
    rest.at = api_secret(lua, 1, &rest.length);
    const char *section = api_text(lua, 2);
    bool is_secret = api_is_secret(lua, 1);
    bool found = false;
    bool inside = false;
    size_t indent = 0; /* of the last key: what is indented further belongs to it */
    lua_newtable(lua);
    while (rest.length > 0) {
        struct span raw = next_line(&rest);
        struct span line = trim(raw);
        if (line.length == 0 || *line.at == '#' || *line.at == ';')
            continue;
        if (*line.at == '[' && line.at[line.length - 1] == ']') {
            inside = is_section(line, section);
            found = found || inside;
            indent = SIZE_MAX;
        } else if (inside && (size_t)(line.at - raw.at) <= indent) {
            indent = (size_t)(line.at - raw.at);
            set_entry(lua, line, is_secret);
        }
    }
    if (!found)
        lua_pushnil(lua);
    return 1;
}

int api_open_secret(lua_State *lua) {
    static const luaL_Reg functions[] = {{"new", new_secret}, {"ini", ini}, {NULL, NULL}};
    luaL_newlib(lua, functions);
    return 1;
}
