#include "server/auth.h"

#include "base/clock.h"
#include "server/reply.h"
#include "server/server.h"

#include "client.h"

#include <poll.h>

struct fixture {
    char path[64];
};

static int set_up(void **state) {
    struct fixture *fixture = calloc(1, sizeof *fixture);
    snprintf(fixture->path, sizeof fixture->path, "/tmp/kthena-auth-test-XXXXXX");
    int fd = mkstemp(fixture->path);
    *state = fixture;
    return fd >= 0 ? close(fd) : -1;
}

static int tear_down(void **state) {
    struct fixture *fixture = *state;
    unlink(fixture->path);
    free(fixture);
    return 0;
}

static void put(const struct fixture *fixture, const char *text) {
    FILE *stream = fopen(fixture->path, "w");
    assert_non_null(stream);
    assert_int_not_equal(fputs(text, stream), EOF);
    assert_int_equal(fclose(stream), 0);
}

static struct auth *open_auth(const struct fixture *fixture, const char *text) {
    struct auth *auth = NULL;
    put(fixture, text);
    struct error *error = auth_open(fixture->path, &auth);
    if (error)
        fail_msg("%s", error->message);
    return auth;
}

/* The file is looked at once a second. */
static void wait_for_check(void) {
    struct pollfd none = {.fd = -1};
    poll(&none, 1, 1050);
}

static void test_tokens(void **state) {
    static const struct {
        const char *header;
        bool allowed;
    } cases[] = {
        {"Bearer s3cret", true},
        {"bearer s3cret", true},
        {"BEARER  s3cret ", true},
        {"Bearer s3cre", false},
        {"Bearer s3cret3", false},
        {"Bearer s3creT", false},
        {"Bearer s3crets3cret", false},
        {"Bearer ", false},
        {"Bearer", false},
        {"Basic s3cret", false},
        {"s3cret", false},
        {"", false},
        {NULL, false},
    };
    struct auth *auth = open_auth(*state, " \ts3cret \r\n\n");
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        if (auth_allows(auth, cases[i].header) != cases[i].allowed)
            fail_msg("'%s'", cases[i].header ? cases[i].header : "(none)");
    auth_free(auth);
}

static void expect_refused(const struct fixture *fixture, const char *part) {
    struct auth *auth = NULL;
    struct error *error = auth_open(fixture->path, &auth);
    assert_non_null(error);
    char *text = error_text(error);
    assert_non_null(strstr(text, part));
    assert_non_null(strstr(text, fixture->path));
    free(text);
    error_free(error);
    assert_null(auth);
}

static void test_bad_files(void **state) {
    put(*state, "");
    expect_refused(*state, "is empty");
    put(*state, " \n ");
    expect_refused(*state, "is empty");
    put(*state, "one\ntwo\n");
    expect_refused(*state, "more than one token");
    unlink(((struct fixture *)*state)->path);
    expect_refused(*state, "could not read the token file");
}

static void test_rotation(void **state) {
    const struct fixture *fixture = *state;
    struct auth *auth = open_auth(fixture, "old\n");
    put(fixture, "new\n");
    wait_for_check();
    assert_true(auth_allows(auth, "Bearer new"));
    assert_false(auth_allows(auth, "Bearer old"));
    put(fixture, "");
    wait_for_check();
    assert_true(auth_allows(auth, "Bearer new"));
    assert_false(auth_allows(auth, "Bearer "));
    unlink(fixture->path);
    wait_for_check();
    assert_true(auth_allows(auth, "Bearer new"));
    put(fixture, "third");
    wait_for_check();
    assert_true(auth_allows(auth, "Bearer third"));
    auth_free(auth);
}

static void get_path(struct request *request, void *context) {
    (void)context;
    reply_error(request, 200, "%s", request->path);
}

static void test_server(void **state) {
    const struct fixture *fixture = *state;
    static const char *const hosts[] = {"127.0.0.1"};
    static const struct route routes[] = {
        {.method = "GET", .path = "/open", .open = true, .handler = get_path},
        {.method = "GET", .path = "/closed", .handler = get_path},
    };
    static const struct {
        const char *path, *headers;
        int status;
    } cases[] = {
        {"/open", "", 200},
        {"/closed", "", 401},
        {"/unknown", "", 401},
        {"/closed", "Authorization: Bearer wrong\r\n", 401},
        {"/closed", "Authorization: Bearer s3cret\r\n", 200},
        {"/unknown", "authorization: bearer s3cret\r\n", 404},
    };
    put(fixture, "s3cret\n");
    struct server_config config = {.hosts = hosts,
                                   .host_count = 1,
                                   .routes = routes,
                                   .route_count = 2,
                                   .token_file = fixture->path};
    struct server *server = NULL;
    assert_null(server_start(&config, &server));
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char text[256];
        struct answer answer;
        snprintf(text, sizeof text, "GET %s HTTP/1.1\r\nHost: test\r\n%s\r\n", cases[i].path,
                 cases[i].headers);
        client_ask(server_port(server, 0), text, &answer);
        assert_int_equal(answer.status, cases[i].status);
        if (answer.status == 401)
            assert_string_equal(client_header(&answer, "WWW-Authenticate"), "Bearer");
    }
    assert_true(server_stop(server, 10000));
    put(fixture, "");
    struct error *error = server_start(&config, &server);
    assert_non_null(error);
    error_free(error);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_tokens, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_bad_files, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_rotation, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_server, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
