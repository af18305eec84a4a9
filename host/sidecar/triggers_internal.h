/*
 * What triggers.c, which runs the workflows, and trigger_schedule.c, which keeps what is known of
 * each, share. Private to the two.
 */
#ifndef KTHENA_SIDECAR_TRIGGERS_INTERNAL_H
#define KTHENA_SIDECAR_TRIGGERS_INTERNAL_H

#include "sidecar/triggers.h"

#include <pthread.h>

/* A workflow that is started by itself or guards the readiness. It stays known when the rules in
 * force lack it, for it may come back. */
struct trigger {
    struct trigger *next;
    char *name;
    bool in_force;
    unsigned events;  /* that start it */
    double every;     /* seconds, 0: no timer */
    int64_t next_ms;  /* of the timer */
    unsigned pending; /* events that want a run */
    int64_t retry_ms; /* not to be started before, 0: at any time */
    bool failing;     /* the last start failed, which was logged */
    struct job *job;  /* that has not ended, with a reference; NULL: none */
    char *guards;     /* name of the readiness it guards, NULL: none */
    bool is_ready;    /* as its last run said */
    char *detail;     /* what it said with that, NULL: nothing, or it has not run */
    bool has_run;
};

struct triggers {
    struct triggers_config config;
    pthread_t thread;
    bool started;
    pthread_mutex_t lock; /* of what follows, and of the list */
    pthread_cond_t changed;
    bool stopping;
    bool rules_changed;
    uint64_t generation; /* whose workflows are known; 0: none */
    struct trigger *list;
};

/* The rest is called with the lock held. */

/* Takes over what the workflows of a generation say. The first generation makes the event `start`,
 * each other one `rules_changed`. */
void schedule_follow(struct triggers *triggers, const struct generation *generation);

/* The workflow whose turn it is, NULL if there is none; then *wait_ms is until when (monotonic)
 * there is nothing to do, INT64_MAX without end. */
struct trigger *schedule_next(const struct triggers *triggers, int64_t now_ms, int64_t *wait_ms);

/* Notes that a run begins, and says what triggers it. */
const char *schedule_begin(struct trigger *trigger, int64_t now_ms);

/* Notes that the run could not begin for the reason that trigger was; it is tried again. */
void schedule_retry(struct trigger *trigger, const char *word, int64_t now_ms);

/* Notes what a run has come to. */
void schedule_result(struct trigger *trigger, struct job *job);

struct trigger *schedule_find(const struct triggers *triggers, const char *name);
void schedule_free(struct triggers *triggers);

#endif
