#include "metrics/scraper.h"

#include "base/clock.h"
#include "base/memory.h"
#include "metrics/page_check.h"
#include "metrics/rename.h"

#include <libdeflate.h>
#include <pthread.h>
#include <stdatomic.h>

/* Fast rather than small: the scraper is usually on the same network, and often the same machine.
 */
#define GZIP_LEVEL 1

/* A page's memory is kept for the next scrape up to this size. */
#define SPARE_MAX (16u << 20)

static const char *const default_type = "text/plain; version=0.0.4; charset=utf-8";

/* Every cause a failed scrape is counted under, by the kind of its error. */
static const struct {
    enum error_kind kind;
    const char *name;
} causes[] = {{ERROR_UNREACHABLE, "unreachable"},
              {ERROR_TIMEOUT, "timeout"},
              {ERROR_PROTOCOL, "protocol"},
              {ERROR_DENIED, "status"},
              {ERROR_INVALID, "content"},
              {ERROR_LIMIT, "size"},
              {ERROR_IO, "other"}};
enum { CAUSE_COUNT = sizeof causes / sizeof *causes };

struct shared_scrape {
    struct scrape scrape; /* first, so that a scrape is its shared_scrape */
    char *accept;
    char *failure, *content_type;
    size_t references; /* under the scraper's lock, like done and next */
    bool done;
    struct shared_scrape *next; /* of the scrapes in flight */
    pthread_mutex_t gzip_lock;
    bool gzip_tried;
    struct buffer gzip;
};

/* Memory that a scrape works in and leaves to the next: mapping it anew for every large page would
 * cost more than renaming. */
struct workspace {
    struct buffer families;
    struct rename_memory memory;
};

struct scraper {
    struct scraper_config config;
    char *url;
    pthread_mutex_t lock;
    pthread_cond_t finished;
    struct shared_scrape *in_flight;
    struct buffer spare;        /* memory of the last released page */
    struct workspace workspace; /* of the last scrape; all zero while one uses it */
    bool answered;
    char *last_failure;
    struct histogram durations;
    atomic_uint_fast64_t failures[CAUSE_COUNT];
    atomic_uint_fast64_t shared;
    atomic_uint_fast64_t page_bytes; /* of the last page */
    atomic_uint_fast64_t unparsed;   /* lines of the last page */
};

static const struct histogram_bound duration_bounds[] = {
    {0.0005, "0.0005"}, {0.001, "0.001"}, {0.0025, "0.0025"}, {0.005, "0.005"}, {0.01, "0.01"},
    {0.025, "0.025"},   {0.05, "0.05"},   {0.1, "0.1"},       {0.25, "0.25"},   {0.5, "0.5"},
    {1, "1.0"},         {2.5, "2.5"},     {5, "5.0"},         {10, "10.0"}};

struct scraper *scraper_new(const struct scraper_config *config) {
    struct scraper *scraper = memory_zero(1, sizeof *scraper);
    scraper->config = *config;
    scraper->url = memory_string(config->url);
    scraper->durations.bounds = duration_bounds;
    scraper->durations.bound_count = sizeof duration_bounds / sizeof *duration_bounds;
    pthread_mutex_init(&scraper->lock, NULL);
    pthread_cond_init(&scraper->finished, NULL);
    return scraper;
}

static void free_workspace(struct workspace *workspace) {
    buffer_free(&workspace->families);
    rename_memory_free(&workspace->memory);
}

void scraper_free(struct scraper *scraper) {
    if (!scraper)
        return;
    pthread_mutex_destroy(&scraper->lock);
    pthread_cond_destroy(&scraper->finished);
    buffer_free(&scraper->spare);
    free_workspace(&scraper->workspace);
    memory_free(scraper->last_failure);
    memory_free(scraper->url);
    memory_free(scraper);
}

static struct shared_scrape *shared_new(const char *accept) {
    struct shared_scrape *shared = memory_zero(1, sizeof *shared);
    shared->accept = memory_string(accept);
    shared->references = 1;
    pthread_mutex_init(&shared->gzip_lock, NULL);
    return shared;
}

