#include "commands/command.h"

#include "sidecar/sidecar.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
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

void command_configure_log(const struct options *options) {
    enum log_level level = LOG_INFO;
    enum log_format format = LOG_TEXT;
    log_level_parse(options_string(options, "log-level"), &level);
    log_format_parse(options_string(options, "log-format"), &format);
    log_configure(level, format, STDERR_FILENO);
}

void command_network(const struct options *options, struct network *out) {
    static const char *const variables[] = {"SSL_CERT_FILE", "AWS_CA_BUNDLE"};
    *out = (struct network){.user_agent = "kthena-runtime/" KTHENA_VERSION,
                            .ca_file = options_string(options, "ca-file"),
                            .insecure = options_flag(options, "insecure")};
    for (size_t i = 0; !out->ca_file && i < sizeof variables / sizeof *variables; i++) {
        const char *file = getenv(variables[i]);
        out->ca_file = file && *file ? file : NULL;
    }
    if (out->insecure)
        log_warning("--insecure: the certificates of download sources are not checked; anybody on "
                    "the way may change what arrives");
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
