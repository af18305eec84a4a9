#include "transfer/download_internal.h"

#include "base/memory.h"

#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Ends the run when the error is none. */
static void check(struct download *download, struct error *error) {
    if (error)
        download_fail(download, error);
}

static void set_text(char **text, const char *value) {
    char *copy = value ? memory_string(value) : NULL;
    memory_free(*text);
    *text = copy;
}

static struct piece *add_piece(struct fetch *fetch, int64_t at, int64_t end) {
    struct piece *piece = memory_zero(1, sizeof *piece);
    *piece = (struct piece){.next = fetch->pieces,
                            .at = at,
                            .end = end,
                            .started = at,
                            .journaled = at,
                            .attempt = 1,
                            .tries = 1};
    fetch->pieces = piece;
    fetch->piece_count++;
    return piece;
}

static void remove_piece(struct fetch *fetch, struct piece *piece) {
    struct piece **link = &fetch->pieces;
    while (*link != piece)
        link = &(*link)->next;
    *link = piece->next;
    fetch->piece_count--;
    memory_free(piece);
}

static void remove_pieces(struct fetch *fetch) {
    while (fetch->pieces)
        remove_piece(fetch, fetch->pieces);
}

static void set_done(struct download *download, struct fetch *fetch, int64_t done) {
    atomic_fetch_add(&download->progress->bytes_done, done - fetch->done);
    fetch->done = done;
}

/* Everything is missing. */
static void miss_all(struct fetch *fetch) {
    fetch->gap_count = fetch->gap_next = 0;
    if (fetch->size == 0)
        return;
    fetch->gaps = memory_resize(fetch->gaps, sizeof *fetch->gaps);
    fetch->gaps[0] = (struct journal_range){.end = fetch->size < 0 ? INT64_MAX : fetch->size};
    fetch->gap_count = 1;
}

/* What lies between the ranges an earlier run wrote. Returns how many bytes those are. */
static int64_t miss_the_rest(struct fetch *fetch, const struct journal_file *found) {
    int64_t at = 0, there = 0;
    fetch->gap_count = fetch->gap_next = 0;
    fetch->gaps = memory_resize(fetch->gaps, (found->range_count + 1) * sizeof *fetch->gaps);
    for (size_t i = 0; i < found->range_count; i++) {
        struct journal_range range = found->ranges[i];
        if (range.first > at)
            fetch->gaps[fetch->gap_count++] =
                (struct journal_range){.first = at, .end = range.first};
        there += range.end - range.first;
        at = range.end;
    }
    if (at < fetch->size)
        fetch->gaps[fetch->gap_count++] = (struct journal_range){.first = at, .end = fetch->size};
    return there;
}

static struct part *make_part(struct download *download, struct fetch *fetch) {
    struct part *part = part_new(download, fetch->index);
    part->fetch = fetch;
    set_text(&part->etag, fetch->etag);
    set_text(&part->identity, fetch->identity);
    part_expect(part, fetch->kind, fetch->hex);
    return part;
}

struct error *fetch_open_part(struct download *download, struct fetch *fetch) {
    fetch->part = make_part(download, fetch);
    return part_open(fetch->part, fetch->size, false);
}

/* Goes on with what an earlier run wrote; false when there is nothing, or nothing to trust. */
static bool resume(struct download *download, struct fetch *fetch) {
    const char *path = fetch->file->path;
    const struct journal_file *found = journal_find(download->journal, path);
    if (fetch->size <= 0 || !found || found->complete || found->range_count == 0 ||
        !prepare_is_same(found, fetch->size, fetch->etag, fetch->identity))
        return false;
    int64_t end = found->ranges[found->range_count - 1].end;
    set_text(&fetch->etag, *found->etag ? found->etag : fetch->etag);
    int64_t there = miss_the_rest(fetch, found);
    fetch->part = make_part(download, fetch);
    struct error *error = part_open(fetch->part, fetch->size, true);
    struct stat about;
    if (error) {
        download_fail(download, error);
        return true;
    }
    if (fstat(fetch->part->fd, &about) != 0 || about.st_size < end) {
        part_abandon(fetch->part); /* somebody has been at the partial file */
        fetch->part = NULL;
        return false;
    }
    set_done(download, fetch, there);
    fetch->resumed = true;
    return true;
}

