/*
 * The lock of an output directory: at most one process, on any host that mounts the volume, works
 * in it. Two mechanisms at once, because each fails somewhere: an open-file-description lock (fcntl
 * F_OFD_SETLK) on .kthena/lock, released by the kernel when its owner dies, which some network file
 * systems only pretend to have; and the file's content, rewritten every 3 s by a thread of the
 * owner: host, pid, start time of the process, boot id, a random token and a counter.
 *
 * On a file system of this kernel alone (ext4, xfs, overlay, tmpfs...) its lock tells the truth and
 * decides: free, the owner is dead and the waiter takes over; held, the owner lives, be it silent
 * or stopped. Elsewhere a lock is taken over at once when its owner is of this boot and pid
 * namespace and its process is gone, and otherwise when the content has not changed for 12 s by the
 * waiter's own clock (clocks of two hosts are never compared). After a take-over there the content
 * is read back, after a pause of more than one write on a shared volume, to see who has won. An
 * owner that finds another's token in the file, or no token or no file, has lost it and says so
 * through lock_lost; so does one that could not write its heartbeat for 12 s.
 */
#ifndef KTHENA_STORE_LOCK_H
#define KTHENA_STORE_LOCK_H

#include "store/directory.h"

#include <stdatomic.h>

struct lock;

/* Tells a waiter for whom it waits: "pod-1 (pid 7, since 2026-10-01T12:00:00Z)". Called when the
 * owner is first seen, when it changes, and every 30 s. */
typedef void lock_waiting(const char *owner, void *context);

/* Waits for the lock and takes it. cancel NULL: never. ERROR_CANCELLED, ERROR_SPACE, ERROR_DENIED,
 * ERROR_IO. The directory must outlive the lock. */
struct error *lock_acquire(const struct directory *directory, lock_waiting *waiting, void *context,
                           const atomic_bool *cancel, struct lock **out)
    __attribute__((warn_unused_result));

/* Whether another has taken it over, as after a long stop of this process. */
bool lock_lost(struct lock *lock);

/* ERROR_EXISTS that says so when it is lost. NULL, no lock, is fine. */
struct error *lock_check(struct lock *lock) __attribute__((warn_unused_result));

/* Stops the heartbeat and empties the file, so that a waiter takes it at once. NULL is fine. */
void lock_release(struct lock *lock);

#endif
