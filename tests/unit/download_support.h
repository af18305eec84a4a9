/*
 * What the tests of downloads share: a directory of their own below /tmp, a plan for files of a
 * range_server.h, one run, and judgements on what came of it.
 */
#ifndef KTHENA_TESTS_DOWNLOAD_SUPPORT_H
#define KTHENA_TESTS_DOWNLOAD_SUPPORT_H

#include "range_server.h"
#include "store/journal.h"
#include "store/manifest.h"
#include "transfer/digest.h"
#include "transfer/download.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>

enum { PART = 64 * 1024 }; /* part_bytes of the tests */

struct trial {
    char root[64], *dir;
    struct range_server server;
    struct plan *plan;
    size_t access;
    struct download_config config;
    struct progress progress;
    struct error *error;
    char *text; /* of the error, or "" */
    const char *source;
};

static inline char *make_bytes(size_t size, unsigned seed) {
    char *bytes = memory_alloc(size + 1);
    for (size_t i = 0; i < size; i++) {
        seed = seed * 1664525u + 1013904223u;
        bytes[i] = (char)(seed >> 24);
    }
    return bytes;
}

static inline void trial_plan(struct trial *trial, const struct plan_access *access) {
    plan_free(trial->plan);
    trial->plan = plan_new();
    plan_add_access(trial->plan, access ? access : &(struct plan_access){0}, &trial->access);
}

static inline void trial_init(struct trial *trial) {
    *trial = (struct trial){.source = "test://files"};
    strcpy(trial->root, "/tmp/download-XXXXXX");
    assert_non_null(mkdtemp(trial->root));
    trial->dir = memory_format("%s/out", trial->root);
    trial->config = (struct download_config){
        .network = {.user_agent = "kthena-test/1", .direct = true},
        .max_workers = 4,
        .part_bytes = PART,
        .max_attempts = 3,
        .stall_ms = 10000,
    };
    trial_plan(trial, NULL);
}

/* The plan's file of this path, of a size; the fields may be changed before trial_add. */
static inline struct plan_file trial_file(const struct trial *trial, const char *path,
                                          int64_t size) {
    return (struct plan_file){
        .path = path, .size = size, .access = trial->access, .mtime_ns = -1, .mode = -1};
}

/* Adds a file that has this path on the server as well. */
static inline void trial_add(struct trial *trial, struct plan_file file) {
    char *url = memory_format("http://127.0.0.1:%d/%s", trial->server.port, file.path);
    if (!file.url && !file.local)
        file.url = url;
    assert_null(plan_add_file(trial->plan, &file));
    memory_free(url);
}

static inline void trial_run(struct trial *trial) {
    struct directory directory;
    memory_free(trial->text);
    error_free(trial->error);
    progress_init(&trial->progress);
    assert_null(plan_seal(trial->plan));
    assert_null(directory_open(trial->dir, &directory));
    trial->error =
        download_run(trial->plan, &directory, trial->source, &trial->config, &trial->progress);
    trial->text = trial->error ? error_text(trial->error) : memory_string("");
    directory_close(&directory);
    progress_destroy(&trial->progress);
}

static inline void trial_works(struct trial *trial) {
    trial_run(trial);
    if (trial->error)
        fail_msg("%s", trial->text);
}

static inline void trial_fails(struct trial *trial, enum error_kind kind, const char *part) {
    trial_run(trial);
    assert_non_null(trial->error);
    if (trial->error->kind != kind || !strstr(trial->text, part))
        fail_msg("kind %s, no \"%s\" in: %s", error_kind_name(trial->error->kind), part,
                 trial->text);
}

/* Removes a tree below the trial's own directory. */
static inline void remove_tree(const char *path) {
    DIR *dir = opendir(path);
    struct dirent *entry;
    while (dir && (entry = readdir(dir))) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        char *below = memory_format("%s/%s", path, entry->d_name);
        if (unlink(below) != 0)
            remove_tree(below);
        memory_free(below);
    }
    if (dir)
        closedir(dir);
    rmdir(path);
}

static inline void trial_free(struct trial *trial) {
    remove_tree(trial->root);
    plan_free(trial->plan);
    error_free(trial->error);
    memory_free(trial->text);
    memory_free(trial->dir);
}

static inline void assert_file(const struct trial *trial, const char *path, const char *bytes,
                               size_t size) {
    char *name = memory_format("%s/%s", trial->dir, path);
    FILE *file = fopen(name, "rb");
    if (!file)
        fail_msg("there is no %s", name);
    char *found = memory_alloc(size + 2);
    assert_int_equal(fread(found, 1, size + 1, file), size);
    assert_memory_equal(found, bytes, size);
    fclose(file);
    memory_free(found);
    memory_free(name);
}

static inline bool exists(const struct trial *trial, const char *path) {
    struct stat about;
    char *name = memory_format("%s/%s", trial->dir, path);
    bool found = lstat(name, &about) == 0;
    memory_free(name);
    return found;
}

static inline void write_file(const struct trial *trial, const char *path, const char *bytes,
                              size_t size) {
    struct directory directory;
    assert_null(directory_open(trial->dir, &directory));
    assert_null(directory_write_file(&directory, path, bytes, size));
    directory_close(&directory);
}

static inline void digest_of(enum digest_kind kind, const char *bytes, size_t size,
                             char hex[DIGEST_TEXT_SIZE]) {
    struct digest *digest = digest_new(kind, (int64_t)size);
    digest_update(digest, bytes, size);
    digest_finish(digest, hex);
    digest_free(digest);
}

/* Reads the manifest, which the caller frees. */
static inline struct manifest trial_manifest(const struct trial *trial) {
    struct directory directory;
    struct manifest manifest;
    assert_null(directory_open_existing(trial->dir, &directory));
    struct error *error = manifest_read(&directory, &manifest);
    if (error)
        fail_msg("%s", error->message);
    directory_close(&directory);
    return manifest;
}

static inline int64_t count_of(atomic_int_fast64_t *number) {
    return atomic_load(number);
}

#endif
