/*
 * What every connection of a client or a download has in common: who we say we are, whom we trust,
 * which proxy leads out, and which addresses must not be reached. Made once from the command line
 * and the environment, shared by http.h and download.h. Only transfer/ knows libcurl.
 */
#ifndef KTHENA_TRANSFER_NETWORK_H
#define KTHENA_TRANSFER_NETWORK_H

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct network {
    const char *user_agent;
    const char *ca_file; /* PEM bundle that replaces the system's, or NULL */
    bool insecure;       /* certificates are not checked */
    bool direct;         /* never through a proxy, whatever the environment says; otherwise
                            HTTP_PROXY, HTTPS_PROXY, ALL_PROXY and NO_PROXY (and their lower-case
                            forms) decide */
    bool guarded;        /* refuse to connect to loopback, link-local, unspecified, multicast and
                            cloud metadata addresses, after name resolution, redirects included,
                            and refuse proxies' ways around that for literal addresses */
    /* If not NULL: URLs that may be reached all the same, and a network that is not guarded is,
     * where a redirect leads away from the origin that was asked for. */
    bool (*allows)(const void *context, const char *url);
    const void *allows_context;
};

#endif
