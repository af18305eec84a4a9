#include "store/lock.h"

#include "base/clock.h"
#include "base/memory.h"
#include "base/thread.h"
#include "store/lock_internal.h"

#include <inttypes.h>
#include <stdio.h>
#include <time.h>

/* What a waiter remembers of the owner it waits for. */
struct watch {
    lock_waiting *waiting;
    void *context;
    const atomic_bool *cancel;
    bool looked;
    uint64_t print;   /* of the content, */
    int64_t since_ms; /* unchanged from here on */
    uint64_t told[2]; /* whose token: 0 of an unknown owner */
    int64_t told_ms;  /* 0: not yet */
};

static const struct lock_settings real_settings = {
    .heartbeat_ms = 3000,
    .silent_ms = 12000,
    .poll_ms = 500,
    .settle_ms = 1000,
    .remind_ms = 30000,
};

/* Sleeps, looking at cancel every now and then. */
static struct error *pause_for(const struct lock *lock, const struct watch *watch, int64_t ms) {
    enum { SLICE_MS = 100 };
    int64_t end = clock_ms() + ms;
    for (int64_t left = ms; left > 0; left = end - clock_ms()) {
        if (watch->cancel && atomic_load(watch->cancel))
            return error_new(ERROR_CANCELLED, NULL, "cancelled while waiting for the lock of %s",
                             lock->directory->path);
        int64_t slice = left < SLICE_MS ? left : SLICE_MS;
        nanosleep(&(struct timespec){.tv_nsec = slice * 1000000}, NULL);
    }
    return NULL;
}

/* Calls waiting for an owner that is new or has not been told of for long. An unknown one is told
 * of when it stays: most are somebody just about to write, or to leave. */
static void tell(const struct lock *lock, struct watch *watch, const struct lock_sight *sight) {
    char text[LOCK_HOST_SIZE + LOCK_SINCE_SIZE + 48] = "an unknown process";
    const struct lock_record *owner = &sight->owner;
    int64_t now = clock_ms();
    bool known = sight->content == LOCK_OWNED;
    bool told = watch->told_ms > 0 && watch->told[0] == owner->token[0] &&
                watch->told[1] == owner->token[1];
    if (!watch->waiting || (told && now - watch->told_ms < lock->settings.remind_ms) ||
        (!known && now - watch->since_ms < lock->settings.poll_ms))
        return;
    if (known)
        snprintf(text, sizeof text, "%s (pid %" PRId64 ", since %s)", owner->host, owner->pid,
                 owner->since);
    watch->told[0] = owner->token[0];
    watch->told[1] = owner->token[1];
    watch->told_ms = now;
    watch->waiting(text, watch->context);
}

static void note(struct watch *watch, const struct lock_sight *sight) {
    if (watch->looked && watch->print == sight->print)
        return;
    watch->looked = true;
    watch->print = sight->print;
    watch->since_ms = clock_ms();
}

/*
 * Whether the lock may be taken, by who holds the kernel's lock and what stands in the file.
 *
 * On a local file system the kernel knows it all: its lock is free when the owner is dead, however
 * fresh or damaged the content, and held while the owner lives, however long it is silent.
 *
 * Elsewhere a free lock proves nothing, so the content has to be empty, of a process known to be
 * gone, or silent for long; that goes for damaged content too, whose unknown owner may be alive and
 * would repair it with its next heartbeat. A lock that is held proves that there is an owner, if it
 * is one of this kernel, and is then waited for; another host's may be held for a dead one by a
 * server that has not noticed yet, and is not waited for longer than its heartbeat.
 */
static bool may_take(const struct lock *lock, enum lock_holder holder,
                     const struct lock_sight *sight, const struct watch *watch) {
    bool owned = sight->content == LOCK_OWNED;
    if (lock->volume == LOCK_VOLUME_LOCAL)
        return holder == LOCK_MINE;
    if (holder != LOCK_OTHERS && sight->content == LOCK_EMPTY)
        return true;
    if (holder != LOCK_OTHERS && owned && lock_record_is_gone(&sight->owner, &lock->own))
        return true;
    if (clock_ms() - watch->since_ms < lock->settings.silent_ms)
        return false;
    return holder != LOCK_OTHERS || !owned || !lock_record_same_boot(&sight->owner, &lock->own);
}

/* Whether the file says that this process is the owner. */
static bool is_own(const struct lock *lock, const struct lock_sight *sight) {
    return sight->content == LOCK_OWNED && lock_record_is_same(&sight->owner, &lock->own);
}

static void withdraw(const struct lock *lock) {
    struct lock_sight sight;
    struct error *error = lock_file_look(lock, &sight);
    if (!error && is_own(lock, &sight))
        lock_file_clear(lock);
    error_free(error);
}

/* Writes this process into the file. Where others may have done the same at the same time, the last
 * one has won, and reads it after a pause. */
static struct error *take(struct lock *lock, const struct watch *watch, bool *held) {
    struct lock_sight sight;
    lock_record_own(&lock->own);
    struct error *error = lock_file_write(lock);
    if (error) {
        lock_file_clear(lock); /* rather than half a record */
        return error;
    }
    *held = lock->volume == LOCK_VOLUME_LOCAL;
    if (*held)
        return NULL;
    error = pause_for(lock, watch, lock->settings.settle_ms);
    if (error) {
        withdraw(lock);
        return error;
    }
    error = lock_file_look(lock, &sight);
    *held = !error && is_own(lock, &sight);
    return error;
}

