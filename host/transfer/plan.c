#include "transfer/plan.h"

#include "base/memory.h"
#include "base/text.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { ARENA_CHUNK = 64 * 1024, PART_MAX = 255 };

/* Texts live in chunks that never move; the newest is first. */
struct plan_arena {
    struct plan_arena *older;
    size_t used, size;
    char bytes[];
};

static char *arena_take(struct plan *plan, size_t size) {
    struct plan_arena *arena = plan->arena;
    if (!arena || arena->size - arena->used < size) {
        size_t room = size > ARENA_CHUNK ? size : ARENA_CHUNK;
        struct plan_arena *fresh = memory_alloc(sizeof *fresh + room);
        *fresh = (struct plan_arena){.older = arena, .size = room};
        plan->arena = arena = fresh;
    }
    char *taken = arena->bytes + arena->used;
    arena->used += size;
    return taken;
}

static char *keep_bytes(struct plan *plan, const char *text, size_t length) {
    char *kept = arena_take(plan, length + 1);
    memcpy(kept, text, length);
    kept[length] = '\0';
    return kept;
}

static char *keep(struct plan *plan, const char *text) {
    return text ? keep_bytes(plan, text, strlen(text)) : NULL;
}

struct plan *plan_new(void) {
    struct plan *plan = memory_zero(1, sizeof *plan);
    plan->revision = keep(plan, "");
    return plan;
}

void plan_free(struct plan *plan) {
    if (!plan)
        return;
    for (size_t i = 0; i < plan->access_count; i++) {
        signer_unref(plan->accesses[i].signer);
        memory_free(plan->accesses[i].headers);
        memory_free(plan->accesses[i].digests);
    }
    while (plan->arena) {
        struct plan_arena *older = plan->arena->older;
        memory_free(plan->arena);
        plan->arena = older;
    }
    memory_free(plan->accesses);
    memory_free(plan->files);
    memory_free(plan);
}

void plan_set_revision(struct plan *plan, const char *revision, bool pinned) {
    plan->revision = keep(plan, revision);
    plan->pinned = pinned;
}

/* Whether an array of this many elements is full: its capacities are the powers of two. */
static bool is_full(size_t count) {
    return (count & (count - 1)) == 0;
}

void plan_add_access(struct plan *plan, const struct plan_access *access, size_t *index) {
    if (is_full(plan->access_count)) {
        size_t capacity = plan->access_count ? plan->access_count * 2 : 1;
        plan->accesses = memory_resize(plan->accesses, capacity * sizeof *plan->accesses);
    }
    *index = plan->access_count++;
    struct plan_access *kept = &plan->accesses[*index];
    *kept = (struct plan_access){.header_count = access->header_count,
                                 .digest_count = access->digest_count,
                                 .signer = access->signer ? signer_ref(access->signer) : NULL,
                                 .pin_name = keep(plan, access->pin_name),
                                 .pin_value = keep(plan, access->pin_value),
                                 .reason_headers = keep(plan, access->reason_headers)};
    kept->headers = memory_zero(access->header_count + 1, sizeof *kept->headers);
    for (size_t i = 0; i < access->header_count; i++)
        kept->headers[i] = (struct http_header){.name = keep(plan, access->headers[i].name),
                                                .value = keep(plan, access->headers[i].value),
                                                .is_private = access->headers[i].is_private};
    kept->digests = memory_zero(access->digest_count + 1, sizeof *kept->digests);
    for (size_t i = 0; i < access->digest_count; i++) {
        const struct plan_digest_header *from = &access->digests[i];
        kept->digests[i] =
            (struct plan_digest_header){.name = keep(plan, from->name),
                                        .kind = from->kind,
                                        .unless_name = keep(plan, from->unless_name),
                                        .unless_value = keep(plan, from->unless_value)};
    }
}

/* What is wrong with one part of a path; NULL if nothing is. */
static const char *part_problem(const char *part, size_t length) {
    if (length == 0)
        return "has an empty part";
    if (length > PART_MAX)
        return "has a part of more than 255 bytes";
    if ((length == 1 && part[0] == '.') || (length == 2 && part[0] == '.' && part[1] == '.'))
        return "has a '.' or '..' part";
    return NULL;
}

static const char *path_problem(const char *path) {
    if (!path || !*path)
        return "is empty";
    if (strlen(path) > PLAN_PATH_MAX)
        return "is longer than 1024 bytes";
    if (*path == '/')
        return "is absolute";
    for (const char *part = path;; part++) {
        size_t length = strcspn(part, "/");
        const char *problem = part_problem(part, length);
        if (problem)
            return problem;
        if (part == path && length == 7 && strncasecmp(part, ".kthena", 7) == 0)
            return "lies in .kthena, which is the downloader's own";
        part += length;
        if (!*part)
            return NULL;
    }
}

/* The path as it may stand in a message. */
static void printable(const char *path, char text[128]) {
    size_t length = 0;
    for (const char *c = path ? path : ""; *c && length < 120; c++)
        text[length++] = (unsigned char)*c < 0x20 || *c == 0x7f ? '?' : *c;
    text[length] = '\0';
    while (length > 0 && !text_utf8(text + length - 1, 1) && strlen(path) > length)
        text[--length] = '\0'; /* no character cut in two */
}

