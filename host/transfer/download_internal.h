/*
 * What the downloader's units share. Private to download*.c, hasher.c, syncer.c and copier.c.
 *
 *   download.c          download_run: starts and ends everything
 *   download_prepare.c  what is there already, space, order; the manifest at the end
 *   download_part.c     struct part: a file being written, shared by the threads
 *   download_fetch.c    struct fetch: one remote file, from its first request to its name
 *   download_piece.c    its missing ranges, cut into pieces of one request each
 *   download_learn.c    what replies tell of it
 *   download_loop.c     the curl multi loop: which worker fetches which piece; stalls, rate
 *   download_request.c  a worker's request, and where a redirect leads
 *   download_reply.c    libcurl's callbacks: judges a reply's headers, writes its body
 *   download_retry.c    what follows when a request has ended: done, again, elsewhere, fatal
 *   refusal.c           what a source said when it refused a file, for whoever asked
 *   hasher.c            threads that hash, compare and publish
 *   syncer.c            the thread that makes durable what is written
 *   copier.c            threads that copy local files
 *
 * The thread of download_run owns workers, fetches and pieces; nobody else touches them. Parts are
 * counted, and what is said to be shared in them is guarded by download.mutex.
 */
#ifndef KTHENA_TRANSFER_DOWNLOAD_INTERNAL_H
#define KTHENA_TRANSFER_DOWNLOAD_INTERNAL_H

#include "store/journal.h"
#include "store/manifest.h"
#include "transfer/download.h"
#include "transfer/network_curl.h"

#include <pthread.h>

enum {
    SYNC_BYTES = 256 * 1024 * 1024, /* written bytes that the syncer is woken for */
    EXCERPT_MAX = 200,              /* bytes of a refusal's body that are quoted */
    DISCARD_MAX = 256 * 1024, /* bytes of an unwanted body that are read to keep a connection */
    REDIRECTS_MAX = 10,
    ETAG_SIZE = 512,
    HEADERS_MAX = 64 * 1024, /* bytes of a reply's headers that are kept */
    HASHERS_MAX = 4,
    COPIERS_MAX = 16,
    PARTS_SPARE = 16,            /* files that may be open beyond max_workers */
    TRIES_FACTOR = 20,           /* max_attempts times this bounds a piece that makes progress */
    SMALL_MAX = 128 * 1024,      /* bytes of a file that is collected in memory */
    JOURNAL_STEP = 1024 * 1024,  /* written bytes that are told to the journal at once, */
    JOURNAL_STEP_SLOW = 65536,   /* or fewer, when */
    JOURNAL_MS = 1000,           /* the last record is so old: what a kill -9 costs */
    HASH_STEP = 2 * 1024 * 1024, /* written bytes that are told to the hashers at once */
    LOOP_MS = 250,               /* the longest the loop sleeps: cancel and stalls are seen then */
};

/* What the manifest will say of a file; digest is NULL until it is complete. */
struct outcome {
    char *digest; /* "kind:hex" */
    char *etag;
    int64_t size;
    int64_t mtime_ns;
    uint64_t inode;
    bool is_other;  /* the manifest says that the file of this name is another */
    bool may_adopt; /* a file of this name may be the wanted one */
};

/* How the hashers found a part. */
enum part_result { PART_PUBLISHED, PART_MISMATCH };

/* A file in .kthena/parts, or one under its own name that may be the wanted one. */
struct part {
    struct download *download;
    struct fetch *fetch; /* NULL: of a copier */
    size_t index;        /* of the plan's file */
    uint64_t number;
    int fd;
    bool adopting;         /* fd is the file under its own name, which is there already */
    char *bytes;           /* of a small file, until a hasher writes it; NULL: fd has them */
    char *etag, *identity; /* etag NULL: not known */
    int64_t size;          /* -1: not known; set before the first part_advance, or by it */
    enum digest_kind kind;
    char expected[DIGEST_TEXT_SIZE]; /* "": there is nothing to compare with */
    atomic_bool dirty;               /* written since the syncer last looked */
    atomic_bool abandoned;           /* nobody wants it any more */
    /* Shared. */
    int references;
    struct part *newer, *older; /* of download.parts */
    struct part *next;          /* in download.hashing or download.finished */
    int64_t prefix;             /* bytes from the start that are written */
    bool whole;                 /* that is all of it */
    bool queued;                /* waits for a hasher, or is at one */
    /* The hasher's whose turn it is. */
    struct digest *digest;
    int64_t hashed;
    enum part_result result;
    char actual[DIGEST_TEXT_SIZE];
};

