#include "store/store_internal.h"

#include "base/file.h"
#include "base/memory.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <strings.h>
#include <sys/random.h>
#include <unistd.h>

bool store_path_is_clean(const char *path) {
    bool first = true;
    for (const char *at = path;; first = false) {
        size_t length = strcspn(at, "/");
        if (length == 0 || (length == 1 && at[0] == '.') ||
            (length == 2 && strncmp(at, "..", 2) == 0))
            return false;
        if (first && length == strlen(STORE_WORK) && strncasecmp(at, STORE_WORK, length) == 0)
            return false;
        if (!at[length])
            return true;
        at += length + 1;
    }
}

static enum error_kind kind_of(int number) {
    if (number == ENOSPC || number == EDQUOT)
        return ERROR_SPACE;
    return number == EACCES || number == EPERM || number == EROFS ? ERROR_DENIED : ERROR_IO;
}

static const char *advice(int number) {
    switch (number) {
    case ENOSPC:
        return "; free some space or use a larger volume, then run it again";
    case EDQUOT:
        return "; free some space or raise the quota, then run it again";
    case EACCES:
    case EPERM:
        return "; change the permissions, or run as a user who has them";
    case EROFS:
        return "; mount the volume writable";
    default:
        return "";
    }
}

struct error *store_error(const char *what, const char *dir, const char *path) {
    int number = errno;
    char why[128];
    const char *text = strerror_r(number, why, sizeof why);
    char *shown = dir && *path ? file_join(dir, path) : memory_string(dir ? dir : path);
    struct error *error = error_new(kind_of(number), NULL, "could not %s %s: %s%s", what, shown,
                                    text, advice(number));
    memory_free(shown);
    return error;
}

void store_sweep(int directory, bool (*is_waste)(const char *name, void *context), void *context) {
    int fd = fcntl(directory, F_DUPFD_CLOEXEC, 0);
    DIR *stream = fd >= 0 ? fdopendir(fd) : NULL;
    struct dirent *each;
    if (!stream) {
        if (fd >= 0)
            close(fd);
        return;
    }
    rewinddir(stream);
    while ((each = readdir(stream)))
        if (strcmp(each->d_name, ".") != 0 && strcmp(each->d_name, "..") != 0 &&
            (!is_waste || is_waste(each->d_name, context)))
            unlinkat(directory, each->d_name, 0);
    closedir(stream);
}

bool store_sync(int fd) {
    return fdatasync(fd) == 0 || errno == EINVAL || errno == ENOSYS || errno == EOPNOTSUPP;
}

uint64_t store_random(void) {
    uint64_t number = 0;
    while (getrandom(&number, sizeof number, 0) != (ssize_t)sizeof number)
        ; /* interrupted before the system had any */
    return number;
}

void store_boot_id(char boot[STORE_BOOT_SIZE]) {
    struct buffer text = {0};
    error_free(file_read("/proc/sys/kernel/random/boot_id", 0, &text));
    size_t length = text.length ? strspn(buffer_text(&text), "0123456789abcdef-") : 0;
    bool good = length > 0 && length < STORE_BOOT_SIZE;
    memcpy(boot, good ? text.data : "-", good ? length : 1);
    boot[good ? length : 1] = '\0';
    buffer_free(&text);
}
