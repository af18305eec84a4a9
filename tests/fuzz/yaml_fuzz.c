/*
 * YAML as configuration: any bytes give one JSON value within the bounds, or an error that names a
 * place; and that JSON, read again, is itself.
 */
#include "base/yaml.h"

#include "fuzz.h"

#include <cjson/cJSON.h>

static int depth_of(const cJSON *item) {
    int depth = 0;
    for (const cJSON *child = item->child; child; child = child->next) {
        int below = depth_of(child);
        depth = below > depth ? below : depth;
    }
    return depth + (cJSON_IsArray(item) || cJSON_IsObject(item));
}

static void check_json(struct buffer *json) {
    struct buffer again = {0};
    const char *text = buffer_text(json);
    cJSON *root = cJSON_Parse(text);
    must(root);
    must(depth_of(root) <= YAML_DEPTH_MAX);
    cJSON_Delete(root);
    must(json->length <= YAML_BYTES_MAX + YAML_NODES_MAX * 16);
    struct error *error = yaml_to_json("f", json->data, json->length, &again);
    /* Keys of more than a kilobyte are no YAML, and cJSON cuts texts at a NUL. */
    if (!error && !strstr(text, "\\u0000"))
        must(again.length == json->length && memcmp(again.data, json->data, again.length) == 0);
    error_free(error);
    buffer_free(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct buffer json = {0};
    char *text = fuzz_copy(data, size);
    struct error *error = yaml_to_json("f", text, size, &json);
    if (error) {
        must(error->kind == ERROR_INVALID || error->kind == ERROR_LIMIT);
        must(strncmp(error->message, "f, line ", 8) == 0 ||
             strncmp(error->message, "f, byte ", 8) == 0);
        must(json.length == 0);
    } else {
        check_json(&json);
    }
    error_free(error);
    buffer_free(&json);
    memory_free(text);
    return 0;
}
