#include "server/listeners.h"

#include "base/memory.h"
#include "base/text.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

static const char *bind_advice(int why) {
    switch (why) {
    case EADDRINUSE:
        return "; stop the other process or choose another --port";
    case EACCES:
        return "; choose a --port of 1024 or more";
    case EADDRNOTAVAIL:
    case EAFNOSUPPORT:
        return "; choose a --host that this machine has";
    default:
        return "";
    }
}

static struct error *listen_error(const char *text, int why) {
    char reason[128];
    return error_new(why == EADDRINUSE ? ERROR_EXISTS : ERROR_IO, NULL,
                     "could not listen on %s: %s%s", text, strerror_r(why, reason, sizeof reason),
                     bind_advice(why));
}

static struct listener *add(struct listeners *listeners, int fd) {
    listeners->items =
        memory_resize(listeners->items, (listeners->count + 1) * sizeof *listeners->items);
    struct listener *listener = &listeners->items[listeners->count++];
    *listener = (struct listener){.fd = fd, .file = -1};
    return listener;
}

/* "127.0.0.1:9000", "[::1]:9000" */
static char *address_text(const struct sockaddr *address) {
    char host[INET6_ADDRSTRLEN] = "";
    if (address->sa_family == AF_INET6) {
        const struct sockaddr_in6 *v6 = (const void *)address;
        inet_ntop(AF_INET6, &v6->sin6_addr, host, sizeof host);
        return memory_format("[%s]:%d", host, ntohs(v6->sin6_port));
    }
    const struct sockaddr_in *v4 = (const void *)address;
    inet_ntop(AF_INET, &v4->sin_addr, host, sizeof host);
    return memory_format("%s:%d", host, ntohs(v4->sin_port));
}

static int tcp_socket(const struct addrinfo *info) {
    int fd = socket(info->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return -1;
    int on = 1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (info->ai_family == AF_INET6)
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
    if (bind(fd, info->ai_addr, info->ai_addrlen) == 0 && listen(fd, SOMAXCONN) == 0)
        return fd;
    int why = errno;
    close(fd);
    errno = why;
    return -1;
}

static bool is_listed(const struct listeners *listeners, const char *text) {
    for (size_t i = 0; i < listeners->count; i++) {
        const char *address = strstr(listeners->items[i].text, "://");
        if (address && !strcmp(address + 3, text))
            return true;
    }
    return false;
}

static void add_tcp(struct listeners *listeners, int fd, bool secure) {
    union {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
    } bound = {.v6 = {0}};
    socklen_t length = sizeof bound;
    getsockname(fd, &bound.any, &length);
    char *text = address_text(&bound.any);
    struct listener *listener = add(listeners, fd);
    listener->secure = secure;
    listener->text = memory_format("%s://%s", secure ? "https" : "http", text);
    listener->port =
        ntohs(bound.any.sa_family == AF_INET6 ? ((struct sockaddr_in6 *)&bound)->sin6_port
                                              : ((struct sockaddr_in *)&bound)->sin_port);
    memory_free(text);
}

/* A name may stand for one address twice, and for addresses of a family that this machine lacks:
 * one that works is enough. */
static struct error *listen_all(struct listeners *listeners, const struct addrinfo *list,
                                bool secure) {
    struct error *error = NULL;
    bool any = false, missing = true;
    for (const struct addrinfo *each = list; each && missing; each = each->ai_next) {
        char *text = address_text(each->ai_addr);
        int fd = tcp_socket(each);
        int why = errno;
        if (fd >= 0) {
            add_tcp(listeners, fd, secure);
            any = true;
        } else if (why != EADDRINUSE || !is_listed(listeners, text)) {
            error_free(error);
            error = listen_error(text, why);
            missing = why == EADDRNOTAVAIL || why == EAFNOSUPPORT;
        }
        memory_free(text);
    }
    if (any && missing) {
        error_free(error);
        error = NULL;
    }
    return error;
}

static struct error *listen_host(struct listeners *listeners, const char *host, int port,
                                 bool secure) {
    size_t length = strlen(host);
    bool bracketed = length >= 2 && host[0] == '[' && host[length - 1] == ']';
    char *name = bracketed ? memory_copy(host + 1, length - 2) : memory_string(host);
    char service[16];
    snprintf(service, sizeof service, "%d", port);
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE | AI_NUMERICSERV};
    struct addrinfo *list = NULL;
    int status = *name ? getaddrinfo(name, service, &hints, &list) : EAI_NONAME;
    struct error *error = NULL;
    if (status)
        error = error_new(ERROR_INVALID, NULL,
                          "could not listen on host '%s': %s; give an address, a name or "
                          "unix:/path as --host",
                          host, gai_strerror(status));
    else
        error = listen_all(listeners, list, secure);
    if (list)
        freeaddrinfo(list);
    memory_free(name);
    return error;
}

