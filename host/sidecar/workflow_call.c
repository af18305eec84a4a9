#include "sidecar/workflow_call.h"

#include "base/clock.h"
#include "base/json.h"
#include "base/memory.h"
#include "jobs/jobs.h"
#include "policy/params.h"
#include "server/reply.h"
#include "server/request.h"
#include "sidecar/submit.h"

#include <string.h>

enum { WAIT_MS = 1000 };

/* The status that an error means to whoever called. */
static int status_of(const struct error *error) {
    if (error->status)
        return error->status;
    switch (error->kind) {
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
    reply_error_with(request, leaving ? 503 : status_of(error), headers, "%s%s", text,
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
        reply_json(request, job_status(job), &body);
        buffer_free(&body);
    }
}

static void submit(struct request *request, const struct workflow_route *route, struct call *call) {
    struct submission submission = {route->generation, route->workflow, "call"};
    struct job *job = NULL;
    struct error *error = submit_call(route->sidecar, &submission, call, &job);
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

/* The texts of the path, and of the query where that takes the place of a body. */
struct values {
    struct path_value *list;
    struct buffer *texts; /* of the query */
    size_t count, size;
};

static void free_values(struct values *values) {
    for (size_t i = 0; i < values->size; i++)
        buffer_free(&values->texts[i]);
    memory_free(values->texts);
    memory_free(values->list);
}

/* Takes the value of a parameter of the query, if it was sent. */
static struct error *take_query(const struct request *request, const char *name,
                                struct values *values) {
    struct buffer *text = &values->texts[values->count];
    if (!request_query(request, name, text))
        return NULL;
    values->list[values->count++] = (struct path_value){name, buffer_text(text)};
    if (memchr(text->data, '\0', text->length))
        return error_new(ERROR_INVALID, NULL, "parameter '%s': it holds control characters", name);
    return NULL;
}

/* The parameters that the workflow declares. */
static struct error *take_values(const struct request *request, const struct workflow *workflow,
                                 bool query, struct values *values) {
    struct error *error = NULL;
    values->size = workflow->param_count;
    values->list = memory_zero(values->size, sizeof *values->list);
    values->texts = memory_zero(values->size, sizeof *values->texts);
    for (size_t i = 0; !error && i < workflow->param_count; i++) {
        const char *name = workflow->params[i].name;
        const char *text = request_parameter(request, name);
        if (text)
            values->list[values->count++] = (struct path_value){name, text};
        else if (query)
            error = take_query(request, name, values);
    }
    return error;
}

/* Reads the body. False when the client has been told what is wrong with it. */
static bool take_body(struct request *request, struct buffer *body) {
    if (request_header(request, "Content-Type") &&
        !request_require_type(request, "application/json"))
        return false;
    return request_body(request, body);
}

void workflow_call(struct request *request, void *context) {
    const struct workflow_route *route = context;
    bool has_body = request->route->body_limit > 0;
    struct buffer body = {0};
    struct values values = {0};
    struct call call = {0};
    if (has_body && !take_body(request, &body)) {
        buffer_free(&body);
        return;
    }
    struct error *error = take_values(request, route->workflow, !has_body, &values);
    if (!error)
        error = params_check(route->generation, route->workflow, &route->sidecar->config.access,
                             body.length ? body.data : "", body.length, values.list, values.count,
                             &call);
    free_values(&values);
    buffer_free(&body);
    if (error)
        reply_failure(request, route->sidecar, error);
    else
        submit(request, route, &call);
    call_free(&call);
}
