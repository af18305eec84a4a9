#include "store/journal_record.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>
#include <xxhash.h>

enum { READ_SIZE = 64 * 1024 };

/* How many numbers and texts a type has. */
static bool shape_of(enum record_type type, size_t *numbers, size_t *texts) {
    static const struct {
        enum record_type type;
        size_t numbers, texts;
    } shapes[] = {
        {RECORD_HEADER, 0, 3},   {RECORD_BEGIN, 2, 3},   {RECORD_WRITTEN, 3, 0},
        {RECORD_COMPLETE, 3, 1}, {RECORD_RESTART, 1, 0}, {RECORD_SYNC, 1, 0},
    };
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        if (shapes[i].type != type)
            continue;
        *numbers = shapes[i].numbers;
        *texts = shapes[i].texts;
        return true;
    }
    return false;
}

static void put(char *to, uint64_t number, size_t size) {
    for (size_t i = 0; i < size; i++)
        to[i] = (char)(number >> (8 * i));
}

static uint64_t get(const char *from, size_t size) {
    uint64_t number = 0;
    for (size_t i = 0; i < size; i++)
        number |= (uint64_t)(unsigned char)from[i] << (8 * i);
    return number;
}

bool record_encode(const struct record *record, uint64_t offset, struct buffer *out) {
    size_t start = out->length;
    size_t numbers = 0;
    size_t texts = 0;
    char bytes[RECORD_FRAME] = {0};
    shape_of(record->type, &numbers, &texts);
    buffer_append(out, bytes, RECORD_FRAME);
    buffer_byte(out, (char)record->type);
    for (size_t i = 0; i < numbers; i++) {
        put(bytes, record->numbers[i], 8);
        buffer_append(out, bytes, 8);
    }
    for (size_t i = 0; i < texts; i++)
        buffer_append(out, record->texts[i], strlen(record->texts[i]) + 1);
    size_t length = out->length - start - RECORD_FRAME;
    if (length > RECORD_MAX) {
        out->length = start;
        return false;
    }
    char *frame = out->data + start;
    put(frame, length, 4);
    put(frame + 4, XXH3_64bits_withSeed(frame + RECORD_FRAME, length, offset), 8);
    return true;
}

bool record_decode(const char *payload, size_t length, struct record *record) {
    size_t numbers;
    size_t texts;
    *record = (struct record){.numbers = {0}};
    if (length == 0 || !shape_of((enum record_type)(unsigned char)payload[0], &numbers, &texts))
        return false;
    const char *at = payload + 1;
    const char *end = payload + length;
    record->type = (enum record_type)(unsigned char)payload[0];
    for (size_t i = 0; i < numbers; i++, at += 8) {
        if (end - at < 8)
            return false;
        record->numbers[i] = get(at, 8);
    }
    for (size_t i = 0; i < texts; i++) {
        const char *nul = memchr(at, '\0', (size_t)(end - at));
        if (!nul)
            return false;
        record->texts[i] = at;
        at = nul + 1;
    }
    return at == end;
}

/* Has that many unread bytes in the buffer; false when the file has no more. */
static bool fill(struct record_reader *reader, size_t need) {
    struct buffer *buffer = &reader->buffer;
    if (buffer->length - reader->used >= need)
        return true;
    buffer->length -= reader->used;
    if (buffer->length > 0)
        memmove(buffer->data, buffer->data + reader->used, buffer->length);
    reader->used = 0;
    while (buffer->length < need) {
        ssize_t got = pread(reader->fd, buffer_reserve(buffer, READ_SIZE), READ_SIZE,
                            (off_t)(reader->offset + buffer->length));
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return false;
        buffer->length += (size_t)got;
    }
    return true;
}

bool record_next(struct record_reader *reader, struct record *record, uint64_t *offset) {
    if (!fill(reader, RECORD_FRAME))
        return false;
    size_t length = (size_t)get(reader->buffer.data + reader->used, 4);
    if (length > RECORD_MAX || !fill(reader, RECORD_FRAME + length))
        return false;
    const char *frame = reader->buffer.data + reader->used;
    if (get(frame + 4, 8) != XXH3_64bits_withSeed(frame + RECORD_FRAME, length, reader->offset) ||
        !record_decode(frame + RECORD_FRAME, length, record))
        return false;
    *offset = reader->offset;
    reader->used += RECORD_FRAME + length;
    reader->offset += RECORD_FRAME + length;
    return true;
}
