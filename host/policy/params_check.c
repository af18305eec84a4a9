/* One parameter of a call: its type, its bounds, and what access says of it. */
#include "base/buffer.h"
#include "base/memory.h"
#include "base/text.h"
#include "policy/params_internal.h"

#include <math.h>
#include <openssl/crypto.h>
#include <string.h>

enum { TEXT_MAX = 8192, LIST_MAX = 1000 };

/* Where the first byte is that is no UTF-8; length if there is none. */
static size_t first_not_utf8(const char *text, size_t length) {
    size_t at = 0, step;
    while (at < length && (step = text_utf8(text + at, length - at)) > 0)
        at += step;
    return at;
}

struct error *params_parse(const char *what, const char *text, size_t length, struct cJSON **out) {
    const char *end = NULL;
    size_t at = first_not_utf8(text, length);
    *out = at == length ? cJSON_ParseWithLengthOpts(text, length, &end, false) : NULL;
    if (end)
        at = (size_t)(end - text);
    while (*out && at < length && strchr(" \t\r\n", text[at]) && text[at])
        at++;
    if (*out && at == length)
        return NULL;
    cJSON_Delete(*out);
    *out = NULL;
    size_t line = 1, column = 1;
    for (size_t i = 0; i < at && i < length; i++, column++) {
        if (text[i] == '\n') {
            line++;
            column = 0;
        }
    }
    return error_new(ERROR_INVALID, NULL, "%s: not JSON at line %zu, column %zu", what, line,
                     column);
}

const char *params_describe(const cJSON *value) {
    if (cJSON_IsString(value))
        return "text";
    if (cJSON_IsNumber(value))
        return "a number";
    if (cJSON_IsBool(value))
        return "true or false";
    if (cJSON_IsArray(value))
        return "a list";
    return cJSON_IsObject(value) ? "an object" : "null";
}

static struct error *wrong(const struct param *param, const char *expected, const cJSON *got) {
    return error_new(ERROR_INVALID, NULL, "parameter '%s': expected %s, got %s", param->name,
                     expected, params_describe(got));
}

static struct error *check_bounds(const struct param *param, double value, const char *unit) {
    if (param->has_min && value < param->min)
        return error_new(ERROR_INVALID, NULL, "parameter '%s': %g%s is too little; at least %g",
                         param->name, value, unit, param->min);
    if (param->has_max && value > param->max)
        return error_new(ERROR_INVALID, NULL, "parameter '%s': %g%s is too much; at most %g",
                         param->name, value, unit, param->max);
    return NULL;
}

static struct error *check_choice(const struct param *param, const char *text) {
    struct buffer known = {0};
    for (size_t i = 0; i < param->choice_count; i++) {
        if (strcmp(param->choices[i], text) == 0) {
            buffer_free(&known);
            return NULL;
        }
        buffer_format(&known, "%s%s", i ? ", " : "", param->choices[i]);
    }
    const char *near = text_nearest(text, (const char *const *)param->choices, param->choice_count);
    struct error *error = error_new(
        ERROR_INVALID, NULL, "parameter '%s': %s%s%sone of %s is expected", param->name,
        near ? "did you mean '" : "", near ? near : "", near ? "'? " : "", buffer_text(&known));
    buffer_free(&known);
    return error;
}

/* Text of bounded length without control characters. */
static struct error *check_text(const struct param *param, const cJSON *value) {
    if (!cJSON_IsString(value))
        return wrong(param, "text", value);
    size_t length = strlen(value->valuestring);
    if (length > TEXT_MAX)
        return error_new(ERROR_INVALID, NULL, "parameter '%s': %zu bytes are too many; at most %d",
                         param->name, length, TEXT_MAX);
    for (const char *each = value->valuestring; *each; each++)
        if ((unsigned char)*each < 0x20 || *each == 0x7f)
            return error_new(ERROR_INVALID, NULL, "parameter '%s': it holds control characters",
                             param->name);
    return NULL;
}

static struct error *check_string(const struct param *param, const cJSON *value) {
    struct error *error = check_text(param, value);
    if (!error)
        error = check_bounds(param, (double)strlen(value->valuestring), " bytes");
    if (!error && param->choices)
        error = check_choice(param, value->valuestring);
    return error;
}

