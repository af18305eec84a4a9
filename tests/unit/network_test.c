/*
 * What all connections have in common: the guard, proxies of the environment, and what people are
 * told. The system's resolver is replaced by a table.
 */
#include "http_support.h"
#include "transfer/network_curl.h"

#include <netdb.h>
#include <stdio.h>

static const struct {
    const char *name;
    const char *addresses[3];
} names[] = {
    {"rebound.example", {"127.0.0.1"}},        {"mapped.example", {"::ffff:127.0.0.1"}},
    {"metadata.example", {"169.254.169.254"}}, {"two.example", {"::1", "127.0.0.1"}},
    {"proxy.example", {"127.0.0.1"}},          {"localhost", {"127.0.0.1"}},
};

static struct addrinfo *make_entry(const char *text, int port) {
    struct addrinfo *entry = memory_zero(1, sizeof *entry + sizeof(struct sockaddr_in6));
    struct sockaddr_in *v4 = (struct sockaddr_in *)(entry + 1);
    struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)(entry + 1);
    entry->ai_socktype = SOCK_STREAM;
    entry->ai_addr = (struct sockaddr *)(entry + 1);
    if (inet_pton(AF_INET, text, &v4->sin_addr) == 1) {
        v4->sin_family = AF_INET;
        v4->sin_port = htons((uint16_t)port);
        entry->ai_addrlen = sizeof *v4;
    } else {
        assert_int_equal(inet_pton(AF_INET6, text, &v6->sin6_addr), 1);
        v6->sin6_family = AF_INET6;
        v6->sin6_port = htons((uint16_t)port);
        entry->ai_addrlen = sizeof *v6;
    }
    entry->ai_family = entry->ai_addr->sa_family;
    return entry;
}

int getaddrinfo(const char *name, const char *service, const struct addrinfo *hints,
                struct addrinfo **out) {
    (void)hints;
    struct addrinfo **next = out;
    *out = NULL;
    for (size_t i = 0; i < COUNT(names); i++)
        for (size_t k = 0; strcmp(name, names[i].name) == 0 && names[i].addresses[k]; k++) {
            *next = make_entry(names[i].addresses[k], service ? atoi(service) : 0);
            next = &(*next)->ai_next;
        }
    return *out ? 0 : EAI_NONAME;
}

void freeaddrinfo(struct addrinfo *list) {
    while (list) {
        struct addrinfo *next = list->ai_next;
        memory_free(list);
        list = next;
    }
}

static const char *const variables[] = {"http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY",
                                        "all_proxy",  "ALL_PROXY",  "no_proxy",    "NO_PROXY"};

static int clear_environment(void **state) {
    (void)state;
    for (size_t i = 0; i < COUNT(variables); i++)
        unsetenv(variables[i]);
    return 0;
}

static void set_proxy(const char *variable, const char *host, int port) {
    char *url = memory_format("%s:%d", host, port);
    setenv(variable, url, 1);
    memory_free(url);
}

static struct get make_guarded(bool direct) {
    return (struct get){.client = http_client_new(&(struct network){
                            .user_agent = "kthena-test/1", .guarded = true, .direct = direct})};
}

static void ask(struct get *call, const char *url) {
    call->request.url = url;
    call->request.timeout_ms = 10000;
    call->request.body_limit = 1000;
    call->error = http_exchange(call->client, &call->request, &call->reply);
}

/* Says who refused what; a part is what else it says. */
static void assert_denied(struct get *call, const char *part) {
    assert_non_null(call->error);
    char *text = error_text(call->error);
    if (call->error->kind != ERROR_DENIED || !strstr(text, part) ||
        !strstr(text, "--allow-source") || strstr(text, "secret"))
        fail_msg("%s (%s) is not: %s", text, error_kind_name(call->error->kind), part);
    memory_free(text);
}

static void the_guard_looks_at_what_names_resolve_to(void **state) {
    (void)state;
    static const struct {
        const char *host, *why;
    } cases[] = {
        {"rebound.example", "its host resolved to 127.0.0.1, a loopback address"},
        {"mapped.example", "its host resolved to ::ffff:127.0.0.1, a loopback address"},
        {"metadata.example", "its host resolved to 169.254.169.254, a link-local address"},
        {"two.example", ", a loopback address"},
        {"localhost", "its host localhost is a name of this machine"},
        {"127.0.0.1", "its host 127.0.0.1 is a loopback address"},
        {"[::1]", "its host [::1] is a loopback address"},
        {"0x7f.1", "its host 127.0.0.1 is a loopback address"},
        {"%31%32%37.0.0.1", "its host 127.0.0.1 is a loopback address"},
        {"user:secret@127.0.0.1", "its host 127.0.0.1 is a loopback address"},
    };
    for (int direct = 0; direct < 2; direct++) {
        struct get call = make_guarded(direct);
        call.request.attempts = 3; /* there is no point in trying again */
        for (size_t i = 0; i < COUNT(cases); i++) {
            struct tcp_server server; /* listens, and must not see a connection */
            server_prepare(&server, NULL, 0);
            char *url = memory_format("http://%s:%d/x?secret", cases[i].host, server.port);
            ask(&call, url);
            assert_denied(&call, cases[i].why);
            done(&call);
            struct pollfd poller = {.fd = server.listener, .events = POLLIN};
            assert_int_equal(poll(&poller, 1, 0), 0);
            close(server.listener);
            memory_free(url);
        }
        http_client_free(call.client);
    }
}

