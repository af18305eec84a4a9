#include "transfer/download_internal.h"

#include "base/clock.h"
#include "base/memory.h"

#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <linux/magic.h>

char *prepare_identity(const struct download *download, const struct plan_file *file) {
    if (file->hex)
        return memory_format("%s:%s", digest_name(file->digest), file->hex);
    if (download->plan->pinned)
        return memory_format("revision:%s", download->plan->revision);
    return memory_string("");
}

char *prepare_etag(const struct plan_file *file) {
    if (file->etag)
        return memory_string(file->etag);
    if (file->local && file->mtime_ns >= 0)
        return memory_format("mtime-%" PRId64, file->mtime_ns);
    return NULL;
}

bool prepare_is_same(const struct journal_file *found, int64_t size, const char *etag,
                     const char *identity) {
    if (found->size != size || strcmp(found->identity, identity) != 0)
        return false;
    if (etag)
        return strcmp(found->etag, etag) == 0;
    return *found->etag || *identity;
}

/* Whether "kind:hex" is of this kind. */
static bool has_kind(const char *digest, enum digest_kind kind) {
    size_t length = strlen(digest_name(kind));
    return strncmp(digest, digest_name(kind), length) == 0 && digest[length] == ':';
}

/* Whether a file is what the plan wants: by the digest, the ETag, or a revision that cannot have
 * changed. */
static bool is_wanted(const struct plan_file *file, const char *etag, int64_t size,
                      const char *digest, const char *found_etag, bool same_revision) {
    if (file->size >= 0 && file->size != size)
        return false;
    if (file->hex && has_kind(digest, file->digest))
        return strcmp(strchr(digest, ':') + 1, file->hex) == 0;
    return same_revision || (etag && strcmp(etag, found_etag) == 0);
}

static void note(struct download *download, size_t index, int64_t size, const char *digest,
                 const char *etag, int64_t mtime_ns, uint64_t inode) {
    download->outcomes[index] = (struct outcome){.digest = memory_string(digest),
                                                 .etag = memory_string(etag),
                                                 .size = size,
                                                 .mtime_ns = mtime_ns,
                                                 .inode = inode};
    download->plan->files[index].present = size;
    atomic_fetch_add(&download->progress->bytes_done, size);
    atomic_fetch_add(&download->progress->files_done, 1);
    atomic_fetch_add(&download->progress->files_present, 1);
}

/* The plan did not know the size. */
static void note_size(struct download *download, const struct plan_file *file, int64_t size) {
    if (file->size < 0)
        atomic_fetch_add(&download->progress->bytes_total, size);
}

/* Whether what is there is of the very revision that is wanted, which cannot have changed. */
static bool is_same_revision(const struct plan *plan, const char *source,
                             const struct manifest *before) {
    return plan->pinned && before->pinned && strcmp(plan->revision, before->revision) == 0 &&
           strcmp(source, before->source) == 0;
}

bool download_is_present(const struct plan *plan, size_t index, const char *source,
                         const struct directory *directory, const struct manifest *before) {
    const struct plan_file *file = &plan->files[index];
    const struct manifest_file *found = manifest_find(before, file->path);
    if (!found || !manifest_file_is_present(directory, found))
        return false;
    char *etag = prepare_etag(file);
    bool wanted = is_wanted(file, etag, found->size, found->digest, found->etag,
                            is_same_revision(plan, source, before));
    memory_free(etag);
    return wanted;
}

bool prepare_from_manifest(struct download *download) {
    const struct plan *plan = download->plan;
    const struct manifest *before = download->before;
    bool same = is_same_revision(plan, download->source, before);
    size_t count = 0;
    for (size_t i = 0; i < plan->file_count; i++) {
        const struct plan_file *file = &plan->files[i];
        const struct manifest_file *found = manifest_find(before, file->path);
        if (!found || !manifest_file_is_present(download->directory, found))
            continue;
        char *etag = prepare_etag(file);
        if (is_wanted(file, etag, found->size, found->digest, found->etag, same)) {
            note(download, i, found->size, found->digest, etag ? etag : found->etag,
                 found->mtime_ns, found->inode);
            note_size(download, file, found->size);
            count++;
        } else {
            download->outcomes[i].is_other = file->hex && has_kind(found->digest, file->digest);
        }
        memory_free(etag);
    }
    return count == plan->file_count;
}

