/*
 * Executes a plan: fetches its remote files in parallel ranges over kept-alive connections, copies
 * its local ones, verifies every digest that is known, and puts each file under its own name only
 * when it is complete. Everything that is needed to go on after a kill -9 is in the directory's
 * journal. Used by policy/ for jobs and the command line alike; runs in the calling thread and the
 * few it starts, and returns when all of that has ended.
 *
 * One curl multi loop moves the bytes; hashing follows the written prefix of each file on other
 * threads; a third syncs what is written and then says so in the journal.
 */
#ifndef KTHENA_TRANSFER_DOWNLOAD_H
#define KTHENA_TRANSFER_DOWNLOAD_H

#include "base/buffer.h"
#include "store/lock.h"
#include "store/manifest.h"
#include "transfer/network.h"
#include "transfer/plan.h"
#include "transfer/progress.h"

#include <stdatomic.h>

/* What a source answered when it refused a file for good: for rules that know its words. */
struct download_refusal {
    long status;           /* 0: nothing was refused */
    char *path;            /* the file's */
    char *url;             /* without its query */
    struct buffer headers; /* of the reply, as in struct http_reply */
    struct buffer body;    /* its beginning */
};
void download_refusal_free(struct download_refusal *refusal); /* all zero is fine */

struct download_config {
    struct network network;
    int max_workers;           /* connections over all files, and files copied at once; 0: 8 */
    int64_t part_bytes;        /* 0: 16 MiB */
    int max_attempts;          /* of each range and each small file; 0: 5 */
    int64_t stall_ms;          /* a connection without a byte for so long is cut; 0: 60 s */
    int64_t limit_rate;        /* bytes a second over all connections; 0: none */
    struct lock *lock;         /* of the directory: its loss ends the run; NULL: none */
    const atomic_bool *cancel; /* ends with ERROR_CANCELLED within a second; NULL: never */
    struct download_refusal *refusal; /* all zero; filled in when a refusal ends the run; NULL: not
                                         wanted */
};

/*
 * Runs the plan, sealed, in the directory, which is open and locked by the caller; afterwards the
 * manifest is written and the journal gone. Files that the manifest or the journal of an earlier
 * run prove to be complete are left as they are. Errors name the file and its URL without the
 * query: ERROR_SPACE (before the first byte, with the numbers, or in mid-flight), ERROR_DENIED,
 * ERROR_UNAUTHORIZED and ERROR_NOT_FOUND (403, 401, 404 of the source), ERROR_UNREACHABLE,
 * ERROR_TIMEOUT (stalled at the last attempt), ERROR_PROTOCOL (other refusals; a digest that is
 * wrong twice, both named; a source that changes while it is read), ERROR_IO, ERROR_CANCELLED,
 * ERROR_EXISTS (the lock was lost). The
 * first fatal error ends the run; what is complete is kept, for the next one.
 */
struct error *download_run(struct plan *plan, struct directory *directory, const char *source,
                           const struct download_config *config, struct progress *progress)
    __attribute__((warn_unused_result));

/* Whether the plan's file is in the directory already, as the manifest of an earlier download of
 * the source says: what download_run would leave as it is. Its content is not read. */
bool download_is_present(const struct plan *plan, size_t index, const char *source,
                         const struct directory *directory, const struct manifest *before);

#endif
