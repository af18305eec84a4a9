#include "policy/access.h"

#include "base/buffer.h"
#include "base/memory.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

/* The system's own directories: nothing in them is for models. */
static const char *const system_trees[] = {"/bin",   "/boot", "/dev", "/etc",  "/lib", "/lib32",
                                           "/lib64", "/proc", "/run", "/sbin", "/sys", "/usr"};

/* In themselves not for models, but what is mounted or made below them may be. */
static const char *const system_tops[] = {"/", "/home", "/media", "/mnt", "/opt", "/srv", "/var"};

static const char shared_memory[] = "/dev/shm";

static bool is_in(const char *path, const char *directory) {
    size_t length = strlen(directory);
    while (length > 1 && directory[length - 1] == '/')
        length--;
    if (length == 1)
        return true;
    return strncmp(path, directory, length) == 0 && (path[length] == '\0' || path[length] == '/');
}

/* "~/x" and relative paths as absolute ones. */
static struct error *make_absolute(const char *path, struct buffer *out) {
    if (*path == '~' && (path[1] == '\0' || path[1] == '/')) {
        const char *home = getenv("HOME");
        if (!home || *home != '/')
            return error_new(ERROR_INVALID, NULL,
                             "could not tell what '~' in '%s' is: HOME is not set; give an "
                             "absolute path",
                             path);
        buffer_string(out, home);
        buffer_string(out, path + 1);
    } else {
        if (*path != '/') {
            char *here = getcwd(NULL, 0);
            if (!here)
                return error_errno(ERROR_IO, "could not make '%s' absolute", path);
            buffer_string(out, here);
            buffer_byte(out, '/');
            free(here);
        }
        buffer_string(out, path);
    }
    return NULL;
}

/* Appends the parts of rest, which do not exist yet, to an absolute path without links. */
static void append_parts(struct buffer *path, const char *rest) {
    while (*rest) {
        size_t length = strcspn(rest, "/");
        if (length == 2 && rest[0] == '.' && rest[1] == '.') {
            while (path->length > 1 && path->data[--path->length] != '/')
                ;
            if (path->length == 0)
                buffer_byte(path, '/');
        } else if (length > 0 && !(length == 1 && *rest == '.')) {
            if (path->length == 0 || path->data[path->length - 1] != '/')
                buffer_byte(path, '/');
            buffer_append(path, rest, length);
        }
        rest += length;
        rest += strspn(rest, "/");
    }
}

/* Resolves the links of the longest beginning of an absolute path that exists. */
static struct error *resolve(const char *path, char **out) {
    char *head = memory_string(path);
    size_t length = strlen(head);
    char *real = NULL;
    while (!(real = realpath(length ? head : "/", NULL))) {
        if (errno != ENOENT || length == 0) {
            struct error *error = error_errno(errno == EACCES ? ERROR_DENIED : ERROR_INVALID,
                                              "could not use the directory '%s'", path);
            memory_free(head);
            return error;
        }
        while (length > 0 && head[length - 1] == '/')
            length--;
        while (length > 0 && head[length - 1] != '/')
            length--;
        head[length] = '\0';
    }
    struct buffer result = {0};
    buffer_string(&result, real);
    append_parts(&result, path + length);
    *out = memory_string(buffer_text(&result));
    buffer_free(&result);
    free(real);
    memory_free(head);
    return NULL;
}

static struct error *resolve_directory(const char *directory, char **out) {
    if (*directory == '\0')
        return error_new(ERROR_INVALID, NULL, "the directory is empty; name one");
    struct buffer path = {0};
    struct error *error = make_absolute(directory, &path);
    if (!error)
        error = resolve(buffer_text(&path), out);
    buffer_free(&path);
    return error;
}

static struct error *check_roots(const struct access *access, const char *directory) {
    for (size_t i = 0; i < access->root_count; i++) {
        char *root = NULL;
        struct error *error = resolve_directory(access->roots[i], &root);
        bool inside = root && is_in(directory, root);
        error_free(error);
        memory_free(root);
        if (inside)
            return NULL;
    }
    return error_new(ERROR_DENIED, NULL,
                     "the directory '%s' is outside of what --output-root allows", directory);
}

static struct error *check_system(const char *directory) {
    bool denied = false;
    for (size_t i = 0; i < sizeof system_trees / sizeof *system_trees; i++)
        denied |= is_in(directory, system_trees[i]);
    for (size_t i = 0; i < sizeof system_tops / sizeof *system_tops; i++)
        denied |= strcmp(directory, system_tops[i]) == 0;
    if (is_in(directory, shared_memory))
        denied = false;
    if (!denied)
        return NULL;
    return error_new(ERROR_DENIED, NULL,
                     "the directory '%s' is the system's own; choose another, or allow it with "
                     "--output-root",
                     directory);
}

struct error *access_directory(const struct access *access, const char *directory,
                               char **resolved) {
    char *path = NULL;
    struct error *error = resolve_directory(directory, &path);
    if (!path)
        return error;
    error = access->root_count ? check_roots(access, path) : check_system(path);
    if (error)
        memory_free(path);
    else
        *resolved = path;
    return error;
}

/* '*' matches anything, '?' one byte. */
static bool matches(const char *glob, const char *text) {
    const char *star = NULL, *retry = NULL;
    while (*text) {
        if (*glob == '*') {
            star = ++glob;
            retry = text;
        } else if (*glob == '?' || *glob == *text) {
            glob++;
            text++;
        } else if (star) {
            glob = star;
            text = ++retry;
        } else {
            return false;
        }
    }
    while (*glob == '*')
        glob++;
    return *glob == '\0';
}

/* The byte at text, with "%2e" for a dot and "%2f" for a slash; *length is how long it is. */
static char plain_byte(const char *text, size_t *length) {
    *length = 3;
    if (strncasecmp(text, "%2e", 3) == 0)
        return '.';
    if (strncasecmp(text, "%2f", 3) == 0)
        return '/';
    *length = 1;
    return *text;
}

/* Whether ".." is a part of the path, as it stands or percent-encoded: it would lead from where a
 * glob allows to where it does not. */
static bool climbs(const char *uri) {
    size_t dots = 0, others = 0, length;
    for (;; uri += length) {
        char byte = plain_byte(uri, &length);
        if (byte != '/' && byte != '\\' && byte != '?' && byte != '#' && byte != '\0') {
            dots += byte == '.';
            others += byte != '.';
            continue;
        }
        if (dots == 2 && others == 0)
            return true;
        if (byte == '\0')
            return false;
        dots = others = 0;
    }
}

bool access_allows(const struct access *access, const char *url) {
    if (climbs(url))
        return false;
    for (size_t i = 0; i < access->source_count; i++)
        if (matches(access->sources[i], url))
            return true;
    return false;
}

struct error *access_source(const struct access *access, const char *uri) {
    if (access->source_count == 0 || access_allows(access, uri))
        return NULL;
    return error_new(ERROR_DENIED, NULL,
                     "the source '%s' is not among those that --allow-source "
                     "allows",
                     uri);
}

static bool allows(const void *context, const char *url) {
    return context && access_allows(context, url);
}

void access_guard(const struct access *access, enum access_reach reach, struct network *network) {
    if (reach == ACCESS_ANYWHERE)
        return;
    network->guarded = network->guarded || reach == ACCESS_GUARDED;
    network->allows = allows;
    network->allows_context = access;
}
