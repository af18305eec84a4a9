/*
 * The compiled metric rules of one engine: which standard families to make, from which source
 * samples, with which changes. The policy layer builds a mapping when rules are loaded; the renamer
 * reads it. A mapping is immutable and reference-counted, so scrapes in flight keep the one they
 * began with while a reload swaps in the next.
 *
 *   mapping -> families -> alternatives (tried in order, the first one present on the page wins)
 *                                     -> parts (which source sample becomes which sample of the
 * family)
 *
 * The builder copies every text it is given.
 */
#ifndef KTHENA_METRICS_MAPPING_H
#define KTHENA_METRICS_MAPPING_H

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>

struct mapping;
struct mapping_builder;

enum metric_type { METRIC_COUNTER, METRIC_GAUGE, METRIC_HISTOGRAM, METRIC_SUMMARY };

/* What the output sample is: NAME, NAME_bucket, NAME_sum, NAME_count. */
enum part_role { PART_VALUE, PART_BUCKET, PART_SUM, PART_COUNT, PART_ROLES };

enum merge_kind { MERGE_NONE, MERGE_MAX, MERGE_MIN };

struct mapping_builder *mapping_builder_new(void);
void mapping_builder_free(struct mapping_builder *builder);

/* Begins a family; help NULL takes the source's HELP. */
void mapping_family(struct mapping_builder *builder, const char *name, enum metric_type type,
                    const char *help);

/* Begins an alternative of the last family. meta names the source family whose HELP it may take;
 * with needs_all the alternative is present only when every part is, otherwise when any is. */
void mapping_alternative(struct mapping_builder *builder, const char *meta, bool needs_all);

/* Adds a part to the last alternative: the source sample of this whole name, and the decimal factor
 * (NULL: 1) of its values and `le` bounds; counts of buckets and observations are never scaled.
 * ERROR_INVALID for a bad factor. */
struct error *mapping_part(struct mapping_builder *builder, const char *sample, enum part_role role,
                           const char *scale);

/* Selects series of the last alternative by an unescaped label value. The same label again means
 * any of its values;
 * "" also matches series without the label. */
void mapping_where(struct mapping_builder *builder, const char *label, const char *value);

/* Label edits of the last family. A renamed or added label replaces one that has its new name
 * already. */
void mapping_drop_label(struct mapping_builder *builder, const char *name);
void mapping_rename_label(struct mapping_builder *builder, const char *from, const char *to);
void mapping_add_label(struct mapping_builder *builder, const char *name, const char *value);

/* Series of the last family that the label edits make equal become one, with the largest or
 * smallest value. */
void mapping_merge(struct mapping_builder *builder, enum merge_kind kind);

/* Compiles and consumes the builder. The result has one reference. */
struct mapping *mapping_build(struct mapping_builder *builder);

/* A mapping without families, for pages no rules speak of. Never released. */
const struct mapping *mapping_empty(void);

struct mapping *mapping_ref(struct mapping *mapping);
void mapping_unref(struct mapping *mapping);

/* The families in output order, for reports. */
size_t mapping_family_count(const struct mapping *mapping);
const char *mapping_family_name(const struct mapping *mapping, size_t family);

/* What alternative a family tries at this place, by the source family's name; NULL behind the last
 * one. */
const char *mapping_alternative_name(const struct mapping *mapping, size_t family, size_t index);

#endif
