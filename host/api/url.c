/*
 * host.url: encode(text, keep or "") writes every byte but A-Z a-z 0-9 - . _ ~ and those of keep as
 * %XX, of a secret as a secret; decode(text) undoes that; parse(url) is scheme, host, port, and the
 * rest with its query, or nil and a message.
 */
#include "base/url.h"

#include "api/api.h"

static bool is_plain(char byte, const char *keep) {
    static const char plain[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~";
    return byte != '\0' && (strchr(plain, byte) || strchr(keep, byte));
}

static int encode(lua_State *lua) {
    size_t length;
    const char *text = api_secret(lua, 1, &length);
    const char *keep = lua_isnoneornil(lua, 2) ? "" : api_text(lua, 2);
    struct buffer *out = api_buffer(lua);
    for (size_t i = 0; i < length; i++) {
        if (is_plain(text[i], keep))
            buffer_byte(out, text[i]);
        else
            buffer_format(out, "%%%02X", (unsigned char)text[i]);
    }
    if (!api_is_secret(lua, 1)) {
        api_push_buffer(lua, out);
        return 1;
    }
    api_push_secret(lua, out->length ? out->data : "", out->length);
    if (out->length > 0)
        explicit_bzero(out->data, out->length);
    buffer_free(out);
    return 1;
}

static int hex_digit(char digit) {
    if (digit >= '0' && digit <= '9')
        return digit - '0';
    if ((digit >= 'a' && digit <= 'f') || (digit >= 'A' && digit <= 'F'))
        return (digit | 0x20) - 'a' + 10;
    return -1;
}

static int decode(lua_State *lua) {
    size_t length;
    const char *text = luaL_checklstring(lua, 1, &length);
    struct buffer *out = api_buffer(lua);
    for (size_t i = 0; i < length; i++) {
        int high = i + 2 < length && text[i] == '%' ? hex_digit(text[i + 1]) : -1;
        int low = high >= 0 ? hex_digit(text[i + 2]) : -1;
        if (low >= 0) {
            buffer_byte(out, (char)(high * 16 + low));
            i += 2;
        } else {
            buffer_byte(out, text[i]);
        }
    }
    api_push_buffer(lua, out);
    return 1;
}

static int collect(lua_State *lua) {
    url_free(lua_touserdata(lua, 1));
    return 0;
}

static int parse(lua_State *lua) {
    const char *text = api_text(lua, 1);
    struct url *url = lua_newuserdata(lua, sizeof *url);
    *url = (struct url){0};
    api_handle(lua, "host.url.parts", NULL, collect);
    lua_setmetatable(lua, -2);
    struct error *error = url_parse(text, url);
    if (error)
        return api_fail(lua, error);
    lua_pushstring(lua, url->scheme);
    lua_pushstring(lua, url->host);
    lua_pushinteger(lua, url->port);
    lua_pushstring(lua, url->path);
    url_free(url);
    return 4;
}

int api_open_url(lua_State *lua) {
    static const luaL_Reg functions[] = {
        {"encode", encode}, {"decode", decode}, {"parse", parse}, {NULL, NULL}};
    luaL_newlib(lua, functions);
    return 1;
}