/* Looks at the lock once, and takes it if it may be taken. */
static struct error *attempt(struct lock *lock, struct watch *watch, bool *held) {
    struct lock_sight sight;
    struct error *error = lock_file_open(lock);
    if (error)
        return error;
    enum lock_holder holder = lock_file_try(lock);
    error = lock_file_look(lock, &sight);
    if (!error && sight.content == LOCK_REPLACED) {
        lock_file_close(lock);
        return NULL;
    }
    if (!error) {
        note(watch, &sight);
        if (may_take(lock, holder, &sight, watch))
            error = take(lock, watch, held);
        else
            tell(lock, watch, &sight);
    }
    if (!*held)
        lock_file_give_back(lock);
    return error;
}

/* One heartbeat: looks whether the lock is still this process's, and writes the next count. A file
 * that is empty or gone is as bad as another's: somebody has taken it over and is done already. A
 * damaged one is written again. The caller has the mutex. */
static void beat(struct lock *lock) {
    struct lock_sight sight;
    struct error *error;
    int64_t now;
    do { /* again if this process was stopped in between */
        now = clock_ms();
        error = lock_file_look(lock, &sight);
    } while (!error && clock_ms() - now > lock->settings.heartbeat_ms);
    if (!error && sight.content != LOCK_DAMAGED && !is_own(lock, &sight)) {
        atomic_store(&lock->lost, true);
        atomic_store(&lock->tried_ms, now);
        return;
    }
    lock_file_try(lock); /* again, if a server has forgotten it */
    lock->own.beat++;
    if (!error)
        error = lock_file_write(lock);
    if (!error)
        lock->beat_ms = now;
    else if (lock->volume != LOCK_VOLUME_LOCAL && now - lock->beat_ms > lock->settings.silent_ms)
        atomic_store(&lock->lost, true); /* others see no heartbeat */
    atomic_store(&lock->tried_ms, now);
    error_free(error);
}

static void *keep(void *context) {
    struct lock *lock = context;
    pthread_mutex_lock(&lock->mutex);
    while (!lock->stopping && !atomic_load(&lock->lost)) {
        int64_t next = atomic_load(&lock->tried_ms) + lock->settings.heartbeat_ms;
        if (clock_ms() < next)
            clock_wait(&lock->wake, &lock->mutex, next);
        else
            beat(lock);
    }
    pthread_mutex_unlock(&lock->mutex);
    return NULL;
}

static struct lock *new_lock(const struct directory *directory,
                             const struct lock_settings *settings) {
    struct lock *lock = memory_zero(1, sizeof *lock);
    lock->directory = directory;
    lock->settings = *settings;
    lock->fd = -1;
    lock_record_own(&lock->own);
    pthread_mutex_init(&lock->mutex, NULL);
    clock_condition_init(&lock->wake);
    return lock;
}

static void free_lock(struct lock *lock) {
    lock_file_close(lock);
    pthread_cond_destroy(&lock->wake);
    pthread_mutex_destroy(&lock->mutex);
    memory_free(lock);
}

static struct error *start(struct lock *lock) {
    lock->beat_ms = clock_ms();
    atomic_store(&lock->tried_ms, lock->beat_ms);
    struct error *error = thread_start(&lock->thread, "lock", keep, lock);
    if (error)
        withdraw(lock);
    return error;
}

struct error *lock_acquire_with(const struct directory *directory,
                                const struct lock_settings *settings, lock_waiting *waiting,
                                void *context, const atomic_bool *cancel, struct lock **out) {
    struct lock *lock = new_lock(directory, settings);
    struct watch watch = {.waiting = waiting, .context = context, .cancel = cancel};
    bool held = false;
    struct error *error = attempt(lock, &watch, &held);
    while (!error && !held) {
        error = pause_for(lock, &watch, lock->fd >= 0 ? settings->poll_ms : 1);
        if (!error)
            error = attempt(lock, &watch, &held);
    }
    if (!error)
        error = start(lock);
    if (error) {
        free_lock(lock);
        lock = NULL;
    }
    *out = lock;
    return error;
}

struct error *lock_acquire(const struct directory *directory, lock_waiting *waiting, void *context,
                           const atomic_bool *cancel, struct lock **out) {
    return lock_acquire_with(directory, &real_settings, waiting, context, cancel, out);
}

static bool is_overdue(struct lock *lock) {
    return clock_ms() - atomic_load(&lock->tried_ms) > 2 * lock->settings.heartbeat_ms;
}

bool lock_lost(struct lock *lock) {
    /* A process that was stopped asks before its own thread has looked. */
    if (!atomic_load(&lock->lost) && is_overdue(lock)) {
        pthread_mutex_lock(&lock->mutex);
        if (!atomic_load(&lock->lost) && is_overdue(lock))
            beat(lock);
        pthread_mutex_unlock(&lock->mutex);
    }
    return atomic_load(&lock->lost);
}

struct error *lock_check(struct lock *lock) {
    if (!lock || !lock_lost(lock))
        return NULL;
    return error_new(ERROR_EXISTS, NULL,
                     "%s was taken over by another process while this one stood still; try again",
                     lock->directory->path);
}

void lock_release(struct lock *lock) {
    if (!lock)
        return;
    pthread_mutex_lock(&lock->mutex);
    lock->stopping = true;
    pthread_cond_signal(&lock->wake);
    pthread_mutex_unlock(&lock->mutex);
    pthread_join(lock->thread, NULL);
    withdraw(lock);
    free_lock(lock);
}
