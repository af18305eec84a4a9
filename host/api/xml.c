/*
 * host.xml: parse(text, metatable) is the root element as a table { name=, text=, children... }; or
 * nil and a message with the line. Every element gets the metatable. Names are without prefixes;
 * attributes are dropped.
 */
#include "base/xml.h"

#include "api/api.h"

static int collect(lua_State *lua) {
    xml_free(lua_touserdata(lua, 1));
    return 0;
}

/* Pushes the table of an element without its children. */
static void push_node(lua_State *lua, const struct xml *xml, size_t node) {
    const struct buffer *text = &xml->nodes[node].text;
    lua_createtable(lua, 0, 2);
    lua_pushstring(lua, xml_name(xml, node));
    lua_setfield(lua, -2, "name");
    lua_pushlstring(lua, text->length ? text->data : "", text->length);
    lua_setfield(lua, -2, "text");
    lua_pushvalue(lua, 2);
    lua_setmetatable(lua, -2);
}

/* Builds the tables. The elements that are open stand on the stack from `base` on, the root lowest;
 * the next element's parent is one of them. */
static void push_tree(lua_State *lua, const struct xml *xml) {
    size_t open[XML_DEPTH_MAX];
    int base = lua_gettop(lua);
    int depth = 0;
    luaL_checkstack(lua, XML_DEPTH_MAX + 4, "too little of it");
    for (size_t node = 0; node < xml->count; node++) {
        while (depth > 1 && open[depth - 1] != xml->nodes[node].parent)
            depth--;
        lua_settop(lua, base + depth);
        push_node(lua, xml, node);
        if (node > 0) {
            lua_pushvalue(lua, -1);
            lua_rawseti(lua, -3, (int)lua_objlen(lua, -3) + 1);
        }
        open[depth++] = node;
    }
    lua_settop(lua, base + 1);
}

static int parse(lua_State *lua) {
    size_t length;
    const char *text = luaL_checklstring(lua, 1, &length);
    luaL_checktype(lua, 2, LUA_TTABLE);
    struct xml *xml = lua_newuserdata(lua, sizeof *xml);
    *xml = (struct xml){0};
    api_handle(lua, "host.xml.tree", NULL, collect);
    lua_setmetatable(lua, -2);
    struct error *error = xml_parse(text, length, xml);
    if (error) {
        xml_free(xml);
        return api_fail(lua, error);
    }
    push_tree(lua, xml);
    xml_free(xml);
    return 1;
}

int api_open_xml(lua_State *lua) {
    static const luaL_Reg functions[] = {{"parse", parse}, {NULL, NULL}};
    luaL_newlib(lua, functions);
    return 1;
}
