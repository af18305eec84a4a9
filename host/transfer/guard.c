#include "transfer/guard.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

static const char loopback[] = "a loopback address";
static const char unspecified[] = "an unspecified address, which leads to this machine";
static const char link_local[] = "a link-local address";
static const char multicast[] = "a multicast or reserved address";
static const char metadata[] = "a cloud metadata address";

/* Metadata services outside the link-local range, each a cloud's own. */
static const uint32_t metadata_v4[] = {
    0x646464C8, /* 100.100.100.200 */
    0xA83F8110, /* 168.63.129.16 */
    0xC00000C0, /* 192.0.0.192 */
};
static const struct in6_addr metadata_v6[] = {
    {.s6_addr = {0xFD, 0x00, 0x0E, 0xC2, [14] = 0x02, [15] = 0x54}}, /* fd00:ec2::254 */
    {.s6_addr = {0xFD, 0x20, 0x00, 0xCE, [14] = 0x02, [15] = 0x54}}, /* fd20:ce::254 */
};

static const char *check_v4(uint32_t address) {
    uint32_t first = address >> 24;
    if (first == 127)
        return loopback;
    if (first == 0)
        return unspecified;
    if (address >> 16 == 0xA9FE)
        return link_local;
    if (first >= 224)
        return multicast;
    for (size_t i = 0; i < sizeof metadata_v4 / sizeof *metadata_v4; i++)
        if (address == metadata_v4[i])
            return metadata;
    return NULL;
}

static uint32_t number_at(const uint8_t *bytes) {
    return (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 | bytes[3];
}

/* Where an IPv6 address carries an IPv4 address that a translator would turn it into: mapped and
 * compatible ones, NAT64 (RFC 6052, RFC 8215) and 6to4. NULL for none. */
static const uint8_t *embedded_v4(const uint8_t *bytes) {
    static const uint8_t zero[12];
    static const uint8_t nat64[12] = {0x00, 0x64, 0xFF, 0x9B};
    static const uint8_t local_nat64[6] = {0x00, 0x64, 0xFF, 0x9B, 0x00, 0x01};
    bool mapped = memcmp(bytes, zero, 10) == 0 && bytes[10] == 0xFF && bytes[11] == 0xFF;
    if (mapped || memcmp(bytes, zero, 12) == 0 || memcmp(bytes, nat64, 12) == 0 ||
        memcmp(bytes, local_nat64, sizeof local_nat64) == 0)
        return bytes + 12;
    return bytes[0] == 0x20 && bytes[1] == 0x02 ? bytes + 2 : NULL;
}

static const char *check_v6(const struct in6_addr *address) {
    const uint8_t *bytes = address->s6_addr;
    if (IN6_IS_ADDR_LOOPBACK(address))
        return loopback;
    if (IN6_IS_ADDR_UNSPECIFIED(address))
        return unspecified;
    if (bytes[0] == 0xFE && (bytes[1] & 0xC0) == 0x80)
        return link_local;
    if (bytes[0] == 0xFF)
        return multicast;
    for (size_t i = 0; i < sizeof metadata_v6 / sizeof *metadata_v6; i++)
        if (memcmp(address, &metadata_v6[i], sizeof *address) == 0)
            return metadata;
    const uint8_t *v4 = embedded_v4(bytes);
    return v4 ? check_v4(number_at(v4)) : NULL;
}

const char *guard_address(const struct sockaddr *address, socklen_t length) {
    if (address->sa_family == AF_INET && length >= sizeof(struct sockaddr_in)) {
        struct sockaddr_in v4;
        memcpy(&v4, address, sizeof v4);
        return check_v4(ntohl(v4.sin_addr.s_addr));
    }
    if (address->sa_family == AF_INET6 && length >= sizeof(struct sockaddr_in6)) {
        struct sockaddr_in6 v6;
        memcpy(&v6, address, sizeof v6);
        return check_v6(&v6.sin6_addr);
    }
    return "an address that is no IP address";
}

/* Names of RFC 6761, and those that every system's hosts file has. */
static bool means_this_machine(const char *name) {
    static const char *const names[] = {"localhost", "localhost.localdomain", "ip6-localhost",
                                        "ip6-loopback"};
    static const char suffix[] = ".localhost";
    size_t length = strlen(name);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strcasecmp(name, names[i]) == 0)
            return true;
    size_t tail = sizeof suffix - 1;
    return length >= tail && strcasecmp(name + length - tail, suffix) == 0;
}

const char *guard_host(const char *host) {
    char name[256];
    size_t bracket = host[0] == '[';
    size_t length = strcspn(host + bracket, bracket ? "]%" : "%");
    while (!bracket && length > 0 && host[length - 1] == '.')
        length--;
    if (length >= sizeof name)
        return NULL;
    memcpy(name, host + bracket, length);
    name[length] = '\0';
    struct in6_addr v6;
    struct in_addr v4;
    if (inet_pton(AF_INET6, name, &v6) == 1)
        return check_v6(&v6);
    if (inet_aton(name, &v4))
        return check_v4(ntohl(v4.s_addr));
    return means_this_machine(name) ? "a name of this machine" : NULL;
}

void guard_text(const struct sockaddr *address, socklen_t length, char text[GUARD_TEXT_SIZE]) {
    if (address->sa_family == AF_INET && length >= sizeof(struct sockaddr_in)) {
        struct sockaddr_in v4;
        memcpy(&v4, address, sizeof v4);
        inet_ntop(AF_INET, &v4.sin_addr, text, GUARD_TEXT_SIZE);
    } else if (address->sa_family == AF_INET6 && length >= sizeof(struct sockaddr_in6)) {
        struct sockaddr_in6 v6;
        memcpy(&v6, address, sizeof v6);
        inet_ntop(AF_INET6, &v6.sin6_addr, text, GUARD_TEXT_SIZE);
    } else {
        snprintf(text, GUARD_TEXT_SIZE, "address family %d", (int)address->sa_family);
    }
}
