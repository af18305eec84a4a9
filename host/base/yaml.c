#include "base/yaml.h"

#include "base/memory.h"
#include "base/yaml_internal.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <yaml.h>

/* Anchors and texts of users are repeated in messages up to here. */
enum { SHOWN_MAX = 100, MESSAGE_SIZE = 512 };

bool yaml_refuse(struct yaml_reading *reading, enum error_kind kind, size_t line, size_t column,
                 const char *format, ...) {
    char message[MESSAGE_SIZE];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(message, sizeof message, format, arguments);
    va_end(arguments);
    reading->error = error_new(kind, NULL, "%s, line %zu, column %zu: %s", reading->what, line + 1,
                               column + 1, message);
    return false;
}

static void join_collection(struct yaml_reading *reading, size_t index) {
    if (reading->depth == 0)
        return;
    struct yaml_open *open = &reading->open[reading->depth - 1];
    if (open->last == YAML_NONE)
        reading->nodes[open->node].first = index;
    else
        reading->nodes[open->last].next = index;
    open->last = index;
    reading->nodes[open->node].children++;
}

struct yaml_node *yaml_add(struct yaml_reading *reading, enum yaml_kind kind, size_t line,
                           size_t column) {
    if (reading->count == YAML_NODES_MAX) {
        yaml_refuse(reading, ERROR_LIMIT, line, column, "there are more than %d values",
                    YAML_NODES_MAX);
        return NULL;
    }
    if (reading->count == reading->capacity) {
        reading->capacity = reading->capacity ? reading->capacity * 2 : 64;
        reading->nodes = memory_resize(reading->nodes, reading->capacity * sizeof *reading->nodes);
    }
    size_t index = reading->count++;
    reading->nodes[index] = (struct yaml_node){
        .kind = kind, .first = YAML_NONE, .next = YAML_NONE, .line = line, .column = column};
    join_collection(reading, index);
    return &reading->nodes[index];
}

void yaml_add_text(struct yaml_reading *reading, struct yaml_node *node, const void *text,
                   size_t length) {
    node->text = reading->texts.length;
    node->length = length;
    buffer_append(&reading->texts, text, length);
    buffer_byte(&reading->texts, '\0');
}

bool yaml_open_collection(struct yaml_reading *reading, enum yaml_kind kind, size_t line,
                          size_t column) {
    if (reading->depth == YAML_DEPTH_MAX)
        return yaml_refuse(reading, ERROR_LIMIT, line, column,
                           "lists and tables are nested more than %d levels deep", YAML_DEPTH_MAX);
    if (!yaml_add(reading, kind, line, column))
        return false;
    reading->open[reading->depth++] = (struct yaml_open){reading->count - 1, YAML_NONE};
    return true;
}

bool yaml_close_collection(struct yaml_reading *reading) {
    size_t node = reading->open[--reading->depth].node;
    const struct yaml_node *nodes = reading->nodes;
    return (nodes && nodes[node].kind == YAML_LIST) || yaml_check_keys(reading, node);
}

/* Notes the anchor of the node that was added last. The last of a name counts. */
static void note_anchor(struct yaml_reading *reading, const yaml_char_t *name) {
    if (!name)
        return;
    reading->anchors =
        memory_resize(reading->anchors, (reading->anchor_count + 1) * sizeof *reading->anchors);
    reading->anchors[reading->anchor_count++] =
        (struct yaml_anchor){memory_string((const char *)name), reading->count - 1};
}

/* The name of a tag of the core schema; "" for any other. */
static const char *core_tag(const yaml_char_t *tag) {
    static const char prefix[] = "tag:yaml.org,2002:";
    const char *text = (const char *)tag;
    return strncmp(text, prefix, strlen(prefix)) == 0 ? text + strlen(prefix) : "";
}

static bool is_tagged(const yaml_char_t *tag) {
    return tag && strcmp((const char *)tag, "!") != 0;
}

static bool refuse_tag(struct yaml_reading *reading, const yaml_event_t *event,
                       const yaml_char_t *tag) {
    return yaml_refuse(reading, ERROR_INVALID, event->start_mark.line, event->start_mark.column,
                       "the tag %.*s does not fit here; leave it out", SHOWN_MAX,
                       (const char *)tag);
}

static bool take_scalar(struct yaml_reading *reading, const yaml_event_t *event) {
    const yaml_char_t *tag = event->data.scalar.tag;
    const yaml_mark_t *mark = &event->start_mark;
    struct yaml_node *node = yaml_add(reading, YAML_TEXT, mark->line, mark->column);
    if (!node)
        return false;
    yaml_add_text(reading, node, event->data.scalar.value, event->data.scalar.length);
    if (is_tagged(tag) && !yaml_resolve_tagged(reading, node, core_tag(tag)))
        return refuse_tag(reading, event, tag);
    if (!is_tagged(tag) && event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE)
        yaml_resolve_plain(reading, node);
    if (node->kind == YAML_NOT_FINITE)
        return yaml_refuse(reading, ERROR_INVALID, mark->line, mark->column,
                           "%.*s is not a finite number; quote it if it is a text", SHOWN_MAX,
                           reading->texts.data + node->text);
    note_anchor(reading, event->data.scalar.anchor);
    return true;
}

