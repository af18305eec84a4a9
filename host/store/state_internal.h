/* What state.c, the table, and state_file.c, its file, share. Private to the two. */
#ifndef KTHENA_STORE_STATE_INTERNAL_H
#define KTHENA_STORE_STATE_INTERNAL_H

#include "store/state.h"

#include <pthread.h>

struct state_entry {
    char *name;
    char *json;
    uint64_t version;
};

struct state_table {
    char *directory;             /* NULL: no file */
    int fd;                      /* of the directory, which it locks; -1 without one */
    pthread_mutex_t changing;    /* held while a change is made; taken before `reading` */
    pthread_mutex_t reading;     /* of what follows */
    struct state_entry *entries; /* by name */
    size_t count;
    size_t capacity;
    size_t bytes; /* of names and values */
    uint64_t last_version;
};

/* One change of a table: the entry at `at` is replaced, removed (json NULL), or added before `at`.
 */
struct state_change {
    size_t at;
    bool exists;
    const char *name;
    const char *json;
};

/* Whether a value can have this name: 1 to STATE_KEY_MAX bytes of UTF-8. */
bool state_name_fits(const char *name);

/* Puts an entry where it belongs, at the time the table is filled. */
void state_put(struct state_table *table, const char *name, const char *json);

/* Opens the directory and fills the table from its file. As state_table_open. */
struct error *state_file_open(struct state_table *table, const char *directory, char **kept_aside)
    __attribute__((warn_unused_result));

/* Writes the table as it is after the change. */
struct error *state_file_write(const struct state_table *table, const struct state_change *change)
    __attribute__((warn_unused_result));

/* Appends members of a JSON object: one, or the entries from `from` to before `to`, with commas
 * between them. */
void state_member(const struct state_entry *entry, struct buffer *out);
void state_members(const struct state_table *table, size_t from, size_t to, struct buffer *out);

#endif
