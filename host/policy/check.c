#include "policy/check.h"

#include <string.h>

/* Whether a file belongs to what the user asked about. What could not be read has no file; it is
 * then told apart by its path alone. */
static bool is_asked(const struct rule_sources *sources, const char *file) {
    if (sources->layers.count == 0)
        return true;
    for (size_t i = 0; i < sources->layers.count; i++) {
        const char *directory = sources->layers.directories[i];
        if (strncmp(file, directory, strlen(directory)) == 0)
            return true;
    }
    return *file == '\0';
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
