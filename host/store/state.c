#include "store/state.h"

#include "base/json.h"
#include "base/memory.h"
#include "base/text.h"
#include "store/state_internal.h"

#include <cjson/cJSON.h>
#include <string.h>
#include <unistd.h>

/* Names of users are repeated in messages up to here. */
enum { SHOWN_MAX = 200 };

/* Where a name is, or belongs. */
static size_t find(const struct state_table *table, const char *name, bool *exists) {
    size_t low = 0, high = table->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (strcmp(table->entries[middle].name, name) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    *exists = low < table->count && strcmp(table->entries[low].name, name) == 0;
    return low;
}

static void insert(struct state_table *table, size_t at, const char *name) {
    if (table->count == table->capacity) {
        table->capacity = table->capacity ? table->capacity * 2 : 64;
        table->entries = memory_resize(table->entries, table->capacity * sizeof *table->entries);
    }
    struct state_entry *entry = &table->entries[at];
    memmove(entry + 1, entry, (table->count++ - at) * sizeof *entry);
    *entry = (struct state_entry){.name = memory_string(name)};
    table->bytes += strlen(name);
}

static void drop(struct state_table *table, size_t at) {
    struct state_entry *entry = &table->entries[at];
    table->bytes -= strlen(entry->name) + strlen(entry->json);
    memory_free(entry->name);
    memory_free(entry->json);
    memmove(entry, entry + 1, (--table->count - at) * sizeof *entry);
}

static void apply(struct state_table *table, const struct state_change *change) {
    if (!change->json) {
        drop(table, change->at);
        return;
    }
    if (!change->exists)
        insert(table, change->at, change->name);
    struct state_entry *entry = &table->entries[change->at];
    table->bytes -= entry->json ? strlen(entry->json) : 0;
    memory_free(entry->json);
    entry->json = memory_string(change->json);
    entry->version = ++table->last_version;
    table->bytes += strlen(entry->json);
}

void state_put(struct state_table *table, const char *name, const char *json) {
    struct state_change change = {.name = name, .json = json};
    change.at = find(table, name, &change.exists);
    apply(table, &change);
}

struct error *state_table_open(const char *directory, struct state_table **out, char **kept_aside) {
    struct state_table *table = memory_zero(1, sizeof *table);
    table->fd = -1;
    pthread_mutex_init(&table->changing, NULL);
    pthread_mutex_init(&table->reading, NULL);
    *kept_aside = NULL;
    struct error *error = directory ? state_file_open(table, directory, kept_aside) : NULL;
    if (error) {
        state_table_close(table);
        return error;
    }
    *out = table;
    return NULL;
}

void state_table_close(struct state_table *table) {
    if (!table)
        return;
    for (size_t i = 0; i < table->count; i++) {
        memory_free(table->entries[i].name);
        memory_free(table->entries[i].json);
    }
    memory_free(table->entries);
    memory_free(table->directory);
    if (table->fd >= 0)
        close(table->fd);
    pthread_mutex_destroy(&table->changing);
    pthread_mutex_destroy(&table->reading);
    memory_free(table);
}

bool state_table_get(struct state_table *table, const char *name, struct buffer *out,
                     uint64_t *version) {
    bool exists;
    pthread_mutex_lock(&table->reading);
    size_t at = find(table, name, &exists);
    if (exists)
        buffer_string(out, table->entries[at].json);
    if (version)
        *version = exists ? table->entries[at].version : 0;
    pthread_mutex_unlock(&table->reading);
    return exists;
}

void state_member(const struct state_entry *entry, struct buffer *out) {
    struct json json;
    json_begin(&json, out);
    json_string(&json, entry->name);
    buffer_byte(out, ':');
    buffer_string(out, entry->json);
}

void state_members(const struct state_table *table, size_t from, size_t to, struct buffer *out) {
    for (size_t i = from; i < to; i++) {
        if (i > from)
            buffer_byte(out, ',');
        state_member(&table->entries[i], out);
    }
}

void state_table_all(struct state_table *table, const char *prefix, struct buffer *out) {
    bool exists;
    buffer_byte(out, '{');
    pthread_mutex_lock(&table->reading);
    size_t first = find(table, prefix, &exists);
    size_t end = first;
    while (end < table->count && text_starts(table->entries[end].name, prefix))
        end++;
    state_members(table, first, end, out);
    pthread_mutex_unlock(&table->reading);
    buffer_byte(out, '}');
}

static bool is_utf8(const char *text, size_t length) {
    size_t at = 0, size = 1;
    while (at < length && size > 0)
        at += size = text_utf8(text + at, length - at);
    return size > 0;
}

bool state_name_fits(const char *name) {
    size_t length = strlen(name);
    return length > 0 && length <= STATE_KEY_MAX && is_utf8(name, length);
}

static struct error *check_name(const char *name) {
    if (state_name_fits(name))
        return NULL;
    return error_new(ERROR_INVALID, NULL,
                     "'%.*s' cannot be the name of a value: expected 1 to %d bytes of UTF-8",
                     SHOWN_MAX, is_utf8(name, strlen(name)) ? name : "?", STATE_KEY_MAX);
}

static struct error *check_value(const char *name, const char *json) {
    size_t length = strlen(json);
    if (length > STATE_VALUE_MAX)
        return error_new(ERROR_LIMIT, NULL, "the value of %.*s has %zu bytes; %d are allowed",
                         SHOWN_MAX, name, length, STATE_VALUE_MAX);
    cJSON *parsed = cJSON_ParseWithOpts(json, NULL, true);
    cJSON_Delete(parsed);
    return parsed ? NULL
                  : error_new(ERROR_INVALID, NULL, "the value of %.*s is no JSON", SHOWN_MAX, name);
}

static struct error *check_room(const struct state_table *table,
                                const struct state_change *change) {
    size_t more = strlen(change->json) + (change->exists ? 0 : strlen(change->name));
    if (!change->exists && table->count == STATE_ENTRIES_MAX)
        return error_new(ERROR_LIMIT, NULL, "could not keep %.*s: there are %d values already",
                         SHOWN_MAX, change->name, STATE_ENTRIES_MAX);
    if (table->bytes + more > STATE_BYTES_MAX)
        return error_new(ERROR_LIMIT, NULL,
                         "could not keep %.*s: all values have %zu bytes already", SHOWN_MAX,
                         change->name, table->bytes);
    return NULL;
}

/* Makes a change whose name and value are good. Only who holds `changing` changes the table, so it
 * can be read for the file without `reading`. */
static struct error *make_change(struct state_table *table, struct state_change *change) {
    const struct state_entry *entry = change->exists ? &table->entries[change->at] : NULL;
    if (!change->json && !entry)
        return NULL;
    if (change->json && entry && strcmp(entry->json, change->json) == 0)
        return NULL;
    struct error *error = change->json ? check_room(table, change) : NULL;
    if (!error && table->directory)
        error = state_file_write(table, change);
    if (error)
        return error;
    pthread_mutex_lock(&table->reading);
    apply(table, change);
    pthread_mutex_unlock(&table->reading);
    return NULL;
}

static struct error *change_value(struct state_table *table, const char *name, const char *json,
                                  const uint64_t *version, bool *done) {
    struct error *error = check_name(name);
    if (!error && json)
        error = check_value(name, json);
    if (error)
        return error;
    struct state_change change = {.name = name, .json = json};
    pthread_mutex_lock(&table->changing);
    change.at = find(table, name, &change.exists);
    uint64_t found = change.exists ? table->entries[change.at].version : 0;
    *done = !version || *version == found;
    if (*done)
        error = make_change(table, &change);
    pthread_mutex_unlock(&table->changing);
    return error;
}

struct error *state_table_set(struct state_table *table, const char *name, const char *json) {
    bool done;
    return change_value(table, name, json, NULL, &done);
}

struct error *state_table_replace(struct state_table *table, const char *name, const char *json,
                                  uint64_t version, bool *done) {
    *done = false;
    return change_value(table, name, json, &version, done);
}
