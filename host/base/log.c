#include "base/log.h"

#include "base/buffer.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/json.h"
#include "base/memory.h"
#include "base/redact.h"
#include "base/text.h"

#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct {
    _Atomic int level;
    pthread_mutex_t mutex; /* guards the rest, and keeps lines whole */
    enum log_format format;
    int fd;
    bool colour;
} settings = {.level = LOG_INFO, .mutex = PTHREAD_MUTEX_INITIALIZER, .fd = STDERR_FILENO};

static const struct {
    const char *word;
    const char *text; /* five columns */
    const char *colour;
} levels[] = {
    [LOG_DEBUG] = {"debug", "debug", "\x1b[2m"},
    [LOG_INFO] = {"info", "info ", "\x1b[32m"},
    [LOG_WARNING] = {"warning", "warn ", "\x1b[33m"},
    [LOG_ERROR] = {"error", "error", "\x1b[31m"},
};

bool log_level_parse(const char *word, enum log_level *level) {
    for (int i = LOG_DEBUG; i <= LOG_ERROR; i++) {
        if (strcmp(word, levels[i].word) == 0) {
            *level = (enum log_level)i;
            return true;
        }
    }
    return false;
}

bool log_format_parse(const char *word, enum log_format *format) {
    if (strcmp(word, "text") != 0 && strcmp(word, "json") != 0)
        return false;
    *format = word[0] == 't' ? LOG_TEXT : LOG_JSON;
    return true;
}

static bool wants_colour(enum log_format format, int fd) {
    const char *refused = getenv("NO_COLOR");
    const char *terminal = getenv("TERM");
    if (format != LOG_TEXT || (refused && *refused) || (terminal && !strcmp(terminal, "dumb")))
        return false;
    return isatty(fd) == 1;
}

void log_configure(enum log_level level, enum log_format format, int fd) {
    bool colour = wants_colour(format, fd);
    pthread_mutex_lock(&settings.mutex);
    settings.format = format;
    settings.fd = fd;
    settings.colour = colour;
    pthread_mutex_unlock(&settings.mutex);
    atomic_store(&settings.level, (int)level);
}

static void make_text(struct buffer *line, const char *time, enum log_level level, bool colour,
                      const struct buffer *message) {
    buffer_format(line, "%s %s%s%s ", time, colour ? levels[level].colour : "", levels[level].text,
                  colour ? "\x1b[0m" : "");
    text_escape(line, message->data, message->length);
    buffer_byte(line, '\n');
}

static void make_json(struct buffer *line, const char *time, enum log_level level,
                      const struct buffer *message) {
    struct json json;
    json_begin(&json, line);
    json_object(&json);
    json_key_string(&json, "time", time);
    json_key_string(&json, "level", levels[level].word);
    json_key(&json, "message");
    json_text(&json, message->data, message->length);
    json_end_object(&json);
    buffer_byte(line, '\n');
}

static void put_message(enum log_level level, struct buffer *message) {
    while (message->length > 0 && message->data[message->length - 1] == '\n')
        message->length--;
    redact(message, 0);
    struct buffer line = {0};
    char time[CLOCK_TEXT_SIZE];
    pthread_mutex_lock(&settings.mutex);
    clock_text(clock_wall(), time);
    if (settings.format == LOG_JSON)
        make_json(&line, time, level, message);
    else
        make_text(&line, time, level, settings.colour, message);
    file_write(settings.fd, line.data, line.length);
    pthread_mutex_unlock(&settings.mutex);
    buffer_free(&line);
}

void log_write(enum log_level level, const char *format, ...) {
    if ((int)level < atomic_load(&settings.level))
        return;
    int saved = errno;
    struct buffer message = {0};
    va_list arguments;
    va_start(arguments, format);
    buffer_vformat(&message, format, arguments);
    va_end(arguments);
    put_message(level, &message);
    buffer_free(&message);
    errno = saved;
}

void log_error_free(enum log_level level, struct error *error, const char *format, ...) {
    int saved = errno;
    if ((int)level >= atomic_load(&settings.level)) {
        struct buffer message = {0};
        va_list arguments;
        va_start(arguments, format);
        buffer_vformat(&message, format, arguments);
        va_end(arguments);
        if (error) {
            char *text = error_text(error);
            buffer_format(&message, ": %s", text);
            memory_free(text);
        }
        put_message(level, &message);
        buffer_free(&message);
    }
    error_free(error);
    errno = saved;
}
