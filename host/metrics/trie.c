#include "metrics/trie.h"

#include "base/memory.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* A node stands behind its edge, the bytes that lead to it. Its children lie side by side in
 * nodes[], and the first bytes of their edges at the same places in heads[], so that a step is a
 * short scan of consecutive bytes. */
struct node {
    uint32_t edge; /* offset into bytes[] */
    uint32_t edge_length;
    uint32_t children; /* index of the first */
    uint32_t child_count;
    int32_t value; /* of the name that ends here, or -1 */
};

/* In front of the nodes stands a filter of one bit for each hash of a name's length and last bytes:
 * it turns away nearly every name that is not in the set without the mispredicted branches of a
 * walk. */
struct trie {
    uint64_t *filter;
    unsigned filter_shift; /* 64 - log2(bits) */
    struct node *nodes;    /* nodes[0] is the root, with an empty edge */
    char *heads;
    char *bytes;
    uint32_t node_count;
    uint32_t byte_count;
};

static int compare(const void *left, const void *right) {
    const struct trie_entry *a = left, *b = right;
    size_t shared = a->length < b->length ? a->length : b->length;
    int order = memcmp(a->name, b->name, shared);
    if (order)
        return order;
    if (a->length != b->length)
        return a->length < b->length ? -1 : 1;
    return (a->value > b->value) - (a->value < b->value);
}

static size_t unique(struct trie_entry *entries, size_t count) {
    size_t kept = 0;
    for (size_t i = 0; i < count; i++) {
        const struct trie_entry *last = kept ? &entries[kept - 1] : NULL;
        if (last && last->length == entries[i].length &&
            memcmp(last->name, entries[i].name, last->length) == 0)
            continue;
        entries[kept++] = entries[i];
    }
    return kept;
}

/* Fills node `at` from the sorted entries, which all share their first depth bytes and its edge
 * after them. */
static void fill(struct trie *trie, uint32_t at, const struct trie_entry *entries, size_t count,
                 size_t depth) {
    struct node *node = &trie->nodes[at];
    const struct trie_entry *first = entries, *last = entries + count - 1;
    size_t end = depth;
    if (at != 0)
        while (end < first->length && end < last->length && first->name[end] == last->name[end])
            end++;
    node->edge = trie->byte_count;
    node->edge_length = (uint32_t)(end - depth);
    memcpy(trie->bytes + trie->byte_count, first->name + depth, end - depth);
    trie->byte_count += node->edge_length;
    node->value = -1;
    if (first->length == end) {
        node->value = first->value;
        entries++;
        count--;
    }
    node->children = trie->node_count;
    node->child_count = 0;
    for (size_t i = 0; i < count; i++)
        if (i == 0 || entries[i].name[end] != entries[i - 1].name[end])
            trie->heads[trie->node_count + node->child_count++] = entries[i].name[end];
    trie->node_count += node->child_count;
    uint32_t child = node->children;
    for (size_t from = 0, to; from < count; from = to, child++) {
        for (to = from + 1; to < count && entries[to].name[end] == entries[from].name[end];)
            to++;
        fill(trie, child, entries + from, to - from, end);
    }
}

static uint64_t filter_bit(const struct trie *trie, const char *name, size_t length) {
    uint64_t word = 0;
    if (length >= sizeof word)
        memcpy(&word, name + length - sizeof word, sizeof word);
    else
        memcpy(&word, name, length);
    return ((word ^ length) * 0x9e3779b97f4a7c15u) >> trie->filter_shift; /* Fibonacci hashing */
}

/* Makes a filter with 32 to 64 bits a name. */
static void make_filter(struct trie *trie, const struct trie_entry *entries, size_t count) {
    trie->filter_shift = 64 - 6;
    for (size_t bits = 64; bits < 32 * count; bits *= 2)
        trie->filter_shift--;
    trie->filter = memory_zero((size_t)1 << (64 - trie->filter_shift - 6), sizeof *trie->filter);
    for (size_t i = 0; i < count; i++) {
        uint64_t bit = filter_bit(trie, entries[i].name, entries[i].length);
        trie->filter[bit / 64] |= (uint64_t)1 << bit % 64;
    }
}

struct trie *trie_build(struct trie_entry *entries, size_t count) {
    struct trie *trie = memory_zero(1, sizeof *trie);
    if (count)
        qsort(entries, count, sizeof *entries, compare);
    count = unique(entries, count);
    size_t bytes = 0;
    for (size_t i = 0; i < count; i++)
        bytes += entries[i].length;
    trie->nodes = memory_zero(2 * count + 1, sizeof *trie->nodes);
    trie->heads = memory_zero(2 * count + 1, 1);
    trie->bytes = memory_alloc(bytes);
    trie->node_count = 1;
    if (count)
        fill(trie, 0, entries, count, 0);
    else
        trie->nodes[0].value = -1;
    make_filter(trie, entries, count);
    return trie;
}

static int walk(const struct trie *trie, const char *at, const char *end) {
    const struct node *node = trie->nodes;
    while (at < end) {
        const char *heads = trie->heads + node->children;
        uint32_t i = 0;
        while (i < node->child_count && heads[i] != *at)
            i++;
        if (i == node->child_count)
            return -1;
        node = &trie->nodes[node->children + i];
        if ((size_t)(end - at) < node->edge_length ||
            memcmp(trie->bytes + node->edge, at, node->edge_length) != 0)
            return -1;
        at += node->edge_length;
    }
    return node->value;
}

int trie_find(const struct trie *trie, const char *text, size_t length) {
    uint64_t bit = filter_bit(trie, text, length);
    if (!(trie->filter[bit / 64] >> bit % 64 & 1))
        return -1;
    return walk(trie, text, text + length);
}

void trie_free(struct trie *trie) {
    if (!trie)
        return;
    memory_free(trie->filter);
    memory_free(trie->nodes);
    memory_free(trie->heads);
    memory_free(trie->bytes);
    memory_free(trie);
}
