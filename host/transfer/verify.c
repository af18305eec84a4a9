#include "transfer/verify.h"

#include "base/memory.h"
#include "base/thread.h"
#include "transfer/digest.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { THREADS_MAX = 4, BLOCK_BYTES = 256 * 1024 };

/* What the threads share; the mutex guards what is behind it. */
struct verification {
    const struct directory *directory;
    const struct manifest *manifest;
    verify_problem *problem;
    void *context;
    struct progress *progress;
    const atomic_bool *cancel;
    pthread_mutex_t mutex;
    size_t next;
    size_t good_files;
    int64_t good_bytes;
};

static bool is_cancelled(const struct verification *all) {
    return all->cancel && atomic_load(all->cancel);
}

/* Takes ownership of what, which tells the problem; NULL: the file is good. */
static void conclude(struct verification *all, const struct manifest_file *file, char *what) {
    pthread_mutex_lock(&all->mutex);
    if (what) {
        all->problem(file->path, what, all->context);
    } else {
        all->good_files++;
        all->good_bytes += file->size;
    }
    pthread_mutex_unlock(&all->mutex);
    atomic_fetch_add(&all->progress->files_done, 1);
    memory_free(what);
}

/* Splits "kind:hex"; false when it is no such thing. */
static bool parse_digest(const char *text, enum digest_kind *kind, char hex[DIGEST_TEXT_SIZE]) {
    char name[32];
    const char *colon = strchr(text, ':');
    if (!colon || (size_t)(colon - text) >= sizeof name)
        return false;
    memcpy(name, text, (size_t)(colon - text));
    name[colon - text] = '\0';
    return digest_parse_name(name, kind) && *kind != DIGEST_NONE &&
           digest_normalize(*kind, colon + 1, hex);
}

/* Hashes the open file; what went wrong, or NULL. */
static char *hash(struct verification *all, int fd, int slot, struct digest *digest, void *block) {
    int64_t done = 0;
    while (!is_cancelled(all)) {
        ssize_t got = pread(fd, block, BLOCK_BYTES, done);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0) {
            char text[128];
            return memory_format("could not be read: %s", strerror_r(errno, text, sizeof text));
        }
        if (got == 0)
            return NULL;
        digest_update(digest, block, (size_t)got);
        done += got;
        atomic_fetch_add(&all->progress->bytes_done, got);
        progress_advance(all->progress, slot, done);
    }
    return NULL;
}

static char *check_content(struct verification *all, const struct manifest_file *file, int fd,
                           void *block) {
    enum digest_kind kind;
    char expected[DIGEST_TEXT_SIZE], actual[DIGEST_TEXT_SIZE];
    struct stat about;
    if (fstat(fd, &about) == 0 && about.st_size != file->size)
        return memory_format("size %lld, expected %lld", (long long)about.st_size,
                             (long long)file->size);
    if (!parse_digest(file->digest, &kind, expected))
        return memory_format("its digest in the manifest, '%.80s', is of no known kind",
                             file->digest);
    struct digest *digest = digest_new(kind, file->size);
    int slot = progress_enter(all->progress, file->path, file->size);
    char *what = hash(all, fd, slot, digest, block);
    progress_leave(all->progress, slot);
    digest_finish(digest, actual);
    digest_free(digest);
    if (!what && strcmp(actual, expected) != 0)
        what = memory_format("%s %s, expected %s", digest_name(kind), actual, expected);
    return what;
}

static void verify_file(struct verification *all, const struct manifest_file *file, void *block) {
    int fd;
    char *what = NULL;
    struct error *error = directory_open_file(all->directory, file->path, &fd);
    if (!error) {
        what = check_content(all, file, fd, block);
        close(fd);
    } else if (error->kind == ERROR_NOT_FOUND) {
        what = memory_string("missing");
    } else {
        what = error_text(error);
    }
    error_free(error);
    if (is_cancelled(all))
        memory_free(what); /* it was not read to its end */
    else
        conclude(all, file, what);
}

static void *run(void *context) {
    struct verification *all = context;
    void *block = memory_alloc(BLOCK_BYTES);
    while (!is_cancelled(all)) {
        pthread_mutex_lock(&all->mutex);
        size_t index = all->next++;
        pthread_mutex_unlock(&all->mutex);
        if (index >= all->manifest->count)
            break;
        verify_file(all, &all->manifest->files[index], block);
    }
    memory_free(block);
    return NULL;
}

static struct error *run_threads(struct verification *all) {
    pthread_t threads[THREADS_MAX];
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    int wanted = cores < 1 ? 1 : cores < THREADS_MAX ? (int)cores : THREADS_MAX, count = 0;
    struct error *error = NULL;
    while (!error && count < wanted) {
        error = thread_start(&threads[count], "verifier", run, all);
        count += !error;
    }
    if (count > 0) { /* fewer threads do as well */
        error_free(error);
        error = NULL;
    }
    for (int i = 0; i < count; i++)
        pthread_join(threads[i], NULL);
    return error;
}

struct error *verify_directory(const struct directory *directory, const struct manifest *manifest,
                               verify_problem *problem, void *context, struct progress *progress,
                               const atomic_bool *cancel, size_t *good_files, int64_t *good_bytes) {
    struct verification all = {.directory = directory,
                               .manifest = manifest,
                               .problem = problem,
                               .context = context,
                               .progress = progress,
                               .cancel = cancel};
    int64_t bytes = 0;
    for (size_t i = 0; i < manifest->count; i++)
        bytes += manifest->files[i].size;
    atomic_store(&progress->bytes_total, bytes);
    atomic_store(&progress->files_total, (int64_t)manifest->count);
    progress_set_phase(progress, "verifying");
    pthread_mutex_init(&all.mutex, NULL);
    struct error *error = run_threads(&all);
    pthread_mutex_destroy(&all.mutex);
    *good_files = all.good_files;
    *good_bytes = all.good_bytes;
    if (!error && is_cancelled(&all))
        error = error_new(ERROR_CANCELLED, NULL, "verifying %s was cancelled", directory->path);
    return error;
}
