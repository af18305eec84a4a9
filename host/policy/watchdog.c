#include "policy/watchdog.h"

#include "base/clock.h"
#include "base/thread.h"

#include <limits.h>

enum { REARM_MS = 10, IDLE_MS = 3600 * 1000 };

static struct {
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    bool started;
    int64_t wakes_ms; /* when the thread looks again by itself */
    struct watch *watches;
} watchdog = {.mutex = PTHREAD_MUTEX_INITIALIZER};

/* Arms what is overdue and returns when to look again. The mutex is held. */
static int64_t patrol(int64_t now_ms) {
    int64_t next_ms = now_ms + IDLE_MS;
    for (struct watch *watch = watchdog.watches; watch; watch = watch->next) {
        int64_t due_ms = watch->deadline_ms;
        if (watch->paused || atomic_load_explicit(&watch->reached, memory_order_relaxed))
            continue;
        if (due_ms <= now_ms) {
            watch->armed = true;
            lua_sethook(watch->lua, watch->hook, LUA_MASKCOUNT, 1);
            due_ms = now_ms + REARM_MS;
        }
        if (due_ms < next_ms)
            next_ms = due_ms;
    }
    return next_ms;
}

static void *run(void *unused) {
    (void)unused;
    pthread_mutex_lock(&watchdog.mutex);
    for (;;) {
        watchdog.wakes_ms = patrol(clock_ms());
        clock_wait(&watchdog.changed, &watchdog.mutex, watchdog.wakes_ms);
    }
    return NULL;
}

/* The mutex is held. */
static struct error *start(void) {
    pthread_t thread;
    if (watchdog.started)
        return NULL;
    clock_condition_init(&watchdog.changed);
    watchdog.wakes_ms = INT64_MAX;
    struct error *error = thread_start(&thread, "watchdog", run, NULL);
    if (error)
        return error;
    pthread_detach(thread);
    watchdog.started = true;
    return NULL;
}

struct error *watchdog_enter(struct watch *watch, lua_State *lua, lua_Hook hook,
                             int64_t deadline_ms) {
    *watch = (struct watch){.lua = lua, .hook = hook, .deadline_ms = deadline_ms};
    atomic_init(&watch->reached, false);
    pthread_mutex_lock(&watchdog.mutex);
    struct error *error = start();
    if (!error) {
        watch->next = watchdog.watches;
        if (watch->next)
            watch->next->link = &watch->next;
        watch->link = &watchdog.watches;
        watchdog.watches = watch;
        if (deadline_ms < watchdog.wakes_ms)
            pthread_cond_signal(&watchdog.changed);
    }
    pthread_mutex_unlock(&watchdog.mutex);
    return error;
}

void watchdog_pause(struct watch *watch) {
    pthread_mutex_lock(&watchdog.mutex);
    if (watch->link) {
        watch->deadline_ms -= clock_ms();
        watch->paused = true;
    }
    pthread_mutex_unlock(&watchdog.mutex);
}

void watchdog_resume(struct watch *watch) {
    pthread_mutex_lock(&watchdog.mutex);
    if (watch->link) {
        watch->deadline_ms += clock_ms();
        watch->paused = false;
        if (watch->deadline_ms < watchdog.wakes_ms)
            pthread_cond_signal(&watchdog.changed);
    }
    pthread_mutex_unlock(&watchdog.mutex);
}

bool watchdog_leave(struct watch *watch) {
    pthread_mutex_lock(&watchdog.mutex);
    *watch->link = watch->next;
    if (watch->next)
        watch->next->link = watch->link;
    watch->link = NULL;
    pthread_mutex_unlock(&watchdog.mutex);
    if (watch->armed)
        lua_sethook(watch->lua, NULL, 0, 0);
    return watch->armed;
}
