/*
 * The rules of a running server: the current generation, and a thread that watches the rule files
 * and swaps in the next one. An edit is live within two seconds. A bad edit is logged, counted and
 * shown in the status, and leaves the last good generation in place. The server asks for the
 * generation at each scrape.
 *
 * A change counts when two readings in a row, 500 ms apart, agree, so that a half-written file or a
 * half-swapped mount is never loaded. The same bad content is reported once.
 */
#ifndef KTHENA_POLICY_RULEBOOK_H
#define KTHENA_POLICY_RULEBOOK_H

#include "policy/generation.h"

struct rulebook;

struct rulebook_counters {
    uint64_t generation; /* number of the current generation, from 1 */
    double loaded_at;    /* seconds since the epoch */
    uint64_t succeeded;  /* reloads since the start; the first load is not one */
    uint64_t failed;
};

/* Loads the rules, or takes the generation that was built of these sources already (first, NULL:
 * none; it is borrowed), and starts to watch them. The sources are copied. ERROR_POLICY when
 * anything is wrong in any file; every problem is then a line in problems, which may be NULL. */
struct error *rulebook_open(const struct rule_sources *sources, struct generation *first,
                            struct buffer *problems, struct rulebook **out)
    __attribute__((warn_unused_result));

/* From now on a load that leaves no engine of this name or alias fails, as a bad edit does: it
 * would take the standard families away from whoever scrapes them. */
void rulebook_require(struct rulebook *rulebook, const char *engine);

/* From now on changed(context) is called after each generation that is swapped in, on the thread
 * that loaded it. It may ask for the generation, and must not load. */
void rulebook_watch(struct rulebook *rulebook, void (*changed)(void *context), void *context);

/* Stops the watcher and drops the current generation. NULL is fine. */
void rulebook_close(struct rulebook *rulebook);

/* The current generation, with a reference for the caller. */
struct generation *rulebook_generation(struct rulebook *rulebook);

/* Reads and loads the files now, changed or not (SIGHUP), and returns when that is done. The result
 * is in the log, the counters and the status. */
void rulebook_reload_now(struct rulebook *rulebook);

struct rulebook_counters rulebook_counters(struct rulebook *rulebook);

/* Appends the text of every problem of the last load, one a line, and stores when it failed. False,
 * and nothing is stored, when the last load was good. */
bool rulebook_failure(struct rulebook *rulebook, struct buffer *problems, double *failed_at);

/* Appends the state as a JSON object on one line: generation, loaded_at, reloads, failure (null or
 * when and which problems), files with their layer and what they replace, engines with their
 * aliases, sources with their schemes, workflows with their routes, and the effective rules of the
 * engine named, if any (NULL: none). */
void rulebook_status(struct rulebook *rulebook, const char *engine, struct buffer *out);

#endif
