/*
 * What the units of store/ share and nobody else sees: walking relative paths without following a
 * link, errors by errno, sweeping a directory, and files that appear by a rename. A caller owns the
 * descriptors it gets.
 */
#ifndef KTHENA_STORE_INTERNAL_H
#define KTHENA_STORE_INTERNAL_H

#include "store/directory.h"

#include <stddef.h>

#define STORE_WORK ".kthena"

/* Relative, without an empty, "." or ".." part, and not in .kthena, which is told in either case
 * for the sake of volumes that do not tell them apart. */
bool store_path_is_clean(const char *path);

/* ERROR_INVALID "...: '../x' is not a path below the output directory" when it is not clean. */
struct error *store_check_path(const struct directory *directory, const char *path)
    __attribute__((warn_unused_result));

/* Opens (O_PATH) the directory that holds the last part of a clean path, making those on the way if
 * asked to; *last is that part. -1 and errno otherwise; ENOTDIR also for a symlink. */
int store_walk(const struct directory *directory, const char *path, bool make, const char **last);

/* .kthena/parts, made if asked to; -1 and errno. */
int store_open_parts(const struct directory *directory, bool make);

/* Closes what the two have opened, unless it is the directory's own descriptor. */
void store_close(const struct directory *directory, int fd);

/* As directory_error, for a path in dir, or for a path alone when dir is NULL. */
struct error *store_error(const char *what, const char *dir, const char *path)
    __attribute__((warn_unused_result));

/* Unlinks the files of a directory that is_waste says true for; all of them when it is NULL. */
void store_sweep(int fd, bool (*is_waste)(const char *name, void *context), void *context);

/* Has a file or a directory on disk; true also where the file system has no such call. */
bool store_sync(int fd);

/* The time of a file's last change; one beyond the year 2262 wraps around. */
static inline int64_t store_mtime_ns(const struct stat *about) {
    return (int64_t)((uint64_t)about->st_mtim.tv_sec * 1000000000 +
                     (uint64_t)about->st_mtim.tv_nsec);
}

/* Tells one running kernel from all others; "-" when the system does not say. */
enum { STORE_BOOT_SIZE = 40 };
void store_boot_id(char boot[STORE_BOOT_SIZE]);

/* A number nobody else has. */
uint64_t store_random(void);

/* Writes .kthena/<name>, through a temporary file and a rename, and has both on disk when it
 * returns. */
struct error *store_write_work(const struct directory *directory, const char *name,
                               const void *bytes, size_t length)
    __attribute__((warn_unused_result));

#endif
