/*
 * The journal as a crash, a broken disk or a hostile hand left it. The first byte of the input says
 * whether the rest is the file as it is, or a list of payloads (each behind its length in one byte)
 * that get right frames, so that what is behind the checksums is reached too. Then a download goes
 * on from it: what it notes, and nothing else, has to be there when it is opened again.
 */
#include "store/journal.h"

#include "store/journal_internal.h"
#include "store/journal_record.h"

#include "fuzz.h"

#include <dirent.h>
#include <fcntl.h>
#include <unistd.h>
#include <xxhash.h>

static struct directory directory;
static char path[64];

static void remove_directory(void) {
    unlinkat(directory.fd, ".kthena/journal", 0);
    unlinkat(directory.fd, ".kthena", AT_REMOVEDIR);
    directory_close(&directory);
    rmdir(path);
}

/* In memory where there is such a file system. */
static void open_directory(void) {
    DIR *memory = opendir("/dev/shm");
    snprintf(path, sizeof path, "%s/kthena-journal-fuzz-XXXXXX", memory ? "/dev/shm" : "/tmp");
    if (memory)
        closedir(memory);
    must(mkdtemp(path) && !directory_open(path, &directory));
    atexit(remove_directory);
}

/* A record of a header that the fuzzer need not find, then the payloads. */
static void frame(const uint8_t *at, const uint8_t *end, struct buffer *out) {
    struct record header = {RECORD_HEADER, {0}, {JOURNAL_FORMAT, "boot", "plan"}};
    must(record_encode(&header, 0, out));
    while (at < end) {
        size_t length = *at++;
        length = length < (size_t)(end - at) ? length : (size_t)(end - at);
        uint64_t sum = XXH3_64bits_withSeed(at, length, out->length);
        char head[RECORD_FRAME] = {(char)length};
        for (int i = 0; i < 8; i++)
            head[4 + i] = (char)(sum >> (8 * i));
        buffer_append(out, head, sizeof head);
        buffer_append(out, at, length);
        at += length;
    }
}

static void put_journal(const void *bytes, size_t length) {
    int fd = openat(directory.work_fd, "journal", O_WRONLY | O_CREAT | O_TRUNC, 0666);
    must(fd >= 0 && write(fd, bytes, length) == (ssize_t)length);
    close(fd);
}

static void make_part(uint64_t part, int64_t size) {
    int fd;
    must(!directory_open_part(&directory, part, &fd) && ftruncate(fd, size) == 0);
    close(fd);
}

static void check_sound(const struct journal_file *file) {
    must(file->part > 0 && file->size >= -1 && file->etag && file->identity && file->digest);
    must(!file->complete || file->range_count == 0);
    for (size_t i = 0; i < file->range_count; i++) {
        const struct journal_range *range = &file->ranges[i];
        must(range->first >= 0 && range->first < range->end);
        must(file->size < 0 || range->end <= file->size);
        must(i == 0 || range->first > file->ranges[i - 1].end);
    }
}

/* The files that payloads are likely to name, and one that none does. */
static const char *const names[] = {"a", "b", "dir/c", "none of these"};
enum { NAMES = sizeof names / sizeof *names };

/* Goes on as a download does. */
static void go_on(struct journal *journal, uint64_t parts[NAMES]) {
    for (size_t i = 0; i < NAMES; i++) {
        const struct journal_file *file = journal_find(journal, names[i]);
        if (file)
            check_sound(file);
        must(!journal_begin(journal, names[i], 100, "e", "md5:00", &parts[i]));
        for (size_t other = 0; other < i; other++)
            must(parts[i] != parts[other]);
        make_part(parts[i], 100);
        must(!journal_restart(journal, names[i]));
        must(!journal_written(journal, names[i], 10, 20));
        must(!journal_sync(journal, journal_mark(journal)));
        must(!journal_written(journal, names[i], 20, 30));
    }
    must(!journal_complete(journal, names[0], "md5:01", 5, 6));
    must(!journal_sync(journal, journal_mark(journal)));
    must(!journal_written(journal, names[NAMES - 1], 30, 40)); /* not synced, but of this boot */
}

static void check_there(struct journal *journal, const uint64_t parts[NAMES]) {
    const struct journal_file *file = journal_find(journal, names[0]);
    must(file && file->complete && strcmp(file->digest, "md5:01") == 0);
    must(file->mtime_ns == 5 && file->inode == 6);
    for (size_t i = 1; i < NAMES; i++) {
        file = journal_find(journal, names[i]);
        must(file && file->part == parts[i] && file->size == 100 && !file->complete);
        must(file->range_count == 1 && file->ranges[0].first == 10);
        must(file->ranges[0].end == (i + 1 < NAMES ? 30 : 40));
    }
}

static struct journal *open_in(const char *plan, const char *boot) {
    struct journal *journal;
    must(!journal_open_in(&directory, plan, boot, &journal));
    return journal;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct buffer bytes = {0};
    uint64_t parts[NAMES];
    if (size == 0)
        return 0;
    if (!directory.path)
        open_directory();
    if (data[0] & 1)
        frame(data + 1, data + size, &bytes);
    else
        buffer_append(&bytes, data + 1, size - 1);
    put_journal(bytes.length ? bytes.data : "", bytes.length);
    buffer_free(&bytes);
    for (uint64_t part = 1; part < 4; part++)
        make_part(part, 100);
    const char *plan = data[0] & 2 ? "other" : "plan";
    const char *boot = data[0] & 4 ? "new" : "boot";
    struct journal *journal = open_in(plan, boot);
    go_on(journal, parts);
    journal_close(journal);
    journal = open_in(plan, boot);
    check_there(journal, parts);
    journal_remove(journal);
    return 0;
}
