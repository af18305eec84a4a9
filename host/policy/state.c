#include "policy/state.h"

#include "api/api.h"
#include "base/file.h"
#include "base/memory.h"

#include <lauxlib.h>
#include <luajit.h>
#include <lualib.h>
#include <string.h>

enum {
    MODULE_BYTES_MAX = 1024 * 1024,
    GC_PAUSE = 150, /* percent: collect early, because garbage counts towards the cap */
    GC_STEP = 400,
};

/* Lua's allocator with a bound. A refusal becomes Lua's error "not enough memory". */
static void *allocate(void *context, void *block, size_t old_size, size_t new_size) {
    struct state *state = context;
    if (new_size > old_size && state->memory_bytes > 0 &&
        state->used_bytes - old_size + new_size > state->memory_bytes) {
        state->exhausted = true;
        return NULL;
    }
    void *result = state->allocate(state->allocate_context, block, old_size, new_size);
    if (result || new_size == 0)
        state->used_bytes = state->used_bytes - old_size + new_size;
    return result;
}

struct state *state_of(lua_State *lua) {
    void *context;
    lua_getallocf(lua, &context);
    return context;
}

/* Reads the source of a module into a string on the stack: the text is Lua's before anything that
 * can fail is done with it. Returns false, and a message on the stack, when it cannot be read. */
static bool push_file(lua_State *lua, const char *path) {
    struct buffer *text = api_buffer(lua);
    struct error *error = file_read(path, MODULE_BYTES_MAX, text);
    if (error)
        api_push_error(lua, error);
    else
        lua_pushlstring(lua, text->length ? text->data : "", text->length);
    buffer_free(text);
    lua_remove(lua, -2);
    return error == NULL;
}

/* A searcher for require: kthena.NAME is kthena/NAME.lua in the library directory. */
static int search(lua_State *lua) {
    const char *name = luaL_checkstring(lua, 1);
    size_t prefix = strlen("kthena.");
    if (strncmp(name, "kthena.", prefix) != 0 ||
        strspn(name + prefix, "abcdefghijklmnopqrstuvwxyz_") != strlen(name + prefix)) {
        lua_pushliteral(lua, "\n\tno such module of kthena");
        return 1;
    }
    const char *path =
        lua_pushfstring(lua, "%s/kthena/%s.lua", state_of(lua)->library, name + prefix);
    if (!push_file(lua, path)) {
        lua_pushfstring(lua, "\n\t%s", lua_tostring(lua, -1));
        return 1;
    }
    size_t length;
    const char *text = lua_tolstring(lua, -1, &length);
    const char *chunk = lua_pushfstring(lua, "@lua/kthena/%s.lua", name + prefix);
    if (luaL_loadbufferx(lua, text, length, chunk, "t") != 0)
        return lua_error(lua);
    return 1;
}

static void open_library(lua_State *lua, const char *name, lua_CFunction open) {
    lua_pushcfunction(lua, open);
    lua_pushstring(lua, name);
    lua_call(lua, 1, 0);
}

/* package.loaders = { preload, search }: no path, no C modules. */
static void restrict_require(lua_State *lua) {
    lua_getglobal(lua, "package");
    lua_getfield(lua, -1, "loaders");
    lua_newtable(lua);
    lua_rawgeti(lua, -2, 1);
    lua_rawseti(lua, -2, 1);
    lua_pushcfunction(lua, search);
    lua_rawseti(lua, -2, 2);
    lua_setfield(lua, -3, "loaders");
    lua_pushliteral(lua, "");
    lua_setfield(lua, -3, "path");
    lua_pushliteral(lua, "");
    lua_setfield(lua, -3, "cpath");
    lua_pop(lua, 2);
}

static int open_for_rules(lua_State *lua) {
    static const luaL_Reg libraries[] = {
        {"", luaopen_base},
        {LUA_LOADLIBNAME, luaopen_package},
        {LUA_STRLIBNAME, luaopen_string},
        {LUA_TABLIBNAME, luaopen_table},
        {LUA_MATHLIBNAME, luaopen_math},
        {LUA_BITLIBNAME, luaopen_bit},
    };
    for (size_t i = 0; i < sizeof libraries / sizeof *libraries; i++)
        open_library(lua, libraries[i].name, libraries[i].func);
    luaJIT_setmode(lua, 0, LUAJIT_MODE_ENGINE | LUAJIT_MODE_OFF);
    lua_gc(lua, LUA_GCSETPAUSE, GC_PAUSE);
    lua_gc(lua, LUA_GCSETSTEPMUL, GC_STEP);
    restrict_require(lua);
    api_register(lua);
    return 0;
}

static int open_for_tests(lua_State *lua) {
    luaL_openlibs(lua);
    luaJIT_setmode(lua, 0, LUAJIT_MODE_ENGINE | LUAJIT_MODE_OFF);
    lua_getglobal(lua, "package");
    lua_getfield(lua, -1, "loaders");
    for (int i = (int)lua_objlen(lua, -1); i >= 2; i--) {
        lua_rawgeti(lua, -1, i);
        lua_rawseti(lua, -2, i + 1);
    }
    lua_pushcfunction(lua, search);
    lua_rawseti(lua, -2, 2);
    lua_pop(lua, 2);
    api_register(lua);
    api_register_for_tests(lua);
    return 0;
}

static struct error *make(const char *library, size_t memory_bytes, lua_CFunction open,
                          struct state **out) {
    lua_State *lua = luaL_newstate();
    if (!lua)
        return error_new(ERROR_LIMIT, NULL, "could not make a Lua state: not enough memory");
    struct state *state = memory_zero(1, sizeof *state);
    state->lua = lua;
    state->library = memory_string(library);
    state->memory_bytes = memory_bytes;
    state->allocate = lua_getallocf(lua, &state->allocate_context);
    state->used_bytes =
        (size_t)lua_gc(lua, LUA_GCCOUNT, 0) * 1024 + (size_t)lua_gc(lua, LUA_GCCOUNTB, 0);
    lua_setallocf(lua, allocate, state);
    if (lua_cpcall(lua, open, NULL) != 0) {
        const char *why = lua_tostring(lua, -1);
        struct error *error =
            error_new(ERROR_LIMIT, NULL, "could not make a Lua state: %s", why ? why : "unknown");
        state_free(state);
        return error;
    }
    *out = state;
    return NULL;
}

struct error *state_new(const char *library, size_t memory_bytes, struct state **out) {
    return make(library, memory_bytes ? memory_bytes : STATE_MEMORY_BYTES, open_for_rules, out);
}

struct error *state_new_for_tests(const char *library, struct state **out) {
    return make(library, 0, open_for_tests, out);
}

void state_free(struct state *state) {
    if (!state)
        return;
    /* LuaJIT returns the whole of its allocator's memory only when it finds that allocator. */
    lua_setallocf(state->lua, state->allocate, state->allocate_context);
    lua_close(state->lua);
    memory_free(state->library);
    memory_free(state);
}
