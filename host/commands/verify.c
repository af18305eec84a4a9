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
    struct buffer text; /* one line each */
    size_t count;
};

static void note(const char *path, const char *what, void *context) {
    struct findings *findings = context;
    text_escape(&findings->text, path, strlen(path));
    buffer_format(&findings->text, ": %s\n", what);
    findings->count++;
}

static struct error *check(const struct options *options, const struct directory *directory,
                           const struct manifest *manifest, struct findings *findings,
                           int *status) {
    struct progress progress;
    atomic_bool cancel = false;
    struct view *view = NULL;
    size_t files = 0;
    int64_t bytes = 0, start = clock_ns();
    progress_init(&progress);
    struct error *error = view_start(view_mode_of(options_string(options, "progress")), "verifying",
                                     &progress, &cancel, &view);
    if (!error) {
        error = verify_directory(directory, manifest, note, findings, &progress, &cancel, &files,
                                 &bytes);
        if (view_stop(view) && error)
            *status = EXIT_INTERRUPTED;
    }
    progress_destroy(&progress);
    if (error)
        return error;
    char size[16];
    directory_size_text(bytes, size);
    buffer_format(&findings->text, "%zu of %zu files are as %s left them (%s, %.2f s)\n", files,
                  manifest->count, manifest->source, size, (double)(clock_ns() - start) / 1e9);
    if (findings->count)
        *status = EXIT_FAILED;
    return NULL;
}

static struct error *run(const struct options *options, int *status) {
    const char *const *words;
    struct directory directory = {.fd = -1, .work_fd = -1, .parts_fd = -1};
    struct manifest manifest = {0};
    struct findings findings = {0};
    struct signals signals;
    options_positional(options, &words);
    command_configure_log(options);
    signals_block(&signals);
    struct error *error = directory_open_existing(words[0], &directory);
    if (!error) {
        error = manifest_read(&directory, &manifest);
        if (!error)
            error = check(options, &directory, &manifest, &findings, status);
        if (!error)
            error = command_print(&findings.text);
        manifest_free(&manifest);
        directory_close(&directory);
    }
    buffer_free(&findings.text);
    return error;
}

static const struct option_spec verify_options[] = {
    {.name = "progress",
     .type = OPTION_CHOICE,
     .environment = "KTHENA_PROGRESS",
     .fallback = "auto",
     .choices = "auto|bar|lines|json|none",
     .help = "bars on a terminal, log lines elsewhere, or JSON events on standard output"},
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
