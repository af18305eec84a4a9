/*
 * host.download: open(directory) opens an output directory, waits for its lock and takes it;
 * look(directory) only looks at one where a download was finished, and is nil for any other.
 *
 *   session:manifest()        source, revision, pinned, whether every file is there, how many files
 *                             and bytes; nil when there is none that can be read
 *   session:run(plan, source, workers or nil, reach)
 *                             downloads a sealed plan; true, or nil, message, kind, and if a file
 *                             was refused: status, header lines, body, url, path
 *   session:numbers()         files and bytes of the whole, files present before, bytes fetched
 *   session:present(files, bytes)  nothing had to be done: the numbers say so
 *   session:write(path, text) writes a small file
 *   session:finished(selection)  whether mark_finished was called with this for the manifest there
 *   session:mark_finished(selection)
 *   session:digest()          one digest over those of all files of the manifest; nil without one
 *   session:close()           unlocks
 *
 * What fails is nil, a message and a kind. The end of the call closes what is still open.
 */
#include "api/session.h"

#include "policy/guard.h"
#include "store/manifest.h"
#include "store/mark.h"

#include "api/api.h"

static const char SESSION[] = "host.download";

/* A session and what it works with, which a Lua error must not leak. */
struct handle {
    struct session session;
    struct manifest manifest;
    struct download_refusal refusal;
};

static struct handle *check(lua_State *lua) {
    struct handle *handle = luaL_checkudata(lua, 1, SESSION);
    luaL_argcheck(lua, handle->session.open, 1, "the directory is closed");
    return handle;
}

static int succeed(lua_State *lua, struct error *error) {
    if (error)
        return api_fail_kind(lua, error);
    lua_pushboolean(lua, true);
    return 1;
}

static void forget_manifest(struct handle *handle) {
    manifest_free(&handle->manifest);
    handle->manifest = (struct manifest){0};
}

/* The manifest of the directory, empty if there is none that can be read. It stays the same until
 * the session itself writes another. */
static const struct manifest *read_manifest(struct handle *handle) {
    if (!handle->manifest.source)
        error_free(manifest_read(&handle->session.directory, &handle->manifest));
    return handle->manifest.source ? &handle->manifest : NULL;
}

static int push_manifest(lua_State *lua) {
    struct handle *handle = check(lua);
    double bytes = 0;
    bool complete = true;
    guard_pause(lua);
    const struct manifest *manifest = read_manifest(handle);
    for (size_t i = 0; manifest && i < manifest->count; i++) {
        const struct manifest_file *file = &manifest->files[i];
        complete = complete && manifest_file_is_present(&handle->session.directory, file);
        bytes += (double)file->size;
    }
    guard_resume(lua);
    if (!manifest)
        return 0;
    lua_pushstring(lua, manifest->source);
    lua_pushstring(lua, manifest->revision);
    lua_pushboolean(lua, manifest->pinned);
    lua_pushboolean(lua, complete);
    lua_pushnumber(lua, (double)manifest->count);
    lua_pushnumber(lua, bytes);
    return 6;
}

/* Pushes what was refused, after nil, message and kind. */
static int push_refusal(lua_State *lua, const struct download_refusal *refusal) {
    if (refusal->status == 0)
        return 0;
    lua_pushinteger(lua, refusal->status);
    lua_pushlstring(lua, refusal->headers.data, refusal->headers.length);
    lua_pushlstring(lua, refusal->body.data, refusal->body.length);
    lua_pushstring(lua, refusal->url);
    lua_pushstring(lua, refusal->path);
    return 5;
}

/* A call may run more than one plan, or one again: the numbers are of the last. What was fetched is
 * of all. */
static void reset(struct progress *progress) {
    atomic_store(&progress->bytes_done, 0);
    atomic_store(&progress->files_done, 0);
    atomic_store(&progress->files_present, 0);
}

static void note_present(struct progress *progress, int64_t files, int64_t bytes) {
    atomic_store(&progress->files_total, files);
    atomic_store(&progress->files_done, files);
    atomic_store(&progress->files_present, files);
    atomic_store(&progress->bytes_total, bytes);
    atomic_store(&progress->bytes_done, bytes);
}

/* Where nothing can be written, a plan works out when there is nothing to write. */
static struct error *run_unwritable(struct handle *handle, const struct plan *plan,
                                    const char *source, struct progress *progress) {
    const struct manifest *manifest = read_manifest(handle);
    int64_t bytes = 0;
    bool complete = manifest != NULL;
    for (size_t i = 0; complete && i < plan->file_count; i++) {
        complete = download_is_present(plan, i, source, &handle->session.directory, manifest);
        if (complete)
            bytes += manifest_find(manifest, plan->files[i].path)->size;
    }
    if (!complete)
        return session_check(&handle->session);
    note_present(progress, (int64_t)plan->file_count, bytes);
    return NULL;
}

static struct error *run_writable(struct handle *handle, struct plan *plan, const char *source,
                                  const struct download_config *config, struct progress *progress) {
    struct directory *directory = &handle->session.directory;
    struct error *error = session_check(&handle->session);
    if (!error)
        error = download_run(plan, directory, source, config, progress);
    return error ? error : session_check(&handle->session);
}

