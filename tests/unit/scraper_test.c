#include "scraper_support.h"

#include <zlib.h>

#define COUNT(array) (sizeof(array) / sizeof *(array))
#define FAMILIES(value) "# HELP std:w Help.\n# TYPE std:w gauge\nstd:w " value "\n"
#define OWN "# HELP kthena_runtime_build_info "

static void assert_begins(const struct buffer *body, const char *expected) {
    size_t length = strlen(expected);
    assert_true(body->length >= length);
    assert_memory_equal(body->data, expected, length);
}

static void assert_ends(const struct buffer *body, const char *expected) {
    size_t length = strlen(expected);
    assert_true(body->length >= length);
    assert_memory_equal(body->data + body->length - length, expected, length);
}

static void appends_families_and_own_metrics(void **state) {
    (void)state;
    static const char *const cases[][2] = {
        {"# a\ne:w 1\n", "# a\ne:w 1\n" FAMILIES("1") OWN}, {"e:w 1", "e:w 1\n" FAMILIES("1") OWN},
        {"e:w 1\n\n", "e:w 1\n\n" FAMILIES("1") OWN},       {"other 1\r\n?", "other 1\r\n?\n" OWN},
        {"std:w 5\ne:w 1\n", "std:w 5\ne:w 1\n" OWN},       {"", OWN},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct engine engine;
        engine_start(&engine, cases[i][0]);
        struct scrape *scrape = scraper_get(engine.scraper, NULL);
        assert_null(scrape->failure);
        assert_begins(&scrape->body, cases[i][1]);
        assert_int_equal(scrape->body.data[scrape->body.length - 1], '\n');
        assert_string_equal(scrape->content_type, "text/plain; version=0.0.4; charset=utf-8");
        assert_true(engine_figure(&engine, "kthena_runtime_page_bytes") ==
                    (double)strlen(cases[i][0]));
        scrape_release(engine.scraper, scrape);
        engine_stop(&engine);
    }
}

static void the_end_of_open_metrics_stays_last(void **state) {
    (void)state;
    static const char *const pages[] = {"e:w 1\n# EOF\n", "e:w 1\n# EOF", "e:w 1\n# EOF\n\n"};
    for (size_t i = 0; i < COUNT(pages); i++) {
        struct engine engine;
        engine_start(&engine, pages[i]);
        engine.content_type = "application/openmetrics-text; version=1.0.0";
        struct scrape *scrape = scraper_get(engine.scraper, NULL);
        assert_begins(&scrape->body, "e:w 1\n" FAMILIES("1") OWN);
        assert_ends(&scrape->body, "\n# EOF\n");
        buffer_byte(&scrape->body, '\0');
        assert_non_null(
            strstr(scrape->body.data, "# TYPE kthena_runtime_process_cpu_seconds counter\n"));
        assert_string_equal(strstr(scrape->body.data, "# EOF"), "# EOF\n");
        assert_string_equal(scrape->content_type, engine.content_type);
        scrape_release(engine.scraper, scrape);
        engine_stop(&engine);
    }
}

static void a_page_without_rules_passes(void **state) {
    (void)state;
    struct engine engine;
    engine_start(&engine, "e:w 1\nrubbish\n\n-\n");
    mapping_unref(engine.mapping);
    engine.mapping = NULL;
    struct scrape *scrape = scraper_get(engine.scraper, "text/plain");
    assert_begins(&scrape->body, "e:w 1\nrubbish\n\n-\n" OWN);
    assert_true(engine_figure(&engine, "kthena_runtime_unparsed_lines") == 2);
    scrape_release(engine.scraper, scrape);
    engine_stop(&engine);
}

