#include "store/lock_record.h"

#include "base/buffer.h"
#include "base/clock.h"
#include "base/file.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

enum { FIELDS = 9, FIELD_STARTED = 22, FIELD_STATE = 3 };

/* One word of printable ASCII, as what is read from a shared volume ends up on terminals. */
static void copy_word(const char *text, size_t length, char *word, size_t size) {
    size_t count = 0;
    for (size_t i = 0; i < length && count + 1 < size; i++)
        word[count++] = text[i] > ' ' && text[i] < 0x7f ? text[i] : '_';
    if (count == 0)
        word[count++] = '-';
    word[count] = '\0';
}

/* The state and the start time of a process: false when it is not to be seen. */
static bool read_process(int64_t pid, char *state, uint64_t *started) {
    char path[40];
    struct buffer text = {0};
    snprintf(path, sizeof path, "/proc/%" PRId64 "/stat", pid);
    struct error *error = file_read(path, 4096, &text);
    bool good = !error;
    error_free(error);
    /* The command's name, in parentheses, may hold anything. */
    const char *at = good ? strrchr(buffer_text(&text), ')') : NULL;
    for (int field = FIELD_STATE; at && field <= FIELD_STARTED; field++) {
        at = strchr(at, ' ');
        at = at ? at + 1 : NULL;
        if (at && field == FIELD_STATE)
            *state = *at;
    }
    if (at)
        *started = strtoull(at, NULL, 10);
    buffer_free(&text);
    return at != NULL;
}

void lock_record_own(struct lock_record *record) {
    char state;
    struct stat about;
    char since[CLOCK_TEXT_SIZE];
    char host[256] = "";
    *record = (struct lock_record){.pid = getpid()};
    gethostname(host, sizeof host - 1);
    copy_word(host, strlen(host), record->host, LOCK_HOST_SIZE);
    store_boot_id(record->boot);
    read_process(record->pid, &state, &record->started);
    record->name_space = stat("/proc/self/ns/pid", &about) == 0 ? about.st_ino : 0;
    record->token[0] = store_random();
    record->token[1] = store_random();
    clock_text(clock_wall(), since);
    snprintf(record->since, sizeof record->since, "%.19sZ", since); /* without the fraction */
}

void lock_record_format(const struct lock_record *record, char text[LOCK_RECORD_SIZE]) {
    memset(text, ' ', LOCK_RECORD_SIZE);
    int length = snprintf(
        text, LOCK_RECORD_SIZE,
        "kthena-lock 1\nhost %s\npid %" PRId64 "\nstarted %" PRIu64 "\nboot %s\nnamespace %" PRIu64
        "\ntoken %016" PRIx64 "%016" PRIx64 "\nsince %s\nbeat %" PRIu64 "\n",
        record->host, record->pid, record->started, record->boot, record->name_space,
        record->token[0], record->token[1], record->since, record->beat);
    uint64_t sum = XXH3_64bits(text, (size_t)length);
    int tail = snprintf(text + length, LOCK_RECORD_SIZE - (size_t)length, "sum %016" PRIx64, sum);
    text[length + tail] = ' ';
    text[LOCK_RECORD_SIZE - 1] = '\n';
}

static bool is_word(const char *text) {
    char word[256];
    copy_word(text, strlen(text), word, sizeof word);
    return strcmp(word, text) == 0;
}

bool lock_record_parse(const char *bytes, size_t length, struct lock_record *record) {
    char text[LOCK_RECORD_SIZE + 1];
    uint64_t sum;
    if (length != LOCK_RECORD_SIZE || memchr(bytes, '\0', length))
        return false;
    memcpy(text, bytes, length);
    text[length] = '\0';
    const char *tail = strstr(text, "\nsum ");
    if (!tail || sscanf(tail, "\nsum %16" SCNx64, &sum) != 1 ||
        sum != XXH3_64bits(text, (size_t)(tail + 1 - text)))
        return false;
    *record = (struct lock_record){.pid = 0};
    int fields =
        sscanf(text,
               "kthena-lock 1\nhost %64s\npid %" SCNd64 "\nstarted %" SCNu64
               "\nboot %39s\nnamespace %" SCNu64 "\ntoken %16" SCNx64 "%16" SCNx64
               "\nsince %31s\nbeat %" SCNu64,
               record->host, &record->pid, &record->started, record->boot, &record->name_space,
               &record->token[0], &record->token[1], record->since, &record->beat);
    return fields == FIELDS && record->pid > 0 && is_word(record->host) && is_word(record->boot) &&
           is_word(record->since);
}

bool lock_record_is_same(const struct lock_record *a, const struct lock_record *b) {
    return a->token[0] == b->token[0] && a->token[1] == b->token[1];
}

bool lock_record_same_boot(const struct lock_record *a, const struct lock_record *b) {
    return strcmp(a->boot, b->boot) == 0 && strcmp(a->boot, "-") != 0;
}

bool lock_record_is_gone(const struct lock_record *owner, const struct lock_record *own) {
    char state = '?';
    uint64_t started = 0;
    /* Virtual machines resumed from one snapshot share a boot id, but hardly a name. */
    if (!lock_record_same_boot(owner, own) || strcmp(owner->host, own->host) != 0 ||
        owner->name_space == 0 || owner->name_space != own->name_space)
        return false;
    if (owner->pid > INT32_MAX || (kill((pid_t)owner->pid, 0) != 0 && errno == ESRCH))
        return true;
    if (!read_process(owner->pid, &state, &started))
        return false; /* hidden from this user, but there */
    return state == 'Z' || state == 'X' || (owner->started != 0 && owner->started != started);
}
