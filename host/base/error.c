#include "base/error.h"

#include "base/memory.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static struct error *make(enum error_kind kind, struct error *cause, const char *suffix,
                          const char *format, va_list arguments) {
    va_list again;
    va_copy(again, arguments);
    int length = vsnprintf(NULL, 0, format, again);
    va_end(again);
    if (length < 0)
        length = 0;
    size_t tail = suffix ? strlen(suffix) + 2 : 0;
    struct error *error = memory_alloc(sizeof *error + (size_t)length + tail + 1);
    error->kind = kind;
    error->status = 0;
    error->cause = cause;
    vsnprintf(error->message, (size_t)length + 1, format, arguments);
    if (suffix)
        snprintf(error->message + length, tail + 1, ": %s", suffix);
    return error;
}

struct error *error_new(enum error_kind kind, struct error *cause, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    struct error *error = make(kind, cause, NULL, format, arguments);
    va_end(arguments);
    return error;
}

struct error *error_errno(enum error_kind kind, const char *format, ...) {
    char why[128];
    const char *text = strerror_r(errno, why, sizeof why);
    va_list arguments;
    va_start(arguments, format);
    struct error *error = make(kind, NULL, text, format, arguments);
    va_end(arguments);
    return error;
}

char *error_text(const struct error *error) {
    size_t size = 1;
    for (const struct error *each = error; each; each = each->cause)
        size += strlen(each->message) + 2;
    char *text = memory_alloc(size);
    char *end = text;
    *end = '\0';
    for (const struct error *each = error; each; each = each->cause)
        end += snprintf(end, size - (size_t)(end - text), "%s%s", each->message,
                        each->cause ? ": " : "");
    return text;
}

static const char *const kind_names[] = {
    [ERROR_INVALID] = "invalid",
    [ERROR_NOT_FOUND] = "not_found",
    [ERROR_EXISTS] = "exists",
    [ERROR_DENIED] = "denied",
    [ERROR_UNAUTHORIZED] = "unauthorized",
    [ERROR_IO] = "io",
    [ERROR_UNREACHABLE] = "unreachable",
    [ERROR_TIMEOUT] = "timeout",
    [ERROR_PROTOCOL] = "protocol",
    [ERROR_LIMIT] = "limit",
    [ERROR_SPACE] = "space",
    [ERROR_OVERLOAD] = "overload",
    [ERROR_UNSUPPORTED] = "unsupported",
    [ERROR_UNAVAILABLE] = "unavailable",
    [ERROR_CANCELLED] = "cancelled",
    [ERROR_POLICY] = "policy",
};

const char *error_kind_name(enum error_kind kind) {
    return kind_names[kind];
}

bool error_kind_parse(const char *word, enum error_kind *kind) {
    for (size_t i = 0; i < sizeof kind_names / sizeof *kind_names; i++) {
        if (strcmp(kind_names[i], word) == 0) {
            *kind = (enum error_kind)i;
            return true;
        }
    }
    return false;
}

void error_free(struct error *error) {
    while (error) {
        struct error *cause = error->cause;
        memory_free(error);
        error = cause;
    }
}
