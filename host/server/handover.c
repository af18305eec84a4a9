#include "server/handover_private.h"

#include "base/clock.h"
#include "base/memory.h"

#include <arpa/inet.h>
#include <civetweb.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum {
    WAITING_MAX = 1024, /* connections with a request and without a worker */
    FRESH_MS = 10000,   /* for the TLS handshake and the head that follows it */
    SEARCH_MAX = 4096,  /* descriptors looked at to find civetweb's */
    ATTACHED_MAX = 32,  /* doors in the process */
};

/* The doors of all handovers, by which accept() finds them. */
static pthread_mutex_t attached_mutex = PTHREAD_MUTEX_INITIALIZER;
static struct {
    int fd;
    struct handover *handover;
    struct door *door;
} attached[ATTACHED_MAX];

struct handover *handover_new(int workers) {
    struct handover *handover = memory_zero(1, sizeof *handover);
    pthread_mutex_init(&handover->mutex, NULL);
    clock_condition_init(&handover->settled);
    handover->link_count = (size_t)workers;
    handover->links = memory_zero(handover->link_count, sizeof *handover->links);
    for (int i = 0; i < DOOR_COUNT; i++)
        handover->doors[i] = (struct door){.fd = -1, .signal = -1};
    /* New descriptors take the lowest free number. */
    handover->search_to = eventfd(0, EFD_CLOEXEC);
    if (handover->search_to >= 0)
        close(handover->search_to);
    return handover;
}

void handover_update_doors(struct handover *handover) {
    for (int i = 0; i < DOOR_COUNT; i++) {
        struct door *door = &handover->doors[i];
        bool readable = handover->closed || (door->first && handover->used < handover->link_count);
        if (door->signal < 0 || door->readable == readable)
            continue;
        uint64_t count = 1;
        if (readable)
            (void)!write(door->signal, &count, sizeof count);
        else
            (void)!read(door->signal, &count, sizeof count);
        door->readable = readable;
    }
}

/* The lowest numbers too: other threads close files meanwhile, and civetweb may get their places.
 */
static int find_socket(int highest, int port) {
    for (int fd = 0; fd < highest + SEARCH_MAX; fd++) {
        int listening = 0;
        socklen_t size = sizeof listening;
        struct sockaddr_in address = {0};
        socklen_t length = sizeof address;
        if (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &size) == 0 && listening &&
            getsockname(fd, (struct sockaddr *)&address, &length) == 0 &&
            address.sin_family == AF_INET && ntohs(address.sin_port) == port)
            return fd;
    }
    return -1;
}

static bool attach_door(struct handover *handover, struct door *door) {
    bool found = false;
    pthread_mutex_lock(&attached_mutex);
    for (int i = 0; i < ATTACHED_MAX && !found; i++) {
        if (attached[i].handover)
            continue;
        attached[i].fd = door->fd;
        attached[i].handover = handover;
        attached[i].door = door;
        found = true;
    }
    pthread_mutex_unlock(&attached_mutex);
    return found;
}

/* Puts an eventfd in the place of civetweb's socket. */
static struct error *place_door(struct handover *handover, struct door *door, int port) {
    int fd = find_socket(handover->search_to, port);
    int signal = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (fd < 0 || signal < 0 || dup3(signal, fd, O_CLOEXEC) < 0) {
        struct error *error =
            error_errno(ERROR_IO, "could not take over the HTTP library's port %d", port);
        if (signal >= 0)
            close(signal);
        return error;
    }
    pthread_mutex_lock(&handover->mutex);
    door->fd = fd;
    door->signal = signal;
    handover_update_doors(handover);
    pthread_mutex_unlock(&handover->mutex);
    if (!attach_door(handover, door))
        return error_new(ERROR_LIMIT, NULL, "more than %d servers in one process",
                         ATTACHED_MAX / DOOR_COUNT);
    return NULL;
}

struct error *handover_attach(struct handover *handover, const struct mg_context *context) {
    struct mg_server_port ports[DOOR_COUNT];
    int count = mg_get_server_ports(context, DOOR_COUNT, ports);
    struct error *error = NULL;
    for (int i = 0; i < count && !error; i++)
        error = place_door(handover, &handover->doors[ports[i].is_ssl ? DOOR_SECURE : DOOR_PLAIN],
                           ports[i].port);
    return error;
}

static void peer_text(const union peer *peer, char text[PEER_TEXT_SIZE]) {
    char host[INET6_ADDRSTRLEN] = "";
    if (peer->any.sa_family == AF_INET) {
        inet_ntop(AF_INET, &peer->v4.sin_addr, host, sizeof host);
        snprintf(text, PEER_TEXT_SIZE, "%s:%d", host, ntohs(peer->v4.sin_port));
    } else if (peer->any.sa_family == AF_INET6) {
        inet_ntop(AF_INET6, &peer->v6.sin6_addr, host, sizeof host);
        snprintf(text, PEER_TEXT_SIZE, "[%s]:%d", host, ntohs(peer->v6.sin6_port));
    } else {
        snprintf(text, PEER_TEXT_SIZE, "unix");
    }
}