/* Bytes [at, end) that a request is for, in flight or waiting. */
struct piece {
    struct piece *next;
    bool head;          /* a HEAD request: no bytes */
    int64_t at, end;    /* end INT64_MAX: until the reply ends */
    int64_t started;    /* at, when this attempt began */
    int64_t journaled;  /* up to here the journal knows, */
    int64_t journal_ms; /* of the last record, or of its beginning */
    int attempt, tries; /* the present attempt, from 1; tries do not restart with progress */
    int64_t not_before; /* clock_ms */
    bool in_flight;
};

/* A remote file that is being fetched. */
struct fetch {
    struct fetch *next;
    const struct plan_file *file;
    const struct plan_access *access;
    size_t index;
    int64_t size;   /* -1: not known yet */
    char *etag;     /* what the journal and the manifest call it; NULL: not known */
    char *seen;     /* what the replies of this run call it; NULL: none did */
    char *identity; /* of journal_begin */
    enum digest_kind kind;
    char hex[DIGEST_TEXT_SIZE]; /* "": not known */
    char *location;             /* where the file's URL led last, NULL: nowhere else */
    bool location_foreign;
    struct part *part;          /* NULL until the first byte is due */
    struct journal_range *gaps; /* not asked for yet; those before gap_next are used up */
    size_t gap_count, gap_next;
    struct piece *pieces;
    int piece_count, in_flight;
    bool ask_head; /* before anything else */
    bool single;   /* the server knows no ranges */
    bool resumed;  /* the part holds bytes of an earlier run */
    bool untold;   /* all is written, and the journal hears of it when it is found right */
    bool doubted;  /* a range was refused that the file should have: a HEAD tells why */
    int changes;   /* times the source has changed under us */
    int mismatches;
    int64_t done;        /* bytes in the part */
    int64_t best;        /* of a stream that cannot be gone on with: the most it brought, */
    int attempts, tries; /* how often it was tried in vain, lately and in all, */
    int64_t not_before;  /* and when to try again */
    int slot;            /* of progress */
};

/* How a request went, as far as its headers and body tell. */
enum verdict {
    VERDICT_NONE,     /* no reply, or not to its end */
    VERDICT_ACCEPTED, /* the body is what was asked for */
    VERDICT_REDIRECT,
    VERDICT_REFUSED, /* a status that is no success */
    VERDICT_IGNORED, /* the whole file instead of a range */
    VERDICT_CHANGED, /* the source is another than before */
    VERDICT_WRONG,   /* not an answer to the question; may be another next time */
    VERDICT_FAILED,  /* fatal: worker.error */
};

struct worker {
    struct download *download;
    CURL *handle; /* NULL until it is needed */
    struct network_notes notes;
    struct fetch *fetch; /* NULL: idle */
    struct piece *piece;
    char *url;       /* of this request */
    bool foreign;    /* url has left the origin of the file's: nothing private is sent */
    bool from_cache; /* url is a location that an earlier reply told */
    bool ranged;
    int hops;
    struct curl_slist *signed_headers; /* this request's own */
    int64_t last_ms;                   /* when bytes came last */
    bool sent;                         /* the handle is in the multi */
    bool judged;                       /* the reply's headers are complete */
    bool stalled;
    bool paused;             /* what has come waits until limit_rate allows it */
    struct http_reply reply; /* of the body only EXCERPT_MAX bytes, of refusals */
    int64_t discarded;
    enum verdict verdict;
    int64_t changed_size; /* of VERDICT_CHANGED; -1: not told */
    char changed_etag[ETAG_SIZE];
    char why[160]; /* of VERDICT_WRONG */
    struct error *error;
};

/* The header lists of one access, which its unsigned requests share. */
struct request_headers {
    struct curl_slist *own, *foreign;
};

