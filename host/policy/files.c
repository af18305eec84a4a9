#include "policy/files.h"

#include "base/file.h"
#include "base/memory.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static const char SUFFIX[] = ".lua";

static const char *const KIND_NAMES[RULE_KINDS] = {NULL, "engine", "source", "workflow"};

/* One directory of one layer while it is read. */
struct place {
    struct snapshot *snapshot;
    const char *layer;   /* as given */
    const char *path;    /* the directory with the files */
    const char *display; /* what stands before the name for people */
    size_t rank;
    enum rule_kind kind; /* of the files in it */
};

const char *rule_kind_name(enum rule_kind kind) {
    return KIND_NAMES[kind];
}

static void release(struct rule_file *file) {
    memory_free(file->name);
    memory_free(file->display);
    memory_free(file->layer);
    memory_free(file->replaces);
    memory_free(file->text);
    *file = (struct rule_file){0};
}

static struct rule_file *find(struct snapshot *snapshot, const char *name) {
    for (size_t i = 0; i < snapshot->count; i++)
        if (strcmp(snapshot->files[i].name, name) == 0)
            return &snapshot->files[i];
    return NULL;
}

/* The place of a file of this name: that of the one it replaces, or a new one. NULL when it has to
 * be left out. */
static struct rule_file *claim(const struct place *place, const char *name, const char *display) {
    struct snapshot *snapshot = place->snapshot;
    struct rule_file *file = find(snapshot, name);
    if (file && file->rank == place->rank) {
        problems_add(&snapshot->problems, display, "%s is there too; keep one of the two",
                     file->display);
        return NULL;
    }
    if (file && place->kind && file->kind && file->kind != place->kind) {
        problems_add(&snapshot->problems, display, "would replace %s, which is no %s; rename it",
                     file->display, rule_kind_name(place->kind));
        return NULL;
    }
    if (file) {
        char *replaces = memory_string(file->display);
        enum rule_kind kind = file->kind;
        release(file);
        file->replaces = replaces;
        file->kind = kind;
        return file;
    }
    if (snapshot->count == RULE_FILES_MAX) {
        problems_add(&snapshot->problems, display, "there are more than %d rule files",
                     RULE_FILES_MAX);
        return NULL;
    }
    snapshot->files =
        memory_resize(snapshot->files, (snapshot->count + 1) * sizeof *snapshot->files);
    file = &snapshot->files[snapshot->count++];
    *file = (struct rule_file){0};
    return file;
}

/* Reads a regular file; a pipe among the rules must not stop the reader for ever. */
static struct error *read_regular(const char *path, struct buffer *out) {
    struct stat about;
    if (stat(path, &about) == 0 && !S_ISREG(about.st_mode))
        return error_new(ERROR_INVALID, NULL, "could not read %s: it is no regular file", path);
    return file_read(path, RULE_FILE_BYTES_MAX, out);
}

static void add_problem(struct snapshot *snapshot, const char *display, struct error *error) {
    char *text = error_text(error);
    problems_add(&snapshot->problems, display, "%s", text);
    memory_free(text);
    error_free(error);
}

static void add_directory_problem(const struct place *place, struct error *error) {
    if (error->kind == ERROR_NOT_FOUND) {
        problems_add(&place->snapshot->problems, place->path, "there is no such directory");
        error_free(error);
    } else {
        add_problem(place->snapshot, place->display, error);
    }
}

static void read_file(const struct place *place, const char *name) {
    char *path = file_join(place->path, name);
    char *display = file_join(place->display, name);
    struct buffer text = {0};
    struct error *error = read_regular(path, &text);
    if (error) {
        add_problem(place->snapshot, display, error);
        goto cleanup;
    }
    struct rule_file *file = claim(place, name, display);
    if (!file)
        goto cleanup;
    file->name = memory_string(name);
    file->display = display;
    file->layer = memory_string(place->layer);
    file->rank = place->rank;
    file->kind = place->kind ? place->kind : file->kind;
    file->text = memory_copy(text.data, text.length);
    file->length = text.length;
    display = NULL;
cleanup:
    buffer_free(&text);
    memory_free(display);
    memory_free(path);
}

static void read_directory(const struct place *place) {
    char **names = NULL;
    size_t count = 0;
    struct error *error = file_list(place->path, SUFFIX, &names, &count);
    if (error)
        add_directory_problem(place, error);
    for (size_t i = 0; i < count; i++)
        read_file(place, names[i]);
    file_list_free(names, count);
}

