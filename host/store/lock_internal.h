/*
 * The parts of a lock: lock_file.c does what is done to .kthena/lock, lock.c waits, takes, keeps
 * and releases. Tests set other times and other kinds of volume than the real ones.
 */
#ifndef KTHENA_STORE_LOCK_INTERNAL_H
#define KTHENA_STORE_LOCK_INTERNAL_H

#include "store/lock.h"
#include "store/lock_record.h"

#include <pthread.h>

enum lock_volume {
    LOCK_VOLUME_ASK,    /* the file system's kind decides */
    LOCK_VOLUME_LOCAL,  /* mounted by this kernel only, whose locks therefore tell all */
    LOCK_VOLUME_SHARED, /* its locks are asked, but may not be known to all */
    LOCK_VOLUME_BARE,   /* it has no locks at all */
};

struct lock_settings {
    int64_t heartbeat_ms; /* between two writes of the owner */
    int64_t silent_ms;    /* an owner that has not written for so long is dead */
    int64_t poll_ms;      /* between two looks of a waiter */
    int64_t settle_ms;    /* from a take-over to reading back, on a volume that is not local */
    int64_t remind_ms;    /* between two calls of lock_waiting for one owner */
    enum lock_volume volume;
};

struct lock {
    const struct directory *directory;
    struct lock_settings settings;
    enum lock_volume volume;
    int fd; /* .kthena/lock; -1 */
    struct lock_record own;
    pthread_t thread;
    pthread_mutex_t mutex; /* guards the rest, and own.beat and writing once the thread runs */
    pthread_cond_t wake;
    bool stopping;
    int64_t beat_ms;              /* the last heartbeat that worked */
    atomic_int_fast64_t tried_ms; /* the last one */
    atomic_bool lost;
};

struct error *lock_acquire_with(const struct directory *directory,
                                const struct lock_settings *settings, lock_waiting *waiting,
                                void *context, const atomic_bool *cancel, struct lock **out)
    __attribute__((warn_unused_result));

enum lock_holder { LOCK_MINE, LOCK_OTHERS, LOCK_NOBODYS /* the volume has no such locks */ };

enum lock_content {
    LOCK_EMPTY,
    LOCK_OWNED,
    LOCK_DAMAGED,  /* half written, or not ours at all */
    LOCK_REPLACED, /* .kthena/lock is another file now than the one that is open, or gone */
};

struct lock_sight {
    enum lock_content content;
    struct lock_record owner; /* when LOCK_OWNED */
    uint64_t print;           /* changes with the content */
};

/* Opens the file, making it, unless it is open; and closes it. */
struct error *lock_file_open(struct lock *lock) __attribute__((warn_unused_result));
void lock_file_close(struct lock *lock);

/* Tries to take the kernel's lock; and gives it back. */
enum lock_holder lock_file_try(struct lock *lock);
void lock_file_give_back(struct lock *lock);

/* Reads what is there, by its name: a shared volume shows what others wrote to who opens a file. */
struct error *lock_file_look(const struct lock *lock, struct lock_sight *sight)
    __attribute__((warn_unused_result));

/* Writes lock->own; and empties the file. */
struct error *lock_file_write(const struct lock *lock) __attribute__((warn_unused_result));
void lock_file_clear(const struct lock *lock);

#endif
