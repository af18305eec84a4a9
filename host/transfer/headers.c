#include "transfer/headers.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

enum {
    FIRST_DELAY_MS = 1000,
    LONGEST_DELAY_MS = 8000,
    LONGEST_ASKED_MS = 5 * 60 * 1000,
};

/* Reads digits and goes past them. False for none, and for a number above the limit. */
static bool read_number(const char **at, int64_t limit, int64_t *number) {
    const char *digit = *at;
    int64_t value = 0;
    for (; *digit >= '0' && *digit <= '9'; digit++) {
        if (value > (limit - (*digit - '0')) / 10)
            return false;
        value = value * 10 + (*digit - '0');
    }
    if (digit == *at)
        return false;
    *at = digit;
    *number = value;
    return true;
}

static bool read_byte(const char **at, char byte) {
    if (**at != byte)
        return false;
    ++*at;
    return true;
}

bool header_content_range(const char *value, int64_t *first, int64_t *last, int64_t *total) {
    static const char unit[] = "bytes ";
    int64_t from = 0, to = 0, all = -1;
    if (strncasecmp(value, unit, sizeof unit - 1) != 0)
        return false;
    value += sizeof unit - 1;
    if (!read_number(&value, INT64_MAX, &from) || !read_byte(&value, '-') ||
        !read_number(&value, INT64_MAX, &to) || !read_byte(&value, '/'))
        return false;
    if (!read_byte(&value, '*') && !read_number(&value, INT64_MAX, &all))
        return false;
    if (*value || to < from || (all >= 0 && all <= to))
        return false;
    *first = from;
    *last = to;
    *total = all;
    return true;
}

/* The three forms of RFC 9110, 5.6.7. */
static bool read_date(const char *value, time_t *when) {
    static const char *const forms[] = {"%a, %d %b %Y %H:%M:%S GMT", "%A, %d-%b-%y %H:%M:%S GMT",
                                        "%a %b %e %H:%M:%S %Y"};
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
        struct tm parts = {0};
        const char *end = strptime(value, forms[i], &parts);
        if (end && !*end) {
            *when = timegm(&parts);
            return true;
        }
    }
    return false;
}

int64_t header_retry_after(const char *value, double wall) {
    int64_t seconds = 0;
    const char *end = value;
    time_t when = 0;
    if (read_number(&end, INT64_MAX / 1000, &seconds) && !*end)
        return seconds * 1000;
    if (!read_date(value, &when))
        return -1;
    double left = (double)when - wall;
    return left > 0 ? (int64_t)(left * 1000) : 0;
}

static void skip_blanks(const char **at) {
    *at += strspn(*at, " \t");
}

/* Goes past a string in quotes, or a token, of RFC 8941. */
static bool skip_item(const char **at) {
    if (read_byte(at, '"')) {
        while (**at && **at != '"') {
            if (**at == '\\' && (*at)[1])
                ++*at;
            ++*at;
        }
        return read_byte(at, '"');
    }
    size_t length = strcspn(*at, "\";,= \t");
    *at += length;
    return length > 0;
}

struct window {
    int64_t remaining, reset; /* -1: not told */
};

/* Goes past ";name=value", and keeps what it tells about the window. */
static bool read_parameter(const char **at, struct window *window) {
    ++*at;
    skip_blanks(at);
    const char *name = *at;
    if (!skip_item(at))
        return false;
    bool single = *at - name == 1;
    if (!read_byte(at, '='))
        return true;
    if (single && *name == 'r')
        return read_number(at, INT64_MAX / 1000 - 1, &window->remaining);
    if (single && *name == 't')
        return read_number(at, INT64_MAX / 1000 - 1, &window->reset);
    return skip_item(at);
}

int64_t header_rate_limit(const char *value) {
    int64_t wait = 0;
    do {
        struct window window = {-1, -1};
        skip_blanks(&value);
        if (!skip_item(&value))
            return -1;
        skip_blanks(&value);
        while (*value == ';') {
            if (!read_parameter(&value, &window))
                return -1;
            skip_blanks(&value);
        }
        if (window.remaining < 0 || (window.remaining == 0 && window.reset < 0))
            return -1;
        int64_t until = window.remaining == 0 ? (window.reset + 1) * 1000 : 0;
        wait = until > wait ? until : wait;
    } while (read_byte(&value, ','));
    return *value ? -1 : wait;
}

bool header_status_is_passing(long status) {
    static const long passing[] = {408, 429, 500, 502, 503, 504};
    for (size_t i = 0; i < sizeof passing / sizeof *passing; i++)
        if (status == passing[i])
            return true;
    return false;
}

int64_t retry_delay_ms(int attempt, int64_t asked_ms) {
    int64_t delay = FIRST_DELAY_MS;
    for (int i = 2; i < attempt && delay < LONGEST_DELAY_MS; i++)
        delay *= 2;
    delay -= (int64_t)arc4random_uniform((uint32_t)(delay / 2) + 1);
    int64_t asked = asked_ms < LONGEST_ASKED_MS ? asked_ms : LONGEST_ASKED_MS;
    return delay > asked ? delay : asked;
}
