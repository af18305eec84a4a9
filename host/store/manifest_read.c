#include "store/manifest.h"

#include "base/buffer.h"
#include "base/memory.h"
#include "store/manifest_internal.h"
#include "store/store_internal.h"

#include <cjson/cJSON.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The parser recurses, in threads with small stacks; a manifest is 3 deep. */
enum { DEPTH_MAX = 32 };
static const int64_t manifest_bytes_max = 1 << 30;

/* The text being read, and the first thing found wrong with it. */
struct reading {
    const char *at, *end;
    struct manifest *out;
    size_t capacity;
    bool seen_version, seen_pinned;
    char *problem;
};

static bool fail(struct reading *reading, char *problem) {
    if (reading->problem)
        memory_free(problem);
    else
        reading->problem = problem;
    return false;
}

static char skip_space(struct reading *reading) {
    while (reading->at < reading->end && *reading->at && strchr(" \t\r\n", *reading->at))
        reading->at++;
    return reading->at < reading->end ? *reading->at : '\0';
}

/* The next value, which the caller deletes; NULL when it is not JSON. */
static cJSON *next_value(struct reading *reading) {
    const char *end = reading->at;
    size_t left = (size_t)(reading->end - reading->at);
    cJSON *value = left ? cJSON_ParseWithLengthOpts(reading->at, left, &end, 0) : NULL;
    if (value)
        reading->at = end;
    else
        fail(reading, memory_string("it is not JSON, or cut off"));
    return value;
}

static bool expect(struct reading *reading, char punctuation) {
    if (skip_space(reading) != punctuation)
        return fail(reading, memory_format("expected '%c'", punctuation));
    reading->at++;
    return true;
}

/* Whether another follows in a list that ends with close; the separator or close is consumed. */
static bool another(struct reading *reading, char close, bool first) {
    char next = skip_space(reading);
    if (next == close) {
        reading->at++;
        return false;
    }
    return first || expect(reading, ',');
}

static struct manifest_file *next_file(struct reading *reading) {
    struct manifest *out = reading->out;
    if (out->count == reading->capacity) {
        reading->capacity = reading->capacity ? reading->capacity * 2 : 64;
        out->files = memory_resize(out->files, reading->capacity * sizeof *out->files);
    }
    out->files[out->count] = (struct manifest_file){0};
    return &out->files[out->count++];
}

/* One file at a time, so that a million of them do not stand in memory as JSON as well. */
static bool read_files(struct reading *reading) {
    if (reading->out->files)
        return fail(reading, memory_string("files: it is there twice"));
    reading->capacity = 64;
    reading->out->files = memory_alloc(reading->capacity * sizeof *reading->out->files);
    if (!expect(reading, '['))
        return false;
    for (bool first = true; another(reading, ']', first); first = false) {
        cJSON *value = next_value(reading);
        if (!value)
            return false;
        const char *problem = manifest_read_file(value, next_file(reading));
        cJSON_Delete(value);
        if (problem)
            return fail(reading, memory_format("files[%zu].%s", reading->out->count - 1, problem));
    }
    return !reading->problem;
}

static bool read_version(struct reading *reading, const cJSON *value) {
    reading->seen_version = true;
    if (!cJSON_IsNumber(value) || value->valuedouble != MANIFEST_VERSION)
        return fail(reading,
                    memory_format("version: this program knows version %d only", MANIFEST_VERSION));
    return true;
}

static bool read_pinned(struct reading *reading, const cJSON *value) {
    reading->seen_pinned = true;
    reading->out->pinned = cJSON_IsTrue(value);
    return cJSON_IsBool(value) || fail(reading, memory_string("pinned: expected true or false"));
}

static bool read_text(struct reading *reading, const char *key, const cJSON *value, char **out) {
    size_t length = strlen(key);
    bool hex = length > 4 && strcmp(key + length - 4, "_hex") == 0;
    if (*out || !cJSON_IsString(value))
        return fail(reading, memory_format("%s: expected one text", key));
    *out = hex ? manifest_from_hex(value->valuestring) : memory_string(value->valuestring);
    return *out || fail(reading, memory_format("%s: expected hexadecimal digits", key));
}

static bool starts_key(const char *key, const char *name) {
    size_t length = strlen(name);
    return strncmp(key, name, length) == 0 && (!key[length] || strcmp(key + length, "_hex") == 0);
}

/* A member that is not "files"; those nobody knows are skipped. */
static bool read_member(struct reading *reading, const char *key) {
    struct manifest *out = reading->out;
    cJSON *value = next_value(reading);
    if (!value)
        return false;
    bool good = true;
    if (strcmp(key, "version") == 0)
        good = read_version(reading, value);
    else if (strcmp(key, "pinned") == 0)
        good = read_pinned(reading, value);
    else if (starts_key(key, "source"))
        good = read_text(reading, key, value, &out->source);
    else if (starts_key(key, "revision"))
        good = read_text(reading, key, value, &out->revision);
    else if (starts_key(key, "completed"))
        good = read_text(reading, key, value, &out->completed);
    cJSON_Delete(value);
    return good;
}

