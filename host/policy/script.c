#include "policy/script.h"

#include "base/file.h"
#include "base/memory.h"
#include "policy/guard.h"

/* A demo page is made in about a millisecond; a script that needs this long has gone astray. */
#define CALL_BUDGET_SECONDS 1

/* A script is a program text, not data. */
#define SCRIPT_BYTES_MAX (1024 * 1024)

struct script {
    struct state *state;
    char *path;
    int table; /* reference of the table it returned */
};

/* One guarded call and what it works on. */
struct call {
    struct script *script;
    struct buffer *text; /* loaded from, or appended to */
    const char *name;
    double argument;
};

/* require("kthena.sandbox").load(text, chunk, path)() */
static int load(lua_State *lua) {
    struct call *call = lua_touserdata(lua, 1);
    char chunk[GUARD_CHUNK_SIZE];
    guard_chunk(call->script->path, chunk);
    lua_getglobal(lua, "require");
    lua_pushliteral(lua, "kthena.sandbox");
    lua_call(lua, 1, 1);
    lua_getfield(lua, -1, "load");
    lua_pushlstring(lua, call->text->data, call->text->length);
    lua_pushstring(lua, chunk);
    lua_pushstring(lua, call->script->path);
    lua_call(lua, 3, 2);
    if (lua_isnil(lua, -2))
        return lua_error(lua);
    lua_pop(lua, 1);
    lua_call(lua, 0, 1);
    if (!lua_istable(lua, -1))
        return luaL_error(lua, "expected the file to return a table, got %s",
                          luaL_typename(lua, -1));
    call->script->table = luaL_ref(lua, LUA_REGISTRYINDEX);
    return 0;
}

static int ask(lua_State *lua) {
    struct call *call = lua_touserdata(lua, 1);
    size_t length;
    lua_rawgeti(lua, LUA_REGISTRYINDEX, call->script->table);
    lua_pushstring(lua, call->name);
    lua_rawget(lua, -2);
    if (!lua_isfunction(lua, -1))
        return luaL_error(lua, "%s: expected a function, got %s", call->name,
                          luaL_typename(lua, -1));
    lua_pushnumber(lua, call->argument);
    lua_call(lua, 1, 1);
    if (lua_type(lua, -1) != LUA_TSTRING)
        return luaL_error(lua, "%s: expected it to return a text, got %s", call->name,
                          luaL_typename(lua, -1));
    const char *text = lua_tolstring(lua, -1, &length);
    buffer_append(call->text, text, length);
    return 0;
}

struct error *script_open(const char *library, const char *path, struct script **out) {
    struct buffer text = {0};
    struct script *script = memory_zero(1, sizeof *script);
    script->path = memory_string(path);
    struct error *error = file_read(path, SCRIPT_BYTES_MAX, &text);
    if (!error)
        error = state_new(library, 0, &script->state);
    struct call call = {.script = script, .text = &text};
    buffer_text(&text);
    if (!error)
        error = guard_call(script->state, path, CALL_BUDGET_SECONDS, load, &call);
    buffer_free(&text);
    if (error) {
        script_close(script);
        return error;
    }
    *out = script;
    return NULL;
}

struct error *script_text(struct script *script, const char *name, double argument,
                          struct buffer *out) {
    struct call call = {script, out, name, argument};
    return guard_call(script->state, script->path, CALL_BUDGET_SECONDS, ask, &call);
}

/* The list that a call takes. */
struct list_call {
    struct script *script;
    const char *name;
    char **items;
    size_t count;
};

static int take_list(lua_State *lua) {
    struct list_call *call = lua_touserdata(lua, 1);
    lua_rawgeti(lua, LUA_REGISTRYINDEX, call->script->table);
    lua_pushstring(lua, call->name);
    lua_rawget(lua, -2);
    size_t length = lua_istable(lua, -1) ? lua_objlen(lua, -1) : 0;
    call->items = memory_zero(length + 1, sizeof *call->items);
    for (size_t i = 0; i < length; i++) {
        lua_rawgeti(lua, -1, (int)i + 1);
        if (lua_type(lua, -1) != LUA_TSTRING)
            return luaL_error(lua, "%s: expected a list of texts", call->name);
        call->items[call->count++] = memory_string(lua_tostring(lua, -1));
        lua_pop(lua, 1);
    }
    return 0;
}

struct error *script_list(struct script *script, const char *name, char ***items, size_t *count) {
    struct list_call call = {script, name, NULL, 0};
    struct error *error =
        guard_call(script->state, script->path, CALL_BUDGET_SECONDS, take_list, &call);
    if (error)
        file_list_free(call.items, call.count);
    *items = error ? NULL : call.items;
    *count = error ? 0 : call.count;
    return error;
}

struct answer_call {
    struct script *script;
    const char *method, *path;
    const struct buffer *body;
    int status;
    struct buffer *out;
};

static int take_answer(lua_State *lua) {
    struct answer_call *call = lua_touserdata(lua, 1);
    size_t length;
    lua_rawgeti(lua, LUA_REGISTRYINDEX, call->script->table);
    lua_getfield(lua, -1, "answer");
    if (!lua_isfunction(lua, -1))
        return luaL_error(lua, "answer: expected a function, got %s", luaL_typename(lua, -1));
    lua_pushstring(lua, call->method);
    lua_pushstring(lua, call->path);
    lua_pushlstring(lua, call->body->length ? call->body->data : "", call->body->length);
    lua_call(lua, 3, 2);
    if (lua_type(lua, -2) != LUA_TNUMBER || lua_type(lua, -1) != LUA_TSTRING)
        return luaL_error(lua, "answer: expected it to return a status and a text");
    call->status = (int)lua_tointeger(lua, -2);
    const char *text = lua_tolstring(lua, -1, &length);
    buffer_append(call->out, text, length);
    return 0;
}

struct error *script_answer(struct script *script, const char *method, const char *path,
                            const struct buffer *body, int *status, struct buffer *out) {
    struct answer_call call = {script, method, path, body, 0, out};
    struct error *error =
        guard_call(script->state, script->path, CALL_BUDGET_SECONDS, take_answer, &call);
    *status = call.status;
    return error;
}

void script_close(struct script *script) {
    if (!script)
        return;
    state_free(script->state);
    memory_free(script->path);
    memory_free(script);
}