static void without_the_guard_this_machine_is_reached(void **state) {
    (void)state;
    static const struct step steps[] = {{.reply = OK}};
    struct tcp_server server;
    server_start(&server, steps, 1);
    struct get call = {.client = make_client()};
    char *url = memory_format("http://rebound.example:%d/", server.port);
    ask(&call, url);
    assert_body(&call, "a 1\n");
    done(&call);
    server_finish(&server);
    server_free(&server);
    memory_free(url);
    http_client_free(call.client);
}

/* The proxy may be on this machine; what it is asked for may not. */
static void the_guard_lets_the_proxy_pass_and_nothing_else(void **state) {
    (void)state;
    static const char away[] =
        "HTTP/1.1 302 Away\r\nLocation: http://169.254.169.254/latest?secret\r\n"
        "Content-Length: 0\r\n\r\n";
    static const struct step steps[] = {{.reply = OK}, {.reply = away}, {.reply = OK}};
    static const char *const hosts[] = {"127.0.0.1", "http://localhost", "http://127.0.0.1"};
    for (size_t i = 0; i < COUNT(hosts); i++) {
        struct tcp_server proxy;
        server_start(&proxy, steps, 3);
        set_proxy("http_proxy", hosts[i], proxy.port);
        struct get call = make_guarded(false);
        call.request.follow = HTTP_FOLLOW_ANY;
        ask(&call, "http://somewhere.example/a?b");
        assert_body(&call, "a 1\n");
        done(&call);
        static const char *const urls[] = {"http://169.254.169.254/latest/?secret",
                                           "http://127.0.0.1/?secret",
                                           "http://localhost:8080/?secret",
                                           "http://[::ffff:7f00:1]/?secret",
                                           "http://2852039166/?secret",
                                           "http://somewhere.example/away?secret"};
        for (size_t k = 0; k < COUNT(urls); k++) { /* over the connection that is there */
            ask(&call, urls[k]);
            assert_denied(&call, "its host ");
            done(&call);
        }
        ask(&call, "http://somewhere.example/c");
        assert_body(&call, "a 1\n");
        done(&call);
        http_client_free(call.client);
        server_finish(&proxy);
        assert_request(&proxy, 0, "GET http://somewhere.example/a?b HTTP/1.1\r\n", true);
        assert_request(&proxy, 1, "GET http://somewhere.example/away?secret HTTP/1.1\r\n", true);
        assert_request(&proxy, 2, "GET http://somewhere.example/c HTTP/1.1\r\n", true);
        server_free(&proxy);
        clear_environment(NULL);
    }
}

static void a_proxy_is_no_way_around_the_guard(void **state) {
    (void)state;
    struct tcp_server server;
    server_prepare(&server, NULL, 0);
    struct get call = make_guarded(false);
    /* Not asked through the proxy, and not its port. */
    set_proxy("http_proxy", "http://127.0.0.1", 1);
    setenv("no_proxy", "rebound.example", 1);
    char *url = memory_format("http://rebound.example:%d/", server.port);
    ask(&call, url);
    assert_denied(&call, "its host resolved to 127.0.0.1");
    done(&call);
    http_client_free(call.client);
    /* A proxy there is, but this client goes without. */
    clear_environment(NULL);
    set_proxy("http_proxy", "http://127.0.0.1", server.port);
    call = make_guarded(true);
    ask(&call, url);
    assert_denied(&call, "its host resolved to 127.0.0.1");
    done(&call);
    http_client_free(call.client);
    memory_free(url);
    close(server.listener);
}