/* The bytes from the start that are written. */
static int64_t prefix_of(const struct fetch *fetch) {
    int64_t prefix = fetch->size < 0 ? INT64_MAX : fetch->size;
    if (fetch->gap_next < fetch->gap_count)
        prefix = fetch->gaps[fetch->gap_next].first;
    for (const struct piece *piece = fetch->pieces; piece; piece = piece->next)
        if (piece->at < prefix)
            prefix = piece->at;
    return prefix;
}

static bool is_whole(const struct fetch *fetch) {
    return !fetch->pieces && fetch->gap_next >= fetch->gap_count;
}

/* Knows what there is to know before the first byte: looks what is there of it. */
static void begin_bytes(struct download *download, struct fetch *fetch) {
    set_done(download, fetch, 0);
    if (!resume(download, fetch))
        miss_all(fetch);
    progress_leave(download->progress, fetch->slot);
    fetch->slot = progress_enter(download->progress, fetch->file->path, fetch->size);
    progress_advance(download->progress, fetch->slot, fetch->done);
    if (fetch->size == 0)
        check(download, fetch_open_part(download, fetch));
    if (fetch->part && !download_stopped(download))
        part_advance(fetch->part, prefix_of(fetch), is_whole(fetch));
}

/* Whether to ask HEAD before anything else: for what the plan does not say, and where a part of
 * the file is there, for a digest that only a reply with the whole would tell. */
static bool wants_head(struct download *download, const struct fetch *fetch) {
    if (fetch->file->ask_head || fetch->size < 0)
        return true;
    const struct journal_file *found = journal_find(download->journal, fetch->file->path);
    return !*fetch->hex && fetch->access->digest_count > 0 && found && found->range_count > 0;
}

static void begin_content(struct download *download, struct fetch *fetch) {
    fetch->ask_head = wants_head(download, fetch);
    if (fetch->ask_head)
        add_piece(fetch, 0, 0)->head = true;
    else
        begin_bytes(download, fetch);
}

/* Has hashers look whether the file is there already. */
static struct error *adopt(struct download *download, struct fetch *fetch) {
    fetch->part = make_part(download, fetch);
    fetch->part->adopting = true;
    fetch->part->size = fetch->size;
    struct error *error =
        directory_open_file(download->directory, fetch->file->path, &fetch->part->fd);
    if (!error)
        part_advance(fetch->part, fetch->size, true);
    return error;
}

void fetch_begin(struct download *download, size_t index) {
    const struct plan_file *file = &download->plan->files[index];
    struct fetch *fetch = memory_zero(1, sizeof *fetch);
    fetch->file = file;
    fetch->access = &download->plan->accesses[file->access];
    fetch->index = index;
    fetch->size = file->size;
    fetch->kind = file->digest;
    if (file->hex)
        memcpy(fetch->hex, file->hex, strlen(file->hex) + 1);
    fetch->etag = prepare_etag(file);
    fetch->identity = prepare_identity(download, file);
    fetch->done = file->present; /* as prepare_work has counted it */
    fetch->slot = progress_enter(download->progress, file->path, file->size);
    *download->fetches_end = fetch;
    download->fetches_end = &fetch->next;
    download->fetch_count++;
    if (download->outcomes[index].may_adopt)
        check(download, adopt(download, fetch));
    else
        begin_content(download, fetch);
}

bool fetch_is_open(const struct fetch *fetch) {
    return !is_whole(fetch);
}

