/*
 * host.call: calls of other workflows.
 *
 *   submit(workflow, parameters as JSON)   makes a job of it, or joins one, and is a handle; or
 * nil, a message, a kind and a status job:id() job:wait(seconds or nil)               the job's
 * result as JSON; or nil, a message, a kind and a status (0 for none): the job's, or that it is not
 * waited for (any longer), in which case it goes on
 */
#include "jobs/jobs.h"

#include "api/context.h"
#include "base/clock.h"
#include "policy/guard.h"

#include "api/api.h"

static const char JOB[] = "host.call";

#define SECONDS_MAX 1e9

enum { LOOK_MS = 50 };

struct handle {
    struct job *job;
};

static struct job *check(lua_State *lua) {
    const struct handle *handle = luaL_checkudata(lua, 1, JOB);
    luaL_argcheck(lua, handle->job, 1, "the job is gone");
    return handle->job;
}

static int collect(lua_State *lua) {
    struct handle *handle = luaL_checkudata(lua, 1, JOB);
    if (handle->job)
        job_unref(handle->job);
    handle->job = NULL;
    return 0;
}

static int fail(lua_State *lua, struct error *error) {
    int status = error->status;
    int results = api_fail_kind(lua, error);
    lua_pushinteger(lua, status);
    return results + 1;
}

static int id(lua_State *lua) {
    lua_pushstring(lua, job_id(check(lua)));
    return 1;
}

/* Waits for the end of the job; NULL once it has ended, well or not. */
static struct error *wait_for(struct job *job, const struct host_context *context, double seconds) {
    int64_t deadline_ms = clock_ms() + (int64_t)(seconds * 1000);
    if (context->self && job_blocks(context->self, job))
        return error_new(ERROR_INVALID, NULL,
                         "job %s may have to wait for this one, which cannot wait for it; it goes "
                         "on by itself (call it with wait = false, or give a workflow that waits "
                         "for others threads of its own with \"parallel\")",
                         job_id(job));
    for (;;) {
        int64_t look_ms = clock_ms() + LOOK_MS;
        if (job_wait(job, look_ms < deadline_ms ? look_ms : deadline_ms))
            return NULL;
        if (context_is_cancelled(context))
            return error_new(ERROR_CANCELLED, NULL,
                             "cancelled while it waited for job %s, which "
                             "goes on",
                             job_id(job));
        if (clock_ms() >= deadline_ms)
            return error_new(ERROR_TIMEOUT, NULL, "job %s has not ended within %.3g s; it goes on",
                             job_id(job), seconds);
    }
}

static int wait_job(lua_State *lua) {
    struct job *job = check(lua);
    double seconds = luaL_optnumber(lua, 2, SECONDS_MAX);
    luaL_argcheck(lua, seconds >= 0 && seconds <= SECONDS_MAX, 2, "expected a number of seconds");
    struct buffer *result = api_buffer(lua);
    guard_pause(lua);
    struct error *error = wait_for(job, api_context(lua), seconds);
    if (!error)
        error = job_error(job);
    guard_resume(lua);
    if (error)
        return fail(lua, error);
    job_result(job, result);
    api_push_buffer(lua, result);
    return 1;
}

static int submit(lua_State *lua) {
    static const luaL_Reg methods[] = {{"id", id}, {"wait", wait_job}, {NULL, NULL}};
    const char *workflow = api_text(lua, 1);
    const char *params = api_text(lua, 2);
    const struct host_context *context = api_context(lua);
    const struct services *services = api_services(lua);
    if (!services->submit || !context->generation)
        api_no_service(lua, "ctx.call");
    struct handle *handle = lua_newuserdata(lua, sizeof *handle);
    handle->job = NULL;
    api_handle(lua, JOB, methods, collect);
    lua_setmetatable(lua, -2);
    guard_pause(lua);
    struct error *error =
        services->submit(services->context, (struct generation *)context->generation, workflow,
                         params, "call", &handle->job);
    guard_resume(lua);
    return error ? fail(lua, error) : 1;
}

int api_open_call(lua_State *lua) {
    static const luaL_Reg functions[] = {{"submit", submit}, {NULL, NULL}};
    luaL_newlib(lua, functions);
    return 1;
}
