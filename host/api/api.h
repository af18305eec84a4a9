/*
 * What the host offers to Lua: one C file for each namespace, each a module for require with a
 * table of functions. lua/kthena is written against these and shapes them into what rules see;
 * rules never see them. policy/state registers them in every state it makes.
 *
 *   host.mapping  compiles metric rules        host.json  encoding, decoding and quoting
 *   host.metrics  renames a page               host.log   the process's log
 *   host.text     did you mean                 host.time  clocks
 *   host.rules    loads rule files; for tests only
 *
 * C takes and returns scalars and strings. A handle is a userdata with __gc. What the world did
 * wrong is returned as nil and a message, misuse raises an error. No C memory is held over a call
 * that can raise one: text that grows is kept in an api_buffer.
 */
#ifndef KTHENA_API_API_H
#define KTHENA_API_API_H

#include "base/buffer.h"
#include "base/error.h"
#include "metrics/mapping.h"

#include <lauxlib.h>
#include <lua.h>

/* Puts the namespaces into package.preload. */
void api_register(lua_State *lua);
void api_register_for_tests(lua_State *lua);

/* Pushes a userdata that owns an empty buffer and frees it when it is collected; the caller may
 * free the buffer earlier. */
struct buffer *api_buffer(lua_State *lua);

/* Pushes the buffer's content as a string and frees it. */
void api_push_buffer(lua_State *lua, struct buffer *buffer);

/* Pushes the error's text, cut at 1000 bytes, and frees the error. */
void api_push_error(lua_State *lua, struct error *error);

/* Pushes nil and the error's text, and returns 2: `return api_fail(lua, error);`. */
int api_fail(lua_State *lua, struct error *error);

/* An argument that is a string without a NUL in it; anything else is misuse. The second takes nil
 * and nothing for NULL. */
const char *api_text(lua_State *lua, int argument);
const char *api_text_or_null(lua_State *lua, int argument);

/* Makes a handle's metatable with these methods and __gc, and leaves it on the stack. */
void api_handle(lua_State *lua, const char *type, const luaL_Reg *methods, lua_CFunction collect);

/* Pushes an empty handle of host.mapping and returns where its mapping goes, with a reference. */
struct mapping **api_push_mapping(lua_State *lua);

/* The mapping behind a handle of host.mapping, which keeps its reference. */
struct mapping *api_mapping(lua_State *lua, int argument);

/* The modules' openers. */
int api_open_json(lua_State *lua);
int api_open_cjson(lua_State *lua);
int api_open_log(lua_State *lua);
int api_open_mapping(lua_State *lua);
int api_open_metrics(lua_State *lua);
int api_open_rules(lua_State *lua);
int api_open_text(lua_State *lua);
int api_open_time(lua_State *lua);

#endif
