#include "store/directory.h"

#include "base/file.h"
#include "base/memory.h"
#include "store/store_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { PART_NAME_SIZE = 24, FOLLOW_NOTHING = O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC };

struct error *store_check_path(const struct directory *directory, const char *path) {
    if (store_path_is_clean(path))
        return NULL;
    return error_new(ERROR_INVALID, NULL,
                     "could not use '%s' as a file of %s: it has to be a path below the directory "
                     "without '..', '.' or empty parts, and not in " STORE_WORK,
                     path, directory->path);
}

static int make_and_open(int parent, const char *name, bool make) {
    int fd = openat(parent, name, O_PATH | FOLLOW_NOTHING);
    if (fd >= 0 || !make || errno != ENOENT)
        return fd;
    if (mkdirat(parent, name, 0777) != 0 && errno != EEXIST)
        return -1;
    return openat(parent, name, O_PATH | FOLLOW_NOTHING);
}

void store_close(const struct directory *directory, int fd) {
    if (fd != directory->fd && fd != directory->parts_fd)
        close(fd);
}

int store_walk(const struct directory *directory, const char *path, bool make, const char **last) {
    int fd = directory->fd;
    const char *slash;
    while (fd >= 0 && (slash = strchr(path, '/'))) {
        char *part = memory_copy(path, (size_t)(slash - path));
        int next = make_and_open(fd, part, make);
        int number = errno;
        memory_free(part);
        store_close(directory, fd);
        errno = number;
        fd = next;
        path = slash + 1;
    }
    *last = path;
    return fd;
}

int store_open_parts(const struct directory *directory, bool make) {
    if (directory->parts_fd >= 0)
        return directory->parts_fd;
    int fd = openat(directory->work_fd, "parts", O_RDONLY | FOLLOW_NOTHING);
    if (fd >= 0 || !make || errno != ENOENT)
        return fd;
    if (mkdirat(directory->work_fd, "parts", 0777) != 0 && errno != EEXIST)
        return -1;
    return openat(directory->work_fd, "parts", O_RDONLY | FOLLOW_NOTHING);
}

