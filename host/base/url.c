#include "base/url.h"

#include "base/memory.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <stdbool.h>
#include <string.h>
#include <strings.h>

static const char host_characters[] =
    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_";

/* The parsers below return what is wrong, or NULL. */
static const char *parse_port(const char *text, size_t length, int *port) {
    static const char wrong[] = "the port must be a number from 1 to 65535";
    int value = 0;
    if (length == 0 || length > 5)
        return wrong;
    for (size_t i = 0; i < length; i++) {
        if (!isdigit((unsigned char)text[i]))
            return wrong;
        value = value * 10 + (text[i] - '0');
    }
    if (value < 1 || value > 65535)
        return wrong;
    *port = value;
    return NULL;
}

static const char *check_ipv6(const char *text, size_t length) {
    struct in6_addr address;
    char *copy = memory_copy(text, length);
    bool good = inet_pton(AF_INET6, copy, &address) == 1;
    memory_free(copy);
    return good ? NULL : "what is in brackets must be an IPv6 address";
}

static const char *parse_host(const char *text, size_t length, size_t *host_length) {
    if (text[0] == '[') {
        const char *close = memchr(text, ']', length);
        if (!close)
            return "the bracket of the IPv6 address is not closed";
        *host_length = (size_t)(close - text) + 1;
        return check_ipv6(text + 1, *host_length - 2);
    }
    const char *colon = memchr(text, ':', length);
    *host_length = colon ? (size_t)(colon - text) : length;
    if (colon && memchr(colon + 1, ':', length - *host_length - 1))
        return "an IPv6 address must stand in brackets, as in [::1]:8000";
    if (*host_length == 0)
        return "the host name is missing";
    for (size_t i = 0; i < *host_length; i++)
        if (!strchr(host_characters, text[i]))
            return "a host name has only letters, digits, '.', '-' and '_'";
    return NULL;
}

static const char *parse_authority(const char *text, size_t length, char **host, int *port) {
    size_t host_length = 0;
    if (length == 0)
        return "the host name is missing";
    const char *why = parse_host(text, length, &host_length);
    if (why)
        return why;
    if (host_length < length) {
        if (text[host_length] != ':')
            return "after the bracket only a colon and a port may follow";
        why = parse_port(text + host_length + 1, length - host_length - 1, port);
        if (why)
            return why;
    }
    size_t bracket = text[0] == '[';
    *host = memory_copy(text + bracket, host_length - 2 * bracket);
    return NULL;
}

static const char *check_characters(const char *text) {
    for (; *text; text++) {
        unsigned char byte = (unsigned char)*text;
        if (byte <= ' ' || byte == 0x7F)
            return "it must not contain spaces or control characters";
        if (byte == '#')
            return "it must not have a fragment ('#')";
    }
    return NULL;
}

/* Fills the parts but the scheme, from what follows "://". */
static const char *parse_rest(const char *rest, struct url *out) {
    const char *why = check_characters(rest);
    if (why)
        return why;
    size_t length = strcspn(rest, "/?");
    if (memchr(rest, '@', length))
        return "it must not carry a user name or password";
    why = parse_authority(rest, length, &out->host, &out->port);
    if (why)
        return why;
    const char *path = rest + length;
    out->path = memory_format("%s%s", *path == '?' ? "/" : "", path);
    return NULL;
}

/* Hides what stands before an "@": a password must not end in a log. */
static struct error *malformed(const char *what, const char *text, const char *why) {
    const char *scheme_end = strstr(text, "://");
    const char *start = scheme_end ? scheme_end + 3 : text;
    const char *at = strrchr(start, '@');
    return error_new(ERROR_INVALID, NULL, "malformed %s '%.*s%s%s': %s", what, (int)(start - text),
                     text, at ? "***" : "", at ? at : start, why);
}

struct error *url_parse(const char *text, struct url *out) {
    *out = (struct url){0};
    const char *why = "it must start with http:// or https://";
    if (strncasecmp(text, "http://", 7) == 0) {
        out->scheme = memory_string("http");
        out->port = 80;
        why = parse_rest(text + 7, out);
    } else if (strncasecmp(text, "https://", 8) == 0) {
        out->scheme = memory_string("https");
        out->port = 443;
        why = parse_rest(text + 8, out);
    }
    if (!why)
        return NULL;
    url_free(out);
    return malformed("URL", text, why);
}

struct error *url_parse_address(const char *text, int default_port, char **host, int *port) {
    *host = NULL;
    *port = default_port;
    const char *why = parse_authority(text, strlen(text), host, port);
    return why ? malformed("address", text, why) : NULL;
}

void url_free(struct url *url) {
    memory_free(url->scheme);
    memory_free(url->host);
    memory_free(url->path);
    *url = (struct url){0};
}
