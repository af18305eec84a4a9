/*
 * Judgements on what an engine answered at its metrics path: is it a page at all, and in which
 * media type. Used by the scraper, so that rubbish with status 200 is an error that says what came
 * instead.
 */
#ifndef KTHENA_METRICS_PAGE_CHECK_H
#define KTHENA_METRICS_PAGE_CHECK_H

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>

/* NULL for a page; ERROR_DENIED for a status other than 200, ERROR_INVALID for HTML, JSON or
 * protobuf, ERROR_PROTOCOL for OpenMetrics without its end. Errors name the URL. */
struct error *page_check(const char *url, long status, const char *content_type, const char *body,
                         size_t length) __attribute__((warn_unused_result));

/* Whether a Content-Type says which exposition format the body is in. NULL is none. */
bool page_is_exposition(const char *content_type);

/* An Accept header without the protobuf formats, which cannot be renamed; NULL when accept may be
 * passed on as it is. The caller frees it. */
char *page_accept(const char *accept);

#endif
