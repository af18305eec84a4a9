/*
 * host.manifest: what a finished download has left in a directory.
 *
 *   read(directory)     source, revision, pinned, and a list of tables with path, size, digest
 *   delete(directory)   waits for the directory's lock, removes the files that the manifest lists
 *                       and what is empty then, and is the number of files
 *
 * What fails is nil, a message and a kind.
 */
#include "store/manifest.h"

#include "api/session.h"
#include "base/memory.h"
#include "policy/guard.h"

#include "api/api.h"

static const char MANIFEST[] = "host.manifest";

static int collect(lua_State *lua) {
    struct manifest *manifest = luaL_checkudata(lua, 1, MANIFEST);
    manifest_free(manifest);
    return 0;
}

static struct error *read_in(const char *path, struct manifest *out) {
    struct directory directory;
    struct error *error = directory_open_existing(path, &directory);
    if (error)
        return error;
    error = manifest_read(&directory, out);
    directory_close(&directory);
    return error;
}

static void push_files(lua_State *lua, const struct manifest *manifest) {
    lua_createtable(lua, (int)manifest->count, 0);
    for (size_t i = 0; i < manifest->count; i++) {
        const struct manifest_file *file = &manifest->files[i];
        lua_createtable(lua, 0, 3);
        lua_pushstring(lua, file->path);
        lua_setfield(lua, -2, "path");
        lua_pushnumber(lua, (double)file->size);
        lua_setfield(lua, -2, "size");
        lua_pushstring(lua, file->digest);
        lua_setfield(lua, -2, "digest");
        lua_rawseti(lua, -2, (int)i + 1);
    }
}

static int read_manifest(lua_State *lua) {
    const char *path = api_text(lua, 1);
    struct manifest *manifest = lua_newuserdata(lua, sizeof *manifest);
    *manifest = (struct manifest){0};
    api_handle(lua, MANIFEST, NULL, collect);
    lua_setmetatable(lua, -2);
    guard_pause(lua);
    struct error *error = read_in(path, manifest);
    guard_resume(lua);
    if (error)
        return api_fail_kind(lua, error);
    lua_pushstring(lua, manifest->source);
    lua_pushstring(lua, manifest->revision);
    lua_pushboolean(lua, manifest->pinned);
    push_files(lua, manifest);
    manifest_free(manifest);
    return 4;
}

/* Looks first whether there is a manifest: taking the lock would make the directory. */
static struct error *delete_in(const char *path, struct host_context *context, size_t *count) {
    struct manifest manifest = {0};
    struct session session = {0};
    struct error *error = read_in(path, &manifest);
    manifest_free(&manifest);
    if (error)
        return error;
    error = session_open(&session, context, path);
    if (error)
        return error;
    error = manifest_delete(&session.directory, count);
    session_close(&session);
    return error;
}

static int delete_files(lua_State *lua) {
    const char *path = api_text(lua, 1);
    struct host_context *context = api_context(lua);
    size_t count = 0;
    guard_pause(lua);
    struct error *error = delete_in(path, context, &count);
    guard_resume(lua);
    if (error)
        return api_fail_kind(lua, error);
    lua_pushnumber(lua, (double)count);
    return 1;
}

int api_open_manifest(lua_State *lua) {
    static const luaL_Reg functions[] = {
        {"read", read_manifest}, {"delete", delete_files}, {NULL, NULL}};
    luaL_newlib(lua, functions);
    return 1;
}
