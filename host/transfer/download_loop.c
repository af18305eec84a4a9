#include "transfer/download_internal.h"

#include "base/clock.h"
#include "base/memory.h"

#include <time.h>

enum {
    BUFFER_MAX = 512 * 1024, /* of a connection; what it receives at once is written at once */
    BUFFER_MIN = 1024,
    BUFFERS_BYTES = 8 * 1024 * 1024, /* of all connections */
    RATE_SLICES = 10,                /* the rate holds over this fraction of a second */
    SLOWEST_WORKER = 8 * 1024,       /* bytes a second below which it is not worth a connection */
    STALL_CHECK_MS = 100,
};

static void limit_workers(struct download *download) {
    struct download_config *config = &download->config;
    int64_t buffer = BUFFERS_BYTES / config->max_workers;
    if (config->limit_rate > 0) {
        int64_t most = config->limit_rate / SLOWEST_WORKER;
        if (most < config->max_workers)
            config->max_workers = most < 1 ? 1 : (int)most;
        buffer = config->limit_rate / RATE_SLICES / config->max_workers;
    }
    download->buffer_bytes = (long)(buffer > BUFFER_MAX   ? BUFFER_MAX
                                    : buffer < BUFFER_MIN ? BUFFER_MIN
                                                          : buffer);
    download->small_bytes = config->part_bytes < SMALL_MAX ? config->part_bytes : SMALL_MAX;
    if (download->small_bytes > buffer)
        download->small_bytes = buffer;
}

void loop_start(struct download *download) {
    limit_workers(download);
    size_t count = (size_t)download->config.max_workers;
    download->multi = network_multi();
    curl_multi_setopt(download->multi, CURLMOPT_MAXCONNECTS, (long)count);
    download->headers = memory_zero(download->plan->access_count + 1, sizeof *download->headers);
    download->workers = memory_zero(count, sizeof *download->workers);
    for (size_t i = 0; i < count; i++)
        download->workers[i].download = download;
    download->budget_ns = clock_ns();
}

static void take_out(struct worker *worker) {
    if (worker->sent)
        curl_multi_remove_handle(worker->download->multi, worker->handle);
    worker->sent = worker->paused = false;
}

/* What is written and not told yet, so that the next run goes on from there. That it cannot be told
 * costs the bytes, and the run has its reason to end already. */
static void journal_the_rest(struct download *download) {
    if (download->lost)
        return;
    for (struct fetch *fetch = download->fetches; fetch; fetch = fetch->next) {
        for (struct piece *piece = fetch->pieces; piece; piece = piece->next)
            error_free(fetch_journal(download, fetch, piece));
        if (fetch->untold)
            error_free(journal_written(download->journal, fetch->file->path, 0, fetch->size));
    }
}

void loop_end(struct download *download) {
    journal_the_rest(download);
    for (int i = 0; download->workers && i < download->config.max_workers; i++) {
        struct worker *worker = &download->workers[i];
        take_out(worker);
        request_end(worker);
        if (worker->handle)
            curl_easy_cleanup(worker->handle);
        http_reply_free(&worker->reply);
    }
    atomic_store(&download->progress->connections, 0);
    fetch_free_all(download);
    request_headers_free(download);
    memory_free(download->workers);
    if (download->multi)
        curl_multi_cleanup(download->multi);
}

void loop_release(struct download *download, struct worker *worker) {
    request_end(worker);
    worker->fetch = NULL;
    worker->piece = NULL;
    worker->error = NULL;
    download->busy--;
    atomic_fetch_sub(&download->progress->connections, 1);
}

void loop_drop(struct download *download, const struct fetch *fetch) {
    for (int i = 0; i < download->config.max_workers; i++) {
        struct worker *worker = &download->workers[i];
        if (!worker->sent || worker->fetch != fetch)
            continue;
        take_out(worker);
        worker->piece->in_flight = false;
        worker->fetch->in_flight--;
        loop_release(download, worker);
    }
}

static struct worker *idle_worker(struct download *download) {
    struct worker *worker = download->workers;
    while (worker->fetch)
        worker++;
    return worker;
}

static void assign(struct download *download, struct fetch *fetch, struct piece *piece) {
    struct worker *worker = idle_worker(download);
    worker->fetch = fetch;
    worker->piece = piece;
    piece->in_flight = true;
    piece->journal_ms = download->now_ms;
    fetch->in_flight++;
    download->busy++;
    atomic_fetch_add(&download->progress->connections, 1);
    struct error *error = request_send(worker);
    if (!error)
        return;
    download_fail(download, error);
    piece->in_flight = false;
    fetch->in_flight--;
    loop_release(download, worker);
}

/* Gives idle workers pieces of the file, up to a limit. */
static void serve(struct download *download, struct fetch *fetch, int limit) {
    struct piece *piece;
    while (download->busy < download->config.max_workers && !download_stopped(download) &&
           (piece = fetch_next_piece(download, fetch, limit)))
        assign(download, fetch, piece);
}

/* Whether other files than this one wait for a worker. */
static bool others_wait(const struct download *download, const struct fetch *fetch) {
    if (download->remote_next < download->remote_count)
        return true;
    for (const struct fetch *other = download->fetches; other; other = other->next)
        if (other != fetch && !fetch_is_whole(other))
            return true;
    return false;
}

