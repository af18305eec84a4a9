#include "transfer/download_internal.h"

#include "base/clock.h"
#include "base/memory.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

enum { CONNECT_MS_MAX = 30000, HEAD_BYTES = 4096 };

void request_setup(struct worker *worker) {
    const struct download *download = worker->download;
    CURL *handle = worker->handle = network_handle();
    int64_t connect_ms = download->config.stall_ms;
    if (connect_ms > CONNECT_MS_MAX)
        connect_ms = CONNECT_MS_MAX;
    network_apply(&download->config.network, handle, &worker->notes);
    curl_easy_setopt(handle, CURLOPT_PRIVATE, worker);
    curl_easy_setopt(handle, CURLOPT_WRITEFUNCTION, reply_on_body);
    curl_easy_setopt(handle, CURLOPT_WRITEDATA, worker);
    curl_easy_setopt(handle, CURLOPT_HEADERFUNCTION, reply_on_header);
    curl_easy_setopt(handle, CURLOPT_HEADERDATA, worker);
    curl_easy_setopt(handle, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
    curl_easy_setopt(handle, CURLOPT_CONNECTTIMEOUT_MS, (long)connect_ms);
}

static struct curl_slist *add_header(struct curl_slist *list, const char *name, const char *value) {
    char *line = memory_format(*value ? "%s: %s" : "%s;%s", name, value);
    list = curl_slist_append(list, line);
    memory_free(line);
    return list;
}

static struct curl_slist *make_headers(const struct plan_access *access, bool foreign) {
    /* A decoded body would not be the bytes that were asked for. */
    struct curl_slist *list = curl_slist_append(NULL, "Accept-Encoding: identity");
    for (size_t i = 0; i < access->header_count; i++) {
        const struct http_header *header = &access->headers[i];
        if (!foreign || !header->is_private)
            list = add_header(list, header->name, header->value);
    }
    return list;
}

/* The list that unsigned requests of the access share. */
static struct curl_slist *shared_headers(struct worker *worker) {
    const struct fetch *fetch = worker->fetch;
    struct request_headers *shared = &worker->download->headers[fetch->file->access];
    struct curl_slist **list = worker->foreign ? &shared->foreign : &shared->own;
    if (!*list)
        *list = make_headers(fetch->access, worker->foreign);
    return *list;
}

void request_headers_free(struct download *download) {
    for (size_t i = 0; download->headers && i < download->plan->access_count; i++) {
        curl_slist_free_all(download->headers[i].own);
        curl_slist_free_all(download->headers[i].foreign);
    }
    memory_free(download->headers);
}

/* The request's own list, and its URL as it was signed. */
static struct error *sign(struct worker *worker) {
    const struct plan_access *access = worker->fetch->access;
    struct buffer lines = {0};
    char *canonical = NULL;
    struct signable what = {.method = worker->piece->head ? "HEAD" : "GET",
                            .url = worker->url,
                            .headers = access->headers,
                            .header_count = access->header_count,
                            .wall = clock_wall()};
    struct error *error = signer_sign(access->signer, &what, &lines, &canonical);
    if (!error) {
        struct curl_slist *list = make_headers(access, false);
        char *rest = NULL;
        buffer_text(&lines);
        for (char *line = strtok_r(lines.data, "\r\n", &rest); line;
             line = strtok_r(NULL, "\r\n", &rest))
            list = curl_slist_append(list, line);
        worker->signed_headers = list;
        memory_free(worker->url);
        worker->url = canonical;
    }
    explicit_bzero(lines.data, lines.length);
    buffer_free(&lines);
    return error;
}

/* A whole file is asked for without a range: every server can do that. */
static bool is_ranged(const struct fetch *fetch, const struct piece *piece) {
    return !piece->head && (piece->at > 0 || (fetch->size >= 0 && piece->end < fetch->size));
}

static void set_method(struct worker *worker) {
    const struct piece *piece = worker->piece;
    char range[48];
    worker->ranged = is_ranged(worker->fetch, piece);
    snprintf(range, sizeof range, "%" PRId64 "-%" PRId64, piece->at, piece->end - 1);
    if (piece->head)
        curl_easy_setopt(worker->handle, CURLOPT_NOBODY, 1L);
    else
        curl_easy_setopt(worker->handle, CURLOPT_HTTPGET, 1L);
    curl_easy_setopt(worker->handle, CURLOPT_RANGE, worker->ranged ? range : NULL);
}

/* Large enough to take a small reply at once, and no larger: libcurl makes one for each. */
static long buffer_size(const struct worker *worker) {
    int64_t expected = worker->piece->end - worker->piece->at;
    return expected < worker->download->buffer_bytes - HEAD_BYTES ? (long)expected + HEAD_BYTES
                                                                  : worker->download->buffer_bytes;
}

/* Forgets the reply before; the memory stays. */
static void clear_reply(struct worker *worker) {
    worker->reply.status = 0;
    buffer_clear(&worker->reply.headers);
    buffer_clear(&worker->reply.body);
    worker->discarded = 0;
    worker->judged = worker->stalled = worker->paused = false;
    worker->verdict = VERDICT_NONE;
    worker->why[0] = '\0';
}

struct error *request_send(struct worker *worker) {
    struct download *download = worker->download;
    const struct fetch *fetch = worker->fetch;
    if (!worker->handle)
        request_setup(worker);
    if (!worker->url) {
        worker->from_cache = fetch->location != NULL;
        worker->foreign = fetch->location && fetch->location_foreign;
        worker->hops = 0;
        worker->url = memory_string(fetch->location ? fetch->location : fetch->file->url);
    }
    clear_reply(worker);
    struct curl_slist *headers = NULL;
    if (fetch->access->signer && !worker->foreign) {
        struct error *error = sign(worker);
        if (error)
            return error;
        headers = worker->signed_headers;
    } else {
        headers = shared_headers(worker);
    }
    set_method(worker);
    network_url(&worker->notes, worker->url, worker->foreign);
    curl_easy_setopt(worker->handle, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(worker->handle, CURLOPT_BUFFERSIZE, buffer_size(worker));
    worker->last_ms = download->now_ms;
    if (curl_multi_add_handle(download->multi, worker->handle) != CURLM_OK)
        return error_new(ERROR_IO, NULL, "could not start the request of '%s'", fetch->file->path);
    worker->sent = true;
    return NULL;
}

void request_end(struct worker *worker) {
    curl_slist_free_all(worker->signed_headers);
    worker->signed_headers = NULL;
    memory_free(worker->url);
    worker->url = NULL;
}

/* Whether two absolute URLs have the same scheme, host and port. */
static bool same_origin(const char *left, const char *right) {
    static const CURLUPart parts[] = {CURLUPART_SCHEME, CURLUPART_HOST, CURLUPART_PORT};
    CURLU *a = curl_url(), *b = curl_url();
    bool same = curl_url_set(a, CURLUPART_URL, left, 0) == CURLUE_OK &&
                curl_url_set(b, CURLUPART_URL, right, 0) == CURLUE_OK;
    for (size_t i = 0; same && i < sizeof parts / sizeof *parts; i++) {
        char *x = NULL, *y = NULL;
        curl_url_get(a, parts[i], &x, CURLU_DEFAULT_PORT);
        curl_url_get(b, parts[i], &y, CURLU_DEFAULT_PORT);
        same = x && y && strcasecmp(x, y) == 0;
        curl_free(x);
        curl_free(y);
    }
    curl_url_cleanup(a);
    curl_url_cleanup(b);
    return same;
}

struct error *request_redirect(struct worker *worker) {
    const char *target = NULL, *path = worker->fetch->file->path;
    struct error *error = NULL;
    char *from = url_for_people(worker->url), *to = NULL;
    curl_easy_getinfo(worker->handle, CURLINFO_REDIRECT_URL, &target);
    if (target)
        to = url_for_people(target);
    bool plain = target && strncasecmp(target, "http://", 7) == 0;
    if (!target)
        error = error_new(ERROR_PROTOCOL, NULL,
                          "could not download '%s': GET %s: status %ld without a Location", path,
                          from, worker->reply.status);
    else if (!plain && strncasecmp(target, "https://", 8) != 0)
        error = error_new(ERROR_PROTOCOL, NULL,
                          "could not download '%s': GET %s: it redirects to %s, which is neither "
                          "http nor https",
                          path, from, to);
    else if (plain && strncasecmp(worker->url, "https://", 8) == 0)
        error = error_new(ERROR_PROTOCOL, NULL,
                          "could not download '%s': GET %s: it redirects from https to %s", path,
                          from, to);
    else if (++worker->hops > REDIRECTS_MAX)
        error = error_new(ERROR_PROTOCOL, NULL,
                          "could not download '%s': GET %s: more than %d redirects, at last to %s",
                          path, from, REDIRECTS_MAX, to);
    else {
        /* Once away from the file's own origin, always: its credentials are not for a URL that
         * somebody else has made. */
        worker->foreign = worker->foreign || !same_origin(worker->fetch->file->url, target);
        worker->from_cache = false;
        char *url = memory_string(target);
        request_end(worker);
        worker->url = url;
    }
    memory_free(from);
    memory_free(to);
    return error;
}
