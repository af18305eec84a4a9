/*
 * What the files of the YAML reader share: the document as a flat list of nodes. yaml.c fills it
 * from libyaml's events, yaml_json.c from JSON, yaml_write.c resolves scalars, checks keys and
 * writes the result. Private to the three.
 */
#ifndef KTHENA_BASE_YAML_INTERNAL_H
#define KTHENA_BASE_YAML_INTERNAL_H

#include "base/yaml.h"

#include <stdbool.h>
#include <stdint.h>

#define YAML_NONE SIZE_MAX

enum yaml_kind {
    YAML_TEXT,
    YAML_MERGE, /* a plain "<<", which is a text but for a key */
    YAML_NUMBER,
    YAML_NOT_FINITE,
    YAML_TRUE,
    YAML_FALSE,
    YAML_NULL,
    YAML_LIST,
    YAML_TABLE, /* its children are keys and values in turn */
    YAML_ALIAS,
};

struct yaml_node {
    enum yaml_kind kind;
    size_t text, length; /* of a scalar, in the texts; there is a NUL behind it */
    double number;
    size_t first;        /* child of a collection; what an alias stands for; YAML_NONE: none */
    size_t next;         /* in the same collection */
    size_t children;     /* how many */
    size_t line, column; /* from 0 */
};

struct yaml_anchor {
    char *name;
    size_t node;
};

/* A collection that is not closed yet. */
struct yaml_open {
    size_t node;
    size_t last; /* its last child so far */
};

struct yaml_reading {
    const char *what;
    struct yaml_node *nodes; /* the first is the document's root; none: it is empty */
    size_t count, capacity;
    struct buffer texts;
    struct yaml_anchor *anchors;
    size_t anchor_count;
    struct yaml_open open[YAML_DEPTH_MAX];
    size_t depth;
    size_t documents;
    bool is_syntax; /* the error is libyaml's */
    struct error *error;
};

/* Adds a node to the collection that is open; NULL and an error for one too many. What is returned
 * may move with the next. */
struct yaml_node *yaml_add(struct yaml_reading *reading, enum yaml_kind kind, size_t line,
                           size_t column);

/* Adds a scalar's text. */
void yaml_add_text(struct yaml_reading *reading, struct yaml_node *node, const void *text,
                   size_t length);

/* Adds and opens a list or a table; closes it, and checks the keys of a table. */
bool yaml_open_collection(struct yaml_reading *reading, enum yaml_kind kind, size_t line,
                          size_t column);
bool yaml_close_collection(struct yaml_reading *reading);

/* Notes an error at a place, and returns false. */
bool yaml_refuse(struct yaml_reading *reading, enum error_kind kind, size_t line, size_t column,
                 const char *format, ...) __attribute__((format(printf, 5, 6)));

/* Fills the nodes from JSON. False when it is none, without an error, or with one when it is not
 * accepted. */
bool yaml_read_json(struct yaml_reading *reading, const char *text, size_t length);

/* Give a text the kind it has by the core schema; or the one that a core tag ("int") says, false
 * when it is no such thing. */
void yaml_resolve_plain(const struct yaml_reading *reading, struct yaml_node *node);
bool yaml_resolve_tagged(const struct yaml_reading *reading, struct yaml_node *node,
                         const char *tag);

/* Whether the keys of a table are texts and different. */
bool yaml_check_keys(struct yaml_reading *reading, size_t table);

/* Appends the JSON. */
bool yaml_write(struct yaml_reading *reading, struct buffer *out);

#endif
