/*
 * The network settings of network.h on libcurl's handles, and libcurl's failures as errors. Private
 * to transfer/: the HTTP client and the downloader get their handles' common options here and
 * nowhere else.
 *
 *     struct network_notes notes;
 *     network_apply(&network, handle, &notes);     after curl_easy_init and curl_easy_reset
 *     network_url(&notes, url, false);             before each transfer
 *     code = curl_easy_perform(handle);
 *     if (code != CURLE_OK)
 *         error = network_error(&notes, code, "GET", url);
 */
#ifndef KTHENA_TRANSFER_NETWORK_CURL_H
#define KTHENA_TRANSFER_NETWORK_CURL_H

#include "base/error.h"
#include "transfer/network.h"

#include <curl/curl.h>
#include <stdbool.h>

enum { NETWORK_REFUSED_SIZE = 128 };

/* What a handle's transfer leaves behind. The caller's; it must live, unmoved, for as long as the
 * handle is used or until it is applied other notes. */
struct network_notes {
    const struct network *network;
    CURL *handle;
    bool away;                          /* a redirect has led to another origin */
    char detail[CURL_ERROR_SIZE];       /* libcurl's own words */
    char refused[NETWORK_REFUSED_SIZE]; /* the address the guard forbade and why, "" for none */
};

/* A new easy handle, or a multi handle; libcurl is started first. They abort where there is no
 * memory, as base/memory.h does. */
CURL *network_handle(void);
CURLM *network_multi(void);

/* Sets what all transfers have in common, and the error buffer and the guard, which use notes. The
 * network and its texts must live as long as notes. Uses neither CURLOPT_PRIVATE nor the progress,
 * write and header callbacks. */
void network_apply(const struct network *network, CURL *handle, struct network_notes *notes);

/* Sets the URL of the next transfer, which is sent as it is, and empties the notes. away: a
 * redirect has led to it from another origin. */
void network_url(struct network_notes *notes, const char *url, bool away);

/* "METHOD URL-without-query: why", of the kind that code means: ERROR_DENIED where the guard
 * refused, ERROR_TIMEOUT, ERROR_UNREACHABLE, ERROR_PROTOCOL, ERROR_INVALID for a URL that is none,
 * ERROR_IO. */
struct error *network_error(const struct network_notes *notes, CURLcode code, const char *method,
                            const char *url) __attribute__((warn_unused_result));

/* Whether a transfer that failed so may work when it is tried again. */
bool network_is_passing(const struct network_notes *notes, CURLcode code);

/* The URL without user name, password, query and fragment. The caller frees it. */
char *url_for_people(const char *url) __attribute__((returns_nonnull));

#endif