static void passes_the_accept_header_on(void **state) {
    (void)state;
    static const char *const cases[][2] = {
        {NULL, "*/*"},
        {"", ""},
        {"text/plain;q=0.5", "text/plain;q=0.5"},
        {"application/vnd.google.protobuf;q=0.9,text/plain", "text/plain"},
    };
    struct engine engine;
    engine_start(&engine, "e:w 1\n");
    for (size_t i = 0; i < COUNT(cases); i++) {
        scrape_release(engine.scraper, scraper_get(engine.scraper, cases[i][0]));
        assert_string_equal(engine.accept, cases[i][1]);
    }
    engine_stop(&engine);
}

static void failures_say_why_and_are_counted(void **state) {
    (void)state;
    static const struct {
        enum error_kind kind;
        const char *cause;
    } kinds[] = {{ERROR_UNREACHABLE, "unreachable"},
                 {ERROR_TIMEOUT, "timeout"},
                 {ERROR_PROTOCOL, "protocol"},
                 {ERROR_LIMIT, "size"},
                 {ERROR_IO, "other"},
                 {ERROR_POLICY, "other"}};
    struct engine engine;
    engine_start(&engine, "e:w 1\n");
    engine.message = "GET http://e/metrics: could not";
    for (size_t i = 0; i < COUNT(kinds); i++) {
        engine.error = kinds[i].kind;
        char *series =
            memory_format("kthena_runtime_scrape_failures_total{cause=\"%s\"}", kinds[i].cause);
        double before = engine_figure(&engine, series);
        struct scrape *scrape = scraper_get(engine.scraper, NULL);
        assert_string_equal(scrape->failure, engine.message);
        scrape_release(engine.scraper, scrape);
        assert_true(engine_figure(&engine, series) == before + 1);
        memory_free(series);
    }
    assert_true(engine_figure(&engine, "kthena_runtime_scrape_duration_seconds_count") == 6);
    engine_stop(&engine);
}

static void rubbish_is_a_failure(void **state) {
    (void)state;
    struct engine engine;
    engine_start(&engine, "{\"error\": 1}");
    struct scrape *scrape = scraper_get(engine.scraper, NULL);
    assert_string_equal(scrape->failure,
                        "GET http://e/metrics: expected a Prometheus exposition, got JSON "
                        "({\"error\": 1}); is --engine-metrics-path right?");
    scrape_release(engine.scraper, scrape);
    engine.status = 503;
    scrape = scraper_get(engine.scraper, NULL);
    assert_string_equal(scrape->failure,
                        "GET http://e/metrics: the engine answered 503: {\"error\": 1}");
    scrape_release(engine.scraper, scrape);
    assert_true(engine_figure(&engine, "kthena_runtime_scrape_failures_total{cause=\"content\"}") ==
                1);
    assert_true(engine_figure(&engine, "kthena_runtime_scrape_failures_total{cause=\"status\"}") ==
                1);
    engine_stop(&engine);
}

static void knows_whether_the_engine_ever_answered(void **state) {
    (void)state;
    struct engine engine;
    engine_start(&engine, "e:w 1\n");
    char *why;
    assert_false(scraper_answered(engine.scraper, &why));
    assert_null(why);
    engine.message = "not yet";
    scrape_release(engine.scraper, scraper_get(engine.scraper, NULL));
    assert_false(scraper_answered(engine.scraper, &why));
    assert_string_equal(why, "not yet");
    memory_free(why);
    engine.message = NULL;
    scrape_release(engine.scraper, scraper_get(engine.scraper, NULL));
    assert_true(scraper_answered(engine.scraper, &why));
    assert_null(why);
    engine.message = "gone";
    scrape_release(engine.scraper, scraper_get(engine.scraper, NULL));
    assert_true(scraper_answered(engine.scraper, &why));
    assert_null(why);
    engine_stop(&engine);
}

static void every_scrape_asks_again(void **state) {
    (void)state;
    struct engine engine;
    engine_start(&engine, "e:w %d\n");
    struct scrape *first = scraper_get(engine.scraper, NULL);
    struct scrape *second = scraper_get(engine.scraper, NULL);
    assert_begins(&first->body, "e:w 1\n" FAMILIES("1") OWN);
    assert_begins(&second->body, "e:w 2\n" FAMILIES("2") OWN);
    scrape_release(engine.scraper, second);
    scrape_release(engine.scraper, first);
    assert_true(engine_figure(&engine, "kthena_runtime_scrapes_shared_total") == 0);
    engine_stop(&engine);
}

