/* Finds the command that was asked for, parses its options, runs it, and reports its error. */
#include "base/buffer.h"
#include "base/memory.h"
#include "base/redact.h"
#include "base/text.h"
#include "commands/command.h"

#include <malloc.h>
#include <stdio.h>
#include <string.h>

static const char *const program = "kthena-runtime";

/* Under this name, which the reference's downloader has, the binary is `download` alone. */
static const char *const downloader = "kthena-downloader";

static const struct command *const commands[] = {
    &serve_command,   &download_command, &verify_command, &call_command,        &status_command,
    &metrics_command, &rules_command,    &test_command,   &demo_engine_command, &version_command,
};
enum { COMMAND_COUNT = sizeof commands / sizeof *commands };

static const struct command *find_command(const char *name) {
    for (size_t i = 0; i < COMMAND_COUNT; i++)
        if (strcmp(commands[i]->spec.name, name) == 0)
            return commands[i];
    return NULL;
}

static struct error *unknown_command(const char *name) {
    const char *names[COMMAND_COUNT];
    for (size_t i = 0; i < COMMAND_COUNT; i++)
        names[i] = commands[i]->spec.name;
    const char *nearest = text_nearest(name, names, COMMAND_COUNT);
    return error_new(ERROR_INVALID, NULL, "unknown command '%s'; %s%s%ssee '%s --help'", name,
                     nearest ? "did you mean '" : "", nearest ? nearest : "", nearest ? "'? " : "",
                     program);
}

static void write_overview(struct buffer *out) {
    buffer_string(out, "kthena-runtime: the sidecar of an LLM inference engine\n\n"
                       "usage: kthena-runtime [COMMAND] [OPTIONS]\n\ncommands:\n");
    for (size_t i = 0; i < COMMAND_COUNT; i++)
        buffer_format(out, "  %-14s%s\n", commands[i]->spec.name, commands[i]->spec.summary);
    buffer_string(out, "\n'kthena-runtime COMMAND --help' explains a command and its options.\n"
                       "Without a command, 'kthena-runtime --engine NAME --pod NAME --model NAME' "
                       "serves.\n");
}

static struct error *run_command(const struct command *command, int count, char **arguments,
                                 int *status) {
    struct options *options = NULL;
    if (command->start)
        return command->start(count, arguments, status);
    struct error *error = options_parse(&command->spec, count, arguments, &options);
    if (error)
        return error;
    if (options_wants_help(options))
        error = command_help(&command->spec);
    else
        error = command->run(options, status);
    options_free(options);
    return error;
}

static bool asks_for_help(const char *argument) {
    return strcmp(argument, "--help") == 0 || strcmp(argument, "-?") == 0 ||
           strcmp(argument, "help") == 0;
}

static struct error *dispatch(int count, char **arguments, int *status) {
    if (count == 0)
        return run_command(&serve_command, 0, arguments, status);
    if (asks_for_help(arguments[0])) {
        struct buffer overview = {0};
        write_overview(&overview);
        struct error *error = command_print(&overview);
        buffer_free(&overview);
        return error;
    }
    if (strcmp(arguments[0], "--version") == 0)
        return run_command(&version_command, 0, arguments, status);
    if (arguments[0][0] == '-')
        return run_command(&serve_command, count, arguments, status);
    const struct command *command = find_command(arguments[0]);
    if (!command)
        return unknown_command(arguments[0]);
    return run_command(command, count - 1, arguments + 1, status);
}

static bool is_downloader(const char *path) {
    const char *slash = path ? strrchr(path, '/') : NULL;
    return path && strcmp(slash ? slash + 1 : path, downloader) == 0;
}

int main(int argc, char **argv) {
    /* Few arenas keep the memory of many short-lived worker threads together; a fixed threshold
     * gives large pages back to the system instead of keeping them in the heap. The buffers of
     * small requests stay: a heap that shrinks after each has its pages cleared for the next. */
    mallopt(M_ARENA_MAX, 2);
    mallopt(M_MMAP_THRESHOLD, 256 * 1024);
    mallopt(M_TRIM_THRESHOLD, 2 * 1024 * 1024);
    mallopt(M_TOP_PAD, 256 * 1024);
    int status = EXIT_OK;
    struct error *error = argc > 0 && is_downloader(argv[0])
                              ? run_command(&download_command, argc - 1, argv + 1, &status)
                              : dispatch(argc - 1, argv + 1, &status);
    if (error) {
        char *text = error_text(error);
        struct buffer line = {0}, raw = {0};
        buffer_string(&raw, text);
        redact(&raw, 0);
        buffer_format(&line, "%s: ", program);
        text_escape(&line, raw.data, raw.length);
        buffer_byte(&line, '\n');
        buffer_free(&raw);
        fwrite(line.data, 1, line.length, stderr);
        buffer_free(&line);
        memory_free(text);
        if (status == EXIT_OK)
            status = error->kind == ERROR_INVALID ? EXIT_MISUSE : EXIT_FAILED;
        error_free(error);
    }
    return status;
}
