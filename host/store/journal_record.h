/*
 * The records of a journal as bytes. Each is framed by its length and a checksum over its payload
 * that is seeded with the place it stands at, so that what a broken disk has moved is not believed
 * either. All numbers are little-endian. Files are named by their part number after the record that
 * begins them. journal.c writes records, journal_load.c reads them.
 */
#ifndef KTHENA_STORE_JOURNAL_RECORD_H
#define KTHENA_STORE_JOURNAL_RECORD_H

#include "base/buffer.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    RECORD_FRAME = 12,       /* length and checksum */
    RECORD_MAX = 128 * 1024, /* of payload */
    RECORD_TEXTS = 3,
};

enum record_type {
    RECORD_HEADER = 'H',   /* texts: the format, boot id, plan. The first one, and only there */
    RECORD_BEGIN = 'B',    /* part, size; texts: path, etag, identity. Parts only grow */
    RECORD_WRITTEN = 'W',  /* part, first, end */
    RECORD_COMPLETE = 'C', /* part, mtime, inode; texts: digest */
    RECORD_RESTART = 'R',  /* part */
    RECORD_SYNC = 'S',     /* all records before this offset are of what is on disk */
};

/* The numbers and texts of a record, in the order named above. */
struct record {
    enum record_type type;
    uint64_t numbers[3];
    const char *texts[RECORD_TEXTS];
};

/* Appends the record, framed for the offset where it will stand in the file. False, and nothing
 * appended, when it is too large. */
bool record_encode(const struct record *record, uint64_t offset, struct buffer *out);

/* Reads a payload; the texts point into it. */
bool record_decode(const char *payload, size_t length, struct record *record);

/* Reads the records of a file from its beginning, a piece of it in memory at a time. The owner sets
 * fd, the rest zero, and frees buffer. */
struct record_reader {
    int fd;
    uint64_t offset; /* of the next record, or of the end of the good ones */
    /* The rest is private. */
    struct buffer buffer; /* what was read from the file, */
    size_t used;          /* and how much of that is behind offset */
};

/* The next record and where it stands, valid until the next call. False at the end, be it the
 * file's or that of what can be read of it. */
bool record_next(struct record_reader *reader, struct record *record, uint64_t *offset);

#endif
