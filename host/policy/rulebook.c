#include "policy/rulebook.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/thread.h"

enum { WATCH_MS = 500 };

struct rulebook {
    struct rule_sources sources; /* copies, owned */
    pthread_t watcher;

    /* Held while rules are read and built, so that a reload by hand and one by the watcher do not
     * cross. Taken before the other mutex. */
    pthread_mutex_t loading;
    struct snapshot *seen;          /* the watcher's last reading, when it differed */
    struct snapshot *rejected;      /* the content the last failed load was of */
    char *required;                 /* an engine every generation must have, or NULL */
    void (*swapped)(void *context); /* is told of a new generation, or NULL */
    void *swapped_context;

    pthread_mutex_t mutex; /* of what follows */
    pthread_cond_t changed;
    bool stopping;
    struct generation *current;
    struct rulebook_counters counters;
    struct problems failure; /* empty when the last load was good */
    double failed_at;
};

static char *copy_or_null(const char *text) {
    return text ? memory_string(text) : NULL;
}

static void copy_sources(struct rule_sources *to, const struct rule_sources *from) {
    const char **directories = memory_zero(from->layers.count, sizeof *directories);
    for (size_t i = 0; i < from->layers.count; i++)
        directories[i] = memory_string(from->layers.directories[i]);
    *to = *from;
    to->lua = memory_string(from->lua);
    to->layers.builtin = memory_string(from->layers.builtin);
    to->layers.directories = directories;
    to->variables.pod = copy_or_null(from->variables.pod);
    to->variables.model = copy_or_null(from->variables.model);
}

static void free_sources(struct rule_sources *sources) {
    for (size_t i = 0; i < sources->layers.count; i++)
        memory_free((char *)sources->layers.directories[i]);
    memory_free((const char **)sources->layers.directories);
    memory_free((char *)sources->layers.builtin);
    memory_free((char *)sources->lua);
    memory_free((char *)sources->variables.pod);
    memory_free((char *)sources->variables.model);
}

static const char *plural(size_t count) {
    return count == 1 ? "" : "s";
}

static void log_loaded(const struct generation *generation) {
    size_t engines = generation_engine_count(generation);
    size_t sources = generation_source_count(generation);
    size_t workflows = generation_workflow_count(generation);
    size_t files = generation_files(generation)->count;
    log_info("loaded rules generation %llu: %zu engine%s, %zu source%s, %zu workflow%s from %zu "
             "file%s",
             (unsigned long long)generation_number(generation), engines, plural(engines), sources,
             plural(sources), workflows, plural(workflows), files, plural(files));
}

/* Puts a new generation in the place of the current one. */
static void swap_in(struct rulebook *rulebook, struct generation *next) {
    pthread_mutex_lock(&rulebook->mutex);
    struct generation *last = rulebook->current;
    rulebook->current = next;
    rulebook->counters.generation = generation_number(next);
    rulebook->counters.loaded_at = generation_loaded_at(next);
    rulebook->counters.succeeded++;
    problems_free(&rulebook->failure);
    pthread_mutex_unlock(&rulebook->mutex);
    log_loaded(next);
    generation_unref(last);
}

static void keep_current(struct rulebook *rulebook, struct problems *problems) {
    for (size_t i = 0; i < problems->count; i++)
        log_error("%s", problems->list[i].text);
    pthread_mutex_lock(&rulebook->mutex);
    problems_free(&rulebook->failure);
    rulebook->failure = *problems;
    rulebook->failed_at = clock_wall();
    rulebook->counters.failed++;
    uint64_t number = rulebook->counters.generation;
    pthread_mutex_unlock(&rulebook->mutex);
    log_error("the rules on disk have %zu problem%s; generation %llu stays in use", problems->count,
              plural(problems->count), (unsigned long long)number);
    *problems = (struct problems){0};
}

/* Drops a generation that lacks the required engine, and adds that to problems. */
static struct generation *demand_engine(const struct rulebook *rulebook,
                                        struct generation *generation, struct problems *problems) {
    if (!generation || !rulebook->required || generation_engine(generation, rulebook->required))
        return generation;
    struct error *error = generation_unknown_engine(generation, rulebook->required);
    char *text = memory_format("the engine in use is gone: %s", error->message);
    problems_add_text(problems, "", text);
    memory_free(text);
    error_free(error);
    generation_unref(generation);
    return NULL;
}

/* Builds a generation from a snapshot, whose reference it takes, and swaps it in if it is good. The
 * loading mutex is held. */
static void load(struct rulebook *rulebook, struct snapshot *snapshot) {
    struct problems problems = {0};
    struct rulebook_counters counters = rulebook_counters(rulebook);
    struct snapshot *tried = snapshot_ref(snapshot);
    struct generation *next =
        generation_build(snapshot, &rulebook->sources, counters.generation + 1, &problems);
    next = demand_engine(rulebook, next, &problems);
    snapshot_unref(rulebook->rejected);
    rulebook->rejected = NULL;
    if (next) {
        snapshot_unref(tried);
        swap_in(rulebook, next);
        if (rulebook->swapped)
            rulebook->swapped(rulebook->swapped_context);
    } else {
        rulebook->rejected = tried;
        keep_current(rulebook, &problems);
    }
}

/* Whether a reading is what is loaded, or what was tried last and failed. */
static bool is_known(struct rulebook *rulebook, const struct snapshot *snapshot) {
    if (rulebook->rejected)
        return snapshot_equal(snapshot, rulebook->rejected);
    struct generation *current = rulebook_generation(rulebook);
    bool known = snapshot_equal(snapshot, generation_files(current));
    generation_unref(current);
    return known;
}

