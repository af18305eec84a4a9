#include "transfer/download_internal.h"

#include "base/clock.h"
#include "base/memory.h"
#include "base/text.h"
#include "transfer/headers.h"

#include <string.h>

/* Keeps what may stand in a message, printable UTF-8; the rest becomes spaces, one in a row. */
static void clean(struct buffer *text, const char *bytes, size_t length) {
    for (size_t i = 0, size; i < length; i += size) {
        size = text_utf8(bytes + i, length - i);
        unsigned char byte = (unsigned char)bytes[i];
        bool control = byte <= 0x20 || byte == 0x7f ||
                       (size == 2 && byte == 0xc2 && (unsigned char)bytes[i + 1] < 0xa0);
        if (size && !control)
            buffer_append(text, bytes + i, size);
        else if (text->length && text->data[text->length - 1] != ' ')
            buffer_byte(text, ' ');
        size += !size;
    }
}

/* ": excerpt of the body (x-error-code: ...; x-error-message: ...)" */
static void add_reason(struct buffer *text, const struct worker *worker) {
    char name[64], value[EXCERPT_MAX + 1];
    size_t before = text->length;
    if (worker->reply.body.length)
        buffer_string(text, ": ");
    clean(text, worker->reply.body.data, worker->reply.body.length);
    const char *opening = " (", *at = worker->fetch->access->reason_headers;
    for (; at && *at; at += strspn(at, ", ")) {
        size_t length = strcspn(at, ", ");
        if (length < sizeof name) {
            memcpy(name, at, length);
            name[length] = '\0';
            if (http_reply_header(&worker->reply, name, value, sizeof value)) {
                buffer_format(text, "%s%s: ", opening, name);
                clean(text, value, strlen(value));
                opening = "; ";
            }
        }
        at += length;
    }
    if (*opening == ';')
        buffer_byte(text, ')');
    if (text->length == before)
        buffer_string(text, " and nothing else");
}

static enum error_kind kind_of_status(long status) {
    switch (status) {
    case 401:
        return ERROR_UNAUTHORIZED;
    case 403:
        return ERROR_DENIED;
    case 404:
    case 410:
        return ERROR_NOT_FOUND;
    default:
        return ERROR_PROTOCOL;
    }
}

/* What went wrong with the request, and why; for a stall and the like code tells. */
static struct error *describe(const struct worker *worker, CURLcode code) {
    const struct download *download = worker->download;
    const char *method = worker->piece->head ? "HEAD" : "GET";
    char *shown = url_for_people(worker->url);
    struct error *error = NULL;
    if (worker->verdict == VERDICT_REFUSED) {
        struct buffer text = {0};
        add_reason(&text, worker);
        error = error_new(kind_of_status(worker->reply.status), NULL,
                          "%s %s: the server answered with status %ld%s", method, shown,
                          worker->reply.status, buffer_text(&text));
        buffer_free(&text);
    } else if (worker->verdict == VERDICT_WRONG) {
        error = error_new(ERROR_PROTOCOL, NULL, "%s %s: %s", method, shown, worker->why);
    } else if (worker->stalled) {
        error = error_new(ERROR_TIMEOUT, NULL, "%s %s: no byte came for %lld s", method, shown,
                          (long long)((download->config.stall_ms + 999) / 1000));
    } else if (code == CURLE_OK || code == CURLE_PARTIAL_FILE) {
        error = error_new(ERROR_PROTOCOL, NULL, "%s %s: the reply ended early, at byte %lld",
                          method, shown, (long long)worker->piece->at);
    } else {
        error = network_error(&worker->notes, code, method, worker->url);
    }
    memory_free(shown);
    return error;
}

static void fail(struct worker *worker, struct error *cause, const char *more) {
    if (worker->verdict == VERDICT_REFUSED)
        refusal_note(worker);
    download_fail(worker->download, error_new(cause->kind, cause, "could not download '%s'%s",
                                              worker->fetch->file->path, more));
}

