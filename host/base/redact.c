#include "base/redact.h"

#include "base/json.h"
#include "base/memory.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

enum { SHORTEST = 6, FORMS_MAX = 5 };

/* One spelling of a secret. */
struct entry {
    char *text;
    size_t length;
    size_t count; /* how often it was registered */
};

static struct {
    pthread_rwlock_t lock;
    struct entry *entries;
    size_t capacity;
    atomic_size_t count; /* written under the lock */
    size_t first[256];   /* how many entries begin with each byte */
} registry = {.lock = PTHREAD_RWLOCK_INITIALIZER};

struct form {
    const char *text;
    size_t length;
};

/* The spellings of one secret, each once. */
struct forms {
    struct buffer texts[FORMS_MAX];
    struct form list[FORMS_MAX];
    size_t count;
};

static bool same(const char *text, size_t length, const struct form *form) {
    return form->length == length && memcmp(text, form->text, length) == 0;
}

static void wipe(struct buffer *text) {
    explicit_bzero((char *)buffer_text(text), text->length);
    buffer_free(text);
}

/* Takes over the text. */
static void keep_form(struct forms *forms, struct buffer *text) {
    struct form form = {buffer_text(text), text->length};
    for (size_t i = 0; i < forms->count; i++) {
        if (same(form.text, form.length, &forms->list[i])) {
            wipe(text);
            return;
        }
    }
    forms->list[forms->count] = form;
    forms->texts[forms->count++] = *text;
}

static bool is_unreserved(char byte) {
    return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') ||
           (byte >= '0' && byte <= '9') || (byte && strchr("-._~", byte));
}

static void add_percent(struct forms *forms, const char *secret, size_t length, bool slashes) {
    struct buffer text = {0};
    for (size_t i = 0; i < length; i++) {
        if (is_unreserved(secret[i]) || (slashes && secret[i] == '/'))
            buffer_byte(&text, secret[i]);
        else
            buffer_format(&text, "%%%02X", (unsigned char)secret[i]);
    }
    keep_form(forms, &text);
}

/* Some writers escape slashes as well. */
static void add_json(struct forms *forms, const char *secret, size_t length, bool slashes) {
    struct buffer quoted = {0}, text = {0};
    struct json json;
    json_begin(&json, &quoted);
    json_text(&json, secret, length);
    for (size_t i = 1; i + 1 < quoted.length; i++) {
        if (slashes && quoted.data[i] == '/')
            buffer_byte(&text, '\\');
        buffer_byte(&text, quoted.data[i]);
    }
    wipe(&quoted);
    keep_form(forms, &text);
}

static void make_forms(struct forms *forms, const char *secret, size_t length) {
    struct buffer plain = {0};
    buffer_append(&plain, secret, length);
    keep_form(forms, &plain);
    add_percent(forms, secret, length, false);
    add_percent(forms, secret, length, true);
    add_json(forms, secret, length, false);
    add_json(forms, secret, length, true);
}

static void free_forms(struct forms *forms) {
    for (size_t i = 0; i < forms->count; i++)
        wipe(&forms->texts[i]);
}

static struct entry *find(const struct form *form) {
    for (size_t i = 0; i < registry.count; i++)
        if (same(registry.entries[i].text, registry.entries[i].length, form))
            return &registry.entries[i];
    return NULL;
}

static void add(const struct form *form) {
    struct entry *entry = find(form);
    if (entry) {
        entry->count++;
        return;
    }
    if (registry.count == registry.capacity) {
        registry.capacity = registry.capacity ? 2 * registry.capacity : 8;
        registry.entries =
            memory_resize(registry.entries, registry.capacity * sizeof *registry.entries);
    }
    registry.entries[registry.count] =
        (struct entry){memory_copy(form->text, form->length), form->length, 1};
    registry.first[(unsigned char)form->text[0]]++;
    registry.count++;
}

static void drop(const struct form *form) {
    struct entry *entry = find(form);
    if (!entry || --entry->count > 0)
        return;
    registry.first[(unsigned char)form->text[0]]--;
    explicit_bzero(entry->text, entry->length);
    memory_free(entry->text);
    registry.count--;
    *entry = registry.entries[registry.count];
    if (registry.count == 0) {
        memory_free(registry.entries);
        registry.entries = NULL;
        registry.capacity = 0;
    }
}

static void change(const char *secret, size_t length, void (*apply)(const struct form *form)) {
    if (length < SHORTEST)
        return;
    struct forms forms = {0};
    make_forms(&forms, secret, length);
    pthread_rwlock_wrlock(&registry.lock);
    for (size_t i = 0; i < forms.count; i++)
        apply(&forms.list[i]);
    pthread_rwlock_unlock(&registry.lock);
    free_forms(&forms);
}

void redact_secret(const char *secret, size_t length) {
    change(secret, length, add);
}

void redact_forget(const char *secret, size_t length) {
    change(secret, length, drop);
}

/* The length of the longest secret at the start of bytes, 0 for none. */
static size_t match(const char *bytes, size_t length) {
    size_t longest = 0;
    if (registry.first[(unsigned char)bytes[0]] == 0)
        return 0;
    for (size_t i = 0; i < registry.count; i++) {
        const struct entry *entry = &registry.entries[i];
        if (entry->length > longest && entry->length <= length &&
            memcmp(entry->text, bytes, entry->length) == 0)
            longest = entry->length;
    }
    return longest;
}

/* Secrets that overlap are hidden as one: what is left of the second would tell its end. */
static void hide(struct buffer *text, size_t start) {
    struct buffer out = {0};
    size_t hidden = 0; /* up to where */
    for (size_t at = start; at < text->length; at++) {
        size_t length = match(text->data + at, text->length - at);
        if (length && at >= hidden)
            buffer_append(&out, "***", 3);
        if (length && at + length > hidden)
            hidden = at + length;
        if (at >= hidden)
            buffer_byte(&out, text->data[at]);
    }
    memcpy(text->data + start, buffer_text(&out), out.length);
    explicit_bzero(text->data + start + out.length, text->length - start - out.length);
    text->length = start + out.length;
    buffer_free(&out);
}

void redact(struct buffer *text, size_t from) {
    if (atomic_load_explicit(&registry.count, memory_order_relaxed) == 0)
        return;
    pthread_rwlock_rdlock(&registry.lock);
    size_t start = from;
    while (start < text->length && match(text->data + start, text->length - start) == 0)
        start++;
    if (start < text->length)
        hide(text, start);
    pthread_rwlock_unlock(&registry.lock);
}

struct error *redact_error(struct error *error) {
    if (!error)
        return NULL;
    struct buffer text = {0};
    char *whole = error_text(error);
    buffer_string(&text, whole);
    redact(&text, 0);
    struct error *result = error_new(error->kind, NULL, "%s", buffer_text(&text));
    result->status = error->status;
    buffer_free(&text);
    memory_free(whole);
    error_free(error);
    return result;
}
