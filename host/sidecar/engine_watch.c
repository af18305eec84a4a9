#include "sidecar/engine_watch.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/thread.h"
#include "base/url.h"
#include "sidecar/engine_probe.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

enum {
    DOWN_MS = 500,
    UP_MS = 1000,
    UNCLEAR_MAX = 3, /* probes in a row without an answer after which an engine is down */
    PAGE_MS = 500,   /* between two pages that are looked at */
    NUMBER_MAX = 64, /* bytes of a sample's value */
    STOP_MS = 500,   /* that the stop waits */
};

struct engine_watch {
    struct engine_watch_config config;
    struct url url;
    struct engine_probe probe; /* the thread's */
    pthread_t thread;
    bool started;
    atomic_bool stop;
    atomic_int_fast64_t page_ms; /* when a page was looked at last */
    pthread_mutex_t lock;        /* of what follows */
    pthread_cond_t changed;      /* of hinted, stop and ended */
    bool hinted;                 /* the thread is to look now */
    bool ended;                  /* the thread is about to return */
    struct engine_status status;
    int unclear;       /* probes in a row without an answer */
    uint64_t listener; /* engine_probe's, 0: not known since the engine came up */
    double start_time; /* that the last page told, 0: none since the engine came up */
};

struct error *engine_watch_new(const struct engine_watch_config *config,
                               struct engine_watch **out) {
    struct engine_watch *watch = memory_zero(1, sizeof *watch);
    struct error *error = url_parse(config->url, &watch->url);
    if (error) {
        memory_free(watch);
        return error;
    }
    watch->config = *config;
    watch->config.url = NULL; /* its parts were copied */
    if (watch->config.down_ms <= 0)
        watch->config.down_ms = DOWN_MS;
    if (watch->config.up_ms <= 0)
        watch->config.up_ms = UP_MS;
    watch->probe = (struct engine_probe){.host = watch->url.host, .port = watch->url.port};
    watch->status.since = clock_wall();
    watch->page_ms = INT64_MIN / 2;
    pthread_mutex_init(&watch->lock, NULL);
    clock_condition_init(&watch->changed);
    *out = watch;
    return NULL;
}

/* The engine has come up, or come back. */
static void announce(struct engine_watch *watch) {
    if (watch->config.up)
        watch->config.up(watch->config.context);
}

static void log_change(const struct engine_watch *watch, bool up, bool replaced, uint64_t starts) {
    const struct url *url = &watch->url;
    if (replaced)
        log_warning("the engine at %s:%d was restarted: another socket listens there", url->host,
                    url->port);
    else if (up)
        log_info("the engine at %s:%d is up%s", url->host, url->port, starts > 1 ? " again" : "");
    else
        log_warning("the engine at %s:%d is down: nobody takes connections there", url->host,
                    url->port);
}

/* Takes in what a probe has found. */
static void take_outcome(struct engine_watch *watch, enum probe_outcome outcome) {
    pthread_mutex_lock(&watch->lock);
    bool was_up = watch->status.up;
    bool clear = outcome == PROBE_CONNECTED || outcome == PROBE_REFUSED;
    watch->unclear = clear ? 0 : watch->unclear + 1;
    bool up = outcome == PROBE_CONNECTED || (!clear && was_up && watch->unclear < UNCLEAR_MAX);
    uint64_t listener = outcome == PROBE_CONNECTED ? watch->probe.listener : watch->listener;
    bool replaced = was_up && watch->listener > 0 && listener > 0 && listener != watch->listener;
    bool started = replaced || (up && !was_up);
    if (up != was_up || replaced)
        watch->status.since = clock_wall();
    if (started) {
        watch->status.starts++;
        watch->start_time = 0;
    }
    watch->listener = up ? listener : 0;
    watch->status.up = up;
    uint64_t starts = watch->status.starts;
    pthread_mutex_unlock(&watch->lock);
    if (up != was_up || replaced)
        log_change(watch, up, replaced, starts);
    if (started)
        announce(watch);
}

/* Waits until it is time for the next probe, or somebody has a hint. */
static void rest(struct engine_watch *watch) {
    pthread_mutex_lock(&watch->lock);
    int64_t end = clock_ms() + (watch->status.up ? watch->config.up_ms : watch->config.down_ms);
    while (!atomic_load(&watch->stop) && !watch->hinted && clock_ms() < end)
        clock_wait(&watch->changed, &watch->lock, end);
    watch->hinted = false;
    pthread_mutex_unlock(&watch->lock);
}

