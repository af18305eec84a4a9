/*
 * A snapshot of every rule file of every layer, with its content: what is checked and compiled is
 * exactly what was read, and whether anything changed is a comparison of contents, never of times
 * (a ConfigMap mount swaps a symlink). The generation builder and the rulebook's watcher use it.
 *
 * Layers are the built-in directory and then each directory the user named, in order. In each,
 * engines/NAME.lua, sources/NAME.lua and workflows/NAME.lua are rule files, of the kind that the
 * directory says, and so is NAME.lua directly in the layer's directory, of any kind, because a
 * ConfigMap cannot hold subdirectories. A later layer's file replaces an earlier one of the same
 * name, which must be of the same kind. Names that begin with a dot are skipped.
 *
 * A snapshot never fails: what could not be read is in it as a problem, so that a directory that
 * vanishes is a change like any other. It is immutable and reference-counted.
 */
#ifndef KTHENA_POLICY_FILES_H
#define KTHENA_POLICY_FILES_H

#include "policy/problems.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

enum {
    RULE_FILE_BYTES_MAX = 1024 * 1024, /* of one file */
    RULE_FILES_MAX = 1000,             /* of all layers together */
};

enum rule_kind {
    RULE_ANY,
    RULE_ENGINE,
    RULE_SOURCE,
    RULE_WORKFLOW,
    RULE_KINDS, /* how many there are */
};

struct layers {
    const char *builtin;            /* the built-in rules directory */
    const char *const *directories; /* the user's, in order */
    size_t count;
};

struct rule_file {
    char *name;          /* "acme.lua" */
    char *display;       /* how people know it: "rules/engines/acme.lua", "/etc/kthena/acme.lua" */
    char *layer;         /* the directory it came from, as given */
    size_t rank;         /* of that layer; 0 is the built-in one */
    char *replaces;      /* display of the earlier layer's file it replaces, or NULL */
    enum rule_kind kind; /* what its directory, or the file it replaces, demands */
    char *text;
    size_t length;
};

struct snapshot {
    struct rule_file *files; /* by name */
    size_t count;
    struct problems problems; /* what could not be read */
    atomic_int references;
};

/* Reads all layers. The texts in layers are copied. The result has one reference. */
struct snapshot *snapshot_read(const struct layers *layers);

/* The word for a kind: "engine", "source", "workflow"; NULL for RULE_ANY. Its directory is the
 * word with an "s". */
const char *rule_kind_name(enum rule_kind kind);

/* Makes a snapshot of one file with this content, as if it were the only rule file there is. Its
 * kind is the one that the directory in display says. */
struct snapshot *snapshot_of(const char *display, const char *text, size_t length);

/* Whether two snapshots hold the same files with the same contents, and the same problems. */
bool snapshot_equal(const struct snapshot *a, const struct snapshot *b);

struct snapshot *snapshot_ref(struct snapshot *snapshot);
void snapshot_unref(struct snapshot *snapshot); /* NULL is fine */

#endif
