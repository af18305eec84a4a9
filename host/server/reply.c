#include "server/reply.h"

#include "base/json.h"
#include "server/exchange.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

enum {
    HEAD_ROOM = 512,    /* enough for most heads */
    COPY_MAX = 65536,   /* bodies up to this size go out in one write with their head */
    FIRST_PART = 16384, /* of a larger body goes out with the head */
};

static const struct {
    int status;
    const char *phrase;
} phrases[] = {
    {200, "OK"},
    {201, "Created"},
    {202, "Accepted"},
    {204, "No Content"},
    {304, "Not Modified"},
    {400, "Bad Request"},
    {401, "Unauthorized"},
    {403, "Forbidden"},
    {404, "Not Found"},
    {405, "Method Not Allowed"},
    {406, "Not Acceptable"},
    {408, "Request Timeout"},
    {409, "Conflict"},
    {411, "Length Required"},
    {413, "Content Too Large"},
    {414, "URI Too Long"},
    {415, "Unsupported Media Type"},
    {417, "Expectation Failed"},
    {422, "Unprocessable Content"},
    {429, "Too Many Requests"},
    {431, "Request Header Fields Too Large"},
    {500, "Internal Server Error"},
    {501, "Not Implemented"},
    {502, "Bad Gateway"},
    {503, "Service Unavailable"},
    {504, "Gateway Timeout"},
    {505, "HTTP Version Not Supported"},
    {507, "Insufficient Storage"},
};

static const char *phrase_of(int status) {
    for (size_t i = 0; i < sizeof phrases / sizeof phrases[0]; i++)
        if (phrases[i].status == status)
            return phrases[i].phrase;
    return "Unknown";
}

static bool is_bodiless(int status) {
    return status == 204 || status == 304;
}

/* "Sun, 06 Nov 1994 08:49:37 GMT", whatever the locale. */
static void date_text(char *text, size_t size) {
    static const char days[7][4] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
    static const char months[12][4] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                       "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    time_t now = time(NULL);
    struct tm utc;
    gmtime_r(&now, &utc);
    snprintf(text, size, "%s, %02d %s %d %02d:%02d:%02d GMT", days[utc.tm_wday], utc.tm_mday,
             months[utc.tm_mon], utc.tm_year + 1900, utc.tm_hour, utc.tm_min, utc.tm_sec);
}

/* Whether civetweb goes on with the connection after this reply, which it decides for itself from
 * the request; the reply must say the same. */
static bool keeps_alive(const struct exchange *exchange) {
    const struct mg_request_info *info = exchange->info;
    if (exchange->close || atomic_load(&exchange->server->draining) ||
        handover_crowded(exchange->server->handover) || request_find_header(info, "Upgrade"))
        return false;
    const char *wish = request_find_header(info, "Connection");
    if (wish)
        return request_has_token(wish, "keep-alive") && !request_has_token(wish, "close");
    return info->http_version && !strcmp(info->http_version, "1.1");
}

/* A body that nobody has read stands between this request and the next. A small one is read and
 * thrown away by civetweb; anything else ends the connection. */
static void settle_unread_body(struct exchange *exchange) {
    const struct framing *framing = &exchange->framing;
    if (exchange->body_read)
        return;
    if (framing->chunked || framing->expects_continue || framing->length > BODY_IGNORED_MAX)
        exchange->close = true;
}

/* framing is the header line that tells where the body ends, "" if none does. */
static void add_head(struct buffer *head, int status, const char *content_type, const char *headers,
                     const char *framing, bool keep) {
    char date[64], start[256];
    date_text(date, sizeof date);
    snprintf(start, sizeof start, "HTTP/1.1 %d %s\r\nDate: %s\r\nConnection: %s\r\n", status,
             phrase_of(status), date, keep ? "keep-alive" : "close");
    buffer_string(head, start);
    if (!is_bodiless(status))
        buffer_string(head, framing);
    if (content_type && !is_bodiless(status)) {
        buffer_string(head, "Content-Type: ");
        buffer_string(head, content_type);
        buffer_string(head, "\r\n");
    }
    if (headers)
        buffer_string(head, headers);
    if (status == 401)
        buffer_string(head, "WWW-Authenticate: Bearer\r\n");
    buffer_string(head, "\r\n");
}

static bool write_all(struct exchange *exchange, const char *data, size_t length) {
    while (length > 0) {
        int part = length < INT_MAX ? (int)length : INT_MAX;
        if (mg_write(exchange->connection, data, (size_t)part) != part)
            return false;
        data += part;
        length -= (size_t)part;
    }
    return true;
}

/* Sends the head, and of the spans what is worth copying behind it in the same write; the rest goes
 * out from where it lies. */
