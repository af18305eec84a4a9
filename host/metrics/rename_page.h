/*
 * What the renamer's two halves share: rename.c scans a page into records, rename_emit.c writes
 * families from them. Private to the renamer; everything lives on its stack or is freed when
 * rename_page returns.
 */
#ifndef KTHENA_METRICS_RENAME_PAGE_H
#define KTHENA_METRICS_RENAME_PAGE_H

#include "metrics/exposition.h"
#include "metrics/mapping_compiled.h"
#include "metrics/rename.h"

#include <stdint.h>

/* A sample line that a rule speaks of, once for each binding of its name. */
struct record {
    const char *line; /* begins with the name */
    size_t length;
    uint32_t name_length;
    bool verbatim; /* what follows the name may be copied as it is */
    int binding;
    int next; /* the next record of the same alternative, or MAPPING_NONE */
};

/* The records of one alternative, in page order. */
struct chain {
    int first, last;
    unsigned roles; /* bit set of the roles seen */
};

struct page {
    const struct mapping *mapping;
    struct record *records;
    size_t record_count, record_capacity;
    struct chain *chains; /* one for each alternative of the mapping */
    struct span *helps;   /* HELP text on the page of each name in mapping->metas */
    bool *exposed;        /* for each family: the engine exposes the standard name itself */
    bool open_metrics;
};

/* Whether a sample's labels satisfy all of an alternative's wheres. */
bool page_selects(const struct alternative *alternative, const struct exposition_sample *sample);

/* Appends one family made from one alternative's records. */
void page_emit(const struct page *page, const struct family *family,
               const struct alternative *alternative, struct buffer *out);

#endif
