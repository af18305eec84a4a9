/*
 * A set of names with a number each, matched whole: a path-compressed trie in three flat arrays,
 * built once and then only read, from any number of threads. The mapping owns one over all the
 * sample names its rules speak of.
 */
#ifndef KTHENA_METRICS_TRIE_H
#define KTHENA_METRICS_TRIE_H

#include <stddef.h>

struct trie;

struct trie_entry {
    const char *name; /* borrowed while building */
    size_t length;
    int value; /* >= 0 */
};

/* Builds a trie of count entries, which it sorts; of entries with the same name the first by value
 * stays. */
struct trie *trie_build(struct trie_entry *entries, size_t count);

/* The value of the name that is exactly text, or -1. */
int trie_find(const struct trie *trie, const char *text, size_t length);

void trie_free(struct trie *trie);

#endif