static enum retry_cause cause_of(const struct worker *worker, CURLcode code) {
    if (worker->verdict == VERDICT_REFUSED || worker->verdict == VERDICT_WRONG)
        return RETRY_STATUS;
    if (worker->stalled)
        return RETRY_STALL;
    switch (code) {
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_RESOLVE_PROXY:
    case CURLE_COULDNT_CONNECT:
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_OPERATION_TIMEDOUT: /* only connecting has a time-out */
        return RETRY_CONNECT;
    default:
        return RETRY_RESET;
    }
}

/* What the server asks us to wait; -1 if nothing. */
static int64_t asked_ms(const struct worker *worker) {
    char value[128];
    if (worker->verdict != VERDICT_REFUSED)
        return -1;
    int64_t asked = -1;
    if (http_reply_header(&worker->reply, "ratelimit", value, sizeof value))
        asked = header_rate_limit(value);
    if (asked <= 0 && http_reply_header(&worker->reply, "retry-after", value, sizeof value))
        asked = header_retry_after(value, clock_wall());
    return asked;
}

/* A stream that cannot be gone on with: its piece is forgotten, the counts are not. */
static void restart_stream(struct worker *worker, int attempts, int tries, int64_t not_before) {
    struct fetch *fetch = worker->fetch;
    fetch->attempts = attempts;
    fetch->tries = tries;
    fetch->not_before = not_before;
    if (worker->piece->at > fetch->best)
        fetch->best = worker->piece->at;
    fetch_restart(worker->download, fetch);
}

/* Whether the piece, once broken off, has to start from the first byte again. */
static bool must_restart(const struct fetch *fetch, const struct piece *piece) {
    return !piece->head && piece->at > 0 && (fetch->single || fetch->size < 0);
}

static bool made_progress(const struct fetch *fetch, const struct piece *piece) {
    return must_restart(fetch, piece) ? piece->at > fetch->best : piece->at > piece->started;
}

/* The next request asks the file's own URL for the way again. */
static void forget_location(struct worker *worker) {
    struct fetch *fetch = worker->fetch;
    if (!worker->from_cache || !fetch->location || strcmp(fetch->location, worker->url) != 0)
        return;
    memory_free(fetch->location);
    fetch->location = NULL;
}

/* Tries the piece again, at once or after a while, or gives up. */
static void again(struct worker *worker, CURLcode code, bool at_once) {
    struct download *download = worker->download;
    struct fetch *fetch = worker->fetch;
    struct piece *piece = worker->piece;
    int max = download->config.max_attempts;
    struct error *error = fetch_journal(download, fetch, piece);
    if (error) {
        download_fail(download, error);
        return;
    }
    if (made_progress(fetch, piece))
        piece->attempt = 1;
    if (piece->attempt >= max || piece->tries >= max * TRIES_FACTOR) {
        char *more = memory_format(" in %d attempts", piece->tries);
        fail(worker, describe(worker, code), piece->tries > 1 ? more : "");
        memory_free(more);
        return;
    }
    atomic_fetch_add(&download->progress->retries[cause_of(worker, code)], 1);
    piece->attempt++;
    piece->tries++;
    piece->started = piece->at;
    piece->not_before = download->now_ms;
    if (!at_once)
        piece->not_before += retry_delay_ms(piece->attempt, asked_ms(worker));
    if (must_restart(fetch, piece))
        restart_stream(worker, piece->attempt - 1, piece->tries - 1, piece->not_before);
}

/* The source is another than before: once more from the start, with what it is now. */
static void changed(struct worker *worker) {
    struct download *download = worker->download;
    struct fetch *fetch = worker->fetch;
    /* Bytes of an earlier run that are out of date are no change under our eyes. */
    if (!fetch->resumed && ++fetch->changes > 1) {
        char *shown = url_for_people(fetch->file->url);
        download_fail(download,
                      error_new(ERROR_PROTOCOL, NULL,
                                "could not download '%s': %s changes while it is read; run it "
                                "again when nobody writes to it",
                                fetch->file->path, shown));
        memory_free(shown);
        return;
    }
    atomic_fetch_add(&download->progress->retries[RETRY_CHANGED], 1);
    loop_drop(download, fetch);
    fetch->doubted = false;
    fetch_renew(download, fetch, worker->foreign,
                *worker->changed_etag ? worker->changed_etag : NULL, worker->changed_size);
    fetch_restart(download, fetch);
}

