#include "metrics/page_check.h"

#include "base/buffer.h"
#include "base/memory.h"
#include "metrics/exposition.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

/* How much of an unexpected body an error quotes. */
#define QUOTE_MAX 120

static bool is_media_type(const char *content_type, const char *type) {
    size_t length = strlen(type);
    return content_type && strncasecmp(content_type, type, length) == 0 &&
           (content_type[length] == '\0' || strchr("; \t", content_type[length]));
}

static bool is_open_metrics(const char *content_type) {
    return is_media_type(content_type, "application/openmetrics-text");
}

bool page_is_exposition(const char *content_type) {
    return is_open_metrics(content_type) ||
           (is_media_type(content_type, "text/plain") && strcasestr(content_type, "version="));
}

/* The beginning of a body on one line, for an error. */
static void quote(const char *body, size_t length, char text[QUOTE_MAX + 8]) {
    size_t used = 0, i = 0;
    for (; i < length && used < QUOTE_MAX; i++) {
        char byte = body[i];
        bool space = (unsigned char)byte <= ' ' || byte == 0x7f;
        if (space && (used == 0 || text[used - 1] == ' '))
            continue;
        text[used++] = space ? ' ' : byte;
    }
    while (used && text[used - 1] == ' ')
        used--;
    snprintf(text + used, 8, "%s", i < length ? "..." : "");
}

/* Whether a body that begins with a brace is JSON and not a sample with a quoted name. */
static bool is_json_object(const char *body, size_t length) {
    const char *end = memchr(body, '\n', length);
    struct exposition_sample sample;
    return !exposition_sample(body, end ? end : body + length, &sample);
}

static const char *what_it_is(const char *content_type, const char *body, size_t length) {
    const char *begin = body;
    size_t left = length;
    for (; left && *begin && strchr(" \t\r\n", *begin); left--)
        begin++;
    if (is_media_type(content_type, "application/vnd.google.protobuf"))
        return "protobuf";
    if (is_media_type(content_type, "text/html") || (left && *begin == '<'))
        return "HTML";
    if (is_media_type(content_type, "application/json") || (left && *begin == '[') ||
        (left && *begin == '{' && is_json_object(begin, left)))
        return "JSON";
    return NULL;
}

/* Whether the last line that is not blank is "# EOF". */
static bool has_eof(const char *body, size_t length) {
    static const char eof[] = "# EOF";
    size_t size = sizeof eof - 1;
    while (length && body[length - 1] && strchr(" \t\n", body[length - 1]))
        length--;
    return length >= size && memcmp(body + length - size, eof, size) == 0 &&
           (length == size || body[length - size - 1] == '\n');
}

struct error *page_check(const char *url, long status, const char *content_type, const char *body,
                         size_t length) {
    char text[QUOTE_MAX + 8];
    quote(body, length, text);
    if (status != 200)
        return error_new(ERROR_DENIED, NULL, "GET %s: the engine answered %ld%s%s", url, status,
                         *text ? ": " : "", text);
    const char *what = what_it_is(content_type, body, length);
    if (what)
        return error_new(ERROR_INVALID, NULL,
                         "GET %s: expected a Prometheus exposition, got %s (%s); is "
                         "--engine-metrics-path right?",
                         url, what, text);
    if (is_open_metrics(content_type) && !has_eof(body, length))
        return error_new(ERROR_PROTOCOL, NULL,
                         "GET %s: the OpenMetrics page was cut off, it does not end with \"# EOF\"",
                         url);
    return NULL;
}

char *page_accept(const char *accept) {
    if (!strcasestr(accept, "protobuf"))
        return NULL;
    struct buffer out = {0};
    for (const char *at = accept; *at;) {
        size_t length = strcspn(at, ",");
        const char *found = strcasestr(at, "protobuf");
        if (!found || found >= at + length) {
            if (out.length)
                buffer_byte(&out, ',');
            buffer_append(&out, at, length);
        }
        at += length + (at[length] == ',');
    }
    if (out.length == 0)
        buffer_string(&out, "*/*");
    buffer_byte(&out, '\0');
    return out.data;
}
