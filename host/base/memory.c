#include "base/memory.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void *checked(void *pointer, size_t size) {
    if (pointer)
        return pointer;
    fprintf(stderr, "kthena-runtime: out of memory: could not allocate %zu bytes\n", size);
    abort();
}

void *memory_alloc(size_t size) {
    return checked(malloc(size ? size : 1), size);
}

void *memory_zero(size_t count, size_t size) {
    return checked(calloc(count ? count : 1, size ? size : 1), size);
}

void *memory_resize(void *old, size_t size) {
    return checked(realloc(old, size ? size : 1), size);
}

char *memory_copy(const char *text, size_t length) {
    char *copy = memory_alloc(length + 1);
    if (length)
        memcpy(copy, text, length);
    copy[length] = '\0';
    return copy;
}

char *memory_string(const char *text) {
    return memory_copy(text, strlen(text));
}

char *memory_format(const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(NULL, 0, format, arguments);
    va_end(arguments);
    if (length < 0)
        length = 0;
    char *text = memory_alloc((size_t)length + 1);
    va_start(arguments, format);
    vsnprintf(text, (size_t)length + 1, format, arguments);
    va_end(arguments);
    return text;
}

void memory_free(void *pointer) {
    free(pointer);
}