/* Cuts the next piece off the gaps. */
static struct piece *cut(struct download *download, struct fetch *fetch) {
    struct journal_range *gap = &fetch->gaps[fetch->gap_next];
    int64_t at = gap->first, end = gap->end;
    bool all = fetch->single || fetch->size < 0;
    if (!all && end - at > download->config.part_bytes)
        end = at + download->config.part_bytes;
    gap->first = end;
    if (end == gap->end)
        fetch->gap_next++;
    struct piece *piece = add_piece(fetch, at, end);
    if (all) { /* the next try of a stream that cannot be gone on with */
        piece->attempt += fetch->attempts;
        piece->tries += fetch->tries;
    }
    return piece;
}

struct piece *fetch_next_piece(struct download *download, struct fetch *fetch, int limit) {
    bool alone = fetch->single || fetch->size < 0 || fetch->ask_head;
    if (fetch->in_flight >= (alone ? 1 : limit))
        return NULL;
    for (struct piece *piece = fetch->pieces; piece; piece = piece->next)
        if (!piece->in_flight && piece->not_before <= download->now_ms)
            return piece;
    if (fetch->ask_head || fetch->gap_next >= fetch->gap_count ||
        fetch->not_before > download->now_ms || fetch->piece_count >= (alone ? 1 : limit))
        return NULL;
    return cut(download, fetch);
}

void fetch_learn_digest(struct fetch *fetch, enum digest_kind kind, const char *hex) {
    if (*fetch->hex || fetch->part)
        return;
    fetch->kind = kind;
    memcpy(fetch->hex, hex, strlen(hex) + 1);
    memory_free(fetch->identity);
    fetch->identity = memory_format("%s:%s", digest_name(kind), hex);
}

void fetch_learn_size(struct download *download, struct fetch *fetch, int64_t size) {
    int64_t before = fetch->size < 0 ? 0 : fetch->size;
    atomic_fetch_add(&download->progress->bytes_total, (size < 0 ? 0 : size) - before);
    fetch->size = size;
}

void fetch_learn_etag(struct fetch *fetch, const char *etag) {
    set_text(&fetch->seen, etag);
    if (!fetch->etag && !fetch->part)
        set_text(&fetch->etag, etag);
}

void fetch_renew(struct download *download, struct fetch *fetch, bool foreign, const char *etag,
                 int64_t size) {
    const struct plan_file *file = fetch->file;
    set_text(&fetch->seen, NULL);
    if (!foreign || !file->etag)
        set_text(&fetch->etag, etag);
    if (size >= 0)
        fetch_learn_size(download, fetch, size);
    if (file->hex)
        return;
    fetch->hex[0] = '\0';
    memory_free(fetch->identity);
    fetch->identity = prepare_identity(download, file);
}

struct error *fetch_journal(struct download *download, struct fetch *fetch, struct piece *piece) {
    int64_t first = piece->journaled;
    if (piece->at <= first || !fetch->part || fetch->size < 0)
        return NULL;
    piece->journaled = piece->at;
    piece->journal_ms = download->now_ms;
    return journal_written(download->journal, fetch->file->path, first, piece->at);
}

struct error *fetch_wrote(struct download *download, struct fetch *fetch, struct piece *piece,
                          int64_t bytes) {
    int64_t told = piece->at / HASH_STEP;
    piece->at += bytes;
    set_done(download, fetch, fetch->done + bytes);
    atomic_fetch_add(&download->progress->bytes_fetched, bytes);
    part_wrote(fetch->part, bytes);
    if (piece->at / HASH_STEP != told && piece->at < piece->end) {
        int64_t prefix = prefix_of(fetch);
        progress_advance(download->progress, fetch->slot, fetch->done);
        if (prefix == piece->at)
            part_advance(fetch->part, prefix, false);
    }
    int64_t unknown = piece->at - piece->journaled;
    bool due = unknown >= JOURNAL_STEP ||
               (unknown >= JOURNAL_STEP_SLOW && download->now_ms - piece->journal_ms >= JOURNAL_MS);
    return due ? fetch_journal(download, fetch, piece) : NULL;
}

void fetch_after_head(struct download *download, struct fetch *fetch, struct piece *piece) {
    remove_piece(fetch, piece);
    fetch->ask_head = false;
    begin_bytes(download, fetch);
}

