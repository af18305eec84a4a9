#include "base/file.h"

#include "base/memory.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { READ_SIZE = 65536 };

static enum error_kind kind_of_errno(void) {
    if (errno == ENOENT || errno == ENOTDIR)
        return ERROR_NOT_FOUND;
    return errno == EACCES || errno == EPERM ? ERROR_DENIED : ERROR_IO;
}

static struct error *read_all(int fd, const char *path, size_t limit, struct buffer *out) {
    size_t start = out->length;
    for (;;) {
        char *to = buffer_reserve(out, READ_SIZE);
        ssize_t got = read(fd, to, READ_SIZE);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return error_errno(kind_of_errno(), "could not read %s", path);
        if (got == 0)
            return NULL;
        out->length += (size_t)got;
        if (limit > 0 && out->length - start > limit)
            return error_new(ERROR_LIMIT, NULL, "could not read %s: it is larger than %zu bytes",
                             path, limit);
    }
}

struct error *file_read(const char *path, size_t limit, struct buffer *out) {
    size_t start = out->length;
    if (strcmp(path, "/dev/stdin") == 0) {
        struct error *error = read_all(STDIN_FILENO, path, limit, out);
        if (error)
            out->length = start;
        return error;
    }
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return error_errno(kind_of_errno(), "could not open %s", path);
    struct error *error = read_all(fd, path, limit, out);
    if (error)
        out->length = start;
    close(fd);
    return error;
}

bool file_write_at(int fd, const void *bytes, size_t length, int64_t offset) {
    for (const char *at = bytes; length > 0;) {
        ssize_t wrote = offset < 0 ? write(fd, at, length) : pwrite(fd, at, length, offset);
        if (wrote < 0 && errno == EINTR)
            continue;
        if (wrote == 0)
            errno = EIO;
        if (wrote <= 0)
            return false;
        at += wrote;
        length -= (size_t)wrote;
        offset += offset < 0 ? 0 : wrote;
    }
    return true;
}

bool file_write(int fd, const void *bytes, size_t length) {
    return file_write_at(fd, bytes, length, -1);
}

char *file_join(const char *dir, const char *name) {
    size_t length = strlen(dir);
    const char *slash = length > 0 && dir[length - 1] != '/' ? "/" : "";
    return memory_format("%s%s%s", dir, slash, name);
}

bool file_is_directory(const char *path) {
    struct stat about;
    return stat(path, &about) == 0 && S_ISDIR(about.st_mode);
}

static bool ends_with(const char *name, const char *suffix) {
    size_t length = strlen(name);
    size_t tail = suffix ? strlen(suffix) : 0;
    return length >= tail && memcmp(name + length - tail, suffix ? suffix : "", tail) == 0;
}

static bool is_listed(const char *dir, const char *name, const char *suffix) {
    if (name[0] == '.' || !ends_with(name, suffix))
        return false;
    char *path = file_join(dir, name);
    bool listed = !file_is_directory(path);
    memory_free(path);
    return listed;
}

static int by_name(const void *a, const void *b) {
    return strcmp(*(char *const *)a, *(char *const *)b);
}

struct error *file_list(const char *dir, const char *suffix, char ***names, size_t *count) {
    char **list = NULL;
    size_t length = 0;
    *names = NULL;
    *count = 0;
    DIR *stream = opendir(dir);
    if (!stream)
        return error_errno(kind_of_errno(), "could not list directory %s", dir);
    struct dirent *entry;
    for (errno = 0; (entry = readdir(stream)); errno = 0) {
        if (!is_listed(dir, entry->d_name, suffix))
            continue;
        list = memory_resize(list, (length + 1) * sizeof *list);
        list[length++] = memory_string(entry->d_name);
    }
    struct error *error = NULL;
    if (errno != 0) {
        error = error_errno(ERROR_IO, "could not list directory %s", dir);
        file_list_free(list, length);
    } else {
        if (length > 0)
            qsort(list, length, sizeof *list, by_name);
        *names = list;
        *count = length;
    }
    closedir(stream);
    return error;
}

void file_list_free(char **names, size_t count) {
    for (size_t i = 0; i < count; i++)
        memory_free(names[i]);
    memory_free(names);
}

char *file_program_directory(void) {
    char path[PATH_MAX];
    ssize_t length = readlink("/proc/self/exe", path, sizeof path);
    if (length <= 0)
        return memory_string(".");
    while (length > 1 && path[length - 1] != '/')
        length--;
    return memory_copy(path, length > 1 ? (size_t)length - 1 : 1);
}
