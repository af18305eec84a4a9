/*
 * Listening sockets: from the hosts and the port of the command line to non-blocking descriptors
 * ready to accept(2). Several addresses at once, IPv4, IPv6, names, and unix sockets, whose files
 * are cleaned up before and after. Used by the server; the gate accepts on them.
 *
 * A struct listeners owns its descriptors and the socket files it made.
 */
#ifndef KTHENA_SERVER_LISTENERS_H
#define KTHENA_SERVER_LISTENERS_H

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>

struct listener {
    int fd;
    bool secure; /* speaks TLS */
    int port;    /* as bound; 0 for a unix socket */
    char *text;  /* "http://127.0.0.1:9000", "https://[::1]:9000", "unix:/path" */
    char *path;  /* of the unix socket, NULL otherwise */
    int file;    /* the socket's file, held open to know it again; -1 if there is none */
};

struct listeners {
    struct listener *items; /* in the order of the hosts */
    size_t count;
};

/* Listens on port at each host: an IPv4 or IPv6 address (in brackets or not), a name (all its
 * addresses), or "unix:/path". Port 0 takes a free one for each. secure marks all but unix sockets.
 * IPv6 sockets take IPv6 only, so that 0.0.0.0 and :: stand side by side. The error names the
 * address and what to do; nothing is then left open. */
struct error *listeners_open(struct listeners *listeners, const char *const *hosts,
                             size_t host_count, int port, bool secure)
    __attribute__((warn_unused_result));

/* Closes the sockets and removes the socket files that are still ours. The texts stay. */
void listeners_close(struct listeners *listeners);

void listeners_free(struct listeners *listeners);

#endif
