/*
 * host.engine: the engine that this process stands beside.
 *
 *   facts()     a table of url, management_url, model and pod
 *   rules()     the rule file of the engine in use, as host.sources has one, and the engine's name;
 *               nil while it is not recognised
 *   request(method, URL, body or nil, type or nil, seconds or nil)
 *               status, header lines, body; or nil, a message, a kind and a status (0 for none)
 *
 * A request carries the engine's key, is sent once and goes nowhere else.
 */
#include "transfer/http.h"

#include "api/context.h"
#include "base/memory.h"
#include "policy/guard.h"

#include "api/api.h"

static const char EXCHANGE[] = "host.engine.exchange";

#define SECONDS_MAX 86400

enum { BODY_LIMIT = 16 * 1024 * 1024, HEADERS_MAX = 2 };

enum { STATUS_UNAVAILABLE = 503, STATUS_TIMEOUT = 504 };

static const struct engine_target *target_of(lua_State *lua) {
    const struct engine_target *target = api_services(lua)->engine;
    if (!target)
        api_no_service(lua, "ctx.engine");
    return target;
}

static void set_text(lua_State *lua, const char *name, const char *text) {
    lua_pushstring(lua, text);
    lua_setfield(lua, -2, name);
}

static int facts(lua_State *lua) {
    const struct engine_target *target = target_of(lua);
    lua_createtable(lua, 0, 4);
    set_text(lua, "url", target->url);
    set_text(lua, "management_url", target->management_url);
    set_text(lua, "model", target->model);
    set_text(lua, "pod", target->pod);
    return 1;
}

static int rules(lua_State *lua) {
    const struct engine_target *target = target_of(lua);
    const struct generation *generation = api_context(lua)->generation;
    const struct engine *engine =
        generation && target->rules ? target->rules(target->context, generation) : NULL;
    char chunk[GUARD_CHUNK_SIZE];
    if (!engine)
        return 0;
    guard_chunk(engine->file->display, chunk);
    lua_pushlstring(lua, engine->file->text, engine->file->length);
    lua_pushstring(lua, chunk);
    lua_pushstring(lua, engine->file->display);
    lua_pushstring(lua, engine->name);
    return 4;
}

/* One request and its reply, which a Lua error must not leak. */
struct exchange {
    struct http_header headers[HEADERS_MAX];
    struct http_reply reply;
    char *authorization; /* NULL: none */
};

static int collect(lua_State *lua) {
    struct exchange *exchange = luaL_checkudata(lua, 1, EXCHANGE);
    http_reply_free(&exchange->reply);
    if (exchange->authorization)
        explicit_bzero(exchange->authorization, strlen(exchange->authorization));
    memory_free(exchange->authorization);
    *exchange = (struct exchange){0};
    return 0;
}

/* Says what the exchange tells of the engine: a connection that is refused or breaks off is an
 * engine that is not there. */
static void note(const struct engine_target *target, const struct error *error) {
    bool gone = error && (error->kind == ERROR_UNREACHABLE || error->kind == ERROR_PROTOCOL);
    if (target->seen && (!error || gone))
        target->seen(target->context, !error);
}

/* The same error with the kind and the status that its caller is told. */
static struct error *told(struct error *error) {
    if (error && error->kind == ERROR_UNREACHABLE) {
        error->kind = ERROR_UNAVAILABLE;
        error->status = STATUS_UNAVAILABLE;
    } else if (error && error->kind == ERROR_TIMEOUT) {
        error->status = STATUS_TIMEOUT;
    }
    return error;
}

static struct error *send_request(const struct engine_target *target, struct exchange *exchange,
                                  struct http_request *request, const char *type) {
    struct http_header *headers = exchange->headers;
    request->headers = headers;
    if (type)
        headers[request->header_count++] = (struct http_header){"Content-Type", type, false};
    if (target->api_key) {
        exchange->authorization = memory_format("Bearer %s", target->api_key);
        headers[request->header_count++] =
            (struct http_header){"Authorization", exchange->authorization, true};
    }
    struct error *error = http_exchange(target->client, request, &exchange->reply);
    note(target, error);
    return told(error);
}

static int request(lua_State *lua) {
    const struct engine_target *target = target_of(lua);
    size_t length = 0;
    double seconds = luaL_optnumber(lua, 5, (double)target->timeout_ms / 1000);
    luaL_argcheck(lua, seconds > 0 && seconds <= SECONDS_MAX, 5, "expected a number of seconds");
    struct http_request message = {
        .method = api_text(lua, 1),
        .url = api_text(lua, 2),
        .body = luaL_optlstring(lua, 3, "", &length),
        .follow = HTTP_FOLLOW_NONE,
        .timeout_ms = (int64_t)(seconds * 1000),
        .body_limit = BODY_LIMIT,
        .cancel = api_context(lua)->cancel,
    };
    const char *type = api_text_or_null(lua, 4);
    message.body_length = length;
    struct exchange *exchange = lua_newuserdata(lua, sizeof *exchange);
    *exchange = (struct exchange){0};
    api_handle(lua, EXCHANGE, NULL, collect);
    lua_setmetatable(lua, -2);
    guard_pause(lua);
    struct error *error = send_request(target, exchange, &message, type);
    guard_resume(lua);
    if (error) {
        int status = error->status;
        api_fail_kind(lua, error);
        lua_pushinteger(lua, status);
        return 4;
    }
    lua_pushinteger(lua, exchange->reply.status);
    api_push_buffer(lua, &exchange->reply.headers);
    api_push_buffer(lua, &exchange->reply.body);
    return 3;
}

int api_open_engine(lua_State *lua) {
    static const luaL_Reg functions[] = {
        {"facts", facts}, {"rules", rules}, {"request", request}, {NULL, NULL}};
    luaL_newlib(lua, functions);
    return 1;
}
