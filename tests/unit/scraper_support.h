/*
 * An engine for the scraper's tests: a fetch that answers from memory, counts its calls and, when
 * it is held, waits until it is let go. Its numbers are read and changed under its lock, since a
 * fetch may run on any thread.
 */
#ifndef KTHENA_TESTS_SCRAPER_SUPPORT_H
#define KTHENA_TESTS_SCRAPER_SUPPORT_H

#include "base/clock.h"
#include "base/memory.h"
#include "metrics/scraper.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct engine {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool held;
    int calls, waiting;
    char accept[256]; /* of the last call */
    size_t capacity;  /* of the buffer the last call was given */
    /* What is answered. */
    enum error_kind error; /* with message, unless that is NULL */
    const char *message;
    long status;
    const char *content_type;
    const char *page; /* %d in it is the number of the call */
    struct mapping *mapping;
    struct own_metrics *own;
    struct scraper *scraper;
};

static inline struct error *engine_fetch(void *context, const char *accept,
                                         struct fetched_page *page) {
    struct engine *engine = context;
    pthread_mutex_lock(&engine->lock);
    int call = ++engine->calls;
    engine->capacity = page->body.capacity;
    strncpy(engine->accept, accept, sizeof engine->accept - 1);
    engine->waiting++;
    pthread_cond_broadcast(&engine->changed);
    while (engine->held)
        pthread_cond_wait(&engine->changed, &engine->lock);
    engine->waiting--;
    pthread_mutex_unlock(&engine->lock);
    if (engine->message) {
        buffer_string(&page->body, "half a pa");
        return error_new(engine->error, NULL, "%s", engine->message);
    }
    page->status = engine->status;
    page->content_type = engine->content_type ? memory_string(engine->content_type) : NULL;
    const char *number = strstr(engine->page, "%d");
    size_t before = number ? (size_t)(number - engine->page) : strlen(engine->page);
    buffer_append(&page->body, engine->page, before);
    if (number)
        buffer_format(&page->body, "%d%s", call, number + 2);
    return NULL;
}

static inline struct mapping *engine_choose(void *context, const char *page, size_t length) {
    struct engine *engine = context;
    (void)page;
    (void)length;
    return engine->mapping ? mapping_ref(engine->mapping) : NULL;
}

/* Starts an engine with a page of one gauge, e:w, that the rules call std:w. */
static inline void engine_start(struct engine *engine, const char *page) {
    *engine = (struct engine){.status = 200, .content_type = "text/plain", .page = page};
    pthread_mutex_init(&engine->lock, NULL);
    pthread_cond_init(&engine->changed, NULL);
    struct mapping_builder *builder = mapping_builder_new();
    mapping_family(builder, "std:w", METRIC_GAUGE, "Help.");
    mapping_alternative(builder, "e:w", false);
    assert_null(mapping_part(builder, "e:w", PART_VALUE, NULL));
    engine->mapping = mapping_build(builder);
    engine->own = own_metrics_new("1");
    engine->scraper = scraper_new(&(struct scraper_config){.url = "http://e/metrics",
                                                           .fetch = engine_fetch,
                                                           .choose = engine_choose,
                                                           .context = engine,
                                                           .own = engine->own});
}

static inline void engine_stop(struct engine *engine) {
    scraper_free(engine->scraper);
    own_metrics_free(engine->own);
    mapping_unref(engine->mapping);
    pthread_mutex_destroy(&engine->lock);
    pthread_cond_destroy(&engine->changed);
}

/* Makes fetches wait, or lets them all go. */
static inline void engine_hold(struct engine *engine, bool held) {
    pthread_mutex_lock(&engine->lock);
    engine->held = held;
    pthread_cond_broadcast(&engine->changed);
    pthread_mutex_unlock(&engine->lock);
}

static inline void engine_await_waiting(struct engine *engine, int count) {
    pthread_mutex_lock(&engine->lock);
    while (engine->waiting < count)
        pthread_cond_wait(&engine->changed, &engine->lock);
    pthread_mutex_unlock(&engine->lock);
}

static inline int engine_calls(struct engine *engine) {
    pthread_mutex_lock(&engine->lock);
    int calls = engine->calls;
    pthread_mutex_unlock(&engine->lock);
    return calls;
}

/* The value of one of the scraper's own series. */
static inline double engine_figure(struct engine *engine, const char *series) {
    struct buffer page = {0};
    struct metric_writer writer = {.out = &page};
    scraper_collect(engine->scraper, &writer);
    char *line = memory_format("\n%s ", series);
    const char *found = strstr(buffer_text(&page), line);
    double value = found ? strtod(found + strlen(line), NULL) : -1;
    memory_free(line);
    buffer_free(&page);
    return value;
}

#endif
