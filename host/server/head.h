/*
 * Tells from a connection's first bytes whether its request has arrived: a whole HTTP/1 request
 * head or, for TLS, a whole first record (the ClientHello). The gate asks it before it gives a
 * connection to a worker. It judges only whether waiting helps; parsing is civetweb's business.
 */
#ifndef KTHENA_SERVER_HEAD_H
#define KTHENA_SERVER_HEAD_H

#include <stddef.h>

/* Bytes of request line and headers that a request may have. */
enum { HEAD_MAX = 16384 };

enum head_state {
    HEAD_PARTIAL,  /* more must come */
    HEAD_COMPLETE, /* ready to be parsed */
    HEAD_BROKEN,   /* no request, whatever comes */
};

/* Judges the bytes received so far; the first seen of them were judged HEAD_PARTIAL before. The
 * rules are civetweb's: an empty line ends the head, lines end in \r\n or \n, and control
 * characters break it. */
enum head_state head_scan(const char *bytes, size_t length, size_t seen);

/* The same for the start of a TLS connection. Bytes that are no TLS handshake are HEAD_BROKEN. */
enum head_state head_scan_tls(const char *bytes, size_t length);

#endif
