/*
 * What writing a manifest (manifest.c) and reading one (manifest_read.c) have in common: its
 * entries (manifest_entry.c).
 */
#ifndef KTHENA_STORE_MANIFEST_INTERNAL_H
#define KTHENA_STORE_MANIFEST_INTERNAL_H

#include "store/manifest.h"

#define MANIFEST_NAME "manifest"
enum { MANIFEST_VERSION = 1 };

/* What is wrong with an entry, or NULL. */
const char *manifest_check_file(const struct manifest_file *file);

/* Reads an element of "files"; returns what is wrong with it, or NULL. The caller frees the file in
 * either case. */
struct cJSON;
const char *manifest_read_file(const struct cJSON *object, struct manifest_file *file);

/* The bytes of a text in hexadecimal; NULL when it is none, or holds a NUL. The caller frees it. */
char *manifest_from_hex(const char *hex);

void manifest_free_file(struct manifest_file *file);

#endif
