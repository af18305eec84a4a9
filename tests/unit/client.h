/*
 * A blunt HTTP client for the server's tests: it sends the bytes it is given, and reads replies as
 * they come. Everything waits 10 s at the most and then fails the test.
 */
#ifndef KTHENA_TESTS_UNIT_CLIENT_H
#define KTHENA_TESTS_UNIT_CLIENT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

struct answer {
    int status;       /* 0: the connection was closed without a reply */
    char head[4096];  /* with its empty line */
    char body[65536]; /* its first bytes, NUL-terminated */
    size_t length;    /* of the body, as it came */
};

static inline int client_finish(int fd, const void *address, socklen_t length) {
    assert_true(fd >= 0);
    struct timeval limit = {.tv_sec = 10};
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
    if (connect(fd, address, length))
        fail_msg("could not connect: %s", strerror(errno));
    return fd;
}

static inline int client_connect(int port) {
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons((uint16_t)port),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    return client_finish(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), &address, sizeof address);
}

static inline int client_connect_ipv6(int port) {
    struct sockaddr_in6 address = {.sin6_family = AF_INET6,
                                   .sin6_port = htons((uint16_t)port),
                                   .sin6_addr = IN6ADDR_LOOPBACK_INIT};
    return client_finish(socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0), &address, sizeof address);
}

static inline int client_connect_unix(const char *path) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
    return client_finish(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), &address, sizeof address);
}

static inline void client_send_bytes(int fd, const char *bytes, size_t length) {
    while (length > 0) {
        ssize_t count = send(fd, bytes, length, MSG_NOSIGNAL);
        if (count <= 0)
            return; /* the server refused in the middle; its reply tells */
        bytes += count;
        length -= (size_t)count;
    }
}

static inline void client_send(int fd, const char *text) {
    client_send_bytes(fd, text, strlen(text));
}

/* The value of a header of the answer, or NULL. Valid until the next call. */
static inline const char *client_header(const struct answer *answer, const char *name) {
    static char value[1024];
    size_t length = strlen(name);
    for (const char *line = strstr(answer->head, "\r\n"); line; line = strstr(line + 2, "\r\n")) {
        if (strncasecmp(line + 2, name, length) || line[2 + length] != ':')
            continue;
        const char *text = line + 2 + length + 1;
        text += strspn(text, " ");
        snprintf(value, sizeof value, "%.*s", (int)strcspn(text, "\r"), text);
        return value;
    }
    return NULL;
}

static inline bool client_read_byte(int fd, char *byte) {
    ssize_t count = recv(fd, byte, 1, 0);
    if (count < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
        fail_msg("no reply in time");
    return count == 1;
}

/* Reads one reply, and no byte of what follows it. */
static inline void client_read(int fd, bool has_body, struct answer *answer) {
    memset(answer, 0, sizeof *answer);
    size_t length = 0;
    while (length < sizeof answer->head - 1 && !strstr(answer->head, "\r\n\r\n"))
        if (!client_read_byte(fd, &answer->head[length++]))
            return;
    if (sscanf(answer->head, "HTTP/1.1 %d ", &answer->status) != 1)
        fail_msg("not a reply: %s", answer->head);
    const char *announced = client_header(answer, "Content-Length");
    size_t total = announced && has_body ? strtoul(announced, NULL, 10) : 0;
    while (answer->length < total) {
        char part[65536];
        size_t want = total - answer->length < sizeof part ? total - answer->length : sizeof part;
        ssize_t count = recv(fd, part, want, 0);
        if (count <= 0)
            return;
        for (ssize_t i = 0; i < count; i++)
            if (answer->length + (size_t)i < sizeof answer->body - 1)
                answer->body[answer->length + (size_t)i] = part[i];
        answer->length += (size_t)count;
    }
}

/* Reads one chunk of a body, NUL-terminated. Returns its length, 0 for the last one; -1 when the
 * connection was closed instead. */
static inline int client_read_chunk(int fd, char *text, size_t size) {
    char line[32] = "";
    size_t length = 0;
    while (length < sizeof line - 1 && !strstr(line, "\r\n"))
        if (!client_read_byte(fd, &line[length++]))
            return -1;
    char *end;
    unsigned long left = strtoul(line, &end, 16);
    assert_string_equal(end, "\r\n");
    if (left >= size) {
        fail_msg("a chunk of %lu bytes", left);
        return -1;
    }
    for (size_t i = 0; i < left + 2; i++) {
        char byte;
        if (!client_read_byte(fd, &byte))
            return -1;
        if (i < left)
            text[i] = byte;
    }
    text[left] = '\0';
    return (int)left;
}

/* Whether the server closes the connection, without sending anything more. */
static inline bool client_sees_end(int fd) {
    char byte;
    ssize_t count = recv(fd, &byte, 1, 0);
    return count == 0 || (count < 0 && errno == ECONNRESET);
}

/* One request on a connection of its own, of which nothing is expected after the reply. */
static inline void client_ask(int port, const char *text, struct answer *answer) {
    int fd = client_connect(port);
    client_send(fd, text);
    client_read(fd, strncmp(text, "HEAD", 4) != 0, answer);
    close(fd);
}

#endif
