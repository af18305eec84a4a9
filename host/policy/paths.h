/*
 * Where the built-in Lua library and rules are. The commands ask once at the start and hand the
 * answer on; the caller owns it.
 */
#ifndef KTHENA_POLICY_PATHS_H
#define KTHENA_POLICY_PATHS_H

#include "base/error.h"

struct paths {
    char *lua;   /* the directory that holds kthena/, for require "kthena.*" */
    char *rules; /* the directory that holds engines/ */
};

/* Looks in <directory of the binary>/../share/kthena-runtime (installed) and then in <directory of
 * the binary>/../.. (a build tree inside the sources) for lua/kthena and takes lua/ and rules/ from
 * there. KTHENA_LUA_DIR and KTHENA_RULES_DIR, when set and not empty, take the place of one each.
 * ERROR_NOT_FOUND names every directory that was looked at. */
struct error *paths_find(struct paths *out) __attribute__((warn_unused_result));
void paths_free(struct paths *paths);

#endif
