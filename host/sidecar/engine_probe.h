/*
 * One look at a port: does anybody take connections there, and is it still the one who did before?
 * Used by the engine watch only.
 */
#ifndef KTHENA_SIDECAR_ENGINE_PROBE_H
#define KTHENA_SIDECAR_ENGINE_PROBE_H

#include <netdb.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/* Of several addresses that a name has, the last of these counts: an engine listens on one. */
enum probe_outcome {
    PROBE_LOST,    /* no such name, or no way there */
    PROBE_REFUSED, /* the machine says that nobody listens */
    PROBE_SILENT,  /* no answer in time */
    PROBE_CONNECTED,
};

/* Where to look. All but host and port is the probe's own: zero. */
struct engine_probe {
    const char *host; /* name or address */
    int port;
    struct addrinfo *addresses; /* that the name had, and when that was looked up */
    int64_t resolved_ms;
    uint64_t listener; /* the listening socket's inode after PROBE_CONNECTED; 0: not known */
};

/* Connects, and hangs up at once. Takes at most a second for each address; ends early, with any
 * outcome, once stop is true, unless a name server is waited for. A listener in this network
 * namespace, as an engine in the same pod is, is told by its inode in /proc/net/tcp or tcp6
 * (proc_net_tcp.txt of the kernel's documentation); of several at the port the oldest is. */
enum probe_outcome engine_probe(struct engine_probe *probe, const atomic_bool *stop);

/* Frees what the probe remembers. */
void engine_probe_clear(struct engine_probe *probe);

#endif
