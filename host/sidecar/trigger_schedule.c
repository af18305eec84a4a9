/* What is known of each workflow that starts by itself: when its turn is, and what its last run
 * said. */
#include "base/clock.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/options.h"
#include "sidecar/triggers_internal.h"

#include <cjson/cJSON.h>
#include <string.h>

enum { RETRY_MS = 1000 };

/* The events in the order in which they are served, and what a run is told of each. */
static const struct {
    unsigned event;
    const char *word;
} words[] = {{WORKFLOW_ON_START, "start"},
             {WORKFLOW_ON_ENGINE_UP, "engine_up"},
             {WORKFLOW_ON_RULES_CHANGED, "rules_changed"},
             {WORKFLOW_ON_FILE_CHANGED, "file_changed"}};
enum { WORDS = sizeof words / sizeof *words };

struct trigger *schedule_find(const struct triggers *triggers, const char *name) {
    struct trigger *trigger = triggers->list;
    while (trigger && strcmp(trigger->name, name) != 0)
        trigger = trigger->next;
    return trigger;
}

/* The text of a setting: as it was given, else its default, else NULL. */
static const char *setting_text(const struct triggers *triggers, const struct workflow *workflow,
                                const char *name) {
    const struct triggers_config *config = &triggers->config;
    for (size_t i = 0; i < config->setting_count; i++)
        if (strcmp(config->settings[i].name, name) == 0 && config->settings[i].text)
            return config->settings[i].text;
    for (size_t i = 0; i < workflow->setting_count; i++)
        if (strcmp(workflow->settings[i].name, name) == 0)
            return workflow->settings[i].fallback;
    return NULL;
}

/* The seconds between two runs by the timer. */
static double seconds_of(const struct triggers *triggers, const struct workflow *workflow) {
    double seconds = 0;
    if (!workflow->every_setting)
        return workflow->every;
    const char *text = setting_text(triggers, workflow, workflow->every_setting);
    if (text && !options_read_seconds(text, &seconds))
        log_warning("workflow %s: the setting %s is '%s', which is no duration; its timer is off",
                    workflow->name, workflow->every_setting, text);
    return seconds;
}

static struct trigger *trigger_of(struct triggers *triggers, const char *name) {
    struct trigger *trigger = schedule_find(triggers, name);
    if (trigger)
        return trigger;
    trigger = memory_zero(1, sizeof *trigger);
    trigger->name = memory_string(name);
    struct trigger **place = &triggers->list;
    while (*place)
        place = &(*place)->next;
    return *place = trigger;
}

static bool is_trigger(const struct workflow *workflow) {
    return workflow->every > 0 || workflow->every_setting || workflow->events || workflow->ready;
}

/* A timer that is new, or runs at another pace, begins at once. */
static void follow_one(struct triggers *triggers, const struct workflow *workflow, int64_t now) {
    double every = seconds_of(triggers, workflow);
    struct trigger *trigger = trigger_of(triggers, workflow->name);
    if (!trigger->in_force || trigger->every != every)
        trigger->next_ms = now;
    trigger->in_force = true;
    trigger->every = every;
    trigger->events = workflow->events;
    memory_free(trigger->guards);
    trigger->guards = workflow->ready ? memory_string(workflow->ready) : NULL;
}

/* Forgets what a workflow wanted that is no longer there. */
static void leave(struct trigger *trigger) {
    trigger->in_force = false;
    trigger->events = trigger->pending = 0;
    trigger->every = 0;
    memory_free(trigger->guards);
    trigger->guards = NULL;
}

void schedule_follow(struct triggers *triggers, const struct generation *generation) {
    unsigned event = triggers->generation ? WORKFLOW_ON_RULES_CHANGED : WORKFLOW_ON_START;
    if (generation_number(generation) == triggers->generation)
        return;
    triggers->generation = generation_number(generation);
    int64_t now = clock_ms();
    for (size_t i = 0; i < generation_workflow_count(generation); i++)
        if (is_trigger(generation_workflow_at(generation, i)))
            follow_one(triggers, generation_workflow_at(generation, i), now);
    for (struct trigger *trigger = triggers->list; trigger; trigger = trigger->next) {
        const struct workflow *workflow = generation_workflow(generation, trigger->name);
        if (!workflow || !is_trigger(workflow))
            leave(trigger);
        trigger->pending = (trigger->pending | event) & trigger->events;
    }
}

struct trigger *schedule_next(const struct triggers *triggers, int64_t now_ms, int64_t *wait_ms) {
    *wait_ms = INT64_MAX;
    for (struct trigger *trigger = triggers->list; trigger; trigger = trigger->next) {
        if (trigger->job || (!trigger->pending && trigger->every <= 0))
            continue;
        int64_t due = trigger->pending ? trigger->retry_ms : trigger->next_ms;
        if (due <= now_ms)
            return trigger;
        if (due < *wait_ms)
            *wait_ms = due;
    }
    return NULL;
}

const char *schedule_begin(struct trigger *trigger, int64_t now_ms) {
    trigger->next_ms = now_ms + (int64_t)(trigger->every * 1000);
    trigger->retry_ms = 0;
    for (size_t i = 0; i < WORDS; i++) {
        if (trigger->pending & words[i].event) {
            trigger->pending &= ~words[i].event;
            return words[i].word;
        }
    }
    return "timer";
}

void schedule_retry(struct trigger *trigger, const char *word, int64_t now_ms) {
    trigger->retry_ms = now_ms + RETRY_MS;
    for (size_t i = 0; i < WORDS; i++)
        if (strcmp(words[i].word, word) == 0)
            trigger->pending |= words[i].event & trigger->events;
}

static void take_word(struct trigger *trigger, bool is_ready, const char *detail) {
    memory_free(trigger->detail);
    trigger->has_run = true;
    trigger->is_ready = is_ready;
    trigger->detail = detail ? memory_string(detail) : NULL;
}

void schedule_result(struct trigger *trigger, struct job *job) {
    struct error *error = job_error(job);
    struct buffer text = {0};
    if (error && error->kind != ERROR_CANCELLED) {
        take_word(trigger, false, error->message);
    } else if (!error) {
        job_result(job, &text);
        cJSON *result = cJSON_ParseWithLength(text.data, text.length);
        take_word(trigger, cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(result, "ready")),
                  cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(result, "detail")));
        cJSON_Delete(result);
    }
    buffer_free(&text);
    error_free(error);
}

void schedule_free(struct triggers *triggers) {
    while (triggers->list) {
        struct trigger *trigger = triggers->list;
        triggers->list = trigger->next;
        job_unref(trigger->job);
        memory_free(trigger->name);
        memory_free(trigger->guards);
        memory_free(trigger->detail);
        memory_free(trigger);
    }
}
