#include "base/clock.h"
#include "base/json.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/redact.h"
#include "base/text.h"
#include "commands/command.h"
#include "commands/member.h"
#include "commands/progress_view.h"
#include "commands/signals.h"
#include "policy/params.h"
#include "policy/runner.h"

#include <cjson/cJSON.h>
#include <stdlib.h>
#include <string.h>

/* One run of the command. */
struct run {
    const struct options *options;
    struct paths paths;
    struct generation *generation;
    struct runner *runner;
    struct runner_config config;
    struct download_request request;
    struct progress progress;
    atomic_bool cancel;
    char *directory;
    struct buffer result; /* JSON */
};

static struct error *read_config(const char *text) {
    cJSON *config = NULL;
    if (!text)
        return NULL;
    struct error *error = params_parse("flag '--config'", text, strlen(text), &config);
    if (!error && !cJSON_IsObject(config))
        error = error_new(ERROR_INVALID, NULL,
                          "flag '--config': expected a JSON object, such as '{\"endpoint\": "
                          "\"https://...\"}'");
    cJSON_Delete(config);
    return error;
}

static struct error *check_flags(const struct options *options) {
    if (options_flag(options, "json") && !options_flag(options, "dry-run"))
        return error_new(ERROR_INVALID, NULL,
                         "--json goes with --dry-run; to follow a download, use --progress json");
    return read_config(options_string(options, "config"));
}

static struct error *configure(struct run *run) {
    const struct options *options = run->options;
    static const struct access anywhere = {0};
    const char *config = options_string(options, "config");
    struct error *error = check_flags(options);
    int64_t workers = options_integer(options, "max-workers");
    if (!error && (workers < 1 || workers > COMMAND_WORKERS_MAX))
        error = error_new(ERROR_INVALID, NULL, "--max-workers must be between 1 and %d",
                          COMMAND_WORKERS_MAX);
    if (!error)
        error = command_download_config(options, &run->config.download);
    if (error)
        return error;
    run->config.lua = run->paths.lua;
    run->config.access = &anywhere;
    run->request = (struct download_request){
        .source = options_string(options, "source"),
        .config = config && *config ? config : NULL,
        .max_workers = (int)workers,
    };
    run->request.include_count = options_list(options, "include", &run->request.include);
    run->request.exclude_count = options_list(options, "exclude", &run->request.exclude);
    /* The person at the command line may write wherever the system lets them. */
    const char *root[] = {"/"};
    struct access access = {.roots = root, .root_count = 1};
    error = access_directory(&access, options_string(options, "output-dir"), &run->directory);
    run->request.directory = run->directory;
    return error ? error_new(error->kind, error, "flag '--output-dir'") : NULL;
}

/* "downloaded 3 files, 1.2 GB in 4.1 s (290 MB/s) to DIR; 2 were there already" */
static void summarize(const cJSON *result, double seconds, struct buffer *out) {
    char bytes[16], rate[16];
    const char *const path = member_text(result, "path");
    double files = cJSON_GetNumberValue(member(result, "files"));
    double present = cJSON_GetNumberValue(member(result, "present"));
    double fetched = cJSON_GetNumberValue(member(result, "fetched"));
    directory_size_text((int64_t)fetched, bytes);
    directory_size_text((int64_t)(fetched / (seconds > 0.001 ? seconds : 0.001)), rate);
    if (files == present)
        buffer_format(out, "nothing to do: %s %.0f file%s there already, in %s (%.2f s)\n",
                      files == 1 ? "the" : "all", files, files == 1 ? " was" : "s were",
                      path ? path : "", seconds);
    else
        buffer_format(out,
                      "downloaded %.0f file%s, %s in %.2f s (%s/s), to %s; %.0f %s there already\n",
                      files - present, files - present == 1 ? "" : "s", bytes, seconds, rate,
                      path ? path : "", present, present == 1 ? "was" : "were");
}

static struct error *print_result(struct run *run, enum view_mode mode, double seconds) {
    struct buffer out = {0};
    if (mode == VIEW_JSON) {
        buffer_string(&out, "{\"event\":\"done\",\"result\":");
        buffer_append(&out, run->result.data, run->result.length);
        buffer_string(&out, "}\n");
    } else {
        cJSON *result = cJSON_ParseWithLength(run->result.data, run->result.length);
        summarize(result, seconds, &out);
        cJSON_Delete(result);
    }
    struct error *error = command_print(&out);
    buffer_free(&out);
    return error;
}

static void report_failure(enum view_mode mode, const struct error *error) {
    if (mode != VIEW_JSON)
        return;
    char *text = error_text(error);
    struct buffer out = {0}, message = {0};
    struct json json;
    buffer_string(&message, text);
    redact(&message, 0);
    json_begin(&json, &out);
    json_object(&json);
    json_key_string(&json, "event", "failed");
    json_key_string(&json, "kind", error_kind_name(error->kind));
    json_key_string(&json, "message", buffer_text(&message));
    json_end_object(&json);
    buffer_byte(&out, '\n');
    error_free(command_print(&out));
    memory_free(text);
    buffer_free(&message);
    buffer_free(&out);
}

static struct error *download(struct run *run, int *status) {
    enum view_mode mode = view_mode_of(options_string(run->options, "progress"));
    struct view *view = NULL;
    int64_t start = clock_ns();
    struct error *error = view_start(mode, "downloading", &run->progress, &run->cancel, &view);
    if (error)
        return error;
    error = runner_download(run->runner, run->generation, &run->request, &run->progress,
                            &run->cancel, &run->result);
    int number = view_stop(view);
    if (error && number)
        *status = EXIT_INTERRUPTED;
    if (error) {
        report_failure(mode, error);
        return error;
    }
    return print_result(run, mode, (double)(clock_ns() - start) / 1e9);
}

