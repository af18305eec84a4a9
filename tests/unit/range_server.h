/*
 * A threaded HTTP/1.1 server on the loopback for tests of downloads: files in memory, served with
 * ranges over kept-alive connections, and a script of faults that are each played a number of times
 * when a request matches. Tests describe the files and faults, start it, and afterwards look at
 * what it was asked for.
 */
#ifndef KTHENA_TESTS_RANGE_SERVER_H
#define KTHENA_TESTS_RANGE_SERVER_H

#include "base/buffer.h"
#include "base/memory.h"
#include "base/thread.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

enum { SERVER_FILES_MAX = 600, SERVER_FAULTS_MAX = 8, SERVER_CONNECTIONS_MAX = 64 };

struct server_file {
    const char *path; /* of the URL, from "/" */
    const char *bytes;
    size_t size;
    const char *etag;    /* as sent, quotes included; NULL: none */
    const char *headers; /* more header lines, each with its "\r\n"; NULL: none */
};

enum fault_kind {
    FAULT_STATUS,       /* answers fault.status with fault.headers and fault.body */
    FAULT_RESET,        /* resets the connection after fault.after bytes of body */
    FAULT_CLOSE,        /* closes it there instead */
    FAULT_STALL,        /* is silent from there on */
    FAULT_WRONG_RANGE,  /* a Content-Range one byte off */
    FAULT_IGNORE_RANGE, /* 200 and the whole file */
    FAULT_NO_LENGTH,    /* no Content-Length, no ranges: the body ends with the connection */
    FAULT_CHANGE,       /* from now on the file has fault.etag and fault.bytes */
    FAULT_FLIP,         /* one bit of the first byte is another */
    FAULT_REFUSE_HEAD,  /* 405 to HEAD */
    FAULT_SILENT,       /* closes the connection without an answer */
};

struct server_fault {
    enum fault_kind kind;
    const char *path;  /* NULL: any */
    const char *range; /* only requests whose Range begins so, NULL: any */
    int skip;          /* so many matching requests pass first */
    int times;         /* then it is played so often; -1: always */
    int status;
    const char *headers; /* of FAULT_STATUS, each with "\r\n"; NULL: none */
    const char *body;
    size_t after;
    const char *etag, *bytes;
    size_t size;
    int played;
};

struct range_server {
    struct server_file files[SERVER_FILES_MAX];
    size_t file_count;
    struct server_fault faults[SERVER_FAULTS_MAX];
    size_t fault_count;
    int listener, port;
    pthread_t thread;
    pthread_mutex_t mutex; /* guards what follows, and the above once it runs */
    bool stop;
    pthread_t threads[SERVER_CONNECTIONS_MAX * 8];
    size_t thread_count;
    int open[SERVER_CONNECTIONS_MAX * 8]; /* their connections, -1 when closed */
    int connections, most_connections;
    struct buffer log;  /* the request heads */
    int64_t body_bytes; /* sent */
    int pause_us;       /* between 64 KB blocks of a body */
};

struct server_request {
    char method[8], path[1024], range[64];
    const char *head;
};

/* One connection's thread. */
struct server_connection {
    struct range_server *server;
    int fd;
    size_t index;
};

static inline void server_add(struct range_server *server, const char *path, const char *bytes,
                              size_t size, const char *etag) {
    assert_true(server->file_count < SERVER_FILES_MAX);
    server->files[server->file_count++] =
        (struct server_file){.path = path, .bytes = bytes, .size = size, .etag = etag};
}

static inline struct server_fault *server_fault(struct range_server *server,
                                                struct server_fault fault) {
    assert_true(server->fault_count < SERVER_FAULTS_MAX);
    server->faults[server->fault_count] = fault;
    return &server->faults[server->fault_count++];
}

static inline bool server_send(struct range_server *server, int fd, const char *data, size_t length,
                               bool body) {
    while (length > 0) {
        size_t block = length < 65536 ? length : 65536;
        ssize_t sent = send(fd, data, block, MSG_NOSIGNAL);
        if (sent <= 0)
            return false;
        data += sent;
        length -= (size_t)sent;
        if (!body)
            continue;
        pthread_mutex_lock(&server->mutex);
        server->body_bytes += sent;
        int pause_us = server->pause_us;
        pthread_mutex_unlock(&server->mutex);
        if (pause_us)
            usleep((useconds_t)pause_us);
    }
    return true;
}

/* Reads a head into buffer; false at the end of the connection. */
static inline bool server_head(int fd, struct buffer *head) {
    buffer_clear(head);
    for (char byte; read(fd, &byte, 1) == 1;) {
        buffer_byte(head, byte);
        if (head->length >= 4 && memcmp(head->data + head->length - 4, "\r\n\r\n", 4) == 0)
            return true;
    }
    return false;
}

