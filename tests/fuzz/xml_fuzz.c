/*
 * XML from sources: any bytes give a tree in which every element stands behind its parent, or an
 * error that names a line.
 */
#include "base/xml.h"

#include "fuzz.h"

static void check_tree(const struct xml *xml) {
    must(xml->count > 0 && xml->count <= XML_NODES_MAX);
    must(xml->nodes[0].parent == 0);
    for (size_t i = 0; i < xml->count; i++) {
        must(i == 0 || xml->nodes[i].parent < i);
        must(*xml_name(xml, i));
        size_t depth = 1;
        for (size_t node = i; node != 0; node = xml->nodes[node].parent)
            depth++;
        must(depth <= XML_DEPTH_MAX);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct xml xml = {0};
    char *text = fuzz_copy(data, size);
    struct error *error = xml_parse(text, size, &xml);
    if (error) {
        must(error->kind == ERROR_PROTOCOL || error->kind == ERROR_LIMIT);
        must(strstr(error->message, "could not read XML, line ") == error->message);
    } else {
        check_tree(&xml);
    }
    error_free(error);
    xml_free(&xml);
    memory_free(text);
    return 0;
}
