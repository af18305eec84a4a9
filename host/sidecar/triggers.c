#include "sidecar/triggers.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/thread.h"
#include "sidecar/triggers_internal.h"

#include <string.h>

/* Takes over the rules in force. */
static void follow(struct triggers *triggers) {
    struct generation *generation = triggers->config.generation(triggers->config.context);
    pthread_mutex_lock(&triggers->lock);
    schedule_follow(triggers, generation);
    pthread_mutex_unlock(&triggers->lock);
    generation_unref(generation);
}

struct triggers *triggers_new(const struct triggers_config *config) {
    struct triggers *triggers = memory_zero(1, sizeof *triggers);
    triggers->config = *config;
    pthread_mutex_init(&triggers->lock, NULL);
    clock_condition_init(&triggers->changed);
    follow(triggers);
    return triggers;
}

/* The run has become a job, which may have ended already. With the lock held. */
static void take_job(struct trigger *trigger, struct job *job) {
    trigger->failing = false;
    if (job_is_finished(job_state(job)))
        job_unref(job);
    else
        trigger->job = job;
}

/* The run could not begin, which is said once, and at the process's end is as it must be. Takes
 * over the error. With the lock held. */
static void take_refusal(struct trigger *trigger, const char *word, struct error *error) {
    if (error->kind == ERROR_OVERLOAD)
        schedule_retry(trigger, word, clock_ms());
    bool known = trigger->failing || error->kind == ERROR_CANCELLED;
    log_error_free(known ? LOG_DEBUG : LOG_WARNING, error, "workflow %s could not be started (%s)",
                   trigger->name, word);
    trigger->failing = true;
}

/* Starts a run. The lock is held before and after, and not while the call is made a job: that asks
 * for the jobs' lock and may look at files. A trigger is never removed meanwhile. */
static void run(struct triggers *triggers, struct trigger *trigger) {
    const struct triggers_config *config = &triggers->config;
    const char *word = schedule_begin(trigger, clock_ms());
    struct job *job = NULL;
    struct error *error = NULL;
    pthread_mutex_unlock(&triggers->lock);
    struct generation *generation = config->generation(config->context);
    const struct workflow *workflow = generation_workflow(generation, trigger->name);
    if (workflow)
        error = config->run(config->context, generation, workflow, word, &job);
    generation_unref(generation);
    pthread_mutex_lock(&triggers->lock);
    if (job)
        take_job(trigger, job);
    else if (error)
        take_refusal(trigger, word, error);
}

/* One thing at a time. With the lock held. */
static void step(struct triggers *triggers) {
    int64_t now = clock_ms(), until;
    struct trigger *due;
    if (triggers->rules_changed) {
        triggers->rules_changed = false;
        pthread_mutex_unlock(&triggers->lock);
        follow(triggers);
        pthread_mutex_lock(&triggers->lock);
    } else if ((due = schedule_next(triggers, now, &until))) {
        run(triggers, due);
    } else if (until == INT64_MAX) {
        pthread_cond_wait(&triggers->changed, &triggers->lock);
    } else {
        clock_wait(&triggers->changed, &triggers->lock, until);
    }
}

static void *serve(void *context) {
    struct triggers *triggers = context;
    pthread_mutex_lock(&triggers->lock);
    while (!triggers->stopping)
        step(triggers);
    pthread_mutex_unlock(&triggers->lock);
    return NULL;
}

struct error *triggers_start(struct triggers *triggers) {
    struct error *error = thread_start(&triggers->thread, "triggers", serve, triggers);
    triggers->started = !error;
    return error;
}

void triggers_stop(struct triggers *triggers) {
    if (!triggers->started)
        return;
    pthread_mutex_lock(&triggers->lock);
    triggers->stopping = true;
    pthread_cond_broadcast(&triggers->changed);
    pthread_mutex_unlock(&triggers->lock);
    pthread_join(triggers->thread, NULL);
    triggers->started = false;
}

void triggers_free(struct triggers *triggers) {
    if (!triggers)
        return;
    schedule_free(triggers);
    pthread_cond_destroy(&triggers->changed);
    pthread_mutex_destroy(&triggers->lock);
    memory_free(triggers);
}

/* What changed rules want started is only known once they have been looked at. */
void triggers_notify(struct triggers *triggers, unsigned events) {
    pthread_mutex_lock(&triggers->lock);
    if (events & WORKFLOW_ON_RULES_CHANGED)
        triggers->rules_changed = true;
    for (struct trigger *trigger = triggers->list; trigger; trigger = trigger->next)
        trigger->pending |= events & trigger->events & ~(unsigned)WORKFLOW_ON_RULES_CHANGED;
    pthread_cond_broadcast(&triggers->changed);
    pthread_mutex_unlock(&triggers->lock);
}

/* Of a run that was missed meanwhile the timer makes up nothing: it goes on in its own time. */
static void skip_missed(struct trigger *trigger) {
    int64_t late = clock_ms() - trigger->next_ms, pace = (int64_t)(trigger->every * 1000);
    if (pace > 0 && late >= 0)
        trigger->next_ms += (late / pace + 1) * pace;
}

void triggers_ended(struct triggers *triggers, struct job *job) {
    struct job *ended = NULL;
    pthread_mutex_lock(&triggers->lock);
    struct trigger *trigger = schedule_find(triggers, job_kind(job));
    if (trigger && trigger->guards)
        schedule_result(trigger, job);
    if (trigger && trigger->job == job) {
        ended = trigger->job;
        trigger->job = NULL;
        skip_missed(trigger);
        pthread_cond_broadcast(&triggers->changed);
    }
    pthread_mutex_unlock(&triggers->lock);
    job_unref(ended);
}

static struct trigger *find_guard(const struct triggers *triggers, const char *name) {
    struct trigger *trigger = triggers->list;
    while (trigger && (!trigger->guards || strcmp(trigger->guards, name) != 0))
        trigger = trigger->next;
    return trigger;
}

enum ready_state triggers_ready(struct triggers *triggers, const char *name, char **why) {
    enum ready_state state = READY_UNKNOWN;
    *why = NULL;
    pthread_mutex_lock(&triggers->lock);
    const struct trigger *guard = find_guard(triggers, name);
    if (guard)
        state = guard->is_ready ? READY_YES : READY_NO;
    if (state == READY_NO)
        *why = memory_string(guard->detail    ? guard->detail
                             : guard->has_run ? "not ready"
                                              : "has not run yet");
    pthread_mutex_unlock(&triggers->lock);
    return state;
}

void triggers_ready_names(struct triggers *triggers, struct buffer *out) {
    const char *separator = "";
    pthread_mutex_lock(&triggers->lock);
    for (const struct trigger *trigger = triggers->list; trigger; trigger = trigger->next) {
        if (trigger->guards) {
            buffer_format(out, "%s%s", separator, trigger->guards);
            separator = ", ";
        }
    }
    pthread_mutex_unlock(&triggers->lock);
}