/* One look at the files: a change is loaded when it is seen twice. */
static void look(struct rulebook *rulebook) {
    struct snapshot *snapshot = snapshot_read(&rulebook->sources.layers);
    pthread_mutex_lock(&rulebook->loading);
    bool known = is_known(rulebook, snapshot);
    bool settled = rulebook->seen && snapshot_equal(snapshot, rulebook->seen);
    snapshot_unref(rulebook->seen);
    rulebook->seen = NULL;
    if (known)
        snapshot_unref(snapshot);
    else if (settled)
        load(rulebook, snapshot);
    else
        rulebook->seen = snapshot;
    pthread_mutex_unlock(&rulebook->loading);
}

static void *watch(void *context) {
    struct rulebook *rulebook = context;
    for (;;) {
        int64_t until_ms = clock_ms() + WATCH_MS;
        pthread_mutex_lock(&rulebook->mutex);
        while (!rulebook->stopping && clock_ms() < until_ms)
            clock_wait(&rulebook->changed, &rulebook->mutex, until_ms);
        bool stopping = rulebook->stopping;
        pthread_mutex_unlock(&rulebook->mutex);
        if (stopping)
            return NULL;
        look(rulebook);
    }
}

static struct error *describe(const struct problems *problems) {
    if (problems->count == 1)
        return error_new(ERROR_POLICY, NULL, "could not load the rules: %s",
                         problems->list[0].text);
    return error_new(ERROR_POLICY, NULL, "could not load the rules: %zu problems; the first: %s",
                     problems->count, problems->list[0].text);
}

static void release(struct rulebook *rulebook) {
    generation_unref(rulebook->current);
    snapshot_unref(rulebook->seen);
    snapshot_unref(rulebook->rejected);
    problems_free(&rulebook->failure);
    free_sources(&rulebook->sources);
    memory_free(rulebook->required);
    pthread_cond_destroy(&rulebook->changed);
    pthread_mutex_destroy(&rulebook->mutex);
    pthread_mutex_destroy(&rulebook->loading);
    memory_free(rulebook);
}

struct error *rulebook_open(const struct rule_sources *sources, struct generation *first,
                            struct buffer *problems, struct rulebook **out) {
    struct problems found = {0};
    if (first) {
        generation_ref(first);
    } else if (!(first = generation_build(snapshot_read(&sources->layers), sources, 1, &found))) {
        struct error *error = describe(&found);
        if (problems)
            problems_print(&found, problems);
        problems_free(&found);
        return error;
    }
    struct rulebook *rulebook = memory_zero(1, sizeof *rulebook);
    copy_sources(&rulebook->sources, sources);
    rulebook->current = first;
    rulebook->counters.generation = 1;
    rulebook->counters.loaded_at = generation_loaded_at(first);
    pthread_mutex_init(&rulebook->loading, NULL);
    pthread_mutex_init(&rulebook->mutex, NULL);
    clock_condition_init(&rulebook->changed);
    struct error *error = thread_start(&rulebook->watcher, "rules", watch, rulebook);
    if (error) {
        release(rulebook);
        return error;
    }
    *out = rulebook;
    return NULL;
}

void rulebook_close(struct rulebook *rulebook) {
    if (!rulebook)
        return;
    pthread_mutex_lock(&rulebook->mutex);
    rulebook->stopping = true;
    pthread_cond_signal(&rulebook->changed);
    pthread_mutex_unlock(&rulebook->mutex);
    pthread_join(rulebook->watcher, NULL);
    release(rulebook);
}

void rulebook_require(struct rulebook *rulebook, const char *engine) {
    pthread_mutex_lock(&rulebook->loading);
    memory_free(rulebook->required);
    rulebook->required = memory_string(engine);
    pthread_mutex_unlock(&rulebook->loading);
}

void rulebook_watch(struct rulebook *rulebook, void (*changed)(void *context), void *context) {
    pthread_mutex_lock(&rulebook->loading);
    rulebook->swapped = changed;
    rulebook->swapped_context = context;
    pthread_mutex_unlock(&rulebook->loading);
}

struct generation *rulebook_generation(struct rulebook *rulebook) {
    pthread_mutex_lock(&rulebook->mutex);
    struct generation *generation = generation_ref(rulebook->current);
    pthread_mutex_unlock(&rulebook->mutex);
    return generation;
}

void rulebook_reload_now(struct rulebook *rulebook) {
    pthread_mutex_lock(&rulebook->loading);
    load(rulebook, snapshot_read(&rulebook->sources.layers));
    pthread_mutex_unlock(&rulebook->loading);
}

struct rulebook_counters rulebook_counters(struct rulebook *rulebook) {
    pthread_mutex_lock(&rulebook->mutex);
    struct rulebook_counters counters = rulebook->counters;
    pthread_mutex_unlock(&rulebook->mutex);
    return counters;
}

bool rulebook_failure(struct rulebook *rulebook, struct buffer *problems, double *failed_at) {
    pthread_mutex_lock(&rulebook->mutex);
    bool failed = rulebook->failure.count > 0;
    if (failed) {
        problems_print(&rulebook->failure, problems);
        *failed_at = rulebook->failed_at;
    }
    pthread_mutex_unlock(&rulebook->mutex);
    return failed;
}
