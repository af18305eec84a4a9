/*
 * Splits http and https URLs, and the host:port in them, and refuses what is no such thing with a
 * sentence for the user. Used by the command line and by the HTTP client. The caller owns the
 * parts.
 */
#ifndef KTHENA_BASE_URL_H
#define KTHENA_BASE_URL_H

#include "base/error.h"

struct url {
    char *scheme; /* "http" or "https" */
    char *host;   /* name or address; IPv6 without its brackets */
    char *path;   /* from the first "/" to the end, query included; "" if there is none */
    int port;     /* 80 or 443 when the URL names none */
};

/* Parses an absolute URL. ERROR_INVALID for any other scheme, a user name or password, a fragment,
 * spaces, control characters, a bad host or a port outside 1 to 65535; *out is then all zero. */
struct error *url_parse(const char *text, struct url *out) __attribute__((warn_unused_result));

/* Parses "host", "host:port", "[ipv6]" or "[ipv6]:port". ERROR_INVALID as above; *host is then
 * NULL. The caller frees *host. */
struct error *url_parse_address(const char *text, int default_port, char **host, int *port)
    __attribute__((warn_unused_result));

/* Frees the parts and zeroes them; all zero is fine. */
void url_free(struct url *url);

#endif
