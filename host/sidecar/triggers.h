/*
 * Runs workflows that nobody calls: on a timer (`every`), and when something has happened (`on`). A
 * thread of its own waits for the next time and for events, and follows the rules in force. It runs
 * no Lua itself: a run is a job like any other.
 *
 * Of one workflow one triggered run is there at a time. What happens while it waits or runs makes
 * another run after it, one for each kind of event; the timer just skips what it misses. Every run
 * sets the timer anew.
 *
 * It also keeps what the last run of each workflow that guards the readiness said. The sidecar owns
 * one; any thread may call.
 */
#ifndef KTHENA_SIDECAR_TRIGGERS_H
#define KTHENA_SIDECAR_TRIGGERS_H

#include "base/buffer.h"
#include "base/error.h"
#include "jobs/jobs.h"
#include "policy/generation.h"
#include "policy/services.h"

struct triggers;

struct triggers_config {
    /* The rules in force, with a reference. */
    struct generation *(*generation)(void *context);
    /* Submits a run of the workflow; *out has a reference. The trigger is "timer", "start",
     * "engine_up", "rules_changed" or "file_changed". */
    struct error *(*run)(void *context, struct generation *generation,
                         const struct workflow *workflow, const char *trigger, struct job **out);
    void *context;
    const struct setting_value *settings; /* for workflows whose `every` is the name of one */
    size_t setting_count;
};

enum ready_state { READY_YES, READY_NO, READY_UNKNOWN };

/* The configuration is copied, what it points to borrowed. The rules in force are looked at. */
struct triggers *triggers_new(const struct triggers_config *config);

/* Begins to run workflows, first those of the event `start` and those with a timer. */
struct error *triggers_start(struct triggers *triggers) __attribute__((warn_unused_result));

/* Starts no more runs. */
void triggers_stop(struct triggers *triggers);

/* To be called once it has stopped and nobody calls any more. NULL is fine. */
void triggers_free(struct triggers *triggers);

/* Something has happened: events of enum workflow_event. */
void triggers_notify(struct triggers *triggers, unsigned events);

/* A job has ended, of a trigger or not; for struct jobs_config. */
void triggers_ended(struct triggers *triggers, struct job *job);

/* Whether the workflow that guards the readiness under this name is content. If not, *why says what
 * it is not content with; the caller frees it. READY_UNKNOWN: there is no such workflow. */
enum ready_state triggers_ready(struct triggers *triggers, const char *name, char **why);

/* Appends the names under which workflows guard the readiness, separated by commas. */
void triggers_ready_names(struct triggers *triggers, struct buffer *out);

#endif
