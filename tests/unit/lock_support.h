/*
 * What the tests of the lock share: times short enough to wait for, owners in other processes, on
 * other hosts, and what a waiter is told. Included by one test source each.
 */
#ifndef KTHENA_TESTS_LOCK_SUPPORT_H
#define KTHENA_TESTS_LOCK_SUPPORT_H

#include "store/lock_internal.h"

#include "store_support.h"

#include <signal.h>
#include <time.h>

enum { SILENT_MS = 400 };

/* The real times, made shorter; silent_ms still is several heartbeats. */
static inline struct lock_settings settings_of(enum lock_volume volume) {
    return (struct lock_settings){
        .heartbeat_ms = 50,
        .silent_ms = SILENT_MS,
        .poll_ms = 10,
        .settle_ms = 60,
        .remind_ms = 60000,
        .volume = volume,
    };
}

static inline struct lock *acquire(const struct fixture *fixture, enum lock_volume volume) {
    struct lock_settings settings = settings_of(volume);
    struct lock *lock = NULL;
    expect_good(lock_acquire_with(&fixture->directory, &settings, NULL, NULL, NULL, &lock));
    assert_non_null(lock);
    return lock;
}

static inline void pause_ms(int ms) {
    nanosleep(&(struct timespec){.tv_nsec = (long)ms * 1000000}, NULL);
}

/* A process of this test that writes a byte when it has the lock, and holds it until it is told or
 * killed. */
struct holder {
    pid_t pid;
    int said, told; /* read from it; written to it */
};

static inline struct holder start_holder(const struct fixture *fixture, enum lock_volume volume) {
    int said[2];
    int told[2];
    assert_int_equal(pipe(said), 0);
    assert_int_equal(pipe(told), 0);
    struct holder holder = {fork(), said[0], told[1]};
    assert_true(holder.pid >= 0);
    if (holder.pid == 0) {
        struct lock_settings settings = settings_of(volume);
        struct lock *lock;
        char byte = 'y';
        close(said[0]);
        close(told[1]);
        if (lock_acquire_with(&fixture->directory, &settings, NULL, NULL, NULL, &lock))
            _exit(1);
        if (write(said[1], &byte, 1) != 1 || read(told[0], &byte, 1) < 0)
            _exit(2);
        byte = lock_lost(lock) ? 'l' : 'k';
        lock_release(lock);
        _exit(write(said[1], &byte, 1) == 1 ? 0 : 3);
    }
    close(said[1]);
    close(told[0]);
    return holder;
}

static inline char hear(const struct holder *holder) {
    char byte = '?';
    return read(holder->said, &byte, 1) == 1 ? byte : '?';
}

static inline void end_holder(const struct holder *holder, int signal) {
    int status;
    if (signal)
        kill(holder->pid, signal);
    close(holder->told);
    assert_int_equal(waitpid(holder->pid, &status, 0), holder->pid);
    close(holder->said);
}

/* What a waiter was told, one owner a line. */
struct told {
    char text[2000];
    int count;
    atomic_bool *cancel; /* set when it was told of an owner, if not NULL */
};

static inline void note(const char *owner, void *context) {
    struct told *told = context;
    size_t length = strlen(told->text);
    snprintf(told->text + length, sizeof told->text - length, "%s\n", owner);
    told->count++;
    if (told->cancel)
        atomic_store(told->cancel, true);
}

/* Waits for the lock until it is told of an owner, and gives up. */
static inline void expect_taken(const struct fixture *fixture, enum lock_volume volume,
                                const char *owner) {
    struct lock_settings settings = settings_of(volume);
    atomic_bool cancel = false;
    struct told told = {.cancel = &cancel};
    struct lock *lock;
    expect_error(lock_acquire_with(&fixture->directory, &settings, note, &told, &cancel, &lock),
                 ERROR_CANCELLED, "cancelled while waiting for the lock of");
    assert_null(lock);
    if (!strstr(told.text, owner))
        fail_msg("expected '%s' in '%s'", owner, told.text);
}

/* Writes over the lock file, as an owner does: it is never empty in between. */
static inline void overwrite(const struct fixture *fixture, const char *bytes, size_t length) {
    int fd = open(in(fixture, "out/.kthena/lock"), O_WRONLY | O_CREAT, 0666);
    assert_true(fd >= 0);
    assert_int_equal(pwrite(fd, bytes, length, 0), length);
    close(fd);
}

/* Writes a record as an owner elsewhere would. */
static inline void put_owner(const struct fixture *fixture, const struct lock_record *record) {
    char text[LOCK_RECORD_SIZE];
    lock_record_format(record, text);
    overwrite(fixture, text, sizeof text);
}

static inline struct lock_record stranger(void) {
    struct lock_record record;
    lock_record_own(&record);
    snprintf(record.host, sizeof record.host, "pod-1");
    snprintf(record.boot, sizeof record.boot, "another-boot");
    snprintf(record.since, sizeof record.since, "2026-10-01T12:00:00Z");
    record.pid = 7;
    return record;
}

#endif
