/*
 * The bearer token that requests must carry: read from a file, and read again when its content
 * changes, so that a rotated secret works without a restart. A file that becomes unreadable or
 * empty leaves the last good token in force and is logged once. The server owns a struct auth; any
 * of its threads may ask it.
 */
#ifndef KTHENA_SERVER_AUTH_H
#define KTHENA_SERVER_AUTH_H

#include "base/error.h"

#include <stdbool.h>

struct auth;

/* Reads the token from the file; white space around it does not count. An error when the file
 * cannot be read, is empty, or holds what cannot be a token. */
struct error *auth_open(const char *file, struct auth **out) __attribute__((warn_unused_result));

/* Whether the value of an Authorization header (NULL: none was sent) is "Bearer <token>". Reads the
 * file again if the last time is a second ago or more. How long the answer takes tells nothing
 * about the token. */
bool auth_allows(struct auth *auth, const char *authorization);

/* NULL is fine. */
void auth_free(struct auth *auth);

#endif
