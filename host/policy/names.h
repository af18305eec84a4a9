/*
 * What the files of a generation have to agree on: names, aliases, schemes and routes that only one
 * may have, and the paths that belong to the server. The generation builder is its only user.
 */
#ifndef KTHENA_POLICY_NAMES_H
#define KTHENA_POLICY_NAMES_H

#include "policy/generation.h"

/* Adds a problem for every name that is taken twice, in the file that came later (of two layers the
 * later one's, else by file name), and for every route that is reserved, as in struct
 * rule_sources. */
void names_check(const struct generation *generation, const char *const *reserved,
                 struct problems *problems);

#endif
