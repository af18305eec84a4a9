#include "store/manifest.h"

#include "base/json.h"
#include "base/memory.h"
#include "base/text.h"
#include "store/manifest_internal.h"
#include "store/store_internal.h"

#include <inttypes.h>
#include <openssl/sha.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A member whose text may hold any byte: what is no UTF-8 goes in hexadecimal under KEY_hex. */
static void write_text(struct json *json, const char *key, const char *text) {
    size_t length = strlen(text);
    size_t step = 1;
    for (size_t at = 0; at < length && step > 0; at += step)
        step = text_utf8(text + at, length - at);
    if (step > 0) {
        json_key_string(json, key, text);
        return;
    }
    struct buffer hex = {0};
    char name[32];
    snprintf(name, sizeof name, "%s_hex", key);
    for (size_t i = 0; i < length; i++)
        buffer_format(&hex, "%02x", (unsigned char)text[i]);
    json_key_string(json, name, buffer_text(&hex));
    buffer_free(&hex);
}

static void write_file(struct json *json, const struct manifest_file *file) {
    char number[24];
    json_object(json);
    write_text(json, "path", file->path);
    json_key_integer(json, "size", file->size);
    json_key_string(json, "digest", file->digest);
    write_text(json, "etag", file->etag);
    snprintf(number, sizeof number, "%" PRId64, file->mtime_ns);
    json_key_string(json, "mtime_ns", number);
    snprintf(number, sizeof number, "%" PRIu64, file->inode);
    json_key_string(json, "inode", number);
    json_end_object(json);
}

static void write_manifest(const struct manifest *manifest, struct buffer *out) {
    struct json json;
    json_begin(&json, out);
    json_object(&json);
    json_key_integer(&json, "version", MANIFEST_VERSION);
    write_text(&json, "source", manifest->source);
    write_text(&json, "revision", manifest->revision);
    json_key_bool(&json, "pinned", manifest->pinned);
    json_key_string(&json, "completed", manifest->completed);
    json_key(&json, "files");
    json_array(&json);
    for (size_t i = 0; i < manifest->count; i++)
        write_file(&json, &manifest->files[i]);
    json_end_array(&json);
    json_end_object(&json);
    buffer_byte(out, '\n');
}

struct error *manifest_write(const struct directory *directory, const struct manifest *manifest) {
    struct buffer text = {0};
    for (size_t i = 0; i < manifest->count; i++) {
        const struct manifest_file *file = &manifest->files[i];
        const char *problem = manifest_check_file(file);
        if (!problem && i > 0 && strcmp(manifest->files[i - 1].path, file->path) >= 0)
            problem = "it is listed twice, or out of order";
        if (problem)
            return error_new(ERROR_INVALID, NULL,
                             "could not write the manifest of %s: file '%s': %s", directory->path,
                             file->path, problem);
    }
    write_manifest(manifest, &text);
    struct error *error = store_write_work(directory, MANIFEST_NAME, text.data, text.length);
    buffer_free(&text);
    return error;
}

void manifest_free(struct manifest *manifest) {
    for (size_t i = 0; i < manifest->count; i++)
        manifest_free_file(&manifest->files[i]);
    memory_free(manifest->files);
    memory_free(manifest->source);
    memory_free(manifest->revision);
    memory_free(manifest->completed);
    *manifest = (struct manifest){0};
}

void manifest_digest(const struct manifest *manifest, char text[MANIFEST_DIGEST_SIZE]) {
    struct buffer lines = {0};
    unsigned char hash[SHA256_DIGEST_LENGTH];
    for (size_t i = 0; i < manifest->count; i++)
        buffer_format(&lines, "%s %s\n", manifest->files[i].path, manifest->files[i].digest);
    SHA256((const unsigned char *)buffer_text(&lines), lines.length, hash);
    buffer_free(&lines);
    int at = snprintf(text, MANIFEST_DIGEST_SIZE, "sha256:");
    for (size_t i = 0; i < sizeof hash; i++)
        at += snprintf(text + at, MANIFEST_DIGEST_SIZE - (size_t)at, "%02x", hash[i]);
}

static int against_path(const void *path, const void *file) {
    return strcmp(path, ((const struct manifest_file *)file)->path);
}

const struct manifest_file *manifest_find(const struct manifest *manifest, const char *path) {
    if (manifest->count == 0)
        return NULL;
    return bsearch(path, manifest->files, manifest->count, sizeof *manifest->files, against_path);
}

bool manifest_file_is_present(const struct directory *directory, const struct manifest_file *file) {
    struct stat about;
    return directory_stat(directory, file->path, &about) && about.st_size == file->size &&
           store_mtime_ns(&about) == file->mtime_ns && about.st_ino == file->inode;
}
