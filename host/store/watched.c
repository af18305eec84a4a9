#include "store/watched.h"

#include "base/clock.h"
#include "base/file.h"
#include "base/memory.h"
#include "base/thread.h"
#include "base/yaml.h"

#include <string.h>
#include <sys/stat.h>

enum { READ_EVERY_MS = 500 };

/* One reading: a content, or why there is none. */
struct reading {
    struct buffer content;
    char *problem; /* NULL: it was read */
};

struct followed {
    char *name;
    char *path;
    struct reading last;    /* only the thread's */
    struct reading current; /* the one that counts; only the thread's */
    /* What follows is under the mutex. */
    char *json;
    char *problem;
    uint64_t version;
};

struct watched_files {
    struct followed *files;
    size_t count;
    watched_changed *changed;
    void *context;
    pthread_t thread;
    bool has_thread;
    pthread_mutex_t mutex;
    pthread_cond_t wake; /* of stopping */
    bool stopping;
};

static void free_reading(struct reading *reading) {
    buffer_free(&reading->content);
    memory_free(reading->problem);
    *reading = (struct reading){0};
}

static struct reading read_file(const char *path) {
    struct reading reading = {0};
    struct stat about;
    if (stat(path, &about) == 0 && !S_ISREG(about.st_mode)) {
        reading.problem = memory_format("could not read %s: it is no regular file", path);
        return reading;
    }
    struct error *error = file_read(path, WATCHED_BYTES_MAX, &reading.content);
    if (error)
        reading.problem = error_text(error);
    error_free(error);
    return reading;
}

static bool is_same(const struct reading *a, const struct reading *b) {
    if (a->problem || b->problem)
        return a->problem && b->problem && strcmp(a->problem, b->problem) == 0;
    return a->content.length == b->content.length &&
           (a->content.length == 0 ||
            memcmp(a->content.data, b->content.data, a->content.length) == 0);
}

/* What a reading says: JSON, or a problem. Only one of the two is set. */
static void parse(const struct followed *file, const struct reading *reading, char **json,
                  char **problem) {
    struct buffer out = {0};
    *json = *problem = NULL;
    if (reading->problem) {
        *problem = memory_string(reading->problem);
        return;
    }
    const struct buffer *content = &reading->content;
    struct error *error =
        yaml_to_json(file->path, content->length ? content->data : "", content->length, &out);
    if (error)
        *problem = error_text(error);
    else
        *json = memory_string(buffer_text(&out));
    error_free(error);
    buffer_free(&out);
}

/* Makes a reading the one that counts; it passes here. */
static void settle(struct watched_files *files, struct followed *file, struct reading reading) {
    char *json, *problem;
    free_reading(&file->current);
    file->current = reading;
    parse(file, &reading, &json, &problem);
    pthread_mutex_lock(&files->mutex);
    memory_free(file->problem);
    file->problem = problem;
    if (json) {
        memory_free(file->json);
        file->json = json;
        file->version++;
    }
    pthread_mutex_unlock(&files->mutex);
}

static void look(struct watched_files *files, struct followed *file) {
    struct reading reading = read_file(file->path);
    bool is_old = is_same(&reading, &file->current);
    bool is_settled = is_same(&reading, &file->last);
    free_reading(&file->last);
    if (is_old || !is_settled) {
        file->last = reading;
        return;
    }
    settle(files, file, reading);
    if (files->changed)
        files->changed(files->context, file->name, file->problem);
}

static void *follow(void *context) {
    struct watched_files *files = context;
    pthread_mutex_lock(&files->mutex);
    while (!files->stopping) {
        int64_t next_ms = clock_ms() + READ_EVERY_MS;
        while (!files->stopping && clock_ms() < next_ms)
            clock_wait(&files->wake, &files->mutex, next_ms);
        bool stopping = files->stopping;
        pthread_mutex_unlock(&files->mutex);
        for (size_t i = 0; !stopping && i < files->count; i++)
            look(files, &files->files[i]);
        pthread_mutex_lock(&files->mutex);
    }
    pthread_mutex_unlock(&files->mutex);
    return NULL;
}

struct error *watched_open(const struct watched_file *list, size_t count, watched_changed *changed,
                           void *context, struct watched_files **out) {
    struct watched_files *files = memory_zero(1, sizeof *files);
    files->changed = changed;
    files->context = context;
    pthread_mutex_init(&files->mutex, NULL);
    clock_condition_init(&files->wake);
    files->files = memory_zero(count + 1, sizeof *files->files);
    for (; files->count < count; files->count++) {
        struct followed *file = &files->files[files->count];
        file->name = memory_string(list[files->count].name);
        file->path = memory_string(list[files->count].path);
        settle(files, file, read_file(file->path));
    }
    struct error *error =
        count > 0 ? thread_start(&files->thread, "watched-files", follow, files) : NULL;
    files->has_thread = count > 0 && !error;
    if (error) {
        watched_close(files);
        return error;
    }
    *out = files;
    return NULL;
}

void watched_close(struct watched_files *files) {
    if (!files)
        return;
    pthread_mutex_lock(&files->mutex);
    files->stopping = true;
    pthread_cond_broadcast(&files->wake);
    pthread_mutex_unlock(&files->mutex);
    if (files->has_thread)
        pthread_join(files->thread, NULL);
    for (size_t i = 0; i < files->count; i++) {
        struct followed *file = &files->files[i];
        free_reading(&file->last);
        free_reading(&file->current);
        memory_free(file->name);
        memory_free(file->path);
        memory_free(file->json);
        memory_free(file->problem);
    }
    memory_free(files->files);
    pthread_mutex_destroy(&files->mutex);
    pthread_cond_destroy(&files->wake);
    memory_free(files);
}

bool watched_get(struct watched_files *files, const char *name, struct watched_view *view) {
    for (size_t i = 0; i < files->count; i++) {
        const struct followed *file = &files->files[i];
        if (strcmp(file->name, name) != 0)
            continue;
        pthread_mutex_lock(&files->mutex);
        *view = (struct watched_view){
            .path = memory_string(file->path),
            .json = file->json ? memory_string(file->json) : NULL,
            .problem = file->problem ? memory_string(file->problem) : NULL,
            .version = file->version,
        };
        pthread_mutex_unlock(&files->mutex);
        return true;
    }
    return false;
}

void watched_view_free(struct watched_view *view) {
    memory_free(view->path);
    memory_free(view->json);
    memory_free(view->problem);
    *view = (struct watched_view){0};
}
