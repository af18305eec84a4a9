#include "server/listeners.h"

#include "base/memory.h"
#include "server/reply.h"
#include "server/server.h"

#include "client.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>

struct fixture {
    char dir[64];
    char path[80];
    char host[96]; /* "unix:" and the path */
};

static int set_up(void **state) {
    struct fixture *fixture = calloc(1, sizeof *fixture);
    snprintf(fixture->dir, sizeof fixture->dir, "/tmp/kthena-listeners-test-XXXXXX");
    if (!mkdtemp(fixture->dir))
        return -1;
    snprintf(fixture->path, sizeof fixture->path, "%s/socket", fixture->dir);
    snprintf(fixture->host, sizeof fixture->host, "unix:%s", fixture->path);
    *state = fixture;
    return 0;
}

static int tear_down(void **state) {
    struct fixture *fixture = *state;
    unlink(fixture->path);
    int status = rmdir(fixture->dir);
    free(fixture);
    return status;
}

static struct listeners open_all(const char *const *hosts, size_t count, int port) {
    struct listeners listeners;
    struct error *error = listeners_open(&listeners, hosts, count, port, false);
    if (error)
        fail_msg("%s", error->message);
    return listeners;
}

static void expect_refused(const char *host, int port, const char *wanted) {
    struct listeners listeners;
    struct error *error = listeners_open(&listeners, &host, 1, port, false);
    assert_non_null(error);
    if (!strstr(error->message, wanted))
        fail_msg("%s", error->message);
    assert_int_equal(listeners.count, 0);
    error_free(error);
}

static void test_several(void **state) {
    const struct fixture *fixture = *state;
    const char *hosts[] = {"127.0.0.1", "[::1]", fixture->host, "0.0.0.0", "::"};
    struct listeners listeners = open_all(hosts, 5, 0);
    assert_int_equal(listeners.count, 5);
    char wanted[64];
    snprintf(wanted, sizeof wanted, "http://127.0.0.1:%d", listeners.items[0].port);
    assert_string_equal(listeners.items[0].text, wanted);
    snprintf(wanted, sizeof wanted, "http://[::1]:%d", listeners.items[1].port);
    assert_string_equal(listeners.items[1].text, wanted);
    assert_string_equal(listeners.items[2].text, fixture->host);
    assert_int_equal(listeners.items[2].port, 0);
    listeners_free(&listeners);
}

static void test_both_families_on_one_port(void **state) {
    (void)state;
    const char *first[] = {"0.0.0.0"};
    struct listeners listeners = open_all(first, 1, 0);
    int port = listeners.items[0].port;
    listeners_free(&listeners);
    const char *both[] = {"0.0.0.0", "::"};
    listeners = open_all(both, 2, port);
    assert_int_equal(listeners.items[0].port, port);
    assert_int_equal(listeners.items[1].port, port);
    listeners_free(&listeners);
}

static void test_name(void **state) {
    (void)state;
    const char *hosts[] = {"localhost"};
    struct listeners listeners = open_all(hosts, 1, 0);
    assert_true(listeners.count >= 1);
    listeners_free(&listeners);
}

static void test_busy_port(void **state) {
    (void)state;
    const char *hosts[] = {"127.0.0.1"};
    struct listeners listeners = open_all(hosts, 1, 0);
    char wanted[160];
    snprintf(wanted, sizeof wanted,
             "could not listen on 127.0.0.1:%d: Address already in use; stop the other process or "
             "choose another --port",
             listeners.items[0].port);
    expect_refused("127.0.0.1", listeners.items[0].port, wanted);
    listeners_free(&listeners);
}

static void test_bad_hosts(void **state) {
    (void)state;
    expect_refused("no.such.host.invalid", 0, "could not listen on host 'no.such.host.invalid': ");
    expect_refused("", 0, "could not listen on host ''");
    expect_refused("192.0.2.1", 0, "192.0.2.1:0: Cannot assign requested address; choose a --host");
    expect_refused("unix:", 0, "the path must have 1 to 107 bytes");
    expect_refused("unix:/no/such/dir/socket", 0, "No such file or directory");
    struct listeners listeners;
    struct error *error = listeners_open(&listeners, NULL, 0, 0, false);
    assert_non_null(error);
    error_free(error);
}

static void test_failure_closes_all(void **state) {
    const struct fixture *fixture = *state;
    const char *hosts[] = {fixture->host, "192.0.2.1"};
    struct listeners listeners;
    struct error *error = listeners_open(&listeners, hosts, 2, 0, false);
    assert_non_null(error);
    error_free(error);
    assert_int_equal(access(fixture->path, F_OK), -1);
}

static void test_socket_file(void **state) {
    const struct fixture *fixture = *state;
    const char *hosts[] = {fixture->host};
    struct listeners listeners = open_all(hosts, 1, 0);
    expect_refused(fixture->host, 0, "another process listens there");
    /* The file of a process that is gone: only the descriptor is closed. */
    close(listeners.items[0].fd);
    listeners.items[0].fd = -1;
    assert_int_equal(access(fixture->path, F_OK), 0);
    struct listeners next = open_all(hosts, 1, 0);
    listeners_free(&listeners);
    close(client_connect_unix(fixture->path));
    listeners_free(&next);
    assert_int_equal(access(fixture->path, F_OK), -1);
}

static void test_other_file(void **state) {
    const struct fixture *fixture = *state;
    close(open(fixture->path, O_CREAT | O_WRONLY, 0600));
    expect_refused(fixture->host, 0, "or it is no socket");
    assert_int_equal(access(fixture->path, F_OK), 0);
}

static void get_peer(struct request *request, void *context) {
    (void)context;
    reply_error(request, 200, "%s", request->peer);
}

static void test_peers(void **state) {
    const struct fixture *fixture = *state;
    const char *hosts[] = {"127.0.0.1", "::1", fixture->host};
    static const struct route routes[] = {{.method = "GET", .path = "/", .handler = get_peer}};
    struct server_config config = {
        .hosts = hosts, .host_count = 3, .routes = routes, .route_count = 1};
    struct server *server = NULL;
    assert_null(server_start(&config, &server));
    assert_int_equal(server_address_count(server), 3);
    assert_string_equal(server_address(server, 2), fixture->host);
    int fds[] = {client_connect(server_port(server, 0)),
                 client_connect_ipv6(server_port(server, 1)), client_connect_unix(fixture->path)};
    static const char *const wanted[] = {
        "{\"detail\":\"127.0.0.1:", "{\"detail\":\"[::1]:", "{\"detail\":\"unix\"}"};
    for (int i = 0; i < 3; i++) {
        struct answer answer;
        client_send(fds[i], "GET / HTTP/1.1\r\n");
        struct pollfd none = {.fd = -1};
        poll(&none, 1, 5); /* for the gate to see a half */
        client_send(fds[i], "Host: test\r\n\r\n");
        client_read(fds[i], true, &answer);
        assert_memory_equal(answer.body, wanted[i], strlen(wanted[i]));
        close(fds[i]);
    }
    assert_true(server_stop(server, 10000));
    assert_int_equal(access(fixture->path, F_OK), -1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_several, set_up, tear_down),
        cmocka_unit_test(test_both_families_on_one_port),
        cmocka_unit_test(test_name),
        cmocka_unit_test(test_busy_port),
        cmocka_unit_test(test_bad_hosts),
        cmocka_unit_test_setup_teardown(test_failure_closes_all, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_socket_file, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_other_file, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_peers, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
