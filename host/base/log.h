/*
 * The process's log: one line an event, on standard error, as text for people or JSON for
 * machines. Any thread may write; a line is one write(2) and lines never mix. Bytes that could
 * forge a line or drive a terminal are escaped, secrets hidden (base/redact.h). Used by commands/,
 * server/ and policy/; other units return errors instead.
 *
 *     2026-10-01T12:00:00.123Z info  message
 *     {"time":"2026-10-01T12:00:00.123Z","level":"info","message":"message"}
 */
#ifndef KTHENA_BASE_LOG_H
#define KTHENA_BASE_LOG_H

#include "base/error.h"

#include <stdbool.h>

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARNING, LOG_ERROR };
enum log_format { LOG_TEXT, LOG_JSON };

/* What --log-level and --log-format offer; the words in the order of the enumerations. */
#define LOG_LEVEL_CHOICES "debug|info|warning|error"
#define LOG_FORMAT_CHOICES "text|json"

/* Reads one of the words above; false, and nothing stored, for any other. */
bool log_level_parse(const char *word, enum log_level *level);
bool log_format_parse(const char *word, enum log_format *format);

/* Sets the least level that is written, the format, and the descriptor (not owned). Before the
 * first call it is LOG_INFO, LOG_TEXT, 2. Text has colours when the descriptor is a terminal and
 * the variable NO_COLOR is absent or empty. */
void log_configure(enum log_level level, enum log_format format, int fd);

/* Writes one line. A message needs no newline at its end. errno is left as it was. */
void log_write(enum log_level level, const char *format, ...) __attribute__((format(printf, 2, 3)));

#define log_debug(...) log_write(LOG_DEBUG, __VA_ARGS__)
#define log_info(...) log_write(LOG_INFO, __VA_ARGS__)
#define log_warning(...) log_write(LOG_WARNING, __VA_ARGS__)
#define log_error(...) log_write(LOG_ERROR, __VA_ARGS__)

/* Writes the message, ": " and the error's text, and frees the error. NULL is fine: the message
 * then stands alone. */
void log_error_free(enum log_level level, struct error *error, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif
