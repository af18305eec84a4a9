/*
 * The JSON schema of a workflow's parameters, for the API description. Used by the workflow routes.
 */
#ifndef KTHENA_SIDECAR_WORKFLOW_SCHEMA_H
#define KTHENA_SIDECAR_WORKFLOW_SCHEMA_H

#include "base/buffer.h"
#include "policy/workflow.h"
#include "server/route.h"

/* Appends the schema of the request body: an object with the declared parameters, and room for
 * others. */
void workflow_schema(const struct workflow *workflow, struct buffer *out);

/* The parameters that a workflow without a body takes from the query, and how many there are; they
 * borrow the workflow's texts. */
struct route_parameter *workflow_query(const struct workflow *workflow, size_t *count);
void workflow_query_free(struct route_parameter *query, size_t count);

#endif
