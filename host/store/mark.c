#include "store/mark.h"

#include "base/buffer.h"
#include "store/store_internal.h"

#include <fcntl.h>
#include <unistd.h>

static const char MARK_NAME[] = "finished";

/* A manifest is told from a later one by its time. */
static void expected(const struct manifest *manifest, const char *selection, struct buffer *out) {
    buffer_format(out, "%s\n%s\n", manifest->completed, selection);
}

/* Reads the mark, and no more than one byte beyond `wanted`. */
static void read_mark(const struct directory *directory, size_t wanted, struct buffer *out) {
    int fd = openat(directory->work_fd, MARK_NAME, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    ssize_t count = 1;
    while (fd >= 0 && count > 0 && out->length <= wanted) {
        count = read(fd, buffer_reserve(out, wanted + 1), wanted + 1);
        out->length += count > 0 ? (size_t)count : 0;
    }
    if (fd >= 0)
        close(fd);
}

struct error *mark_write(const struct directory *directory, const struct manifest *manifest,
                         const char *selection) {
    struct buffer text = {0};
    expected(manifest, selection, &text);
    struct error *error = store_write_work(directory, MARK_NAME, text.data, text.length);
    buffer_free(&text);
    unlinkat(directory->work_fd, "parts", AT_REMOVEDIR); /* nothing is in progress any more */
    return error;
}

bool mark_is_there(const struct directory *directory, const struct manifest *manifest,
                   const char *selection) {
    struct buffer text = {0};
    struct buffer found = {0};
    expected(manifest, selection, &text);
    read_mark(directory, text.length, &found);
    bool same = found.data && text.data && found.length == text.length &&
                memcmp(found.data, text.data, text.length) == 0;
    buffer_free(&text);
    buffer_free(&found);
    return same;
}
