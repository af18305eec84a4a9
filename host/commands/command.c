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
        .reserved = sidecar_reserved,
    };
    sources.layers.count = options_list(options, "rules", &sources.layers.directories);
    return sources;
}

struct rule_variables command_variables(const struct options *options) {
    return (struct rule_variables){.pod = options_string(options, "pod"),
                                   .model = options_string(options, "model")};
}

struct error *command_load_rules(const struct options *options, const struct paths *paths,
                                 struct rule_variables variables, struct generation **out) {
    struct rule_sources sources = command_rule_sources(options, paths);
    sources.variables = variables;
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

/* The file of authorities: the flag's, else the first variable's that is set. */
static const char *authorities(const struct options *options) {
    static const char *const variables[] = {"SSL_CERT_FILE", "AWS_CA_BUNDLE"};
    const char *file = options_string(options, "ca-file");
    for (size_t i = 0; (!file || !*file) && i < sizeof variables / sizeof *variables; i++)
        file = getenv(variables[i]);
    return file && *file ? file : NULL;
}

struct error *command_download_config(const struct options *options, struct download_config *out) {
    int64_t attempts = options_integer(options, "max-attempts");
    if (attempts < 1 || attempts > 1000)
        return error_new(ERROR_INVALID, NULL, "--max-attempts must be between 1 and 1000");
    int64_t stall_ms = (int64_t)(options_seconds(options, "stall-seconds") * 1000);
    if (stall_ms <= 0)
        return error_new(ERROR_INVALID, NULL, "--stall-seconds must be more than 0");
    *out = (struct download_config){
        .network = {.user_agent = "kthena-runtime/" KTHENA_VERSION,
                    .ca_file = authorities(options),
                    .insecure = options_flag(options, "insecure")},
        .max_attempts = (int)attempts,
        .stall_ms = stall_ms,
        .limit_rate = (int64_t)options_bytes(options, "limit-rate"),
    };
    if (out->network.insecure)
        log_warning("--insecure: the certificates of download sources are not checked; anybody on "
                    "the way may change what arrives");
    return NULL;
}

struct error *command_help(const struct command_spec *spec) {
    struct buffer help = {0};
    options_help(spec, "kthena-runtime", &help);
    struct error *error = command_print(&help);
    buffer_free(&help);
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
