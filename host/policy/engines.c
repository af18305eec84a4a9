/* The questions about a generation's engines: by name, by page, for people. */
#include "base/memory.h"
#include "base/text.h"
#include "policy/generation.h"

#include <stdlib.h>
#include <string.h>

const struct engine *generation_engine(const struct generation *generation, const char *name) {
    for (size_t i = 0; i < generation_engine_count(generation); i++) {
        const struct engine *engine = generation_engine_at(generation, i);
        if (strcmp(engine->name, name) == 0)
            return engine;
        for (size_t j = 0; j < engine->alias_count; j++)
            if (strcmp(engine->aliases[j], name) == 0)
                return engine;
    }
    return NULL;
}

static int by_text(const void *a, const void *b) {
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

size_t generation_engine_names(const struct generation *generation, const char ***names) {
    size_t count = 0;
    *names = NULL;
    for (size_t i = 0; i < generation_engine_count(generation); i++) {
        const struct engine *engine = generation_engine_at(generation, i);
        *names = memory_resize(*names, (count + 1 + engine->alias_count) * sizeof **names);
        (*names)[count++] = engine->name;
        for (size_t j = 0; j < engine->alias_count; j++)
            (*names)[count++] = engine->aliases[j];
    }
    if (count > 0)
        qsort(*names, count, sizeof **names, by_text);
    return count;
}

struct error *generation_unknown_engine(const struct generation *generation, const char *name) {
    const char **names;
    size_t count = generation_engine_names(generation, &names);
    const char *nearest = text_nearest(name, names, count);
    struct buffer known = {0};
    for (size_t i = 0; i < count; i++)
        buffer_format(&known, "%s%s", i ? ", " : "", names[i]);
    struct error *error =
        error_new(ERROR_INVALID, NULL, "unknown engine '%s'; %s%s%sknown: %s", name,
                  nearest ? "did you mean '" : "", nearest ? nearest : "", nearest ? "'? " : "",
                  count ? buffer_text(&known) : "none, the rules hold no engine");
    buffer_free(&known);
    memory_free(names);
    return error;
}

static bool begins(const struct engine *engine, const char *line, size_t length) {
    for (size_t i = 0; i < engine->detect_count; i++) {
        size_t prefix = strlen(engine->detect[i]);
        if (prefix <= length && memcmp(line, engine->detect[i], prefix) == 0)
            return true;
    }
    return false;
}

const struct engine *generation_detect(const struct generation *generation, const char *page,
                                       size_t length) {
    size_t engines = generation_engine_count(generation);
    size_t *lines = memory_zero(engines, sizeof *lines);
    const struct engine *best = NULL;
    size_t most = 0;
    for (size_t at = 0; at < length;) {
        const char *newline = memchr(page + at, '\n', length - at);
        size_t size = newline ? (size_t)(newline - page) - at : length - at;
        for (size_t i = 0; i < engines; i++)
            if (begins(generation_engine_at(generation, i), page + at, size))
                lines[i]++;
        at += size + 1;
    }
    for (size_t i = 0; i < engines; i++) {
        if (lines[i] > most) {
            most = lines[i];
            best = generation_engine_at(generation, i);
        }
    }
    memory_free(lines);
    return best;
}

static void new_line(struct buffer *out, int depth) {
    buffer_byte(out, '\n');
    for (int i = 0; i < depth; i++)
        buffer_string(out, "  ");
}

void generation_indent(const char *json, struct buffer *out) {
    int depth = 0;
    bool quoted = false;
    for (const char *at = json; *at; at++) {
        bool closes = !quoted && (*at == '}' || *at == ']');
        bool empty = closes && at > json && (at[-1] == '{' || at[-1] == '[');
        if (closes && !empty)
            new_line(out, depth - 1);
        if (closes)
            depth--;
        buffer_byte(out, *at);
        if (quoted && *at == '\\' && at[1])
            buffer_byte(out, *++at);
        else if (*at == '"')
            quoted = !quoted;
        else if (!quoted && (*at == '{' || *at == '[')) {
            depth++;
            if (at[1] != '}' && at[1] != ']')
                new_line(out, depth);
        } else if (!quoted && *at == ',')
            new_line(out, depth);
        else if (!quoted && *at == ':')
            buffer_byte(out, ' ');
    }
    buffer_byte(out, '\n');
}