static int run(lua_State *lua) {
    struct handle *handle = check(lua);
    struct plan *plan = api_plan(lua, 2);
    const char *source = api_text(lua, 3);
    lua_Integer workers = luaL_optinteger(lua, 4, 0);
    struct host_context *context = api_context(lua);
    struct download_config config = *context->download;
    config.max_workers = workers > 0 ? (int)workers : config.max_workers;
    access_guard(context->access, api_reach(lua, 5), &config.network);
    config.cancel = context->cancel;
    config.refusal = &handle->refusal;
    config.lock = handle->session.lock;
    guard_pause(lua);
    reset(context->progress);
    forget_manifest(handle);
    download_refusal_free(&handle->refusal);
    struct error *error = handle->session.unwritable
                              ? run_unwritable(handle, plan, source, context->progress)
                              : run_writable(handle, plan, source, &config, context->progress);
    guard_resume(lua);
    if (!error)
        return succeed(lua, NULL);
    int results = api_fail_kind(lua, error);
    return results + push_refusal(lua, &handle->refusal);
}

static int numbers(lua_State *lua) {
    check(lua);
    struct progress *progress = api_context(lua)->progress;
    lua_pushnumber(lua, (double)atomic_load(&progress->files_total));
    lua_pushnumber(lua, (double)atomic_load(&progress->bytes_total));
    lua_pushnumber(lua, (double)atomic_load(&progress->files_present));
    lua_pushnumber(lua, (double)atomic_load(&progress->bytes_fetched));
    return 4;
}

/* session:present(files, bytes): nothing had to be done, which the live numbers say too. */
static int present(lua_State *lua) {
    check(lua);
    note_present(api_context(lua)->progress, (int64_t)luaL_checknumber(lua, 2),
                 (int64_t)luaL_checknumber(lua, 3));
    return 0;
}

static int write_file(lua_State *lua) {
    const struct handle *handle = check(lua);
    const char *path = api_text(lua, 2);
    size_t length;
    const char *text = luaL_checklstring(lua, 3, &length);
    guard_pause(lua);
    struct error *error = session_check(&handle->session);
    if (!error)
        error = directory_write_file(&handle->session.directory, path, text, length);
    guard_resume(lua);
    return succeed(lua, error);
}

static int finished(lua_State *lua) {
    struct handle *handle = check(lua);
    const char *selection = api_text(lua, 2);
    guard_pause(lua);
    const struct manifest *manifest = read_manifest(handle);
    bool is_there = manifest && mark_is_there(&handle->session.directory, manifest, selection);
    guard_resume(lua);
    lua_pushboolean(lua, is_there);
    return 1;
}

static int mark_finished(lua_State *lua) {
    struct handle *handle = check(lua);
    const char *selection = api_text(lua, 2);
    guard_pause(lua);
    const struct manifest *manifest = read_manifest(handle);
    struct error *error = session_check(&handle->session);
    if (!error && manifest)
        error = mark_write(&handle->session.directory, manifest, selection);
    guard_resume(lua);
    return succeed(lua, error);
}

static int digest(lua_State *lua) {
    struct handle *handle = check(lua);
    char text[MANIFEST_DIGEST_SIZE];
    guard_pause(lua);
    const struct manifest *manifest = read_manifest(handle);
    if (manifest)
        manifest_digest(manifest, text);
    guard_resume(lua);
    lua_pushstring(lua, manifest ? text : NULL);
    return 1;
}

static void release(struct handle *handle) {
    session_close(&handle->session);
    forget_manifest(handle);
    download_refusal_free(&handle->refusal);
}

static int close_session(lua_State *lua) {
    struct handle *handle = luaL_checkudata(lua, 1, SESSION);
    guard_pause(lua);
    release(handle);
    guard_resume(lua);
    return 0;
}

static int collect(lua_State *lua) {
    release(luaL_checkudata(lua, 1, SESSION));
    return 0;
}

/* Makes an empty handle, on the stack. */
static struct handle *new_handle(lua_State *lua) {
    static const luaL_Reg methods[] = {
        {"manifest", push_manifest},
        {"run", run},
        {"numbers", numbers},
        {"present", present},
        {"write", write_file},
        {"finished", finished},
        {"mark_finished", mark_finished},
        {"digest", digest},
        {"close", close_session},
        {NULL, NULL},
    };
    struct handle *handle = lua_newuserdata(lua, sizeof *handle);
    *handle = (struct handle){0};
    api_handle(lua, SESSION, methods, collect);
    lua_setmetatable(lua, -2);
    return handle;
}

static int look(lua_State *lua) {
    const char *path = api_text(lua, 1);
    struct host_context *context = api_context(lua);
    struct handle *handle = new_handle(lua);
    guard_pause(lua);
    bool found = session_look(&handle->session, context, path);
    guard_resume(lua);
    return found ? 1 : 0;
}

static int open_session(lua_State *lua) {
    const char *path = api_text(lua, 1);
    struct host_context *context = api_context(lua);
    struct handle *handle = new_handle(lua);
    guard_pause(lua);
    struct error *error = session_open(&handle->session, context, path);
    guard_resume(lua);
    return error ? api_fail_kind(lua, error) : 1;
}

int api_open_download(lua_State *lua) {
    static const luaL_Reg functions[] = {{"open", open_session}, {"look", look}, {NULL, NULL}};
    luaL_newlib(lua, functions);
    return 1;
}
