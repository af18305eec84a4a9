/*
 * Allocation that cannot fail: a process that has no memory left for a few bytes says so and
 * aborts, and its supervisor restarts it. Large, request-sized allocations are bounded by their
 * callers (--max-page-bytes). Used by every unit; what a unit allocates it frees with memory_free.
 */
#ifndef KTHENA_BASE_MEMORY_H
#define KTHENA_BASE_MEMORY_H

#include <stddef.h>

void *memory_alloc(size_t size) __attribute__((malloc, returns_nonnull));
void *memory_zero(size_t count, size_t size)
    __attribute__((malloc, returns_nonnull)); /* as calloc */
void *memory_resize(void *old, size_t size) __attribute__((returns_nonnull));
char *memory_copy(const char *text, size_t length)
    __attribute__((returns_nonnull));                                   /* NUL-terminated */
char *memory_string(const char *text) __attribute__((returns_nonnull)); /* as strdup */
char *memory_format(const char *format, ...) __attribute__((format(printf, 1, 2), returns_nonnull));
void memory_free(void *pointer);

#endif
