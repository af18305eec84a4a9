#include "transfer/download_internal.h"

#include "base/memory.h"

struct piece *fetch_add_piece(struct fetch *fetch, int64_t at, int64_t end) {
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

void fetch_remove_piece(struct fetch *fetch, struct piece *piece) {
    struct piece **link = &fetch->pieces;
    while (*link != piece)
        link = &(*link)->next;
    *link = piece->next;
    fetch->piece_count--;
    memory_free(piece);
}

void fetch_remove_pieces(struct fetch *fetch) {
    while (fetch->pieces)
        fetch_remove_piece(fetch, fetch->pieces);
}

int64_t fetch_prefix(const struct fetch *fetch) {
    int64_t prefix = fetch->size < 0 ? INT64_MAX : fetch->size;
    if (fetch->gap_next < fetch->gap_count)
        prefix = fetch->gaps[fetch->gap_next].first;
    for (const struct piece *piece = fetch->pieces; piece; piece = piece->next)
        if (piece->at < prefix)
            prefix = piece->at;
    return prefix;
}

bool fetch_is_whole(const struct fetch *fetch) {
    return !fetch->pieces && fetch->gap_next >= fetch->gap_count;
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
    struct piece *piece = fetch_add_piece(fetch, at, end);
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

struct error *fetch_journal(struct download *download, struct fetch *fetch, struct piece *piece) {
    int64_t first = piece->journaled;
    if (piece->at <= first || !fetch->part || fetch->part->bytes || fetch->size < 0)
        return NULL;
    piece->journaled = piece->at;
    piece->journal_ms = download->now_ms;
    return journal_written(download->journal, fetch->file->path, first, piece->at);
}

struct error *fetch_wrote(struct download *download, struct fetch *fetch, struct piece *piece,
                          int64_t bytes) {
    int64_t told = piece->at / HASH_STEP;
    piece->at += bytes;
    fetch_set_done(download, fetch, fetch->done + bytes);
    atomic_fetch_add(&download->progress->bytes_fetched, bytes);
    if (!fetch->part->bytes)
        part_wrote(fetch->part, bytes);
    if (piece->at / HASH_STEP != told && piece->at < piece->end) {
        int64_t prefix = fetch_prefix(fetch);
        progress_advance(download->progress, fetch->slot, fetch->done);
        if (prefix == piece->at)
            part_advance(fetch->part, prefix, false);
    }
    int64_t unknown = piece->at - piece->journaled;
    bool due = unknown >= JOURNAL_STEP ||
               (unknown >= JOURNAL_STEP_SLOW && download->now_ms - piece->journal_ms >= JOURNAL_MS);
    return due ? fetch_journal(download, fetch, piece) : NULL;
}

void fetch_piece_done(struct download *download, struct fetch *fetch, struct piece *piece) {
    if (fetch->size < 0)
        fetch_learn_size(download, fetch, piece->at);
    fetch->untold = piece->journaled == 0 && piece->at == fetch->size && !fetch->part->bytes;
    if (!fetch->untold) /* otherwise the record that it is complete follows soon */
        download_fail(download, fetch_journal(download, fetch, piece));
    fetch_remove_piece(fetch, piece);
    progress_advance(download->progress, fetch->slot, fetch->done);
    part_advance(fetch->part, fetch_prefix(fetch), fetch_is_whole(fetch));
}
