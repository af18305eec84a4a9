#include "server/gate.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/thread.h"
#include "server/head.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <unistd.h>

enum {
    HEAD_MS = 10000,
    PENDING_MAX = 4096,
    OTHER_FILES = 2048, /* descriptors left for everything that is no pending connection */
    EVENTS_MAX = 128,
    ACCEPT_MAX = 64, /* connections accepted from one listener before others have their turn */
    PAUSE_MS = 100,  /* without accepting, when no descriptor can be had */
    COMPLAINT_MS = 10000,
};

/* What an epoll event is about. */
enum source { SOURCE_LISTENER, SOURCE_PENDING, SOURCE_STOP };

struct entrance {
    enum source source;
    int fd;
    bool secure;
};

struct pending {
    enum source source;
    int fd;
    bool secure;
    size_t seen; /* bytes of the head already judged */
    int64_t since_ms;
    struct pending *previous, *next; /* by age */
    union peer peer;
};

struct gate {
    struct handover *handover;
    struct entrance *entrances;
    size_t entrance_count;
    int epoll;
    struct entrance stop; /* an eventfd that ends the thread */
    pthread_t thread;
    int head_ms;
    size_t pending_max;
    struct pending *oldest, *newest;
    size_t pending_count;
    int64_t paused_until_ms; /* 0: accepting */
    int64_t complained_ms;   /* when the log last told of it */
    char head[HEAD_MAX];
};

static void forget(struct gate *gate, struct pending *pending) {
    *(pending->previous ? &pending->previous->next : &gate->oldest) = pending->next;
    *(pending->next ? &pending->next->previous : &gate->newest) = pending->previous;
    gate->pending_count--;
    memory_free(pending);
}

static void drop(struct gate *gate, struct pending *pending) {
    close(pending->fd);
    forget(gate, pending);
}

/* Answers in place of civetweb, as far as the socket takes it at once, and closes. What has arrived
 * is read first, as closing with unread bytes would cut the answer. */
static void refuse(struct gate *gate, struct pending *pending, const char *status,
                   const char *detail) {
    char reply[512];
    int length = snprintf(reply, sizeof reply,
                          "HTTP/1.1 %s\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n"
                          "Connection: close\r\n\r\n{\"detail\":\"%s\"}",
                          status, strlen(detail) + strlen("{\"detail\":\"\"}"), detail);
    while (recv(pending->fd, gate->head, sizeof gate->head, MSG_DONTWAIT) > 0)
        ;
    (void)!send(pending->fd, reply, (size_t)length, MSG_DONTWAIT | MSG_NOSIGNAL);
    shutdown(pending->fd, SHUT_WR);
    log_debug("refused a connection: %s", detail);
    drop(gate, pending);
}

static void pass_on(struct gate *gate, struct pending *pending) {
    epoll_ctl(gate->epoll, EPOLL_CTL_DEL, pending->fd, NULL);
    if (handover_push(gate->handover, pending->fd, pending->secure, &pending->peer))
        forget(gate, pending);
    else if (pending->secure)
        drop(gate, pending);
    else
        refuse(gate, pending, "503 Service Unavailable",
               "too many requests are waiting; try again later");
}

/* Looks at what has arrived of a request and decides. ended: the client will send no more. */
static void judge(struct gate *gate, struct pending *pending, bool ended) {
    ssize_t length = recv(pending->fd, gate->head, sizeof gate->head, MSG_PEEK);
    if (length < 0 && (errno == EAGAIN || errno == EINTR) && !ended)
        return;
    if (length <= 0) {
        drop(gate, pending);
        return;
    }
    enum head_state state = pending->secure ? head_scan_tls(gate->head, (size_t)length)
                                            : head_scan(gate->head, (size_t)length, pending->seen);
    pending->seen = (size_t)length;
    if (pending->secure && state == HEAD_BROKEN)
        refuse(gate, pending, "400 Bad Request", "this port speaks TLS; use https://");
    else if (state != HEAD_PARTIAL)
        pass_on(gate, pending);
    else if (length == HEAD_MAX)
        refuse(gate, pending, "431 Request Header Fields Too Large",
               "the request line and headers are larger than 16384 bytes");
    else if (ended)
        drop(gate, pending);
}

static void hold(struct gate *gate, int fd, bool secure, const union peer *peer) {
    if (gate->pending_count >= gate->pending_max)
        drop(gate, gate->oldest);
    struct pending *pending = memory_alloc(sizeof *pending);
    *pending = (struct pending){.source = SOURCE_PENDING,
                                .fd = fd,
                                .secure = secure,
                                .since_ms = clock_ms(),
                                .previous = gate->newest,
                                .peer = *peer};
    *(gate->newest ? &gate->newest->next : &gate->oldest) = pending;
    gate->newest = pending;
    gate->pending_count++;
    struct epoll_event event = {.events = EPOLLIN | EPOLLRDHUP | EPOLLET, .data.ptr = pending};
    if (epoll_ctl(gate->epoll, EPOLL_CTL_ADD, fd, &event)) {
        log_warning("could not watch a connection: %s", strerror(errno));
        drop(gate, pending);
    }
}

static void listen_for(struct gate *gate, bool listening) {
    for (size_t i = 0; i < gate->entrance_count; i++) {
        struct epoll_event event = {.events = listening ? EPOLLIN : 0,
                                    .data.ptr = &gate->entrances[i]};
        epoll_ctl(gate->epoll, EPOLL_CTL_MOD, gate->entrances[i].fd, &event);
    }
}

/* No descriptor is left. The oldest connection held gives its one; if none is held, accepting
 * pauses, for the listener stays readable and epoll would spin. */