static bool read_members(struct reading *reading) {
    if (!expect(reading, '{'))
        return false;
    for (bool first = true, good = true; good && another(reading, '}', first); first = false) {
        cJSON *key = skip_space(reading) == '"' ? next_value(reading) : NULL;
        if (!key)
            return fail(reading, memory_string("expected a key"));
        good = expect(reading, ':') &&
               (strcmp(key->valuestring, "files") == 0 ? read_files(reading)
                                                       : read_member(reading, key->valuestring));
        cJSON_Delete(key);
    }
    if (reading->problem)
        return false;
    const struct manifest *out = reading->out;
    if (!reading->seen_version || !reading->seen_pinned || !out->source || !out->revision ||
        !out->completed || !out->files)
        return fail(reading, memory_string("a part is missing"));
    skip_space(reading);
    return reading->at == reading->end || fail(reading, memory_string("something follows its end"));
}

static bool check_depth(struct reading *reading) {
    size_t depth = 0;
    bool quoted = false;
    for (const char *at = reading->at; at < reading->end; at++) {
        if (*at == '"')
            quoted = !quoted;
        else if (*at == '\\' && quoted)
            at++;
        else if (!quoted && (*at == '[' || *at == '{') && ++depth > DEPTH_MAX)
            return fail(reading, memory_string("it is nested too deep"));
        else if (!quoted && (*at == ']' || *at == '}') && depth > 0)
            depth--;
    }
    return true;
}

static int by_path(const void *a, const void *b) {
    return strcmp(((const struct manifest_file *)a)->path, ((const struct manifest_file *)b)->path);
}

static bool check_order(struct reading *reading) {
    struct manifest *out = reading->out;
    bool sorted = true;
    for (size_t i = 1; sorted && i < out->count; i++)
        sorted = by_path(&out->files[i - 1], &out->files[i]) < 0;
    if (sorted)
        return true;
    qsort(out->files, out->count, sizeof *out->files, by_path);
    for (size_t i = 1; i < out->count; i++)
        if (by_path(&out->files[i - 1], &out->files[i]) == 0)
            return fail(reading, memory_string("a path is listed twice"));
    return true;
}

static struct error *open_manifest(const struct directory *directory, const char *shown, int *fd,
                                   size_t *size) {
    struct stat about;
    *fd = -1;
    errno = ENOENT;
    if (directory->work_fd >= 0)
        *fd = openat(directory->work_fd, MANIFEST_NAME,
                     O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (*fd < 0 && errno == ENOENT)
        return error_new(ERROR_NOT_FOUND, NULL,
                         "could not find %s: no download into this directory was finished", shown);
    if (*fd < 0 && errno != ELOOP)
        return store_error("open", NULL, shown);
    if (*fd < 0 || fstat(*fd, &about) != 0 || !S_ISREG(about.st_mode) ||
        about.st_size > manifest_bytes_max)
        return error_new(ERROR_INVALID, NULL,
                         "could not read %s: it is not a regular file of at most 1 GiB; remove it",
                         shown);
    *size = (size_t)about.st_size;
    return NULL;
}

/* Its text, as long as it was when it was opened or shorter. */
static struct error *read_manifest(const struct directory *directory, const char *shown,
                                   struct buffer *out) {
    int fd;
    size_t size = 0;
    struct error *error = open_manifest(directory, shown, &fd, &size);
    while (!error && out->length < size) {
        ssize_t got = read(fd, buffer_reserve(out, size - out->length), size - out->length);
        if (got == 0)
            break;
        if (got > 0)
            out->length += (size_t)got;
        else if (errno != EINTR)
            error = store_error("read", NULL, shown);
    }
    if (fd >= 0)
        close(fd);
    return error;
}

struct error *manifest_read(const struct directory *directory, struct manifest *out) {
    struct buffer text = {0};
    char *shown = memory_format("%s/" STORE_WORK "/" MANIFEST_NAME, directory->path);
    *out = (struct manifest){0};
    struct error *error = read_manifest(directory, shown, &text);
    const char *start = buffer_text(&text);
    struct reading reading = {start, start + text.length, .out = out};
    if (!error && !(check_depth(&reading) && read_members(&reading) && check_order(&reading)))
        error = error_new(ERROR_INVALID, NULL, "%s is damaged: %s; downloading again repairs it",
                          shown, reading.problem);
    if (error)
        manifest_free(out);
    memory_free(reading.problem);
    memory_free(shown);
    buffer_free(&text);
    return error;
}
