/*
 * Reads YAML, of which JSON is a part, into JSON: what people write as configuration. Used by
 * store/watched.c. Plain scalars are numbers, truth values and null by the core schema of YAML 1.2
 * ("yes" is a text). Anchors and aliases are expanded. Not accepted, for a file of configuration
 * needs none of them: tags but the core ones, merge keys, keys that are no scalars or are there
 * twice, infinities, more than one document.
 */
#ifndef KTHENA_BASE_YAML_H
#define KTHENA_BASE_YAML_H

#include "base/buffer.h"
#include "base/error.h"

enum {
    YAML_DEPTH_MAX = 32,               /* lists and tables within each other */
    YAML_NODES_MAX = 100000,           /* with aliases expanded */
    YAML_BYTES_MAX = 16 * 1024 * 1024, /* of the JSON, with aliases expanded */
};

/* Appends one JSON value, "null" for an empty document. ERROR_INVALID "config.yaml, line 3, column
 * 7: ..." for what is not YAML or not accepted, ERROR_LIMIT in the same form; out is then as it
 * was. what names the text in errors. */
struct error *yaml_to_json(const char *what, const char *text, size_t length, struct buffer *out)
    __attribute__((warn_unused_result));

#endif
