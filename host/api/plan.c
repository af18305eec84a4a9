/*
 * host.plan: new() makes a plan to fill, a skin over transfer/plan.h. First how its files are asked
 * for, then the files, then seal().
 *
 *   plan:set_revision(text, pinned)
 *   plan:header(name, part...)        parts are texts or secrets; true, or nil, message, kind
 *   plan:signer(handle)  :pin(header, value)  :reasons(headers separated by commas)
 *   plan:digest_header(header, kind, unless_name or nil, unless_value or nil)
 *   plan:file(path, size or nil, url or nil, local path or nil, etag or nil, digest kind or nil,
 *             digest or nil, head, mtime in seconds or nil, mode or nil)
 *   plan:include(glob)  plan:exclude(glob)           applied by seal
 *   plan:seal()
 *   plan:revision()  plan:count()  plan:holds(path)      of a sealed plan
 *   plan:describe(source, directory)  the plan as JSON, for people
 *
 * file, digest_header and seal return true; or nil, a message and a kind.
 */
#include "transfer/plan.h"

#include "api/parts.h"
#include "api/plan_json.h"
#include "base/memory.h"
#include "policy/guard.h"

#include "api/api.h"

#include <math.h>
#include <stdlib.h>

static const char PLAN[] = "host.plan";

#define SIZE_LIMIT 9007199254740992.0 /* 2^53 */
#define MTIME_LIMIT 9e9               /* seconds; in nanoseconds it fits 64 bits */

enum { DIGEST_HEADERS_MAX = 16 };

struct globs {
    const char **items; /* owned */
    size_t count;
};

struct handle {
    struct plan *plan;
    bool sealed;
    bool has_access; /* the first file has fixed how files are asked for */
    size_t access;
    struct header_list headers;
    struct plan_digest_header digests[DIGEST_HEADERS_MAX]; /* texts are owned */
    size_t digest_count;
    char *pin_name, *pin_value, *reasons;
    struct signer *signer;
    struct globs include, exclude;
};

static struct handle *check(lua_State *lua) {
    struct handle *handle = luaL_checkudata(lua, 1, PLAN);
    luaL_argcheck(lua, handle->plan && !handle->sealed, 1, "the plan is sealed");
    return handle;
}

/* While it can still be said how files are asked for. */
static struct handle *check_access(lua_State *lua) {
    struct handle *handle = check(lua);
    luaL_argcheck(lua, !handle->has_access, 1, "there are files already");
    return handle;
}

struct plan *api_plan(lua_State *lua, int argument) {
    const struct handle *handle = luaL_checkudata(lua, argument, PLAN);
    luaL_argcheck(lua, handle->sealed, argument, "the plan is not sealed");
    return handle->plan;
}

static void replace(char **field, const char *text) {
    memory_free(*field);
    *field = memory_string(text);
}

static char *copy_or_null(const char *text) {
    return text ? memory_string(text) : NULL;
}

static int succeed(lua_State *lua, struct error *error) {
    if (error)
        return api_fail_kind(lua, error);
    lua_pushboolean(lua, true);
    return 1;
}

static int set_revision(lua_State *lua) {
    const struct handle *handle = check(lua);
    plan_set_revision(handle->plan, api_text(lua, 2), lua_toboolean(lua, 3));
    return 0;
}

static int header(lua_State *lua) {
    return parts_header(lua, &check_access(lua)->headers);
}

static int signer(lua_State *lua) {
    struct handle *handle = check_access(lua);
    struct signer *given = api_signer(lua, 2);
    signer_unref(handle->signer);
    handle->signer = signer_ref(given);
    return 0;
}

static int pin(lua_State *lua) {
    struct handle *handle = check_access(lua);
    const char *name = api_text(lua, 2);
    const char *value = api_text(lua, 3);
    replace(&handle->pin_name, name);
    replace(&handle->pin_value, value);
    return 0;
}

static int reasons(lua_State *lua) {
    struct handle *handle = check_access(lua);
    replace(&handle->reasons, api_text(lua, 2));
    return 0;
}

static int digest_header(lua_State *lua) {
    struct handle *handle = check_access(lua);
    const char *name = api_text(lua, 2);
    const char *word = api_text(lua, 3);
    const char *unless_name = api_text_or_null(lua, 4);
    const char *unless_value = api_text_or_null(lua, 5);
    enum digest_kind kind;
    if (!digest_parse_name(word, &kind) || kind == DIGEST_NONE)
        return succeed(lua, error_new(ERROR_INVALID, NULL, "unknown digest '%s'", word));
    luaL_argcheck(lua, handle->digest_count < DIGEST_HEADERS_MAX, 1, "too many digest headers");
    handle->digests[handle->digest_count++] = (struct plan_digest_header){
        .name = memory_string(name),
        .kind = kind,
        .unless_name = copy_or_null(unless_name),
        .unless_value = copy_or_null(unless_value),
    };
    return succeed(lua, NULL);
}

/* Fixes how files are asked for. */
static void add_access(struct handle *handle) {
    struct plan_access access = {
        .headers = handle->headers.items,
        .header_count = handle->headers.count,
        .signer = handle->signer,
        .digests = handle->digests,
        .digest_count = handle->digest_count,
        .pin_name = handle->pin_name,
        .pin_value = handle->pin_value,
        .reason_headers = handle->reasons,
    };
    plan_add_access(handle->plan, &access, &handle->access);
    handle->has_access = true;
}

