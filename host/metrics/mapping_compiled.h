/*
 * What a mapping looks like inside. Only mapping.c, which makes it, and the renamer, which reads
 * it, include this.
 *
 * Every alternative has an index over the whole mapping, and so has every binding of a source
 * sample name to a part. The trie `samples` leads from a sample name to a name_use: the chain of
 * its bindings, or the family that is exposed already when the name is a standard one. The trie
 * of `metas` does the same for the names in HELP and TYPE lines.
 */
#ifndef KTHENA_METRICS_MAPPING_COMPILED_H
#define KTHENA_METRICS_MAPPING_COMPILED_H

#include "metrics/decimal.h"
#include "metrics/exposition.h"
#include "metrics/mapping.h"
#include "metrics/trie.h"

#include <stdatomic.h>

#define MAPPING_NONE (-1)

struct binding {
    int family;
    int alternative;
    enum part_role role;
    bool scaled;
    struct decimal scale;
    int next; /* the next binding of the same sample name, or MAPPING_NONE */
};

struct where {
    char *label;
    char *value;
};

struct alternative {
    char *meta;
    char *open_meta; /* the same without "_total", as OpenMetrics has it, or NULL */
    bool needs_all;
    unsigned roles; /* bit set of its parts' roles */
    struct where *wheres;
    size_t where_count;
};

enum label_edit_kind { LABEL_DROP, LABEL_RENAME, LABEL_ADD };

struct label_edit {
    enum label_edit_kind kind;
    char *name;  /* dropped, renamed from, added */
    char *value; /* renamed to, or the added value, escaped */
};

struct family {
    char *name;
    struct span samples[PART_ROLES]; /* the name of a sample in each role; at is owned */
    enum metric_type type;
    char *help; /* escaped as in the text format, or NULL */
    enum merge_kind merge;
    struct label_edit *edits;
    size_t edit_count;
    int first_alternative;
    int alternative_count;
};

struct name_use {
    char *name;
    int binding;  /* first of the chain, or MAPPING_NONE */
    int exposes;  /* standard family this name belongs to, or MAPPING_NONE */
    bool selects; /* some binding's alternative selects series by labels */
};

struct name_uses {
    struct name_use *uses;
    size_t count;
    struct trie *trie;
};

struct mapping {
    atomic_int references;
    struct family *families;
    size_t family_count;
    struct alternative *alternatives;
    size_t alternative_count;
    struct binding *bindings;
    size_t binding_count;
    struct name_uses samples;
    struct name_uses metas;
};

#endif
