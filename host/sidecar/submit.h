/*
 * Makes a call of a workflow a job, whoever calls: a request, a trigger, or another workflow. The
 * job runs the workflow on its thread's runner, under the rules it was asked for. Private to
 * sidecar/.
 */
#ifndef KTHENA_SIDECAR_SUBMIT_H
#define KTHENA_SIDECAR_SUBMIT_H

#include "policy/params.h"
#include "sidecar/sidecar_internal.h"

/* What is to be called, and why ("call", "timer", ...). */
struct submission {
    struct generation *generation;
    const struct workflow *workflow;
    const char *trigger;
};

/* Submits a checked call, or joins the job that does the same; call->params passes to the job.
 * *out has a reference. */
struct error *submit_call(struct sidecar *sidecar, const struct submission *submission,
                          struct call *call, struct job **out) __attribute__((warn_unused_result));

/* Submits a run that nobody has called, with the parameters' defaults. It joins another such run of
 * the workflow that has not ended. */
struct error *submit_triggered(struct sidecar *sidecar, const struct submission *submission,
                               struct job **out) __attribute__((warn_unused_result));

/* For struct services, with the sidecar as context: checks the parameters, a JSON object, and
 * submits. ERROR_NOT_FOUND for a workflow that there is none of. */
struct error *submit_named(void *sidecar, struct generation *generation, const char *workflow,
                           const char *params, const char *trigger, struct job **out)
    __attribute__((warn_unused_result));

#endif
