#include "policy/check.h"

#include <string.h>

/* Whether a path is a directory, or in it. */
static bool is_in(const char *path, const char *directory) {
    size_t length = strlen(directory);
    while (length > 1 && directory[length - 1] == '/')
        length--;
    return strncmp(path, directory, length) == 0 && (path[length] == '\0' || path[length] == '/');
}

/* Whether a problem is one of what the user asked about: with directories, not of the built-in
 * files. What has no file concerns everybody. */
static bool is_asked(const struct rule_sources *sources, const char *file) {
    if (sources->layers.count == 0 || *file == '\0')
        return true;
    for (size_t i = 0; i < sources->layers.count; i++)
        if (is_in(file, sources->layers.directories[i]))
            return true;
    return false;
}

void rules_check(const struct rule_sources *sources, struct buffer *problems, size_t *count,
                 size_t *files) {
    struct problems found = {0};
    struct snapshot *snapshot = snapshot_ref(snapshot_read(&sources->layers));
    struct generation *generation = generation_build(snapshot, sources, 1, &found);
    *count = 0;
    *files = 0;
    for (size_t i = 0; i < snapshot->count; i++)
        if (is_asked(sources, snapshot->files[i].display))
            (*files)++;
    for (size_t i = 0; i < found.count; i++) {
        if (!is_asked(sources, found.list[i].file))
            continue;
        buffer_format(problems, "%s\n", found.list[i].text);
        (*count)++;
    }
    problems_free(&found);
    generation_unref(generation);
    snapshot_unref(snapshot);
}
