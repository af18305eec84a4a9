#include "sidecar/workflow_schema.h"

#include "base/json.h"
#include "base/memory.h"

#include <string.h>

static void write_type(struct json *json, const struct param *param) {
    switch (param->type) {
    case PARAM_INTEGER:
        json_key_string(json, "type", "integer");
        break;
    case PARAM_NUMBER:
        json_key_string(json, "type", "number");
        break;
    case PARAM_BOOLEAN:
        json_key_string(json, "type", "boolean");
        break;
    case PARAM_LIST:
        json_key(json, "type");
        json_raw(json, "[\"array\",\"string\"]", strlen("[\"array\",\"string\"]"));
        json_key(json, "items");
        json_raw(json, "{\"type\":\"string\"}", strlen("{\"type\":\"string\"}"));
        break;
    case PARAM_OBJECT:
        json_key_string(json, "type", "object");
        break;
    case PARAM_CONFIG:
        json_key(json, "type");
        json_raw(json, "[\"object\",\"string\"]", strlen("[\"object\",\"string\"]"));
        json_key_bool(json, "writeOnly", true);
        break;
    case PARAM_STRING:
    case PARAM_SOURCE:
    case PARAM_DIRECTORY:
        json_key_string(json, "type", "string");
        break;
    }
}

static void write_bounds(struct json *json, const struct param *param) {
    bool number = param->type == PARAM_INTEGER || param->type == PARAM_NUMBER;
    bool list = param->type == PARAM_LIST;
    if (param->has_min)
        json_key_number(json, number ? "minimum" : list ? "minItems" : "minLength", param->min);
    if (param->has_max)
        json_key_number(json, number ? "maximum" : list ? "maxItems" : "maxLength", param->max);
    if (param->choices) {
        json_key(json, "enum");
        json_array(json);
        for (size_t i = 0; i < param->choice_count; i++)
            json_string(json, param->choices[i]);
        json_end_array(json);
    }
}

static void write_schema(struct json *json, const struct param *param) {
    json_object(json);
    write_type(json, param);
    write_bounds(json, param);
    if (param->fallback) {
        json_key(json, "default");
        json_raw(json, param->fallback, strlen(param->fallback));
    }
    if (*param->help)
        json_key_string(json, "description", param->help);
    json_end_object(json);
}

static void write_param(struct json *json, const struct param *param) {
    json_key(json, param->name);
    write_schema(json, param);
}

/* Whether the parameter comes with the path. */
static bool is_in_path(const struct workflow *workflow, const char *name) {
    size_t length = strlen(name);
    for (const char *at = strchr(workflow->path, '{'); at; at = strchr(at + 1, '{'))
        if (strncmp(at + 1, name, length) == 0 && at[1 + length] == '}')
            return true;
    return false;
}

void workflow_schema(const struct workflow *workflow, struct buffer *out) {
    struct json json;
    json_begin(&json, out);
    json_object(&json);
    json_key_string(&json, "type", "object");
    json_key(&json, "properties");
    json_object(&json);
    for (size_t i = 0; i < workflow->param_count; i++)
        if (!is_in_path(workflow, workflow->params[i].name))
            write_param(&json, &workflow->params[i]);
    json_end_object(&json);
    json_key(&json, "required");
    json_array(&json);
    for (size_t i = 0; i < workflow->param_count; i++)
        if (workflow->params[i].required && !is_in_path(workflow, workflow->params[i].name))
            json_string(&json, workflow->params[i].name);
    json_end_array(&json);
    json_end_object(&json);
}

struct route_parameter *workflow_query(const struct workflow *workflow, size_t *count) {
    struct route_parameter *query = memory_zero(workflow->param_count, sizeof *query);
    *count = 0;
    for (size_t i = 0; i < workflow->param_count; i++) {
        const struct param *param = &workflow->params[i];
        struct buffer schema = {0};
        struct json json;
        if (is_in_path(workflow, param->name) || param->type == PARAM_CONFIG)
            continue;
        json_begin(&json, &schema);
        write_schema(&json, param);
        query[(*count)++] =
            (struct route_parameter){param->name, param->help, memory_string(buffer_text(&schema))};
        buffer_free(&schema);
    }
    return query;
}

void workflow_query_free(struct route_parameter *query, size_t count) {
    for (size_t i = 0; i < count; i++)
        memory_free((char *)query[i].schema);
    memory_free(query);
}
