/* What the library tells of an engine. */
#include "api/api.h"
#include "base/memory.h"
#include "policy/loader_private.h"

static struct engine *engine_of(lua_State *lua) {
    return &load_rule(lua, RULE_ENGINE)->as.engine;
}

/* outcome:engine(name) */
static int take_engine(lua_State *lua) {
    load_replace(&engine_of(lua)->name, api_text(lua, 2));
    return 0;
}

/* outcome:alias(name) */
static int take_alias(lua_State *lua) {
    struct engine *engine = engine_of(lua);
    load_append(&engine->aliases, &engine->alias_count, api_text(lua, 2));
    return 0;
}

/* outcome:detect(beginning) */
static int take_detect(lua_State *lua) {
    struct engine *engine = engine_of(lua);
    load_append(&engine->detect, &engine->detect_count, api_text(lua, 2));
    return 0;
}

/* outcome:mapping(handle) */
static int take_mapping(lua_State *lua) {
    struct engine *engine = engine_of(lua);
    struct mapping *mapping = api_mapping(lua, 2);
    mapping_unref(engine->mapping);
    engine->mapping = mapping_ref(mapping);
    return 0;
}

const luaL_Reg load_engine_methods[] = {
    {"engine", take_engine},   {"alias", take_alias}, {"detect", take_detect},
    {"mapping", take_mapping}, {NULL, NULL},
};

bool load_engine_complete(const struct engine *engine) {
    return engine->name && engine->mapping && engine->effective;
}

void load_engine_free(struct engine *engine) {
    memory_free(engine->name);
    load_free_list(engine->aliases, engine->alias_count);
    load_free_list(engine->detect, engine->detect_count);
    mapping_unref(engine->mapping);
    memory_free(engine->effective);
}
