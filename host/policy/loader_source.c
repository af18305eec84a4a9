/* What the library tells of a source. */
#include "api/api.h"
#include "base/memory.h"
#include "policy/loader_private.h"

static struct source *source_of(lua_State *lua) {
    return &load_rule(lua, RULE_SOURCE)->as.source;
}

/* outcome:source(name) */
static int take_source(lua_State *lua) {
    load_replace(&source_of(lua)->name, api_text(lua, 2));
    return 0;
}

/* outcome:scheme(name) */
static int take_scheme(lua_State *lua) {
    struct source *source = source_of(lua);
    load_append(&source->schemes, &source->scheme_count, api_text(lua, 2));
    return 0;
}

/* outcome:help(line) */
static int take_help(lua_State *lua) {
    load_replace(&source_of(lua)->help, api_text(lua, 2));
    return 0;
}

const luaL_Reg load_source_methods[] = {
    {"source", take_source},
    {"scheme", take_scheme},
    {"help", take_help},
    {NULL, NULL},
};

bool load_source_complete(const struct source *source) {
    return source->name && source->scheme_count > 0 && source->help && source->effective;
}

void load_source_free(struct source *source) {
    memory_free(source->name);
    load_free_list(source->schemes, source->scheme_count);
    memory_free(source->help);
    memory_free(source->effective);
}
