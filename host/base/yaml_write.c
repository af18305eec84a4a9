/* From the nodes of a document to JSON. */
#include "base/json.h"
#include "base/memory.h"
#include "base/yaml_internal.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { SHOWN_MAX = 100 };

static const char *text_of(const struct yaml_reading *reading, const struct yaml_node *node) {
    return reading->texts.data + node->text;
}

static bool is_one_of(const char *text, const char *const *words) {
    while (*words && strcmp(*words, text) != 0)
        words++;
    return *words != NULL;
}

static bool is_all(const char *text, const char *digits) {
    return *text && text[strspn(text, digits)] == '\0';
}

/* [-+]?(digits(.digits?)?|.digits)(e[-+]?digits)?: what strtod reads, but for its words, its
 * hexadecimal and its white space. */
static bool is_decimal(const char *text) {
    static const char digits[] = "0123456789";
    text += *text == '-' || *text == '+';
    size_t whole = strspn(text, digits);
    text += whole;
    if (*text == '.') {
        size_t fraction = strspn(++text, digits);
        text += fraction;
        if (whole + fraction == 0)
            return false;
    } else if (whole == 0) {
        return false;
    }
    if (*text != 'e' && *text != 'E')
        return *text == '\0';
    text++;
    text += *text == '-' || *text == '+';
    return is_all(text, digits);
}

static bool is_not_finite(const char *text) {
    static const char *const words[] = {".inf", ".Inf", ".INF", NULL};
    static const char *const none[] = {".nan", ".NaN", ".NAN", NULL};
    return is_one_of(text, none) || is_one_of(text + (*text == '-' || *text == '+'), words);
}

static bool read_number(const char *text, double *number) {
    bool hexadecimal =
        text[0] == '0' && text[1] == 'x' && is_all(text + 2, "0123456789abcdefABCDEF");
    bool octal = text[0] == '0' && text[1] == 'o' && is_all(text + 2, "01234567");
    if (!hexadecimal && !octal && !is_decimal(text))
        return false;
    *number = octal ? (double)strtoull(text + 2, NULL, 8) : strtod(text, NULL);
    return true;
}

void yaml_resolve_plain(const struct yaml_reading *reading, struct yaml_node *node) {
    static const char *const nulls[] = {"", "~", "null", "Null", "NULL", NULL};
    static const char *const trues[] = {"true", "True", "TRUE", NULL};
    static const char *const falses[] = {"false", "False", "FALSE", NULL};
    const char *text = text_of(reading, node);
    if (is_one_of(text, nulls))
        node->kind = YAML_NULL;
    else if (is_one_of(text, trues))
        node->kind = YAML_TRUE;
    else if (is_one_of(text, falses))
        node->kind = YAML_FALSE;
    else if (strcmp(text, "<<") == 0)
        node->kind = YAML_MERGE;
    else if (is_not_finite(text))
        node->kind = YAML_NOT_FINITE;
    else if (read_number(text, &node->number))
        node->kind = isfinite(node->number) ? YAML_NUMBER : YAML_NOT_FINITE;
}

bool yaml_resolve_tagged(const struct yaml_reading *reading, struct yaml_node *node,
                         const char *tag) {
    if (strcmp(tag, "str") == 0)
        return true;
    yaml_resolve_plain(reading, node);
    switch (node->kind) {
    case YAML_NULL:
        return strcmp(tag, "null") == 0;
    case YAML_TRUE:
    case YAML_FALSE:
        return strcmp(tag, "bool") == 0;
    case YAML_NUMBER:
        return strcmp(tag, "float") == 0 ||
               (strcmp(tag, "int") == 0 && node->number == floor(node->number));
    case YAML_NOT_FINITE:
        return strcmp(tag, "float") == 0;
    default:
        return false;
    }
}

/* A key of a table while its keys are compared. */
struct key {
    const char *text;
    size_t node;
};

static int by_text(const void *left, const void *right) {
    const struct key *a = left;
    const struct key *b = right;
    int order = strcmp(a->text, b->text);
    return order ? order : (a->node > b->node) - (a->node < b->node);
}

static size_t aliased(const struct yaml_reading *reading, size_t index) {
    while (reading->nodes[index].kind == YAML_ALIAS)
        index = reading->nodes[index].first;
    return index;
}

