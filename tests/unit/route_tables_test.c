/* Routes that change while the server runs. */
#include "server/reply.h"
#include "server/server.h"

#include "client.h"

#include <semaphore.h>
#include <stdatomic.h>

#define HOST "Host: test\r\n"

static sem_t entered, released;

static void get_name(struct request *request, void *context) {
    struct span span = {context, strlen(context)};
    reply_send(request, 200, "text/plain", NULL, &span, 1);
}

/* Answers by its own table after that was replaced. */
static void get_stay(struct request *request, void *context) {
    sem_post(&entered);
    sem_wait(&released);
    get_name(request, request->table->count == 3 ? context : "another table");
}

static void get_query(struct request *request, void *context) {
    (void)context;
    struct buffer value = {0}, body = {0};
    bool given = request_query(request, "item", &value);
    buffer_format(&body, "%s:%s", given ? "given" : "absent", buffer_text(&value));
    struct span span = {body.data, body.length};
    reply_send(request, 200, "text/plain", NULL, &span, 1);
    buffer_free(&value);
    buffer_free(&body);
}

static const struct route first_routes[] = {
    {.method = "GET", .path = "/name", .handler = get_name, .context = "first"},
    {.method = "GET", .path = "/stay", .handler = get_stay, .context = "first"},
    {.method = "GET", .path = "/query", .handler = get_query},
};
static const struct route second_routes[] = {
    {.method = "POST", .path = "/name", .handler = get_name, .context = "second"},
    {.method = "PUT", .path = "/name", .handler = get_name, .context = "second"},
};

static const struct route_table first = {first_routes, 3}, second = {second_routes, 2};
static _Atomic(const struct route_table *) current = &first;
static atomic_int in_use[2];

static atomic_int *users_of(const struct route_table *table) {
    return &in_use[table == &second];
}

static const struct route_table *acquire(void *context) {
    assert_ptr_equal(context, in_use);
    const struct route_table *table = current;
    ++*users_of(table);
    return table;
}

static void release(const struct route_table *table, void *context) {
    assert_ptr_equal(context, in_use);
    --*users_of(table);
}

static int set_up(void **state) {
    sem_init(&entered, 0, 0);
    sem_init(&released, 0, 0);
    static const char *const hosts[] = {"127.0.0.1"};
    struct route_tables tables = {acquire, release, in_use};
    struct server_config config = {.hosts = hosts, .host_count = 1, .tables = &tables};
    struct error *error = server_start(&config, (struct server **)state);
    if (error)
        fail_msg("%s", error->message);
    return 0;
}

static int tear_down(void **state) {
    return server_stop(*state, 10000) ? 0 : -1;
}

static void a_request_is_answered_by_its_table(void **state) {
    int port = server_port(*state, 0);
    struct answer answer;
    client_ask(port, "GET /name HTTP/1.1\r\n" HOST "\r\n", &answer);
    assert_string_equal(answer.body, "first");
    int fd = client_connect(port);
    client_send(fd, "GET /stay HTTP/1.1\r\n" HOST "\r\n");
    sem_wait(&entered);
    current = &second;
    client_ask(port, "POST /name HTTP/1.1\r\n" HOST "Content-Length: 0\r\n\r\n", &answer);
    assert_string_equal(answer.body, "second");
    client_ask(port, "GET /stay HTTP/1.1\r\n" HOST "\r\n", &answer);
    assert_int_equal(answer.status, 404);
    client_ask(port, "GET /name HTTP/1.1\r\n" HOST "\r\n", &answer);
    assert_int_equal(answer.status, 405);
    assert_string_equal(client_header(&answer, "Allow"), "POST, PUT");
    assert_int_equal(in_use[0], 1);
    sem_post(&released);
    client_read(fd, true, &answer);
    assert_string_equal(answer.body, "first");
    close(fd);
    current = &first;
    /* Malformed requests need no table. */
    client_ask(port, "GET /%zz HTTP/1.1\r\n" HOST "\r\n", &answer);
    assert_int_equal(answer.status, 400);
    server_drain(*state, 10000);
    assert_int_equal(in_use[0], 0);
    assert_int_equal(in_use[1], 0);
}

static void a_query_is_decoded(void **state) {
    static const struct {
        const char *query, *wanted;
    } cases[] = {
        {"", "absent:"},
        {"?", "absent:"},
        {"?item", "absent:"},
        {"?items=1&x=item", "absent:"},
        {"?item=", "given:"},
        {"?x=1&item=a%20b%26c&y=2", "given:a b&c"},
        {"?item=a+b&item=c", "given:a b"},
        {"?item=%E4%BD%A0", "given:\xE4\xBD\xA0"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char request[256];
        struct answer answer;
        snprintf(request, sizeof request, "GET /query%s HTTP/1.1\r\n" HOST "\r\n", cases[i].query);
        client_ask(server_port(*state, 0), request, &answer);
        if (answer.status != 200 || strcmp(answer.body, cases[i].wanted) != 0)
            fail_msg("%d '%s' for '%s'", answer.status, answer.body, cases[i].query);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_query_is_decoded),
        cmocka_unit_test(a_request_is_answered_by_its_table),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
