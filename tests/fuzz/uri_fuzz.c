/*
 * URIs: any text either belongs to a source or is refused with a sentence that lists the known
 * ones, and kthena.uri takes it apart into pieces that are its own.
 */
#include "policy/generation.h"
#include "policy/guard.h"

#include "fuzz.h"

static const char RULES[] =
    "return { api = 1, source = 'x', schemes = { 'acme', 'a+b', '' }, help = 'acme:///path',\n"
    "  resolve = function() end }";

/* What has to hold of the pieces. */
static const char CHECK[] =
    "local text = ...\n"
    "local uri = require('kthena.uri').parse(text)\n"
    "assert(uri.text == text and uri.scheme == uri.scheme:lower())\n"
    "assert(text:sub(-#uri.rest) == uri.rest or uri.rest == '')\n"
    "assert(uri.scheme == '' and uri.rest == text or #uri.rest == #text - #uri.scheme - 3)\n"
    "assert(uri.rest:sub(1, #uri.authority + #uri.path) == uri.authority .. uri.path)\n"
    "assert(not uri.authority:find('[/?#]') and not uri.path:find('[?#]'))\n"
    "assert(not uri.query or uri.rest:find('?' .. uri.query, 1, true))\n"
    "assert(uri.revision ~= '')\n"
    "assert(not uri.revision or uri.name .. '@' .. uri.revision == uri.rest)\n";

struct input {
    const char *text;
    size_t length;
};

static int parse(lua_State *lua) {
    const struct input *input = lua_touserdata(lua, 1);
    if (luaL_loadbuffer(lua, CHECK, sizeof CHECK - 1, "=check") != 0)
        return lua_error(lua);
    lua_pushlstring(lua, input->text, input->length);
    lua_call(lua, 1, 0);
    return 0;
}

static struct generation *build(void) {
    struct problems problems = {0};
    struct rule_sources sources = {.lua = KTHENA_SOURCE_DIR "/lua"};
    struct generation *generation =
        generation_build(snapshot_of("x.lua", RULES, sizeof RULES - 1), &sources, 1, &problems);
    must(generation);
    return generation;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static struct generation *generation;
    static struct state *state;
    const struct source *source = NULL;
    struct error *error = NULL;
    if (!generation)
        generation = build();
    if (!state)
        error = state_new(KTHENA_SOURCE_DIR "/lua", 0, &state);
    must(!error);
    char *text = memory_copy((const char *)data, size);
    error = generation_source_of(generation, text, &source);
    must((error == NULL) == (source != NULL));
    must(!error || (error->kind == ERROR_INVALID && strstr(error->message, "known: ")));
    error_free(error);
    struct input input = {text, size};
    error = guard_call(state, "check", 10, parse, &input);
    if (error)
        fprintf(stderr, "%s\n", error->message);
    must(!error);
    memory_free(text);
    return 0;
}
