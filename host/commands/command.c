#include "commands/command.h"

#include "sidecar/sidecar.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

struct rule_sources command_rule_sources(const struct options *options, const struct paths *paths) {
    struct rule_sources sources = {
        .lua = paths->lua,
        .layers = {.builtin = paths->rules},
        .variables = {.pod = options_string(options, "pod"),
                      .model = options_string(options, "model")},
        .reserved = sidecar_reserved,
    };
    sources.layers.count = options_list(options, "rules", &sources.layers.directories);
    return sources;
}

struct error *command_load_rules(const struct options *options, const struct paths *paths,
                                 struct generation **out) {
    struct rule_sources sources = command_rule_sources(options, paths);
    struct problems problems = {0};
    *out = generation_build(snapshot_read(&sources.layers), &sources, 1, &problems);
    struct error *error = NULL;
    if (!*out) {
        struct buffer text = {0};
        problems_print(&problems, &text);
        fwrite(text.data, 1, text.length, stderr);
        buffer_free(&text);
        error = error_new(ERROR_POLICY, NULL, "could not load the rules: %zu problem%s, see above",
                          problems.count, problems.count == 1 ? "" : "s");
    }
    problems_free(&problems);
    return error;
}

struct error *command_print(const struct buffer *text) {
    size_t done = 0;
    while (done < text->length) {
        ssize_t written = write(STDOUT_FILENO, text->data + done, text->length - done);
        if (written < 0 && errno == EINTR)
            continue;
        if (written < 0)
            return error_errno(ERROR_IO, "could not write to standard output");
        done += (size_t)written;
    }
    return NULL;
}
