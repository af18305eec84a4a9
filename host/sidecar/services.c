#include "sidecar/services.h"

#include "base/log.h"
#include "base/memory.h"
#include "jobs/locks.h"
#include "metrics/registry.h"
#include "sidecar/submit.h"
#include "store/state.h"
#include "store/watched.h"

#include <string.h>

static const struct engine *engine_rules(void *sidecar, const struct generation *generation) {
    return sidecar_engine(sidecar, generation, NULL, 0);
}

static void engine_seen(void *context, bool answered) {
    struct sidecar *sidecar = context;
    engine_watch_seen(sidecar->watch, answered);
}

static void engine_up(void *context) {
    struct sidecar *sidecar = context;
    triggers_notify(sidecar->triggers, WORKFLOW_ON_ENGINE_UP);
}

static void rules_swapped(void *context) {
    struct sidecar *sidecar = context;
    triggers_notify(sidecar->triggers, WORKFLOW_ON_RULES_CHANGED);
}

static void file_changed(void *context, const char *name, const char *problem) {
    struct sidecar *sidecar = context;
    if (problem)
        log_warning("%s: %s", name, problem);
    else
        log_info("%s: the file has new content", name);
    triggers_notify(sidecar->triggers, WORKFLOW_ON_FILE_CHANGED);
}

static struct generation *rules_in_force(void *context) {
    struct sidecar *sidecar = context;
    return rulebook_generation(sidecar->rulebook);
}

static struct error *run_workflow(void *sidecar, struct generation *generation,
                                  const struct workflow *workflow, const char *trigger,
                                  struct job **out) {
    struct submission submission = {generation, workflow, trigger};
    return submit_triggered(sidecar, &submission, out);
}

static struct error *open_state(struct sidecar *sidecar) {
    struct services *services = &sidecar->services;
    char *kept_aside = NULL;
    struct error *error =
        state_table_open(sidecar->config.state_dir, &services->state, &kept_aside);
    if (kept_aside)
        log_warning("%s", kept_aside);
    memory_free(kept_aside);
    return error ? error : state_table_open(NULL, &services->memory, &kept_aside);
}

static struct error *make_watch(struct sidecar *sidecar) {
    struct engine_watch_config config = {
        .url = sidecar->target.url, .up = engine_up, .context = sidecar};
    struct error *error = engine_watch_new(&config, &sidecar->watch);
    if (!error)
        own_metrics_register(sidecar->own, engine_watch_collect, sidecar->watch);
    return error;
}

/* The path that a setting of type file has, NULL if it has none. */
static const char *path_of(const struct sidecar *sidecar, const struct setting *setting) {
    for (size_t i = 0; i < sidecar->config.setting_count; i++)
        if (strcmp(sidecar->config.settings[i].name, setting->name) == 0 &&
            sidecar->config.settings[i].text)
            return sidecar->config.settings[i].text;
    return setting->fallback;
}

static void log_problems(const struct sidecar *sidecar, const struct watched_file *files,
                         size_t count) {
    for (size_t i = 0; i < count; i++) {
        struct watched_view view;
        if (!watched_get(sidecar->services.files, files[i].name, &view))
            continue;
        if (view.problem)
            log_warning("%s: %s", files[i].name, view.problem);
        watched_view_free(&view);
    }
}

/* The files are those that the first generation declares: like every option of the process, a file
 * that an edit of the rules adds is there after a restart. */
static struct error *open_files(struct sidecar *sidecar) {
    struct generation *generation = rulebook_generation(sidecar->rulebook);
    const struct setting **settings;
    size_t declared = generation_settings(generation, &settings), count = 0;
    struct watched_file *files = memory_zero(declared, sizeof *files);
    for (size_t i = 0; i < declared; i++) {
        const char *path = settings[i]->type == SETTING_FILE ? path_of(sidecar, settings[i]) : NULL;
        if (path && *path)
            files[count++] = (struct watched_file){settings[i]->name, path};
    }
    struct error *error =
        watched_open(files, count, file_changed, sidecar, &sidecar->services.files);
    if (!error)
        log_problems(sidecar, files, count);
    memory_free(files);
    memory_free(settings);
    generation_unref(generation);
    return error;
}

struct error *services_make(struct sidecar *sidecar) {
    const struct sidecar_config *config = &sidecar->config;
    struct triggers_config triggers = {.generation = rules_in_force,
                                       .run = run_workflow,
                                       .context = sidecar,
                                       .settings = config->settings,
                                       .setting_count = config->setting_count};
    sidecar->triggers = triggers_new(&triggers);
    rulebook_watch(sidecar->rulebook, rules_swapped, sidecar);
    sidecar->target = (struct engine_target){
        .url = config->engine_url ? config->engine_url : config->metrics_url,
        .management_url = config->management_url,
        .model = config->rules.variables.model,
        .pod = config->rules.variables.pod,
        .api_key = config->engine_api_key,
        .client = sidecar->client,
        .timeout_ms = config->request_timeout_ms,
        .rules = engine_rules,
        .seen = engine_seen,
        .context = sidecar,
    };
    sidecar->services = (struct services){.engine = &sidecar->target,
                                          .locks = locks_new(),
                                          .metrics = registry_new(sidecar->own),
                                          .settings = config->settings,
                                          .setting_count = config->setting_count,
                                          .submit = submit_named,
                                          .context = sidecar};
    struct error *error = open_state(sidecar);
    if (!error)
        error = make_watch(sidecar);
    return error ? error : open_files(sidecar);
}

struct error *services_start(struct sidecar *sidecar) {
    struct error *error = triggers_start(sidecar->triggers);
    return error ? error : engine_watch_start(sidecar->watch);
}

bool services_stop(struct sidecar *sidecar) {
    triggers_stop(sidecar->triggers);
    return engine_watch_stop(sidecar->watch);
}

void services_free(struct sidecar *sidecar) {
    struct services *services = &sidecar->services;
    watched_close(services->files);
    triggers_free(sidecar->triggers);
    engine_watch_free(sidecar->watch);
    state_table_close(services->state);
    state_table_close(services->memory);
    registry_free(services->metrics);
    locks_free(services->locks);
}
