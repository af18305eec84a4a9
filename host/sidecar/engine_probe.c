#include "sidecar/engine_probe.h"

#include "base/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    CONNECT_MS = 1000,
    STEP_MS = 50,              /* between two looks at stop */
    ADDRESSES_KEPT_MS = 30000, /* while they are good */
    LISTENING = 10,            /* TCP_LISTEN of the kernel's tcp_states.h */
    LINE_MAX_BYTES = 256,
};

void engine_probe_clear(struct engine_probe *probe) {
    if (probe->addresses)
        freeaddrinfo(probe->addresses);
    probe->addresses = NULL;
}

static bool resolve(struct engine_probe *probe) {
    if (probe->addresses && clock_ms() - probe->resolved_ms < ADDRESSES_KEPT_MS)
        return true;
    struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
    char port[16];
    snprintf(port, sizeof port, "%d", probe->port);
    engine_probe_clear(probe);
    if (getaddrinfo(probe->host, port, &hints, &probe->addresses) != 0)
        probe->addresses = NULL;
    probe->resolved_ms = clock_ms();
    return probe->addresses != NULL;
}

/* What became of a connection that was begun; 0: it stands. */
static int await_connection(int fd, const atomic_bool *stop) {
    int64_t end = clock_ms() + CONNECT_MS;
    struct pollfd connection = {.fd = fd, .events = POLLOUT};
    int ready = 0;
    while (!atomic_load(stop) && clock_ms() < end && ready == 0)
        ready = poll(&connection, 1, STEP_MS);
    int failure = ETIMEDOUT;
    socklen_t length = sizeof failure;
    if (ready > 0 && getsockopt(fd, SOL_SOCKET, SO_ERROR, &failure, &length) != 0)
        failure = errno;
    return failure;
}

/* Whether both ends of a connection have the same address: the other one is here too. */
static bool is_local(int fd) {
    struct sockaddr_storage own = {0}, peer = {0};
    socklen_t own_length = sizeof own, peer_length = sizeof peer;
    if (getsockname(fd, (struct sockaddr *)&own, &own_length) != 0 ||
        getpeername(fd, (struct sockaddr *)&peer, &peer_length) != 0 ||
        own.ss_family != peer.ss_family)
        return false;
    if (own.ss_family == AF_INET)
        return memcmp(&((struct sockaddr_in *)&own)->sin_addr,
                      &((struct sockaddr_in *)&peer)->sin_addr, sizeof(struct in_addr)) == 0;
    return own.ss_family == AF_INET6 &&
           memcmp(&((struct sockaddr_in6 *)&own)->sin6_addr,
                  &((struct sockaddr_in6 *)&peer)->sin6_addr, sizeof(struct in6_addr)) == 0;
}

/* The smaller one of `oldest` and the inodes of a table's sockets that listen at the port; 0 is
 * none. Those that listen come first in the table. */
static uint64_t find_listener(const char *table, int port, uint64_t oldest) {
    char line[LINE_MAX_BYTES];
    unsigned at, state;
    unsigned long long inode;
    FILE *file = fopen(table, "re");
    if (!file)
        return oldest;
    bool more = fgets(line, sizeof line, file) != NULL; /* the heading */
    while (more && fgets(line, sizeof line, file)) {
        more = sscanf(line, " %*d: %*[^:]:%x %*s %x %*s %*s %*s %*s %*s %llu", &at, &state,
                      &inode) == 3 &&
               state == LISTENING;
        if (more && (int)at == port && (oldest == 0 || inode < oldest))
            oldest = inode;
    }
    fclose(file);
    return oldest;
}

static uint64_t listener_at(int fd, int port) {
    return is_local(fd)
               ? find_listener("/proc/net/tcp6", port, find_listener("/proc/net/tcp", port, 0))
               : 0;
}

static enum probe_outcome try_address(struct engine_probe *probe, const struct addrinfo *address,
                                      const atomic_bool *stop) {
    int fd = socket(address->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return PROBE_LOST;
    int failure = connect(fd, address->ai_addr, address->ai_addrlen) == 0 ? 0 : errno;
    if (failure == EINPROGRESS)
        failure = await_connection(fd, stop);
    if (failure == 0)
        probe->listener = listener_at(fd, probe->port);
    close(fd);
    if (failure == 0)
        return PROBE_CONNECTED;
    if (failure == ETIMEDOUT)
        return PROBE_SILENT;
    return failure == ECONNREFUSED || failure == ECONNRESET ? PROBE_REFUSED : PROBE_LOST;
}

static enum probe_outcome try_addresses(struct engine_probe *probe, const atomic_bool *stop) {
    enum probe_outcome outcome = PROBE_LOST;
    for (const struct addrinfo *each = probe->addresses; each && !atomic_load(stop);
         each = each->ai_next) {
        enum probe_outcome one = try_address(probe, each, stop);
        if (one == PROBE_CONNECTED)
            return one;
        outcome = one > outcome ? one : outcome;
    }
    return outcome;
}

enum probe_outcome engine_probe(struct engine_probe *probe, const atomic_bool *stop) {
    enum probe_outcome outcome = resolve(probe) ? try_addresses(probe, stop) : PROBE_LOST;
    if (outcome != PROBE_CONNECTED)
        engine_probe_clear(probe); /* the name may lead elsewhere by now */
    return outcome;
}
