/*
 * A Lua file that stays loaded and is asked again and again: the demo engine's page. It runs in the
 * rules' sandbox, in a state of its own, under the memory cap and a time budget a call. A script
 * belongs to one thread at a time; its user locks it.
 */
#ifndef KTHENA_POLICY_SCRIPT_H
#define KTHENA_POLICY_SCRIPT_H

#include "base/buffer.h"
#include "base/error.h"

struct script;

/* Loads the file, which must return a table. library is the directory that holds kthena/.
 * ERROR_POLICY names file and line; errors of reading the file as file_read. */
struct error *script_open(const char *library, const char *path, struct script **out)
    __attribute__((warn_unused_result));

/* Calls the function `name` of the table with one number and appends the text it returns.
 * ERROR_POLICY when there is no such function, it fails, takes too long, or returns anything else.
 */
struct error *script_text(struct script *script, const char *name, double argument,
                          struct buffer *out) __attribute__((warn_unused_result));

/* Stores the texts of the list `name` of the table, which the caller frees with file_list_free;
 * none when there is no such list. */
struct error *script_list(struct script *script, const char *name, char ***items, size_t *count)
    __attribute__((warn_unused_result));

/* Calls the function `answer` of the table with a request, and takes the status and the body it
 * returns. */
struct error *script_answer(struct script *script, const char *method, const char *path,
                            const struct buffer *body, int *status, struct buffer *out)
    __attribute__((warn_unused_result));

/* NULL is fine. */
void script_close(struct script *script);

#endif
