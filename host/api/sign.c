/*
 * host.sign: aws_sigv4(access_key, secret_key, session_token or nil, region, service, encode_once)
 * makes a signer for requests and plans, of texts or secrets; an empty token is none.
 */
#include "transfer/sigv4.h"

#include "api/api.h"

static const char SIGNER[] = "host.signer";

struct handle {
    struct signer *signer;
};

static int collect(lua_State *lua) {
    struct handle *handle = luaL_checkudata(lua, 1, SIGNER);
    signer_unref(handle->signer);
    handle->signer = NULL;
    return 0;
}

struct signer *api_signer(lua_State *lua, int argument) {
    const struct handle *handle = luaL_checkudata(lua, argument, SIGNER);
    luaL_argcheck(lua, handle->signer, argument, "the signer is gone");
    return handle->signer;
}

static int aws_sigv4(lua_State *lua) {
    struct sigv4_credentials credentials = {
        .access_key = api_secret_text(lua, 1),
        .secret_key = api_secret_text(lua, 2),
        .session_token = api_secret_or_null(lua, 3),
        .region = api_secret_text(lua, 4),
        .service = api_secret_text(lua, 5),
        .encode_once = lua_toboolean(lua, 6),
    };
    if (credentials.session_token && !*credentials.session_token)
        credentials.session_token = NULL;
    struct handle *handle = lua_newuserdata(lua, sizeof *handle);
    handle->signer = NULL;
    api_handle(lua, SIGNER, NULL, collect);
    lua_setmetatable(lua, -2);
    handle->signer = signer_sigv4_new(&credentials);
    return 1;
}

int api_open_sign(lua_State *lua) {
    static const luaL_Reg functions[] = {{"aws_sigv4", aws_sigv4}, {NULL, NULL}};
    luaL_newlib(lua, functions);
    return 1;
}
