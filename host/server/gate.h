/*
 * The gate accepts the server's connections and holds each one until its request has arrived; only
 * then it passes it on to the handover, and so to a civetweb worker.
 *
 * Why: civetweb gives a thread to a connection from accept to close. 500 silent connections would
 * take 500 threads, and whoever opens one more than there are threads keeps every probe waiting.
 * One epoll thread holds thousands of connections at about 150 bytes each instead, and workers see
 * only requests that can be answered. Nothing is read here: the bytes are peeked at and stay for
 * civetweb.
 *
 * Connections that send no whole request head in time are closed, as is the oldest one when too
 * many are held or descriptors run out. What never can become a request is refused here.
 *
 * Used by the server, which owns it. The listeners and the handover are borrowed.
 */
#ifndef KTHENA_SERVER_GATE_H
#define KTHENA_SERVER_GATE_H

#include "base/error.h"
#include "server/handover.h"
#include "server/listeners.h"

#include <stddef.h>

struct gate;

struct gate_config {
    const struct listeners *listeners;
    struct handover *handover;
    int head_ms;        /* time for the request head to arrive; 0: 10 s */
    size_t pending_max; /* connections held at most; 0: 4096, or what the descriptor limit allows */
};

/* Starts the gate's thread. */
struct error *gate_start(const struct gate_config *config, struct gate **out)
    __attribute__((warn_unused_result));

/* Stops accepting, closes the connections still held, and frees the gate. NULL is fine. */
void gate_stop(struct gate *gate);

#endif
