#include "commands/call_fields.h"

#include "base/memory.h"
#include "base/text.h"
#include "commands/member.h"
#include "policy/params.h"

#include <stdlib.h>
#include <string.h>

/* The properties of the body's schema, NULL for an operation without a body. */
static const cJSON *body_schema(const struct operation *operation) {
    const cJSON *content = member(member(operation->about, "requestBody"), "content");
    return member(member(content, "application/json"), "schema");
}

/* The schema of a field of the path, the query or the body; *required tells whether it is needed.
 */
static const cJSON *find(const struct operation *operation, const char *name, bool *required) {
    const cJSON *each;
    cJSON_ArrayForEach(each, member(operation->about, "parameters")) {
        const char *own = member_text(each, "name");
        if (own && strcmp(own, name) == 0) {
            *required = cJSON_IsTrue(member(each, "required"));
            return member(each, "schema");
        }
    }
    *required = false;
    cJSON_ArrayForEach(each, member(body_schema(operation), "required")) {
        const char *own = cJSON_GetStringValue(each);
        *required |= own && strcmp(own, name) == 0;
    }
    return member(member(body_schema(operation), "properties"), name);
}

/* Calls visit with the name of every field. */
static void each_field(const struct operation *operation,
                       void (*visit)(const char *name, void *context), void *context) {
    const cJSON *each;
    cJSON_ArrayForEach(each, member(operation->about, "parameters"))
        visit(member_text(each, "name"), context);
    cJSON_ArrayForEach(each, member(body_schema(operation), "properties"))
        visit(each->string, context);
}

static bool has_type(const cJSON *schema, const char *type) {
    const cJSON *types = member(schema, "type"), *each;
    if (cJSON_IsString(types))
        return strcmp(types->valuestring, type) == 0;
    cJSON_ArrayForEach(each, types) {
        if (cJSON_IsString(each) && strcmp(each->valuestring, type) == 0)
            return true;
    }
    return false;
}

struct names {
    const char **list;
    size_t count;
};

static void add_name(const char *name, void *context) {
    struct names *names = context;
    names->list = memory_resize(names->list, (names->count + 1) * sizeof *names->list);
    names->list[names->count++] = name;
}

static struct error *unknown(const struct operation *operation, const char *name) {
    struct names names = {0};
    struct buffer known = {0};
    each_field(operation, add_name, &names);
    for (size_t i = 0; i < names.count; i++)
        buffer_format(&known, "%s--%s", i ? ", " : "", names.list[i]);
    const char *near = text_nearest(name, names.list, names.count);
    struct error *error = error_new(ERROR_INVALID, NULL, "unknown field '--%s'; %s%s%sthere is: %s",
                                    name, near ? "did you mean '--" : "", near ? near : "",
                                    near ? "'? " : "", names.count ? buffer_text(&known) : "none");
    buffer_free(&known);
    memory_free(names.list);
    return error;
}

static struct error *wrong(const char *name, const char *expected, const char *text) {
    return error_new(ERROR_INVALID, NULL, "field '--%s': expected %s, got '%s'", name, expected,
                     text);
}

static struct error *typed(const char *name, const cJSON *schema, const char *text, cJSON **value) {
    char *end = NULL;
    double number = strtod(text, &end);
    if (has_type(schema, "integer") || has_type(schema, "number")) {
        if (end == text || *end)
            return wrong(name, "a number", text);
        *value = cJSON_CreateNumber(number);
    } else if (has_type(schema, "boolean")) {
        bool yes = strcmp(text, "true") == 0 || strcmp(text, "1") == 0;
        if (!yes && strcmp(text, "false") != 0 && strcmp(text, "0") != 0)
            return wrong(name, "true or false", text);
        *value = cJSON_CreateBool(yes);
    } else if (has_type(schema, "object")) {
        char *what = memory_format("field '--%s'", name);
        struct error *error = params_parse(what, text, strlen(text), value);
        memory_free(what);
        return error;
    } else {
        *value = cJSON_CreateString(text);
    }
    return NULL;
}

static struct error *add_field(const struct operation *operation, const char *name,
                               const char *text, cJSON *fields) {
    bool required;
    const cJSON *schema = find(operation, name, &required);
    cJSON *value = NULL, *old = cJSON_GetObjectItemCaseSensitive(fields, name);
    if (!schema)
        return unknown(operation, name);
    struct error *error = typed(name, schema, text, &value);
    if (error)
        return error;
    if (has_type(schema, "array")) {
        if (!old)
            cJSON_AddItemToObject(fields, name, old = cJSON_CreateArray());
        cJSON_AddItemToArray(old, value);
        return NULL;
    }
    cJSON_DeleteItemFromObjectCaseSensitive(fields, name);
    cJSON_AddItemToObject(fields, name, value);
    return NULL;
}

