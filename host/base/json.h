/*
 * A JSON writer that appends to a buffer. Commas, indentation and escaping are its business; that
 * keys and values alternate and that what is opened is closed is its caller's, and asserted. Bytes
 * that are no UTF-8 become U+FFFD, numbers that JSON cannot write become null: the output is JSON
 * whatever goes in. Used for HTTP replies, logs and command output.
 *
 * The caller owns the struct json (no release needed) and the buffer, which must outlive it.
 */
#ifndef KTHENA_BASE_JSON_H
#define KTHENA_BASE_JSON_H

#include "base/buffer.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { JSON_DEPTH_MAX = 32 };

struct json {
    struct buffer *out;
    /* The rest is private. */
    int depth;  /* objects and arrays open */
    bool keyed; /* a key is written and waits for its value */
    bool pretty;
    struct {
        bool array;
        bool filled;
    } levels[JSON_DEPTH_MAX];
};

/* Starts writing to the end of out, on one line or indented by two spaces a level. */
void json_begin(struct json *json, struct buffer *out);
void json_begin_pretty(struct json *json, struct buffer *out);

/* Open and close containers, at most JSON_DEPTH_MAX deep: a caller that writes nested input has to
 * count, for one too many ends the process. */
void json_object(struct json *json);
void json_end_object(struct json *json);
void json_array(struct json *json);
void json_end_array(struct json *json);

/* The name of the object's next member. */
void json_key(struct json *json, const char *name);

/* One value each. json_text takes NULL when length is 0; json_number writes the shortest text that
 * reads back as the same double; json_raw takes text that is JSON already. */
void json_string(struct json *json, const char *text);
void json_text(struct json *json, const char *bytes, size_t length);
void json_integer(struct json *json, int64_t value);
void json_number(struct json *json, double value);
void json_bool(struct json *json, bool value);
void json_null(struct json *json);
void json_raw(struct json *json, const char *bytes, size_t length);

/* A member's name and its value in one call. */
void json_key_string(struct json *json, const char *name, const char *text); /* NULL -> null */
void json_key_integer(struct json *json, const char *name, int64_t value);
void json_key_number(struct json *json, const char *name, double value);
void json_key_bool(struct json *json, const char *name, bool value);

#endif
