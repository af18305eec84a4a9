/* The file of a state table. */
#include "base/clock.h"
#include "base/file.h"
#include "base/memory.h"
#include "store/state_internal.h"
#include "store/store_internal.h"

#include <cjson/cJSON.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define FILE_NAME "state.json"
#define NEW_NAME "state.json.new"

enum {
    VERSION = 1,
    FILE_BYTES_MAX = 6 * STATE_BYTES_MAX, /* escapes make names longer */
    LOCK_WAIT_MS = 3000,
    LOCK_PAUSE_MS = 50,
    DAMAGED_MAX = 100, /* files put aside within one second */
};

/* Makes the directory and those above it. False and errno. */
static bool make_directories(const char *path) {
    char *copy = memory_string(path);
    bool made = true;
    for (char *at = copy + 1; made && *at; at++) {
        if (*at != '/')
            continue;
        *at = '\0';
        made = mkdir(copy, 0777) == 0 || errno == EEXIST || errno == EROFS || errno == EACCES;
        *at = '/';
    }
    made = made && (mkdir(copy, 0777) == 0 || file_is_directory(copy));
    memory_free(copy);
    return made;
}

/* Waits until this process alone has the directory. A file system without locks cannot tell. */
static struct error *lock_directory(const struct state_table *table) {
    int64_t deadline = clock_ms() + LOCK_WAIT_MS;
    while (flock(table->fd, LOCK_EX | LOCK_NB) != 0) {
        struct timespec pause = {.tv_nsec = LOCK_PAUSE_MS * 1000000};
        if (errno != EWOULDBLOCK && errno != EINTR)
            return NULL;
        if (clock_ms() > deadline)
            return error_new(ERROR_EXISTS, NULL,
                             "%s is in use by another process; each needs a directory of its own",
                             table->directory);
        nanosleep(&pause, NULL);
    }
    return NULL;
}

/* Moves the file out of the way. */
static struct error *keep_aside(const struct state_table *table, const char *why,
                                char **kept_aside) {
    char stamp[32], name[64];
    time_t now = (time_t)clock_wall();
    struct tm utc;
    strftime(stamp, sizeof stamp, "%Y%m%dT%H%M%SZ", gmtime_r(&now, &utc));
    snprintf(name, sizeof name, "%s.damaged-%s", FILE_NAME, stamp);
    for (int i = 2; i < DAMAGED_MAX && faccessat(table->fd, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
         i++)
        snprintf(name, sizeof name, "%s.damaged-%s-%d", FILE_NAME, stamp, i);
    if (renameat(table->fd, FILE_NAME, table->fd, name) != 0) {
        struct error *cause = error_new(ERROR_INVALID, NULL, "%s", why);
        return error_new(ERROR_IO, cause,
                         "could not move %s/%s aside (%s), which is needed because",
                         table->directory, FILE_NAME, strerror(errno));
    }
    *kept_aside =
        memory_format("%s; it is kept as %s/%s, and all that was remembered in it is gone", why,
                      table->directory, name);
    return NULL;
}

/* Takes the values out of the parsed file. Returns why it is damaged, or NULL. */
static const char *take_values(struct state_table *table, const cJSON *root) {
    const cJSON *values = cJSON_GetObjectItemCaseSensitive(root, "values");
    if (!cJSON_IsObject(values))
        return "it has no values";
    for (const cJSON *value = values->child; value; value = value->next)
        if (!state_name_fits(value->string))
            return "one of its values has a name that none can have";
    for (const cJSON *value = values->child; value; value = value->next) {
        char *json = cJSON_PrintUnformatted(value);
        if (json)
            state_put(table, value->string, json);
        cJSON_free(json);
    }
    return NULL;
}

static struct error *parse(struct state_table *table, const char *text, char **kept_aside) {
    const char *end = NULL;
    cJSON *root = cJSON_ParseWithOpts(text, &end, true);
    const cJSON *version = cJSON_GetObjectItemCaseSensitive(root, "version");
    const char *damage = NULL;
    struct error *error = NULL;
    if (!root)
        damage = *text ? "it is no JSON" : "it is empty";
    else if (!cJSON_IsNumber(version))
        damage = "it has no version";
    else if (version->valuedouble != VERSION)
        error =
            error_new(ERROR_INVALID, NULL,
                      "%s/%s is of version %.15g, this program reads version %d; run the version "
                      "that wrote it, or move the file away to begin without it",
                      table->directory, FILE_NAME, version->valuedouble, VERSION);
    else
        damage = take_values(table, root);
    cJSON_Delete(root);
    if (!damage)
        return error;
    char *why = memory_format("%s/%s is damaged: %s", table->directory, FILE_NAME, damage);
    error = keep_aside(table, why, kept_aside);
    memory_free(why);
    return error;
}

static struct error *read_file(struct state_table *table, char **kept_aside) {
    struct buffer text = {0};
    char *path = file_join(table->directory, FILE_NAME);
    struct error *error = file_read(path, FILE_BYTES_MAX, &text);
    if (!error) {
        error = parse(table, buffer_text(&text), kept_aside);
    } else if (error->kind == ERROR_NOT_FOUND) {
        error_free(error);
        error = NULL;
    } else {
        char *why = error_text(error);
        error_free(error);
        error = keep_aside(table, why, kept_aside);
        memory_free(why);
    }
    memory_free(path);
    buffer_free(&text);
    return error;
}

/* Finds out at the start, not at the first change, whether files can be written here. */
static struct error *prove_writable(const struct state_table *table) {
    int fd =
        openat(table->fd, NEW_NAME, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0660);
    if (fd < 0)
        return store_error("write in", NULL, table->directory);
    close(fd);
    unlinkat(table->fd, NEW_NAME, 0);
    return NULL;
}

struct error *state_file_open(struct state_table *table, const char *directory, char **kept_aside) {
    table->directory = memory_string(directory);
    if (!make_directories(directory))
        return store_error("make directory", NULL, directory);
    table->fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (table->fd < 0)
        return store_error("open directory", NULL, directory);
    struct error *error = lock_directory(table);
    if (!error)
        error = prove_writable(table);
    if (!error)
        error = read_file(table, kept_aside);
    return error;
}

/* The text of the file once the change is made. */
static void print(const struct state_table *table, const struct state_change *change,
                  struct buffer *out) {
    struct state_entry changed = {.name = (char *)change->name, .json = (char *)change->json};
    size_t rest = change->at + (change->exists ? 1 : 0);
    bool before = change->at > 0;
    bool after = rest < table->count;
    buffer_format(out, "{\"version\":%d,\"values\":{", VERSION);
    state_members(table, 0, change->at, out);
    if (change->json) {
        if (before)
            buffer_byte(out, ',');
        state_member(&changed, out);
    }
    if ((before || change->json) && after)
        buffer_byte(out, ',');
    state_members(table, rest, table->count, out);
    buffer_string(out, "}}\n");
}

struct error *state_file_write(const struct state_table *table, const struct state_change *change) {
    struct buffer text = {0};
    print(table, change, &text);
    const char *what = "write";
    int fd =
        openat(table->fd, NEW_NAME, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0660);
    bool written = fd >= 0 && file_write(fd, text.data, text.length) && store_sync(fd);
    if (written && renameat(table->fd, NEW_NAME, table->fd, FILE_NAME) != 0) {
        what = "replace";
        written = false;
    }
    written = written && store_sync(table->fd);
    struct error *error = written ? NULL : store_error(what, table->directory, FILE_NAME);
    if (fd >= 0)
        close(fd);
    if (error)
        unlinkat(table->fd, NEW_NAME, 0);
    buffer_free(&text);
    return error;
}
