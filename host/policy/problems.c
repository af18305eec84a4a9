#include "policy/problems.h"

#include "base/memory.h"
#include "base/text.h"

#include <stdarg.h>

enum { TEXT_MAX = 2000 }; /* bytes of one problem: a rule chooses the words of its own errors */

/* A problem is one line whatever a rule put into it. */
static char *one_line(const char *text, size_t length) {
    struct buffer line = {0};
    size_t at = 0;
    while (at < length && line.length < TEXT_MAX) {
        size_t size = text_utf8(text + at, length - at);
        unsigned char byte = (unsigned char)text[at];
        if (byte == '\n')
            buffer_string(&line, "\\n");
        else if (size == 0 || byte < 0x20 || byte == 0x7f)
            buffer_format(&line, "\\x%02x", byte);
        else
            buffer_append(&line, text + at, size);
        at += size ? size : 1;
    }
    if (at < length)
        buffer_string(&line, "...");
    char *copy = memory_copy(line.data, line.length);
    buffer_free(&line);
    return copy;
}

static void add(struct problems *problems, const char *file, const char *text, size_t length) {
    problems->list = memory_resize(problems->list, (problems->count + 1) * sizeof *problems->list);
    problems->list[problems->count++] = (struct problem){
        .file = memory_string(file),
        .text = one_line(text, length),
    };
}

void problems_add(struct problems *problems, const char *file, const char *format, ...) {
    struct buffer text = {0};
    buffer_format(&text, "%s: ", file);
    va_list arguments;
    va_start(arguments, format);
    buffer_vformat(&text, format, arguments);
    va_end(arguments);
    add(problems, file, text.data, text.length);
    buffer_free(&text);
}

void problems_add_text(struct problems *problems, const char *file, const char *text) {
    add(problems, file, text, strlen(text));
}

void problems_print(const struct problems *problems, struct buffer *out) {
    for (size_t i = 0; i < problems->count; i++)
        buffer_format(out, "%s\n", problems->list[i].text);
}

void problems_append(struct problems *problems, const struct problems *more) {
    for (size_t i = 0; i < more->count; i++)
        problems_add_text(problems, more->list[i].file, more->list[i].text);
}

void problems_copy(struct problems *target, const struct problems *source) {
    problems_free(target);
    problems_append(target, source);
}

void problems_free(struct problems *problems) {
    for (size_t i = 0; i < problems->count; i++) {
        memory_free(problems->list[i].file);
        memory_free(problems->list[i].text);
    }
    memory_free(problems->list);
    *problems = (struct problems){0};
}
