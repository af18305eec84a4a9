/* A name server that does not answer: its place is taken by the getaddrinfo below. */
#include "base/clock.h"
#include "http_support.h"

#include <netdb.h>
#include <stdatomic.h>
#include <unistd.h>

enum { RESOLVING_MS = 2000 };

static atomic_int resolving;

/* libcurl's thread for a name calls this one. */
int getaddrinfo(const char *name, const char *service, const struct addrinfo *hints,
                struct addrinfo **out) {
    (void)name;
    (void)service;
    (void)hints;
    (void)out;
    atomic_fetch_add(&resolving, 1);
    usleep(RESOLVING_MS * 1000);
    atomic_fetch_sub(&resolving, 1);
    return EAI_AGAIN;
}

static void a_slow_name_server_does_not_outlast_the_timeout(void **state) {
    (void)state;
    struct get page = {.client = make_client(),
                       .request = {.url = "http://engine.example:8000/metrics",
                                   .timeout_ms = 200,
                                   .body_limit = 1000}};
    int64_t start = clock_ms();
    page.error = http_exchange(page.client, &page.request, &page.reply);
    int64_t took = clock_ms() - start;
    assert_non_null(page.error);
    assert_string_equal(page.error->message, "GET http://engine.example:8000/metrics: no complete "
                                             "answer within 0.2 s");
    assert_int_equal(page.error->kind, ERROR_TIMEOUT);
    assert_true(took < RESOLVING_MS / 2);
    done(&page);
    http_client_free(page.client);
    while (atomic_load(&resolving))
        usleep(10000);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_slow_name_server_does_not_outlast_the_timeout),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
