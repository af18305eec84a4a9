/*
 * What workflows can use, and what starts them without a call, put together: the state tables, the
 * locks, the metrics of rules, the watched files, the engine with its watch, and the triggers. The
 * sidecar makes it all after the rules were loaded, and frees it after the last job has ended.
 * Private to sidecar/.
 */
#ifndef KTHENA_SIDECAR_SERVICES_H
#define KTHENA_SIDECAR_SERVICES_H

#include "sidecar/sidecar_internal.h"

/* Makes everything, and begins to follow the files; the sidecar has its rulebook, its client and
 * its own metrics. The errors of state_table_open, ERROR_INVALID for the engine's URL, ERROR_LIMIT;
 * what was made is freed by services_free. */
struct error *services_make(struct sidecar *sidecar) __attribute__((warn_unused_result));

/* Begins to follow the engine and to start workflows; the sidecar has all its other parts. */
struct error *services_start(struct sidecar *sidecar) __attribute__((warn_unused_result));

/* Starts no more workflows and stops following. False when a thread would not end: nothing may be
 * freed then. */
bool services_stop(struct sidecar *sidecar);

/* Frees all of it, also what was made halfway. */
void services_free(struct sidecar *sidecar);

#endif
