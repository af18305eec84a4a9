/* Addresses and hosts that a guarded connection must not reach. */
#include "transfer/guard.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <sys/un.h>

#include <cmocka.h>

#define COUNT(array) (sizeof(array) / sizeof *(array))

static const struct {
    const char *address;
    const char *why; /* a part of it; NULL: allowed */
} cases[] = {
    {"127.0.0.1", "loopback"},
    {"127.255.255.254", "loopback"},
    {"126.255.255.255", NULL},
    {"128.0.0.0", NULL},
    {"0.0.0.0", "unspecified"},
    {"0.1.2.3", "unspecified"},
    {"1.0.0.0", NULL},
    {"169.254.0.0", "link-local"},
    {"169.254.169.254", "link-local"},
    {"169.254.170.2", "link-local"},
    {"169.253.255.255", NULL},
    {"169.255.0.0", NULL},
    {"100.100.100.200", "metadata"},
    {"100.100.100.201", NULL},
    {"168.63.129.16", "metadata"},
    {"192.0.0.192", "metadata"},
    {"224.0.0.1", "multicast"},
    {"239.255.255.255", "multicast"},
    {"255.255.255.255", "reserved"},
    {"223.255.255.255", NULL},
    {"10.0.0.1", NULL},
    {"192.168.1.1", NULL},
    {"8.8.8.8", NULL},
    {"::1", "loopback"},
    {"::", "unspecified"},
    {"::2", "unspecified"}, /* 0.0.0.2 */
    {"fe80::1", "link-local"},
    {"febf:ffff::1", "link-local"},
    {"fec0::1", NULL},
    {"ff02::1", "multicast"},
    {"fd00:ec2::254", "metadata"},
    {"fd00:ec2::255", NULL},
    {"fd20:ce::254", "metadata"},
    {"fd00::1", NULL},
    {"2001:db8::1", NULL},
    {"::ffff:127.0.0.1", "loopback"},
    {"::ffff:169.254.169.254", "link-local"},
    {"::ffff:0.0.0.0", "unspecified"},
    {"::ffff:8.8.8.8", NULL},
    {"::127.0.0.1", "loopback"},
    {"64:ff9b::127.0.0.1", "loopback"},
    {"64:ff9b::169.254.169.254", "link-local"},
    {"64:ff9b::100.100.100.200", "metadata"},
    {"64:ff9b::8.8.8.8", NULL},
    {"64:ff9b:1::169.254.169.254", "link-local"},
    {"64:ff9b:1:2:3:4:127.0.0.1", "loopback"},
    {"2002:7f00:1::", "loopback"},
    {"2002:a9fe:a9fe::1", "link-local"},
    {"2002:808:808::", NULL},
};

static const char *check(const char *text, char shown[GUARD_TEXT_SIZE]) {
    struct sockaddr_in v4 = {.sin_family = AF_INET};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6};
    if (inet_pton(AF_INET, text, &v4.sin_addr) == 1) {
        guard_text((struct sockaddr *)&v4, sizeof v4, shown);
        return guard_address((struct sockaddr *)&v4, sizeof v4);
    }
    assert_int_equal(inet_pton(AF_INET6, text, &v6.sin6_addr), 1);
    guard_text((struct sockaddr *)&v6, sizeof v6, shown);
    return guard_address((struct sockaddr *)&v6, sizeof v6);
}

static void assert_judged(const char *what, const char *got, const char *expected) {
    if ((got == NULL) != (expected == NULL) || (got && !strstr(got, expected)))
        fail_msg("%s: %s", what, got ? got : "allowed");
}

static void addresses_are_judged_in_every_form(void **state) {
    (void)state;
    char shown[GUARD_TEXT_SIZE];
    for (size_t i = 0; i < COUNT(cases); i++)
        assert_judged(cases[i].address, check(cases[i].address, shown), cases[i].why);
    check("169.254.169.254", shown);
    assert_string_equal(shown, "169.254.169.254");
    check("::ffff:127.0.0.1", shown);
    assert_string_equal(shown, "::ffff:127.0.0.1");
}

static void what_is_no_internet_address_is_forbidden(void **state) {
    (void)state;
    struct sockaddr_un local = {.sun_family = AF_UNIX, .sun_path = "/run/some.sock"};
    struct sockaddr_in cut = {.sin_family = AF_INET};
    char shown[GUARD_TEXT_SIZE];
    assert_non_null(guard_address((struct sockaddr *)&local, sizeof local));
    assert_non_null(guard_address((struct sockaddr *)&cut, sizeof cut - 1));
    guard_text((struct sockaddr *)&local, sizeof local, shown);
    assert_string_equal(shown, "address family 1");
}

static void hosts_are_judged_as_far_as_they_tell(void **state) {
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++)
        assert_judged(cases[i].address, guard_host(cases[i].address), cases[i].why);
    static const struct {
        const char *host, *why;
    } hosts[] = {
        {"[::1]", "loopback"},
        {"[fe80::1%25eth0]", "link-local"},
        {"[fe80::1%eth0]", "link-local"},
        {"[2001:db8::1]", NULL},
        {"127.1", "loopback"},
        {"0x7f000001", "loopback"},
        {"2130706433", "loopback"},
        {"0177.0.0.1", "loopback"},
        {"127.0.0.1.", "loopback"},
        {"0", "unspecified"},
        {"localhost", "this machine"},
        {"LocalHost.", "this machine"},
        {"a.b.localhost", "this machine"},
        {"localhost.localdomain", "this machine"},
        {"ip6-loopback", "this machine"},
        {"localhost.example.org", NULL},
        {"notlocalhost", NULL},
        {".localhost", "this machine"},
        {"", NULL},
        {".", NULL},
        {"[", NULL},
        {"example.org", NULL},
        {"127.0.0.1.example.org", NULL},
    };
    for (size_t i = 0; i < COUNT(hosts); i++)
        assert_judged(hosts[i].host, guard_host(hosts[i].host), hosts[i].why);
    char name[400];
    memset(name, 'a', sizeof name - 1);
    name[sizeof name - 1] = '\0';
    assert_null(guard_host(name));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(addresses_are_judged_in_every_form),
        cmocka_unit_test(what_is_no_internet_address_is_forbidden),
        cmocka_unit_test(hosts_are_judged_as_far_as_they_tell),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
