#include "base/buffer.h"
#include "base/memory.h"
#include "base/redact.h"
#include "policy/params_internal.h"

#include <openssl/crypto.h>
#include <openssl/sha.h>
#include <stdlib.h>
#include <string.h>

/* The text of a path or query as the value its parameter's type asks for. */
static cJSON *value_of(const struct workflow *workflow, const struct path_value *value) {
    for (size_t i = 0; i < workflow->param_count; i++) {
        const struct param *param = &workflow->params[i];
        if (strcmp(param->name, value->name) != 0)
            continue;
        char *end = NULL;
        double number = strtod(value->text, &end);
        if ((param->type == PARAM_INTEGER || param->type == PARAM_NUMBER) && end != value->text &&
            *end == '\0')
            return cJSON_CreateNumber(number);
        if (param->type == PARAM_BOOLEAN &&
            (strcmp(value->text, "true") == 0 || strcmp(value->text, "1") == 0))
            return cJSON_CreateTrue();
        if (param->type == PARAM_BOOLEAN &&
            (strcmp(value->text, "false") == 0 || strcmp(value->text, "0") == 0))
            return cJSON_CreateFalse();
    }
    return cJSON_CreateString(value->text);
}

static const struct param *find_param(const struct workflow *workflow, const char *name) {
    for (size_t i = 0; i < workflow->param_count; i++)
        if (strcmp(workflow->params[i].name, name) == 0)
            return &workflow->params[i];
    return NULL;
}

/* Prints an item and frees what cJSON allocated. */
static char *print(const cJSON *item) {
    char *text = cJSON_PrintUnformatted(item);
    char *copy = memory_string(text ? text : "null");
    if (text) {
        OPENSSL_cleanse(text, strlen(text));
        cJSON_free(text);
    }
    return copy;
}

static char *describe_call(const struct workflow *workflow, const cJSON *params) {
    cJSON *shown = cJSON_CreateObject();
    for (size_t i = 0; i < workflow->param_count; i++) {
        const struct param *param = &workflow->params[i];
        const cJSON *value = cJSON_GetObjectItemCaseSensitive(params, param->name);
        if (value && param->type != PARAM_CONFIG)
            cJSON_AddItemToObject(shown, param->name, cJSON_Duplicate(value, true));
    }
    char *text = print(shown);
    cJSON_Delete(shown);
    return text;
}

/* The members of the reply that repeat what was sent, as it was sent. */
static char *echo_of(const struct workflow *workflow, const cJSON *sent) {
    cJSON *shown = cJSON_CreateObject();
    for (size_t i = 0; i < workflow->echo_count; i++) {
        const cJSON *value = cJSON_GetObjectItemCaseSensitive(sent, workflow->echo[i]);
        cJSON_AddItemToObject(shown, workflow->echo[i],
                              value ? cJSON_Duplicate(value, true) : cJSON_CreateNull());
    }
    char *text = print(shown);
    cJSON_Delete(shown);
    size_t length = strlen(text);
    memmove(text, text + 1, length - 2);
    text[length - 2] = '\0';
    return text;
}

static char *same_key(const struct workflow *workflow, const cJSON *params) {
    if (workflow->same_count == 0)
        return NULL;
    struct buffer key = {0};
    buffer_string(&key, workflow->name);
    for (size_t i = 0; i < workflow->same_count; i++) {
        const cJSON *value = cJSON_GetObjectItemCaseSensitive(params, workflow->same[i]);
        char *text = value ? print(value) : memory_string("");
        buffer_byte(&key, '\n');
        buffer_string(&key, text);
        OPENSSL_cleanse(text, strlen(text));
        memory_free(text);
    }
    unsigned char hash[SHA256_DIGEST_LENGTH];
    SHA256((const unsigned char *)key.data, key.length, hash);
    OPENSSL_cleanse(key.data, key.length);
    buffer_clear(&key);
    for (size_t i = 0; i < sizeof hash; i++)
        buffer_format(&key, "%02x", hash[i]);
    char *text = memory_string(buffer_text(&key));
    buffer_free(&key);
    return text;
}

static char *exclusive_key(const struct workflow *workflow, const cJSON *params) {
    const cJSON *value =
        workflow->exclusive ? cJSON_GetObjectItemCaseSensitive(params, workflow->exclusive) : NULL;
    if (!value)
        return NULL;
    const struct param *param = find_param(workflow, workflow->exclusive);
    const char *what = param->type == PARAM_DIRECTORY ? "the directory" : param->name;
    if (cJSON_IsString(value))
        return memory_format("%s '%s'", what, value->valuestring);
    char *text = print(value);
    char *key = memory_format("%s %s", what, text);
    memory_free(text);
    return key;
}