static inline void server_parse(const char *head, struct server_request *request) {
    *request = (struct server_request){.head = head};
    sscanf(head, "%7s %1023s", request->method, request->path);
    const char *range = strcasestr(head, "\r\nrange: bytes=");
    if (range)
        sscanf(range + 15, "%63[^\r]", request->range);
}

/* The fault to play for the request, counted; with the mutex held. */
static inline struct server_fault *server_pick(struct range_server *server,
                                               const struct server_request *request) {
    for (size_t i = 0; i < server->fault_count; i++) {
        struct server_fault *fault = &server->faults[i];
        if (fault->path && strcmp(fault->path, request->path) != 0)
            continue;
        if (fault->range && strncmp(request->range, fault->range, strlen(fault->range)) != 0)
            continue;
        if (fault->kind == FAULT_REFUSE_HEAD && strcmp(request->method, "HEAD") != 0)
            continue;
        if (fault->skip > 0) {
            fault->skip--;
            continue;
        }
        if (fault->times >= 0 && fault->played >= fault->times)
            continue;
        fault->played++;
        return fault;
    }
    return NULL;
}

static inline bool server_simple(struct range_server *server, int fd, int status,
                                 const char *headers, const char *body, bool head) {
    char *text = memory_format("HTTP/1.1 %d X\r\nContent-Length: %zu\r\n%s\r\n%s", status,
                               strlen(body), headers ? headers : "", head ? "" : body);
    bool sent = server_send(server, fd, text, strlen(text), false);
    memory_free(text);
    return sent;
}

static inline void server_break(int fd, bool reset) {
    struct linger linger = {.l_onoff = reset};
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof linger);
    shutdown(fd, reset ? SHUT_RD : SHUT_RDWR);
}

/* Answers with the file; false when the connection is over. */
static inline bool server_file_reply(struct range_server *server, int fd,
                                     const struct server_request *request,
                                     const struct server_file *file,
                                     const struct server_fault *fault) {
    enum fault_kind kind = fault ? fault->kind : FAULT_CHANGE;
    size_t first = 0, last = file->size ? file->size - 1 : 0;
    bool ranged = *request->range && kind != FAULT_IGNORE_RANGE && kind != FAULT_NO_LENGTH;
    bool is_head = strcmp(request->method, "HEAD") == 0;
    if (ranged && (sscanf(request->range, "%zu-%zu", &first, &last) < 1 || first >= file->size))
        return server_simple(server, fd, 416, NULL, "no such range", is_head);
    if (last >= file->size)
        last = file->size ? file->size - 1 : 0;
    size_t length = file->size ? last - first + 1 : 0;
    struct buffer head = {0};
    buffer_format(&head, "HTTP/1.1 %s\r\n", ranged ? "206 Partial Content" : "200 OK");
    if (kind != FAULT_NO_LENGTH)
        buffer_format(&head, "Content-Length: %zu\r\n", length);
    else
        buffer_string(&head, "Connection: close\r\n");
    if (ranged)
        buffer_format(&head, "Content-Range: bytes %zu-%zu/%zu\r\n",
                      first + (kind == FAULT_WRONG_RANGE), last, file->size);
    if (file->etag)
        buffer_format(&head, "ETag: %s\r\n", file->etag);
    buffer_string(&head, file->headers ? file->headers : "");
    buffer_string(&head, "\r\n");
    bool alive = server_send(server, fd, head.data, head.length, false);
    buffer_free(&head);
    if (!alive || is_head || length == 0)
        return alive && kind != FAULT_NO_LENGTH;
    pthread_mutex_lock(&server->mutex);
    char *copy = memory_copy(file->bytes + first, length);
    pthread_mutex_unlock(&server->mutex);
    if (kind == FAULT_FLIP)
        copy[0] = (char)(copy[0] ^ 1);
    bool cut = kind == FAULT_RESET || kind == FAULT_CLOSE || kind == FAULT_STALL;
    if (cut && fault->after < length)
        length = fault->after;
    alive = server_send(server, fd, copy, length, true);
    memory_free(copy);
    char byte;
    if (kind == FAULT_STALL)
        while (read(fd, &byte, 1) == 1)
            continue;
    if (kind == FAULT_RESET)
        usleep(20000); /* so that what was sent arrives before the reset does */
    if (cut || kind == FAULT_NO_LENGTH)
        server_break(fd, kind == FAULT_RESET);
    return alive && !cut && kind != FAULT_NO_LENGTH;
}

