/*
 * What the host offers to Lua: one C file for each namespace, each a module for require with a
 * table of functions. lua/kthena is written against these and shapes them into what rules see;
 * rules never see them. policy/state registers them in every state it makes.
 *
 *   host.mapping  compiles metric rules        host.json     encoding, decoding and quoting
 *   host.metrics  renames a page               host.log      the process's log
 *   host.text     did you mean                 host.time     clocks
 *   host.secret   texts that nobody reads      host.config   a source's configuration
 *   host.url      parts and encoding           host.xml      parsing
 *   host.sign     request signers              host.env      variables
 *   host.file     one file's content           host.files    a directory's files
 *   host.plan     builds a download's plan
 *
 * and, while a call runs to which a context is bound (context.h):
 *
 *   host.http     requests                     host.download a directory to download into
 *   host.job      whose call this is           host.access   what it may do
 *   host.sources  the rule file of a URI
 *
 * for tests only:
 *
 *   host.rules    loads rule files             host.testing  makes and binds a context
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
#include "policy/access.h"

#include <lauxlib.h>
#include <lua.h>
#include <stdbool.h>

struct plan;
struct signer;
struct state_table;

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

/* Pushes nil, the error's text and the word of its kind, and returns 3. */
int api_fail_kind(lua_State *lua, struct error *error);

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

/* Pushes a handle of host.secret; the second without white space at the ends, which files and
 * variables with credentials often have. The third tells one from a text. The others are the text
 * behind an argument that is a text or a secret, without a NUL in it, and NULL for nil; it lives as
 * long as the argument. */
void api_push_secret(lua_State *lua, const char *text, size_t length);
void api_push_trimmed_secret(lua_State *lua, const char *text, size_t length);
bool api_is_secret(lua_State *lua, int argument);
const char *api_secret(lua_State *lua, int argument, size_t *length);
const char *api_secret_text(lua_State *lua, int argument);
const char *api_secret_or_null(lua_State *lua, int argument);

/* Pushes a handle of host.config for a JSON object; or nothing, and an error whose text quotes none
 * of it. */
struct error *api_push_config(lua_State *lua, const char *json) __attribute__((warn_unused_result));

/* The signer and the plan behind handles, which keep them. */
struct signer *api_signer(lua_State *lua, int argument);
struct plan *api_plan(lua_State *lua, int argument);

/* Pushes a handle of host.state: of a table that lives longer, or NULL for one of its own. */
void api_push_state(lua_State *lua, struct state_table *table);

/* How far an argument lets connections lead: "anywhere", "named" or "guarded". */
enum access_reach api_reach(lua_State *lua, int argument);

/* The modules' openers. */
int api_open_access(lua_State *lua);
int api_open_call(lua_State *lua);
int api_open_config(lua_State *lua);
int api_open_download(lua_State *lua);
int api_open_engine(lua_State *lua);
int api_open_env(lua_State *lua);
int api_open_file(lua_State *lua);
int api_open_files(lua_State *lua);
int api_open_http(lua_State *lua);
int api_open_job(lua_State *lua);
int api_open_lock(lua_State *lua);
int api_open_manifest(lua_State *lua);
int api_open_plan(lua_State *lua);
int api_open_registry(lua_State *lua);
int api_open_secret(lua_State *lua);
int api_open_settings(lua_State *lua);
int api_open_sign(lua_State *lua);
int api_open_sources(lua_State *lua);
int api_open_state(lua_State *lua);
int api_open_testing(lua_State *lua);
int api_open_url(lua_State *lua);
int api_open_xml(lua_State *lua);
int api_open_json(lua_State *lua);
int api_open_cjson(lua_State *lua);
int api_open_log(lua_State *lua);
int api_open_mapping(lua_State *lua);
int api_open_metrics(lua_State *lua);
int api_open_rules(lua_State *lua);
int api_open_text(lua_State *lua);
int api_open_time(lua_State *lua);

#endif
