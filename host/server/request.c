#include "server/request.h"

#include "server/exchange.h"
#include "server/reply.h"

#include <poll.h>
#include <string.h>
#include <strings.h>

enum { READ_STEP = 65536 };

const char *request_header(const struct request *request, const char *name) {
    return request_find_header(request->exchange->info, name);
}

const char *request_parameter(const struct request *request, const char *name) {
    if (!request->route)
        return NULL;
    size_t length = strlen(name);
    const char *brace = strchr(request->route->path, '{');
    for (size_t i = 0; brace && i < REQUEST_PARAMETERS_MAX; i++) {
        if (!strncmp(brace + 1, name, length) && brace[1 + length] == '}')
            return request->parameters[i];
        brace = strchr(brace + 1, '{');
    }
    return NULL;
}

bool request_query(const struct request *request, const char *name, struct buffer *out) {
    size_t length = strlen(request->query);
    char *value = buffer_reserve(out, length + 1);
    int got = mg_get_var(request->query, length, name, value, length + 1);
    if (got > 0)
        out->length += (size_t)got;
    return got >= 0;
}

static bool refuse_body(struct request *request, int status, const char *detail) {
    request->exchange->close = true;
    reply_error(request, status, "%s", detail);
    return false;
}

bool request_refuse_size(struct request *request) {
    request->exchange->close = true;
    reply_error(request, 413, "the body is larger than the %zu bytes that %s takes",
                request->route->body_limit, request->route->path);
    return false;
}

/* Appends what remains of the body; returns 0, or the status of the refusal. */
static int read_body(const struct exchange *exchange, size_t limit, struct buffer *out) {
    size_t wanted = exchange->framing.chunked ? limit + 1 : (size_t)exchange->framing.length;
    size_t got = 0;
    while (got < wanted) {
        size_t step = wanted - got < READ_STEP ? wanted - got : READ_STEP;
        int count = mg_read(exchange->connection, buffer_reserve(out, step), step);
        if (count > 0) {
            out->length += (size_t)count;
            got += (size_t)count;
        } else if (exchange->framing.chunked) {
            return count == 0 ? 0 : 400;
        } else {
            return 408;
        }
    }
    return exchange->framing.chunked ? 413 : 0;
}

bool request_body(struct request *request, struct buffer *out) {
    struct exchange *exchange = request->exchange;
    size_t limit = request->route->body_limit;
    size_t start = out->length;
    static const char go_on[] = "HTTP/1.1 100 Continue\r\n\r\n";
    exchange_allow(exchange, exchange->framing.chunked ? limit : (size_t)exchange->framing.length);
    if (exchange->framing.expects_continue)
        mg_write(exchange->connection, go_on, sizeof go_on - 1);
    exchange->framing.expects_continue = false;
    int status = read_body(exchange, limit, out);
    exchange_relax(exchange);
    exchange->body_read = status == 0;
    if (status == 0)
        return true;
    out->length = start;
    if (status == 413)
        return request_refuse_size(request);
    return refuse_body(request, status,
                       status == 400 ? "the chunks of the body are malformed, or it was cut short"
                                     : "the body did not arrive in time, or was cut short");
}

bool request_require_type(struct request *request, const char *type) {
    const char *given = request_header(request, "Content-Type");
    size_t length = strlen(type);
    if (given && !strncasecmp(given, type, length)) {
        char after = given[length + strspn(given + length, " ")];
        if (after == '\0' || after == ';')
            return true;
    }
    reply_error(request, 415, "the media type of the body is '%s'; send it as '%s'",
                given ? given : "", type);
    return false;
}

/* "0.75" as 750; what is malformed counts as the full weight. */
static int thousandths(const char *text) {
    int value = *text == '0' ? 0 : 1000;
    if (value == 0 && text[1] == '.') {
        int place = 100;
        for (text += 2; *text >= '0' && *text <= '9'; text++, place /= 10)
            value += (*text - '0') * place;
    }
    return value;
}

/* The weight of a coding in an Accept-Encoding header, in thousandths; -1 when it is not named. */
static int weight_of(const char *value, const char *coding) {
    size_t length = strlen(coding);
    while (*value) {
        value += strspn(value, " \t,");
        size_t span = strcspn(value, ",");
        size_t name = strcspn(value, ";, \t");
        if (name == length && !strncasecmp(value, coding, length)) {
            const char *weight = memchr(value, ';', span);
            weight = weight ? weight + 1 + strspn(weight + 1, " \t") : NULL;
            return weight && !strncasecmp(weight, "q=", 2) ? thousandths(weight + 2) : 1000;
        }
        value += span;
    }
    return -1;
}

bool request_accepts_gzip(const struct request *request) {
    const char *value = request_header(request, "Accept-Encoding");
    if (!value)
        return false;
    int gzip = weight_of(value, "gzip");
    if (gzip < 0)
        gzip = weight_of(value, "x-gzip");
    if (gzip < 0)
        gzip = weight_of(value, "*");
    int identity = weight_of(value, "identity");
    return gzip > 0 && gzip >= identity;
}

bool request_gone(const struct request *request) {
    struct pollfd connection = {.fd = request->exchange->link->fd, .events = POLLRDHUP};
    return poll(&connection, 1, 0) > 0 &&
           connection.revents & (POLLRDHUP | POLLHUP | POLLERR | POLLNVAL);
}
