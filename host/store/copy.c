#include "store/copy.h"

#include "base/clock.h"
#include "base/file.h"
#include "base/memory.h"
#include "store/store_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <unistd.h>

/* A piece is what is copied between two looks at cancel. Its size follows the speed, since a remote
 * copy_file_range of 64 MiB may take many seconds, and one of 1 MiB mostly waits. */
enum { PIECE_MIN = 1 << 20, PIECE_START = 8 << 20, PIECE_MAX = 64 << 20 };
enum { PIECE_SHORT_MS = 50, PIECE_LONG_MS = 250 };

struct copy {
    int from, to;
    const char *name;
    copy_advance *advance;
    void *context;
    const atomic_bool *cancel;
    int64_t piece;
    bool by_hand; /* copy_file_range does not work between the two */
    char *buffer; /* PIECE_MIN bytes, for copying by hand */
};

static struct error *check_cancel(const struct copy *copy) {
    if (!copy->cancel || !atomic_load(copy->cancel))
        return NULL;
    return error_new(ERROR_CANCELLED, NULL, "the copy of %s was cancelled", copy->name);
}

static struct error *changed(const struct copy *copy) {
    return error_new(ERROR_PROTOCOL, NULL,
                     "could not copy %s: it changed while it was copied; run it again when nobody "
                     "writes to it",
                     copy->name);
}

static void tell(const struct copy *copy, int64_t bytes) {
    if (copy->advance && bytes > 0)
        copy->advance(bytes, copy->context);
}

/* Reads and writes one piece; *done is 0 when the source has ended. */
static struct error *copy_by_hand(struct copy *copy, int64_t at, int64_t length, int64_t *done) {
    size_t size = length < PIECE_MIN ? (size_t)length : PIECE_MIN;
    if (!copy->buffer)
        copy->buffer = memory_alloc(PIECE_MIN);
    ssize_t got;
    do
        got = pread(copy->from, copy->buffer, size, at);
    while (got < 0 && errno == EINTR);
    *done = got > 0 ? got : 0;
    if (got < 0)
        return store_error("read", NULL, copy->name);
    if (got > 0 && !file_write_at(copy->to, copy->buffer, (size_t)got, at))
        return store_error("write the copy of", NULL, copy->name);
    return NULL;
}

/* Copies one piece by the kernel. Whatever goes wrong is left to copying by hand from there on,
 * which works where this is not offered (another file system, an old kernel, a busy text), and says
 * best what is wrong where nothing works. */
static int64_t copy_in_kernel(struct copy *copy, int64_t at, int64_t length) {
    off_t in = at;
    off_t out = at;
    int64_t before = clock_ms();
    size_t size = (size_t)(length < copy->piece ? length : copy->piece);
    ssize_t got = copy_file_range(copy->from, &in, copy->to, &out, size, 0);
    int64_t took = clock_ms() - before;
    if (took < PIECE_SHORT_MS && copy->piece < PIECE_MAX)
        copy->piece *= 2;
    else if (took > PIECE_LONG_MS && copy->piece > PIECE_MIN)
        copy->piece /= 2;
    copy->by_hand = got <= 0 && !(got < 0 && errno == EINTR);
    return got > 0 ? got : 0;
}

static struct error *copy_extent(struct copy *copy, int64_t at, int64_t end) {
    while (at < end) {
        struct error *error = check_cancel(copy);
        if (error)
            return error;
        int64_t done = 0;
        if (!copy->by_hand) {
            done = copy_in_kernel(copy, at, end - at);
        } else {
            error = copy_by_hand(copy, at, end - at, &done);
            if (error)
                return error;
            if (done == 0)
                return changed(copy);
        }
        at += done;
        tell(copy, done);
    }
    return NULL;
}

/* The extents with data, by SEEK_DATA; the holes between them are only told. */
static struct error *copy_extents(struct copy *copy, int64_t size) {
    for (int64_t at = 0; at < size;) {
        off_t data = lseek(copy->from, at, SEEK_DATA);
        bool knows = data >= 0 || errno == ENXIO; /* ENXIO: a hole up to the end */
        data = data >= 0 && data < size ? data : knows ? size : at;
        tell(copy, data - at);
        if (data == size)
            break;
        off_t hole = knows ? lseek(copy->from, data, SEEK_HOLE) : size;
        hole = hole > data && hole < size ? hole : size;
        struct error *error = copy_extent(copy, data, hole);
        if (error)
            return error;
        at = hole;
    }
    if (ftruncate(copy->to, size) != 0)
        return store_error("write the copy of", NULL, copy->name);
    return NULL;
}

static bool same_time(const struct timespec *a, const struct timespec *b) {
    return a->tv_sec == b->tv_sec && a->tv_nsec == b->tv_nsec;
}

/* A file system without modes or times of its own, or one that belongs to another, refuses them:
 * the bytes are good all the same. */
static bool is_refusal(int number) {
    return number == EPERM || number == ENOSYS || number == EOPNOTSUPP;
}

static struct error *copy_attributes(const struct copy *copy, const struct stat *about) {
    mode_t mode = about->st_mode & 07777 & ~(mode_t)(S_ISUID | S_ISGID);
    struct timespec times[2] = {about->st_atim, about->st_mtim};
    if (fchmod(copy->to, mode) != 0 && !is_refusal(errno))
        return store_error("set the mode of the copy of", NULL, copy->name);
    if (futimens(copy->to, times) != 0 && !is_refusal(errno))
        return store_error("set the times of the copy of", NULL, copy->name);
    return NULL;
}

static struct error *copy_bytes(struct copy *copy, const struct stat *about) {
    if (ioctl(copy->to, FICLONE, copy->from) != 0)
        return copy_extents(copy, about->st_size);
    tell(copy, about->st_size);
    return NULL;
}

struct error *copy_file(int from, int to, const char *name, copy_advance *advance, void *context,
                        const atomic_bool *cancel) {
    struct stat before;
    struct stat after;
    struct copy copy = {from, to, name, advance, context, cancel, .piece = PIECE_START};
    struct error *error = check_cancel(&copy);
    if (error)
        return error;
    if (fstat(from, &before) != 0)
        return store_error("read", NULL, name);
    if (!S_ISREG(before.st_mode))
        return error_new(ERROR_INVALID, NULL, "could not copy %s: it is not a regular file", name);
    error = copy_bytes(&copy, &before);
    memory_free(copy.buffer);
    if (!error && fstat(from, &after) != 0)
        error = store_error("read", NULL, name);
    if (!error && (after.st_size != before.st_size || !same_time(&after.st_mtim, &before.st_mtim)))
        error = changed(&copy);
    return error ? error : copy_attributes(&copy, &before);
}
