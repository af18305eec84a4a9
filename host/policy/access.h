/*
 * What requests may make this process do: which directories they may have written, which sources
 * read, which endpoints called. Filled in from the command line; asked on HTTP threads before a job
 * is made and on job threads when a rule takes an endpoint from a request. Immutable; the texts are
 * borrowed.
 */
#ifndef KTHENA_POLICY_ACCESS_H
#define KTHENA_POLICY_ACCESS_H

#include "base/error.h"
#include "transfer/network.h"

#include <stdbool.h>
#include <stddef.h>

struct access {
    const char *const *roots; /* --output-root; count 0: anywhere but the system's directories */
    size_t root_count;
    const char *const *sources; /* --allow-source; count 0: every source */
    size_t source_count;
};

/* Checks a directory that a request wants written: makes it absolute ("~" is the home), resolves
 * the links of the part that exists. ERROR_INVALID for one that is none; ERROR_DENIED outside the
 * roots or in the system's own directories. The caller frees *resolved. */
struct error *access_directory(const struct access *access, const char *directory, char **resolved)
    __attribute__((warn_unused_result));

/* Whether a request may name this source: ERROR_DENIED unless one of the globs matches the whole
 * URI ('*' matches everything, '/' too). None matches a URI with ".." as a part of its path. */
struct error *access_source(const struct access *access, const char *uri)
    __attribute__((warn_unused_result));

/* Whether the globs name this URL. Endpoints and plain URLs that a request brings and no glob names
 * are reached over a guarded network only (transfer/network.h). */
bool access_allows(const struct access *access, const char *url);

/* How far the connections of one call may lead. */
enum access_reach {
    ACCESS_ANYWHERE,
    ACCESS_NAMED, /* where the request leads, since a glob names that; redirects are guarded */
    ACCESS_GUARDED,
};

/* Sets what a network guards. access may be NULL: no globs. */
void access_guard(const struct access *access, enum access_reach reach, struct network *network);

#endif
