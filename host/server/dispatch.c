/*
 * From civetweb's callbacks to the routes' handlers: checks, routing, the token, limits, and the
 * answers to what civetweb itself could not parse. Runs on civetweb's worker threads.
 */
#include "base/clock.h"
#include "base/log.h"
#include "server/exchange.h"
#include "server/reply.h"
#include "server/routes.h"

#include <poll.h>
#include <string.h>
#include <sys/socket.h>

enum {
    LINGER_MS = 500, /* for a client to notice that it was refused in mid-body */
    LINGER_BYTES = 4 << 20,
    DISCARD_MS = 2000, /* for a small unwanted body to arrive */
};

void exchange_begin(struct exchange *exchange, struct request *request,
                    struct mg_connection *connection) {
    const struct mg_request_info *info = mg_get_request_info(connection);
    struct server *server = info->user_data;
    exchange->server = server;
    exchange->link = handover_link(server->handover, info->remote_port);
    exchange->connection = connection;
    exchange->info = info;
    exchange->framing = (struct framing){0};
    exchange->body_read = exchange->close = exchange->replied = false;
    exchange->streaming = exchange->chunked = false;
    exchange->status = 0;
    exchange->sent = 0;
    exchange->path[0] = '\0';
    *request = (struct request){
        .method = info->request_method ? info->request_method : "",
        .path = exchange->path,
        .query = info->query_string ? info->query_string : "",
        .peer = exchange->link->peer,
        .secure = exchange->link->secure,
        .exchange = exchange,
    };
}

void exchange_allow(const struct exchange *exchange, size_t bytes) {
    int64_t extra = (int64_t)(bytes / PEER_BYTES_PER_SECOND) * 1000;
    link_deadline(exchange->link, clock_ms() + PEER_MS + extra);
}

void exchange_relax(const struct exchange *exchange) {
    link_deadline(exchange->link, 0);
}

/* Refuses a request before it is known where its body ends. */
static void refuse(struct request *request, struct refusal refusal) {
    request->exchange->close = true;
    reply_error(request, refusal.status, "%s", refusal.detail);
}

static void copy_parameters(struct request *request, const struct route_match *match) {
    char *text = request->exchange->parameters;
    for (size_t i = 0; i < match->parameter_count; i++) {
        memcpy(text, match->parameters[i].text, match->parameters[i].length);
        text[match->parameters[i].length] = '\0';
        request->parameters[i] = text;
        text += match->parameters[i].length + 1;
    }
}

static void reply_wrong_method(struct request *request) {
    struct buffer allow = {0}, headers = {0};
    routes_allow(request->table, request->path, &allow);
    buffer_format(&headers, "Allow: %s\r\n", buffer_text(&allow));
    reply_error_with(request, 405, buffer_text(&headers), "%s does not take %s; it takes %s",
                     request->path, request->method, buffer_text(&allow));
    buffer_free(&headers);
    buffer_free(&allow);
}

static bool is_allowed(const struct request *request, const struct route *route) {
    const struct server *server = request->exchange->server;
    return !server->auth || (route && route->open) ||
           auth_allows(server->auth, request_header(request, "Authorization"));
}

static void run_handler(struct request *request) {
    const struct route *route = request->route;
    route->handler(request, route->context);
    if (!request->exchange->replied) {
        log_error("the handler of %s %s has not replied", route->method, route->path);
        reply_error(request, 500, "internal error: the request was not answered");
    }
}

/* Requests that take long must leave workers for those that do not. Runs the handler unless so many
 * of its like are running. */
static void run_within(struct request *request, atomic_size_t *running, size_t max,
                       void (*run)(struct request *)) {
    if (atomic_fetch_add(running, 1) < max)
        run(request);
    else
        reply_error_with(request, 503, "Retry-After: 1\r\n",
                         "%zu requests like this one are being answered already; try again later",
                         max);
    atomic_fetch_sub(running, 1);
}

static void run_slow_handler(struct request *request) {
    struct server *server = request->exchange->server;
    run_within(request, &server->slow, server->slow_max, run_handler);
}

static void run_held_handler(struct request *request) {
    struct server *server = request->exchange->server;
    run_within(request, &server->held, server->held_max, run_slow_handler);
}

static void run_route(struct request *request) {
    struct exchange *exchange = request->exchange;
    const struct route *route = request->route;
    if (route->body_limit > 0 && exchange->framing.length > (int64_t)route->body_limit)
        request_refuse_size(request);
    else if (route->body_limit == 0 && exchange->framing.length > BODY_IGNORED_MAX)
        refuse(request, (struct refusal){413, "this request takes no body"});
    else if (route->held)
        run_held_handler(request);
    else if (route->slow)
        run_slow_handler(request);
    else
        run_handler(request);
}

/* By the table that is current now. */
static void answer_by_table(struct request *request) {
    struct route_match match;
    routes_find(request->table, request->method, request->path, &match);
    if (!is_allowed(request, match.route)) {
        reply_error(request, 401, "a token is needed; send 'Authorization: Bearer <token>'");
    } else if (!match.path_known) {
        reply_error(request, 404, "Not Found: no route %s", request->path);
    } else if (!match.route) {
        reply_wrong_method(request);
    } else {
        request->route = match.route;
        copy_parameters(request, &match);
        run_route(request);
    }
}

