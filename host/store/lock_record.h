/*
 * What stands in a lock file: who works in the directory. lock.c writes and reads it; here is its
 * form, who this process is, and whether a process of this machine is gone. A record is a text of
 * always the same length with a checksum, so that it is overwritten in place, needs no more room on
 * a full disk, and one that is half written is known as such.
 */
#ifndef KTHENA_STORE_LOCK_RECORD_H
#define KTHENA_STORE_LOCK_RECORD_H

#include "store/store_internal.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { LOCK_RECORD_SIZE = 512, LOCK_HOST_SIZE = 65, LOCK_SINCE_SIZE = 32 };

struct lock_record {
    char host[LOCK_HOST_SIZE];
    int64_t pid;
    uint64_t started;           /* clock ticks after the boot; 0: not known */
    char boot[STORE_BOOT_SIZE]; /* "-": not known */
    uint64_t name_space;        /* of process ids; 0: not known */
    uint64_t token[2];          /* random, of this one locking */
    char since[LOCK_SINCE_SIZE];
    uint64_t beat;
};

/* This process, with a new token, from now on. */
void lock_record_own(struct lock_record *record);

void lock_record_format(const struct lock_record *record, char text[LOCK_RECORD_SIZE]);

/* False when the bytes are no whole record. */
bool lock_record_parse(const char *bytes, size_t length, struct lock_record *record);

bool lock_record_is_same(const struct lock_record *a, const struct lock_record *b); /* token */

/* Whether both are of one running kernel. */
bool lock_record_same_boot(const struct lock_record *a, const struct lock_record *b);

/* Whether the owner's process is known to be gone: only told from where its process id means
 * something. */
bool lock_record_is_gone(const struct lock_record *owner, const struct lock_record *own);

#endif