bool prepare_learned(struct download *download, const struct fetch *fetch) {
    const struct manifest_file *found = manifest_find(download->before, fetch->file->path);
    struct plan_file learned = *fetch->file;
    learned.size = fetch->size;
    learned.digest = fetch->kind;
    learned.hex = *fetch->hex ? fetch->hex : NULL;
    if (!found ||
        !is_wanted(&learned, fetch->etag, found->size, found->digest, found->etag, false) ||
        !manifest_file_is_present(download->directory, found))
        return false;
    note(download, fetch->index, found->size, found->digest,
         fetch->etag ? fetch->etag : found->etag, found->mtime_ns, found->inode);
    return true;
}

/* Whether the file that the journal calls complete is there as it was left. */
static bool is_untouched(const struct download *download, const char *path,
                         const struct journal_file *found) {
    struct stat about;
    return directory_stat(download->directory, path, &about) && about.st_size == found->size &&
           about.st_ino == found->inode &&
           about.st_mtim.tv_sec * INT64_C(1000000000) + about.st_mtim.tv_nsec == found->mtime_ns;
}

/* What an earlier run, unfinished, has completed. */
static bool note_from_journal(struct download *download, size_t index, const char *etag,
                              const char *identity) {
    const struct plan_file *file = &download->plan->files[index];
    const struct journal_file *found = journal_find(download->journal, file->path);
    if (!found || !found->complete)
        return false;
    int64_t size = file->size < 0 ? found->size : file->size;
    if (!prepare_is_same(found, size, etag, identity) &&
        !is_wanted(file, etag, found->size, found->digest, found->etag, false))
        return false;
    if (!is_untouched(download, file->path, found))
        return false;
    note(download, index, found->size, found->digest, found->etag, found->mtime_ns, found->inode);
    note_size(download, file, found->size);
    return true;
}

/* Whether there is nothing in the directory but what is the downloader's own: then there is no need
 * to look for each file, which takes long on a volume far away. */