static void shared_free(struct shared_scrape *shared) {
    pthread_mutex_destroy(&shared->gzip_lock);
    buffer_free(&shared->scrape.body);
    buffer_free(&shared->gzip);
    memory_free(shared->accept);
    memory_free(shared->failure);
    memory_free(shared->content_type);
    memory_free(shared);
}

static struct workspace take_workspace(struct scraper *scraper) {
    pthread_mutex_lock(&scraper->lock);
    struct workspace workspace = scraper->workspace;
    scraper->workspace = (struct workspace){0};
    pthread_mutex_unlock(&scraper->lock);
    buffer_clear(&workspace.families);
    return workspace;
}

/* Leaves the workspace to the next scrape, unless it is large or another has left one already. */
static void leave_workspace(struct scraper *scraper, struct workspace *workspace) {
    bool keep = workspace->families.capacity + workspace->memory.capacity <= SPARE_MAX;
    pthread_mutex_lock(&scraper->lock);
    keep = keep && !scraper->workspace.families.data && !scraper->workspace.memory.records;
    if (keep)
        scraper->workspace = *workspace;
    pthread_mutex_unlock(&scraper->lock);
    if (!keep)
        free_workspace(workspace);
}

static void finish_body(struct scraper *scraper, struct fetched_page *page) {
    struct buffer *body = &page->body;
    struct rename_result result = {.body = body->length};
    struct mapping *mapping =
        scraper->config.choose(scraper->config.context, body->data, body->length);
    struct workspace workspace = take_workspace(scraper);
    rename_page_in(&workspace.memory, mapping ? mapping : mapping_empty(), body->data, body->length,
                   &workspace.families, &result, NULL);
    mapping_unref(mapping);
    atomic_store(&scraper->page_bytes, body->length);
    atomic_store(&scraper->unparsed, result.unparsed);
    body->length = result.body;
    if (body->length && body->data[body->length - 1] != '\n')
        buffer_byte(body, '\n');
    buffer_append(body, workspace.families.data, workspace.families.length);
    leave_workspace(scraper, &workspace);
    own_metrics_write(scraper->config.own, result.open_metrics, body);
    if (result.open_metrics)
        buffer_string(body, "# EOF\n");
}

/* Fetches and finishes a page; on failure the page holds nothing of use. */
static struct error *scrape_page(struct scraper *scraper, const char *accept,
                                 struct fetched_page *page) {
    char *passed = page_accept(accept);
    struct error *error =
        scraper->config.fetch(scraper->config.context, passed ? passed : accept, page);
    memory_free(passed);
    if (!error)
        error = page_check(scraper->url, page->status, page->content_type, page->body.data,
                           page->body.length);
    if (!error)
        finish_body(scraper, page);
    return error;
}

static void count_failure(struct scraper *scraper, enum error_kind kind) {
    size_t cause = 0;
    while (cause < CAUSE_COUNT - 1 && causes[cause].kind != kind)
        cause++;
    atomic_fetch_add(&scraper->failures[cause], 1);
}

/* Performs a scrape that nobody else has in flight and publishes what came of it. */
static void lead(struct scraper *scraper, struct shared_scrape *shared, struct buffer spare) {
    struct fetched_page page = {.body = spare};
    buffer_clear(&page.body);
    int64_t start = clock_ns();
    struct error *error = scrape_page(scraper, shared->accept, &page);
    histogram_observe(&scraper->durations, (double)(clock_ns() - start) / 1e9);
    if (error) {
        count_failure(scraper, error->kind);
        shared->failure = error_text(error);
        error_free(error);
    }
    const char *type = page_is_exposition(page.content_type) ? page.content_type : default_type;
    shared->content_type = memory_string(type);
    memory_free(page.content_type);
    shared->scrape = (struct scrape){
        .failure = shared->failure, .content_type = shared->content_type, .body = page.body};
    pthread_mutex_lock(&scraper->lock);
    scraper->answered |= !shared->failure;
    memory_free(scraper->last_failure);
    scraper->last_failure = shared->failure ? memory_string(shared->failure) : NULL;
    shared->done = true;
    struct shared_scrape **link = &scraper->in_flight;
    while (*link != shared)
        link = &(*link)->next;
    *link = shared->next;
    pthread_cond_broadcast(&scraper->finished);
    pthread_mutex_unlock(&scraper->lock);
}

