#include "store/lock_internal.h"

#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <sys/vfs.h>
#include <unistd.h>
#include <xxhash.h>

static const char lock_path[] = STORE_WORK "/lock";

/* Those whose locks are this kernel's alone; of others, one cannot be sure. */
static bool is_local(int fd) {
    static const uint32_t kinds[] = {
        EXT4_SUPER_MAGIC,      XFS_SUPER_MAGIC, BTRFS_SUPER_MAGIC, F2FS_SUPER_MAGIC, TMPFS_MAGIC,
        OVERLAYFS_SUPER_MAGIC, RAMFS_MAGIC,     0x2FC12FC1,        0xCA451A4E, /* ZFS, bcachefs */
    };
    struct statfs about;
    if (fstatfs(fd, &about) != 0)
        return false;
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if ((uint32_t)about.f_type == kinds[i])
            return true;
    return false;
}

static struct error *not_a_file(const struct lock *lock) {
    return error_new(ERROR_INVALID, NULL,
                     "could not use %s/%s: it is not a regular file; remove it",
                     lock->directory->path, lock_path);
}

struct error *lock_file_open(struct lock *lock) {
    struct stat about;
    if (lock->fd >= 0)
        return NULL;
    lock->fd = openat(lock->directory->work_fd, "lock",
                      O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0666);
    if (lock->fd < 0)
        return errno == ELOOP || errno == EISDIR
                   ? not_a_file(lock)
                   : directory_error(lock->directory, "open the lock", lock_path);
    if (fstat(lock->fd, &about) != 0 || !S_ISREG(about.st_mode))
        return not_a_file(lock);
    if (lock->settings.volume != LOCK_VOLUME_ASK)
        lock->volume = lock->settings.volume;
    else
        lock->volume = is_local(lock->fd) ? LOCK_VOLUME_LOCAL : LOCK_VOLUME_SHARED;
    return NULL;
}

void lock_file_close(struct lock *lock) {
    if (lock->fd >= 0)
        close(lock->fd);
    lock->fd = -1;
}

enum lock_holder lock_file_try(struct lock *lock) {
    struct flock whole = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    if (lock->volume == LOCK_VOLUME_BARE)
        return LOCK_NOBODYS;
    if (fcntl(lock->fd, F_OFD_SETLK, &whole) == 0)
        return LOCK_MINE;
    if (errno == EAGAIN || errno == EACCES)
        return LOCK_OTHERS;
    lock->volume = LOCK_VOLUME_BARE;
    return LOCK_NOBODYS;
}

void lock_file_give_back(struct lock *lock) {
    struct flock whole = {.l_type = F_UNLCK, .l_whence = SEEK_SET};
    if (lock->fd >= 0 && lock->volume != LOCK_VOLUME_BARE)
        fcntl(lock->fd, F_OFD_SETLK, &whole);
}

static bool is_replaced(const struct lock *lock, int fd) {
    struct stat mine;
    struct stat there;
    return fstat(lock->fd, &mine) != 0 || fstat(fd, &there) != 0 || mine.st_ino != there.st_ino ||
           mine.st_dev != there.st_dev;
}

struct error *lock_file_look(const struct lock *lock, struct lock_sight *sight) {
    char bytes[LOCK_RECORD_SIZE + 1];
    *sight = (struct lock_sight){.content = LOCK_REPLACED};
    int fd =
        openat(lock->directory->work_fd, "lock", O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0)
        return errno == ENOENT || errno == ELOOP || errno == ESTALE
                   ? NULL
                   : directory_error(lock->directory, "read the lock", lock_path);
    struct error *error = NULL;
    ssize_t got = is_replaced(lock, fd) ? -2 : pread(fd, bytes, sizeof bytes, 0);
    if (got == -1)
        error = directory_error(lock->directory, "read the lock", lock_path);
    if (got == 0)
        sight->content = LOCK_EMPTY;
    if (got > 0)
        sight->content =
            lock_record_parse(bytes, (size_t)got, &sight->owner) ? LOCK_OWNED : LOCK_DAMAGED;
    sight->print = got > 0 ? XXH3_64bits(bytes, (size_t)got) : 0;
    close(fd);
    return error;
}

struct error *lock_file_write(const struct lock *lock) {
    char text[LOCK_RECORD_SIZE];
    lock_record_format(&lock->own, text);
    if (!file_write_at(lock->fd, text, sizeof text, 0) ||
        (lock->own.beat == 0 && ftruncate(lock->fd, sizeof text) != 0) ||
        (lock->volume != LOCK_VOLUME_LOCAL && !store_sync(lock->fd)))
        return directory_error(lock->directory, "write the lock", lock_path);
    return NULL;
}

void lock_file_clear(const struct lock *lock) {
    if (ftruncate(lock->fd, 0) == 0 && lock->volume != LOCK_VOLUME_LOCAL)
        store_sync(lock->fd);
}