static bool is_fresh(const struct directory *directory) {
    bool fresh = true;
    int fd = openat(directory->fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *stream = fd >= 0 ? fdopendir(fd) : NULL;
    const struct dirent *each;
    if (!stream) {
        if (fd >= 0)
            close(fd);
        return false;
    }
    while (fresh && (each = readdir(stream)))
        fresh = strcmp(each->d_name, ".") == 0 || strcmp(each->d_name, "..") == 0 ||
                strcmp(each->d_name, ".kthena") == 0;
    closedir(stream);
    return fresh;
}

/* Whether the file may be there already, under its own name, and only its digest can tell. */
static bool is_adoptable(const struct download *download, size_t index) {
    const struct plan_file *file = &download->plan->files[index];
    struct stat about;
    /* The first, cheap look follows links in the path; it only tells what is not there. */
    return file->url && file->hex && file->size > 0 && !download->outcomes[index].is_other &&
           fstatat(download->directory->fd, file->path, &about, AT_SYMLINK_NOFOLLOW) == 0 &&
           directory_stat(download->directory, file->path, &about) && about.st_size == file->size;
}

/* The bytes of the file's part that the file system has set aside. */
static int64_t part_blocks(const struct download *download, uint64_t number) {
    struct stat about = {.st_blocks = 0};
    int fd = -1;
    struct error *error = directory_open_part(download->directory, number, &fd);
    if (!error && fstat(fd, &about) != 0)
        about.st_blocks = 0;
    if (fd >= 0)
        close(fd);
    error_free(error); /* whoever opens it again will say so */
    return about.st_blocks * INT64_C(512);
}

/* Takes in what an earlier run has written of the file; returns how many bytes of room it needs. */
static int64_t note_partial(struct download *download, struct plan_file *file, const char *etag,
                            const char *identity) {
    const struct journal_file *found = journal_find(download->journal, file->path);
    if (!found || found->range_count == 0 || found->complete)
        return file->size;
    uint64_t number = found->part;
    bool other =
        (file->size >= 0 && found->size != file->size) || (etag && strcmp(etag, found->etag) != 0);
    if (file->local || other)
        directory_remove_part(download->directory, number);
    if (file->local || !prepare_is_same(found, file->size, etag, identity))
        return file->size; /* or a HEAD will tell that it is the same */
    for (size_t i = 0; i < found->range_count; i++)
        file->present += found->ranges[i].end - found->ranges[i].first;
    atomic_fetch_add(&download->progress->bytes_done, file->present);
    int64_t blocks = part_blocks(download, number);
    return blocks < file->size ? file->size - blocks : 0;
}

static int by_size(const void *left, const void *right, void *context) {
    const struct plan_file *files = context;
    size_t a = *(const size_t *)left, b = *(const size_t *)right;
    uint64_t a_size = (uint64_t)files[a].size, b_size = (uint64_t)files[b].size; /* -1: first */
    if (a_size != b_size)
        return a_size > b_size ? -1 : 1;
    return a < b ? -1 : 1;
}

struct error *prepare_work(struct download *download) {
    struct plan *plan = download->plan;
    int64_t needed = 0;
    struct statfs about;
    bool fresh = is_fresh(download->directory);
    download->preallocate =
        fstatfs(download->directory->fd, &about) == 0 && about.f_type != TMPFS_MAGIC;
    download->remote = memory_zero(plan->file_count + 1, sizeof *download->remote);
    download->local = memory_zero(plan->file_count + 1, sizeof *download->local);
    for (size_t i = 0; i < plan->file_count; i++) {
        struct plan_file *file = &plan->files[i];
        if (download->outcomes[i].digest)
            continue;
        char *etag = prepare_etag(file), *identity = prepare_identity(download, file);
        if (!note_from_journal(download, i, etag, identity)) {
            int64_t more = note_partial(download, file, etag, identity);
            download->outcomes[i].may_adopt =
                !fresh && file->present == 0 && is_adoptable(download, i);
            if (more > 0 && !download->outcomes[i].may_adopt)
                needed += more;
            if (file->local)
                download->local[download->local_count++] = i;
            else
                download->remote[download->remote_count++] = i;
        }
        memory_free(etag);
        memory_free(identity);
    }
    qsort_r(download->remote, download->remote_count, sizeof *download->remote, by_size,
            plan->files);
    qsort_r(download->local, download->local_count, sizeof *download->local, by_size, plan->files);
    download->left = download->remote_count + download->local_count;
    return directory_require_space(download->directory, needed);
}

static bool is_manifest(const struct download *download, const struct manifest *manifest) {
    const struct plan *plan = download->plan;
    if (!manifest->source || strcmp(manifest->source, download->source) != 0 ||
        strcmp(manifest->revision, plan->revision) != 0 || manifest->pinned != plan->pinned ||
        manifest->count != plan->file_count)
        return false;
    for (size_t i = 0; i < plan->file_count; i++) {
        const struct outcome *outcome = &download->outcomes[i];
        const struct manifest_file *file = manifest_find(manifest, plan->files[i].path);
        if (!file || file->size != outcome->size || file->mtime_ns != outcome->mtime_ns ||
            file->inode != outcome->inode || strcmp(file->digest, outcome->digest) != 0 ||
            strcmp(file->etag, outcome->etag) != 0)
            return false;
    }
    return true;
}

struct error *prepare_manifest(struct download *download) {
    struct plan *plan = download->plan;
    if (is_manifest(download, download->before))
        return NULL;
    if (syncfs(download->directory->fd) != 0)
        return directory_error(download->directory, "sync", "");
    char now[CLOCK_TEXT_SIZE];
    clock_text(clock_wall(), now);
    struct manifest manifest = {.completed = now,
                                .source = (char *)(uintptr_t)download->source,
                                .revision = plan->revision,
                                .pinned = plan->pinned,
                                .count = plan->file_count};
    manifest.files = memory_zero(plan->file_count + 1, sizeof *manifest.files);
    for (size_t i = 0; i < plan->file_count; i++) {
        const struct outcome *outcome = &download->outcomes[i];
        manifest.files[i] = (struct manifest_file){.path = (char *)(uintptr_t)plan->files[i].path,
                                                   .size = outcome->size,
                                                   .digest = outcome->digest,
                                                   .etag = outcome->etag,
                                                   .mtime_ns = outcome->mtime_ns,
                                                   .inode = outcome->inode};
    }
    struct error *error = manifest_write(download->directory, &manifest);
    memory_free(manifest.files);
    return error;
}
