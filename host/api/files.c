/*
 * host.files: list(path) is a list of the files of a directory tree, or of one file: tables with
 * path (relative), from (absolute), size, mtime (seconds), mode; or nil, a message and a kind. What
 * is neither file nor directory is left out, and the log says so. read(path, limit) is a file's
 * content as it is; exists(path) whether something is there.
 */
#include "store/tree.h"

#include "base/file.h"

#include "base/log.h"
#include "policy/guard.h"
#include "policy/state.h"

#include "api/api.h"
#include "api/context.h"

#include <sys/stat.h>

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

static int read_file(lua_State *lua) {
    const char *path = api_text(lua, 1);
    lua_Integer limit = luaL_checkinteger(lua, 2);
    struct stat about;
    luaL_argcheck(lua, limit > 0, 2, "expected a number of bytes");
    struct buffer *content = api_buffer(lua);
    guard_pause(lua);
    struct error *error = NULL;
    if (stat(path, &about) == 0 && !S_ISREG(about.st_mode)) /* a pipe would be waited for */
        error = error_new(ERROR_INVALID, NULL, "could not read %s: it is no regular file", path);
    else
        error = file_read(path, (size_t)limit, content);
    guard_resume(lua);
    if (error)
        return api_fail_kind(lua, error);
    api_push_buffer(lua, content);
    return 1;
}

static int exists(lua_State *lua) {
    struct stat about;
    lua_pushboolean(lua, stat(api_text(lua, 1), &about) == 0);
    return 1;
}

int api_open_files(lua_State *lua) {
    static const luaL_Reg functions[] = {
        {"list", list}, {"read", read_file}, {"exists", exists}, {NULL, NULL}};
    luaL_newlib(lua, functions);
    return 1;
}
