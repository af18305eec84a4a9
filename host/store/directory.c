#include "store/directory.h"

#include "base/file.h"
#include "base/memory.h"
#include "store/store_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

struct error *directory_error(const struct directory *directory, const char *what,
                              const char *path) {
    return store_error(what, directory->path, path);
}

static struct error *not_a_directory(const char *path, const char *part) {
    struct stat about;
    bool link = lstat(part, &about) == 0 && S_ISLNK(about.st_mode);
    return error_new(ERROR_INVALID, NULL,
                     "could not use %s as a directory: %s is %s; move it away or choose another",
                     path, part, link ? "a link to no directory" : "not a directory");
}

static struct error *make_one(const char *path, const char *prefix) {
    if (mkdir(prefix, 0777) == 0)
        return NULL;
    int number = errno;
    if (file_is_directory(prefix))
        return NULL; /* whatever mkdir thinks of making it again */
    errno = number;
    return number == EEXIST || number == ENOTDIR ? not_a_directory(path, prefix)
                                                 : store_error("make directory", NULL, prefix);
}

/* The directory and those above it. */
static struct error *make_directories(const char *path) {
    struct error *error = NULL;
    char *prefix = memory_string(path);
    char *at = prefix;
    do {
        at += strspn(at, "/");
        at += strcspn(at, "/");
        char end = *at;
        *at = '\0';
        error = make_one(path, prefix);
        *at = end;
    } while (!error && *at);
    memory_free(prefix);
    return error;
}

/* Proves by a file that comes and goes that one can write in the directory fd. */
static struct error *prove_writable(int fd, const char *path) {
    char name[48];
    snprintf(name, sizeof name, STORE_WORK "-probe-%016" PRIx64, store_random());
    int file = openat(fd, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (file < 0)
        return store_error("write in", NULL, path);
    bool good = file_write(file, name, 1);
    good = close(file) == 0 && good;
    struct error *error = good ? NULL : store_error("write in", NULL, path);
    if (unlinkat(fd, name, 0) != 0 && !error)
        error = store_error("remove a file from", NULL, path);
    return error;
}

static struct error *open_top(const char *path, struct directory *out) {
    out->fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (out->fd < 0 && errno == ENOTDIR)
        return not_a_directory(path, path);
    if (out->fd < 0 && errno == ENOENT)
        return error_new(ERROR_NOT_FOUND, NULL, "could not open %s: there is no such directory",
                         path);
    if (out->fd < 0)
        return store_error("open directory", NULL, path);
    char *resolved = realpath(path, NULL);
    out->path = memory_string(resolved ? resolved : path);
    free(resolved);
    return NULL;
}

static struct error *open_work(struct directory *out) {
    out->work_fd = openat(out->fd, STORE_WORK, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (out->work_fd >= 0 || errno == ENOENT)
        return NULL;
    if (errno == ENOTDIR || errno == ELOOP)
        return error_new(ERROR_INVALID, NULL,
                         "could not use %s/" STORE_WORK ": it is no directory; remove it",
                         out->path);
    return directory_error(out, "open", STORE_WORK);
}

static struct error *make_work(struct directory *out) {
    if (mkdirat(out->fd, STORE_WORK, 0777) != 0 && errno != EEXIST)
        return directory_error(out, "make directory", STORE_WORK);
    struct error *error = open_work(out);
    if (!error && out->work_fd < 0)
        error = directory_error(out, "open", STORE_WORK); /* removed again */
    if (error)
        return error;
    char *path = file_join(out->path, STORE_WORK);
    error = prove_writable(out->work_fd, path);
    memory_free(path);
    return error;
}

static struct directory nothing(void) {
    return (struct directory){.path = NULL, .fd = -1, .work_fd = -1, .parts_fd = -1};
}

struct error *directory_open(const char *path, struct directory *out) {
    *out = nothing();
    if (!*path)
        return error_new(ERROR_INVALID, NULL, "could not use an empty path as a directory");
    struct error *error = file_is_directory(path) ? NULL : make_directories(path);
    if (!error)
        error = open_top(path, out);
    if (!error)
        error = prove_writable(out->fd, out->path);
    if (!error)
        error = make_work(out);
    if (error)
        directory_close(out);
    return error;
}

struct error *directory_open_existing(const char *path, struct directory *out) {
    *out = nothing();
    struct error *error = open_top(path, out);
    if (!error)
        error = open_work(out);
    if (error)
        directory_close(out);
    return error;
}

void directory_close(struct directory *directory) {
    directory_let_parts_go(directory);
    if (directory->work_fd >= 0)
        close(directory->work_fd);
    if (directory->fd >= 0)
        close(directory->fd);
    memory_free(directory->path);
    *directory = nothing();
}

struct error *directory_require_space(const struct directory *directory, int64_t needed) {
    struct statvfs about;
    if (fstatvfs(directory->fd, &about) != 0)
        return directory_error(directory, "ask for the free space of", "");
    if (about.f_blocks == 0)
        return NULL; /* a file system that does not count */
    uint64_t unit = about.f_frsize ? about.f_frsize : about.f_bsize;
    uint64_t available = about.f_bavail;
    int64_t room = unit && available > INT64_MAX / unit ? INT64_MAX : (int64_t)(available * unit);
    if (needed <= room)
        return NULL;
    char need[16];
    char have[16];
    directory_size_text(needed, need);
    directory_size_text(room, have);
    return error_new(ERROR_SPACE, NULL,
                     "could not write to %s: %s are needed, %s are free; free some space or use a "
                     "larger volume, then run it again",
                     directory->path, need, have);
}

void directory_size_text(int64_t bytes, char text[16]) {
    static const char *const units[] = {"B", "kB", "MB", "GB", "TB", "PB", "EB"};
    double value = bytes > 0 ? (double)bytes : 0;
    size_t unit = 0;
    while (value >= 999.5 && unit + 1 < sizeof units / sizeof *units) {
        value /= 1000;
        unit++;
    }
    int decimals = unit == 0 || value >= 99.95 ? 0 : value >= 9.995 ? 1 : 2;
    snprintf(text, 16, "%.*f %s", decimals, value, units[unit]);
}