/* Whether a node can be a key. */
static bool check_key(struct yaml_reading *reading, size_t index, struct key *key) {
    const struct yaml_node *place = &reading->nodes[index];
    const struct yaml_node *node = &reading->nodes[aliased(reading, index)];
    const char *problem = NULL;
    if (node->kind == YAML_LIST || node->kind == YAML_TABLE)
        problem = "a key is a text, not a list or a table";
    else if (node->kind == YAML_MERGE)
        problem = "merge keys (<<) are not accepted; write the members out";
    else if (strlen(text_of(reading, node)) != node->length)
        problem = "a key has no NUL in it";
    if (problem)
        return yaml_refuse(reading, ERROR_INVALID, place->line, place->column, "%s", problem);
    *key = (struct key){text_of(reading, node), index};
    return true;
}

bool yaml_check_keys(struct yaml_reading *reading, size_t table) {
    size_t count = 0;
    struct key *keys = memory_zero(reading->nodes[table].children / 2 + 1, sizeof *keys);
    bool good = true;
    for (size_t at = reading->nodes[table].first; good && at != YAML_NONE;) {
        good = check_key(reading, at, &keys[count++]);
        at = reading->nodes[reading->nodes[at].next].next;
    }
    if (good && count > 1)
        qsort(keys, count, sizeof *keys, by_text);
    for (size_t i = 1; good && i < count; i++) {
        const struct yaml_node *node = &reading->nodes[keys[i].node];
        if (strcmp(keys[i].text, keys[i - 1].text) == 0)
            good = yaml_refuse(reading, ERROR_INVALID, node->line, node->column,
                               "the key %.*s is there twice; it is in line %zu too", SHOWN_MAX,
                               keys[i].text, reading->nodes[keys[i - 1].node].line + 1);
    }
    memory_free(keys);
    return good;
}

/* The document while it is written. */
struct writing {
    struct yaml_reading *reading;
    struct json json;
    size_t start; /* of the output */
    size_t values;
    int depth;
};

static bool write_value(struct writing *writing, size_t index);

static bool write_collection(struct writing *writing, const struct yaml_node *node) {
    struct yaml_reading *reading = writing->reading;
    bool is_table = node->kind == YAML_TABLE;
    if (writing->depth == YAML_DEPTH_MAX)
        return yaml_refuse(reading, ERROR_LIMIT, node->line, node->column,
                           "lists and tables are nested more than %d levels deep, with aliases",
                           YAML_DEPTH_MAX);
    writing->depth++;
    if (is_table)
        json_object(&writing->json);
    else
        json_array(&writing->json);
    for (size_t at = node->first; at != YAML_NONE; at = reading->nodes[at].next) {
        if (is_table) {
            json_key(&writing->json, text_of(reading, &reading->nodes[aliased(reading, at)]));
            at = reading->nodes[at].next;
        }
        if (!write_value(writing, at))
            return false;
    }
    if (is_table)
        json_end_object(&writing->json);
    else
        json_end_array(&writing->json);
    writing->depth--;
    return true;
}

static bool write_value(struct writing *writing, size_t index) {
    struct yaml_reading *reading = writing->reading;
    const struct yaml_node *place = &reading->nodes[index];
    const struct yaml_node *node = &reading->nodes[aliased(reading, index)];
    if (++writing->values > YAML_NODES_MAX ||
        writing->json.out->length - writing->start + node->length > YAML_BYTES_MAX)
        return yaml_refuse(reading, ERROR_LIMIT, place->line, place->column,
                           "there are more than %d values or %d bytes, with aliases",
                           YAML_NODES_MAX, YAML_BYTES_MAX);
    switch (node->kind) {
    case YAML_LIST:
    case YAML_TABLE:
        return write_collection(writing, node);
    case YAML_NUMBER:
        json_number(&writing->json, node->number);
        break;
    case YAML_TRUE:
    case YAML_FALSE:
        json_bool(&writing->json, node->kind == YAML_TRUE);
        break;
    case YAML_NULL:
        json_null(&writing->json);
        break;
    default:
        json_text(&writing->json, text_of(reading, node), node->length);
    }
    return true;
}

bool yaml_write(struct yaml_reading *reading, struct buffer *out) {
    struct writing writing = {.reading = reading, .start = out->length};
    json_begin(&writing.json, out);
    if (reading->count > 0)
        return write_value(&writing, 0);
    json_null(&writing.json);
    return true;
}
