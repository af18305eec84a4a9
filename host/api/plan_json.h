/* A plan as JSON for people (`download --dry-run --json`), and what of it is there already. */
#ifndef KTHENA_API_PLAN_JSON_H
#define KTHENA_API_PLAN_JSON_H

#include "base/buffer.h"
#include "transfer/plan.h"

/* Appends {"source","revision","bytes","files":[{"path","size","digest","present"}]} in the order
 * of the sealed plan. directory, which need not exist, is only looked at. */
void plan_json(const struct plan *plan, const char *source, const char *directory,
               struct buffer *out);

#endif
