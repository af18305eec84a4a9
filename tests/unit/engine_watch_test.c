/* Whether the engine is up, with a listener that comes and goes in its place. */
#include "sidecar/engine_watch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/memory.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { IN_TIME_MS = 10000, SOON_MS = 20, LATER_MS = 600000 };

static atomic_bool names_are_slow, resolving;
static atomic_int resolved;

/* A name server that knows one name. */
int getaddrinfo(const char *name, const char *service, const struct addrinfo *hints,
                struct addrinfo **out) {
    static struct sockaddr_in addresses[2];
    static struct addrinfo list[2];
    (void)hints;
    resolving = true;
    while (names_are_slow)
        usleep(1000);
    resolving = false;
    resolved++;
    if (strcmp(name, "engine.example") != 0)
        return EAI_NONAME;
    for (int i = 0; i < 2; i++) {
        /* Nobody listens at the first of the two. */
        addresses[i] = (struct sockaddr_in){.sin_family = AF_INET,
                                            .sin_port = htons((uint16_t)atoi(service)),
                                            .sin_addr.s_addr = htonl(INADDR_LOOPBACK + (i == 0))};
        list[i] = (struct addrinfo){.ai_family = AF_INET,
                                    .ai_addr = (struct sockaddr *)&addresses[i],
                                    .ai_addrlen = sizeof addresses[i],
                                    .ai_next = i == 0 ? &list[1] : NULL};
    }
    *out = list;
    return 0;
}

void freeaddrinfo(struct addrinfo *list) {
    (void)list;
}

/* The place of an engine: a port that is taken, at which somebody listens or not. */
struct place {
    int fd, port;
    atomic_int ups;
    struct engine_watch *watch;
};

