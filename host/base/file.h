/*
 * Reading whole files, whole writes and listing directories: rule files, tokens, metric pages given
 * to the command line, the files of a download. Used by every layer above. What is returned belongs
 * to the caller.
 */
#ifndef KTHENA_BASE_FILE_H
#define KTHENA_BASE_FILE_H

#include "base/buffer.h"
#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Appends the content of a file, pipe or device to out; "/dev/stdin" is the process's own input,
 * from where it stands. ERROR_LIMIT when it holds more than limit bytes (0: no limit),
 * ERROR_NOT_FOUND, ERROR_DENIED or ERROR_IO; out is then as it was. */
struct error *file_read(const char *path, size_t limit, struct buffer *out)
    __attribute__((warn_unused_result));

/* Writes all of it at the descriptor's offset, or at an offset of the file in bytes. False and
 * errno when it fails. */
bool file_write(int fd, const void *bytes, size_t length);
bool file_write_at(int fd, const void *bytes, size_t length, int64_t offset);

/* "dir/name", without doubling a slash at the end of dir; name alone when dir is "". The caller
 * frees it. */
char *file_join(const char *dir, const char *name);

/* Whether path is a directory or a link to one. */
bool file_is_directory(const char *path);

/* The names in dir that end in suffix (NULL or "": all) and are not directories, in byte order.
 * Names that begin with a dot are skipped. ERROR_NOT_FOUND, ERROR_DENIED or ERROR_IO; *names is
 * then NULL and *count 0. */
struct error *file_list(const char *dir, const char *suffix, char ***names, size_t *count)
    __attribute__((warn_unused_result));
void file_list_free(char **names, size_t count);

/* The directory the running binary is in, without a slash at the end; "." if the system does not
 * say. The caller frees it. */
char *file_program_directory(void);

#endif
