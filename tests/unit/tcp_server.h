/*
 * A TCP server on the loopback that follows a script, for tests of HTTP clients: it reads one
 * request, a body of known length included, for each step, answers with the step's bytes, and then
 * keeps, closes or breaks the connection. It serves one connection at a time on a thread of its
 * own, drops it when the next one comes, and gives up after ten seconds without a client.
 */
#ifndef KTHENA_TESTS_TCP_SERVER_H
#define KTHENA_TESTS_TCP_SERVER_H

#include "base/buffer.h"
#include "base/memory.h"
#include "base/thread.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

enum after { KEEP, CLOSE, RESET, STALL }; /* STALL: keep silent until the client has gone */

struct step {
    const char *reply;
    enum after after;
    size_t length;     /* of reply; 0: it is a string */
    unsigned pause_ms; /* before it */
};

struct tcp_server {
    const struct step *steps;
    size_t count, done;
    int listener, port;
    int connection;        /* -1: none */
    int connections;       /* how many there were */
    struct buffer request; /* what was received, one request behind the other */
    pthread_t thread;
};

enum { SERVER_WAIT_MS = 10000 };

static inline bool server_readable(int fd) {
    struct pollfd poller = {.fd = fd, .events = POLLIN};
    return poll(&poller, 1, SERVER_WAIT_MS) == 1;
}

static inline void server_hang_up(struct tcp_server *server, bool reset) {
    if (server->connection < 0)
        return;
    struct linger linger = {.l_onoff = reset};
    setsockopt(server->connection, SOL_SOCKET, SO_LINGER, &linger, sizeof linger);
    close(server->connection);
    server->connection = -1;
}

/* Waits for bytes on the connection there is, or goes over to the next one when that comes first.
 */
static inline bool server_await(struct tcp_server *server) {
    struct pollfd pollers[] = {{.fd = server->connection, .events = POLLIN},
                               {.fd = server->listener, .events = POLLIN}};
    if (poll(pollers, 2, SERVER_WAIT_MS) < 1)
        return false;
    if (!pollers[0].revents) {
        server_hang_up(server, false);
        server->connection = accept(server->listener, NULL, NULL);
        server->connections++;
    }
    return true;
}

/* How many bytes of body the head announces. */
static inline size_t server_body_length(const char *head, size_t length) {
    static const char name[] = "\r\nContent-Length: ";
    const char *found = memmem(head, length, name, sizeof name - 1);
    return found ? strtoul(found + sizeof name - 1, NULL, 10) : 0;
}

static inline bool server_read_request(struct tcp_server *server) {
    struct buffer *request = &server->request;
    size_t start = request->length, body = 0;
    bool whole = false;
    while (!whole || body > 0) {
        char byte;
        if (!server_await(server))
            return false;
        if (read(server->connection, &byte, 1) != 1) {
            server_hang_up(server, false);
            continue;
        }
        buffer_byte(request, byte);
        body -= whole;
        if (!whole && request->length - start >= 4 &&
            memcmp(request->data + request->length - 4, "\r\n\r\n", 4) == 0) {
            whole = true;
            body = server_body_length(request->data + start, request->length - start);
        }
    }
    return true;
}

static inline void server_answer(struct tcp_server *server, const struct step *step) {
    size_t length = step->length ? step->length : strlen(step->reply), sent = 0;
    usleep(step->pause_ms * 1000);
    while (sent < length) {
        ssize_t count = send(server->connection, step->reply + sent, length - sent, MSG_NOSIGNAL);
        if (count <= 0)
            break;
        sent += (size_t)count;
    }
    char byte;
    if (step->after == STALL)
        while (server_readable(server->connection) && read(server->connection, &byte, 1) == 1)
            continue;
    if (step->after != KEEP)
        server_hang_up(server, step->after == RESET);
}

static inline void *server_run(void *context) {
    struct tcp_server *server = context;
    for (; server->done < server->count && server_read_request(server); server->done++)
        server_answer(server, &server->steps[server->done]);
    return NULL;
}

/* Listens; the steps may still be changed until server_begin. */
static inline void server_prepare(struct tcp_server *server, const struct step *steps,
                                  size_t count) {
    *server = (struct tcp_server){.steps = steps, .count = count, .connection = -1};
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof address;
    server->listener = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(bind(server->listener, (struct sockaddr *)&address, length), 0);
    assert_int_equal(listen(server->listener, 16), 0);
    getsockname(server->listener, (struct sockaddr *)&address, &length);
    server->port = ntohs(address.sin_port);
}

static inline void server_begin(struct tcp_server *server) {
    assert_null(thread_start(&server->thread, "server", server_run, server));
}

static inline void server_start(struct tcp_server *server, const struct step *steps, size_t count) {
    server_prepare(server, steps, count);
    server_begin(server);
}

/* Waits for the end of the script. */
static inline void server_finish(struct tcp_server *server) {
    pthread_join(server->thread, NULL);
    server_hang_up(server, false);
    close(server->listener);
    assert_int_equal(server->done, server->count);
}

static inline void server_free(struct tcp_server *server) {
    buffer_free(&server->request);
}

#endif
