/*
 * Replies: a status, headers and a body, sent with as few writes as the size allows. Date,
 * Content-Length and Connection are filled in; a reply to HEAD has the head of the full reply and
 * no body. Called by route handlers, once for each request. Bodies are borrowed for the call.
 *
 * Or a stream, whose body comes bit by bit, such as server-sent events: begun, written to, ended.
 *
 * Each function returns whether all of it was handed to the network; false means that the client
 * has gone or reads too slowly, and there is nothing left to do for it.
 */
#ifndef KTHENA_SERVER_REPLY_H
#define KTHENA_SERVER_REPLY_H

#include "base/buffer.h"
#include "server/request.h"

#include <stdbool.h>
#include <stddef.h>

/* A part of a body that is sent from where it lies. */
struct span {
    const void *data;
    size_t length;
};

/* Sends a reply whose body is the spans one after the other. content_type may be NULL when there is
 * no body. headers are further header lines, each ended by \r\n, or NULL. */
bool reply_send(struct request *request, int status, const char *content_type, const char *headers,
                const struct span *spans, size_t span_count);

/* Sends a buffer as application/json. */
bool reply_json(struct request *request, int status, const struct buffer *body);

/* Sends {"detail": "<the formatted text>"}. */
bool reply_error(struct request *request, int status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* The same with further header lines, as for reply_send. */
bool reply_error_with(struct request *request, int status, const char *headers, const char *format,
                      ...) __attribute__((format(printf, 4, 5)));

/* Begins a stream: sends the head. Its body goes out in chunks, or to a client of HTTP/1.0 until
 * the connection ends, which it does after every stream. False when there is nobody to write to:
 * the client has gone, or asks for the head alone. The handler then just returns. */
bool reply_stream_begin(struct request *request, int status, const char *content_type,
                        const char *headers);

/* Sends more of the body at once. The client has a time to read it in; while none is written, the
 * stream may rest for as long as the handler likes. False when the client has gone, which shows
 * only when something is sent (or with request_gone). A handler that lives long also asks
 * server_draining, and ends its stream soon after that. */
bool reply_stream_write(struct request *request, const void *bytes, size_t length);

/* Ends the body, so that the client knows it is whole. A handler that returns without this cuts it.
 */
bool reply_stream_end(struct request *request);

#endif