static inline bool server_answer(struct range_server *server, int fd,
                                 const struct server_request *request) {
    struct server_file file = {0};
    bool is_head = strcmp(request->method, "HEAD") == 0;
    pthread_mutex_lock(&server->mutex);
    buffer_string(&server->log, request->head);
    struct server_fault *picked = server_pick(server, request), fault = {0};
    if (picked)
        fault = *picked;
    for (size_t i = 0; i < server->file_count; i++) {
        struct server_file *each = &server->files[i];
        size_t length = strcspn(request->path, "?");
        if (strncmp(each->path, request->path, length) != 0 || each->path[length])
            continue;
        if (picked && fault.kind == FAULT_CHANGE) {
            each->etag = fault.etag;
            each->bytes = fault.bytes;
            each->size = fault.size;
        }
        file = *each;
    }
    pthread_mutex_unlock(&server->mutex);
    if (picked && fault.kind == FAULT_SILENT) {
        server_break(fd, false);
        return false;
    }
    if (picked && fault.kind == FAULT_STATUS)
        return server_simple(server, fd, fault.status, fault.headers, fault.body ? fault.body : "",
                             is_head);
    if (picked && fault.kind == FAULT_REFUSE_HEAD)
        return server_simple(server, fd, 405, NULL, "", true);
    if (!file.path)
        return server_simple(server, fd, 404, NULL, "no such file", is_head);
    return server_file_reply(server, fd, request, &file, picked ? &fault : NULL);
}

static inline void *server_serve(void *context) {
    struct server_connection *connection = context;
    struct range_server *server = connection->server;
    struct server_request request;
    struct buffer head = {0};
    while (server_head(connection->fd, &head)) {
        server_parse(buffer_text(&head), &request);
        if (!server_answer(server, connection->fd, &request))
            break;
    }
    pthread_mutex_lock(&server->mutex);
    server->open[connection->index] = -1;
    server->connections--;
    pthread_mutex_unlock(&server->mutex);
    close(connection->fd);
    buffer_free(&head);
    memory_free(connection);
    return NULL;
}

static inline void *server_accept(void *context) {
    struct range_server *server = context;
    for (int fd; (fd = accept(server->listener, NULL, NULL)) >= 0;) {
        struct server_connection *connection = memory_zero(1, sizeof *connection);
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
        pthread_mutex_lock(&server->mutex);
        *connection = (struct server_connection){server, fd, server->thread_count};
        server->open[server->thread_count] = fd;
        server->connections++;
        if (server->connections > server->most_connections)
            server->most_connections = server->connections;
        pthread_mutex_unlock(&server->mutex);
        assert_true(server->thread_count < SERVER_CONNECTIONS_MAX * 8);
        assert_null(thread_start(&server->threads[server->thread_count], "connection", server_serve,
                                 connection));
        server->thread_count++;
    }
    return NULL;
}

static inline void range_server_start(struct range_server *server) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof address;
    pthread_mutex_init(&server->mutex, NULL);
    server->listener = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(bind(server->listener, (struct sockaddr *)&address, length), 0);
    assert_int_equal(listen(server->listener, 64), 0);
    getsockname(server->listener, (struct sockaddr *)&address, &length);
    server->port = ntohs(address.sin_port);
    assert_null(thread_start(&server->thread, "listener", server_accept, server));
}

static inline void range_server_stop(struct range_server *server) {
    shutdown(server->listener, SHUT_RDWR);
    pthread_join(server->thread, NULL);
    pthread_mutex_lock(&server->mutex);
    for (size_t i = 0; i < server->thread_count; i++)
        if (server->open[i] >= 0)
            shutdown(server->open[i], SHUT_RDWR);
    pthread_mutex_unlock(&server->mutex);
    for (size_t i = 0; i < server->thread_count; i++)
        pthread_join(server->threads[i], NULL);
    close(server->listener);
    buffer_free(&server->log);
    pthread_mutex_destroy(&server->mutex);
}

/* Around changes of what is served while it runs. */
static inline void server_lock(struct range_server *server) {
    pthread_mutex_lock(&server->mutex);
}

static inline void server_unlock(struct range_server *server) {
    pthread_mutex_unlock(&server->mutex);
}

/* Bytes of bodies sent so far. */
static inline int64_t server_sent(struct range_server *server) {
    server_lock(server);
    int64_t sent = server->body_bytes;
    server_unlock(server);
    return sent;
}

/* How many requests so far have this text in their head. */
static inline int server_count(struct range_server *server, const char *text) {
    int count = 0;
    pthread_mutex_lock(&server->mutex);
    for (const char *at = buffer_text(&server->log); (at = strstr(at, text)); at++)
        count++;
    pthread_mutex_unlock(&server->mutex);
    return count;
}

#endif