/* The plan as a table: size and path, then the sum. */
static void print_table(const cJSON *plan, struct buffer *out) {
    char size[16];
    const cJSON *file;
    int count = 0;
    buffer_format(out, "%10s  %-10s %s\n", "size", "there", "path");
    cJSON_ArrayForEach(file, member(plan, "files")) {
        const cJSON *bytes = member(file, "size");
        if (cJSON_IsNumber(bytes))
            directory_size_text((int64_t)bytes->valuedouble, size);
        const char *path = member_text(file, "path");
        buffer_format(out, "%10s  %-10s ", cJSON_IsNumber(bytes) ? size : "?",
                      cJSON_IsTrue(member(file, "present")) ? "yes" : "no");
        text_escape(out, path, strlen(path));
        buffer_byte(out, '\n');
        count++;
    }
    const char *revision = member_text(plan, "revision");
    directory_size_text((int64_t)cJSON_GetNumberValue(member(plan, "bytes")), size);
    buffer_format(out, "%10s  %d file%s of %s%s%s\n", size, count, count == 1 ? "" : "s",
                  member_text(plan, "source"), revision && *revision ? ", revision " : "",
                  revision ? revision : "");
}

static struct error *dry_run(struct run *run) {
    struct error *error =
        runner_plan(run->runner, run->generation, &run->request, &run->cancel, &run->result);
    if (error)
        return error;
    struct buffer out = {0};
    if (options_flag(run->options, "json")) {
        buffer_append(&out, run->result.data, run->result.length);
        buffer_byte(&out, '\n');
    } else {
        cJSON *plan = cJSON_ParseWithLength(run->result.data, run->result.length);
        print_table(plan, &out);
        cJSON_Delete(plan);
    }
    error = command_print(&out);
    buffer_free(&out);
    return error;
}

static struct error *run_download(const struct options *options, int *status) {
    struct run run = {.options = options};
    struct signals signals;
    bool dry = options_flag(options, "dry-run");
    command_configure_log(options);
    progress_init(&run.progress);
    struct error *error = paths_find(&run.paths);
    if (!error)
        error = configure(&run);
    if (!error)
        error =
            command_load_rules(options, &run.paths, (struct rule_variables){0}, &run.generation);
    if (!error)
        error = runner_new(&run.config, &run.runner);
    if (!error && !dry)
        signals_block(&signals);
    if (!error)
        error = dry ? dry_run(&run) : download(&run, status);
    runner_free(run.runner);
    generation_unref(run.generation);
    memory_free(run.directory);
    buffer_free(&run.result);
    progress_destroy(&run.progress);
    paths_free(&run.paths);
    return error;
}

static const struct option_spec download_options[] = {
    {.name = "source",
     .short_name = 's',
     .value = "URI",
     .type = OPTION_STRING,
     .required = true,
     .help = "what to download; the schemes are those of the rules, see 'rules explain'"},
    {.name = "output-dir",
     .short_name = 'o',
     .value = "DIR",
     .type = OPTION_STRING,
     .fallback = "~/downloads",
     .help = "where the files go"},
    {.name = "max-workers",
     .short_name = 'w',
     .value = "N",
     .type = OPTION_INTEGER,
     .fallback = "8",
     .help = "connections over all files"},
    {.name = "config",
     .short_name = 'c',
     .value = "JSON",
     .type = OPTION_STRING,
     .help = "the source's settings: credentials, endpoint, revision; variables fill in what is "
             "absent"},
    {.name = "include",
     .value = "GLOB",
     .type = OPTION_LIST,
     .help = "only files that match one of these; '**' crosses directories"},
    {.name = "exclude", .value = "GLOB", .type = OPTION_LIST, .help = "no file that matches"},
    OPTION_MAX_ATTEMPTS,
    OPTION_STALL_SECONDS,
    OPTION_LIMIT_RATE,
    OPTION_CA_FILE,
    OPTION_INSECURE,
    OPTION_PROGRESS,
    {.name = "dry-run", .type = OPTION_FLAG, .help = "print the plan and download nothing"},
    {.name = "json", .type = OPTION_FLAG, .help = "with --dry-run: print the plan as JSON"},
    OPTION_RULES,
    OPTION_LOG_LEVEL,
    OPTION_LOG_FORMAT,
};

const struct command download_command = {
    .spec =
        {.name = "download",
         .summary = "bring a model or an adapter to a local directory",
         .usage = "",
         .description =
             "Downloads in parallel, verifies what the source gives a digest of, and goes on "
             "where an earlier run was interrupted, by whatever. A directory that is complete "
             "costs one look. Two processes never write one directory: the second waits.\n"
             "Proxies are taken from HTTP_PROXY, HTTPS_PROXY and NO_PROXY. Exit status: 0 done, "
             "1 failed, 2 misuse, 130 interrupted.",
         .examples = "kthena-runtime download -s ns/repo -o /models/repo\n"
                     "kthena-runtime download -s https://host/file -o /models --limit-rate 100MB\n"
                     "kthena-runtime download -s ns/repo -o /models/repo --include '*.json' "
                     "--dry-run",
         .options = download_options,
         .option_count = sizeof download_options / sizeof *download_options},
    .run = run_download,
};