/* One word, and the next if it is the value. Stores how many words that were. */
static struct error *take_word(const struct operation *operation, const char *const *words,
                               size_t left, cJSON *fields, size_t *taken) {
    const char *word = words[0];
    if (strncmp(word, "--", 2) != 0 || !word[2])
        return error_new(ERROR_INVALID, NULL, "unexpected '%s'; fields are given as --field value",
                         word);
    size_t length = strcspn(word + 2, "=");
    char *name = memory_copy(word + 2, length);
    for (char *each = name; *each; each++)
        if (*each == '-')
            *each = '_';
    bool required;
    const cJSON *schema = find(operation, name, &required);
    bool inlined = word[2 + length] == '=';
    bool alone = !inlined && schema && has_type(schema, "boolean") &&
                 (left == 1 || strncmp(words[1], "--", 2) == 0);
    struct error *error = NULL;
    *taken = inlined || alone ? 1 : 2;
    if (schema && !inlined && !alone && left == 1)
        error = error_new(ERROR_INVALID, NULL, "field '--%s' needs a value", name);
    else
        error = add_field(operation, name,
                          inlined    ? word + 3 + length
                          : alone    ? "true"
                          : left > 1 ? words[1]
                                     : "",
                          fields);
    memory_free(name);
    return error;
}

struct missing {
    const struct operation *operation;
    const cJSON *fields;
    struct error *error;
};

static void check_required(const char *name, void *context) {
    struct missing *missing = context;
    bool required;
    find(missing->operation, name, &required);
    if (required && !missing->error && !member(missing->fields, name))
        missing->error =
            error_new(ERROR_INVALID, NULL, "field '--%s' is missing; it is required", name);
}

struct error *call_fields(const struct operation *operation, const char *const *words, size_t count,
                          cJSON **fields) {
    *fields = cJSON_CreateObject();
    struct error *error = NULL;
    for (size_t at = 0, taken = 0; !error && at < count; at += taken)
        error = take_word(operation, words + at, count - at, *fields, &taken);
    struct missing missing = {operation, *fields, error};
    if (!error)
        each_field(operation, check_required, &missing);
    if (missing.error) {
        cJSON_Delete(*fields);
        *fields = NULL;
    }
    return missing.error;
}

static void add_encoded(struct buffer *out, const char *text) {
    for (; *text; text++) {
        unsigned char byte = (unsigned char)*text;
        bool plain = (byte >= '0' && byte <= '9') || (byte >= 'A' && byte <= 'Z') ||
                     (byte >= 'a' && byte <= 'z') || strchr("-._~", byte);
        if (plain)
            buffer_byte(out, (char)byte);
        else
            buffer_format(out, "%%%02X", byte);
    }
}

static void add_value(struct buffer *out, const cJSON *value) {
    char *text = cJSON_IsString(value) ? NULL : cJSON_PrintUnformatted(value);
    add_encoded(out, text ? text : value->valuestring);
    cJSON_free(text);
}

char *call_path(const struct operation *operation, cJSON *fields) {
    struct buffer path = {0};
    for (const char *at = operation->path; *at;) {
        if (*at != '{') {
            buffer_byte(&path, *at++);
            continue;
        }
        size_t length = strcspn(at + 1, "}");
        char *name = memory_copy(at + 1, length);
        cJSON *value = cJSON_DetachItemFromObjectCaseSensitive(fields, name);
        if (value)
            add_value(&path, value);
        cJSON_Delete(value);
        memory_free(name);
        at += length + 2;
    }
    const cJSON *each;
    char separator = '?';
    if (!body_schema(operation)) {
        cJSON_ArrayForEach(each, fields) {
            buffer_byte(&path, separator);
            add_encoded(&path, each->string);
            buffer_byte(&path, '=');
            add_value(&path, each);
            separator = '&';
        }
    }
    char *text = memory_string(buffer_text(&path));
    buffer_free(&path);
    return text;
}

struct help {
    const struct operation *operation;
    struct buffer *out;
};

static void add_help(const char *name, void *context) {
    const struct help *help = context;
    bool required;
    const cJSON *schema = find(help->operation, name, &required);
    const char *about = member_text(schema, "description");
    const cJSON *type = member(schema, "type");
    if (cJSON_IsArray(type))
        type = type->child;
    buffer_format(help->out, "  --%-20s %-8s %s%s\n", name, cJSON_GetStringValue(type),
                  required ? "required; " : "", about ? about : "");
}

void call_help(const struct operation *operation, struct buffer *out) {
    struct help help = {operation, out};
    const char *summary = member_text(operation->about, "summary");
    buffer_format(out, "%s: %s\n", member_text(operation->about, "x-workflow"),
                  summary ? summary : "");
    each_field(operation, add_help, &help);
}
