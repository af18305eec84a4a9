/*
 * What the renamer's tests share: short ways to write a mapping down, and a comparison of what a
 * page becomes. A page is renamed in a copy of exactly its size, so that a sanitizer sees every
 * byte read beyond it. Mappings are consumed by the comparison.
 */
#ifndef KTHENA_TESTS_RENAME_SUPPORT_H
#define KTHENA_TESTS_RENAME_SUPPORT_H

#include "base/memory.h"
#include "metrics/rename.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

/* Adds an alternative with one part, the sample of that name. */
static inline void add_source(struct mapping_builder *builder, const char *sample,
                              const char *scale) {
    mapping_alternative(builder, sample, false);
    assert_null(mapping_part(builder, sample, PART_VALUE, scale));
}

/* Adds an alternative with the parts that a histogram or summary has. */
static inline void add_parts(struct mapping_builder *builder, const char *source, bool buckets,
                             const char *scale) {
    static const char *const suffixes[] = {
        [PART_VALUE] = "", [PART_BUCKET] = "_bucket", [PART_SUM] = "_sum", [PART_COUNT] = "_count"};
    mapping_alternative(builder, source, false);
    for (int role = 0; role < PART_ROLES; role++) {
        if (role == (buckets ? PART_VALUE : PART_BUCKET))
            continue;
        char *sample = memory_format("%s%s", source, suffixes[role]);
        assert_null(mapping_part(builder, sample, (enum part_role)role, scale));
        memory_free(sample);
    }
}

/* A builder with one family of one source, to which more can be added. */
static inline struct mapping_builder *family_of(const char *name, enum metric_type type,
                                                const char *source, const char *scale) {
    struct mapping_builder *builder = mapping_builder_new();
    mapping_family(builder, name, type, "Help.");
    if (type == METRIC_HISTOGRAM || type == METRIC_SUMMARY)
        add_parts(builder, source, type == METRIC_HISTOGRAM, scale);
    else
        add_source(builder, source, scale);
    return builder;
}

static inline struct rename_result rename_text(const struct mapping *mapping, const char *page,
                                               struct buffer *families,
                                               struct rename_choice *choices) {
    size_t length = strlen(page);
    char *copy = length ? memcpy(memory_alloc(length), page, length) : memory_alloc(0);
    struct rename_result result;
    rename_page(mapping, copy, length, families, &result, choices);
    memory_free(copy);
    return result;
}

/* Compares what the first family becomes, if nothing else does: these samples behind the head of a
 * family_of, or nothing. */
static inline void assert_family(struct mapping_builder *builder, const char *type,
                                 const char *page, const char *samples) {
    struct mapping *mapping = mapping_build(builder);
    const char *name = mapping_family_name(mapping, 0);
    struct buffer out = {0}, expected = {0};
    if (*samples)
        buffer_format(&expected, "# HELP %s Help.\n# TYPE %s %s\n%s", name, name, type, samples);
    rename_text(mapping, page, &out, NULL);
    assert_string_equal(buffer_text(&out), buffer_text(&expected));
    buffer_free(&out);
    buffer_free(&expected);
    mapping_unref(mapping);
}

/* Compares all that the page becomes. */
static inline void assert_renamed(struct mapping_builder *builder, const char *page,
                                  const char *families) {
    struct mapping *mapping = mapping_build(builder);
    struct buffer out = {0};
    rename_text(mapping, page, &out, NULL);
    assert_string_equal(buffer_text(&out), families);
    buffer_free(&out);
    mapping_unref(mapping);
}

#endif
