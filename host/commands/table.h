/*
 * JSON as people read it: a list of objects as a table, an object as lines of names and values, the
 * rest as it is. Used by `call` and `status`.
 */
#ifndef KTHENA_COMMANDS_TABLE_H
#define KTHENA_COMMANDS_TABLE_H

#include "base/buffer.h"

#include <cjson/cJSON.h>

/* Appends the value, each line indented by so many spaces. Columns are the members of all rows in
 * the order they are first met, less those that hold nothing in any row. */
void table_write(const cJSON *value, int indent, struct buffer *out);

#endif