static struct link *free_link(struct handover *handover) {
    for (size_t i = 0; i < handover->link_count; i++)
        if (handover->links[i].state == LINK_FREE)
            return &handover->links[i];
    return NULL;
}

/* Takes the connection at the front of a door's queue; -1 and EAGAIN when there is none to take. */
static int take(struct handover *handover, struct door *door, struct sockaddr_in *address) {
    pthread_mutex_lock(&handover->mutex);
    struct waiting *waiting = handover->closed ? NULL : door->first;
    struct link *link = waiting ? free_link(handover) : NULL;
    int fd = -1;
    if (link) {
        door->first = waiting->next;
        handover->waiting--;
        handover->used++;
        fd = waiting->fd;
        int64_t now = clock_ms();
        bool secure = door == &handover->doors[DOOR_SECURE];
        *link = (struct link){.handover = handover,
                              .fd = fd,
                              .secure = secure,
                              .open = !secure,
                              .owed = waiting->owed,
                              .state = LINK_FRESH,
                              .since_ms = now,
                              .deadline_ms = now + FRESH_MS};
        peer_text(&waiting->peer, link->peer);
        *address = (struct sockaddr_in){.sin_family = AF_INET,
                                        .sin_port = htons((uint16_t)(link - handover->links + 1)),
                                        .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
        memory_free(waiting);
    }
    handover_update_doors(handover);
    pthread_mutex_unlock(&handover->mutex);
    if (fd < 0)
        errno = EAGAIN;
    return fd;
}

/* The executable's accept(2): see the header. It is declared under another name because libc's
 * declaration takes a transparent union, which a definition cannot repeat in standard C. */
int handover_accept(int fd, struct sockaddr *address, socklen_t *length) __asm__("accept");

int handover_accept(int fd, struct sockaddr *address, socklen_t *length) {
    int taken = -1;
    struct sockaddr_in peer;
    bool door = false;
    pthread_mutex_lock(&attached_mutex);
    for (int i = 0; i < ATTACHED_MAX && !door; i++) {
        door = attached[i].handover && attached[i].fd == fd;
        if (door)
            taken = take(attached[i].handover, attached[i].door, &peer);
    }
    pthread_mutex_unlock(&attached_mutex);
    if (!door)
        return accept4(fd, address, length, 0);
    if (taken >= 0 && address && length) {
        memcpy(address, &peer, *length < sizeof peer ? *length : sizeof peer);
        *length = sizeof peer;
    }
    return taken;
}

bool handover_push(struct handover *handover, int fd, bool secure, const union peer *peer) {
    pthread_mutex_lock(&handover->mutex);
    bool taken = handover->waiting < WAITING_MAX && !handover->closed;
    if (taken) {
        struct door *door = &handover->doors[secure ? DOOR_SECURE : DOOR_PLAIN];
        struct waiting *waiting = memory_alloc(sizeof *waiting);
        *waiting = (struct waiting){.fd = fd, .peer = *peer};
        if (door->first)
            door->last->next = waiting;
        else
            door->first = waiting;
        door->last = waiting;
        handover->waiting++;
        handover_make_room(handover, clock_ms());
        handover_update_doors(handover);
    }
    pthread_mutex_unlock(&handover->mutex);
    return taken;
}

static void detach(const struct handover *handover) {
    pthread_mutex_lock(&attached_mutex);
    for (int i = 0; i < ATTACHED_MAX; i++)
        if (attached[i].handover == handover)
            attached[i].handover = NULL;
    pthread_mutex_unlock(&attached_mutex);
}

void handover_close(struct handover *handover) {
    /* The numbers of the doors soon belong to others: accept() must not know them any more. */
    detach(handover);
    pthread_mutex_lock(&handover->mutex);
    handover->closed = true;
    for (int i = 0; i < DOOR_COUNT; i++) {
        struct waiting *next;
        for (struct waiting *each = handover->doors[i].first; each; each = next) {
            next = each->next;
            handover->owed -= each->owed;
            close(each->fd);
            memory_free(each);
        }
        handover->doors[i].first = NULL;
    }
    handover->waiting = 0;
    handover_update_doors(handover);
    pthread_mutex_unlock(&handover->mutex);
}

void handover_free(struct handover *handover) {
    if (!handover)
        return;
    detach(handover);
    for (size_t i = 0; i < handover->link_count; i++)
        if (handover->links[i].state != LINK_FREE)
            close(handover->links[i].fd);
    for (int i = 0; i < DOOR_COUNT; i++)
        if (handover->doors[i].signal >= 0)
            close(handover->doors[i].signal);
    memory_free(handover->links);
    pthread_cond_destroy(&handover->settled);
    pthread_mutex_destroy(&handover->mutex);
    memory_free(handover);
}
