/*
 * What the server's own units know of a request and its reply, behind the struct request that
 * handlers see; and the server itself. Private to server/. An exchange lives on the stack of the
 * worker that answers.
 */
#ifndef KTHENA_SERVER_EXCHANGE_H
#define KTHENA_SERVER_EXCHANGE_H

#include "server/auth.h"
#include "server/gate.h"
#include "server/handover.h"
#include "server/listeners.h"
#include "server/request.h"
#include "server/request_check.h"
#include "server/tls.h"

#include <civetweb.h>
#include <stdatomic.h>

enum {
    PATH_MAX_BYTES = 2048,    /* of a decoded path, with its NUL */
    BODY_IGNORED_MAX = 65536, /* bytes of an unwanted body that are read to keep a connection */
    PEER_MS = 10000,          /* that a client may take for a request's body or its reply, and */
    PEER_BYTES_PER_SECOND = 65536, /* a second more for each that many bytes */
};

struct server {
    struct route_table table;   /* that does not change, */
    struct route_tables tables; /* or where to get the current one; acquire is NULL: table */
    struct listeners listeners;
    struct tls *tls;   /* NULL: plain */
    struct auth *auth; /* NULL: no token is asked for */
    struct handover *handover;
    struct gate *gate;
    struct mg_context *civetweb;
    atomic_bool draining;
    atomic_size_t slow; /* requests of slow and held routes being answered, */
    size_t slow_max;    /* at most; */
    atomic_size_t held; /* and of held ones alone */
    size_t held_max;
    pthread_mutex_t mutex; /* for the rest */
    pthread_cond_t changed;
    bool attached;              /* civetweb's accepting thread has gone through handover_attach, */
    struct error *attach_error; /* with this result */
    bool stopped;               /* mg_stop has returned */
};

struct exchange {
    struct server *server;
    struct link *link;
    struct mg_connection *connection;
    const struct mg_request_info *info;
    struct framing framing;
    bool body_read;
    bool close; /* the connection ends with this reply */
    bool replied;
    bool streaming; /* the reply's body may go on */
    bool chunked;   /* in chunks; otherwise until the connection ends */
    int status;     /* of the reply */
    size_t sent;    /* bytes of its body */
    char path[PATH_MAX_BYTES];
    char parameters[PATH_MAX_BYTES]; /* their text, NUL after NUL */
};

/* Prepares the two for a request that civetweb has parsed, or failed to parse. */
void exchange_begin(struct exchange *exchange, struct request *request,
                    struct mg_connection *connection);

/* Gives the client a time limit for so many bytes of a body or a reply, after which it is cut; and
 * takes the limit back. */
void exchange_allow(const struct exchange *exchange, size_t bytes);
void exchange_relax(const struct exchange *exchange);

/* Answers that the body is larger than the route takes. Returns false. */
bool request_refuse_size(struct request *request);

/* The callbacks by which civetweb asks for answers. */
void dispatch_callbacks(struct mg_callbacks *callbacks);

#endif
