#include "store/tree.h"

#include "base/file.h"
#include "base/memory.h"

#include <dirent.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/stat.h>

/* A directory that is being listed, and those above it. */
struct level {
    const struct level *above;
    dev_t device;
    ino_t inode;
    size_t depth;
};

struct walk {
    struct tree *tree;
    char *root; /* resolved */
    const atomic_bool *cancel;
};

static struct error *failure(const char *path) {
    enum error_kind kind = errno == ENOENT || errno == ENOTDIR ? ERROR_NOT_FOUND
                           : errno == EACCES || errno == EPERM ? ERROR_DENIED
                                                               : ERROR_IO;
    return error_errno(kind, "could not read %s", path);
}

static bool is_inside(const char *path, const char *root) {
    size_t length = strlen(root);
    if (length == 1)
        return true;
    return strncmp(path, root, length) == 0 && (path[length] == '/' || path[length] == '\0');
}

static struct error *check_link(const struct walk *walk, const char *path) {
    char *target = realpath(path, NULL);
    struct error *error = NULL;
    if (!target)
        error = errno == ENOENT ? error_new(ERROR_NOT_FOUND, NULL,
                                            "could not read %s: it is a link to nothing", path)
                                : failure(path);
    else if (!is_inside(target, walk->root))
        error = error_new(ERROR_DENIED, NULL,
                          "could not read %s: the link leads out of %s, to %s; name a directory "
                          "that holds both",
                          path, walk->root, target);
    free(target);
    return error;
}

static struct error *add_file(struct tree *tree, const char *relative, const char *path,
                              const struct stat *about) {
    if (tree->count == TREE_FILES_MAX)
        return error_new(ERROR_LIMIT, NULL, "could not list %s: there are more than %d files", path,
                         TREE_FILES_MAX);
    if (tree->count == tree->capacity) {
        tree->capacity = tree->capacity ? tree->capacity * 2 : 64;
        tree->files = memory_resize(tree->files, tree->capacity * sizeof *tree->files);
    }
    tree->files[tree->count++] = (struct tree_file){
        .path = memory_string(relative),
        .from = memory_string(path),
        .size = (int64_t)about->st_size,
        .mtime_ns = (int64_t)about->st_mtim.tv_sec * 1000000000 + about->st_mtim.tv_nsec,
        .mode = (int)(about->st_mode & 07777),
    };
    return NULL;
}

static struct error *list_directory(struct walk *walk, const char *path, const char *relative,
                                    const struct stat *about, const struct level *above);

static struct error *take_entry(struct walk *walk, const char *path, const char *relative,
                                const struct level *level) {
    struct stat about;
    struct error *error = NULL;
    if (lstat(path, &about) != 0)
        return failure(path);
    if (S_ISLNK(about.st_mode)) {
        error = check_link(walk, path);
        if (!error && stat(path, &about) != 0)
            error = failure(path);
    }
    if (error)
        return error;
    if (S_ISREG(about.st_mode))
        return add_file(walk->tree, relative, path, &about);
    if (S_ISDIR(about.st_mode))
        return list_directory(walk, path, relative, &about, level);
    buffer_append(&walk->tree->skipped, path, strlen(path) + 1);
    return NULL;
}

static bool is_left_out(const char *name, const struct level *level) {
    if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
        return true;
    return strcmp(name, ".kthena") == 0 || (level->depth == 0 && strcmp(name, "lost+found") == 0);
}

/* Reads the names of a directory into a buffer, each with its NUL, so that no descriptor stays open
 * while those below are listed. */
static struct error *read_names(const char *path, const struct level *level, struct buffer *names) {
    DIR *directory = opendir(path);
    const struct dirent *entry;
    struct error *error = NULL;
    if (!directory)
        return failure(path);
    for (errno = 0; (entry = readdir(directory)); errno = 0)
        if (!is_left_out(entry->d_name, level))
            buffer_append(names, entry->d_name, strlen(entry->d_name) + 1);
    if (errno != 0)
        error = failure(path);
    closedir(directory);
    return error;
}

static struct error *check_level(const struct level *level, const char *path) {
    if (level->depth == TREE_DEPTH_MAX)
        return error_new(ERROR_LIMIT, NULL,
                         "could not list %s: it is more than %d directories deep", path,
                         TREE_DEPTH_MAX);
    for (const struct level *above = level->above; above; above = above->above)
        if (above->device == level->device && above->inode == level->inode)
            return error_new(ERROR_INVALID, NULL,
                             "could not list %s: the link leads back to a directory it is in",
                             path);
    return NULL;
}

static struct error *list_directory(struct walk *walk, const char *path, const char *relative,
                                    const struct stat *about, const struct level *above) {
    struct level level = {above, about->st_dev, about->st_ino, above ? above->depth + 1 : 0};
    struct buffer names = {0};
    struct error *error = check_level(&level, path);
    if (!error)
        error = read_names(path, &level, &names);
    for (size_t at = 0; !error && at < names.length;) {
        const char *name = names.data + at;
        at += strlen(name) + 1;
        if (walk->cancel && atomic_load(walk->cancel)) {
            error = error_new(ERROR_CANCELLED, NULL, "listing %s was cancelled", walk->root);
            break;
        }
        char *full = file_join(path, name);
        char *below = file_join(relative, name);
        error = take_entry(walk, full, below, &level);
        memory_free(below);
        memory_free(full);
    }
    buffer_free(&names);
    return error;
}

struct error *tree_list(const char *path, const atomic_bool *cancel, struct tree *out) {
    struct stat about;
    const char *slash = strrchr(path, '/');
    struct walk walk = {.tree = out, .root = realpath(path, NULL), .cancel = cancel};
    if (!walk.root || stat(walk.root, &about) != 0) {
        struct error *error = failure(path);
        free(walk.root);
        return error;
    }
    struct error *error;
    if (S_ISREG(about.st_mode))
        error = add_file(out, slash ? slash + 1 : path, walk.root, &about);
    else if (S_ISDIR(about.st_mode))
        error = list_directory(&walk, walk.root, "", &about, NULL);
    else
        error = error_new(ERROR_INVALID, NULL,
                          "could not read %s: it is neither a file nor a directory", path);
    free(walk.root);
    return error;
}

void tree_free(struct tree *tree) {
    for (size_t i = 0; i < tree->count; i++) {
        memory_free(tree->files[i].path);
        memory_free(tree->files[i].from);
    }
    memory_free(tree->files);
    buffer_free(&tree->skipped);
    *tree = (struct tree){0};
}
