#include "commands/command.h"

static struct error *run(const struct options *options, int *status) {
    (void)options;
    (void)status;
    struct buffer text = {0};
    buffer_string(&text, "kthena-runtime " KTHENA_VERSION "\n");
    struct error *error = command_print(&text);
    buffer_free(&text);
    return error;
}

const struct command version_command = {
    .spec = {.name = "version",
             .summary = "print the version",
             .usage = "",
             .description = "Prints the program's name and version on one line.",
             .examples = "kthena-runtime version"},
    .run = run,
};
