#include "transfer/download_internal.h"

#include "base/memory.h"
#include "base/text.h"
#include "transfer/headers.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static bool get(const struct worker *worker, const char *name, char *value, size_t size) {
    return http_reply_header(&worker->reply, name, value, size);
}

/* The ETag without the mark of a weak one and without quotes; false if there is none. */
static bool get_etag(const struct worker *worker, char etag[ETAG_SIZE]) {
    char text[ETAG_SIZE];
    if (!get(worker, "etag", text, sizeof text))
        return false;
    const char *at = text_starts(text, "W/") ? text + 2 : text;
    size_t length = strlen(at);
    bool quoted = length >= 2 && at[0] == '"' && at[length - 1] == '"';
    snprintf(etag, ETAG_SIZE, "%.*s", (int)(length - 2 * (size_t)quoted), at + quoted);
    return *etag;
}

/* -1 if there is none. */
static int64_t get_length(const struct worker *worker) {
    char text[32], *end;
    if (!get(worker, "content-length", text, sizeof text) || *text < '0' || *text > '9')
        return -1;
    errno = 0;
    long long length = strtoll(text, &end, 10);
    return errno || *end ? -1 : length;
}

/* Takes the first digest that fits, of a reply that speaks of the whole file. */
static void learn_digest(struct worker *worker) {
    const struct plan_access *access = worker->fetch->access;
    char value[ETAG_SIZE], hex[DIGEST_TEXT_SIZE], other[ETAG_SIZE];
    for (size_t i = 0; i < access->digest_count; i++) {
        const struct plan_digest_header *header = &access->digests[i];
        if (!get(worker, header->name, value, sizeof value) ||
            !digest_normalize(header->kind, value, hex))
            continue;
        if (header->unless_name && get(worker, header->unless_name, other, sizeof other) &&
            (!header->unless_value || text_starts(other, header->unless_value)))
            continue;
        fetch_learn_digest(worker->fetch, header->kind, hex);
        return;
    }
}

static enum verdict wrong(struct worker *worker, const char *why) {
    snprintf(worker->why, sizeof worker->why, "%s", why);
    return VERDICT_WRONG;
}

/* The revision that every answer of the file's own origin must be of. A redirect need not say. */
static enum verdict check_pin(struct worker *worker) {
    const struct plan_access *access = worker->fetch->access;
    char value[ETAG_SIZE] = "";
    bool success = worker->reply.status < 300;
    if (!access->pin_name || worker->foreign || worker->reply.status >= 400)
        return VERDICT_ACCEPTED;
    bool found = get(worker, access->pin_name, value, sizeof value);
    if (found ? strcmp(value, access->pin_value) == 0 : !success)
        return VERDICT_ACCEPTED;
    char *shown = url_for_people(worker->url);
    worker->error = error_new(ERROR_PROTOCOL, NULL,
                              "could not download '%s': GET %s: its %s is %s%s%s and should be "
                              "'%s': the source has changed; run it again",
                              worker->fetch->file->path, shown, access->pin_name, found ? "'" : "",
                              found ? value : "missing", found ? "'" : "", access->pin_value);
    memory_free(shown);
    return VERDICT_FAILED;
}

/* Whether the reply is of what was seen before; size -1: it does not say. The ETag of a plan is the
 * origin's: what another host calls the file need only stay the same. */
static enum verdict check_same(struct worker *worker, int64_t size) {
    struct fetch *fetch = worker->fetch;
    char etag[ETAG_SIZE];
    bool found = get_etag(worker, etag);
    const char *expected = fetch->seen;
    if (!expected && !(worker->foreign && fetch->file->etag))
        expected = fetch->etag;
    if (found && expected && strcmp(etag, expected) != 0) {
        memcpy(worker->changed_etag, etag, sizeof etag);
        worker->changed_size = size;
        return VERDICT_CHANGED;
    }
    if (size >= 0 && fetch->size >= 0 && size != fetch->size) {
        snprintf(worker->changed_etag, ETAG_SIZE, "%s", found ? etag : "");
        worker->changed_size = size;
        if (fetch->doubted)
            return VERDICT_CHANGED;
        snprintf(worker->why, sizeof worker->why, "it has %lld bytes and should have %lld",
                 (long long)size, (long long)fetch->size);
        return VERDICT_WRONG;
    }
    if (found && !fetch->seen)
        fetch_learn_etag(fetch, etag);
    return VERDICT_ACCEPTED;
}

static enum verdict judge_head(struct worker *worker) {
    struct fetch *fetch = worker->fetch;
    if (worker->reply.status != 200)
        return VERDICT_REFUSED;
    int64_t length = get_length(worker);
    enum verdict verdict = check_same(worker, length);
    if (verdict == VERDICT_CHANGED && fetch->doubted)
        return verdict;
    if (verdict == VERDICT_CHANGED) /* since it was listed, and nothing is fetched yet */
        fetch_renew(worker->download, fetch, worker->foreign, worker->changed_etag, length);
    else if (verdict != VERDICT_ACCEPTED)
        return verdict;
    if (fetch->size < 0 && length >= 0)
        fetch_learn_size(worker->download, fetch, length);
    learn_digest(worker);
    return VERDICT_ACCEPTED;
}

