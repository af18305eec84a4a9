/*
 * host.metrics: rename(mapping, page, only) returns the page followed by the standard families, or
 * with `only` the families alone, and a report: for each family a table with its name, an outcome
 * ("taken", "absent" or "exposed": by the engine itself), the source taken, and every source tried.
 */
#include "metrics/rename.h"

#include "api/api.h"

static const char *outcome_text(enum rename_outcome outcome) {
    switch (outcome) {
    case RENAME_TAKEN:
        return "taken";
    case RENAME_EXPOSED:
        return "exposed";
    case RENAME_ABSENT:
        break;
    }
    return "absent";
}

static void push_choice(lua_State *lua, const struct mapping *mapping, size_t family,
                        const struct rename_choice *choice) {
    const char *source;
    lua_newtable(lua);
    lua_pushstring(lua, mapping_family_name(mapping, family));
    lua_setfield(lua, -2, "name");
    lua_pushstring(lua, outcome_text(choice->outcome));
    lua_setfield(lua, -2, "outcome");
    if (choice->outcome == RENAME_TAKEN) {
        lua_pushstring(lua, mapping_alternative_name(mapping, family, choice->alternative));
        lua_setfield(lua, -2, "source");
    }
    lua_newtable(lua);
    for (size_t i = 0; (source = mapping_alternative_name(mapping, family, i)); i++) {
        lua_pushstring(lua, source);
        lua_rawseti(lua, -2, (int)i + 1);
    }
    lua_setfield(lua, -2, "tried");
}

/* The page up to "# EOF" with a newline at its end, the families, and "# EOF" again. */
static void assemble(const char *page, const struct rename_result *result,
                     const struct buffer *families, struct buffer *out) {
    buffer_append(out, page, result->body);
    if (result->body > 0 && page[result->body - 1] != '\n')
        buffer_byte(out, '\n');
    buffer_append(out, families->data, families->length);
    if (result->open_metrics)
        buffer_string(out, "# EOF\n");
}

static int rename_text(lua_State *lua) {
    size_t length;
    struct rename_result result;
    const struct mapping *mapping = api_mapping(lua, 1);
    const char *page = luaL_checklstring(lua, 2, &length);
    size_t count = mapping_family_count(mapping);
    struct rename_choice *choices = lua_newuserdata(lua, (count + 1) * sizeof *choices);
    struct buffer *families = api_buffer(lua);
    struct buffer *text = api_buffer(lua);
    rename_page(mapping, page, length, families, &result, choices);
    if (!lua_toboolean(lua, 3))
        assemble(page, &result, families, text);
    api_push_buffer(lua, lua_toboolean(lua, 3) ? families : text);
    lua_newtable(lua);
    for (size_t i = 0; i < count; i++) {
        push_choice(lua, mapping, i, &choices[i]);
        lua_rawseti(lua, -2, (int)i + 1);
    }
    return 2;
}

int api_open_metrics(lua_State *lua) {
    static const luaL_Reg functions[] = {{"rename", rename_text}, {NULL, NULL}};
    luaL_newlib(lua, functions);
    return 1;
}
