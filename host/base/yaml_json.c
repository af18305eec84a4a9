/* JSON that libyaml does not read as the YAML it is: tabs at the beginnings of lines, surrogate
 * pairs, keys of more than a kilobyte. Its errors have no line, for the parser keeps none. */
#include "base/yaml_internal.h"

#include <cjson/cJSON.h>
#include <string.h>

static bool add(struct yaml_reading *reading, const cJSON *item);

static bool add_text(struct yaml_reading *reading, const char *text) {
    struct yaml_node *node = yaml_add(reading, YAML_TEXT, 0, 0);
    if (node)
        yaml_add_text(reading, node, text, strlen(text));
    return node != NULL;
}

static bool add_collection(struct yaml_reading *reading, const cJSON *collection) {
    bool is_table = cJSON_IsObject(collection);
    if (!yaml_open_collection(reading, is_table ? YAML_TABLE : YAML_LIST, 0, 0))
        return false;
    for (const cJSON *item = collection->child; item; item = item->next)
        if ((is_table && !add_text(reading, item->string)) || !add(reading, item))
            return false;
    return yaml_close_collection(reading);
}

/* As deep as collections are nested, which yaml_open_collection bounds. */
static bool add(struct yaml_reading *reading, const cJSON *item) {
    if (cJSON_IsObject(item) || cJSON_IsArray(item))
        return add_collection(reading, item);
    if (cJSON_IsString(item))
        return add_text(reading, item->valuestring);
    enum yaml_kind kind = cJSON_IsNumber(item)  ? YAML_NUMBER
                          : cJSON_IsTrue(item)  ? YAML_TRUE
                          : cJSON_IsFalse(item) ? YAML_FALSE
                                                : YAML_NULL;
    struct yaml_node *node = yaml_add(reading, kind, 0, 0);
    if (node)
        node->number = item->valuedouble;
    return node != NULL;
}

static bool is_space(char byte) {
    return byte == ' ' || byte == '\t' || byte == '\r' || byte == '\n';
}

bool yaml_read_json(struct yaml_reading *reading, const char *text, size_t length) {
    const char *end = text;
    while (end < text + length && is_space(*end))
        end++;
    if (end == text + length || (*end != '{' && *end != '['))
        return false;
    cJSON *root = cJSON_ParseWithLengthOpts(text, length, &end, false);
    while (root && end < text + length && is_space(*end))
        end++;
    bool good = root && end == text + length && add(reading, root);
    cJSON_Delete(root);
    return good;
}
