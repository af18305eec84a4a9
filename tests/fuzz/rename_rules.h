/*
 * Short ways to write rules down, for the fuzzers of the renamer. The names the rules speak of are
 * in page.dict, for the fuzzer to find.
 */
#ifndef KTHENA_TESTS_RENAME_RULES_H
#define KTHENA_TESTS_RENAME_RULES_H

#include "fuzz.h"
#include "metrics/rename.h"

/* Adds a part to the last alternative. */
static inline void rule_part(struct mapping_builder *builder, const char *sample,
                             enum part_role role, const char *scale) {
    must(mapping_part(builder, sample, role, scale) == NULL);
}

/* Adds an alternative with one part, the sample of that name. */
static inline void rule_source(struct mapping_builder *builder, const char *sample,
                               const char *scale) {
    mapping_alternative(builder, sample, false);
    rule_part(builder, sample, PART_VALUE, scale);
}

/* Adds an alternative with a histogram's parts. */
static inline void rule_histogram(struct mapping_builder *builder, const char *name,
                                  const char *scale) {
    static const struct {
        const char *suffix;
        enum part_role role;
    } parts[] = {{"_bucket", PART_BUCKET}, {"_sum", PART_SUM}, {"_count", PART_COUNT}};
    mapping_alternative(builder, name, false);
    for (size_t i = 0; i < 3; i++) {
        char *sample = memory_format("%s%s", name, parts[i].suffix);
        rule_part(builder, sample, parts[i].role, scale);
        memory_free(sample);
    }
}

/* Renames a page in memory of exactly its size, which must not be changed. */
static inline struct rename_result rule_apply(const struct mapping *mapping, const uint8_t *page,
                                              size_t size, struct buffer *families,
                                              struct rename_choice *choices) {
    struct rename_result result;
    char *copy = fuzz_copy(page, size);
    rename_page(mapping, copy, size, families, &result, choices);
    must(size == 0 || memcmp(copy, page, size) == 0);
    memory_free(copy);
    return result;
}

#endif
