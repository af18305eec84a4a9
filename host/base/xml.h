/*
 * Parses an XML document from a peer that is not trusted into a flat tree: elements and their text.
 * Attributes, comments, instructions and the prefixes of names are dropped; a document type
 * declaration, which could define entities, is refused. Used by api/xml.c for sources' listings.
 */
#ifndef KTHENA_BASE_XML_H
#define KTHENA_BASE_XML_H

#include "base/buffer.h"
#include "base/error.h"

#include <stddef.h>

enum { XML_DEPTH_MAX = 64, XML_NODES_MAX = 200000 };

struct xml_node {
    size_t parent;      /* of the root: itself */
    size_t name;        /* where it begins in names; NUL-terminated */
    struct buffer text; /* its own character data */
};

/* In the order in which the elements begin, so that a parent comes before its children. */
struct xml {
    struct xml_node *nodes;
    size_t count;
    struct buffer names;
};

/* ERROR_PROTOCOL with the line for what is not well-formed, or has a document type declaration;
 * ERROR_LIMIT for too many or too deep elements. *out, all zero before, is to be freed in every
 * case. */
struct error *xml_parse(const char *bytes, size_t length, struct xml *out)
    __attribute__((warn_unused_result));
void xml_free(struct xml *xml);

const char *xml_name(const struct xml *xml, size_t node);

#endif
