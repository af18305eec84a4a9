/*
 * host.files: list(path) is a list of the files of a directory tree, or of one file: tables with
 * path (relative), from (absolute), size, mtime (seconds), mode; or nil, a message and a kind. What
 * is neither file nor directory is left out, and the log says so.
 */
#include "store/tree.h"

#include "base/log.h"
#include "policy/guard.h"
#include "policy/state.h"

#include "api/api.h"
#include "api/context.h"

enum { SKIPPED_SAID_MAX = 10 };

static int collect(lua_State *lua) {
    tree_free(lua_touserdata(lua, 1));
    return 0;
}

static void report_skipped(const struct tree *tree) {
    size_t count = 0;
    for (size_t at = 0; at < tree->skipped.length; count++) {
        const char *path = tree->skipped.data + at;
        if (count < SKIPPED_SAID_MAX)
            log_warning("%s is neither a file nor a directory; it is left out", path);
        at += strlen(path) + 1;
    }
    if (count > SKIPPED_SAID_MAX)
        log_warning("%zu more are left out", count - SKIPPED_SAID_MAX);
}

static void push_file(lua_State *lua, const struct tree_file *file) {
    lua_createtable(lua, 0, 5);
    lua_pushstring(lua, file->path);
    lua_setfield(lua, -2, "path");
    lua_pushstring(lua, file->from);
    lua_setfield(lua, -2, "from");
    lua_pushnumber(lua, (double)file->size);
    lua_setfield(lua, -2, "size");
    lua_pushnumber(lua, (double)file->mtime_ns / 1e9);
    lua_setfield(lua, -2, "mtime");
    lua_pushinteger(lua, file->mode);
    lua_setfield(lua, -2, "mode");
}

static int list(lua_State *lua) {
    const char *path = api_text(lua, 1);
    const struct host_context *context = api_context(lua);
    struct tree *tree = lua_newuserdata(lua, sizeof *tree);
    *tree = (struct tree){0};
    api_handle(lua, "host.files.tree", NULL, collect);
    lua_setmetatable(lua, -2);
    guard_pause(lua);
    struct error *error = tree_list(path, context->cancel, tree);
    guard_resume(lua);
    if (error)
        return api_fail_kind(lua, error);
    report_skipped(tree);
    lua_createtable(lua, (int)tree->count, 0);
    for (size_t i = 0; i < tree->count; i++) {
        push_file(lua, &tree->files[i]);
        lua_rawseti(lua, -2, (int)i + 1);
    }
    tree_free(tree);
    return 1;
}

int api_open_files(lua_State *lua) {
    static const luaL_Reg functions[] = {{"list", list}, {NULL, NULL}};
    luaL_newlib(lua, functions);
    return 1;
}
