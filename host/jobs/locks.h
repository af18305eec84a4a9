/*
 * Named locks of the process: at most one holder a name. Who waits gets its turn in the order in
 * which it came. Workflows keep calls apart with them (policy/services.h); the sidecar owns one
 * struct locks. Any thread may call, and another than the one that took a lock may release it.
 */
#ifndef KTHENA_JOBS_LOCKS_H
#define KTHENA_JOBS_LOCKS_H

#include "base/error.h"

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

struct locks;
struct named_lock; /* one that is held */

struct locks *locks_new(void);
void locks_free(struct locks *locks); /* nobody holds or waits for one; NULL is fine */

/* Waits for a lock and takes it. owner names the holder to those who wait: "job d3k9x2m4p7qa".
 * ERROR_TIMEOUT at the monotonic time deadline_ms (INT64_MAX: never), which says who has it;
 * ERROR_CANCELLED within 100 ms once cancel is true (NULL: never). The caller releases *out. */
struct error *locks_acquire(struct locks *locks, const char *name, const char *owner,
                            int64_t deadline_ms, const atomic_bool *cancel, struct named_lock **out)
    __attribute__((warn_unused_result));
void locks_release(struct named_lock *lock); /* NULL is fine */

/* How many wait for a name. */
size_t locks_waiting(struct locks *locks, const char *name);

#endif