/* The file has not the range that was asked for, it says, so it may be another by now: before
 * anything else a HEAD tells. If it is the same, the range is asked for again, for the last time.
 */
static void doubt(struct worker *worker) {
    struct fetch *fetch = worker->fetch;
    loop_drop(worker->download, fetch);
    fetch->doubted = fetch->ask_head = true;
    fetch_add_piece(fetch, 0, 0)->head = true;
}

static void ignored(struct worker *worker) {
    loop_drop(worker->download, worker->fetch);
    worker->fetch->single = true;
    fetch_restart(worker->download, worker->fetch);
}

/* A reply from where an earlier one led may only mean that that way is closed by now. */
static bool is_expired(const struct worker *worker) {
    long status = worker->reply.status;
    return worker->from_cache &&
           (status == 401 || status == 403 || status == 404 || status == 410 || status == 416);
}

static void refused(struct worker *worker, CURLcode code) {
    struct download *download = worker->download;
    struct fetch *fetch = worker->fetch;
    if (header_status_is_passing(worker->reply.status)) {
        again(worker, code, false);
    } else if (is_expired(worker)) {
        forget_location(worker);
        again(worker, code, true);
    } else if (worker->reply.status == 416 && !worker->piece->head && !fetch->doubted) {
        doubt(worker);
    } else if (worker->piece->head) {
        fetch_after_head(download, fetch, worker->piece); /* GET will tell more */
    } else {
        fail(worker, describe(worker, code), "");
    }
}

/* Where the file was found, for its further pieces. */
static void remember(struct worker *worker) {
    struct fetch *fetch = worker->fetch;
    if (worker->hops == 0)
        return;
    memory_free(fetch->location);
    fetch->location = memory_string(worker->url);
    fetch->location_foreign = worker->foreign;
}

static void accepted(struct worker *worker, CURLcode code) {
    struct download *download = worker->download;
    struct fetch *fetch = worker->fetch;
    struct piece *piece = worker->piece;
    remember(worker);
    if (piece->head) {
        if (code == CURLE_OK)
            fetch_after_head(download, fetch, piece);
        else
            again(worker, code, false);
    } else if (code == CURLE_OK && (piece->at == piece->end || fetch->size < 0)) {
        fetch_piece_done(download, fetch, piece);
    } else if (code == CURLE_OK || worker->stalled || network_is_passing(&worker->notes, code)) {
        again(worker, code, false);
    } else {
        fail(worker, describe(worker, code), "");
    }
}

/* Follows a redirect in the same worker. */
static bool follow(struct worker *worker) {
    struct error *error = request_redirect(worker);
    if (!error)
        error = request_send(worker);
    if (error)
        download_fail(worker->download, error);
    return !error;
}

static void unanswered(struct worker *worker, CURLcode code) {
    forget_location(worker); /* the host it leads to may be gone for good */
    if (worker->stalled || network_is_passing(&worker->notes, code))
        again(worker, code, false);
    else
        fail(worker, describe(worker, code), "");
}

static void dispatch(struct worker *worker, CURLcode code) {
    switch (worker->verdict) {
    case VERDICT_ACCEPTED:
        accepted(worker, code);
        break;
    case VERDICT_REFUSED:
        refused(worker, code);
        break;
    case VERDICT_REDIRECT: /* cut off in its body */
    case VERDICT_WRONG:
        again(worker, code, false);
        break;
    case VERDICT_IGNORED:
        ignored(worker);
        break;
    case VERDICT_CHANGED:
        changed(worker);
        break;
    case VERDICT_FAILED:
        download_fail(worker->download, worker->error);
        worker->error = NULL;
        break;
    default:
        unanswered(worker, code);
    }
}

void retry_after(struct worker *worker, CURLcode code) {
    struct download *download = worker->download;
    if (worker->verdict == VERDICT_REDIRECT && code == CURLE_OK && follow(worker))
        return;
    worker->piece->in_flight = false;
    worker->fetch->in_flight--;
    if (!download_stopped(download))
        dispatch(worker, code); /* the piece may be gone now, and the fetch started again */
    error_free(worker->error);
    loop_release(download, worker);
}