static void answer(struct request *request) {
    struct exchange *exchange = request->exchange;
    const struct server *server = exchange->server;
    struct refusal refusal = request_check(exchange->info, &exchange->framing);
    if (!refusal.status)
        refusal = request_decode_path(exchange->info->local_uri_raw, exchange->path,
                                      sizeof exchange->path);
    if (refusal.status) {
        refuse(request, refusal);
        return;
    }
    const struct route_tables *tables = &server->tables;
    request->table = tables->acquire ? tables->acquire(tables->context) : &server->table;
    answer_by_table(request);
    if (tables->acquire)
        tables->release(request->table, tables->context);
}

/* The connection is about to be closed with bytes of the client's unread, or on their way. Closed
 * like that, TCP would tell the client to forget the reply; so read on for a moment. */
static void linger(const struct exchange *exchange) {
    int fd = exchange->link->fd;
    if (!exchange->link->secure)
        shutdown(fd, SHUT_WR);
    int64_t end = clock_ms() + LINGER_MS;
    char bytes[16384];
    for (size_t left = LINGER_BYTES; left > sizeof bytes;) {
        int64_t wait = end - clock_ms();
        struct pollfd readable = {.fd = fd, .events = POLLIN};
        if (wait <= 0 || poll(&readable, 1, (int)wait) <= 0)
            return;
        ssize_t count = recv(fd, bytes, sizeof bytes, MSG_DONTWAIT);
        if (count <= 0)
            return;
        left -= (size_t)count;
    }
}

static bool has_unread_body(const struct exchange *exchange) {
    return !exchange->body_read && (exchange->framing.chunked || exchange->framing.length > 0);
}

static int begin_request(struct mg_connection *connection) {
    struct exchange exchange;
    struct request request;
    exchange_begin(&exchange, &request, connection);
    link_begin(exchange.link);
    int64_t start = clock_ns();
    answer(&request);
    log_debug("%s %s %s %d %zu bytes %.3f ms", request.peer, request.method,
              *request.path ? request.path : "-", exchange.status, exchange.sent,
              (double)(clock_ns() - start) / 1e6);
    bool lost = exchange.status == 400 && !request.secure; /* who knows what follows */
    if (exchange.close && (has_unread_body(&exchange) || lost))
        linger(&exchange);
    else if (has_unread_body(&exchange))
        link_deadline(exchange.link, clock_ms() + DISCARD_MS);
    return exchange.status;
}

static void end_request(const struct mg_connection *connection, int status) {
    (void)status;
    const struct mg_request_info *info = mg_get_request_info(connection);
    const struct server *server = info->user_data;
    link_end(handover_link(server->handover, info->remote_port));
}

/* A request that civetweb refuses while it parses it. */
static void reply_unparsed(struct mg_connection *connection, struct refusal refusal) {
    struct exchange exchange;
    struct request request;
    exchange_begin(&exchange, &request, connection);
    link_refused(exchange.link);
    refuse(&request, refusal);
    log_debug("%s %s - %d", request.peer, *request.method ? request.method : "-", refusal.status);
    if (!request.secure)
        linger(&exchange);
}

static struct refusal explain(const struct mg_request_info *info, int status, const char *message) {
    if (status == 411)
        return (struct refusal){400, "Content-Length is not a number"};
    if (status == 413)
        return (struct refusal){431, "the request line and headers are too large"};
    if (status != 400)
        return (struct refusal){status, message};
    if (!strcmp(message, "Malformed message"))
        return (struct refusal){400, "the request line and headers are malformed, incomplete, or "
                                     "larger than 16384 bytes"};
    /* civetweb looks at the method last, before the headers. */
    if (info->http_version && !strncmp(info->http_version, "1.", 2) && info->num_headers == 0)
        return (struct refusal){501, "the method of the request is not known here"};
    return (struct refusal){400, "the request line or a header is malformed"};
}

static int http_error(struct mg_connection *connection, int status, const char *message) {
    reply_unparsed(connection, explain(mg_get_request_info(connection), status, message));
    return 0;
}

static void connection_close(const struct mg_connection *connection) {
    const struct mg_request_info *info = mg_get_request_info(connection);
    const struct server *server = info ? info->user_data : NULL;
    struct link *link = info ? handover_link(server->handover, info->remote_port) : NULL;
    if (!link)
        return;
    /* civetweb closes without an answer when the target is '*' or a URL of another host. */
    if (link->open && !link->refused && info->request_method && !info->local_uri)
        reply_unparsed((struct mg_connection *)connection,
                       (struct refusal){400, "the target of the request must be a path"});
    /* That of a TLS connection is released with its session, for when the handshake fails this
     * callback is not told which connection it was. */
    if (!link->secure)
        link_release(link);
}

static int log_message(const struct mg_connection *connection, const char *message) {
    /* What has a request or a connection is a client's doing. */
    log_write(mg_get_request_info(connection) ? LOG_DEBUG : LOG_WARNING, "http: %s", message);
    return 1;
}

void dispatch_callbacks(struct mg_callbacks *callbacks) {
    callbacks->begin_request = begin_request;
    callbacks->end_request = end_request;
    callbacks->http_error = http_error;
    callbacks->connection_close = connection_close;
    callbacks->log_message = log_message;
}
