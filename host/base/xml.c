#include "base/xml.h"

#include "base/memory.h"

#include <expat.h>
#include <limits.h>

enum { PIECE_BYTES = 1024 * 1024 };

/* One document while it is read. */
struct reading {
    XML_Parser parser;
    struct xml *xml;
    size_t open[XML_DEPTH_MAX]; /* the elements that are open */
    size_t depth;
    size_t capacity;
    const char *refusal; /* why it was given up; expat may then still call back once or twice */
    enum error_kind kind;
};

static void give_up(struct reading *reading, enum error_kind kind, const char *refusal) {
    if (reading->refusal)
        return;
    reading->kind = kind;
    reading->refusal = refusal;
    XML_StopParser(reading->parser, XML_FALSE);
}

/* The name without a prefix; "a:" is all name. */
static const char *local_name(const char *name) {
    const char *colon = strrchr(name, ':');
    return colon && colon[1] ? colon + 1 : name;
}

static void XMLCALL begin_element(void *context, const char *full, const char **attributes) {
    struct reading *reading = context;
    struct xml *xml = reading->xml;
    (void)attributes;
    if (reading->refusal)
        return;
    if (reading->depth == XML_DEPTH_MAX) {
        give_up(reading, ERROR_LIMIT, "elements are nested more than 64 levels deep");
        return;
    }
    if (xml->count == XML_NODES_MAX) {
        give_up(reading, ERROR_LIMIT, "there are more than 200000 elements");
        return;
    }
    if (xml->count == reading->capacity) {
        reading->capacity = reading->capacity ? reading->capacity * 2 : 64;
        xml->nodes = memory_resize(xml->nodes, reading->capacity * sizeof *xml->nodes);
    }
    size_t parent = reading->depth ? reading->open[reading->depth - 1] : 0;
    const char *name = local_name(full);
    xml->nodes[xml->count] = (struct xml_node){.parent = parent, .name = xml->names.length};
    buffer_append(&xml->names, name, strlen(name) + 1);
    reading->open[reading->depth++] = xml->count++;
}

static void XMLCALL end_element(void *context, const char *name) {
    struct reading *reading = context;
    (void)name;
    if (!reading->refusal)
        reading->depth--;
}

static void XMLCALL take_text(void *context, const char *text, int length) {
    struct reading *reading = context;
    if (reading->refusal)
        return;
    struct xml_node *node = &reading->xml->nodes[reading->open[reading->depth - 1]];
    buffer_append(&node->text, text, (size_t)length);
}

static void XMLCALL refuse_doctype(void *context, const char *name, const char *system,
                                   const char *public, int internal) {
    (void)name;
    (void)system;
    (void)public;
    (void)internal;
    give_up(context, ERROR_PROTOCOL, "document type declarations are not accepted");
}

static struct error *error_of(const struct reading *reading) {
    unsigned long line = (unsigned long)XML_GetCurrentLineNumber(reading->parser);
    const char *why = XML_ErrorString(XML_GetErrorCode(reading->parser));
    return error_new(reading->refusal ? reading->kind : ERROR_PROTOCOL, NULL,
                     "could not read XML, line %lu: %s", line,
                     reading->refusal ? reading->refusal : why);
}

struct error *xml_parse(const char *bytes, size_t length, struct xml *out) {
    struct reading reading = {.xml = out};
    struct error *error = NULL;
    reading.parser = XML_ParserCreate(NULL);
    if (!reading.parser)
        return error_new(ERROR_LIMIT, NULL, "could not read XML: not enough memory");
    XML_SetUserData(reading.parser, &reading);
    XML_SetElementHandler(reading.parser, begin_element, end_element);
    XML_SetCharacterDataHandler(reading.parser, take_text);
    XML_SetStartDoctypeDeclHandler(reading.parser, refuse_doctype);
    do {
        size_t piece = length < PIECE_BYTES ? length : PIECE_BYTES;
        if (XML_Parse(reading.parser, bytes, (int)piece, piece == length) != XML_STATUS_OK)
            error = error_of(&reading);
        bytes += piece;
        length -= piece;
    } while (!error && length > 0);
    XML_ParserFree(reading.parser);
    return error;
}

void xml_free(struct xml *xml) {
    for (size_t i = 0; i < xml->count; i++)
        buffer_free(&xml->nodes[i].text);
    memory_free(xml->nodes);
    buffer_free(&xml->names);
    *xml = (struct xml){0};
}

const char *xml_name(const struct xml *xml, size_t node) {
    return xml->names.data + xml->nodes[node].name;
}
