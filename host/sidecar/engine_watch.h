/*
 * Knows whether the engine is up. A thread of its own connects to the engine's port now and then,
 * and at once when an engine call or a scrape says otherwise; a refused connection means down, an
 * engine that is only slow does not. Whoever wants to act when the engine has come back (its state
 * is then gone) is told: when it is up for the first time, whenever it is up after it was down, and
 * when its metrics show another start time, or another socket listens at its port, although nobody
 * has seen it down. The sidecar owns one.
 */
#ifndef KTHENA_SIDECAR_ENGINE_WATCH_H
#define KTHENA_SIDECAR_ENGINE_WATCH_H

#include "base/error.h"
#include "metrics/writer.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct engine_watch;

struct engine_watch_config {
    const char *url;           /* of the engine; its host and port are used. Copied */
    int64_t down_ms;           /* between two probes while it is down; 0: 500 */
    int64_t up_ms;             /* and while it is up; 0: 1000 */
    void (*up)(void *context); /* it has come up, or was restarted; any thread. NULL: nobody asks */
    void *context;
};

struct engine_status {
    bool up;
    double since;    /* seconds since the epoch; of the watch's start while it was never up */
    uint64_t starts; /* how often it came up or was restarted, the first time included */
};

/* ERROR_INVALID for a URL that is none. */
struct error *engine_watch_new(const struct engine_watch_config *config, struct engine_watch **out)
    __attribute__((warn_unused_result));

/* Begins to look. */
struct error *engine_watch_start(struct engine_watch *watch) __attribute__((warn_unused_result));

/* Stops looking. False when the thread still waits for a name server: it is then left behind, and
 * the watch must be left as it is. One that was not started has stopped. */
bool engine_watch_stop(struct engine_watch *watch);

/* Of a watch that has stopped. NULL is fine. */
void engine_watch_free(struct engine_watch *watch);

/* A hint: the engine has answered a request, or there was no connection to it. */
void engine_watch_seen(struct engine_watch *watch, bool answered);

/* A page of the engine's metrics, as it came. Costs next to nothing if called often. */
void engine_watch_page(struct engine_watch *watch, const char *page, size_t length);

struct engine_status engine_watch_status(struct engine_watch *watch);

/* Writes kthena_runtime_engine_up, kthena_runtime_engine_starts_total for own_metrics_register. */
void engine_watch_collect(void *watch, struct metric_writer *writer);

#endif
