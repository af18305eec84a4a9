/*
 * From the words of a command line to the body of a call: --field value pairs, typed as the API
 * description says. Used by the call command.
 */
#ifndef KTHENA_COMMANDS_CALL_FIELDS_H
#define KTHENA_COMMANDS_CALL_FIELDS_H

#include "commands/client.h"

/* Reads the words that follow the workflow's name: "--name value", "--name=value", and "--name"
 * alone for a boolean. Dashes in names stand for underscores. A list may be given more than once,
 * an object as JSON. *fields is an object, which the caller deletes. ERROR_INVALID for a field the
 * operation does not have (with the nearest one), a value that is not of its type, or a field that
 * is required and missing. */
struct error *call_fields(const struct operation *operation, const char *const *words, size_t count,
                          cJSON **fields) __attribute__((warn_unused_result));

/* The path with its parameters and, for operations without a body, the query made of the fields.
 * Fields that went into the path are removed. The caller frees it. */
char *call_path(const struct operation *operation, cJSON *fields);

/* Appends the fields of an operation for people: name, type, help, whether it is required. */
void call_help(const struct operation *operation, struct buffer *out);

#endif
