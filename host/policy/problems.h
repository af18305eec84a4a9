/*
 * The list of everything that is wrong with a set of rule files. Loading collects problems instead
 * of stopping at the first, and whoever asked for the load shows them all: the log, the status, the
 * terminal of `rules check`. The owner embeds a struct problems (all zero is empty) and frees it.
 */
#ifndef KTHENA_POLICY_PROBLEMS_H
#define KTHENA_POLICY_PROBLEMS_H

#include "base/buffer.h"

#include <stddef.h>

struct problem {
    char *file; /* the display path, as in struct rule_file */
    char *text; /* "file: key.path: message" or "file:line: message" */
};

struct problems {
    struct problem *list;
    size_t count;
};

/* Adds "file: <formatted text>". */
void problems_add(struct problems *problems, const char *file, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Adds a text that names the file, and perhaps a line, itself. */
void problems_add_text(struct problems *problems, const char *file, const char *text);

/* Appends each problem as one line, with its newline. */
void problems_print(const struct problems *problems, struct buffer *out);

/* Adds what is in more. */
void problems_append(struct problems *problems, const struct problems *more);

/* Makes target a copy of source; what it held before is freed. */
void problems_copy(struct problems *target, const struct problems *source);
void problems_free(struct problems *problems);

#endif