void fetch_piece_done(struct download *download, struct fetch *fetch, struct piece *piece) {
    if (fetch->size < 0)
        fetch_learn_size(download, fetch, piece->at);
    bool small = fetch->size < JOURNAL_STEP && fetch->piece_count == 1 &&
                 fetch->gap_next >= fetch->gap_count;
    if (!small) /* the record that it is complete follows soon */
        check(download, fetch_journal(download, fetch, piece));
    remove_piece(fetch, piece);
    progress_advance(download->progress, fetch->slot, fetch->done);
    part_advance(fetch->part, prefix_of(fetch), is_whole(fetch));
}

void fetch_restart(struct download *download, struct fetch *fetch) {
    remove_pieces(fetch);
    part_abandon(fetch->part);
    fetch->part = NULL;
    fetch->resumed = false;
    set_done(download, fetch, 0);
    progress_advance(download->progress, fetch->slot, 0);
    fetch->ask_head = false;
    miss_all(fetch);
    if (fetch->size == 0)
        check(download, fetch_open_part(download, fetch));
    if (fetch->part && !download_stopped(download))
        part_advance(fetch->part, 0, true);
}

static void fetch_free(struct download *download, struct fetch *fetch) {
    remove_pieces(fetch);
    part_abandon(fetch->part);
    progress_leave(download->progress, fetch->slot);
    memory_free(fetch->etag);
    memory_free(fetch->seen);
    memory_free(fetch->identity);
    memory_free(fetch->location);
    memory_free(fetch->gaps);
    memory_free(fetch);
}

static void remove_fetch(struct download *download, struct fetch *fetch) {
    struct fetch **link = &download->fetches;
    while (*link != fetch)
        link = &(*link)->next;
    *link = fetch->next;
    if (download->fetches_end == &fetch->next)
        download->fetches_end = link;
    download->fetch_count--;
    fetch_free(download, fetch);
}

static void mismatch(struct download *download, struct fetch *fetch, const struct part *part) {
    struct progress *progress = download->progress;
    atomic_fetch_add(&progress->mismatches, 1);
    if (++fetch->mismatches == 1) {
        atomic_fetch_add(&progress->retries[RETRY_DIGEST], 1);
        memory_free(fetch->location);
        fetch->location = NULL;
        fetch_restart(download, fetch);
        return;
    }
    check(download, journal_restart(download->journal, fetch->file->path));
    directory_remove_part(download->directory, part->number);
    char *shown = url_for_people(fetch->file->url);
    download_fail(download,
                  error_new(ERROR_PROTOCOL, NULL,
                            "could not download '%s': what %s sent has the %s digest %s, twice, "
                            "and should have %s",
                            fetch->file->path, shown, digest_name(part->kind), part->actual,
                            part->expected));
    memory_free(shown);
}

void fetch_finished(struct download *download, struct part *part) {
    struct fetch *fetch = part->fetch;
    if (part->result == PART_PUBLISHED) {
        download->left--;
        if (fetch)
            remove_fetch(download, fetch);
    } else if (!fetch) {
        const struct plan_file *file = &download->plan->files[part->index];
        directory_remove_part(download->directory, part->number);
        atomic_fetch_add(&download->progress->mismatches, 1);
        download_fail(download, error_new(ERROR_PROTOCOL, NULL,
                                          "could not copy '%s': it has the %s digest %s and should "
                                          "have %s",
                                          file->local, digest_name(part->kind), part->actual,
                                          part->expected));
    } else if (part->adopting) { /* another file, which the right one will replace */
        part_abandon(fetch->part);
        fetch->part = NULL;
        check(download, directory_require_space(download->directory, fetch->size));
        begin_content(download, fetch);
    } else {
        mismatch(download, fetch, part);
    }
    part_unref(part);
}

void fetch_free_all(struct download *download) {
    while (download->fetches)
        remove_fetch(download, download->fetches);
}
