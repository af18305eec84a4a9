/* host.file: read(path, limit) is a file's content as a secret, without white
 * space at its ends; or nil, a message and a kind. */
#include "base/file.h"

#include "api/parts.h"
#include "policy/guard.h"

#include "api/api.h"

static int read_file(lua_State *lua) {
    const char *path = api_text(lua, 1);
    lua_Integer limit = luaL_checkinteger(lua, 2);
    luaL_argcheck(lua, limit > 0, 2, "expected a number of bytes");
    struct buffer *content = api_buffer(lua);
    guard_pause(lua);
    struct error *error = file_read(path, (size_t)limit, content);
    guard_resume(lua);
    if (error)
        return api_fail_kind(lua, error);
    api_push_trimmed_secret(lua, content->length ? content->data : "", content->length);
    parts_free_text(content);
    return 1;
}

int api_open_file(lua_State *lua) {
    static const luaL_Reg functions[] = {{"read", read_file}, {NULL, NULL}};
    luaL_newlib(lua, functions);
    return 1;
}
