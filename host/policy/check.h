/*
 * `rules check`: validates rule files the way a server loads them, without a server.
 */
#ifndef KTHENA_POLICY_CHECK_H
#define KTHENA_POLICY_CHECK_H

#include "policy/generation.h"

/* Checks the files of the user's directories in sources, in the presence of the built-in ones, so
 * that names taken twice are found; without directories, the built-in files. Appends each problem
 * as a line to problems and stores how many there are and how many files were checked. The rule
 * files run, sandboxed; their hooks do not. */
void rules_check(const struct rule_sources *sources, struct buffer *problems, size_t *count,
                 size_t *files);

#endif
