/*
 * The rename kernel against a bare newline scan of the same page, on one core, under an engine's
 * real rules: rename_bench ENGINE SECONDS PAGE... prints a JSON line for each page, with both in
 * GB/s and their ratio.
 *
 * Machines are noisy and noise only ever adds time, so both are run in many short turns, one after
 * the other, and the fastest turn of each counts. A rename includes the memory it allocates, as in
 * a scrape.
 */
#include "base/clock.h"
#include "base/file.h"
#include "base/memory.h"
#include "metrics/rename.h"
#include "policy/generation.h"
#include "policy/paths.h"

#include <stdio.h>
#include <stdlib.h>

/* A turn handles at least this much, so that reading the clock does not count. */
#define TURN_BYTES ((size_t)256 * 1024)

static size_t count_lines(const struct buffer *page) {
    const char *at = page->data, *end = at + page->length;
    size_t lines = 0;
    while ((at = memchr(at, '\n', (size_t)(end - at)))) {
        at++;
        lines++;
    }
    return lines;
}

/* What the work came to, so that no compiler leaves it out. */
static volatile size_t sink;

static void scan(const struct mapping *mapping, const struct buffer *page) {
    (void)mapping;
    sink = count_lines(page);
}

/* As the scraper does it: with memory that one scrape leaves to the next. */
static void rename_once(const struct mapping *mapping, const struct buffer *page) {
    static struct rename_memory memory;
    static struct buffer families;
    struct rename_result result;
    buffer_clear(&families);
    rename_page_in(&memory, mapping, page->data, page->length, &families, &result, NULL);
    sink = families.length;
}

/* One turn; lowers *best, in nanoseconds for one page. */
static void turn(void (*work)(const struct mapping *, const struct buffer *),
                 const struct mapping *mapping, const struct buffer *page, double *best) {
    size_t times = TURN_BYTES / page->length + 1;
    int64_t start = clock_ns();
    for (size_t i = 0; i < times; i++)
        work(mapping, page);
    double each = (double)(clock_ns() - start) / (double)times;
    if (*best == 0 || each < *best)
        *best = each;
}

static struct error *measure(const struct mapping *mapping, const char *path, double seconds) {
    struct buffer page = {0};
    struct error *error = file_read(path, 0, &page);
    if (error)
        return error;
    double scanned = 0, renamed = 0;
    int64_t end = clock_ns() + (int64_t)(seconds * 1e9);
    do {
        turn(scan, mapping, &page, &scanned);
        turn(rename_once, mapping, &page, &renamed);
    } while (clock_ns() < end);
    double bytes = (double)page.length;
    printf("{\"page\":\"%s\",\"bytes\":%zu,\"lines\":%zu,\"scan_gb_s\":%.3f,\"rename_gb_s\":%.3f,"
           "\"ratio\":%.4f}\n",
           path, page.length, count_lines(&page), bytes / scanned, bytes / renamed,
           scanned / renamed);
    buffer_free(&page);
    return NULL;
}

static struct error *load(const struct paths *paths, struct generation **out) {
    struct rule_sources sources = {.lua = paths->lua, .layers = {.builtin = paths->rules}};
    struct problems problems = {0};
    *out = generation_build(snapshot_read(&sources.layers), &sources, 1, &problems);
    struct error *error =
        *out ? NULL
             : error_new(ERROR_POLICY, NULL, "could not load the rules in %s: %zu problems",
                         paths->rules, problems.count);
    problems_free(&problems);
    return error;
}

int main(int argc, char **argv) {
    if (argc < 4) {
        fprintf(stderr, "usage: rename_bench ENGINE SECONDS PAGE...\n");
        return 2;
    }
    struct paths paths = {0};
    struct generation *generation = NULL;
    struct error *error = paths_find(&paths);
    if (!error)
        error = load(&paths, &generation);
    const struct engine *engine = NULL;
    if (!error && !(engine = generation_engine(generation, argv[1])))
        error = generation_unknown_engine(generation, argv[1]);
    for (int i = 3; i < argc && !error; i++)
        error = measure(engine->mapping, argv[i], strtod(argv[2], NULL));
    int status = 0;
    if (error) {
        char *text = error_text(error);
        fprintf(stderr, "rename_bench: %s\n", text);
        memory_free(text);
        error_free(error);
        status = 1;
    }
    generation_unref(generation);
    paths_free(&paths);
    return status;
}
