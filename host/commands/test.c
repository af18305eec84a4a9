#include "commands/command.h"
#include "policy/test_runner.h"

static struct error *run(const struct options *options, int *status) {
    struct paths paths = {0};
    struct error *error = paths_find(&paths);
    if (error)
        return error;
    const char *const *arguments;
    size_t count = options_positional(options, &arguments);
    error = test_runner_run(&paths, (int)count, (char **)arguments, status);
    paths_free(&paths);
    return error;
}

const struct command test_command = {
    .spec = {.name = "test",
             .summary = "run busted specs of rules inside this binary",
             .usage = "[PATH]... [BUSTED FLAG]...",
             .description =
                 "Runs the specs in PATH (spec/ when none is given) with busted, inside this "
                 "process, so that they see the very code that serves metrics: require "
                 "\"kthena.testing\" loads a rule file as the server does. Every flag but --help "
                 "is busted's own. Needs the package lua-busted.",
             .examples = "kthena-runtime test spec/\n"
                         "kthena-runtime test --filter=queue my_engine_spec.lua\n"
                         "kthena-runtime test -o TAP spec/",
             .positional_max = -1,
             .pass_unknown = true},
    .run = run,
};