static void take_port(struct place *place) {
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons((uint16_t)place->port),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof address;
    int on = 1;
    place->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    setsockopt(place->fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    assert_int_equal(bind(place->fd, (struct sockaddr *)&address, length), 0);
    getsockname(place->fd, (struct sockaddr *)&address, &length);
    place->port = ntohs(address.sin_port);
}

static void open_up(struct place *place) {
    assert_int_equal(listen(place->fd, 1000), 0);
}

static void close_down(struct place *place) {
    close(place->fd);
    take_port(place);
}

static void count_up(void *context) {
    ((struct place *)context)->ups++;
}

static void set_place(struct place *place, bool open) {
    *place = (struct place){0};
    take_port(place);
    if (open)
        open_up(place);
}

static void watch(struct place *place, const char *host, int64_t down_ms, int64_t up_ms) {
    char *url = memory_format("http://%s:%d/base", host, place->port);
    struct engine_watch_config config = {
        .url = url, .down_ms = down_ms, .up_ms = up_ms, .up = count_up, .context = place};
    assert_null(engine_watch_new(&config, &place->watch));
    memory_free(url);
    assert_null(engine_watch_start(place->watch));
}

static void leave(struct place *place) {
    assert_true(engine_watch_stop(place->watch));
    engine_watch_free(place->watch);
    close(place->fd);
}

static void await_starts(struct place *place, uint64_t starts, bool up) {
    struct engine_status status;
    for (int64_t end = clock_ms() + IN_TIME_MS;; usleep(1000)) {
        status = engine_watch_status(place->watch);
        if (status.starts == starts && status.up == up && place->ups == (int)starts)
            return;
        if (clock_ms() > end)
            fail_msg("%d, after %llu starts, of which %d were told", status.up,
                     (unsigned long long)status.starts, place->ups);
    }
}

static void an_engine_comes_goes_and_returns(void **state) {
    (void)state;
    struct place place;
    set_place(&place, false);
    watch(&place, "engine.example", SOON_MS, SOON_MS);
    double began = engine_watch_status(place.watch).since;
    assert_true(began <= clock_wall() && began > clock_wall() - 60);
    usleep(3 * SOON_MS * 1000);
    await_starts(&place, 0, false);
    open_up(&place);
    await_starts(&place, 1, true);
    assert_true(engine_watch_status(place.watch).since > began);
    close_down(&place);
    await_starts(&place, 1, false);
    open_up(&place);
    await_starts(&place, 2, true);
    leave(&place);
}

static void a_restart_between_two_probes_is_seen(void **state) {
    (void)state;
    struct place place;
    set_place(&place, true);
    watch(&place, "engine.example", LATER_MS, LATER_MS);
    await_starts(&place, 1, true);
    close_down(&place);
    open_up(&place);
    engine_watch_seen(place.watch, false); /* has it look */
    await_starts(&place, 2, true);
    engine_watch_seen(place.watch, false);
    usleep(5 * SOON_MS * 1000);
    await_starts(&place, 2, true);
    leave(&place);
}

static void the_first_start_is_told_once(void **state) {
    (void)state;
    struct place place;
    set_place(&place, true);
    watch(&place, "engine.example", SOON_MS, SOON_MS);
    await_starts(&place, 1, true);
    int asked = resolved;
    usleep(5 * SOON_MS * 1000);
    await_starts(&place, 1, true);
    assert_int_equal(resolved, asked); /* what a name stands for is remembered while it is good */
    leave(&place);
}

static void hints_make_it_look_at_once(void **state) {
    (void)state;
    struct place place;
    set_place(&place, false);
    watch(&place, "engine.example", LATER_MS, LATER_MS);
    usleep(SOON_MS * 1000); /* the first look is over; the next would come in minutes */
    open_up(&place);
    engine_watch_seen(place.watch, true);
    await_starts(&place, 1, true);
    close_down(&place);
    engine_watch_seen(place.watch, false);
    await_starts(&place, 1, false);
    leave(&place);
}

/* A call may fail for reasons of its own, such as a certificate. */
static void a_hint_is_no_proof(void **state) {
    (void)state;
    struct place place;
    set_place(&place, true);
    watch(&place, "engine.example", SOON_MS, SOON_MS);
    await_starts(&place, 1, true);
    for (int i = 0; i < 20; i++) {
        engine_watch_seen(place.watch, false);
        usleep(1000);
        assert_true(engine_watch_status(place.watch).up);
    }
    close_down(&place);
    await_starts(&place, 1, false);
    engine_watch_seen(place.watch, true);
    usleep(3 * SOON_MS * 1000);
    await_starts(&place, 1, false);
    leave(&place);
}

static void show(struct place *place, const char *page) {
    engine_watch_page(place->watch, page, strlen(page));
}

/* Shows a page until it was looked at and has had this effect. */
static void show_until(struct place *place, const char *page, uint64_t starts) {
    for (int64_t end = clock_ms() + IN_TIME_MS; engine_watch_status(place->watch).starts != starts;
         usleep(10000)) {
        show(place, page);
        if (clock_ms() > end)
            fail_msg("no %llu starts", (unsigned long long)starts);
    }
}

static void another_start_time_is_a_restart(void **state) {
    (void)state;
    struct place place;
    set_place(&place, true);
    watch(&place, "engine.example", SOON_MS, LATER_MS);
    await_starts(&place, 1, true);
    show(&place, "# TYPE x gauge\nprocess_start_time_seconds 1.5e9\nx 1\n");
    show_until(&place, "# TYPE x gauge\nprocess_start_time_seconds 1.6e9\n", 2);
    /* Of several processes the latest start counts, whatever the order; a page in which there is
     * nothing of the kind says nothing. */
    usleep(600 * 1000);
    show(&place, "x 1\nprocess_start_time_seconds{pid=\"2\",a=\"} 9\"} 1.6e9 1700\n"
                 "process_start_time_seconds{pid=\"1\"} 1.4e9\n");
    usleep(600 * 1000);
    show(&place, "x 1\nprocess_start_time_seconds_other 3\nprocess_start_time_seconds\n"
                 "process_start_time_seconds{pid=\"1\" 5\nprocess_start_time_seconds x\n");
    usleep(600 * 1000);
    show(&place, "");
    await_starts(&place, 2, true);
    show_until(&place, "x 1\nprocess_start_time_seconds 1.7e9", 3);
    await_starts(&place, 3, true);
    leave(&place);
}

/* That it is another process is known already when it was seen to be down. */
static void a_return_is_not_told_twice(void **state) {
    (void)state;
    struct place place;
    set_place(&place, true);
    watch(&place, "engine.example", SOON_MS, SOON_MS);
    await_starts(&place, 1, true);
    show(&place, "\nprocess_start_time_seconds 1.5e9\n");
    close_down(&place);
    await_starts(&place, 1, false);
    usleep(600 * 1000);
    show(&place, "\nprocess_start_time_seconds 1.4e9\n"); /* one that was on its way still */
    open_up(&place);
    await_starts(&place, 2, true);
    usleep(600 * 1000);
    show(&place, "\nprocess_start_time_seconds 1.6e9\n");
    await_starts(&place, 2, true);
    leave(&place);
}

/* Nobody takes the connections any more, and there is no room for another. */
static void a_busy_engine_is_not_down_at_once(void **state) {
    (void)state;
    struct place place;
    set_place(&place, true);
    watch(&place, "engine.example", SOON_MS, SOON_MS);
    await_starts(&place, 1, true);
    assert_int_equal(listen(place.fd, 0), 0);
    double until = clock_wall();
    await_starts(&place, 1, false);
    assert_true(engine_watch_status(place.watch).since - until > 1.5); /* it was asked twice more */
    leave(&place);
}

static void an_unknown_name_is_asked_for_again(void **state) {
    (void)state;
    struct place place;
    set_place(&place, true);
    int asked = resolved;
    watch(&place, "nobody.example", SOON_MS, SOON_MS);
    for (int64_t end = clock_ms() + IN_TIME_MS; resolved < asked + 4; usleep(1000))
        assert_true(clock_ms() < end);
    await_starts(&place, 0, false);
    leave(&place);
}

static void the_metrics_tell(void **state) {
    (void)state;
    struct place place;
    struct buffer page = {0};
    struct metric_writer writer = {.out = &page};
    set_place(&place, true);
    watch(&place, "engine.example", SOON_MS, SOON_MS);
    await_starts(&place, 1, true);
    engine_watch_collect(place.watch, &writer);
    assert_non_null(strstr(buffer_text(&page), "\nkthena_runtime_engine_up 1\n"));
    assert_non_null(strstr(page.data, "\nkthena_runtime_engine_starts_total 1\n"));
    close_down(&place);
    await_starts(&place, 1, false);
    buffer_clear(&page);
    engine_watch_collect(place.watch, &writer);
    assert_non_null(strstr(buffer_text(&page), "\nkthena_runtime_engine_up 0\n"));
    buffer_free(&page);
    leave(&place);
}

static void a_url_that_is_none_is_refused(void **state) {
    (void)state;
    struct engine_watch *none = NULL;
    struct error *error =
        engine_watch_new(&(struct engine_watch_config){.url = "engine:80"}, &none);
    assert_int_equal(error->kind, ERROR_INVALID);
    error_free(error);
    assert_null(none);
    engine_watch_free(NULL);
    struct place place = {.port = 1};
    assert_null(
        engine_watch_new(&(struct engine_watch_config){.url = "http://127.0.0.1:1"}, &place.watch));
    assert_true(engine_watch_stop(place.watch)); /* it was never started */
    engine_watch_free(place.watch);
}

static void a_slow_name_server_is_left_behind(void **state) {
    (void)state;
    static struct place place;
    set_place(&place, false);
    names_are_slow = true;
    watch(&place, "engine.example", SOON_MS, SOON_MS);
    for (int64_t end = clock_ms() + IN_TIME_MS; !resolving; usleep(1000))
        assert_true(clock_ms() < end);
    assert_false(engine_watch_stop(place.watch));
    names_are_slow = false;
    usleep(100000); /* the thread ends now; what it uses stays */
    close(place.fd);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_engine_comes_goes_and_returns),
        cmocka_unit_test(a_restart_between_two_probes_is_seen),
        cmocka_unit_test(the_first_start_is_told_once),
        cmocka_unit_test(hints_make_it_look_at_once),
        cmocka_unit_test(a_hint_is_no_proof),
        cmocka_unit_test(another_start_time_is_a_restart),
        cmocka_unit_test(a_return_is_not_told_twice),
        cmocka_unit_test(a_busy_engine_is_not_down_at_once),
        cmocka_unit_test(an_unknown_name_is_asked_for_again),
        cmocka_unit_test(the_metrics_tell),
        cmocka_unit_test(a_url_that_is_none_is_refused),
        cmocka_unit_test(a_slow_name_server_is_left_behind),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
