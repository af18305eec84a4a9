#include "api/plan_json.h"

#include "base/json.h"
#include "base/memory.h"
#include "transfer/download.h"

/* What a finished download left in the directory; empty if there is none that can be read. */
struct earlier {
    struct directory directory;
    bool open;
    struct manifest manifest;
};

static void look(struct earlier *earlier, const char *path) {
    struct error *error = directory_open_existing(path, &earlier->directory);
    earlier->open = !error;
    if (!error && earlier->directory.work_fd >= 0)
        error = manifest_read(&earlier->directory, &earlier->manifest);
    error_free(error); /* then nothing is there */
}

static char *digest_text(const struct plan_file *file) {
    return file->hex ? memory_format("%s:%s", digest_name(file->digest), file->hex) : NULL;
}

static void write_file(struct json *json, const struct plan_file *file, bool present) {
    char *digest = digest_text(file);
    json_object(json);
    json_key_string(json, "path", file->path);
    json_key(json, "size");
    if (file->size >= 0)
        json_integer(json, file->size);
    else
        json_null(json);
    json_key_string(json, "digest", digest);
    json_key_bool(json, "present", present);
    json_end_object(json);
    memory_free(digest);
}

void plan_json(const struct plan *plan, const char *source, const char *directory,
               struct buffer *out) {
    struct json json;
    struct earlier earlier = {0};
    look(&earlier, directory);
    json_begin(&json, out);
    json_object(&json);
    json_key_string(&json, "source", source);
    json_key_string(&json, "revision", plan->revision);
    json_key_integer(&json, "bytes", plan->bytes);
    json_key(&json, "files");
    json_array(&json);
    for (size_t i = 0; i < plan->file_count; i++)
        write_file(&json, &plan->files[i],
                   earlier.manifest.count > 0 &&
                       download_is_present(plan, i, source, &earlier.directory, &earlier.manifest));
    json_end_array(&json);
    json_end_object(&json);
    manifest_free(&earlier.manifest);
    if (earlier.open)
        directory_close(&earlier.directory);
}
