#include "server/openapi.h"

#include "base/json.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

static const char error_type[] = "application/json";
static const char error_schema[] = "{\"$ref\":\"#/components/schemas/Error\"}";

static void write_schema_member(struct json *json, const char *name, const char *schema) {
    json_key(json, name);
    json_raw(json, schema, strlen(schema));
}

static void write_content(struct json *json, const char *type, const char *schema) {
    json_key(json, type);
    json_object(json);
    if (schema)
        write_schema_member(json, "schema", schema);
    json_end_object(json);
}

/* "get_v1_jobs_id" of GET /v1/jobs/{id}: a name for client generators. */
static void write_operation_id(struct json *json, const struct route *route) {
    struct buffer id = {0};
    for (const char *each = route->method; *each; each++)
        buffer_byte(&id, (char)tolower((unsigned char)*each));
    for (const char *each = route->path; *each; each++) {
        if (isalnum((unsigned char)*each))
            buffer_byte(&id, *each);
        else if (id.length && id.data[id.length - 1] != '_')
            buffer_byte(&id, '_');
    }
    while (id.length && id.data[id.length - 1] == '_')
        id.length--;
    json_key_string(json, "operationId", buffer_text(&id));
    buffer_free(&id);
}

static void write_query_parameter(struct json *json, const struct route_parameter *parameter) {
    json_object(json);
    json_key_string(json, "name", parameter->name);
    json_key_string(json, "in", "query");
    json_key_string(json, "description", parameter->description);
    write_schema_member(json, "schema", parameter->schema);
    json_end_object(json);
}

static void write_parameters(struct json *json, const struct route *route) {
    const char *brace = strchr(route->path, '{');
    if (!brace && !route->query_count)
        return;
    json_key(json, "parameters");
    json_array(json);
    for (; brace; brace = strchr(brace + 1, '{')) {
        json_object(json);
        json_key(json, "name");
        json_text(json, brace + 1, strcspn(brace + 1, "}"));
        json_key_string(json, "in", "path");
        json_key_bool(json, "required", true);
        write_schema_member(json, "schema", "{\"type\":\"string\"}");
        json_end_object(json);
    }
    for (size_t i = 0; i < route->query_count; i++)
        write_query_parameter(json, &route->query[i]);
    json_end_array(json);
}

static void write_body(struct json *json, const struct route *route) {
    if (!route->request_type)
        return;
    json_key(json, "requestBody");
    json_object(json);
    json_key_bool(json, "required", true);
    json_key(json, "content");
    json_object(json);
    write_content(json, route->request_type, route->request_schema);
    json_end_object(json);
    json_end_object(json);
}

static bool is_first_of_status(const struct route *route, size_t index) {
    for (size_t i = 0; i < index; i++)
        if (route->replies[i].status == route->replies[index].status)
            return false;
    return true;
}

/* One status may have several media types. */
static void write_reply(struct json *json, const struct route *route, size_t first) {
    int status = route->replies[first].status;
    char key[16];
    snprintf(key, sizeof key, "%d", status);
    json_key(json, key);
    json_object(json);
    json_key_string(json, "description", route->replies[first].description);
    json_key(json, "content");
    json_object(json);
    for (size_t i = first; i < route->reply_count; i++) {
        const struct route_reply *reply = &route->replies[i];
        if (reply->status == status)
            write_content(json, reply->content_type ? reply->content_type : error_type,
                          reply->content_type ? reply->schema : error_schema);
    }
    json_end_object(json);
    json_end_object(json);
}

static void write_error_reply(struct json *json, const char *key, const char *description) {
    json_key(json, key);
    json_object(json);
    json_key_string(json, "description", description);
    json_key(json, "content");
    json_object(json);
    write_content(json, error_type, error_schema);
    json_end_object(json);
    json_end_object(json);
}

static bool has_status(const struct route *route, int status) {
    for (size_t i = 0; i < route->reply_count; i++)
        if (route->replies[i].status == status)
            return true;
    return false;
}

static void write_extensions(struct json *json, const struct route *route) {
    if (route->workflow)
        json_key_string(json, "x-workflow", route->workflow);
    if (route->async)
        json_key_string(json, "x-async", route->async);
    if (route->status)
        json_key_string(json, "x-status", route->status);
}

static void write_operation(struct json *json, const struct route *route, bool token) {
    char method[16] = "";
    for (size_t i = 0; route->method[i] && i < sizeof method - 1; i++)
        method[i] = (char)tolower((unsigned char)route->method[i]);
    json_key(json, method);
    json_object(json);
    write_operation_id(json, route);
    if (route->summary)
        json_key_string(json, "summary", route->summary);
    write_extensions(json, route);
    write_parameters(json, route);
    write_body(json, route);
    json_key(json, "responses");
    json_object(json);
    for (size_t i = 0; i < route->reply_count; i++)
        if (is_first_of_status(route, i))
            write_reply(json, route, i);
    if (token && !route->open && !has_status(route, 401))
        write_error_reply(json, "401", "The bearer token is missing or wrong.");
    write_error_reply(json, "default", "Any other error.");
    json_end_object(json);
    if (token && !route->open) {
        json_key(json, "security");
        json_raw(json, "[{\"bearer\":[]}]", strlen("[{\"bearer\":[]}]"));
    }
    json_end_object(json);
}

static bool is_first_of_path(const struct route *routes, size_t index) {
    for (size_t i = 0; i < index; i++)
        if (!strcmp(routes[i].path, routes[index].path))
            return false;
    return true;
}

static void write_paths(struct json *json, const struct openapi_info *info,
                        const struct route *routes, size_t count) {
    json_key(json, "paths");
    json_object(json);
    for (size_t first = 0; first < count; first++) {
        if (!is_first_of_path(routes, first))
            continue;
        json_key(json, routes[first].path);
        json_object(json);
        for (size_t i = first; i < count; i++)
            if (!strcmp(routes[i].path, routes[first].path))
                write_operation(json, &routes[i], info->token);
        json_end_object(json);
    }
    json_end_object(json);
}

static void write_components(struct json *json, bool token) {
    json_key(json, "components");
    json_object(json);
    json_key(json, "schemas");
    json_object(json);
    write_schema_member(
        json, "Error",
        "{\"type\":\"object\",\"required\":[\"detail\"],\"properties\":{\"detail\":"
        "{\"type\":\"string\",\"description\":\"What happened and what to do.\"}}}");
    json_end_object(json);
    if (token) {
        json_key(json, "securitySchemes");
        json_object(json);
        write_schema_member(json, "bearer", "{\"type\":\"http\",\"scheme\":\"bearer\"}");
        json_end_object(json);
    }
    json_end_object(json);
}

void openapi_write(const struct openapi_info *info, const struct route *routes, size_t route_count,
                   struct buffer *out) {
    struct json json;
    json_begin(&json, out);
    json_object(&json);
    json_key_string(&json, "openapi", "3.1.0");
    json_key(&json, "info");
    json_object(&json);
    json_key_string(&json, "title", info->title);
    json_key_string(&json, "version", info->version);
    if (info->description)
        json_key_string(&json, "description", info->description);
    json_end_object(&json);
    write_paths(&json, info, routes, route_count);
    write_components(&json, info->token);
    json_end_object(&json);
}
