/*
 * host.testing, for tests and rule authors only: bind(source glob...) binds a context to this
 * state, so that the namespaces that reach the world work, as in a job of a server with these
 * --allow-source globs. The context before it ends. It returns a handle:
 *
 *   handle:phase()    what the job says it is doing
 *   handle:cancel()   asks it to stop
 *   handle:metrics()  the page of the metrics that were made
 *   handle:close()    ends the context
 *
 * state() is a table of host.state of its own.
 */
#include "api/context.h"
#include "base/memory.h"
#include "jobs/locks.h"
#include "metrics/registry.h"
#include "policy/state.h"
#include "store/state.h"

#include "api/api.h"

static const char BINDING[] = "host.testing";

struct binding {
    bool open;
    struct host_context context;
    struct download_config download;
    struct access access;
    struct services services;
    struct progress progress;
    atomic_bool cancel;
};

static struct binding *check(lua_State *lua) {
    struct binding *binding = luaL_checkudata(lua, 1, BINDING);
    luaL_argcheck(lua, binding->open, 1, "the context has ended");
    return binding;
}

static int phase(lua_State *lua) {
    char text[PROGRESS_PHASE_SIZE];
    progress_phase(&check(lua)->progress, text);
    lua_pushstring(lua, text);
    return 1;
}

static int cancel(lua_State *lua) {
    atomic_store(&check(lua)->cancel, true);
    return 0;
}

static int metrics(lua_State *lua) {
    const struct binding *binding = check(lua);
    struct metric_writer writer = {.out = api_buffer(lua)};
    registry_collect(binding->services.metrics, &writer);
    api_push_buffer(lua, writer.out);
    return 1;
}

static int end(lua_State *lua) {
    struct binding *binding = luaL_checkudata(lua, 1, BINDING);
    struct state *state = state_of(lua);
    if (!binding->open)
        return 0;
    binding->open = false;
    if (state->context == &binding->context)
        state->context = NULL;
    context_end(&binding->context);
    state_table_close(binding->services.state);
    state_table_close(binding->services.memory);
    locks_free(binding->services.locks);
    registry_free(binding->services.metrics);
    for (int reach = ACCESS_ANYWHERE; reach <= ACCESS_GUARDED; reach++)
        http_client_free(binding->context.clients[reach]);
    progress_destroy(&binding->progress);
    for (size_t i = 0; i < binding->access.source_count; i++)
        memory_free((char *)binding->access.sources[i]);
    memory_free((void *)binding->access.sources);
    return 0;
}

static void make_services(struct services *services) {
    char *kept_aside;
    error_free(state_table_open(NULL, &services->state, &kept_aside));
    error_free(state_table_open(NULL, &services->memory, &kept_aside));
    services->locks = locks_new();
    services->metrics = registry_new(NULL);
}

static void set_up(struct binding *binding) {
    binding->download =
        (struct download_config){.network = {.user_agent = "kthena-runtime-test", .direct = true}};
    make_services(&binding->services);
    progress_init(&binding->progress);
    atomic_init(&binding->cancel, false);
    binding->context = (struct host_context){
        .download = &binding->download,
        .access = &binding->access,
        .services = &binding->services,
        .progress = &binding->progress,
        .job = "testjob1",
        .cancel = &binding->cancel,
    };
    for (int reach = ACCESS_ANYWHERE; reach <= ACCESS_GUARDED; reach++) {
        struct network network = binding->download.network;
        access_guard(&binding->access, (enum access_reach)reach, &network);
        binding->context.clients[reach] = http_client_new(&network);
    }
    binding->open = true;
}

static int bind(lua_State *lua) {
    static const luaL_Reg methods[] = {
        {"phase", phase}, {"cancel", cancel}, {"metrics", metrics}, {"close", end}, {NULL, NULL}};
    int count = lua_gettop(lua);
    for (int i = 1; i <= count; i++)
        api_text(lua, i);
    struct binding *binding = lua_newuserdata(lua, sizeof *binding);
    *binding = (struct binding){0};
    api_handle(lua, BINDING, methods, end);
    lua_setmetatable(lua, -2);
    set_up(binding);
    const char **globs = memory_zero((size_t)count + 1, sizeof *globs);
    for (int i = 0; i < count; i++)
        globs[i] = memory_string(lua_tostring(lua, i + 1));
    binding->access.sources = globs;
    binding->access.source_count = (size_t)count;
    state_of(lua)->context = &binding->context;
    lua_pushvalue(lua, -1);
    lua_setfield(lua, LUA_REGISTRYINDEX, "host.testing.binding"); /* lives until the next one */
    return 1;
}

static int state(lua_State *lua) {
    api_push_state(lua, NULL);
    return 1;
}

int api_open_testing(lua_State *lua) {
    static const luaL_Reg functions[] = {{"bind", bind}, {"state", state}, {NULL, NULL}};
    luaL_newlib(lua, functions);
    return 1;
}
