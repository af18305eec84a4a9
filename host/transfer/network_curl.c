#include "transfer/network_curl.h"

#include "base/memory.h"
#include "transfer/guard.h"

#include <arpa/inet.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

static pthread_once_t curl_once = PTHREAD_ONCE_INIT;

static void curl_start(void) {
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
        abort();
}

CURL *network_handle(void) {
    pthread_once(&curl_once, curl_start);
    CURL *handle = curl_easy_init();
    if (!handle)
        abort();
    return handle;
}

CURLM *network_multi(void) {
    pthread_once(&curl_once, curl_start);
    CURLM *multi = curl_multi_init();
    if (!multi)
        abort();
    return multi;
}

/* The host, and the port if one is named, in canonical spelling; NULL for none. The caller frees
 * them with curl_free. */
static void split_url(const char *url, char **host, char **port) {
    *host = *port = NULL;
    CURLU *parsed = curl_url();
    if (parsed && curl_url_set(parsed, CURLUPART_URL, url, CURLU_DEFAULT_SCHEME) == CURLUE_OK) {
        curl_url_get(parsed, CURLUPART_HOST, host, 0);
        curl_url_get(parsed, CURLUPART_PORT, port, 0);
    }
    curl_url_cleanup(parsed);
}

static const char *url_of(const struct network_notes *notes) {
    char *url = NULL;
    curl_easy_getinfo(notes->handle, CURLINFO_EFFECTIVE_URL, &url);
    return url;
}

static bool is_guarded(const struct network_notes *notes) {
    const struct network *network = notes->network;
    if (!network->allows)
        return network->guarded;
    const char *url = url_of(notes);
    return (network->guarded || notes->away) &&
           !(url && network->allows(network->allows_context, url));
}

/* Notes an address or name the URL itself has; through a proxy no other check would see it. */
static bool url_is_refused(struct network_notes *notes) {
    const char *url = url_of(notes);
    char *host = NULL, *port = NULL;
    if (url)
        split_url(url, &host, &port);
    const char *why = host ? guard_host(host) : NULL;
    if (why)
        snprintf(notes->refused, sizeof notes->refused, "its host %.60s is %s", host, why);
    curl_free(host);
    curl_free(port);
    return why != NULL;
}

/* Whether a proxy's URL leads to the address, which is one the guard forbids. */
static bool proxy_is_at(const char *proxy, const char *address, int port) {
    char *host = NULL, *text = NULL;
    split_url(proxy, &host, &text);
    int own_port = strncasecmp(proxy, "https:", 6) == 0 ? 443 : 1080; /* libcurl's defaults */
    if (text)
        own_port = atoi(text);
    bool found = false;
    if (host && own_port == port) {
        size_t bracket = host[0] == '[', length = strcspn(host + bracket, "]");
        found = strcasecmp(host, "localhost") == 0 ||
                (strlen(address) == length && memcmp(host + bracket, address, length) == 0);
    }
    curl_free(host);
    curl_free(text);
    return found;
}

/* Whether the socket leads to one of the environment's proxies, which whoever runs this process put
 * there: a proxy on the same machine is a common thing. */
static bool is_proxy(const char *address, int port) {
    static const char *const names[] = {"http_proxy",  "HTTP_PROXY", "https_proxy",
                                        "HTTPS_PROXY", "all_proxy",  "ALL_PROXY"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        const char *proxy = getenv(names[i]);
        if (proxy && *proxy && proxy_is_at(proxy, address, port))
            return true;
    }
    return false;
}

static int port_of(const struct curl_sockaddr *address) {
    in_port_t port = 0; /* at the same place for both families */
    memcpy(&port, (const char *)&address->addr + offsetof(struct sockaddr_in, sin_port),
           sizeof port);
    return ntohs(port);
}

static curl_socket_t open_socket(void *context, curlsocktype purpose,
                                 struct curl_sockaddr *address) {
    struct network_notes *notes = context;
    bool guarded = is_guarded(notes);
    (void)purpose;
    if (guarded && url_is_refused(notes))
        return CURL_SOCKET_BAD;
    const char *why = guarded ? guard_address(&address->addr, address->addrlen) : NULL;
    if (why) {
        char text[GUARD_TEXT_SIZE];
        guard_text(&address->addr, address->addrlen, text);
        if (notes->network->direct || !is_proxy(text, port_of(address))) {
            snprintf(notes->refused, sizeof notes->refused, "its host resolved to %s, %s", text,
                     why);
            return CURL_SOCKET_BAD;
        }
    }
    return socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
}

/* A connection to a proxy that is used again opens no socket. */
static int before_request(void *context, char *address, char *local, int port, int local_port) {
    (void)address;
    (void)local;
    (void)port;
    (void)local_port;
    return is_guarded(context) && url_is_refused(context) ? CURL_PREREQFUNC_ABORT
                                                          : CURL_PREREQFUNC_OK;
}

