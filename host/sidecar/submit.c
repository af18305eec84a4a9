#include "sidecar/submit.h"

#include "base/buffer.h"
#include "base/memory.h"
#include "base/text.h"

#include <string.h>

/* What a job carries: its parameters with what is secret in them, and the rules it was asked for
 * under. */
struct payload {
    struct generation *generation;
    const struct workflow *workflow;
    char *trigger;
    struct call call;
};

static void free_payload(void *context) {
    struct payload *payload = context;
    call_free(&payload->call);
    generation_unref(payload->generation);
    memory_free(payload->trigger);
    memory_free(payload);
}

static struct error *run_job(struct job *job, void *worker, void *context, struct buffer *result) {
    const struct payload *payload = context;
    return runner_workflow(worker, payload->generation, payload->workflow, payload->call.params,
                           payload->trigger, job, result);
}

struct error *submit_call(struct sidecar *sidecar, const struct submission *submission,
                          struct call *call, struct job **out) {
    const struct workflow *workflow = submission->workflow;
    struct payload *payload = memory_zero(1, sizeof *payload);
    payload->generation = generation_ref(submission->generation);
    payload->workflow = workflow;
    payload->trigger = memory_string(submission->trigger);
    payload->call = (struct call){.params = call->params, .hidden = call->hidden};
    call->params = NULL;
    call->hidden = (struct buffer){0};
    struct job_spec spec = {.kind = workflow->name,
                            .description = call->description,
                            .source = call->source,
                            .same = call->same,
                            .exclusive = call->exclusive,
                            .serial = call->serial,
                            .parallel = workflow->parallel,
                            .quiet = workflow->quiet,
                            .run = run_job,
                            .payload = payload,
                            .payload_free = free_payload};
    bool joined = false;
    return jobs_submit(sidecar->jobs, &spec, out, &joined);
}

static struct error *check(struct sidecar *sidecar, const struct submission *submission,
                           const char *params, struct call *call) {
    return params_check(submission->generation, submission->workflow, &sidecar->config.access,
                        params, strlen(params), NULL, 0, call);
}

struct error *submit_triggered(struct sidecar *sidecar, const struct submission *submission,
                               struct job **out) {
    struct call call;
    struct error *error = check(sidecar, submission, "", &call);
    if (error)
        return error;
    memory_free(call.same);
    call.same = memory_format("trigger:%s", submission->workflow->name);
    error = submit_call(sidecar, submission, &call, out);
    call_free(&call);
    return error;
}

static struct error *unknown(const struct generation *generation, const char *name) {
    size_t count = generation_workflow_count(generation);
    const char **names = memory_zero(count + 1, sizeof *names);
    struct buffer known = {0};
    for (size_t i = 0; i < count; i++) {
        names[i] = generation_workflow_at(generation, i)->name;
        buffer_format(&known, "%s%s", i ? ", " : "", names[i]);
    }
    const char *near = text_nearest(name, names, count);
    struct error *error = error_new(ERROR_NOT_FOUND, NULL, "no workflow '%s'; %s%s%sknown: %s",
                                    name, near ? "did you mean '" : "", near ? near : "",
                                    near ? "'? " : "", count ? buffer_text(&known) : "none");
    buffer_free(&known);
    memory_free(names);
    return error;
}

struct error *submit_named(void *context, struct generation *generation, const char *workflow,
                           const char *params, const char *trigger, struct job **out) {
    struct sidecar *sidecar = context;
    struct submission submission = {.generation = generation,
                                    .workflow = generation_workflow(generation, workflow),
                                    .trigger = trigger};
    *out = NULL;
    if (!submission.workflow)
        return unknown(generation, workflow);
    struct call call;
    struct error *error = check(sidecar, &submission, params, &call);
    if (error)
        return error;
    error = submit_call(sidecar, &submission, &call, out);
    call_free(&call);
    return error;
}