/* An argument that is a number from 0 to most, or nil for -1. */
static double number_or_none(lua_State *lua, int argument, double most) {
    if (lua_isnoneornil(lua, argument))
        return -1;
    double number = luaL_checknumber(lua, argument);
    luaL_argcheck(lua, number >= 0 && number <= most, argument, "out of range");
    return number;
}

static int file(lua_State *lua) {
    struct handle *handle = check(lua);
    const char *word = api_text_or_null(lua, 7);
    double mtime = number_or_none(lua, 10, MTIME_LIMIT);
    struct plan_file new_file = {
        .path = api_text(lua, 2),
        .size = (int64_t)number_or_none(lua, 3, SIZE_LIMIT),
        .url = api_text_or_null(lua, 4),
        .local = api_text_or_null(lua, 5),
        .etag = api_text_or_null(lua, 6),
        .digest = DIGEST_NONE,
        .hex = api_text_or_null(lua, 8),
        .ask_head = lua_toboolean(lua, 9),
        .mtime_ns = mtime < 0 ? -1 : (int64_t)round(mtime * 1e9),
        .mode = (int)number_or_none(lua, 11, 07777),
    };
    if (word && !digest_parse_name(word, &new_file.digest))
        return succeed(lua, error_new(ERROR_INVALID, NULL, "unknown digest '%s'", word));
    if (!handle->has_access)
        add_access(handle);
    new_file.access = handle->access;
    return succeed(lua, plan_add_file(handle->plan, &new_file));
}

static void add_glob(lua_State *lua, struct globs *globs) {
    const char *glob = api_text(lua, 2);
    globs->items = memory_resize(globs->items, (globs->count + 1) * sizeof *globs->items);
    globs->items[globs->count++] = memory_string(glob);
}

static int include(lua_State *lua) {
    add_glob(lua, &check(lua)->include);
    return 0;
}

static int exclude(lua_State *lua) {
    add_glob(lua, &check(lua)->exclude);
    return 0;
}

static int seal(lua_State *lua) {
    struct handle *handle = check(lua);
    guard_pause(lua);
    plan_filter(handle->plan, handle->include.items, handle->include.count, handle->exclude.items,
                handle->exclude.count);
    struct error *error = plan_seal(handle->plan);
    guard_resume(lua);
    handle->sealed = !error;
    return succeed(lua, error);
}

static int count(lua_State *lua) {
    lua_pushnumber(lua, (double)api_plan(lua, 1)->file_count);
    return 1;
}

static int revision(lua_State *lua) {
    lua_pushstring(lua, api_plan(lua, 1)->revision);
    return 1;
}

static int by_path(const void *left, const void *right) {
    return strcmp(((const struct plan_file *)left)->path, ((const struct plan_file *)right)->path);
}

static int holds(lua_State *lua) {
    const struct plan *plan = api_plan(lua, 1);
    struct plan_file wanted = {.path = api_text(lua, 2)};
    lua_pushboolean(lua, plan->file_count > 0 && bsearch(&wanted, plan->files, plan->file_count,
                                                         sizeof *plan->files, by_path) != NULL);
    return 1;
}

static int describe(lua_State *lua) {
    const struct plan *plan = api_plan(lua, 1);
    const char *source = api_text(lua, 2);
    const char *directory = api_text(lua, 3);
    struct buffer *out = api_buffer(lua);
    guard_pause(lua);
    plan_json(plan, source, directory, out);
    guard_resume(lua);
    api_push_buffer(lua, out);
    return 1;
}

static void free_globs(struct globs *globs) {
    for (size_t i = 0; i < globs->count; i++)
        memory_free((char *)globs->items[i]);
    memory_free(globs->items);
}

static int collect(lua_State *lua) {
    struct handle *handle = luaL_checkudata(lua, 1, PLAN);
    plan_free(handle->plan);
    parts_free(&handle->headers);
    for (size_t i = 0; i < handle->digest_count; i++) {
        memory_free((char *)handle->digests[i].name);
        memory_free((char *)handle->digests[i].unless_name);
        memory_free((char *)handle->digests[i].unless_value);
    }
    memory_free(handle->pin_name);
    memory_free(handle->pin_value);
    memory_free(handle->reasons);
    signer_unref(handle->signer);
    free_globs(&handle->include);
    free_globs(&handle->exclude);
    *handle = (struct handle){0};
    return 0;
}

static int new_plan(lua_State *lua) {
    static const luaL_Reg methods[] = {
        {"set_revision", set_revision},
        {"header", header},
        {"signer", signer},
        {"pin", pin},
        {"reasons", reasons},
        {"digest_header", digest_header},
        {"file", file},
        {"include", include},
        {"exclude", exclude},
        {"seal", seal},
        {"count", count},
        {"revision", revision},
        {"holds", holds},
        {"describe", describe},
        {NULL, NULL},
    };
    struct handle *handle = lua_newuserdata(lua, sizeof *handle);
    *handle = (struct handle){0};
    api_handle(lua, PLAN, methods, collect);
    lua_setmetatable(lua, -2);
    handle->plan = plan_new();
    plan_set_revision(handle->plan, "", false);
    return 1;
}

int api_open_plan(lua_State *lua) {
    static const luaL_Reg functions[] = {{"new", new_plan}, {NULL, NULL}};
    luaL_newlib(lua, functions);
    return 1;
}