static bool make_descriptor(struct gate *gate) {
    if (gate->oldest) {
        drop(gate, gate->oldest);
        return true;
    }
    int64_t now = clock_ms();
    if (!gate->complained_ms || now - gate->complained_ms > COMPLAINT_MS) {
        log_warning("could not accept connections: %s; raise the limit of open files",
                    strerror(errno));
        gate->complained_ms = now;
    }
    gate->paused_until_ms = now + PAUSE_MS;
    listen_for(gate, false);
    return false;
}

static void enter(struct gate *gate, const struct entrance *entrance) {
    for (int i = 0; i < ACCEPT_MAX; i++) {
        union {
            union peer peer;
            struct sockaddr_storage any;
        } address = {0};
        socklen_t length = sizeof address;
        int fd = accept4(entrance->fd, (struct sockaddr *)&address, &length,
                         SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd >= 0)
            hold(gate, fd, entrance->secure, &address.peer);
        else if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
            if (!make_descriptor(gate))
                return;
        } else if (errno != EINTR && errno != ECONNABORTED)
            return;
    }
}

/* Closes what has waited too long, and returns how long the next wait may be. */
static int keep_time(struct gate *gate) {
    int64_t now = clock_ms();
    while (gate->oldest && now - gate->oldest->since_ms >= gate->head_ms) {
        if (gate->oldest->seen && !gate->oldest->secure)
            refuse(gate, gate->oldest, "408 Request Timeout",
                   "the request line and headers did not arrive in time");
        else
            drop(gate, gate->oldest);
    }
    if (gate->paused_until_ms && now >= gate->paused_until_ms) {
        gate->paused_until_ms = 0;
        listen_for(gate, true);
    }
    int64_t wait = gate->oldest ? gate->oldest->since_ms + gate->head_ms - now : -1;
    if (gate->paused_until_ms)
        wait = PAUSE_MS;
    int tick = handover_tick(gate->handover, now);
    return tick >= 0 && (wait < 0 || wait > tick) ? tick : (int)wait;
}

static void *run(void *context) {
    struct gate *gate = context;
    for (;;) {
        struct epoll_event events[EVENTS_MAX];
        int count = epoll_wait(gate->epoll, events, EVENTS_MAX, keep_time(gate));
        /* Connections first: accepting may close the oldest of them, which must not be met again
         * among the events. */
        const struct entrance *entrances[EVENTS_MAX];
        size_t entrance_count = 0;
        for (int i = 0; i < count; i++) {
            enum source source = *(enum source *)events[i].data.ptr;
            if (source == SOURCE_STOP)
                return NULL;
            if (source == SOURCE_LISTENER)
                entrances[entrance_count++] = events[i].data.ptr;
            else
                judge(gate, events[i].data.ptr,
                      events[i].events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR));
        }
        for (size_t i = 0; i < entrance_count; i++)
            enter(gate, entrances[i]);
    }
}

/* Raises the descriptor limit towards what the gate wants, and returns how many connections it may
 * hold under the limit there is. */
static size_t descriptor_room(size_t wanted) {
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit))
        return wanted;
    rlim_t needed = (rlim_t)wanted + OTHER_FILES;
    if (limit.rlim_cur < needed) {
        limit.rlim_cur = limit.rlim_max < needed ? limit.rlim_max : needed;
        if (setrlimit(RLIMIT_NOFILE, &limit))
            getrlimit(RLIMIT_NOFILE, &limit);
    }
    if (limit.rlim_cur >= needed)
        return wanted;
    return limit.rlim_cur > 2 * OTHER_FILES ? (size_t)limit.rlim_cur - OTHER_FILES
                                            : (size_t)limit.rlim_cur / 2;
}

static bool watch(struct gate *gate, struct entrance *entrance) {
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = entrance};
    return epoll_ctl(gate->epoll, EPOLL_CTL_ADD, entrance->fd, &event) == 0;
}

static void gate_free(struct gate *gate) {
    while (gate->oldest)
        drop(gate, gate->oldest);
    if (gate->stop.fd >= 0)
        close(gate->stop.fd);
    if (gate->epoll >= 0)
        close(gate->epoll);
    memory_free(gate->entrances);
    memory_free(gate);
}

struct error *gate_start(const struct gate_config *config, struct gate **out) {
    struct gate *gate = memory_zero(1, sizeof *gate);
    gate->handover = config->handover;
    gate->head_ms = config->head_ms ? config->head_ms : HEAD_MS;
    gate->pending_max = descriptor_room(config->pending_max ? config->pending_max : PENDING_MAX);
    gate->epoll = epoll_create1(EPOLL_CLOEXEC);
    gate->stop = (struct entrance){SOURCE_STOP, eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), false};
    gate->entrance_count = config->listeners->count;
    gate->entrances = memory_zero(gate->entrance_count, sizeof *gate->entrances);
    bool watched = gate->epoll >= 0 && gate->stop.fd >= 0 && watch(gate, &gate->stop);
    for (size_t i = 0; i < gate->entrance_count && watched; i++) {
        const struct listener *listener = &config->listeners->items[i];
        gate->entrances[i] = (struct entrance){SOURCE_LISTENER, listener->fd, listener->secure};
        watched = watch(gate, &gate->entrances[i]);
    }
    struct error *error = watched ? thread_start(&gate->thread, "gate", run, gate)
                                  : error_errno(ERROR_IO, "could not watch the listening sockets");
    if (error)
        gate_free(gate);
    else
        *out = gate;
    return error;
}

void gate_stop(struct gate *gate) {
    if (!gate)
        return;
    uint64_t one = 1;
    (void)!write(gate->stop.fd, &one, sizeof one);
    pthread_join(gate->thread, NULL);
    gate_free(gate);
}