static void the_memory_of_a_page_is_used_again(void **state) {
    (void)state;
    struct engine engine;
    char *large = memory_alloc((20 << 20) + 1);
    memset(large, '#', 20 << 20);
    large[20 << 20] = '\0';
    engine_start(&engine, "e:w %d\n");
    struct scrape *first = scraper_get(engine.scraper, NULL);
    assert_int_equal(engine.capacity, 0);
    struct scrape *second = scraper_get(engine.scraper, NULL);
    assert_int_equal(engine.capacity, 0); /* the first is still in use */
    size_t kept = first->body.capacity;
    scrape_release(engine.scraper, first);
    scrape_release(engine.scraper, second); /* one spare is enough */
    first = scraper_get(engine.scraper, NULL);
    assert_int_equal(engine.capacity, kept);
    assert_begins(&first->body, "e:w 3\n" FAMILIES("3") OWN);
    scrape_release(engine.scraper, first);
    engine.message = "failed"; /* what a failed fetch left behind is not seen again */
    scrape_release(engine.scraper, scraper_get(engine.scraper, NULL));
    engine.message = NULL;
    engine.page = large;
    scrape_release(engine.scraper, scraper_get(engine.scraper, NULL));
    engine.page = "e:w 1\n";
    first = scraper_get(engine.scraper, NULL);
    assert_int_equal(engine.capacity, 0); /* too large to keep */
    assert_begins(&first->body, "e:w 1\n" FAMILIES("1") OWN);
    scrape_release(engine.scraper, first);
    engine_stop(&engine);
    memory_free(large);
}

static void gzip_holds_the_same_bytes(void **state) {
    (void)state;
    struct engine engine;
    struct buffer page = {0};
    for (int i = 0; i < 5000; i++)
        buffer_format(&page, "e:w{id=\"%d\"} %d\n", i, i * i);
    engine_start(&engine, buffer_text(&page));
    struct scrape *scrape = scraper_get(engine.scraper, NULL);
    struct buffer gzip = scrape_gzip(scrape);
    assert_ptr_equal(scrape_gzip(scrape).data, gzip.data);
    assert_true(gzip.length > 20 && gzip.length < scrape->body.length / 2);
    char *plain = memory_alloc(scrape->body.length + 1);
    z_stream stream = {.next_in = (unsigned char *)gzip.data,
                       .avail_in = (unsigned)gzip.length,
                       .next_out = (unsigned char *)plain,
                       .avail_out = (unsigned)scrape->body.length + 1};
    assert_int_equal(inflateInit2(&stream, 16 + 15), Z_OK);
    assert_int_equal(inflate(&stream, Z_FINISH), Z_STREAM_END);
    assert_int_equal(stream.total_out, scrape->body.length);
    assert_int_equal(stream.avail_in, 0);
    assert_memory_equal(plain, scrape->body.data, scrape->body.length);
    inflateEnd(&stream);
    memory_free(plain);
    scrape_release(engine.scraper, scrape);
    engine_stop(&engine);
    buffer_free(&page);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(appends_families_and_own_metrics),
        cmocka_unit_test(the_end_of_open_metrics_stays_last),
        cmocka_unit_test(a_page_without_rules_passes),
        cmocka_unit_test(passes_the_accept_header_on),
        cmocka_unit_test(failures_say_why_and_are_counted),
        cmocka_unit_test(rubbish_is_a_failure),
        cmocka_unit_test(knows_whether_the_engine_ever_answered),
        cmocka_unit_test(every_scrape_asks_again),
        cmocka_unit_test(the_memory_of_a_page_is_used_again),
        cmocka_unit_test(gzip_holds_the_same_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