bool directory_stat(const struct directory *directory, const char *path, struct stat *about) {
    const char *last;
    if (!store_path_is_clean(path))
        return false;
    int parent = store_walk(directory, path, false, &last);
    if (parent < 0)
        return false;
    bool found = fstatat(parent, last, about, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(about->st_mode);
    store_close(directory, parent);
    return found;
}

/* The error of opening a file that should be there. */
static struct error *open_failed(const struct directory *directory, const char *path) {
    if (errno == ENOENT)
        return error_new(ERROR_NOT_FOUND, NULL, "could not open %s/%s: there is no such file",
                         directory->path, path);
    if (errno == ELOOP || errno == ENOTDIR)
        return error_new(ERROR_INVALID, NULL,
                         "could not open %s/%s: a symbolic link or something that is no directory "
                         "is in its path; remove it",
                         directory->path, path);
    return directory_error(directory, "open", path);
}

struct error *directory_open_file(const struct directory *directory, const char *path, int *fd) {
    const char *last;
    struct stat about;
    *fd = -1;
    struct error *error = store_check_path(directory, path);
    if (error)
        return error;
    int parent = store_walk(directory, path, false, &last);
    if (parent < 0)
        return open_failed(directory, path);
    /* O_NONBLOCK: a pipe that lies there has no writer to wait for. */
    int file = openat(parent, last, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (file < 0) {
        error = open_failed(directory, path);
    } else if (fstat(file, &about) != 0 || !S_ISREG(about.st_mode)) {
        error = error_new(ERROR_INVALID, NULL, "could not open %s/%s: it is not a regular file",
                          directory->path, path);
        close(file);
    } else {
        *fd = file;
    }
    store_close(directory, parent);
    return error;
}

static struct error *part_error(const struct directory *directory, const char *what,
                                const char *name) {
    int number = errno;
    char *path = memory_format(STORE_WORK "/parts/%s", name);
    errno = number;
    struct error *error = directory_error(directory, what, path);
    memory_free(path);
    return error;
}

static void part_name(uint64_t number, char name[PART_NAME_SIZE]) {
    snprintf(name, PART_NAME_SIZE, "%" PRIu64, number);
}

struct error *directory_hold_parts(struct directory *directory) {
    directory->parts_fd = store_open_parts(directory, true);
    return directory->parts_fd < 0 ? part_error(directory, "open", "") : NULL;
}

void directory_let_parts_go(struct directory *directory) {
    if (directory->parts_fd >= 0)
        close(directory->parts_fd);
    directory->parts_fd = -1;
}

struct error *directory_open_part(const struct directory *directory, uint64_t number, int *fd) {
    char name[PART_NAME_SIZE];
    struct stat about;
    part_name(number, name);
    *fd = -1;
    int parts = store_open_parts(directory, true);
    if (parts < 0)
        return part_error(directory, "open", "");
    *fd = openat(parts, name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0666);
    if (*fd < 0 && errno == EEXIST) {
        /* What is no file there is nobody's work: it makes room for one. */
        if (fstatat(parts, name, &about, AT_SYMLINK_NOFOLLOW) == 0 && !S_ISREG(about.st_mode))
            unlinkat(parts, name, 0);
        *fd = openat(parts, name, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0666);
    }
    struct error *error = *fd < 0 ? part_error(directory, "open", name) : NULL;
    store_close(directory, parts);
    return error;
}

void directory_remove_part(const struct directory *directory, uint64_t number) {
    char name[PART_NAME_SIZE];
    part_name(number, name);
    int parts = store_open_parts(directory, false);
    if (parts < 0)
        return;
    unlinkat(parts, name, 0);
    store_close(directory, parts);
}

/* The error of putting a file under its name. */
static struct error *place_error(const struct directory *directory, const char *path) {
    if (errno == EISDIR)
        return error_new(ERROR_EXISTS, NULL,
                         "could not put the file %s/%s in place: a directory of that name is "
                         "there; move it away or choose another output directory",
                         directory->path, path);
    if (errno == ENOTDIR || errno == ELOOP)
        return error_new(ERROR_EXISTS, NULL,
                         "could not put the file %s/%s in place: a file or symbolic link stands "
                         "where a directory has to be; move it away or choose another output "
                         "directory",
                         directory->path, path);
    return directory_error(directory, "put in place", path);
}

/* Renames parts/name to a clean path. */
static struct error *place(const struct directory *directory, int parts, const char *name,
                           const char *path) {
    const char *last;
    int parent = store_walk(directory, path, true, &last);
    if (parent < 0)
        return place_error(directory, path);
    struct error *error = NULL;
    if (renameat(parts, name, parent, last) != 0)
        error = place_error(directory, path);
    store_close(directory, parent);
    return error;
}

struct error *directory_publish(const struct directory *directory, uint64_t number,
                                const char *path) {
    char name[PART_NAME_SIZE];
    part_name(number, name);
    struct error *error = store_check_path(directory, path);
    if (error)
        return error;
    int parts = store_open_parts(directory, false);
    if (parts < 0)
        return part_error(directory, "open", "");
    error = place(directory, parts, name, path);
    store_close(directory, parts);
    return error;
}

/* Writes a temporary file in parts/, where what a kill leaves behind is found and removed. */
static struct error *write_new(const struct directory *directory, int parts, const char *name,
                               const char *shown, const void *bytes, size_t length, bool sync) {
    int fd = openat(parts, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0666);
    if (fd < 0)
        return directory_error(directory, "write", shown);
    bool good = file_write(fd, bytes, length) && (!sync || store_sync(fd));
    struct error *error = good ? NULL : directory_error(directory, "write", shown);
    if (close(fd) != 0 && !error)
        error = directory_error(directory, "write", shown);
    if (error)
        unlinkat(parts, name, 0);
    return error;
}

struct error *directory_write_file(const struct directory *directory, const char *path,
                                   const void *bytes, size_t length) {
    char name[PART_NAME_SIZE];
    struct error *error = store_check_path(directory, path);
    if (error)
        return error;
    int parts = store_open_parts(directory, true);
    if (parts < 0)
        return part_error(directory, "open", "");
    snprintf(name, sizeof name, "new-%016" PRIx64, store_random());
    error = write_new(directory, parts, name, path, bytes, length, false);
    if (!error && (error = place(directory, parts, name, path)))
        unlinkat(parts, name, 0);
    store_close(directory, parts);
    return error;
}

struct error *store_write_work(const struct directory *directory, const char *name,
                               const void *bytes, size_t length) {
    char temporary[PART_NAME_SIZE];
    int parts = store_open_parts(directory, true);
    if (parts < 0)
        return part_error(directory, "open", "");
    char *shown = memory_format(STORE_WORK "/%s", name);
    snprintf(temporary, sizeof temporary, "new-%016" PRIx64, store_random());
    struct error *error = write_new(directory, parts, temporary, shown, bytes, length, true);
    if (!error && (renameat(parts, temporary, directory->work_fd, name) != 0 ||
                   !store_sync(directory->work_fd))) {
        error = directory_error(directory, "put in place", shown);
        unlinkat(parts, temporary, 0);
    }
    memory_free(shown);
    store_close(directory, parts);
    return error;
}