/* The last part of a path, for "rules" of "/usr/share/kthena-runtime/rules". */
static char *last_part(const char *path) {
    size_t end = strlen(path);
    while (end > 1 && path[end - 1] == '/')
        end--;
    size_t start = end;
    while (start > 0 && path[start - 1] != '/')
        start--;
    return memory_copy(path + start, end - start);
}

/* Reads the directory of a kind in a layer, if it is there. */
static void read_kind(const struct place *layer, enum rule_kind kind) {
    struct place place = *layer;
    char *name = memory_format("%ss", rule_kind_name(kind));
    char *path = file_join(layer->path, name);
    char *display = file_join(layer->display, name);
    place.path = path;
    place.display = display;
    place.kind = kind;
    if (file_is_directory(path))
        read_directory(&place);
    memory_free(display);
    memory_free(path);
    memory_free(name);
}

static void read_layer(struct snapshot *snapshot, const char *layer, size_t rank) {
    char *shown = rank == 0 ? last_part(layer) : memory_string(layer);
    struct place place = {snapshot, layer, layer, shown, rank, RULE_ANY};
    read_directory(&place);
    for (enum rule_kind kind = RULE_ENGINE; kind < RULE_KINDS; kind++)
        read_kind(&place, kind);
    memory_free(shown);
}

static int by_name(const void *a, const void *b) {
    return strcmp(((const struct rule_file *)a)->name, ((const struct rule_file *)b)->name);
}

static struct snapshot *new_snapshot(void) {
    struct snapshot *snapshot = memory_zero(1, sizeof *snapshot);
    atomic_init(&snapshot->references, 1);
    return snapshot;
}

struct snapshot *snapshot_read(const struct layers *layers) {
    struct snapshot *snapshot = new_snapshot();
    read_layer(snapshot, layers->builtin, 0);
    for (size_t i = 0; i < layers->count; i++)
        read_layer(snapshot, layers->directories[i], i + 1);
    if (snapshot->count > 0)
        qsort(snapshot->files, snapshot->count, sizeof *snapshot->files, by_name);
    return snapshot;
}

/* The kind that the last directory of a path says. */
static enum rule_kind kind_of(const char *display) {
    const char *end = strrchr(display, '/');
    const char *start = end;
    while (start && start > display && start[-1] != '/')
        start--;
    for (enum rule_kind kind = RULE_ENGINE; start && kind < RULE_KINDS; kind++) {
        size_t length = strlen(rule_kind_name(kind));
        if ((size_t)(end - start) == length + 1 && start[length] == 's' &&
            strncmp(start, rule_kind_name(kind), length) == 0)
            return kind;
    }
    return RULE_ANY;
}

struct snapshot *snapshot_of(const char *display, const char *text, size_t length) {
    struct snapshot *snapshot = new_snapshot();
    snapshot->files = memory_zero(1, sizeof *snapshot->files);
    snapshot->files[0] = (struct rule_file){
        .name = last_part(display),
        .display = memory_string(display),
        .layer = memory_string(""),
        .kind = kind_of(display),
        .text = memory_copy(text, length),
        .length = length,
    };
    snapshot->count = 1;
    return snapshot;
}

static bool same_file(const struct rule_file *a, const struct rule_file *b) {
    return a->length == b->length && strcmp(a->display, b->display) == 0 &&
           memcmp(a->text, b->text, a->length) == 0;
}

bool snapshot_equal(const struct snapshot *a, const struct snapshot *b) {
    if (a->count != b->count || a->problems.count != b->problems.count)
        return false;
    for (size_t i = 0; i < a->count; i++)
        if (!same_file(&a->files[i], &b->files[i]))
            return false;
    for (size_t i = 0; i < a->problems.count; i++)
        if (strcmp(a->problems.list[i].text, b->problems.list[i].text) != 0)
            return false;
    return true;
}

struct snapshot *snapshot_ref(struct snapshot *snapshot) {
    atomic_fetch_add_explicit(&snapshot->references, 1, memory_order_relaxed);
    return snapshot;
}

void snapshot_unref(struct snapshot *snapshot) {
    if (!snapshot || atomic_fetch_sub_explicit(&snapshot->references, 1, memory_order_acq_rel) != 1)
        return;
    for (size_t i = 0; i < snapshot->count; i++)
        release(&snapshot->files[i]);
    memory_free(snapshot->files);
    problems_free(&snapshot->problems);
    memory_free(snapshot);
}