static struct error *check_file(const struct plan *plan, const struct plan_file *file,
                                char hex[DIGEST_TEXT_SIZE]) {
    char name[128];
    printable(file->path, name);
    const char *problem = path_problem(file->path);
    if (problem)
        return error_new(ERROR_INVALID, NULL, "the source lists a file '%s' whose path %s", name,
                         problem);
    if (!file->url == !file->local)
        return error_new(ERROR_INVALID, NULL,
                         "file '%s' must have either a URL or a local path to come from", name);
    if (file->url && file->access >= plan->access_count)
        return error_new(ERROR_INVALID, NULL, "file '%s' names no access of its plan", name);
    if (file->url && !text_starts(file->url, "http://") && !text_starts(file->url, "https://"))
        return error_new(ERROR_INVALID, NULL, "the URL of file '%s' is not http or https", name);
    if (file->local && *file->local != '/')
        return error_new(ERROR_INVALID, NULL, "the local path of file '%s' is not absolute", name);
    if (!file->hex != (file->digest == DIGEST_NONE) ||
        (file->hex && !digest_normalize(file->digest, file->hex, hex)))
        return error_new(ERROR_INVALID, NULL, "the digest of file '%s' is no %s", name,
                         digest_name(file->digest));
    if (plan->file_count >= PLAN_FILES_MAX)
        return error_new(ERROR_LIMIT, NULL, "the source lists more than %d files", PLAN_FILES_MAX);
    return NULL;
}

/* An ETag without the mark of a weak one and without quotes. */
static char *keep_etag(struct plan *plan, const char *etag) {
    if (!etag)
        return NULL;
    if (text_starts(etag, "W/"))
        etag += 2;
    size_t length = strlen(etag);
    bool quoted = length >= 2 && etag[0] == '"' && etag[length - 1] == '"';
    return keep_bytes(plan, etag + quoted, length - 2 * (size_t)quoted);
}

struct error *plan_add_file(struct plan *plan, const struct plan_file *file) {
    char hex[DIGEST_TEXT_SIZE];
    struct error *error = check_file(plan, file, hex);
    if (error)
        return error;
    if (is_full(plan->file_count)) {
        size_t capacity = plan->file_count ? plan->file_count * 2 : 1;
        plan->files = memory_resize(plan->files, capacity * sizeof *plan->files);
    }
    struct plan_file *kept = &plan->files[plan->file_count++];
    *kept = *file;
    kept->path = keep(plan, file->path);
    kept->url = keep(plan, file->url);
    kept->local = keep(plan, file->local);
    kept->etag = keep_etag(plan, file->etag);
    kept->hex = file->hex ? keep(plan, hex) : NULL;
    kept->size = file->size < 0 ? -1 : file->size;
    kept->present = 0;
    return NULL;
}

static bool matches_any(const char *path, const char *const *globs, size_t count) {
    for (size_t i = 0; i < count; i++)
        if (plan_glob(globs[i], path))
            return true;
    return false;
}

void plan_filter(struct plan *plan, const char *const *include, size_t include_count,
                 const char *const *exclude, size_t exclude_count) {
    size_t kept = 0, capacity = 1;
    for (size_t i = 0; i < plan->file_count; i++) {
        const char *path = plan->files[i].path;
        if (include_count && !matches_any(path, include, include_count))
            continue;
        if (!matches_any(path, exclude, exclude_count))
            plan->files[kept++] = plan->files[i];
    }
    if (kept == plan->file_count)
        return;
    plan->file_count = kept;
    while (capacity < kept) /* as is_full expects it */
        capacity *= 2;
    plan->files = memory_resize(plan->files, capacity * sizeof *plan->files);
}

static int by_path(const void *left, const void *right) {
    return strcmp(((const struct plan_file *)left)->path, ((const struct plan_file *)right)->path);
}

/* Finds a file whose path is a directory of this one's. */
static const struct plan_file *find_above(const struct plan *plan, const char *path) {
    char above[PLAN_PATH_MAX + 1];
    size_t length = 0;
    for (const char *slash = strchr(path, '/'); slash; slash = strchr(slash + 1, '/')) {
        memcpy(above + length, path + length, (size_t)(slash - path) - length);
        length = (size_t)(slash - path);
        above[length] = '\0';
        const struct plan_file *found = bsearch(&(struct plan_file){.path = above}, plan->files,
                                                plan->file_count, sizeof *plan->files, by_path);
        if (found)
            return found;
    }
    return NULL;
}

/* Whether two paths lie in the same directory. */
static bool are_siblings(const char *left, const char *right) {
    const char *slash = strrchr(left, '/');
    size_t length = slash ? (size_t)(slash - left) + 1 : 0;
    return strncmp(left, right, length) == 0 && !strchr(right + length, '/');
}

struct error *plan_seal(struct plan *plan) {
    int64_t bytes = 0;
    if (plan->file_count > 1)
        qsort(plan->files, plan->file_count, sizeof *plan->files, by_path);
    for (size_t i = 0; i < plan->file_count; i++) {
        const struct plan_file *file = &plan->files[i];
        const struct plan_file *before = i > 0 ? file - 1 : NULL;
        if (before && strcmp(before->path, file->path) == 0)
            return error_new(ERROR_INVALID, NULL, "the source lists file '%s' twice", file->path);
        const struct plan_file *above = NULL;
        if (!before || !are_siblings(before->path, file->path))
            above = find_above(plan, file->path);
        if (above)
            return error_new(ERROR_INVALID, NULL,
                             "the source lists '%s' both as a file and as the directory of '%s'",
                             above->path, file->path);
        if (file->size > 0 && __builtin_add_overflow(bytes, file->size, &bytes))
            return error_new(ERROR_INVALID, NULL,
                             "the sizes the source lists add up to more than 2^63 bytes");
    }
    plan->bytes = bytes;
    return NULL;
}
