/*
 * A whole scrape: what an engine answered, with any bytes as its page, becomes a failure or a reply
 * that is the engine's page, the standard families and the own metrics, one behind the other, with
 * the end of OpenMetrics last. The first byte of the input chooses status and content type.
 */
#include "metrics/exposition.h"
#include "metrics/scraper.h"
#include "rename_rules.h"

#include <libdeflate.h>

#define OWN "# HELP kthena_runtime_build_info "

struct engine {
    const uint8_t *page;
    size_t size;
    unsigned kind;
};

static struct engine engine;
static struct mapping *mapping;
static struct scraper *scraper;

static struct error *fetch(void *context, const char *accept, struct fetched_page *page) {
    static const char *const types[] = {NULL,
                                        "",
                                        "text/plain; version=0.0.4",
                                        "text/html",
                                        "application/openmetrics-text",
                                        "application/json"};
    struct engine *from = context;
    must(strcmp(accept, "*/*") == 0);
    page->status = from->kind % 16 == 15 ? 500 : 200;
    const char *type = types[from->kind / 16 % 6];
    page->content_type = type ? memory_string(type) : NULL;
    buffer_append(&page->body, from->page, from->size);
    return from->kind % 16 == 14 ? error_new(ERROR_IO, NULL, "cut off") : NULL;
}

static struct mapping *choose(void *context, const char *page, size_t length) {
    struct engine *from = context;
    must(length == from->size && (length == 0 || memcmp(page, from->page, length) == 0));
    return from->kind % 16 == 13 ? NULL : mapping_ref(mapping);
}

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerInitialize(int *argc, char ***argv) {
    (void)argc;
    (void)argv;
    struct mapping_builder *builder = mapping_builder_new();
    mapping_family(builder, "std:n_total", METRIC_COUNTER, NULL);
    rule_source(builder, "e:n_total", NULL);
    mapping_family(builder, "std:g", METRIC_GAUGE, NULL);
    mapping_add_label(builder, "pod", "p");
    rule_source(builder, "e:g", "0.001");
    mapping = mapping_build(builder);
    static struct own_metrics *own;
    own = own_metrics_new("1");
    scraper = scraper_new(&(struct scraper_config){
        .url = "http://e/", .fetch = fetch, .choose = choose, .context = &engine, .own = own});
    return 0;
}

/* The rest of the body behind what must stand at its beginning. */
static const char *expect(const char *at, const char *end, const void *bytes, size_t length) {
    must((size_t)(end - at) >= length);
    must(length == 0 || memcmp(at, bytes, length) == 0);
    return at + length;
}

static void check_own(const char *at, const char *end, bool open_metrics) {
    expect(at, end, OWN, strlen(OWN));
    must(end[-1] == '\n');
    while (at < end) {
        const char *stop = memchr(at, '\n', (size_t)(end - at));
        struct exposition_sample sample;
        struct exposition_comment comment = {.kind = EXPOSITION_COMMENT};
        if (*at == '#')
            exposition_comment(at, stop, &comment);
        must(comment.kind != EXPOSITION_COMMENT || exposition_sample(at, stop, &sample));
        must((comment.kind == EXPOSITION_EOF) == (open_metrics && stop + 1 == end));
        at = stop + 1;
    }
}

static void check_body(const struct buffer *body, const uint8_t *page, size_t size) {
    struct buffer families = {0};
    struct rename_result result =
        rule_apply(engine.kind % 16 == 13 ? mapping_empty() : mapping, page, size, &families, NULL);
    const char *at = body->data, *end = at + body->length;
    at = expect(at, end, page, result.body);
    if (result.body && at[-1] != '\n')
        at = expect(at, end, "\n", 1);
    at = expect(at, end, families.data, families.length);
    check_own(at, end, result.open_metrics);
    buffer_free(&families);
}

static void check_gzip(struct scrape *scrape) {
    struct buffer gzip = scrape_gzip(scrape);
    struct libdeflate_decompressor *decompressor = libdeflate_alloc_decompressor();
    char *plain = memory_alloc(scrape->body.length);
    size_t length = 0;
    must(libdeflate_gzip_decompress(decompressor, gzip.data, gzip.length, plain,
                                    scrape->body.length, &length) == LIBDEFLATE_SUCCESS);
    must(length == scrape->body.length && memcmp(plain, scrape->body.data, length) == 0);
    memory_free(plain);
    libdeflate_free_decompressor(decompressor);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size == 0)
        return 0;
    engine = (struct engine){.page = data + 1, .size = size - 1, .kind = data[0]};
    struct scrape *scrape = scraper_get(scraper, NULL);
    must(scrape->content_type);
    must(scrape->failure || engine.kind % 16 < 14);
    if (!scrape->failure) {
        check_body(&scrape->body, engine.page, engine.size);
        if (engine.kind % 16 == 0)
            check_gzip(scrape);
    } else {
        must(strchr(scrape->failure, '\n') == NULL);
    }
    scrape_release(scraper, scrape);
    return 0;
}