static void *look(void *context) {
    struct engine_watch *watch = context;
    while (!atomic_load(&watch->stop)) {
        enum probe_outcome outcome = engine_probe(&watch->probe, &watch->stop);
        if (!atomic_load(&watch->stop)) {
            take_outcome(watch, outcome);
            rest(watch);
        }
    }
    pthread_mutex_lock(&watch->lock);
    watch->ended = true;
    pthread_cond_broadcast(&watch->changed);
    pthread_mutex_unlock(&watch->lock);
    return NULL;
}

struct error *engine_watch_start(struct engine_watch *watch) {
    struct error *error = thread_start(&watch->thread, "engine", look, watch);
    watch->started = !error;
    return error;
}

bool engine_watch_stop(struct engine_watch *watch) {
    if (!watch->started)
        return true;
    int64_t deadline = clock_ms() + STOP_MS;
    pthread_mutex_lock(&watch->lock);
    atomic_store(&watch->stop, true);
    pthread_cond_broadcast(&watch->changed);
    while (!watch->ended && clock_ms() < deadline)
        clock_wait(&watch->changed, &watch->lock, deadline);
    bool ended = watch->ended;
    pthread_mutex_unlock(&watch->lock);
    if (ended)
        pthread_join(watch->thread, NULL);
    else
        pthread_detach(watch->thread);
    watch->started = false;
    return ended;
}

void engine_watch_free(struct engine_watch *watch) {
    if (!watch)
        return;
    engine_probe_clear(&watch->probe);
    url_free(&watch->url);
    pthread_cond_destroy(&watch->changed);
    pthread_mutex_destroy(&watch->lock);
    memory_free(watch);
}

/* The probe has the last word: a call may fail for other reasons, or be told of late. */
void engine_watch_seen(struct engine_watch *watch, bool answered) {
    pthread_mutex_lock(&watch->lock);
    if (answered != watch->status.up) {
        watch->hinted = true;
        pthread_cond_broadcast(&watch->changed);
    }
    pthread_mutex_unlock(&watch->lock);
}

/* The value of the sample that says when the process began; the latest where several processes tell
 * theirs, 0 if there is none. */
static double find_start_time(const char *page, size_t length) {
    static const char name[] = "\nprocess_start_time_seconds";
    const char *at = page, *end = page + length;
    double latest = 0;
    while ((at = memmem(at, (size_t)(end - at), name, sizeof name - 1))) {
        at += sizeof name - 1;
        const char *line_end = memchr(at, '\n', (size_t)(end - at));
        const char *last = line_end ? line_end : end;
        const char *labels_end =
            at < last && *at == '{' ? memrchr(at, '}', (size_t)(last - at)) : NULL;
        const char *value = labels_end ? labels_end + 1 : at;
        char text[NUMBER_MAX];
        size_t size = (size_t)(last - value);
        if (size < 2 || size >= sizeof text || *value != ' ')
            continue;
        memcpy(text, value, size);
        text[size] = '\0';
        double number = strtod(text, NULL);
        latest = number > latest ? number : latest;
    }
    return latest;
}

/* Whether this page is one to look at: scrapes may come by the thousand. */
static bool is_due(struct engine_watch *watch) {
    int_fast64_t now = clock_ms(), last = atomic_load(&watch->page_ms);
    return now - last >= PAGE_MS && atomic_compare_exchange_strong(&watch->page_ms, &last, now);
}

void engine_watch_page(struct engine_watch *watch, const char *page, size_t length) {
    double start_time = is_due(watch) ? find_start_time(page, length) : 0;
    if (start_time <= 0)
        return;
    pthread_mutex_lock(&watch->lock);
    bool restarted = watch->status.up && watch->start_time > 0 && watch->start_time != start_time;
    if (watch->status.up)
        watch->start_time = start_time;
    if (restarted) {
        watch->status.since = clock_wall();
        watch->status.starts++;
        watch->listener = 0; /* the next probe tells the new one, which is no other restart */
    }
    pthread_mutex_unlock(&watch->lock);
    if (restarted) {
        log_warning("the engine at %s:%d was restarted, as its metrics tell", watch->url.host,
                    watch->url.port);
        announce(watch);
    }
}

struct engine_status engine_watch_status(struct engine_watch *watch) {
    pthread_mutex_lock(&watch->lock);
    struct engine_status status = watch->status;
    pthread_mutex_unlock(&watch->lock);
    return status;
}

void engine_watch_collect(void *context, struct metric_writer *writer) {
    struct engine_status status = engine_watch_status(context);
    writer_family(writer, "kthena_runtime_engine_up", METRIC_GAUGE,
                  "Whether the engine takes connections.");
    writer_sample(writer, NULL, NULL, status.up);
    writer_family(writer, "kthena_runtime_engine_starts_total", METRIC_COUNTER,
                  "Times the engine has come up or was restarted.");
    writer_sample(writer, NULL, NULL, (double)status.starts);
}
