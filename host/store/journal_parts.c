#include "base/memory.h"
#include "store/journal_internal.h"
#include "store/store_internal.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* More files than this with unsynced bytes, and all of the file system is synced at once. */
enum { SYNC_EACH_MAX = 64, PART_NAME_SIZE = 24 };

void journal_remove_parts(const struct directory *directory) {
    int parts = store_open_parts(directory, false);
    if (parts < 0)
        return;
    store_sweep(parts, NULL, NULL);
    store_close(directory, parts);
    unlinkat(directory->work_fd, "parts", AT_REMOVEDIR);
}

struct reconciling {
    const struct directory *directory;
    const struct journal_load *load;
    int parts;
};

/* A file that is recorded as complete and still lies here was about to get its name. */
static void finish(const struct reconciling *work, struct journal_entry *entry, const char *name) {
    struct stat about;
    bool same = fstatat(work->parts, name, &about, AT_SYMLINK_NOFOLLOW) == 0 &&
                about.st_ino == entry->file.inode && store_mtime_ns(&about) == entry->file.mtime_ns;
    if (same)
        error_free(directory_publish(work->directory, entry->file.part, entry->path));
}

static bool is_waste(const char *name, void *context) {
    const struct reconciling *work = context;
    char canonical[PART_NAME_SIZE];
    uint64_t part = strtoull(name, NULL, 10);
    snprintf(canonical, sizeof canonical, "%" PRIu64, part);
    struct journal_entry *entry =
        strcmp(name, canonical) == 0 ? journal_loaded_find(work->load, part) : NULL;
    if (entry && entry->file.complete)
        finish(work, entry, name);
    return !entry || !entry->has_part;
}

/* What a part file cannot hold was not written, whatever the journal says. */
static void check_part(const struct reconciling *work, struct journal_entry *entry) {
    struct stat about;
    char name[PART_NAME_SIZE];
    snprintf(name, sizeof name, "%" PRIu64, entry->file.part);
    entry->has_part = !entry->file.complete &&
                      fstatat(work->parts, name, &about, AT_SYMLINK_NOFOLLOW) == 0 &&
                      S_ISREG(about.st_mode);
    if (entry->has_part)
        journal_entry_clip(entry, about.st_size);
}

/* Has the bytes of one file on disk; false when that cannot be had. */
static bool sync_entry(const struct directory *directory, const struct journal_entry *entry) {
    int fd;
    struct error *error = entry->file.complete
                              ? directory_open_file(directory, entry->path, &fd)
                              : directory_open_part(directory, entry->file.part, &fd);
    bool good = !error && store_sync(fd);
    if (!error)
        close(fd);
    error_free(error);
    return good;
}

/* What the system has not been told to write yet is written now, so that all of what goes into the
 * new journal is on disk. */
static struct error *sync_late(const struct directory *directory, const struct journal_load *load) {
    size_t late = 0;
    for (size_t i = 0; i < load->count; i++)
        late += load->files[i].entry->late;
    bool each = late <= SYNC_EACH_MAX;
    if (!each && syncfs(directory->fd) != 0)
        return directory_error(directory, "sync the file system of", "");
    for (size_t i = 0; each && i < load->count; i++) {
        struct journal_entry *entry = load->files[i].entry;
        if (entry->late && (entry->file.complete || entry->has_part) &&
            !sync_entry(directory, entry))
            journal_entry_restart(entry);
    }
    return NULL;
}

struct error *journal_reconcile(const struct directory *directory,
                                const struct journal_load *load) {
    struct reconciling work = {directory, load, store_open_parts(directory, true)};
    if (work.parts < 0)
        return directory_error(directory, "open", STORE_WORK "/parts");
    for (size_t i = 0; i < load->count; i++)
        check_part(&work, load->files[i].entry);
    store_sweep(work.parts, is_waste, &work);
    store_close(directory, work.parts);
    return sync_late(directory, load);
}