void network_apply(const struct network *network, CURL *handle, struct network_notes *notes) {
    notes->network = network;
    notes->handle = handle;
    notes->detail[0] = notes->refused[0] = '\0';
    curl_easy_setopt(handle, CURLOPT_USERAGENT, network->user_agent);
    curl_easy_setopt(handle, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(handle, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    curl_easy_setopt(handle, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(handle, CURLOPT_PATH_AS_IS, 1L);
    /* A slow resolver's thread is left behind when time is up; otherwise curl waits for it. */
    curl_easy_setopt(handle, CURLOPT_QUICK_EXIT, 1L);
    curl_easy_setopt(handle, CURLOPT_ERRORBUFFER, notes->detail);
    if (network->direct)
        curl_easy_setopt(handle, CURLOPT_NOPROXY, "*");
    if (network->ca_file) {
        curl_easy_setopt(handle, CURLOPT_CAINFO, network->ca_file);
        curl_easy_setopt(handle, CURLOPT_CAPATH, NULL);
    }
    if (network->insecure) {
        curl_easy_setopt(handle, CURLOPT_SSL_VERIFYPEER, 0L);
        curl_easy_setopt(handle, CURLOPT_SSL_VERIFYHOST, 0L);
    }
    if (network->guarded || network->allows) {
        curl_easy_setopt(handle, CURLOPT_OPENSOCKETFUNCTION, open_socket);
        curl_easy_setopt(handle, CURLOPT_OPENSOCKETDATA, notes);
        curl_easy_setopt(handle, CURLOPT_PREREQFUNCTION, before_request);
        curl_easy_setopt(handle, CURLOPT_PREREQDATA, notes);
    }
}

/* libcurl takes HTTP_PROXY in lower case only, for the sake of CGI programs. */
static const char *upper_case_proxy(const char *url) {
    const char *lower = getenv("http_proxy");
    if (strncasecmp(url, "http://", 7) != 0 || (lower && *lower))
        return NULL;
    const char *upper = getenv("HTTP_PROXY");
    return upper && *upper ? upper : NULL;
}

void network_url(struct network_notes *notes, const char *url, bool away) {
    notes->away = away;
    notes->detail[0] = notes->refused[0] = '\0';
    curl_easy_setopt(notes->handle, CURLOPT_URL, url);
    if (!notes->network->direct)
        curl_easy_setopt(notes->handle, CURLOPT_PROXY, upper_case_proxy(url));
}

static enum error_kind kind_of(CURLcode code) {
    switch (code) {
    case CURLE_OPERATION_TIMEDOUT:
        return ERROR_TIMEOUT;
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_RESOLVE_PROXY:
    case CURLE_COULDNT_CONNECT:
    case CURLE_PROXY:
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_PEER_FAILED_VERIFICATION:
        return ERROR_UNREACHABLE;
    case CURLE_PARTIAL_FILE:
    case CURLE_GOT_NOTHING:
    case CURLE_RECV_ERROR:
    case CURLE_SEND_ERROR:
    case CURLE_WEIRD_SERVER_REPLY:
    case CURLE_UNSUPPORTED_PROTOCOL:
    case CURLE_BAD_CONTENT_ENCODING:
        return ERROR_PROTOCOL;
    case CURLE_URL_MALFORMAT:
        return ERROR_INVALID;
    default:
        return ERROR_IO;
    }
}

static bool is_refused(const struct network_notes *notes, CURLcode code) {
    return notes->refused[0] &&
           (code == CURLE_COULDNT_CONNECT || code == CURLE_ABORTED_BY_CALLBACK);
}

struct error *network_error(const struct network_notes *notes, CURLcode code, const char *method,
                            const char *url) {
    char *shown = url_for_people(url);
    struct error *error = NULL;
    char text[128];
    long number = 0; /* of an earlier transfer unless it is connecting that failed */
    if (code == CURLE_COULDNT_CONNECT)
        curl_easy_getinfo(notes->handle, CURLINFO_OS_ERRNO, &number);
    const char *why = number ? strerror_r((int)number, text, sizeof text) : NULL;
    const char *detail = *notes->detail ? notes->detail : curl_easy_strerror(code);
    if (is_refused(notes, code))
        error = error_new(ERROR_DENIED, NULL,
                          "%s %s: %s, which must not be reached on a request's behalf; if it is "
                          "meant, name it with --allow-source",
                          method, shown, notes->refused);
    else if (code == CURLE_SSL_CACERT_BADFILE && access(notes->network->ca_file, R_OK) != 0)
        error = error_errno(ERROR_IO, "%s %s: could not read the CA certificates of '%s'", method,
                            shown, notes->network->ca_file);
    else
        error = error_new(kind_of(code), NULL, "%s %s: %s%s%s", method, shown, detail,
                          why ? ": " : "", why ? why : "");
    memory_free(shown);
    return error;
}

bool network_is_passing(const struct network_notes *notes, CURLcode code) {
    switch (code) {
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_RESOLVE_PROXY:
    case CURLE_COULDNT_CONNECT:
    case CURLE_OPERATION_TIMEDOUT:
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_PARTIAL_FILE:
    case CURLE_GOT_NOTHING:
    case CURLE_SEND_ERROR:
    case CURLE_RECV_ERROR:
    case CURLE_WEIRD_SERVER_REPLY:
        return !is_refused(notes, code);
    case CURLE_UNSUPPORTED_PROTOCOL: /* no HTTP: of something on the way, or in disorder */
        return strstr(notes->detail, "HTTP/0.9") != NULL;
    default:
        return false;
    }
}

char *url_for_people(const char *url) {
    const char *scheme = strstr(url, "://");
    size_t end = strcspn(url, "?#");
    const char *start = scheme && (size_t)(scheme - url) < end ? scheme + 3 : url;
    size_t authority = strcspn(start, "/?#");
    const char *at = memrchr(start, '@', authority);
    const char *rest = at ? at + 1 : start;
    return memory_format("%.*s%.*s", (int)(start - url), url, (int)(url + end - rest), rest);
}
