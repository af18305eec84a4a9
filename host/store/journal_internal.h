/*
 * The parts of a journal: journal_table.c holds what is known of each file, journal_load.c finds
 * out what an earlier run left and journal_parts.c whether it is still there, journal.c appends
 * what this one does. A journal is written anew each time it is opened, without what is obsolete or
 * not believed, so that every file of that name has one header, one boot id and one plan, and stays
 * small over many interrupted runs.
 */
#ifndef KTHENA_STORE_JOURNAL_INTERNAL_H
#define KTHENA_STORE_JOURNAL_INTERNAL_H

#include "store/journal.h"
#include "store/ranges.h"

#define JOURNAL_NAME "journal"
#define JOURNAL_FORMAT "kthena-journal 1"

/* One file. Its address stays the same until it begins anew. */
struct journal_entry {
    struct journal_file file; /* as shown to callers */
    struct ranges ranges;
    char *digest; /* NULL, or owned when it is another text than the identity */
    uint64_t hash;
    bool late;     /* while loading: something is claimed that was not synced, */
    bool has_part; /* and the part file is there */
    char path[];   /* then etag and identity */
};

/* Entries by path; all zero is empty. */
struct journal_table {
    struct journal_entry **slots;
    size_t capacity, count;
};

struct journal_entry *journal_entry_new(const char *path, uint64_t part, int64_t size,
                                        const char *etag, const char *identity);
void journal_entry_free(struct journal_entry *entry);

/* Change an entry and what callers see of it: a range more, nothing at or beyond a size, complete,
 * nothing at all. */
void journal_entry_written(struct journal_entry *entry, int64_t first, int64_t end);
void journal_entry_clip(struct journal_entry *entry, int64_t size);
void journal_entry_complete(struct journal_entry *entry, const char *digest, int64_t mtime_ns,
                            uint64_t inode);
void journal_entry_restart(struct journal_entry *entry);

struct journal_entry *journal_table_find(const struct journal_table *table, const char *path);

/* Puts an entry in, and returns the one of the same path that it replaces, or NULL. */
struct journal_entry *journal_table_put(struct journal_table *table, struct journal_entry *entry);

/* Frees the table, and its entries if asked to. */
void journal_table_free(struct journal_table *table, bool entries);

struct journal_loaded {
    uint64_t part;
    struct journal_entry *entry; /* NULL while loading: the file began anew since */
};

/* What earlier runs left: the files worth going on with, in the order of their part numbers. */
struct journal_load {
    struct journal_loaded *files;
    size_t count;
    uint64_t next_part; /* a number that was never used */
};

/* Reads the journal, brings parts/ in line with it and has on disk what it claims. Damage is no
 * error. The caller owns the list and the entries. */
struct error *journal_load(const struct directory *directory, const char *plan, const char *boot,
                           struct journal_load *out) __attribute__((warn_unused_result));
void journal_load_free(struct journal_load *load);

/* The file of a part number, or NULL. */
struct journal_entry *journal_loaded_find(const struct journal_load *load, uint64_t part);

/* Removes the files in parts/ that no unfinished file of the load has, and takes from these what
 * is not there. A complete one that has not got its name yet gets it. Syncs what is not synced. */
struct error *journal_reconcile(const struct directory *directory, const struct journal_load *load)
    __attribute__((warn_unused_result));

/* Removes parts/ with all that is in it. */
void journal_remove_parts(const struct directory *directory);

/* journal_open in the boot named so. */
struct error *journal_open_in(const struct directory *directory, const char *plan, const char *boot,
                              struct journal **out) __attribute__((warn_unused_result));

#endif
