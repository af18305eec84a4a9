/*
 * host.http: request(method, url) makes a request, a thin skin over transfer/http.h.
 *
 *   request:header(name, part...)     parts are texts or secrets; true, or nil, message, kind
 *   request:accept(text)  :body(part...)  :signer(handle)  :follow("origin" "none" "any")
 *   request:attempts(count)  :timeout(seconds)  :limit(bytes)     attempts: as downloads, or 5
 *   request:reach(word)               how far it may lead, see policy/access.h
 *   request:send()                    status, header lines ("name: value\n"), body; or nil,
 *                                     message, kind
 *
 * A header with a secret in it is sent to the URL's own origin only.
 */
#include "transfer/http.h"

#include "api/context.h"
#include "api/parts.h"
#include "base/memory.h"
#include "policy/guard.h"

#include "api/api.h"

static const char REQUEST[] = "host.http.request";

enum {
    DEFAULT_ATTEMPTS = 5,
    DEFAULT_SECONDS = 60,
    SECONDS_MAX = 3600,
    DEFAULT_LIMIT = 16 * 1024 * 1024,
    LIMIT_MAX = 32 * 1024 * 1024,
};

struct request {
    char *method, *url, *accept;
    struct header_list headers;
    struct buffer body;
    struct signer *signer;
    enum http_follow follow;
    int attempts;
    double seconds;
    double limit;
    enum access_reach reach;
    struct http_reply reply;
};

static struct request *check(lua_State *lua) {
    return luaL_checkudata(lua, 1, REQUEST);
}

static int header(lua_State *lua) {
    return parts_header(lua, &check(lua)->headers);
}

static int accept(lua_State *lua) {
    struct request *request = check(lua);
    const char *text = api_text(lua, 2);
    memory_free(request->accept);
    request->accept = memory_string(text);
    return 0;
}

static int body(lua_State *lua) {
    struct request *request = check(lua);
    parts_free_text(&request->body);
    parts_join(lua, 2, lua_gettop(lua), &request->body);
    return 0;
}

static int signer(lua_State *lua) {
    struct request *request = check(lua);
    struct signer *handle = api_signer(lua, 2);
    signer_unref(request->signer);
    request->signer = signer_ref(handle);
    return 0;
}

static int follow(lua_State *lua) {
    static const char *const words[] = {"origin", "none", "any", NULL};
    static const enum http_follow follows[] = {HTTP_FOLLOW_ORIGIN, HTTP_FOLLOW_NONE,
                                               HTTP_FOLLOW_ANY};
    check(lua)->follow = follows[luaL_checkoption(lua, 2, NULL, words)];
    return 0;
}

static double number_between(lua_State *lua, double least, double most) {
    double number = luaL_checknumber(lua, 2);
    luaL_argcheck(lua, number >= least && number <= most, 2, "out of range");
    return number;
}

static int attempts(lua_State *lua) {
    check(lua)->attempts = (int)number_between(lua, 1, 100);
    return 0;
}

static int timeout(lua_State *lua) {
    check(lua)->seconds = number_between(lua, 0.001, SECONDS_MAX);
    return 0;
}

static int limit(lua_State *lua) {
    check(lua)->limit = number_between(lua, 0, LIMIT_MAX);
    return 0;
}

static int reach(lua_State *lua) {
    check(lua)->reach = api_reach(lua, 2);
    return 0;
}

static int attempts_of(const struct host_context *context, const struct request *request) {
    if (request->attempts > 0)
        return request->attempts;
    const struct download_config *download = context->download;
    return download && download->max_attempts > 0 ? download->max_attempts : DEFAULT_ATTEMPTS;
}

static struct error *exchange(lua_State *lua, struct request *request) {
    struct host_context *context = api_context(lua);
    struct http_request message = {
        .method = request->method,
        .url = request->url,
        .accept = request->accept,
        .headers = request->headers.items,
        .header_count = request->headers.count,
        .body = request->body.data,
        .body_length = request->body.length,
        .signer = request->signer,
        .follow = request->follow,
        .attempts = attempts_of(context, request),
        .timeout_ms = (int64_t)(request->seconds * 1000),
        .body_limit = (size_t)request->limit,
        .cancel = context->cancel,
    };
    guard_pause(lua);
    http_reply_free(&request->reply);
    request->reply = (struct http_reply){0};
    struct error *error =
        http_exchange(context->clients[request->reach], &message, &request->reply);
    guard_resume(lua);
    return error;
}

static int send_request(lua_State *lua) {
    struct request *request = check(lua);
    struct error *error = exchange(lua, request);
    if (error)
        return api_fail_kind(lua, error);
    lua_pushinteger(lua, request->reply.status);
    api_push_buffer(lua, &request->reply.headers);
    api_push_buffer(lua, &request->reply.body);
    return 3;
}

static int collect(lua_State *lua) {
    struct request *request = check(lua);
    memory_free(request->method);
    memory_free(request->url);
    memory_free(request->accept);
    parts_free(&request->headers);
    parts_free_text(&request->body);
    signer_unref(request->signer);
    http_reply_free(&request->reply);
    *request = (struct request){0};
    return 0;
}

static int new_request(lua_State *lua) {
    static const luaL_Reg methods[] = {
        {"header", header}, {"accept", accept},     {"body", body},       {"signer", signer},
        {"follow", follow}, {"attempts", attempts}, {"timeout", timeout}, {"limit", limit},
        {"reach", reach},   {"send", send_request}, {NULL, NULL},
    };
    const char *method = api_text(lua, 1);
    const char *url = api_text(lua, 2);
    struct request *request = lua_newuserdata(lua, sizeof *request);
    *request = (struct request){.seconds = DEFAULT_SECONDS, .limit = DEFAULT_LIMIT};
    api_handle(lua, REQUEST, methods, collect);
    lua_setmetatable(lua, -2);
    request->method = memory_string(method);
    request->url = memory_string(url);
    return 1;
}

int api_open_http(lua_State *lua) {
    static const luaL_Reg functions[] = {{"request", new_request}, {NULL, NULL}};
    luaL_newlib(lua, functions);
    return 1;
}
