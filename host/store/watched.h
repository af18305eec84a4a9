/*
 * Files of configuration whose content is followed while the process runs, those of the settings
 * that rules declare (policy/services.h): YAML or JSON. The sidecar owns one object. A thread reads
 * the files every 500 ms and compares contents, never times, so that a mounted ConfigMap, in which
 * a symlink is swapped, is like any file. New content counts once two readings in a row agree, and
 * after the first reading, which counts at once. Content that is no YAML, and a file that cannot be
 * read, leave the last good content in place and a sentence that says what is wrong.
 */
#ifndef KTHENA_STORE_WATCHED_H
#define KTHENA_STORE_WATCHED_H

#include "base/buffer.h"
#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { WATCHED_BYTES_MAX = 1024 * 1024 }; /* of one file */

struct watched_files;

/* Tells, on the watching thread, that a file has new content: problem is NULL when it is good, else
 * what is wrong with it. It may call watched_get. Not called for the first reading. */
typedef void watched_changed(void *context, const char *name, const char *problem);

struct watched_file {
    const char *name; /* of the setting */
    const char *path;
};

/* Reads the files and begins to follow them; changed may be NULL. The texts are copied. ERROR_LIMIT
 * when there is no room for a thread. */
struct error *watched_open(const struct watched_file *files, size_t count, watched_changed *changed,
                           void *context, struct watched_files **out)
    __attribute__((warn_unused_result));

/* Waits for the thread, which is not in the middle of anything long. NULL is fine. */
void watched_close(struct watched_files *files);

/* What is known of a file. The texts belong to whoever asked; watched_view_free frees them. */
struct watched_view {
    char *path;
    char *json;       /* the last good content; NULL: there was none */
    char *problem;    /* NULL: the newest content is that */
    uint64_t version; /* grows with each good content, from 1; 0: there was none */
};

/* False, and nothing is stored, for a name that is not among the files. */
bool watched_get(struct watched_files *files, const char *name, struct watched_view *view);
void watched_view_free(struct watched_view *view);

#endif
