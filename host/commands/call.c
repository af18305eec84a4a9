#include "base/log.h"
#include "base/memory.h"
#include "commands/call_fields.h"
#include "commands/command.h"
#include "commands/member.h"
#include "commands/progress_view.h"
#include "commands/signals.h"
#include "commands/table.h"

#include <string.h>
#include <time.h>

enum { POLL_MS = 250 };

static int64_t number(const cJSON *object, const char *name) {
    const cJSON *value = member(object, name);
    return cJSON_IsNumber(value) ? (int64_t)value->valuedouble : 0;
}

/* The job's figures as those of a download of our own, for the view. */
static void copy_progress(const cJSON *job, struct progress *progress) {
    const char *phase = member_text(job, "phase");
    progress_set_phase(progress, phase ? phase : "");
    atomic_store(&progress->bytes_total, number(job, "bytes_total"));
    atomic_store(&progress->bytes_done, number(job, "bytes_done"));
    atomic_store(&progress->bytes_fetched, number(job, "bytes_fetched"));
    atomic_store(&progress->files_total, number(job, "files_total"));
    atomic_store(&progress->files_done, number(job, "files_done"));
}

static struct error *failure_of(const cJSON *job) {
    const cJSON *about = member(job, "error");
    const char *message = member_text(about, "message");
    const char *word = member_text(about, "kind");
    enum error_kind kind = ERROR_IO;
    if (word)
        error_kind_parse(word, &kind);
    if (kind == ERROR_INVALID)
        kind = ERROR_PROTOCOL; /* not the command line's mistake */
    return error_new(kind, NULL, "%s", message ? message : "the job has failed");
}

/* Follows a job to its end; a signal cancels it. *result is the job's, which the caller deletes. */
static struct error *follow(struct client *client, const char *id, struct progress *progress,
                            const atomic_bool *interrupted, cJSON **result) {
    char *path = memory_format("/v1/jobs/%s", id);
    struct timespec pause = {.tv_nsec = POLL_MS * 1000000L};
    struct error *error = NULL;
    bool cancelled = false, ended = false;
    while (!error && !ended) {
        cJSON *job = NULL;
        bool cancel = atomic_load(interrupted) && !cancelled;
        error = client_request(client, cancel ? "DELETE" : "GET", path, NULL, &job);
        cancelled |= cancel;
        const char *state = error ? NULL : member_text(job, "state");
        ended = !state || (strcmp(state, "queued") != 0 && strcmp(state, "running") != 0);
        if (!error)
            copy_progress(job, progress);
        if (!error && ended && (!state || strcmp(state, "succeeded") != 0))
            error = failure_of(job);
        else if (!error && ended)
            *result = cJSON_DetachItemFromObjectCaseSensitive(job, "result");
        cJSON_Delete(job);
        if (!ended && !error)
            nanosleep(&pause, NULL);
    }
    memory_free(path);
    return error;
}

static struct error *print(const struct options *options, const cJSON *reply) {
    struct buffer out = {0};
    if (options_flag(options, "json")) {
        char *text = cJSON_PrintUnformatted(reply);
        buffer_format(&out, "%s\n", text ? text : "null");
        cJSON_free(text);
    } else if (reply) {
        table_write(reply, 0, &out);
    }
    struct error *error = command_print(&out);
    buffer_free(&out);
    return error;
}

/* Starts the call as a job and shows how it goes. */
static struct error *run_job(const struct options *options, struct client *client, const char *path,
                             const cJSON *fields, int *status, cJSON **result) {
    struct progress progress;
    struct signals signals;
    atomic_bool interrupted = false;
    struct view *view = NULL;
    cJSON *started = NULL;
    signals_block(&signals);
    progress_init(&progress);
    struct error *error = client_request(client, "POST", path, fields, &started);
    const char *id = member_text(started, "job_id");
    if (!error && !id)
        error = error_new(ERROR_PROTOCOL, NULL, "%s%s started no job", client->url, path);
    if (!error)
        error = view_start(view_mode_of(options_string(options, "progress")), "running", &progress,
                           &interrupted, &view);
    if (!error) {
        error = follow(client, id, &progress, &interrupted, result);
        if (view_stop(view) && error)
            *status = EXIT_INTERRUPTED;
    }
    cJSON_Delete(started);
    progress_destroy(&progress);
    return error;
}

