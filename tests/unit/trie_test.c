#include "metrics/trie.h"

#include "base/memory.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define COUNT(array) (sizeof(array) / sizeof *(array))

/* Names in an order of their own: the trie sorts the entries it is given. */
struct set {
    struct trie_entry entries[8000];
    size_t count;
    char text[1 << 20];
    size_t used;
    uint64_t seed;
};

static uint64_t next(struct set *set) {
    set->seed ^= set->seed << 13;
    set->seed ^= set->seed >> 7;
    set->seed ^= set->seed << 17;
    return set->seed;
}

/* What the trie is measured against. */
static int find_naively(const struct set *set, const char *text, size_t length) {
    int found = -1;
    for (size_t i = 0; i < set->count; i++) {
        const struct trie_entry *entry = &set->entries[i];
        if (entry->length == length && memcmp(entry->name, text, length) == 0 &&
            (found < 0 || entry->value < found))
            found = entry->value;
    }
    return found;
}

static void append(struct set *set, const char *text, size_t length) {
    assert_true(set->used + length <= sizeof set->text);
    memcpy(set->text + set->used, text, length);
    set->used += length;
}

static void add_name(struct set *set) {
    static const char *const words[] = {"vllm:",  "sglang_",  "request", "_",    "s",  "_seconds",
                                        "_total", "_bucket",  "latency", "_sum", ":",  "time_to_",
                                        "first",  "_created", "x",       "xx",   "num"};
    size_t start = set->used;
    for (uint64_t parts = next(set) % 7; parts; parts--) {
        const char *word = words[next(set) % COUNT(words)];
        append(set, word, strlen(word) - next(set) % 2);
    }
    for (uint64_t bytes = next(set) % 4 ? 0 : next(set) % 20; bytes; bytes--)
        append(set, &(char){(char)next(set)}, 1); /* any byte at all */
    set->entries[set->count] =
        (struct trie_entry){set->text + start, set->used - start, (int)(next(set) % 10000)};
    set->count++;
}

/* Looks a name up in a copy of its own size, so that a sanitizer sees every byte too many. */
static void check(const struct set *set, const struct trie *trie, const char *text, size_t length) {
    char *copy = memory_alloc(length);
    if (length)
        memcpy(copy, text, length);
    assert_int_equal(trie_find(trie, copy, length), find_naively(set, text, length));
    memory_free(copy);
}

static void compare_with_naive(size_t count, uint64_t seed) {
    static struct set set;
    static struct trie_entry entries[COUNT(set.entries)];
    set = (struct set){.seed = seed};
    while (set.count < count)
        add_name(&set);
    memcpy(entries, set.entries, count * sizeof *entries);
    struct trie *trie = trie_build(entries, count);
    char mutated[256];
    for (size_t i = 0; i < count; i += 1 + count / 1500) {
        const struct trie_entry *entry = &set.entries[i];
        check(&set, trie, entry->name, entry->length);
        if (entry->length == 0 || entry->length >= sizeof mutated)
            continue;
        check(&set, trie, entry->name, entry->length - 1);
        check(&set, trie, entry->name + 1, entry->length - 1);
        memcpy(mutated, entry->name, entry->length);
        mutated[entry->length] = 's';
        check(&set, trie, mutated, entry->length + 1);
        mutated[next(&set) % entry->length] ^= (char)(1 << next(&set) % 8);
        check(&set, trie, mutated, entry->length);
    }
    trie_free(trie);
}

static void agrees_with_a_naive_matcher(void **state) {
    (void)state;
    for (size_t count = 0; count < 40; count++)
        compare_with_naive(count, 1 + count);
    compare_with_naive(700, 20261001);
    compare_with_naive(8000, 88172645463325252u);
}

static int find(const struct trie *trie, const char *name) {
    return trie_find(trie, name, strlen(name));
}

static void matches_whole_names(void **state) {
    (void)state;
    struct trie_entry entries[] = {
        {"vllm:num_requests_waiting", 25, 3},
        {"vllm:num_requests", 17, 1},
        {"vllm:num_requests_running", 25, 2},
        {"ray_vllm:num_requests_waiting", 29, 4},
        {"v", 1, 0},
    };
    struct trie *trie = trie_build(entries, COUNT(entries));
    assert_int_equal(find(trie, "v"), 0);
    assert_int_equal(find(trie, "vllm:num_requests"), 1);
    assert_int_equal(find(trie, "vllm:num_requests_running"), 2);
    assert_int_equal(find(trie, "vllm:num_requests_waiting"), 3);
    assert_int_equal(find(trie, "ray_vllm:num_requests_waiting"), 4);
    static const char *const others[] = {
        "",
        "w",
        "vl",
        "vllm:num_request",
        "vllm:num_requests_",
        "vllm:num_requests_waitinG",
        "vllm:num_requests_waiting_by_reason",
        "num_requests_waiting",
        "ray_vllm:num_requests_running",
    };
    for (size_t i = 0; i < COUNT(others); i++)
        assert_int_equal(find(trie, others[i]), -1);
    trie_free(trie);
}

static void an_empty_set_knows_nothing(void **state) {
    (void)state;
    struct trie *trie = trie_build(NULL, 0);
    assert_int_equal(find(trie, ""), -1);
    assert_int_equal(find(trie, "anything"), -1);
    trie_free(trie);
    trie_free(NULL);
}

static void the_empty_name_is_a_name(void **state) {
    (void)state;
    struct trie_entry entries[] = {{"", 0, 7}, {"a", 1, 8}};
    struct trie *trie = trie_build(entries, COUNT(entries));
    assert_int_equal(find(trie, ""), 7);
    assert_int_equal(find(trie, "a"), 8);
    assert_int_equal(find(trie, "b"), -1);
    trie_free(trie);
}

static void of_equal_names_the_smallest_value_stays(void **state) {
    (void)state;
    struct trie_entry entries[] = {{"twice", 5, 9}, {"other", 5, 1}, {"twice", 5, 2}};
    struct trie *trie = trie_build(entries, COUNT(entries));
    assert_int_equal(find(trie, "twice"), 2);
    assert_int_equal(find(trie, "other"), 1);
    trie_free(trie);
}

/* Every name is the beginning of the next one: the deepest trie there is. */
static void nests_deeply(void **state) {
    (void)state;
    enum { DEPTH = 3000 };
    static char text[DEPTH];
    static struct trie_entry entries[DEPTH];
    memset(text, 'a', sizeof text);
    for (size_t i = 0; i < DEPTH; i++)
        entries[i] = (struct trie_entry){text, DEPTH - i, (int)(DEPTH - i)};
    struct trie *trie = trie_build(entries, DEPTH);
    for (size_t length = 1; length <= DEPTH; length++)
        assert_int_equal(trie_find(trie, text, length), (int)length);
    assert_int_equal(find(trie, "ab"), -1);
    trie_free(trie);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(agrees_with_a_naive_matcher),
        cmocka_unit_test(matches_whole_names),
        cmocka_unit_test(an_empty_set_knows_nothing),
        cmocka_unit_test(the_empty_name_is_a_name),
        cmocka_unit_test(of_equal_names_the_smallest_value_stays),
        cmocka_unit_test(nests_deeply),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
