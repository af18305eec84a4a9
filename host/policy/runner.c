#include "api/api.h"
#include "base/memory.h"
#include "base/redact.h"
#include "policy/guard.h"
#include "policy/runner_internal.h"

#include <stdatomic.h>
#include <string.h>

/* Of Lua alone: what the host does for a rule does not count. */
#define BUDGET_SECONDS 30

/* A state that a call has left larger than this is made anew, which costs a millisecond. */
enum { STATE_KEPT_BYTES = 4 * 1024 * 1024 };

struct error *runner_new(const struct runner_config *config, struct runner **out) {
    struct runner *runner = memory_zero(1, sizeof *runner);
    runner->config = config;
    for (int reach = ACCESS_ANYWHERE; reach <= ACCESS_GUARDED; reach++) {
        struct network network = config->download.network;
        access_guard(config->access, (enum access_reach)reach, &network);
        runner->clients[reach] = http_client_new(&network);
    }
    *out = runner;
    return NULL;
}

static void drop_state(struct runner *runner) {
    state_free(runner->state);
    runner->state = NULL;
    generation_unref(runner->generation);
    runner->generation = NULL;
}

void runner_free(struct runner *runner) {
    if (!runner)
        return;
    drop_state(runner);
    for (int reach = ACCESS_ANYWHERE; reach <= ACCESS_GUARDED; reach++)
        http_client_free(runner->clients[reach]);
    memory_free(runner);
}

/* Makes sure that the state is one of this generation. */
static struct error *prepare(struct runner *runner, struct generation *generation) {
    if (runner->state && runner->generation == generation)
        return NULL;
    drop_state(runner);
    struct error *error = state_new(runner->config->lua, 0, &runner->state);
    if (!error)
        runner->generation = generation_ref(generation);
    return error;
}

/* Takes a result and perhaps a status; or nil, a message, a kind and perhaps a status, which stand
 * at the top of the stack. */
static int take_outcome(lua_State *lua, struct runner_call *call) {
    size_t length;
    enum error_kind kind;
    if (lua_type(lua, -4) == LUA_TSTRING) {
        const char *text = lua_tolstring(lua, -4, &length);
        buffer_append(call->result, text, length);
        call->status = (int)lua_tointeger(lua, -3);
        return 0;
    }
    if (lua_type(lua, -3) != LUA_TSTRING || lua_type(lua, -2) != LUA_TSTRING ||
        !error_kind_parse(lua_tostring(lua, -2), &kind))
        return luaL_error(lua, "%s returned neither a result nor an error", call->entry);
    call->error = error_new(kind, NULL, "%s", lua_tostring(lua, -3));
    call->error->status = (int)lua_tointeger(lua, -1);
    return 0;
}

/* require("kthena.calls")[entry](arguments...) */
static int enter(lua_State *lua) {
    struct runner_call *call = lua_touserdata(lua, 1);
    lua_getglobal(lua, "require");
    lua_pushliteral(lua, "kthena.calls");
    lua_call(lua, 1, 1);
    lua_getfield(lua, -1, call->entry);
    int function = lua_gettop(lua);
    call->push(lua, call);
    lua_call(lua, lua_gettop(lua) - function, 4);
    return take_outcome(lua, call);
}

/* The same error in one piece, without secrets; a cancelled call's is ERROR_CANCELLED, whatever the
 * rule has made of it. */
static struct error *clean(struct error *error, const atomic_bool *cancel) {
    error = redact_error(error);
    if (error && cancel && atomic_load(cancel)) {
        error->kind = ERROR_CANCELLED;
        error->status = 0;
    }
    return error;
}

struct error *runner_call(struct runner *runner, struct generation *generation,
                          struct runner_call *call) {
    size_t start = call->result->length;
    struct error *error = prepare(runner, generation);
    if (error)
        return error;
    struct host_context context = {
        .download = &runner->config->download,
        .access = runner->config->access,
        .services = runner->config->services,
        .generation = generation,
        .progress = call->progress,
        .job = call->job ? job_id(call->job) : NULL,
        .self = call->job,
        .trigger = call->trigger,
        .cancel = call->cancel,
    };
    memcpy(context.clients, runner->clients, sizeof context.clients);
    struct state *state = runner->state;
    state->context = &context;
    error = guard_call(state, call->display, BUDGET_SECONDS, enter, call);
    state->context = NULL;
    if (!error)
        error = call->error;
    else
        error_free(call->error);
    error = clean(error, call->cancel);
    redact(call->result, start);
    context_end(&context);
    if (state->used_bytes > STATE_KEPT_BYTES)
        drop_state(runner);
    return error;
}