struct download {
    struct plan *plan;
    struct directory *directory;
    const char *source;
    struct download_config config; /* with the defaults filled in */
    struct progress *progress;
    const struct manifest *before; /* of an earlier run */
    struct journal *journal;
    struct outcome *outcomes;                  /* by index of the plan's file */
    size_t *remote, remote_count, remote_next; /* files to fetch, largest first */
    size_t *local, local_count, local_next;    /* files to copy; local_next is shared */
    size_t left;                               /* of both, not complete yet */
    bool preallocate;
    int64_t small_bytes; /* files up to this size are collected in memory */

    CURLM *multi;
    struct request_headers *headers; /* by access */
    struct worker *workers;
    int busy;
    long buffer_bytes;
    struct fetch *fetches, **fetches_end; /* in the order they began */
    int fetch_count;
    int64_t now_ms;
    int64_t stalls_ms; /* when it last looked for stalled workers */
    double budget;     /* bytes that limit_rate allows now */
    unsigned turn;     /* of the workers that wait for them */
    int64_t budget_ns;

    pthread_mutex_t mutex;
    pthread_cond_t hash_work, sync_work, part_room;
    struct part *parts; /* all that are open, for the syncer */
    int part_count;
    struct part *hashing, *hashing_end;
    int sleeping_hashers; /* that have to be woken */
    struct part *finished;
    struct error *failure; /* the first; then everything stops */
    atomic_bool stop;
    bool lost;                    /* the lock: the directory is another's */
    atomic_bool loop_hungry;      /* the loop has idle workers: wake it when a part ends */
    atomic_bool published;        /* something was renamed since the syncer last looked */
    atomic_int_fast64_t unsynced; /* bytes written since then */
    pthread_t hashers[HASHERS_MAX], copiers[COPIERS_MAX], syncer;
    int hasher_count, copier_count;
    bool syncing;
};

/* download.c: notes the first fatal error, which it takes, and stops everything; NULL: nothing. */
void download_fail(struct download *download, struct error *error);
bool download_stopped(const struct download *download);
/* Replaces a text by a copy of value, or NULL. */
void download_set_text(char **text, const char *value);

/* download_prepare.c. Fills in the outcomes of files that are there as the manifest says and the
 * plan wants them; true if those are all. */
bool prepare_from_manifest(struct download *download);
/* The same for one file, with what a HEAD has told of it. */
bool prepare_learned(struct download *download, const struct fetch *fetch);
/* What is left to do, largest first, and whether there is room for it. */
struct error *prepare_work(struct download *download) __attribute__((warn_unused_result));
/* Makes everything durable and writes the manifest, unless it is the one that is there. */
struct error *prepare_manifest(struct download *download) __attribute__((warn_unused_result));
/* What the digest or the revision says the file is, for the journal. The caller frees it. */
char *prepare_identity(const struct download *download, const struct plan_file *file);
/* Whether an entry of the journal is of this content, as far as one can tell before asking. */
bool prepare_is_same(const struct journal_file *found, int64_t size, const char *etag,
                     const char *identity);
/* The ETag the plan gives; one made of the time for a local file without; NULL. The caller frees
 * it. */
char *prepare_etag(const struct plan_file *file);

/* download_part.c. A part begins with one reference, its maker's. */
struct part *part_new(struct download *download, size_t index);
void part_unref(struct part *part); /* NULL is fine */
/* Nobody wants it any more; and part_unref. NULL is fine. */
void part_abandon(struct part *part);
/* What its digest must be; hex NULL or "": whatever it is. */
void part_expect(struct part *part, enum digest_kind kind, const char *hex);
/* Opens the file, with its entry in the journal; emptied unless it goes on from an earlier run. */
struct error *part_open(struct part *part, int64_t size, bool resume)
    __attribute__((warn_unused_result));
/* Holds the file in memory until a hasher has found it right: it costs the loop nothing but a copy,
 * and a kill no more than this file. */
void part_open_small(struct part *part, int64_t size);
/* Writes bytes where they belong, to the file or to the memory. */
struct error *part_write(struct part *part, const char *bytes, size_t length, int64_t offset)
    __attribute__((warn_unused_result));
/* So many more bytes are written; for the syncer. */
void part_wrote(struct part *part, int64_t bytes);
/* The first `prefix` bytes are written, and if `whole` that is all of it. Wakes a hasher. */
void part_advance(struct part *part, int64_t prefix, bool whole);
/* Puts it at the end of the hashers' queue, with download.mutex held. */
void part_queue(struct part *part);
/* For the loop: a part that hashers are done with, and a reference; NULL if there is none. */
struct part *part_take_finished(struct download *download);
bool part_any_finished(struct download *download);

