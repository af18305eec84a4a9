/*
 * The journal of an unfinished download: .kthena/journal, an append-only file of checksummed
 * records that says which ranges of which files are written, and which files are complete. The
 * downloader writes it; the next run, of whatever process or pod, reads it and goes on.
 *
 * A record is appended (one write(2)) after the bytes it speaks of were written, so it survives a
 * kill -9. Power loss is another matter: a record counts after a reboot only when a sync record
 * stands behind it, and journal_sync writes that one after the data's fdatasync and syncs the
 * journal itself. The journal begins with a header that names the boot id; records of an earlier
 * boot, or of another host, without a sync record behind them are not believed. Opening it writes
 * it anew, with only what is believed and still of use, so that it stays small.
 *
 * Damage of any kind (a torn tail, flipped bits, a hostile file) costs the records from there on
 * and nothing else. Memory is proportional to the number of files and open ranges.
 */
#ifndef KTHENA_STORE_JOURNAL_H
#define KTHENA_STORE_JOURNAL_H

#include "store/directory.h"

#include <stddef.h>
#include <stdint.h>

struct journal;

/* The bytes [first, end) of a file. */
struct journal_range {
    int64_t first, end;
};

/* What is known of a file of an earlier run. */
struct journal_file {
    uint64_t part; /* its number in parts/ */
    int64_t size;
    const char *etag;     /* "" if there was none */
    const char *identity; /* what the digest or revision said it was, see journal_begin; "" */
    const struct journal_range *ranges; /* written, sorted, merged */
    size_t range_count;
    bool complete;      /* verified and under its own name, */
    const char *digest; /* with this digest, "kind:hex" */
    int64_t mtime_ns;   /* and this time, */
    uint64_t inode;     /* as found after the rename */
};

/* Opens the journal, reads what it holds and begins a session; parts that belong to no file are
 * removed, and a complete file that a kill left in parts/ gets its name. `plan` is what the
 * download is of (its source and revision): of a journal of another plan the files are kept whose
 * identity is a digest. ERROR_SPACE, ERROR_DENIED, ERROR_IO. */
struct error *journal_open(const struct directory *directory, const char *plan,
                           struct journal **out) __attribute__((warn_unused_result));

/* What earlier runs left of the file; NULL if nothing. Lives until the file's next journal_ call.
 */
const struct journal_file *journal_find(struct journal *journal, const char *path);

/* Begins a file, or goes on with it: when the journal knows the path with the same size, etag and
 * identity, its part number and ranges stay; otherwise what it knew is forgotten, an old part
 * removed, and a new part number given out. identity is "kind:hex" of the expected digest, or
 * "revision" where that pins the content, or "". size -1: not known. */
struct error *journal_begin(struct journal *journal, const char *path, int64_t size,
                            const char *etag, const char *identity, uint64_t *part)
    __attribute__((warn_unused_result));

/* The range is written. */
struct error *journal_written(struct journal *journal, const char *path, int64_t first, int64_t end)
    __attribute__((warn_unused_result));

/* The file is verified and under its own name; or will be at once: when that does not come to pass,
 * the next journal_open renames it. */
struct error *journal_complete(struct journal *journal, const char *path, const char *digest,
                               int64_t mtime_ns, uint64_t inode)
    __attribute__((warn_unused_result));

/* Forgets all ranges of a file: it starts again (its part number stays). */
struct error *journal_restart(struct journal *journal, const char *path)
    __attribute__((warn_unused_result));

/* Everything recorded up to `mark` is on disk. journal_mark is where the journal ends now: take it,
 * sync the data files, then call this. Several threads may append and sync at once. */
uint64_t journal_mark(struct journal *journal);
struct error *journal_sync(struct journal *journal, uint64_t mark)
    __attribute__((warn_unused_result));

/* Closes it and keeps the file for the next run; or removes it with all parts. NULL is fine. */
void journal_close(struct journal *journal);
void journal_remove(struct journal *journal);

#endif
