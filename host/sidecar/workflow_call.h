/*
 * Answers one call of a workflow: checks its parameters on the HTTP thread, hands it to the jobs,
 * and replies when the job has ended, or at once when the caller does not want to wait. Private to
 * sidecar/; tables.c makes the routes.
 */
#ifndef KTHENA_SIDECAR_WORKFLOW_CALL_H
#define KTHENA_SIDECAR_WORKFLOW_CALL_H

#include "sidecar/sidecar_internal.h"

/* What one workflow's route needs; the generation is borrowed. */
struct workflow_route {
    struct sidecar *sidecar;
    struct generation *generation;
    const struct workflow *workflow;
    struct buffer schema;          /* JSON, of the body */
    struct route_parameter *query; /* owned; where there is no body */
    size_t query_count;
};

/* A route_handler; context is a struct workflow_route. */
void workflow_call(struct request *request, void *context);

#endif
