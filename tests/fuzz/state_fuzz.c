/*
 * The file of a state table: whatever it holds, the table opens, empty or with what was in it, and
 * what is then set is there when it is opened again; or the version is refused and the file stays.
 */
#include "store/state.h"

#include "base/file.h"
#include "fuzz.h"

#include <fcntl.h>
#include <unistd.h>

static char directory[64];

static void remove_all(void) {
    char command[96];
    snprintf(command, sizeof command, "rm -rf '%s'", directory);
    must(system(command) == 0);
}

static const char *path(void) {
    static char text[96];
    if (!*directory) {
        snprintf(directory, sizeof directory, "/tmp/kthena-state-fuzz-XXXXXX");
        must(mkdtemp(directory));
        atexit(remove_all);
    }
    snprintf(text, sizeof text, "%s/state.json", directory);
    return text;
}

static void put(const uint8_t *data, size_t size) {
    int fd = open(path(), O_WRONLY | O_CREAT | O_TRUNC, 0644);
    must(fd >= 0);
    must(write(fd, data, size) == (ssize_t)size);
    close(fd);
}

/* Removes what was put aside, or the directory grows without end. */
static void remove_aside(const char *kept_aside) {
    char *name = strstr(kept_aside, "kept as ");
    must(name);
    char *copy = memory_string(name + strlen("kept as "));
    *strchr(copy, ',') = '\0';
    must(unlink(copy) == 0);
    memory_free(copy);
}

static void expect_same(struct state_table *table, struct buffer *before) {
    struct buffer after = {0};
    state_table_all(table, "", &after);
    must(after.length == before->length && memcmp(after.data, before->data, after.length) == 0);
    buffer_free(&after);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct state_table *table = NULL;
    struct buffer all = {0};
    char *kept_aside = NULL;
    put(data, size);
    struct error *error = state_table_open(directory, &table, &kept_aside);
    if (error) {
        must(error->kind == ERROR_INVALID && strstr(error->message, "is of version"));
        must(access(path(), F_OK) == 0);
        error_free(error);
        return 0;
    }
    if (kept_aside)
        remove_aside(kept_aside);
    memory_free(kept_aside);
    must(state_table_set(table, "fuzz", "{\"a\":[1]}") == NULL);
    state_table_all(table, "", &all);
    state_table_close(table);
    must(state_table_open(directory, &table, &kept_aside) == NULL);
    must(!kept_aside);
    expect_same(table, &all);
    state_table_close(table);
    buffer_free(&all);
    return 0;
}
