/*
 * `kthena-runtime test`: runs busted inside this process, so that specs of rules see the host's
 * namespaces and the very code that serves metrics. The state it makes is a full one: standard
 * libraries, the system's Lua modules, kthena.* and host.*; it is for tests and their authors only.
 */
#ifndef KTHENA_POLICY_TEST_RUNNER_H
#define KTHENA_POLICY_TEST_RUNNER_H

#include "policy/paths.h"

/* Runs busted with these arguments (files, directories and busted's own flags; without a file or
 * directory, spec/) and stores the exit status the process should have. ERROR_NOT_FOUND when busted
 * is not installed. A spec that calls os.exit ends the process. */
struct error *test_runner_run(const struct paths *paths, int argc, char **argv, int *status)
    __attribute__((warn_unused_result));

#endif
