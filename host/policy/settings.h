/*
 * What the settings that the workflows of a generation declare have to agree on. The generation
 * builder is its only user; generation.h has generation_settings.
 */
#ifndef KTHENA_POLICY_SETTINGS_H
#define KTHENA_POLICY_SETTINGS_H

#include "policy/generation.h"

/* Adds a problem for every setting that another file has declared differently, and for every flag
 * that two settings have, in the file that came later (of two layers the later one's, else by file
 * name). */
void settings_check(const struct generation *generation, struct problems *problems);

#endif
