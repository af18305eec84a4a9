#include "transfer/download_internal.h"

#include "base/memory.h"

#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

void fetch_set_done(struct download *download, struct fetch *fetch, int64_t done) {
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
    download_set_text(&part->etag, fetch->etag);
    download_set_text(&part->identity, fetch->identity);
    part_expect(part, fetch->kind, fetch->hex);
    return part;
}

struct error *fetch_open_part(struct download *download, struct fetch *fetch) {
    fetch->part = make_part(download, fetch);
    if (fetch->size < 0 || fetch->size > download->small_bytes)
        return part_open(fetch->part, fetch->size, false);
    part_open_small(fetch->part, fetch->size);
    return NULL;
}

/* Goes on with what an earlier run wrote; false when there is nothing, or nothing to trust. */
static bool resume(struct download *download, struct fetch *fetch) {
    const char *path = fetch->file->path;
    const struct journal_file *found = journal_find(download->journal, path);
    if (fetch->size <= 0 || !found || found->complete || found->range_count == 0 ||
        !prepare_is_same(found, fetch->size, fetch->etag, fetch->identity))
        return false;
    int64_t end = found->ranges[found->range_count - 1].end;
    download_set_text(&fetch->etag, *found->etag ? found->etag : fetch->etag);
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
    fetch_set_done(download, fetch, there);
    fetch->resumed = true;
    return true;
}

/* Knows what there is to know before the first byte: looks what is there of it. */
static void begin_bytes(struct download *download, struct fetch *fetch) {
    fetch_set_done(download, fetch, 0);
    if (!resume(download, fetch))
        miss_all(fetch);
    progress_leave(download->progress, fetch->slot);
    fetch->slot = progress_enter(download->progress, fetch->file->path, fetch->size);
    progress_advance(download->progress, fetch->slot, fetch->done);
    if (fetch->size == 0)
        download_fail(download, fetch_open_part(download, fetch));
    if (fetch->part && !download_stopped(download))
        part_advance(fetch->part, fetch_prefix(fetch), fetch_is_whole(fetch));
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
        fetch_add_piece(fetch, 0, 0)->head = true;
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
        download_fail(download, adopt(download, fetch));
    else
        begin_content(download, fetch);
}

void fetch_restart(struct download *download, struct fetch *fetch) {
    fetch_remove_pieces(fetch);
    part_abandon(fetch->part);
    fetch->part = NULL;
    fetch->resumed = fetch->untold = false;
    fetch_set_done(download, fetch, 0);
    progress_advance(download->progress, fetch->slot, 0);
    fetch->ask_head = false;
    miss_all(fetch);
    if (fetch->size == 0)
        download_fail(download, fetch_open_part(download, fetch));
    if (fetch->part && !download_stopped(download))
        part_advance(fetch->part, 0, true);
}

static void fetch_free(struct download *download, struct fetch *fetch) {
    fetch_remove_pieces(fetch);
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

static void remove_done(struct download *download, struct fetch *fetch) {
    download->left--;
    remove_fetch(download, fetch);
}

void fetch_after_head(struct download *download, struct fetch *fetch, struct piece *piece) {
    fetch_remove_piece(fetch, piece);
    fetch->ask_head = false;
    if (fetch->doubted)
        return; /* the pieces it has wait */
    fetch_set_done(download, fetch, 0);
    if (prepare_learned(download, fetch))
        remove_done(download, fetch);
    else
        begin_bytes(download, fetch);
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
    if (!part->bytes) {
        download_fail(download, journal_restart(download->journal, fetch->file->path));
        directory_remove_part(download->directory, part->number);
    }
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
        if (fetch)
            remove_done(download, fetch);
        else
            download->left--;
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
        download_fail(download, directory_require_space(download->directory, fetch->size));
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