static bool take_alias(struct yaml_reading *reading, const yaml_event_t *event) {
    const char *name = (const char *)event->data.alias.anchor;
    const yaml_mark_t *mark = &event->start_mark;
    size_t at = reading->anchor_count;
    while (at > 0 && strcmp(reading->anchors[at - 1].name, name) != 0)
        at--;
    if (at == 0)
        return yaml_refuse(reading, ERROR_INVALID, mark->line, mark->column,
                           "there is no anchor &%.*s", SHOWN_MAX, name);
    struct yaml_node *node = yaml_add(reading, YAML_ALIAS, mark->line, mark->column);
    if (node)
        node->first = reading->anchors[at - 1].node;
    return node != NULL;
}

static bool open_collection(struct yaml_reading *reading, const yaml_event_t *event,
                            enum yaml_kind kind, const yaml_char_t *anchor,
                            const yaml_char_t *tag) {
    if (is_tagged(tag) && strcmp(core_tag(tag), kind == YAML_LIST ? "seq" : "map") != 0)
        return refuse_tag(reading, event, tag);
    if (!yaml_open_collection(reading, kind, event->start_mark.line, event->start_mark.column))
        return false;
    note_anchor(reading, anchor);
    return true;
}

static bool begin_document(struct yaml_reading *reading, const yaml_event_t *event) {
    if (reading->documents++ == 0)
        return true;
    return yaml_refuse(reading, ERROR_INVALID, event->start_mark.line, event->start_mark.column,
                       "there is more than one document; expected one");
}

static bool take_event(struct yaml_reading *reading, const yaml_event_t *event) {
    switch (event->type) {
    case YAML_DOCUMENT_START_EVENT:
        return begin_document(reading, event);
    case YAML_SCALAR_EVENT:
        return take_scalar(reading, event);
    case YAML_ALIAS_EVENT:
        return take_alias(reading, event);
    case YAML_SEQUENCE_START_EVENT:
        return open_collection(reading, event, YAML_LIST, event->data.sequence_start.anchor,
                               event->data.sequence_start.tag);
    case YAML_MAPPING_START_EVENT:
        return open_collection(reading, event, YAML_TABLE, event->data.mapping_start.anchor,
                               event->data.mapping_start.tag);
    case YAML_SEQUENCE_END_EVENT:
    case YAML_MAPPING_END_EVENT:
        return yaml_close_collection(reading);
    default:
        return true;
    }
}

/* What the parser has to say. Where it met bytes that are no text, it has no line. */
static bool refuse_syntax(struct yaml_reading *reading, const yaml_parser_t *parser) {
    const char *problem = parser->problem ? parser->problem : "it is no YAML";
    reading->is_syntax = true;
    if (parser->error == YAML_READER_ERROR) {
        reading->error = error_new(ERROR_INVALID, NULL, "%s, byte %zu: %s", reading->what,
                                   parser->problem_offset, problem);
        return false;
    }
    return yaml_refuse(reading, ERROR_INVALID, parser->problem_mark.line,
                       parser->problem_mark.column, "%s%s%s", problem, parser->context ? " " : "",
                       parser->context ? parser->context : "");
}

static bool read_yaml(struct yaml_reading *reading, const char *text, size_t length) {
    yaml_parser_t parser;
    if (!yaml_parser_initialize(&parser)) {
        reading->error =
            error_new(ERROR_LIMIT, NULL, "could not read %s: not enough memory", reading->what);
        return false;
    }
    yaml_parser_set_input_string(&parser, (const unsigned char *)text, length);
    bool good = true, done = false;
    while (good && !done) {
        yaml_event_t event;
        if (!yaml_parser_parse(&parser, &event)) {
            good = refuse_syntax(reading, &parser);
            break;
        }
        done = event.type == YAML_STREAM_END_EVENT;
        good = take_event(reading, &event);
        yaml_event_delete(&event);
    }
    yaml_parser_delete(&parser);
    return good;
}

static void release(struct yaml_reading *reading) {
    for (size_t i = 0; i < reading->anchor_count; i++)
        memory_free(reading->anchors[i].name);
    memory_free(reading->anchors);
    memory_free(reading->nodes);
    buffer_free(&reading->texts);
}

/* Whether there is a NEL, LS or PS: to libyaml, by YAML 1.1, the end of a line, which it folds; to
 * JSON (RFC 8259) a character of a text. */
static bool has_breaks(const char *text, size_t length) {
    return memmem(text, length, "\xC2\x85", 2) || memmem(text, length, "\xE2\x80\xA8", 3) ||
           memmem(text, length, "\xE2\x80\xA9", 3);
}

struct error *yaml_to_json(const char *what, const char *text, size_t length, struct buffer *out) {
    struct yaml_reading reading = {.what = what}, json = {.what = what};
    size_t start = out->length;
    bool is_json = has_breaks(text, length) && yaml_read_json(&json, text, length);
    bool good = is_json || (!json.error && read_yaml(&reading, text, length));
    if (!good && reading.is_syntax)
        good = is_json = yaml_read_json(&json, text, length);
    struct yaml_reading *read = is_json || json.error ? &json : &reading;
    if (good && !yaml_write(read, out))
        out->length = start;
    struct error *error = read->error;
    if (read != &reading)
        error_free(reading.error);
    release(&reading);
    release(&json);
    return error;
}