static char *serial_key(const struct workflow *workflow, const cJSON *params) {
    const cJSON *value =
        workflow->serial ? cJSON_GetObjectItemCaseSensitive(params, workflow->serial) : NULL;
    if (!value)
        return NULL;
    char *text = print(value);
    char *key = memory_format("%s:%s", workflow->serial, text);
    memory_free(text);
    return key;
}

static void fill_in(const struct workflow *workflow, const cJSON *sent, const cJSON *params,
                    struct call *call) {
    const cJSON *async =
        workflow->async ? cJSON_GetObjectItemCaseSensitive(params, workflow->async) : NULL;
    call->async = cJSON_IsTrue(async);
    call->params = print(params);
    call->description = describe_call(workflow, params);
    call->echo = echo_of(workflow, sent);
    call->same = same_key(workflow, params);
    call->exclusive = exclusive_key(workflow, params);
    call->serial = serial_key(workflow, params);
    if (!call->source)
        call->source = memory_string("");
}

/* Overwrites the texts of a tree before it is freed: a configuration holds secrets. */
static void wipe(cJSON *item) {
    for (; item; item = item->next) {
        if (cJSON_IsString(item))
            OPENSSL_cleanse(item->valuestring, strlen(item->valuestring));
        wipe(item->child);
    }
}

/* Of a member that is there more than once the last one counts, as it does for Lua. */
static void keep_last(cJSON *object, const char *name) {
    cJSON *last = NULL, *next = NULL;
    for (cJSON *item = object->child; item; item = next) {
        next = item->next;
        if (strcmp(item->string, name) != 0)
            continue;
        if (last) {
            wipe(cJSON_DetachItemViaPointer(object, last));
            cJSON_Delete(last);
        }
        last = item;
    }
}

static struct error *read_body(const char *body, size_t length, cJSON **sent) {
    if (length == 0) {
        *sent = cJSON_CreateObject();
        return NULL;
    }
    struct error *error = params_parse("the body", body, length, sent);
    if (!error && !cJSON_IsObject(*sent))
        error = error_new(ERROR_INVALID, NULL, "the body: expected a JSON object, got %s",
                          params_describe(*sent));
    return error;
}

struct error *params_check(const struct generation *generation, const struct workflow *workflow,
                           const struct access *access, const char *body, size_t length,
                           const struct path_value *values, size_t value_count, struct call *out) {
    cJSON *sent = NULL, *params = NULL;
    *out = (struct call){0};
    struct error *error = read_body(body, length, &sent);
    if (!error) {
        for (size_t i = 0; i < value_count; i++) {
            cJSON_AddItemToObject(sent, values[i].name, value_of(workflow, &values[i]));
        }
        for (size_t i = 0; i < workflow->param_count; i++)
            keep_last(sent, workflow->params[i].name);
        params = cJSON_Duplicate(sent, true);
    }
    struct check check = {generation, access, params, out};
    for (size_t i = 0; !error && i < workflow->param_count; i++)
        error = params_check_one(&check, &workflow->params[i]);
    error = redact_error(error);
    if (!error)
        fill_in(workflow, sent, params, out);
    else
        call_free(out);
    wipe(sent);
    wipe(params);
    cJSON_Delete(sent);
    cJSON_Delete(params);
    return error;
}

static void hide(struct call *call, const char *secret, size_t length) {
    redact_secret(secret, length);
    buffer_append(&call->hidden, secret, length);
    buffer_byte(&call->hidden, '\0');
}

void params_hide(struct call *call, const char *url) {
    const char *start = strstr(url, "://");
    if (!start)
        return;
    start += 3;
    size_t authority = strcspn(start, "/?#");
    const char *at = memrchr(start, '@', authority);
    if (at && memchr(start, ':', (size_t)(at - start)))
        hide(call, start, (size_t)(at - start));
    const char *query = strchr(start, '?');
    if (query && query[1])
        hide(call, query + 1, strlen(query + 1));
}

static void forget_hidden(struct buffer *hidden) {
    for (size_t at = 0; at < hidden->length;) {
        size_t length = strlen(hidden->data + at);
        redact_forget(hidden->data + at, length);
        at += length + 1;
    }
    if (hidden->length)
        OPENSSL_cleanse(hidden->data, hidden->length);
    buffer_free(hidden);
}

void call_free(struct call *call) {
    forget_hidden(&call->hidden);
    if (call->params)
        OPENSSL_cleanse(call->params, strlen(call->params));
    memory_free(call->params);
    memory_free(call->description);
    memory_free(call->echo);
    memory_free(call->source);
    memory_free(call->same);
    memory_free(call->exclusive);
    memory_free(call->serial);
    *call = (struct call){0};
}
