#include "sidecar/workflow_call.h"

#include "base/clock.h"
#include "base/json.h"
#include "base/memory.h"
#include "jobs/jobs.h"
#include "policy/params.h"
#include "policy/runner.h"
#include "server/reply.h"
#include "server/request.h"

#include <string.h>

enum { WAIT_MS = 1000, VALUES_MAX = REQUEST_PARAMETERS_MAX };

/* What a job carries: its parameters with what is secret in them, and the rules it was asked for
 * under. */
struct payload {
    struct generation *generation;
    const struct workflow *workflow;
    struct call call;
};

static void free_payload(void *context) {
    struct payload *payload = context;
    call_free(&payload->call);
    generation_unref(payload->generation);
    memory_free(payload);
}

static struct error *run_job(struct job *job, void *worker, void *context, struct buffer *result) {
    struct payload *payload = context;
    return runner_workflow(worker, payload->generation, payload->workflow, payload->call.params,
                           job, result);
}

/* The status that an error means to whoever called. */
static int status_of(enum error_kind kind) {
    switch (kind) {
    case ERROR_INVALID:
        return 400;
    case ERROR_UNAUTHORIZED:
        return 401;
    case ERROR_DENIED:
        return 403;
    case ERROR_NOT_FOUND:
        return 404;
    case ERROR_EXISTS:
    case ERROR_CANCELLED:
        return 409;
    case ERROR_OVERLOAD:
        return 429;
    case ERROR_UNREACHABLE:
    case ERROR_PROTOCOL:
        return 502;
    case ERROR_UNSUPPORTED:
        return 501;
    case ERROR_UNAVAILABLE:
        return 503;
    case ERROR_TIMEOUT:
        return 504;
    case ERROR_SPACE:
        return 507;
    case ERROR_IO:
    case ERROR_LIMIT:
    case ERROR_POLICY:
        break;
    }
    return 500;
}

/* Answers with the error, and frees it. A drain cancels what runs and takes nothing more: whoever
 * asks again is served by the next process. */
static void reply_failure(struct request *request, const struct sidecar *sidecar,
                          struct error *error) {
    char *text = error_text(error);
    bool leaving = error->kind == ERROR_CANCELLED && server_draining(sidecar->server);
    const char *headers = leaving || error->kind == ERROR_OVERLOAD ? "Retry-After: 10\r\n" : NULL;
    reply_error_with(request, leaving ? 503 : status_of(error->kind), headers, "%s%s", text,
                     leaving ? " (the sidecar is shutting down)" : "");
    memory_free(text);
    error_free(error);
}

static void reply_started(struct request *request, const struct workflow *workflow,
                          const struct call *call, struct job *job) {
    struct buffer body = {0};
    struct json json;
    char *fallback = memory_format("%s started", workflow->name);
    json_begin(&json, &body);
    json_object(&json);
    json_key_string(&json, "status", "started");
    json_key_string(&json, "message",
                    workflow->started_message ? workflow->started_message : fallback);
    json_key_string(&json, "job_id", job_id(job));
    json_end_object(&json);
    if (*call->echo) {
        body.length--; /* the brace */
        buffer_format(&body, ",%s}", call->echo);
    }
    reply_json(request, 202, &body);
    memory_free(fallback);
    buffer_free(&body);
}

/* Waits for the job; it goes on without the client when that has left. */
static void reply_finished(struct request *request, const struct sidecar *sidecar,
                           struct job *job) {
    while (!job_wait(job, clock_ms() + WAIT_MS))
        if (request_gone(request))
            break;
    struct error *error = job_error(job);
    if (error) {
        reply_failure(request, sidecar, error);
    } else if (!job_is_finished(job_state(job))) {
        reply_error(request, 503, "the client has left; job %s goes on", job_id(job));
    } else {
        struct buffer body = {0};
        job_result(job, &body);
        reply_json(request, 200, &body);
        buffer_free(&body);
    }
}

static void submit(struct request *request, const struct workflow_route *route, struct call *call) {
    struct payload *payload = memory_zero(1, sizeof *payload);
    payload->generation = generation_ref(route->generation);
    payload->workflow = route->workflow;
    payload->call = (struct call){.params = call->params, .hidden = call->hidden};
    call->params = NULL;
    call->hidden = (struct buffer){0};
    struct job_spec spec = {.kind = route->workflow->name,
                            .description = call->description,
                            .source = call->source,
                            .same = call->same,
                            .exclusive = call->exclusive,
                            .run = run_job,
                            .payload = payload,
                            .payload_free = free_payload};
    struct job *job = NULL;
    bool joined = false;
    struct error *error = jobs_submit(route->sidecar->jobs, &spec, &job, &joined);
    if (error) {
        reply_failure(request, route->sidecar, error);
        return;
    }
    if (call->async)
        reply_started(request, route->workflow, call, job);
    else
        reply_finished(request, route->sidecar, job);
    job_unref(job);
}

/* The parameters of the path that the workflow declares. */
static size_t path_values(const struct request *request, const struct workflow *workflow,
                          struct path_value values[VALUES_MAX]) {
    size_t count = 0;
    for (size_t i = 0; i < workflow->param_count && count < VALUES_MAX; i++) {
        const char *text = request_parameter(request, workflow->params[i].name);
        if (text)
            values[count++] = (struct path_value){workflow->params[i].name, text};
    }
    return count;
}

void workflow_call(struct request *request, void *context) {
    const struct workflow_route *route = context;
    struct buffer body = {0};
    struct path_value values[VALUES_MAX];
    bool has_body = request->route->body_limit > 0;
    if (has_body && request_header(request, "Content-Type") &&
        !request_require_type(request, "application/json"))
        return;
    if (has_body && !request_body(request, &body)) {
        buffer_free(&body);
        return;
    }
    struct call call;
    size_t count = path_values(request, route->workflow, values);
    struct error *error =
        params_check(route->generation, route->workflow, &route->sidecar->config.access,
                     body.length ? body.data : "", body.length, values, count, &call);
    buffer_free(&body);
    if (error)
        reply_failure(request, route->sidecar, error);
    else
        submit(request, route, &call);
    call_free(&call);
}
