/*
 * What the two halves of the handover share: handover.c with the doors and the connections before
 * them, link.c with the connections behind them.
 */
#ifndef KTHENA_SERVER_HANDOVER_PRIVATE_H
#define KTHENA_SERVER_HANDOVER_PRIVATE_H

#include "server/handover.h"

#include <pthread.h>

enum {
    DOOR_PLAIN,
    DOOR_SECURE,
    DOOR_COUNT,
};

struct waiting {
    struct waiting *next;
    int fd;
    bool owed;
    union peer peer;
};

struct door {
    int fd;     /* the eventfd under the number of civetweb's socket, and so closed by civetweb */
    int signal; /* the same eventfd under a number of our own */
    bool readable;
    struct waiting *first, *last;
};

struct handover {
    pthread_mutex_t mutex;
    pthread_cond_t settled; /* owed has become 0 */
    struct door doors[DOOR_COUNT];
    struct link *links;
    size_t link_count;
    size_t used;    /* links that are not free */
    size_t leaving; /* idle links that were told to end */
    size_t waiting; /* connections before the doors */
    size_t owed;    /* requests that handover_drain waits for */
    int search_to;  /* a number about which civetweb's sockets lie */
    bool closed;
};

/* Makes each door readable if, and only if, a connection can be taken there. Called with the lock
 * held, whenever that may have changed. */
void handover_update_doors(struct handover *handover);

/* Ends connections that only keep a worker waiting, one for each connection that waits and will not
 * get a worker otherwise, the most overdue first: idle ones, TLS handshakes that do not get on,
 * bodies that do not arrive, replies that are not read. Those that became idle just now stay, as
 * their next request is most likely on its way and its reply will end them. Returns whether enough
 * will end. Called with the lock held. */
bool handover_make_room(struct handover *handover, int64_t now_ms);

#endif
