/*
 * The JSON schema of a workflow's parameters, for the API description. Used by the workflow routes.
 */
#ifndef KTHENA_SIDECAR_WORKFLOW_SCHEMA_H
#define KTHENA_SIDECAR_WORKFLOW_SCHEMA_H

#include "base/buffer.h"
#include "policy/workflow.h"

/* Appends the schema of the request body: an object with the declared parameters, and room for
 * others. */
void workflow_schema(const struct workflow *workflow, struct buffer *out);

#endif
