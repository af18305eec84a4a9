/* Takes away what a download has brought. */
#include "store/manifest.h"

#include "base/memory.h"
#include "store/journal_internal.h"
#include "store/store_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

/* Removes a regular file; what is not there, or is something else, is left as it is. */
static struct error *remove_file(const struct directory *directory, const char *path, bool *gone) {
    const char *last;
    struct stat about;
    struct error *error = NULL;
    *gone = false;
    int parent = store_path_is_clean(path) ? store_walk(directory, path, false, &last) : -1;
    if (parent < 0)
        return NULL;
    if (fstatat(parent, last, &about, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(about.st_mode)) {
        *gone = unlinkat(parent, last, 0) == 0;
        if (!*gone && errno != ENOENT)
            error = directory_error(directory, "remove", path);
    }
    store_close(directory, parent);
    return error;
}

/* Removes the directories above a path of the output directory for as long as they are empty. */
static void remove_parents(const struct directory *directory, const char *path) {
    char *copy = memory_string(path);
    bool removed = true;
    for (char *slash; removed && (slash = strrchr(copy, '/'));) {
        const char *last;
        *slash = '\0';
        int parent = store_walk(directory, copy, false, &last);
        removed = parent >= 0 && unlinkat(parent, last, AT_REMOVEDIR) == 0;
        if (parent >= 0)
            store_close(directory, parent);
    }
    memory_free(copy);
}

/* Removes .kthena, and the directory if nothing else is in it. */
static void remove_work(const struct directory *directory) {
    journal_remove_parts(directory);
    store_sweep(directory->work_fd, NULL, NULL);
    if (unlinkat(directory->fd, STORE_WORK, AT_REMOVEDIR) == 0)
        rmdir(directory->path);
}

struct error *manifest_delete(const struct directory *directory, size_t *count) {
    struct manifest manifest = {0};
    *count = 0;
    struct error *error = manifest_read(directory, &manifest);
    for (size_t i = 0; !error && i < manifest.count; i++) {
        bool gone;
        error = remove_file(directory, manifest.files[i].path, &gone);
        *count += gone;
    }
    for (size_t i = manifest.count; !error && i > 0; i--)
        remove_parents(directory, manifest.files[i - 1].path);
    if (!error)
        remove_work(directory);
    manifest_free(&manifest);
    return error;
}
