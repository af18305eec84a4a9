/*
 * Plans from a hostile listing: each line of the input is a path, or a glob when it begins with
 * '+' (include) or '-' (exclude). What a plan takes leads nowhere but below the directory, what is
 * sealed has no two files in each other's way, and a glob that is a path matches that path.
 */
#include "transfer/plan.h"

#include "fuzz.h"

enum { LINES_MAX = 64 };

struct input {
    char *lines[LINES_MAX]; /* NUL-terminated */
    size_t count;
};

static void split(const char *data, size_t size, struct input *input) {
    input->count = 0;
    while (size > 0 && input->count < LINES_MAX) {
        const char *end = memchr(data, '\n', size);
        size_t length = end ? (size_t)(end - data) : size;
        char *line = malloc(length + 1);
        must(line);
        memcpy(line, data, length);
        line[length] = '\0';
        input->lines[input->count++] = line;
        data += length + (end != NULL);
        size -= length + (end != NULL);
    }
}

static void check_path(const char *path) {
    must(*path && *path != '/' && strlen(path) <= PLAN_PATH_MAX);
    must(!strchr(path, '\\') && !strchr(path, '\n'));
    must(strncmp(path, ".kthena/", 8) != 0);
    for (const char *part = path;; part++) {
        size_t length = strcspn(part, "/");
        must(length > 0 && length <= 255);
        must(!(length == 1 && *part == '.') && !(length == 2 && memcmp(part, "..", 2) == 0));
        part += length;
        if (!*part)
            return;
    }
}

/* A path matches itself when no byte of it is special. */
static void check_globs(const char *path) {
    must(plan_glob("**", path));
    must(plan_glob("*", path));
    if (!strpbrk(path, "*?[\\"))
        must(plan_glob(path, path));
}

static bool is_below(const char *path, const char *directory) {
    size_t length = strlen(directory);
    return strncmp(path, directory, length) == 0 && path[length] == '/';
}

static void check_sealed(const struct plan *plan) {
    for (size_t i = 1; i < plan->file_count; i++) {
        must(strcmp(plan->files[i - 1].path, plan->files[i].path) < 0);
        for (size_t j = 0; j < i; j++)
            must(!is_below(plan->files[i].path, plan->files[j].path));
    }
}

static bool matches_any(const char *path, const char *const *globs, size_t count) {
    bool any = false;
    for (size_t i = 0; i < count; i++)
        any = plan_glob(globs[i], path) || any;
    return any;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct input input;
    const char *include[LINES_MAX], *exclude[LINES_MAX];
    size_t includes = 0, excludes = 0, access;
    struct plan *plan = plan_new();
    plan_add_access(plan, &(struct plan_access){0}, &access);
    split((const char *)data, size, &input);
    for (size_t i = 0; i < input.count; i++) {
        char *line = input.lines[i];
        if (*line == '+') {
            include[includes++] = line + 1;
        } else if (*line == '-') {
            exclude[excludes++] = line + 1;
        } else {
            struct error *error = plan_add_file(
                plan, &(struct plan_file){.path = line, .size = 1, .url = "http://h/"});
            if (!error)
                check_path(line);
            error_free(error);
        }
    }
    for (size_t i = 0; i < plan->file_count; i++)
        check_globs(plan->files[i].path);
    plan_filter(plan, include, includes, exclude, excludes);
    for (size_t i = 0; i < plan->file_count; i++) {
        must(includes == 0 || matches_any(plan->files[i].path, include, includes));
        must(!matches_any(plan->files[i].path, exclude, excludes));
    }
    struct error *error = plan_seal(plan);
    if (!error)
        check_sealed(plan);
    error_free(error);
    plan_free(plan);
    for (size_t i = 0; i < input.count; i++)
        free(input.lines[i]);
    return 0;
}
