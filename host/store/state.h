/*
 * A table of JSON values by name, which lives as long as the process or, with a directory, as long
 * as the file state.json in that:
 *
 *   {"version":1,"values":{"NAME":VALUE,...}}
 *
 * It is what workflows remember (policy/services.h); the sidecar owns two of them. Every change of
 * a table with a file is on disk when the call returns: a new file is written beside the old one
 * and renamed over it. A change that cannot be written is not made. Any thread may call; who reads
 * never waits for the disk.
 */
#ifndef KTHENA_STORE_STATE_H
#define KTHENA_STORE_STATE_H

#include "base/buffer.h"
#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    STATE_KEY_MAX = 1024,               /* bytes of a name */
    STATE_VALUE_MAX = 1024 * 1024,      /* of a value */
    STATE_ENTRIES_MAX = 100000,         /* values */
    STATE_BYTES_MAX = 64 * 1024 * 1024, /* of all names and values */
};

struct state_table;

/*
 * Makes a table. directory NULL: without a file, and no error. Else the directory, made if it is
 * not there, is the table's alone until it is closed; another process's is waited for, 3 s.
 *
 * A file that cannot be read or is damaged is renamed to state.json.damaged-<time>, the table is
 * empty, and *kept_aside a sentence about it, which the caller frees; NULL otherwise. ERROR_INVALID
 * for a file of a version that is not known, which stays as it is; ERROR_EXISTS when another
 * process has the directory; ERROR_DENIED, ERROR_SPACE, ERROR_IO.
 */
struct error *state_table_open(const char *directory, struct state_table **out, char **kept_aside)
    __attribute__((warn_unused_result));
void state_table_close(struct state_table *table); /* NULL is fine */

/* Appends the JSON text of a value; false if there is none. *version, unless NULL, tells one value
 * of a name from every other it had: 0 for none. */
bool state_table_get(struct state_table *table, const char *name, struct buffer *out,
                     uint64_t *version);

/* Appends a JSON object of the values whose names begin with prefix. */
void state_table_all(struct state_table *table, const char *prefix, struct buffer *out);

/* Sets a value to a JSON text, or removes it when that is NULL. ERROR_INVALID for a name that is
 * empty, too long or not UTF-8 and for a text that is no JSON; ERROR_LIMIT; ERROR_SPACE,
 * ERROR_DENIED, ERROR_IO. The old value is then there still. */
struct error *state_table_set(struct state_table *table, const char *name, const char *json)
    __attribute__((warn_unused_result));

/* The same if the version is still this one; *done says whether it was. */
struct error *state_table_replace(struct state_table *table, const char *name, const char *json,
                                  uint64_t version, bool *done) __attribute__((warn_unused_result));

#endif