static bool takes_async(const struct operation *operation) {
    return strcmp(operation->method, "post") == 0 && member(operation->about, "x-async");
}

static struct error *run_call(const struct options *options, struct client *client,
                              const struct operation *operation, cJSON *fields, int *status) {
    cJSON *reply = NULL;
    char *path = call_path(operation, fields);
    char method[16] = "";
    for (size_t i = 0; operation->method[i] && i < sizeof method - 1; i++)
        method[i] = (char)(operation->method[i] - 'a' + 'A');
    const char *async = member_text(operation->about, "x-async");
    bool has_body = member(operation->about, "requestBody") != NULL;
    struct error *error;
    if (takes_async(operation) && !member(fields, async)) {
        cJSON_AddBoolToObject(fields, async, true);
        error = run_job(options, client, path, fields, status, &reply);
    } else {
        error = client_request(client, method, path, has_body ? fields : NULL, &reply);
    }
    if (!error)
        error = print(options, reply);
    cJSON_Delete(reply);
    memory_free(path);
    return error;
}

static struct error *call(const struct options *options, struct client *client, int *status) {
    const char *const *words;
    size_t count = options_positional(options, &words);
    cJSON *description = NULL, *fields = NULL;
    struct operation operation;
    struct error *error = client_request(client, "GET", "/openapi.json", NULL, &description);
    if (!error)
        error = client_operation(description, words[0], &operation);
    if (!error && options_flag(options, "fields")) {
        struct buffer help = {0};
        call_help(&operation, &help);
        error = command_print(&help);
        buffer_free(&help);
    } else if (!error) {
        error = call_fields(&operation, words + 1, count - 1, &fields);
        if (!error)
            error = run_call(options, client, &operation, fields, status);
    }
    cJSON_Delete(fields);
    cJSON_Delete(description);
    return error;
}

static struct error *run(const struct options *options, int *status) {
    struct client client;
    command_configure_log(options);
    struct error *error = client_open(&client, options);
    if (error)
        return error;
    error = call(options, &client, status);
    client_close(&client);
    return error;
}

static const struct option_spec call_options[] = {
    OPTION_URL,
    OPTION_TOKEN_FILE,
    {.name = "fields", .type = OPTION_FLAG, .help = "print the workflow's fields instead"},
    {.name = "json", .type = OPTION_FLAG, .help = "print the reply as JSON"},
    OPTION_PROGRESS,
    OPTION_LOG_LEVEL,
    OPTION_LOG_FORMAT,
};

const struct command call_command = {
    .spec = {.name = "call",
             .summary = "run a workflow of a running sidecar",
             .usage = "WORKFLOW [--FIELD VALUE]...",
             .description =
                 "Asks a running sidecar for its workflows, and runs the one named with these "
                 "fields, whose types and help come from its schema (--fields prints them). What "
                 "takes long runs as a job: its progress is shown, and Ctrl-C cancels it. Lists "
                 "are printed as tables. Exit status: 0 done, 1 failed, 2 misuse, 130 interrupted.",
             .examples = "kthena-runtime call download_model --fields\n"
                         "kthena-runtime call download_model --source ns/repo --output_dir "
                         "/models/repo\n"
                         "kthena-runtime call NAME --url http://pod:9000 --json",
             .options = call_options,
             .option_count = sizeof call_options / sizeof *call_options,
             .positional_min = 1,
             .positional_max = -1,
             .pass_unknown = true},
    .run = run,
};
