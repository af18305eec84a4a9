/*
 * The renamer: one pass over an engine's page, then the standard families, taken verbatim from the
 * page's lines except for what the rules change. It is the hot path of a scrape and runs at a
 * fraction of memory speed: most lines are dismissed by their name alone. The scraper and the
 * `metrics` command use it.
 *
 * It never changes the page and never fails: a line that is no exposition is counted and left
 * alone.
 */
#ifndef KTHENA_METRICS_RENAME_H
#define KTHENA_METRICS_RENAME_H

#include "base/buffer.h"
#include "metrics/mapping.h"

enum rename_outcome {
    RENAME_ABSENT,  /* no source is on the page */
    RENAME_TAKEN,   /* made from the alternative named */
    RENAME_EXPOSED, /* the engine exposes the standard name itself */
};

/* What became of one family. */
struct rename_choice {
    enum rename_outcome outcome;
    size_t alternative; /* of the family, when taken */
};

struct rename_result {
    size_t lines;
    size_t samples;    /* sample lines on the page */
    size_t unparsed;   /* lines that are no exposition */
    bool open_metrics; /* the page ends with "# EOF" */
    size_t body;       /* length of the page without that last line */
};

/* What renaming needs besides its output, kept from page to page by whoever renames many; all zero
 * at first, released by rename_memory_free. One page at a time. */
struct rename_memory {
    void *records;
    size_t capacity; /* in bytes */
};

void rename_memory_free(struct rename_memory *memory);

/*
 * Renames a page: appends the standard families to `families` and fills result. The page stays the
 * caller's. With choices, an array of mapping_family_count() elements, it also says what was taken
 * for each.
 *
 * A line counts as unparsed when its name, its first label, the end of its labels or its value is
 * not what the format demands; lines that are renamed are checked to the last byte.
 */
void rename_page(const struct mapping *mapping, const char *page, size_t length,
                 struct buffer *families, struct rename_result *result,
                 struct rename_choice *choices);

/* The same with memory that was used before and will be used again. */
void rename_page_in(struct rename_memory *memory, const struct mapping *mapping, const char *page,
                    size_t length, struct buffer *families, struct rename_result *result,
                    struct rename_choice *choices);

#endif
