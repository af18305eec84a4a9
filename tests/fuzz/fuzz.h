/*
 * What the fuzzers share. A fuzzer hands its input to a unit in memory of exactly its size, so that
 * the sanitizer sees every byte read beyond it, and checks with `must` what has to hold for every
 * input.
 */
#ifndef KTHENA_TESTS_FUZZ_H
#define KTHENA_TESTS_FUZZ_H

#include "base/memory.h"

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Ends the process, which libFuzzer reports as a finding, unless the condition holds. */
#define must(condition) ((condition) ? (void)0 : fuzz_fail(#condition, __FILE__, __LINE__))

static inline void fuzz_fail(const char *condition, const char *file, int line) {
    fprintf(stderr, "%s:%d: must hold: %s\n", file, line, condition);
    abort();
}

/* A copy in memory of exactly that size; the caller frees it with memory_free. */
static inline char *fuzz_copy(const void *bytes, size_t length) {
    char *copy = malloc(length); /* NULL or a pointer to nothing for nothing */
    must(copy || length == 0);
    if (length)
        memcpy(copy, bytes, length);
    return copy;
}

#endif
