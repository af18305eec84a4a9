/*
 * The scraper: fetches the engine's page, renames it, appends the own metrics, and hands one
 * finished reply to everyone who asked meanwhile. Scrapes that arrive while one with the same
 * Accept header is in flight share its result, so the engine sees one request however many scrapers
 * there are. The server's /metrics route uses it from many threads.
 *
 * How a page is fetched and which rules apply is its user's business, given as functions.
 */
#ifndef KTHENA_METRICS_SCRAPER_H
#define KTHENA_METRICS_SCRAPER_H

#include "metrics/mapping.h"
#include "metrics/own_metrics.h"

struct scraper;

/* What a fetch brings: an HTTP status and a body, appended to a buffer that may have memory to
 * reuse. */
struct fetched_page {
    long status;
    char *content_type; /* owned by whoever holds this struct */
    struct buffer body;
};

struct scraper_config {
    const char *url; /* for messages */
    /* Fetches the page, asking for the media types in accept (never NULL). */
    struct error *(*fetch)(void *context, const char *accept, struct fetched_page *page);
    /* The rules for this page, with a reference for the caller; NULL: none, the page passes as it
     * is. */
    struct mapping *(*choose)(void *context, const char *page, size_t length);
    void *context;                 /* of both */
    const struct own_metrics *own; /* appended to every page */
};

/* One finished scrape, immutable and shared; released by scrape_release. */
struct scrape {
    const char *failure; /* NULL, or a sentence that names the URL and the cause */
    const char *content_type;
    struct buffer body;
};

struct scraper *scraper_new(const struct scraper_config *config);
void scraper_free(struct scraper *scraper); /* no scrape may be in flight */

/* Scrapes, or joins a scrape in flight. accept is the scraper's Accept header or NULL. Never NULL.
 */
struct scrape *scraper_get(struct scraper *scraper, const char *accept);

/* The body as gzip, made at the first call and shared; empty when it could not be made. */
struct buffer scrape_gzip(struct scrape *scrape);

void scrape_release(struct scraper *scraper, struct scrape *scrape);

/* Whether the engine has ever answered with a page; if not, *why is the last failure, or NULL when
 * nothing was tried. The caller frees it. */
bool scraper_answered(struct scraper *scraper, char **why);

/* Writes the scraper's own metrics: an own_collector, context is the scraper. */
void scraper_collect(void *scraper, struct metric_writer *writer);

#endif
