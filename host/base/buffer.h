/*
 * A growable run of bytes. The owner embeds a struct buffer (all zero is empty), appends to it and
 * frees it; the data may move when it grows. Pages, replies, JSON and log lines are built in it.
 */
#ifndef KTHENA_BASE_BUFFER_H
#define KTHENA_BASE_BUFFER_H

#include <stdarg.h>
#include <stddef.h>
#include <string.h>

struct buffer {
    char *data; /* NULL while capacity is 0; not NUL-terminated */
    size_t length;
    size_t capacity;
};

/* Makes room for at least extra more bytes and returns where they go. The length is unchanged. */
char *buffer_reserve(struct buffer *buffer, size_t extra);

/* Appends bytes, a C string, one byte, formatted text. */
void buffer_append(struct buffer *buffer, const void *bytes, size_t length);
void buffer_string(struct buffer *buffer, const char *text);
void buffer_byte(struct buffer *buffer, char byte);
void buffer_format(struct buffer *buffer, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
void buffer_vformat(struct buffer *buffer, const char *format, va_list arguments)
    __attribute__((format(printf, 2, 0)));

/* Appends a NUL that is not counted in the length, and returns the text. */
const char *buffer_text(struct buffer *buffer);

/* Empties the buffer and keeps its memory. */
void buffer_clear(struct buffer *buffer);

/* Releases the memory; the buffer is empty and may be used again. */
void buffer_free(struct buffer *buffer);

#endif
