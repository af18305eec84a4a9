/*
 * How a connection that the gate holds becomes one that civetweb serves, and what is known of it
 * from then on.
 *
 * civetweb takes connections only by accept(2) on sockets it made itself. It is given two private
 * listening ports on 127.0.0.1 (one plain, one TLS), and before its accepting thread first looks at
 * them handover_attach replaces each by an eventfd that is readable while a connection waits, a
 * "door". This unit also defines accept(2) for the whole executable: on a door it hands out the
 * next waiting connection, on any other descriptor it does what libc's does. A definition in the
 * executable comes before libc's for a static and for a shared civetweb, so that neither needs a
 * patch.
 *
 * Each connection handed out has a struct link until civetweb closes it. civetweb names it by its
 * peer: every connection is presented as one from 127.0.0.1 whose port is the link's number (its
 * real peer is in the link), which works alike for IPv4, IPv6 and unix sockets. There are as many
 * links as civetweb has workers, so a connection never waits inside civetweb, and a worker that
 * only waits for the next request of an idle connection is freed when another connection needs it.
 *
 * The gate pushes; civetweb's threads take, use and release links; the server waits for quiet.
 * Every function locks for itself.
 */
#ifndef KTHENA_SERVER_HANDOVER_H
#define KTHENA_SERVER_HANDOVER_H

#include "base/error.h"

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

struct handover;
struct mg_context;

enum { PEER_TEXT_SIZE = 64 };

/* Who connected. A unix socket's peer has only the family. */
union peer {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
};

enum link_state {
    LINK_FREE,
    LINK_FRESH, /* handed out; no request has begun */
    LINK_BUSY,  /* a request is being answered */
    LINK_IDLE,  /* kept alive between requests */
};

struct link {
    struct handover *handover;
    int fd; /* civetweb's; valid until link_release */
    bool secure;
    char peer[PEER_TEXT_SIZE];
    /* The rest changes under the handover's lock. */
    enum link_state state;
    bool open;           /* bytes can be exchanged: plain, or the TLS handshake is done */
    bool refused;        /* a request that civetweb could not parse was answered */
    bool shut;           /* told to end, to free its worker */
    bool owed;           /* handover_drain waits for its request */
    int64_t since_ms;    /* when it entered its state */
    int64_t deadline_ms; /* when it is cut, 0: never */
    int64_t peer_ms;     /* since when its worker waits for the client, when there is a deadline */
};

/* Makes one for as many connections at a time as civetweb has workers. */
struct handover *handover_new(int workers);

/* Replaces civetweb's private listening sockets. To be called on its accepting thread before that
 * polls: in the init_thread callback for thread type 0. */
struct error *handover_attach(struct handover *handover, const struct mg_context *context)
    __attribute__((warn_unused_result));

/* Queues a non-blocking connected socket, which then is the handover's. False when too many wait;
 * the socket is then still the caller's. */
bool handover_push(struct handover *handover, int fd, bool secure, const union peer *peer);

/* Cuts connections whose deadline is over, and frees workers that are needed. Returns in how many
 * milliseconds it is to be called again; -1: not before the next push. */
int handover_tick(struct handover *handover, int64_t now_ms);

/* The link with the number civetweb knows as the peer's port, or whose descriptor is fd; NULL if
 * there is none. */
struct link *handover_link(struct handover *handover, int number);
struct link *handover_link_of(struct handover *handover, int fd);

/* A request begins, and ends. */
void link_begin(struct link *link);
void link_end(struct link *link);

/* Bytes can be exchanged; a request that could not be parsed was answered. */
void link_opened(struct link *link);
void link_refused(struct link *link);

/* Cuts the connection unless the deadline is moved, or taken back with 0, before it is over. When a
 * worker waits for its client, it does so under a deadline, so that no client can hold it; and it
 * is cut sooner when others need the worker. */
void link_deadline(struct link *link, int64_t deadline_ms);

/* Takes back the link of a connection that is about to be closed. */
void link_release(struct link *link);

/* Whether connections wait for a worker: replies should then not keep theirs. */
bool handover_crowded(struct handover *handover);

/* Closes idle connections, and waits until the requests that are running or waiting now have been
 * answered, at most until deadline_ms. Returns how many have not. */
size_t handover_drain(struct handover *handover, int64_t deadline_ms);

/* Closes the doors: waiting connections are closed and none is handed out any more. civetweb's
 * accepting thread wakes up, so that mg_stop, to be called next, does not wait for it. */
void handover_close(struct handover *handover);

/* Frees it, after mg_stop. Connections that civetweb has left open are closed. */
void handover_free(struct handover *handover);

#endif
