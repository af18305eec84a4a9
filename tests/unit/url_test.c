#include "base/url.h"

#include "base/memory.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void splits_urls(void **state) {
    (void)state;
    static const struct {
        const char *text, *scheme, *host, *path;
        int port;
    } cases[] = {
        {"http://localhost:8000", "http", "localhost", "", 8000},
        {"http://localhost", "http", "localhost", "", 80},
        {"https://example.org", "https", "example.org", "", 443},
        {"HTTPS://Example.org:1/", "https", "Example.org", "/", 1},
        {"http://10.0.0.1:65535/a/b?c=d&e=f", "http", "10.0.0.1", "/a/b?c=d&e=f", 65535},
        {"http://a_b.c-d:080/x", "http", "a_b.c-d", "/x", 80},
        {"http://host?q=1", "http", "host", "/?q=1", 80},
        {"http://host/a@b:c", "http", "host", "/a@b:c", 80},
        {"http://[::1]:8000/metrics", "http", "::1", "/metrics", 8000},
        {"https://[fe80::1:2]", "https", "fe80::1:2", "", 443},
        {"http://[::ffff:127.0.0.1]/", "http", "::ffff:127.0.0.1", "/", 80},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct url url;
        assert_null(url_parse(cases[i].text, &url));
        assert_string_equal(url.scheme, cases[i].scheme);
        assert_string_equal(url.host, cases[i].host);
        assert_string_equal(url.path, cases[i].path);
        assert_int_equal(url.port, cases[i].port);
        url_free(&url);
        assert_null(url.host);
        url_free(&url);
    }
}

static void refuses_in_one_sentence(void **state) {
    (void)state;
    static const char scheme[] = "it must start with http:// or https://";
    static const char port[] = "the port must be a number from 1 to 65535";
    static const char missing[] = "the host name is missing";
    static const char characters[] = "it must not contain spaces or control characters";
    static const char letters[] = "a host name has only letters, digits, '.', '-' and '_'";
    static const char address[] = "what is in brackets must be an IPv6 address";
    static const struct {
        const char *text, *why;
    } cases[] = {
        {"", scheme},
        {"localhost:8000", scheme},
        {"ftp://host", scheme},
        {"http:/host", scheme},
        {"//host", scheme},
        {"http://", missing},
        {"http:///path", missing},
        {"http://:80", missing},
        {"http://host:", port},
        {"http://host:0", port},
        {"http://host:65536", port},
        {"http://host:99999999999999999999", port},
        {"http://host:+80", port},
        {"http://host:80a", port},
        {"http://ho st/", characters},
        {"http://host/a b", characters},
        {"http://host/a\n", characters},
        {"http://host/\x7f", characters},
        {"http://host/a#b", "it must not have a fragment ('#')"},
        {"http://h%6fst/", letters},
        {"http://h\xC3\xB6st/", letters},
        {"http://a\\b/", letters},
        {"http://::1/", "an IPv6 address must stand in brackets, as in [::1]:8000"},
        {"http://[::1/", "the bracket of the IPv6 address is not closed"},
        {"http://[::1]8000/", "after the bracket only a colon and a port may follow"},
        {"http://[::1]:/", port},
        {"http://[]/", address},
        {"http://[1.2.3.4]/", address},
        {"http://[::g]/", address},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct url url;
        struct error *error = url_parse(cases[i].text, &url);
        assert_non_null(error);
        assert_int_equal(error->kind, ERROR_INVALID);
        char *expected = memory_format("malformed URL '%s': %s", cases[i].text, cases[i].why);
        assert_string_equal(error->message, expected);
        memory_free(expected);
        error_free(error);
        assert_true(!url.scheme && !url.host && !url.path && url.port == 0);
    }
}

static void does_not_repeat_passwords(void **state) {
    (void)state;
    static const struct {
        const char *text, *message;
    } cases[] = {
        {"http://user:pass@host:80/x",
         "malformed URL 'http://***@host:80/x': it must not carry a user name or password"},
        {"https://pass@@host",
         "malformed URL 'https://***@host': it must not carry a user name or password"},
        {"user:pass@host", "malformed URL '***@host': it must start with http:// or https://"},
        {"http://user:pa/ss@host",
         "malformed URL 'http://***@host': the port must be a number from 1 to 65535"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct url url;
        struct error *error = url_parse(cases[i].text, &url);
        assert_non_null(error);
        assert_string_equal(error->message, cases[i].message);
        error_free(error);
    }
}

static void parses_addresses(void **state) {
    (void)state;
    static const struct {
        const char *text, *host;
        int port;
    } cases[] = {
        {"host", "host", 9000}, {"host:80", "host", 80},     {"[::1]", "::1", 9000},
        {"[::]:1", "::", 1},    {"0.0.0.0:9", "0.0.0.0", 9},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char *host = NULL;
        int port = 0;
        assert_null(url_parse_address(cases[i].text, 9000, &host, &port));
        assert_string_equal(host, cases[i].host);
        assert_int_equal(port, cases[i].port);
        memory_free(host);
    }
}

static void refuses_addresses(void **state) {
    (void)state;
    static const char *const bad[] = {"", ":80", "host:x", "a b", "::1", "[::1]x", "host:80/", "["};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        char *host = NULL;
        int port = 0;
        struct error *error = url_parse_address(bad[i], 9000, &host, &port);
        assert_non_null(error);
        assert_int_equal(error->kind, ERROR_INVALID);
        assert_non_null(strstr(error->message, "malformed address '"));
        assert_null(host);
        error_free(error);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(splits_urls),
        cmocka_unit_test(refuses_in_one_sentence),
        cmocka_unit_test(does_not_repeat_passwords),
        cmocka_unit_test(parses_addresses),
        cmocka_unit_test(refuses_addresses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
