#include "sidecar/engine_probe.h"

#include "base/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    CONNECT_MS = 1000,
    STEP_MS = 50,             /* between two looks at stop */
    ADDRESSES_KEPT_MS = 30000 /* while they are good */
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

static enum probe_outcome try_address(const struct addrinfo *address, const atomic_bool *stop) {
    int fd = socket(address->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return PROBE_LOST;
    int failure = connect(fd, address->ai_addr, address->ai_addrlen) == 0 ? 0 : errno;
    if (failure == EINPROGRESS)
        failure = await_connection(fd, stop);
    close(fd);
    if (failure == 0)
        return PROBE_CONNECTED;
    if (failure == ETIMEDOUT)
        return PROBE_SILENT;
    return failure == ECONNREFUSED || failure == ECONNRESET ? PROBE_REFUSED : PROBE_LOST;
}

static enum probe_outcome try_addresses(const struct engine_probe *probe, const atomic_bool *stop) {
    enum probe_outcome outcome = PROBE_LOST;
    for (const struct addrinfo *each = probe->addresses; each && !atomic_load(stop);
         each = each->ai_next) {
        enum probe_outcome one = try_address(each, stop);
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
