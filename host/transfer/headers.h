/*
 * The values of HTTP response headers that transfers act on, parsed to the letter and without
 * trust. Used by the HTTP client and the downloader. Nothing is allocated.
 */
#ifndef KTHENA_TRANSFER_HEADERS_H
#define KTHENA_TRANSFER_HEADERS_H

#include <stdbool.h>
#include <stdint.h>

/* Content-Range (RFC 9110, 14.4): "bytes 0-499/1234" or "bytes 0-499/<star>", then *total is -1.
 * False for anything else, for last < first, and for total <= last. */
bool header_content_range(const char *value, int64_t *first, int64_t *last, int64_t *total);

/* Retry-After (RFC 9110, 10.2.3): seconds or an HTTP date, compared with wall (seconds since the
 * epoch). Returns milliseconds from now, at least 0; -1 for anything else. */
int64_t header_retry_after(const char *value, double wall);

/* RateLimit (draft-ietf-httpapi-ratelimit-headers): `"api";r=0;t=55`. Milliseconds until the window
 * is reset plus one second when nothing remains; 0 when something does; -1 when it is malformed. */
int64_t header_rate_limit(const char *value);

/* Whether a request that got this status may work when it is sent again: 408, 429, 500, 502, 503,
 * 504. */
bool header_status_is_passing(long status);

/* How long to wait before try number `attempt` (2 is the first retry): 1 s doubled up to 8 s, and a
 * jitter of up to a half of that taken off; at least what the server asked for, if it asked
 * (asked_ms >= 0), which is capped at 5 minutes. */
int64_t retry_delay_ms(int attempt, int64_t asked_ms);

#endif
