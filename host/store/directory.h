/*
 * An output directory: where a download's files appear, and .kthena/ in it, where everything in
 * progress lives:
 *
 *     .kthena/lock        who works here (lock.h)
 *     .kthena/journal     what is done of an unfinished download (journal.h)
 *     .kthena/parts/N     the files being written; N is a number of the journal's
 *     .kthena/manifest    what a finished download left (manifest.h)
 *
 * The downloader and the policy layer's download primitive own one each. No path given here leads
 * out of the directory: parts are walked one by one and a symlink among them is refused.
 */
#ifndef KTHENA_STORE_DIRECTORY_H
#define KTHENA_STORE_DIRECTORY_H

#include "base/error.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

struct directory {
    char *path;   /* absolute, links resolved, for people */
    int fd;       /* the directory */
    int work_fd;  /* .kthena in it */
    int parts_fd; /* parts in that, while it is held; else -1 */
};

/* Makes the directory (mode 0777 less the umask) and those above it, and .kthena (0777 less the
 * umask: another pod's user may go on), and proves by writing that both can be written.
 * ERROR_DENIED for EACCES, EPERM and EROFS; ERROR_SPACE for ENOSPC and EDQUOT; ERROR_INVALID where
 * something that is no directory stands in the way; ERROR_IO. */
struct error *directory_open(const char *path, struct directory *out)
    __attribute__((warn_unused_result));

/* Opens one that must exist, for reading only: work_fd is -1 when there is no .kthena.
 * ERROR_NOT_FOUND. */
struct error *directory_open_existing(const char *path, struct directory *out)
    __attribute__((warn_unused_result));
void directory_close(struct directory *directory);

/* ERROR_SPACE "…: 12.3 GB are needed, 4.5 GB are free" when the file system has less room for
 * this user than needed bytes. */
struct error *directory_require_space(const struct directory *directory, int64_t needed)
    __attribute__((warn_unused_result));

/* Whether path (relative) is a regular file there; its stat. A symlink anywhere in it is not. */
bool directory_stat(const struct directory *directory, const char *path, struct stat *about);

/* Opens a regular file below the directory for reading, following no symlink. */
struct error *directory_open_file(const struct directory *directory, const char *path, int *fd)
    __attribute__((warn_unused_result));

/* Keeps parts/, which it makes, open for all that follows, and lets go of it. One thread at a time;
 * whoever removes parts/ lets go of it first. Directories are closed with or without. */
struct error *directory_hold_parts(struct directory *directory) __attribute__((warn_unused_result));
void directory_let_parts_go(struct directory *directory);

/* Opens, or makes, parts/<number> for reading and writing. */
struct error *directory_open_part(const struct directory *directory, uint64_t number, int *fd)
    __attribute__((warn_unused_result));
void directory_remove_part(const struct directory *directory, uint64_t number);

/* Renames parts/<number> to path, making the directories in between. What stood there is replaced;
 * a directory in the way, or something that is none in the path, is ERROR_EXISTS. */
struct error *directory_publish(const struct directory *directory, uint64_t number,
                                const char *path) __attribute__((warn_unused_result));

/* Writes a small file below the directory, through a temporary one and a rename. */
struct error *directory_write_file(const struct directory *directory, const char *path,
                                   const void *bytes, size_t length)
    __attribute__((warn_unused_result));

/* The error of a failed write or sync, by errno: ERROR_SPACE for ENOSPC and EDQUOT, ERROR_DENIED
 * for EACCES, EPERM and EROFS, else ERROR_IO; what is "write" or the like. */
struct error *directory_error(const struct directory *directory, const char *what, const char *path)
    __attribute__((warn_unused_result));

/* "12.3 GB", decimal, three significant digits. */
void directory_size_text(int64_t bytes, char text[16]);

#endif