static enum verdict judge_whole(struct worker *worker) {
    struct fetch *fetch = worker->fetch;
    char text[32];
    if (worker->reply.status != 200)
        return VERDICT_REFUSED;
    if (get(worker, "content-encoding", text, sizeof text) && strcmp(text, "identity") != 0)
        return wrong(worker, "it is compressed, although it was asked not to be");
    int64_t length = get_length(worker);
    enum verdict verdict = check_same(worker, length);
    if (verdict != VERDICT_ACCEPTED)
        return verdict;
    if (fetch->size < 0 && length >= 0) {
        fetch_learn_size(worker->download, fetch, length);
        worker->piece->end = length;
    }
    learn_digest(worker);
    return VERDICT_ACCEPTED;
}

static enum verdict judge_range(struct worker *worker) {
    const struct piece *piece = worker->piece;
    char text[96];
    int64_t first, last, total;
    if (worker->reply.status == 200)
        return VERDICT_IGNORED;
    if (worker->reply.status != 206)
        return VERDICT_REFUSED;
    if (!get(worker, "content-range", text, sizeof text))
        return wrong(worker, "status 206 without a Content-Range");
    if (!header_content_range(text, &first, &last, &total))
        return wrong(worker, "its Content-Range is malformed");
    if (total >= 0 && total != worker->fetch->size)
        return check_same(worker, total);
    if (first != piece->at || last != piece->end - 1)
        return wrong(worker, "its Content-Range is not what was asked for");
    return check_same(worker, -1);
}

static bool is_redirect(long status) {
    return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
}

static enum verdict judge(struct worker *worker) {
    enum verdict verdict = check_pin(worker);
    if (verdict != VERDICT_ACCEPTED)
        return verdict;
    if (is_redirect(worker->reply.status))
        return VERDICT_REDIRECT;
    if (worker->piece->head)
        return judge_head(worker);
    verdict = worker->ranged ? judge_range(worker) : judge_whole(worker);
    if (verdict != VERDICT_ACCEPTED || worker->fetch->part)
        return verdict;
    worker->error = fetch_open_part(worker->download, worker->fetch);
    return worker->error ? VERDICT_FAILED : VERDICT_ACCEPTED;
}

/* Keeps a header line as "name: value\n", the name in lower case. */
static void keep_line(struct buffer *headers, const char *line, size_t length) {
    const char *colon = memchr(line, ':', length);
    if (!colon || headers->length + length > HEADERS_MAX)
        return;
    size_t name = headers->length;
    buffer_append(headers, line, (size_t)(colon - line));
    for (char *c = headers->data + name; c < headers->data + headers->length; c++)
        *c = *c >= 'A' && *c <= 'Z' ? (char)(*c | 0x20) : *c;
    const char *value = colon + 1, *end = line + length;
    while (value < end && (*value == ' ' || *value == '\t'))
        value++;
    while (end > value && (end[-1] == '\r' || end[-1] == '\n' || end[-1] == ' '))
        end--;
    buffer_string(headers, ": ");
    buffer_append(headers, value, (size_t)(end - value));
    buffer_byte(headers, '\n');
}

size_t reply_on_header(char *data, size_t size, size_t count, void *context) {
    struct worker *worker = context;
    size_t length = size * count;
    if (length > 5 && memcmp(data, "HTTP/", 5) == 0) {
        buffer_clear(&worker->reply.headers);
        worker->judged = false;
    } else if (data[0] != '\r' && data[0] != '\n') {
        if (!worker->judged)
            keep_line(&worker->reply.headers, data, length);
    } else if (!worker->judged) {
        curl_easy_getinfo(worker->handle, CURLINFO_RESPONSE_CODE, &worker->reply.status);
        if (worker->reply.status < 200)
            return length;
        worker->judged = true;
        worker->verdict = judge(worker);
        if (worker->verdict >= VERDICT_IGNORED)
            return 0; /* the body is not wanted, and may be long */
    }
    worker->last_ms = worker->download->now_ms;
    return length;
}

static bool accept_body(struct worker *worker, const char *data, size_t length) {
    struct download *download = worker->download;
    struct piece *piece = worker->piece;
    if ((int64_t)length > piece->end - piece->at) {
        worker->verdict = wrong(worker, "it has more bytes than it should");
        return false;
    }
    worker->error = part_write(worker->fetch->part, data, length, piece->at);
    if (!worker->error)
        worker->error = fetch_wrote(download, worker->fetch, piece, (int64_t)length);
    if (worker->error)
        worker->verdict = VERDICT_FAILED;
    download->budget -= (double)length;
    return !worker->error;
}

size_t reply_on_body(char *data, size_t size, size_t count, void *context) {
    struct worker *worker = context;
    size_t length = size * count;
    worker->last_ms = worker->download->now_ms;
    if (worker->verdict == VERDICT_ACCEPTED) {
        /* libcurl reads as long as something comes, which may be many buffers. */
        worker->paused = loop_is_over_rate(worker->download);
        if (worker->paused)
            return CURL_WRITEFUNC_PAUSE;
        return accept_body(worker, data, length) ? length : 0;
    }
    if (worker->reply.body.length < EXCERPT_MAX) {
        size_t room = EXCERPT_MAX - worker->reply.body.length;
        buffer_append(&worker->reply.body, data, length < room ? length : room);
    }
    worker->discarded += (int64_t)length;
    return worker->discarded <= DISCARD_MAX ? length : 0;
}
