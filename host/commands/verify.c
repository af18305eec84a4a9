#include "transfer/verify.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/text.h"
#include "commands/command.h"
#include "commands/progress_view.h"
#include "commands/signals.h"

#include <stdio.h>
#include <string.h>

struct findings {
    enum view_mode mode;
    struct buffer text; /* one line each */
    size_t count;
};

static void note_json(struct buffer *out, const char *path, const char *what) {
    struct json json;
    json_begin(&json, out);
    json_object(&json);
    json_key_string(&json, "event", "differs");
    json_key_string(&json, "path", path);
    json_key_string(&json, "what", what);
    json_end_object(&json);
    buffer_byte(out, '\n');
}

static void note(const char *path, const char *what, void *context) {
    struct findings *findings = context;
    findings->count++;
    if (findings->mode == VIEW_JSON) {
        note_json(&findings->text, path, what);
        return;
    }
    text_escape(&findings->text, path, strlen(path));
    buffer_format(&findings->text, ": %s\n", what);
}

static void summarize(struct findings *findings, const struct manifest *manifest, size_t files,
                      int64_t bytes, double seconds) {
    char size[16];
    if (findings->mode == VIEW_JSON) {
        struct json json;
        json_begin(&json, &findings->text);
        json_object(&json);
        json_key_string(&json, "event", "done");
        json_key_string(&json, "source", manifest->source);
        json_key_integer(&json, "files", (int64_t)manifest->count);
        json_key_integer(&json, "files_good", (int64_t)files);
        json_key_integer(&json, "bytes_good", bytes);
        json_key_number(&json, "seconds", seconds);
        json_end_object(&json);
        buffer_byte(&findings->text, '\n');
        return;
    }
    directory_size_text(bytes, size);
    buffer_format(&findings->text, "%zu of %zu files are as %s left them (%s, %.2f s)\n", files,
                  manifest->count, manifest->source, size, seconds);
}

static struct error *check(const struct directory *directory, const struct manifest *manifest,
                           struct findings *findings, int *status) {
    struct progress progress;
    atomic_bool cancel = false;
    struct view *view = NULL;
    size_t files = 0;
    int64_t bytes = 0, start = clock_ns();
    progress_init(&progress);
    struct error *error = view_start(findings->mode, "verifying", &progress, &cancel, &view);
    if (!error) {
        error = verify_directory(directory, manifest, note, findings, &progress, &cancel, &files,
                                 &bytes);
        if (view_stop(view) && error)
            *status = EXIT_INTERRUPTED;
    }
    progress_destroy(&progress);
    if (error)
        return error;
    summarize(findings, manifest, files, bytes, (double)(clock_ns() - start) / 1e9);
    if (findings->count)
        *status = EXIT_FAILED;
    return NULL;
}

static struct error *run(const struct options *options, int *status) {
    const char *const *words;
    struct directory directory = {.fd = -1, .work_fd = -1, .parts_fd = -1};
    struct manifest manifest = {0};
    struct findings findings = {.mode = view_mode_of(options_string(options, "progress"))};
    struct signals signals;
    options_positional(options, &words);
    command_configure_log(options);
    signals_block(&signals);
    struct error *error = directory_open_existing(words[0], &directory);
    if (!error) {
        error = manifest_read(&directory, &manifest);
        if (!error)
            error = check(&directory, &manifest, &findings, status);
        if (!error)
            error = command_print(&findings.text);
        manifest_free(&manifest);
        directory_close(&directory);
    }
    buffer_free(&findings.text);
    return error;
}

static const struct option_spec verify_options[] = {
    OPTION_PROGRESS,
    OPTION_LOG_LEVEL,
    OPTION_LOG_FORMAT,
};

const struct command verify_command = {
    .spec = {.name = "verify",
             .summary = "check a downloaded directory against its manifest",
             .usage = "DIR",
             .description = "Reads every file of a finished download again and compares sizes and "
                            "digests with the manifest. Prints each file that differs; exit status "
                            "1 if there is any. To repair, delete those files and download again.",
             .examples = "kthena-runtime verify /models/repo",
             .options = verify_options,
             .option_count = sizeof verify_options / sizeof *verify_options,
             .positional_min = 1,
             .positional_max = 1},
    .run = run,
};
