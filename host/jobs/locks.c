#include "jobs/locks.h"

#include "base/clock.h"
#include "base/memory.h"

#include <pthread.h>
#include <stdbool.h>
#include <string.h>

/* How long a waiter sleeps before it looks whether it was cancelled. */
enum { LOOK_MS = 100 };

/* Somebody who holds a name or waits for it: the first of a name's line is the holder. */
struct named_lock {
    struct locks *locks;
    char *name;
    char *owner;
    pthread_cond_t first; /* it has become the first */
    struct named_lock *behind;
    struct named_lock *next; /* of the first of another name */
};

struct locks {
    pthread_mutex_t mutex;
    struct named_lock *lines; /* the first of each name */
};

struct locks *locks_new(void) {
    struct locks *locks = memory_zero(1, sizeof *locks);
    pthread_mutex_init(&locks->mutex, NULL);
    return locks;
}

void locks_free(struct locks *locks) {
    if (!locks)
        return;
    pthread_mutex_destroy(&locks->mutex);
    memory_free(locks);
}

/* Where the first of a name's line is referred to; NULL there when the name is free. */
static struct named_lock **line_of(struct locks *locks, const char *name) {
    struct named_lock **line = &locks->lines;
    while (*line && strcmp((*line)->name, name) != 0)
        line = &(*line)->next;
    return line;
}

static void free_lock(struct named_lock *lock) {
    pthread_cond_destroy(&lock->first);
    memory_free(lock->name);
    memory_free(lock->owner);
    memory_free(lock);
}

static void line_up(struct locks *locks, struct named_lock *lock) {
    struct named_lock **at = line_of(locks, lock->name);
    while (*at)
        at = &(*at)->behind;
    *at = lock;
}

/* Leaves the line; the next is the first if this one was. The mutex is held. */
static void leave(struct named_lock *lock) {
    struct named_lock **line = line_of(lock->locks, lock->name);
    if (*line != lock) {
        struct named_lock *at = *line;
        while (at->behind != lock)
            at = at->behind;
        at->behind = lock->behind;
        return;
    }
    struct named_lock *following = lock->behind;
    if (!following) {
        *line = lock->next;
        return;
    }
    following->next = lock->next;
    *line = following;
    pthread_cond_signal(&following->first);
}

/* Waits until the lock is the first of its line. The mutex is held. */
static struct error *wait_for_turn(struct named_lock *lock, int64_t deadline_ms,
                                   const atomic_bool *cancel) {
    struct locks *locks = lock->locks;
    int64_t start_ms = clock_ms();
    for (;;) {
        const struct named_lock *holder = *line_of(locks, lock->name);
        int64_t now_ms = clock_ms();
        if (holder == lock)
            return NULL;
        if (cancel && atomic_load(cancel))
            return error_new(ERROR_CANCELLED, NULL, "cancelled while it waited for the lock '%s'",
                             lock->name);
        if (now_ms >= deadline_ms)
            return error_new(ERROR_TIMEOUT, NULL, "could not lock '%s' within %.3g s: %s has it",
                             lock->name, (double)(now_ms - start_ms) / 1000, holder->owner);
        int64_t look_ms = now_ms + LOOK_MS;
        clock_wait(&lock->first, &locks->mutex, look_ms < deadline_ms ? look_ms : deadline_ms);
    }
}

struct error *locks_acquire(struct locks *locks, const char *name, const char *owner,
                            int64_t deadline_ms, const atomic_bool *cancel,
                            struct named_lock **out) {
    struct named_lock *lock = memory_zero(1, sizeof *lock);
    lock->locks = locks;
    lock->name = memory_string(name);
    lock->owner = memory_string(owner);
    clock_condition_init(&lock->first);
    pthread_mutex_lock(&locks->mutex);
    line_up(locks, lock);
    struct error *error = wait_for_turn(lock, deadline_ms, cancel);
    if (error)
        leave(lock);
    pthread_mutex_unlock(&locks->mutex);
    if (error)
        free_lock(lock);
    else
        *out = lock;
    return error;
}

void locks_release(struct named_lock *lock) {
    if (!lock)
        return;
    struct locks *locks = lock->locks;
    pthread_mutex_lock(&locks->mutex);
    leave(lock);
    pthread_mutex_unlock(&locks->mutex);
    free_lock(lock);
}

size_t locks_waiting(struct locks *locks, const char *name) {
    size_t count = 0;
    pthread_mutex_lock(&locks->mutex);
    const struct named_lock *holder = *line_of(locks, name);
    for (const struct named_lock *at = holder ? holder->behind : NULL; at; at = at->behind)
        count++;
    pthread_mutex_unlock(&locks->mutex);
    return count;
}
