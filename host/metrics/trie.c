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

struct trie {
    struct node *nodes; /* nodes[0] is the root, with an empty edge */
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
    return trie;
}

int trie_longest(const struct trie *trie, const char *text, const char *end, size_t *length) {
    const struct node *node = trie->nodes;
    const char *at = text;
    int value = -1;
    for (;;) {
        if (node->value >= 0) {
            value = node->value;
            *length = (size_t)(at - text);
        }
        const char *heads = trie->heads + node->children;
        uint32_t i = 0;
        while (i < node->child_count && at < end && heads[i] != *at)
            i++;
        if (i == node->child_count || at == end)
            return value;
        node = &trie->nodes[node->children + i];
        const char *edge = trie->bytes + node->edge, *edge_end = edge + node->edge_length;
        if (end - at < edge_end - edge)
            return value;
        while (edge < edge_end && *edge == *at)
            edge++, at++;
        if (edge < edge_end)
            return value;
    }
}

int trie_find(const struct trie *trie, const char *text, size_t length) {
    size_t found = 0;
    int value = trie_longest(trie, text, text + length, &found);
    return value >= 0 && found == length ? value : -1;
}

void trie_free(struct trie *trie) {
    if (!trie)
        return;
    memory_free(trie->nodes);
    memory_free(trie->heads);
    memory_free(trie->bytes);
    memory_free(trie);
}
