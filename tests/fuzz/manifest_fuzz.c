/*
 * The manifest as another left it. The input is the file; whatever it is, it is refused, or it is a
 * manifest that can be written and read again and is then the same.
 */
#include "store/manifest.h"

#include "fuzz.h"

#include <dirent.h>
#include <fcntl.h>
#include <unistd.h>

static struct directory directory;
static char path[64];

static void remove_directory(void) {
    static const char *const names[] = {".kthena/manifest", ".kthena/parts", ".kthena"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        unlinkat(directory.fd, names[i], i > 0 ? AT_REMOVEDIR : 0);
    directory_close(&directory);
    rmdir(path);
}

/* In memory where there is such a file system. */
static void open_directory(void) {
    DIR *memory = opendir("/dev/shm");
    snprintf(path, sizeof path, "%s/kthena-manifest-fuzz-XXXXXX", memory ? "/dev/shm" : "/tmp");
    if (memory)
        closedir(memory);
    must(mkdtemp(path) && !directory_open(path, &directory));
    atexit(remove_directory);
}

static void put_manifest(const uint8_t *data, size_t size) {
    int fd = openat(directory.work_fd, "manifest", O_WRONLY | O_CREAT | O_TRUNC, 0666);
    must(fd >= 0 && write(fd, data, size) == (ssize_t)size);
    close(fd);
}

static void check_same(const struct manifest *a, const struct manifest *b) {
    must(strcmp(a->source, b->source) == 0 && strcmp(a->revision, b->revision) == 0);
    must(a->pinned == b->pinned && a->count == b->count);
    for (size_t i = 0; i < a->count; i++) {
        const struct manifest_file *file = &a->files[i];
        const struct manifest_file *again = manifest_find(b, file->path);
        must(again && again->size == file->size && again->mtime_ns == file->mtime_ns);
        must(again->inode == file->inode && strcmp(again->digest, file->digest) == 0);
        must(strcmp(again->etag, file->etag) == 0);
        must(!manifest_file_is_present(&directory, again));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct manifest manifest;
    struct manifest again;
    if (!directory.path)
        open_directory();
    put_manifest(data, size);
    struct error *error = manifest_read(&directory, &manifest);
    if (error) {
        must(error->kind == ERROR_INVALID && !manifest.files && manifest.count == 0);
        error_free(error);
        return 0;
    }
    must(!manifest_write(&directory, &manifest));
    must(!manifest_read(&directory, &again));
    check_same(&manifest, &again);
    manifest_free(&manifest);
    manifest_free(&again);
    return 0;
}