/*
 * The largest file first, but only with half of the workers, so that a slow one does not hold up
 * the others and hashers have more than one file to follow; then the next ones. Workers that are
 * left over are anybody's, all but one while other files wait.
 */
static void schedule(struct download *download) {
    int workers = download->config.max_workers, half = (workers + 1) / 2;
    for (struct fetch *fetch = download->fetches; fetch; fetch = fetch->next)
        serve(download, fetch, half);
    while (download->busy < workers && download->remote_next < download->remote_count &&
           download->fetch_count < workers + PARTS_SPARE && !download_stopped(download)) {
        struct fetch **added = download->fetches_end;
        fetch_begin(download, download->remote[download->remote_next++]);
        serve(download, *added, half);
    }
    for (struct fetch *fetch = download->fetches; fetch && workers > 1; fetch = fetch->next)
        serve(download, fetch, others_wait(download, fetch) ? workers - 1 : workers);
}

bool loop_is_over_rate(const struct download *download) {
    return download->config.limit_rate > 0 && download->budget < 0;
}

/* Sleeps while more has come than limit_rate allows: then TCP holds back the senders. */
static bool throttle(struct download *download) {
    int64_t rate = download->config.limit_rate, now = clock_ns();
    if (rate <= 0)
        return false;
    double most = (double)rate / RATE_SLICES;
    download->budget += (double)(now - download->budget_ns) / 1e9 * (double)rate;
    download->budget_ns = now;
    if (download->budget > most)
        download->budget = most;
    if (!loop_is_over_rate(download))
        return false;
    double wait = -download->budget / (double)rate, longest = 1.0 / RATE_SLICES;
    if (wait > longest)
        wait = longest;
    nanosleep(&(struct timespec){.tv_nsec = (long)(wait * 1e9)}, NULL);
    return true;
}

/* Lets the workers go on that had to wait, in turns. */
static void unpause(struct download *download) {
    unsigned count = (unsigned)download->config.max_workers;
    unsigned first = download->turn++;
    for (unsigned i = 0; i < count && !loop_is_over_rate(download); i++) {
        struct worker *worker = &download->workers[(first + i) % count];
        if (!worker->paused)
            continue;
        worker->paused = false;
        CURLcode code = curl_easy_pause(worker->handle, CURLPAUSE_CONT);
        if (code == CURLE_OK)
            continue;
        take_out(worker);
        retry_after(worker, code);
    }
}

static bool reap(struct download *download) {
    int left;
    bool any = false;
    CURLMsg *message;
    while ((message = curl_multi_info_read(download->multi, &left))) {
        struct worker *worker = NULL;
        CURLcode code = message->data.result;
        curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, (char **)&worker);
        take_out(worker);
        retry_after(worker, code);
        any = true;
    }
    return any;
}

static void cut_stalled(struct download *download) {
    if (download->now_ms < download->stalls_ms + STALL_CHECK_MS)
        return;
    download->stalls_ms = download->now_ms;
    for (int i = 0; i < download->config.max_workers; i++) {
        struct worker *worker = &download->workers[i];
        if (!worker->sent || download->now_ms - worker->last_ms < download->config.stall_ms)
            continue;
        take_out(worker);
        worker->stalled = true;
        retry_after(worker, CURLE_OPERATION_TIMEDOUT);
    }
}

/* Until when nothing will happen by itself. */
static int pause_ms(const struct download *download) {
    int64_t pause = LOOP_MS;
    for (const struct fetch *fetch = download->fetches; fetch; fetch = fetch->next) {
        if (fetch->not_before > download->now_ms && fetch->not_before - download->now_ms < pause)
            pause = fetch->not_before - download->now_ms;
        for (const struct piece *piece = fetch->pieces; piece; piece = piece->next)
            if (!piece->in_flight && piece->not_before > download->now_ms &&
                piece->not_before - download->now_ms < pause)
                pause = piece->not_before - download->now_ms;
    }
    return (int)pause;
}

static void rest(struct download *download) {
    atomic_store(&download->loop_hungry, download->busy < download->config.max_workers);
    if (!part_any_finished(download) && !download_stopped(download))
        curl_multi_poll(download->multi, NULL, 0, pause_ms(download), NULL);
    atomic_store(&download->loop_hungry, false);
}

/* What ends the run from outside. */
static struct error *check_outside(struct download *download) {
    const atomic_bool *cancel = download->config.cancel;
    if (cancel && atomic_load(cancel))
        return error_new(ERROR_CANCELLED, NULL, "the download was cancelled");
    struct error *error = lock_check(download->config.lock);
    download->lost = error != NULL;
    return error;
}

void loop_run(struct download *download) {
    while (download->left > 0 && !download_stopped(download)) {
        struct part *part;
        int running;
        download->now_ms = clock_ms();
        struct error *error = check_outside(download);
        if (error) {
            download_fail(download, error);
            break;
        }
        while ((part = part_take_finished(download)))
            fetch_finished(download, part);
        schedule(download);
        if (download_stopped(download) || throttle(download))
            continue;
        unpause(download);
        curl_multi_perform(download->multi, &running);
        bool any = reap(download);
        cut_stalled(download);
        if (!any && download->left > 0 && !loop_is_over_rate(download))
            rest(download);
    }
}