/* Whether the socket file at the address was left behind by a process that is gone. */
static bool is_stale(const struct sockaddr_un *address) {
    struct stat status;
    if (lstat(address->sun_path, &status) || !S_ISSOCK(status.st_mode))
        return false;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return false;
    bool stale =
        connect(fd, (const struct sockaddr *)address, sizeof *address) && errno == ECONNREFUSED;
    close(fd);
    return stale;
}

static int bind_unix(int fd, const struct sockaddr_un *address) {
    if (bind(fd, (const struct sockaddr *)address, sizeof *address) == 0)
        return 0;
    if (errno != EADDRINUSE)
        return errno;
    if (!is_stale(address))
        return EADDRINUSE;
    unlink(address->sun_path);
    return bind(fd, (const struct sockaddr *)address, sizeof *address) ? errno : 0;
}

static struct error *unix_error(const char *path, int why) {
    char reason[128];
    if (why == EADDRINUSE)
        return error_new(ERROR_EXISTS, NULL,
                         "could not listen on unix:%s: another process listens there, or it is no "
                         "socket; stop that process or choose another path",
                         path);
    return error_new(ERROR_IO, NULL, "could not listen on unix:%s: %s", path,
                     strerror_r(why, reason, sizeof reason));
}

static struct error *listen_unix(struct listeners *listeners, const char *path) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    size_t length = strlen(path);
    if (length == 0 || length >= sizeof address.sun_path)
        return error_new(ERROR_INVALID, NULL,
                         "could not listen on unix:%s: the path must have 1 to %zu bytes", path,
                         sizeof address.sun_path - 1);
    memcpy(address.sun_path, path, length);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    int why = fd < 0 ? errno : bind_unix(fd, &address);
    if (!why && listen(fd, SOMAXCONN))
        why = errno;
    if (why) {
        if (fd >= 0)
            close(fd);
        return unix_error(path, why);
    }
    struct listener *listener = add(listeners, fd);
    listener->text = memory_format("unix:%s", path);
    listener->path = memory_string(path);
    listener->file = open(path, O_PATH | O_NOFOLLOW | O_CLOEXEC);
    return NULL;
}

struct error *listeners_open(struct listeners *listeners, const char *const *hosts,
                             size_t host_count, int port, bool secure) {
    *listeners = (struct listeners){0};
    struct error *error = NULL;
    if (host_count == 0)
        error = error_new(ERROR_INVALID, NULL, "no address to listen on; give at least one --host");
    for (size_t i = 0; i < host_count && !error; i++) {
        if (text_starts(hosts[i], "unix:"))
            error = listen_unix(listeners, hosts[i] + strlen("unix:"));
        else
            error = listen_host(listeners, hosts[i], port, secure);
    }
    if (error)
        listeners_free(listeners);
    return error;
}

/* Removes the socket's file, unless another process has put its own in the place. */
static void remove_file(struct listener *listener) {
    struct stat ours, there;
    if (listener->file >= 0 && fstat(listener->file, &ours) == 0 &&
        lstat(listener->path, &there) == 0 && ours.st_dev == there.st_dev &&
        ours.st_ino == there.st_ino)
        unlink(listener->path);
    if (listener->file >= 0)
        close(listener->file);
    listener->file = -1;
}

void listeners_close(struct listeners *listeners) {
    for (size_t i = 0; i < listeners->count; i++) {
        struct listener *listener = &listeners->items[i];
        remove_file(listener);
        if (listener->fd >= 0)
            close(listener->fd);
        listener->fd = -1;
    }
}

void listeners_free(struct listeners *listeners) {
    listeners_close(listeners);
    for (size_t i = 0; i < listeners->count; i++) {
        memory_free(listeners->items[i].text);
        memory_free(listeners->items[i].path);
    }
    memory_free(listeners->items);
    *listeners = (struct listeners){0};
}