static struct error *check_number(const struct param *param, const cJSON *value) {
    bool whole = param->type == PARAM_INTEGER;
    if (!cJSON_IsNumber(value))
        return wrong(param, whole ? "a whole number" : "a number", value);
    if (whole && (floor(value->valuedouble) != value->valuedouble ||
                  fabs(value->valuedouble) > 9007199254740992.0))
        return error_new(ERROR_INVALID, NULL, "parameter '%s': expected a whole number, got %g",
                         param->name, value->valuedouble);
    return check_bounds(param, value->valuedouble, "");
}

/* A text stands for a list of one; the value is then replaced. */
static struct error *check_list(const struct param *param, cJSON *params, cJSON *value) {
    if (cJSON_IsString(value)) {
        cJSON *list = cJSON_CreateArray();
        cJSON_AddItemToArray(list, cJSON_CreateString(value->valuestring));
        cJSON_ReplaceItemInObjectCaseSensitive(params, param->name, list);
        value = list;
    }
    if (!cJSON_IsArray(value))
        return wrong(param, "a list of texts", value);
    int count = cJSON_GetArraySize(value);
    if (count > LIST_MAX)
        return error_new(ERROR_INVALID, NULL, "parameter '%s': %d items are too many; at most %d",
                         param->name, count, LIST_MAX);
    const cJSON *item;
    cJSON_ArrayForEach(item, value) {
        struct error *error = check_text(param, item);
        if (error)
            return error;
    }
    return check_bounds(param, count, " items");
}

/* An object, or a text that holds one; the text is then replaced. No value is ever quoted. */
static struct error *check_config(const struct param *param, cJSON *params, cJSON *value) {
    if (cJSON_IsString(value)) {
        cJSON *inner = NULL;
        char *what = memory_format("parameter '%s'", param->name);
        const char *text = *value->valuestring ? value->valuestring : "{}";
        struct error *error = params_parse(what, text, strlen(text), &inner);
        memory_free(what);
        if (error)
            return error;
        OPENSSL_cleanse(value->valuestring, strlen(value->valuestring));
        cJSON_ReplaceItemInObjectCaseSensitive(params, param->name, inner);
        value = inner;
    }
    if (!cJSON_IsObject(value))
        return wrong(param, "a JSON object or the text of one", value);
    return NULL;
}

static struct error *check_source(const struct check *check, const struct param *param,
                                  const cJSON *value) {
    const struct source *source = NULL;
    struct error *error = check_text(param, value);
    if (!error)
        params_hide(check->call, value->valuestring);
    if (!error)
        error = generation_source_of(check->generation, value->valuestring, &source);
    if (!error)
        error = access_source(check->access, value->valuestring);
    if (!error && !check->call->source)
        check->call->source = memory_string(source->name);
    return error;
}

static struct error *check_directory(const struct check *check, const struct param *param,
                                     const cJSON *value) {
    char *resolved = NULL;
    struct error *error = check_text(param, value);
    if (!error)
        error = access_directory(check->access, value->valuestring, &resolved);
    if (!error)
        cJSON_ReplaceItemInObjectCaseSensitive(check->params, param->name,
                                               cJSON_CreateString(resolved));
    memory_free(resolved);
    return error;
}

static struct error *check_value(const struct check *check, const struct param *param,
                                 cJSON *value) {
    switch (param->type) {
    case PARAM_STRING:
        return check_string(param, value);
    case PARAM_INTEGER:
    case PARAM_NUMBER:
        return check_number(param, value);
    case PARAM_BOOLEAN:
        return cJSON_IsBool(value) ? NULL : wrong(param, "true or false", value);
    case PARAM_LIST:
        return check_list(param, check->params, value);
    case PARAM_OBJECT:
        return cJSON_IsObject(value) ? NULL : wrong(param, "an object", value);
    case PARAM_CONFIG:
        return check_config(param, check->params, value);
    case PARAM_SOURCE:
        return check_source(check, param, value);
    case PARAM_DIRECTORY:
        return check_directory(check, param, value);
    }
    return NULL;
}

static bool is_absent(const cJSON *value) {
    return !value || cJSON_IsNull(value) ||
           (cJSON_IsString(value) && value->valuestring[0] == '\0');
}

struct error *params_check_one(const struct check *check, const struct param *param) {
    cJSON *value = cJSON_GetObjectItemCaseSensitive(check->params, param->name);
    if (is_absent(value)) {
        if (param->required)
            return error_new(ERROR_INVALID, NULL, "Missing required parameter: %s", param->name);
        cJSON_DeleteItemFromObjectCaseSensitive(check->params, param->name);
        if (param->fallback)
            cJSON_AddItemToObject(check->params, param->name, cJSON_Parse(param->fallback));
        return NULL;
    }
    return check_value(check, param, value);
}
