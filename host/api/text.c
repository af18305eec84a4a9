/* host.text: nearest(word, choice...) is the choice a person most likely meant, or nil;
 * valid(text) is whether text is UTF-8 without control characters; digest(text) is the beginning of
 * its SHA-256 digest, in hex. */
#include "base/text.h"
#include "transfer/digest.h"

#include "api/api.h"

enum { DIGEST_SHOWN = 16 };

static int nearest(lua_State *lua) {
    int count = lua_gettop(lua) - 1;
    const char *word = luaL_checkstring(lua, 1);
    if (count < 1)
        return 0;
    const char **choices = lua_newuserdata(lua, (size_t)count * sizeof *choices);
    for (int i = 0; i < count; i++)
        choices[i] = luaL_checkstring(lua, i + 2);
    lua_pushstring(lua, text_nearest(word, choices, (size_t)count));
    return 1;
}

static int valid(lua_State *lua) {
    size_t length;
    const char *text = luaL_checklstring(lua, 1, &length);
    size_t at = 0;
    while (at < length) {
        size_t size = text_utf8(text + at, length - at);
        if (size == 0 || (unsigned char)text[at] < 0x20 || text[at] == 0x7f)
            break;
        at += size;
    }
    lua_pushboolean(lua, at == length);
    return 1;
}

static int digest(lua_State *lua) {
    size_t length;
    char hex[DIGEST_TEXT_SIZE];
    const char *text = luaL_checklstring(lua, 1, &length);
    struct digest *digest = digest_new(DIGEST_SHA256, -1);
    digest_update(digest, text, length);
    digest_finish(digest, hex);
    digest_free(digest);
    lua_pushlstring(lua, hex, DIGEST_SHOWN);
    return 1;
}

int api_open_text(lua_State *lua) {
    static const luaL_Reg functions[] = {
        {"nearest", nearest}, {"valid", valid}, {"digest", digest}, {NULL, NULL}};
    luaL_newlib(lua, functions);
    return 1;
}
