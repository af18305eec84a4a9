#include "server/handover_private.h"

#include "base/clock.h"

enum {
    TICK_MS = 500,
    HASTE_MS = 20, /* between ticks while connections wait for a worker */
    /* While connections wait for a worker, how long another's worker may wait for */
    NEXT_REQUEST_MS = 20, /* the next request of an idle connection */
    HANDSHAKE_MS = 300,   /* a TLS handshake, and the first request after it */
    PEER_MS = 2000,       /* the body of a request, or the reading of a reply */
};

/* For how long a connection has kept a worker waiting beyond what it may; negative if it has not.
 */
static int64_t overdue(const struct link *link, int64_t now_ms) {
    if (link->shut)
        return -1;
    if (link->state == LINK_IDLE)
        return now_ms - link->since_ms - NEXT_REQUEST_MS;
    if (link->state == LINK_FRESH && link->secure)
        return now_ms - link->since_ms - HANDSHAKE_MS;
    if (link->state == LINK_BUSY && link->deadline_ms)
        return now_ms - link->peer_ms - PEER_MS;
    return -1;
}

bool handover_make_room(struct handover *handover, int64_t now_ms) {
    size_t room = handover->link_count - handover->used + handover->leaving;
    while (handover->waiting > room) {
        struct link *worst = NULL;
        int64_t most = -1;
        for (size_t i = 0; i < handover->link_count; i++) {
            struct link *link = &handover->links[i];
            int64_t time = overdue(link, now_ms);
            if (time > most) {
                worst = link;
                most = time;
            }
        }
        if (!worst)
            return false;
        /* After an end of input alone, a request that arrives right now is still answered. */
        shutdown(worst->fd, worst->state == LINK_BUSY ? SHUT_RDWR : SHUT_RD);
        worst->shut = true;
        handover->leaving++;
        room++;
    }
    return true;
}

int handover_tick(struct handover *handover, int64_t now_ms) {
    pthread_mutex_lock(&handover->mutex);
    for (size_t i = 0; i < handover->link_count; i++) {
        struct link *link = &handover->links[i];
        if (link->state == LINK_FREE || !link->deadline_ms || now_ms < link->deadline_ms)
            continue;
        shutdown(link->fd, SHUT_RDWR);
        link->deadline_ms = 0;
    }
    bool any = handover->used || handover->waiting;
    bool haste = !handover_make_room(handover, now_ms);
    pthread_mutex_unlock(&handover->mutex);
    return haste ? HASTE_MS : any ? TICK_MS : -1;
}

struct link *handover_link(struct handover *handover, int number) {
    if (number < 1 || (size_t)number > handover->link_count)
        return NULL;
    struct link *link = &handover->links[number - 1];
    pthread_mutex_lock(&handover->mutex);
    if (link->state == LINK_FREE)
        link = NULL;
    pthread_mutex_unlock(&handover->mutex);
    return link;
}

struct link *handover_link_of(struct handover *handover, int fd) {
    struct link *found = NULL;
    pthread_mutex_lock(&handover->mutex);
    for (size_t i = 0; i < handover->link_count && !found; i++)
        if (handover->links[i].state != LINK_FREE && handover->links[i].fd == fd)
            found = &handover->links[i];
    pthread_mutex_unlock(&handover->mutex);
    return found;
}

static void enter(struct handover *handover, struct link *link, enum link_state state) {
    if (link->shut)
        handover->leaving--;
    link->state = state;
    link->since_ms = clock_ms();
    link->deadline_ms = 0;
    link->shut = false;
}

static void settle(struct handover *handover, struct link *link) {
    if (!link->owed)
        return;
    link->owed = false;
    if (--handover->owed == 0)
        pthread_cond_broadcast(&handover->settled);
}

void link_begin(struct link *link) {
    struct handover *handover = link->handover;
    pthread_mutex_lock(&handover->mutex);
    enter(handover, link, LINK_BUSY);
    pthread_mutex_unlock(&handover->mutex);
}

void link_end(struct link *link) {
    struct handover *handover = link->handover;
    pthread_mutex_lock(&handover->mutex);
    enter(handover, link, LINK_IDLE);
    settle(handover, link);
    pthread_mutex_unlock(&handover->mutex);
}

void link_opened(struct link *link) {
    struct handover *handover = link->handover;
    pthread_mutex_lock(&handover->mutex);
    link->open = true;
    pthread_mutex_unlock(&handover->mutex);
}

void link_refused(struct link *link) {
    struct handover *handover = link->handover;
    pthread_mutex_lock(&handover->mutex);
    link->refused = true;
    pthread_mutex_unlock(&handover->mutex);
}

void link_deadline(struct link *link, int64_t deadline_ms) {
    struct handover *handover = link->handover;
    pthread_mutex_lock(&handover->mutex);
    if (!link->deadline_ms)
        link->peer_ms = clock_ms();
    link->deadline_ms = deadline_ms;
    pthread_mutex_unlock(&handover->mutex);
}

void link_release(struct link *link) {
    struct handover *handover = link->handover;
    pthread_mutex_lock(&handover->mutex);
    settle(handover, link);
    enter(handover, link, LINK_FREE);
    handover->used--;
    handover_update_doors(handover);
    pthread_mutex_unlock(&handover->mutex);
}

bool handover_crowded(struct handover *handover) {
    pthread_mutex_lock(&handover->mutex);
    bool crowded = handover->waiting > handover->link_count - handover->used + handover->leaving;
    pthread_mutex_unlock(&handover->mutex);
    return crowded;
}

static void mark_owed(struct handover *handover) {
    for (int i = 0; i < DOOR_COUNT; i++) {
        for (struct waiting *each = handover->doors[i].first; each; each = each->next) {
            handover->owed += !each->owed;
            each->owed = true;
        }
    }
    for (size_t i = 0; i < handover->link_count; i++) {
        struct link *link = &handover->links[i];
        if (link->state == LINK_IDLE && !link->shut) {
            shutdown(link->fd, SHUT_RD);
            link->shut = true;
            handover->leaving++;
        } else if (link->state == LINK_BUSY || (link->state == LINK_FRESH && link->open)) {
            handover->owed += !link->owed;
            link->owed = true;
        }
    }
}

size_t handover_drain(struct handover *handover, int64_t deadline_ms) {
    pthread_mutex_lock(&handover->mutex);
    mark_owed(handover);
    while (handover->owed && clock_ms() < deadline_ms)
        clock_wait(&handover->settled, &handover->mutex, deadline_ms);
    size_t owed = handover->owed;
    pthread_mutex_unlock(&handover->mutex);
    return owed;
}