/* hasher.c, syncer.c, copier.c: start threads; join them once download_stopped. */
struct error *hashers_start(struct download *download) __attribute__((warn_unused_result));
void hashers_join(struct download *download);
struct error *syncer_start(struct download *download) __attribute__((warn_unused_result));
void syncer_join(struct download *download);
struct error *copiers_start(struct download *download) __attribute__((warn_unused_result));
void copiers_join(struct download *download);

/* download_fetch.c */
void fetch_begin(struct download *download, size_t index);
/* Before the first byte is written. */
struct error *fetch_open_part(struct download *download, struct fetch *fetch)
    __attribute__((warn_unused_result));
void fetch_set_done(struct download *download, struct fetch *fetch, int64_t done);
/* The HEAD is answered, or cannot be: on to the bytes. The fetch may be gone afterwards. */
void fetch_after_head(struct download *download, struct fetch *fetch, struct piece *piece);
/* Everything from the start; nothing may be in flight. */
void fetch_restart(struct download *download, struct fetch *fetch);
/* What hashers made of a part. Takes the part's reference. */
void fetch_finished(struct download *download, struct part *part);
void fetch_free_all(struct download *download);

/* download_piece.c. A piece to ask for now, if at most `limit` of the file's may be in flight or
 * waiting; or NULL. */
struct piece *fetch_next_piece(struct download *download, struct fetch *fetch, int limit);
struct piece *fetch_add_piece(struct fetch *fetch, int64_t at, int64_t end);
void fetch_remove_piece(struct fetch *fetch, struct piece *piece);
void fetch_remove_pieces(struct fetch *fetch);
/* How many bytes from the start are written. */
int64_t fetch_prefix(const struct fetch *fetch);
/* Whether nothing is left to ask for, now or later. */
bool fetch_is_whole(const struct fetch *fetch);
/* Bytes of the piece were written; tells journal and hashers from time to time. */
struct error *fetch_wrote(struct download *download, struct fetch *fetch, struct piece *piece,
                          int64_t bytes) __attribute__((warn_unused_result));
/* Tells the journal what the piece has written that it does not know yet. */
struct error *fetch_journal(struct download *download, struct fetch *fetch, struct piece *piece)
    __attribute__((warn_unused_result));
void fetch_piece_done(struct download *download, struct fetch *fetch, struct piece *piece);

/* download_learn.c: what replies tell of a file: its digest, unless one is known; its size; the
 * ETag of an accepted reply. */
void fetch_learn_digest(struct fetch *fetch, enum digest_kind kind, const char *hex);
void fetch_learn_size(struct download *download, struct fetch *fetch, int64_t size);
void fetch_learn_etag(struct fetch *fetch, const char *etag);
/* The source is another than before: what was learned of it is forgotten, but for this. */
void fetch_renew(struct download *download, struct fetch *fetch, bool foreign, const char *etag,
                 int64_t size);

/* download_loop.c */
void loop_start(struct download *download);
void loop_run(struct download *download);
/* Whether more has come than limit_rate allows. */
bool loop_is_over_rate(const struct download *download);
void loop_end(struct download *download);
/* Cuts the requests of a file that are in flight. */
void loop_drop(struct download *download, const struct fetch *fetch);
/* The worker has nothing to do any more. */
void loop_release(struct download *download, struct worker *worker);

/* download_request.c. The request of worker.piece, from where the fetch has it or from worker.url
 * when that is set; the handle is in the multi then. */
struct error *request_send(struct worker *worker) __attribute__((warn_unused_result));
/* Sets worker.url to where the reply points. */
struct error *request_redirect(struct worker *worker) __attribute__((warn_unused_result));
void request_setup(struct worker *worker);
void request_end(struct worker *worker);
void request_headers_free(struct download *download);

/* download_reply.c: libcurl's callbacks. */
size_t reply_on_header(char *data, size_t size, size_t count, void *context);
size_t reply_on_body(char *data, size_t size, size_t count, void *context);

/* download_retry.c: what follows a request that ended with this code. */
void retry_after(struct worker *worker, CURLcode code);

/* refusal.c: keeps the refusal that the worker got, the first one. */
void refusal_note(const struct worker *worker);

#endif
