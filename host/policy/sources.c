/* The questions about a generation's sources: which one resolves a URI. */
#include "base/memory.h"
#include "base/text.h"
#include "policy/generation.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

/* Texts of users are repeated in messages up to here. */
enum { SHOWN_MAX = 200 };

/* The source of a scheme that is not terminated, or NULL. */
static const struct source *find(const struct generation *generation, const char *scheme,
                                 size_t length) {
    for (size_t i = 0; i < generation_source_count(generation); i++) {
        const struct source *source = generation_source_at(generation, i);
        for (size_t j = 0; j < source->scheme_count; j++)
            if (strlen(source->schemes[j]) == length &&
                strncasecmp(source->schemes[j], scheme, length) == 0)
                return source;
    }
    return NULL;
}

/* The help of every source, "a://x, b://y". */
static void append_known(const struct generation *generation, struct buffer *out) {
    size_t count = generation_source_count(generation);
    buffer_string(out, count ? "; known: " : "; known: none, the rules hold no source");
    for (size_t i = 0; i < count; i++)
        buffer_format(out, "%s%s", i ? ", " : "", generation_source_at(generation, i)->help);
}

/* The scheme that was most likely meant, or NULL. */
static const char *nearest(const struct generation *generation, const char *word) {
    const char **schemes = NULL;
    size_t count = 0;
    for (size_t i = 0; i < generation_source_count(generation); i++) {
        const struct source *source = generation_source_at(generation, i);
        schemes = memory_resize(schemes, (count + source->scheme_count) * sizeof *schemes);
        for (size_t j = 0; j < source->scheme_count; j++)
            if (*source->schemes[j])
                schemes[count++] = source->schemes[j];
    }
    const char *near = text_nearest(word, schemes, count);
    memory_free(schemes);
    return near;
}

/* How a path of this machine is written as a URI, as the help of a source shows it: the first whose
 * URI has nothing between "://" and an absolute path. */
static const char *path_help(const struct generation *generation) {
    for (size_t i = 0; i < generation_source_count(generation); i++) {
        const char *help = generation_source_at(generation, i)->help;
        if (strstr(help, ":///"))
            return help;
    }
    return NULL;
}

static struct error *refuse(const struct generation *generation, struct buffer *message) {
    append_known(generation, message);
    struct error *error = error_new(ERROR_INVALID, NULL, "%s", buffer_text(message));
    buffer_free(message);
    return error;
}

static struct error *unknown_scheme(const struct generation *generation, const char *uri,
                                    size_t length) {
    struct buffer message = {0};
    char *scheme = memory_copy(uri, length < SHOWN_MAX ? length : SHOWN_MAX);
    const char *near = nearest(generation, scheme);
    buffer_format(&message, "unknown scheme '%s://'", scheme);
    if (near)
        buffer_format(&message, "; did you mean '%s://'?", near);
    memory_free(scheme);
    return refuse(generation, &message);
}

/* Whether a text without "://" is meant as a path: it begins as one, or is one of another system.
 */
static bool is_path(const char *text) {
    bool drive = isalpha((unsigned char)text[0]) && text[1] == ':' &&
                 (text[2] == '\\' || text[2] == '/' || !text[2]);
    return *text == '/' || *text == '.' || *text == '~' || drive || strchr(text, '\\');
}

static struct error *not_a_uri(const struct generation *generation, const char *text) {
    struct buffer message = {0};
    const char *help = path_help(generation);
    if (!*text)
        buffer_string(&message, "the source is empty");
    else if (is_path(text) && help)
        buffer_format(&message, "'%.*s' is a path, no URI; a path is written as %s", SHOWN_MAX,
                      text, help);
    else if (is_path(text))
        buffer_format(&message, "'%.*s' is a path, no URI", SHOWN_MAX, text);
    else
        buffer_format(&message, "'%.*s' is no URI; '://' is missing", SHOWN_MAX, text);
    return refuse(generation, &message);
}

struct error *generation_source_of(const struct generation *generation, const char *uri,
                                   const struct source **out) {
    const char *end = strstr(uri, "://");
    size_t length = end ? (size_t)(end - uri) : 0;
    if (!end && (!*uri || is_path(uri) || strchr(uri, ':')))
        return not_a_uri(generation, uri);
    const struct source *source = end && length == 0 ? NULL : find(generation, uri, length);
    if (!source && !end)
        return not_a_uri(generation, uri);
    if (!source)
        return unknown_scheme(generation, uri, length);
    *out = source;
    return NULL;
}