static void proxies_of_the_environment_are_used(void **state) {
    (void)state;
    static const struct step steps[] = {{.reply = OK}};
    static const struct {
        const char *variable;
        const char *no_proxy;
        bool used;
    } cases[] = {
        {"http_proxy", NULL, true},
        {"HTTP_PROXY", NULL, true},
        {"all_proxy", NULL, true},
        {"ALL_PROXY", NULL, true},
        {"https_proxy", NULL, false},
        {"HTTPS_PROXY", NULL, false},
        {"HTTP_PROXY", "other.org", true},
        {"HTTP_PROXY", "example", false},
        {"http_proxy", ".example", false},
        {"HTTP_PROXY", "*", false},
        {"HTTP_PROXY", "rebound.example,b", false},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct tcp_server server;
        server_start(&server, steps, 1);
        set_proxy(cases[i].variable, "http://proxy.example", cases[i].used ? server.port : 1);
        if (cases[i].no_proxy)
            setenv(i % 2 ? "no_proxy" : "NO_PROXY", cases[i].no_proxy, 1);
        struct get call = {.client =
                               http_client_new(&(struct network){.user_agent = "kthena-test/1"})};
        char *url = memory_format("http://rebound.example:%d/x", cases[i].used ? 1 : server.port);
        ask(&call, url);
        assert_body(&call, "a 1\n");
        done(&call);
        http_client_free(call.client);
        server_finish(&server);
        assert_request(&server, 0, "GET http://rebound.example:1/x HTTP", cases[i].used);
        server_free(&server);
        memory_free(url);
        clear_environment(NULL);
    }
}

static void https_goes_through_a_tunnel(void **state) {
    (void)state;
    static const struct step steps[] = {
        {.reply = "HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n", .after = CLOSE}};
    struct tcp_server server;
    server_start(&server, steps, 1);
    set_proxy("HTTPS_PROXY", "http://proxy.example", server.port);
    struct get call = {.client = http_client_new(&(struct network){.user_agent = "kthena-test/1"})};
    ask(&call, "https://somewhere.example/x?secret");
    assert_non_null(call.error);
    assert_non_null(strstr(call.error->message, "GET https://somewhere.example/x: "));
    assert_non_null(strstr(call.error->message, "403"));
    done(&call);
    http_client_free(call.client);
    /* Its target is looked at before the proxy hears of it. */
    call = make_guarded(false);
    ask(&call, "https://169.254.169.254/x?secret");
    assert_denied(&call, "its host 169.254.169.254 is a link-local address");
    done(&call);
    http_client_free(call.client);
    server_finish(&server);
    assert_request(&server, 0, "CONNECT somewhere.example:443 HTTP/1.1\r\n", true);
    server_free(&server);
}

static void names_that_do_not_resolve_say_so(void **state) {
    (void)state;
    struct get call = make_guarded(false);
    ask(&call, "http://nowhere.example/x?secret");
    assert_non_null(call.error);
    assert_int_equal(call.error->kind, ERROR_UNREACHABLE);
    assert_string_equal(call.error->message,
                        "GET http://nowhere.example/x: Could not resolve host: nowhere.example");
    done(&call);
    http_client_free(call.client);
}

static void missing_certificates_are_named(void **state) {
    (void)state;
    static const struct step steps[] = {{.reply = "", .after = CLOSE}};
    struct tcp_server server;
    server_prepare(&server, steps, 0); /* takes connections, says nothing */
    struct get call = {.client = http_client_new(&(struct network){.user_agent = "kthena-test/1",
                                                                   .direct = true,
                                                                   .ca_file = "/no/such/ca.pem"})};
    char *url = memory_format("https://127.0.0.1:%d/x?secret", server.port);
    ask(&call, url);
    assert_non_null(call.error);
    assert_int_equal(call.error->kind, ERROR_IO);
    assert_non_null(strstr(call.error->message, "/x: could not read the CA certificates of "
                                                "'/no/such/ca.pem': No such file or directory"));
    done(&call);
    http_client_free(call.client);
    close(server.listener);
    memory_free(url);
}

static void urls_are_shown_without_secrets(void **state) {
    (void)state;
    static const char *const cases[][2] = {
        {"http://h/p", "http://h/p"},
        {"http://h:1/p?q=secret", "http://h:1/p"},
        {"http://h/p#f?q", "http://h/p"},
        {"http://h?q", "http://h"},
        {"https://user:pass@h/p@q?r", "https://h/p@q"},
        {"https://user:p@ss@h/p", "https://h/p"},
        {"https://h/a@b", "https://h/a@b"},
        {"https://h?user@x", "https://h"},
        {"https://[::1]:80/", "https://[::1]:80/"},
        {"user:pass@host/path?q", "host/path"},
        {"h/p?u=http://a:b@c", "h/p"},
        {"", ""},
        {"://", "://"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        char *shown = url_for_people(cases[i][0]);
        assert_string_equal(shown, cases[i][1]);
        memory_free(shown);
    }
}

#define TEST(function)                                                                             \
    cmocka_unit_test_setup_teardown(function, clear_environment, clear_environment)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(the_guard_looks_at_what_names_resolve_to),
        TEST(without_the_guard_this_machine_is_reached),
        TEST(the_guard_lets_the_proxy_pass_and_nothing_else),
        TEST(a_proxy_is_no_way_around_the_guard),
        TEST(proxies_of_the_environment_are_used),
        TEST(https_goes_through_a_tunnel),
        TEST(names_that_do_not_resolve_say_so),
        TEST(missing_certificates_are_named),
        TEST(urls_are_shown_without_secrets),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