static bool write_reply(struct exchange *exchange, struct buffer *head, const struct span *spans,
                        size_t count, size_t length) {
    size_t copy = length <= COPY_MAX ? length : FIRST_PART;
    size_t index = 0, offset = 0;
    while (copy > 0) {
        size_t part = spans[index].length - offset;
        if (part > copy)
            part = copy;
        buffer_append(head, (const char *)spans[index].data + offset, part);
        copy -= part;
        offset += part;
        if (offset == spans[index].length) {
            index++;
            offset = 0;
        }
    }
    bool sent = write_all(exchange, head->data, head->length);
    for (; index < count && sent; index++, offset = 0)
        sent = write_all(exchange, (const char *)spans[index].data + offset,
                         spans[index].length - offset);
    return sent;
}

static void close_after(struct exchange *exchange) {
    exchange->close = true;
    mg_disable_connection_keep_alive(exchange->connection);
}

bool reply_send(struct request *request, int status, const char *content_type, const char *headers,
                const struct span *spans, size_t span_count) {
    struct exchange *exchange = request->exchange;
    size_t length = 0;
    char framing[48];
    for (size_t i = 0; i < span_count; i++)
        length += spans[i].length;
    settle_unread_body(exchange);
    bool keep = keeps_alive(exchange);
    if (!keep)
        close_after(exchange);
    snprintf(framing, sizeof framing, "Content-Length: %zu\r\n", length);
    struct buffer head = {0};
    buffer_reserve(&head, HEAD_ROOM + (length <= COPY_MAX ? length : FIRST_PART));
    add_head(&head, status, content_type, headers, framing, keep);
    size_t body = !strcmp(request->method, "HEAD") || is_bodiless(status) ? 0 : length;
    exchange->replied = true;
    exchange->status = status;
    exchange->sent = body;
    exchange_allow(exchange, body);
    bool sent = write_reply(exchange, &head, spans, body ? span_count : 0, body);
    exchange_relax(exchange);
    buffer_free(&head);
    if (!sent)
        close_after(exchange);
    return sent;
}

/* Writes in the time that a client has for so many bytes. */
static bool stream_out(struct exchange *exchange, const struct buffer *bytes) {
    exchange_allow(exchange, bytes->length);
    exchange->streaming = write_all(exchange, bytes->data, bytes->length);
    exchange_relax(exchange);
    return exchange->streaming;
}

bool reply_stream_begin(struct request *request, int status, const char *content_type,
                        const char *headers) {
    struct exchange *exchange = request->exchange;
    const char *version = exchange->info->http_version;
    struct buffer head = {0};
    exchange->chunked = version && !strcmp(version, "1.1");
    exchange->replied = true;
    exchange->status = status;
    close_after(exchange);
    add_head(&head, status, content_type, headers,
             exchange->chunked ? "Transfer-Encoding: chunked\r\n" : "", false);
    bool sent = stream_out(exchange, &head);
    buffer_free(&head);
    if (!strcmp(request->method, "HEAD"))
        exchange->streaming = false;
    return sent && exchange->streaming;
}

bool reply_stream_write(struct request *request, const void *bytes, size_t length) {
    struct exchange *exchange = request->exchange;
    if (!exchange->streaming || length == 0) /* a chunk of nothing would be the last one */
        return exchange->streaming;
    struct buffer out = {0};
    buffer_reserve(&out, length + 32);
    if (exchange->chunked)
        buffer_format(&out, "%zx\r\n", length);
    buffer_append(&out, bytes, length);
    if (exchange->chunked)
        buffer_string(&out, "\r\n");
    bool sent = stream_out(exchange, &out);
    exchange->sent += length;
    buffer_free(&out);
    return sent;
}

bool reply_stream_end(struct request *request) {
    struct exchange *exchange = request->exchange;
    static char last[] = "0\r\n\r\n";
    bool sent = exchange->streaming;
    if (sent && exchange->chunked)
        sent = stream_out(exchange, &(struct buffer){.data = last, .length = sizeof last - 1});
    exchange->streaming = false;
    return sent;
}

bool reply_json(struct request *request, int status, const struct buffer *body) {
    struct span span = {body->data, body->length};
    return reply_send(request, status, "application/json", NULL, &span, 1);
}

static bool send_error(struct request *request, int status, const char *headers, const char *format,
                       va_list arguments) {
    struct buffer text = {0}, body = {0};
    buffer_vformat(&text, format, arguments);
    struct json json;
    json_begin(&json, &body);
    json_object(&json);
    json_key_string(&json, "detail", buffer_text(&text));
    json_end_object(&json);
    struct span span = {body.data, body.length};
    bool sent = reply_send(request, status, "application/json", headers, &span, 1);
    buffer_free(&body);
    buffer_free(&text);
    return sent;
}

bool reply_error(struct request *request, int status, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    bool sent = send_error(request, status, NULL, format, arguments);
    va_end(arguments);
    return sent;
}

bool reply_error_with(struct request *request, int status, const char *headers, const char *format,
                      ...) {
    va_list arguments;
    va_start(arguments, format);
    bool sent = send_error(request, status, headers, format, arguments);
    va_end(arguments);
    return sent;
}
