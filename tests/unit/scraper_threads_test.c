#include "scraper_support.h"

#include "base/thread.h"

#include <sched.h>
#include <stdatomic.h>

enum { THREADS = 8, ROUNDS = 150 };

struct client {
    struct engine *engine;
    const char *accept;
    pthread_t thread;
    struct scrape *scrape;
};

static void *get(void *context) {
    struct client *client = context;
    client->scrape = scraper_get(client->engine->scraper, client->accept);
    return NULL;
}

static void start(struct client *client, struct engine *engine, const char *accept) {
    *client = (struct client){.engine = engine, .accept = accept};
    assert_null(thread_start(&client->thread, "client", get, client));
}

static void await_shared(struct engine *engine, int count) {
    while (engine_figure(engine, "kthena_runtime_scrapes_shared_total") < count)
        sched_yield();
}

static void share_one(struct engine *engine) {
    struct client clients[THREADS];
    engine_hold(engine, true);
    start(&clients[0], engine, "text/plain");
    engine_await_waiting(engine, 1);
    for (int i = 1; i < THREADS; i++)
        start(&clients[i], engine, "text/plain");
    await_shared(engine, THREADS - 1);
    engine_hold(engine, false);
    for (int i = 0; i < THREADS; i++)
        pthread_join(clients[i].thread, NULL);
    assert_int_equal(engine_calls(engine), 1);
    for (int i = 0; i < THREADS; i++) {
        assert_ptr_equal(clients[i].scrape, clients[0].scrape);
        if (engine->message)
            assert_string_equal(clients[i].scrape->failure, engine->message);
        else
            assert_memory_equal(clients[i].scrape->body.data, "e:w 1\n", 6);
    }
    for (int i = 0; i < THREADS; i++)
        scrape_release(engine->scraper, clients[i].scrape);
}

static void scrapes_in_flight_are_shared(void **state) {
    (void)state;
    struct engine engine;
    engine_start(&engine, "e:w %d\n");
    share_one(&engine);
    struct scrape *next = scraper_get(engine.scraper, "text/plain");
    assert_memory_equal(next->body.data, "e:w 2\n", 6); /* nobody gets a page of before */
    scrape_release(engine.scraper, next);
    engine_stop(&engine);
}

static void failures_are_shared_too(void **state) {
    (void)state;
    struct engine engine;
    engine_start(&engine, "");
    engine.error = ERROR_UNREACHABLE;
    engine.message = "GET http://e/metrics: refused";
    share_one(&engine);
    static const char series[] = "kthena_runtime_scrape_failures_total{cause=\"unreachable\"}";
    assert_true(engine_figure(&engine, series) == 1);
    engine_stop(&engine);
}

static void another_accept_header_is_another_scrape(void **state) {
    (void)state;
    static const char *const accepts[] = {NULL, "text/plain", "application/openmetrics-text"};
    struct engine engine;
    struct client clients[6];
    engine_start(&engine, "e:w 1\n");
    engine_hold(&engine, true);
    for (int i = 0; i < 3; i++)
        start(&clients[i], &engine, accepts[i]);
    engine_await_waiting(&engine, 3); /* three at a time, none waits for another */
    for (int i = 3; i < 6; i++)
        start(&clients[i], &engine, accepts[i - 3]);
    await_shared(&engine, 3);
    engine_hold(&engine, false);
    for (int i = 0; i < 6; i++)
        pthread_join(clients[i].thread, NULL);
    assert_int_equal(engine_calls(&engine), 3);
    for (int i = 0; i < 3; i++) {
        assert_ptr_equal(clients[i].scrape, clients[i + 3].scrape);
        assert_ptr_not_equal(clients[i].scrape, clients[(i + 1) % 3].scrape);
    }
    for (int i = 0; i < 6; i++)
        scrape_release(engine.scraper, clients[i].scrape);
    engine_stop(&engine);
}

struct crowd {
    struct engine *engine;
    atomic_int wrong, compressed;
};

/* Scrapes in a loop and checks that every page is one fetch's: the numbers in it are equal. */
static void *scrape_often(void *context) {
    struct crowd *crowd = context;
    for (int i = 0; i < ROUNDS; i++) {
        struct scrape *scrape = scraper_get(crowd->engine->scraper, i % 3 ? "a/b" : NULL);
        const char *body = scrape->body.data;
        int taken = 0, made = -1;
        const char *found = body ? memmem(body, scrape->body.length, "\nstd:w ", 7) : NULL;
        if (found) {
            taken = atoi(body + 4);
            made = atoi(found + 7);
        }
        if (taken != made || scrape->failure)
            atomic_fetch_add(&crowd->wrong, 1);
        if (i % 2 && scrape_gzip(scrape).length > 0)
            atomic_fetch_add(&crowd->compressed, 1);
        scrape_release(crowd->engine->scraper, scrape);
    }
    return NULL;
}

static void a_crowd_gets_whole_pages(void **state) {
    (void)state;
    struct engine engine;
    engine_start(&engine, "e:w %d\n");
    struct crowd crowd = {.engine = &engine};
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++)
        assert_null(thread_start(&threads[i], "client", scrape_often, &crowd));
    char *why;
    while (!scraper_answered(engine.scraper, &why))
        memory_free(why);
    engine_figure(&engine, "kthena_runtime_page_bytes");
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(crowd.wrong, 0);
    assert_int_equal(crowd.compressed, THREADS * ROUNDS / 2);
    double shared = engine_figure(&engine, "kthena_runtime_scrapes_shared_total");
    assert_int_equal(engine_calls(&engine) + (int)shared, THREADS * ROUNDS);
    assert_true(engine_figure(&engine, "kthena_runtime_scrape_duration_seconds_count") ==
                engine_calls(&engine));
    engine_stop(&engine);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(scrapes_in_flight_are_shared),
        cmocka_unit_test(failures_are_shared_too),
        cmocka_unit_test(another_accept_header_is_another_scrape),
        cmocka_unit_test(a_crowd_gets_whole_pages),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
