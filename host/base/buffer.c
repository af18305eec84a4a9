#include "base/buffer.h"

#include "base/memory.h"

#include <stdio.h>

char *buffer_reserve(struct buffer *buffer, size_t extra) {
    if (buffer->capacity - buffer->length < extra) {
        size_t wanted = buffer->length + extra;
        size_t capacity = buffer->capacity ? buffer->capacity : 64;
        while (capacity < wanted)
            capacity += capacity / 2;
        buffer->data = memory_resize(buffer->data, capacity);
        buffer->capacity = capacity;
    }
    return buffer->data + buffer->length;
}

void buffer_append(struct buffer *buffer, const void *bytes, size_t length) {
    if (length == 0)
        return;
    memcpy(buffer_reserve(buffer, length), bytes, length);
    buffer->length += length;
}

void buffer_string(struct buffer *buffer, const char *text) {
    buffer_append(buffer, text, strlen(text));
}

void buffer_byte(struct buffer *buffer, char byte) {
    *buffer_reserve(buffer, 1) = byte;
    buffer->length++;
}

void buffer_format(struct buffer *buffer, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    buffer_vformat(buffer, format, arguments);
    va_end(arguments);
}

void buffer_vformat(struct buffer *buffer, const char *format, va_list arguments) {
    va_list again;
    va_copy(again, arguments);
    int length = vsnprintf(NULL, 0, format, again);
    va_end(again);
    if (length < 0)
        return;
    vsnprintf(buffer_reserve(buffer, (size_t)length + 1), (size_t)length + 1, format, arguments);
    buffer->length += (size_t)length;
}

const char *buffer_text(struct buffer *buffer) {
    *buffer_reserve(buffer, 1) = '\0';
    return buffer->data;
}

void buffer_clear(struct buffer *buffer) {
    buffer->length = 0;
}

void buffer_free(struct buffer *buffer) {
    memory_free(buffer->data);
    *buffer = (struct buffer){0};
}