struct scrape *scraper_get(struct scraper *scraper, const char *accept) {
    if (!accept)
        accept = "*/*";
    pthread_mutex_lock(&scraper->lock);
    struct shared_scrape *shared = scraper->in_flight;
    while (shared && strcmp(shared->accept, accept) != 0)
        shared = shared->next;
    if (shared) {
        shared->references++;
        atomic_fetch_add(&scraper->shared, 1);
        while (!shared->done)
            pthread_cond_wait(&scraper->finished, &scraper->lock);
        pthread_mutex_unlock(&scraper->lock);
        return &shared->scrape;
    }
    shared = shared_new(accept);
    shared->next = scraper->in_flight;
    scraper->in_flight = shared;
    struct buffer spare = scraper->spare;
    scraper->spare = (struct buffer){0};
    pthread_mutex_unlock(&scraper->lock);
    lead(scraper, shared, spare);
    return &shared->scrape;
}

void scrape_release(struct scraper *scraper, struct scrape *scrape) {
    struct shared_scrape *shared = (struct shared_scrape *)scrape;
    pthread_mutex_lock(&scraper->lock);
    bool last = --shared->references == 0;
    if (last && !scraper->spare.data && scrape->body.capacity <= SPARE_MAX) {
        scraper->spare = scrape->body;
        scrape->body = (struct buffer){0};
    }
    pthread_mutex_unlock(&scraper->lock);
    if (last)
        shared_free(shared);
}

static struct buffer compress(const struct buffer *body) {
    struct buffer out = {0};
    struct libdeflate_compressor *compressor = libdeflate_alloc_compressor(GZIP_LEVEL);
    if (!compressor)
        return out;
    size_t bound = libdeflate_gzip_compress_bound(compressor, body->length);
    buffer_reserve(&out, bound);
    out.length = libdeflate_gzip_compress(compressor, body->data, body->length, out.data, bound);
    libdeflate_free_compressor(compressor);
    return out;
}

struct buffer scrape_gzip(struct scrape *scrape) {
    struct shared_scrape *shared = (struct shared_scrape *)scrape;
    pthread_mutex_lock(&shared->gzip_lock);
    if (!shared->gzip_tried)
        shared->gzip = compress(&scrape->body);
    shared->gzip_tried = true;
    pthread_mutex_unlock(&shared->gzip_lock);
    return shared->gzip;
}

bool scraper_answered(struct scraper *scraper, char **why) {
    pthread_mutex_lock(&scraper->lock);
    bool answered = scraper->answered;
    *why = !answered && scraper->last_failure ? memory_string(scraper->last_failure) : NULL;
    pthread_mutex_unlock(&scraper->lock);
    return answered;
}

void scraper_collect(void *context, struct metric_writer *writer) {
    struct scraper *scraper = context;
    writer_histogram(writer, "kthena_runtime_scrape_duration_seconds",
                     "Time to fetch and rename the engine's page.", &scraper->durations);
    writer_family(writer, "kthena_runtime_scrape_failures_total", METRIC_COUNTER,
                  "Scrapes that brought no page, by cause.");
    for (size_t i = 0; i < CAUSE_COUNT; i++)
        writer_sample(writer, "cause", causes[i].name, (double)atomic_load(&scraper->failures[i]));
    writer_family(writer, "kthena_runtime_scrapes_shared_total", METRIC_COUNTER,
                  "Scrapes answered with the result of one that was in flight.");
    writer_sample(writer, NULL, NULL, (double)atomic_load(&scraper->shared));
    writer_family(writer, "kthena_runtime_page_bytes", METRIC_GAUGE,
                  "Size of the engine's last page.");
    writer_sample(writer, NULL, NULL, (double)atomic_load(&scraper->page_bytes));
    writer_family(writer, "kthena_runtime_unparsed_lines", METRIC_GAUGE,
                  "Lines of the engine's last page that are no exposition and passed through.");
    writer_sample(writer, NULL, NULL, (double)atomic_load(&scraper->unparsed));
}
