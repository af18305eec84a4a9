/*
 * Refuses the requests that civetweb lets through although they are malformed, ambiguous or
 * dangerous: they are how requests are smuggled past a proxy and how one client gets at another's
 * bytes. Also tells how a request's body is framed. Used by the dispatcher before anything else is
 * done with a request.
 */
#ifndef KTHENA_SERVER_REQUEST_CHECK_H
#define KTHENA_SERVER_REQUEST_CHECK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct mg_request_info;

/* How the body of a request is delimited. */
struct framing {
    bool chunked;
    bool expects_continue; /* the client waits for "100 Continue" before it sends the body */
    int64_t length;        /* bytes announced; 0 when chunked */
};

/* Why a request is refused. */
struct refusal {
    int status;         /* 0: it is not */
    const char *detail; /* a sentence, static */
};

/* Checks the head as civetweb has parsed it, in place: names, lines, Host, Content-Length,
 * Transfer-Encoding, Expect. */
struct refusal request_check(const struct mg_request_info *info, struct framing *framing);

/* Decodes the percent-encoded path into out, NUL-terminated. Refuses broken escapes, control
 * characters, and what does not fit. */
struct refusal request_decode_path(const char *raw, char *out, size_t size);

/* The value of a header; NULL if it was not sent. */
const char *request_find_header(const struct mg_request_info *info, const char *name);

/* Whether a header's comma-separated value holds the word, in any case. */
bool request_has_token(const char *value, const char *word);

#endif
