/*
 * Shows the progress of a download on the command line while it runs: a bar for each file and for
 * the whole on a terminal, a log line every few seconds elsewhere, or JSON events for machines. A
 * thread of its own draws, and takes SIGINT and SIGTERM, which cancel the download; a second one
 * ends the process at once. Used by the download and verify commands, which own the view.
 */
#ifndef KTHENA_COMMANDS_PROGRESS_VIEW_H
#define KTHENA_COMMANDS_PROGRESS_VIEW_H

#include "base/buffer.h"
#include "base/error.h"
#include "transfer/progress.h"

#include <stdatomic.h>
#include <stdbool.h>

enum view_mode { VIEW_NONE, VIEW_BAR, VIEW_LINES, VIEW_JSON };

struct view;

/* The option that chooses one. */
#define OPTION_PROGRESS                                                                            \
    {                                                                                              \
        .name = "progress", .type = OPTION_CHOICE, .environment = "KTHENA_PROGRESS",               \
        .fallback = "auto", .choices = "auto|bar|lines|json|none",                                 \
        .help = "bars on a terminal, log lines elsewhere, or JSON events on standard output"       \
    }

/* Begins to show. "auto" is VIEW_BAR when standard error is a terminal, else VIEW_LINES; other
 * words are those of --progress. */
enum view_mode view_mode_of(const char *word);

/* verb is what is being done: "downloading". Signals must be blocked already (signals.h); cancel is
 * set when one comes. */
struct error *view_start(enum view_mode mode, const char *verb, struct progress *progress,
                         atomic_bool *cancel, struct view **out)
    __attribute__((warn_unused_result));

/* Stops showing, and removes the bars. Returns the signal that came, 0 if none did. */
int view_stop(struct view *view);

/* One frame of the bars, as text without escape codes and at most `columns` wide, for the whole and
 * each active file; rate in bytes a second. What view_start draws, for tests too. */
void view_frame(struct progress *progress, const char *verb, double rate, int columns,
                struct buffer *out);

/* "1h02m03s", "2m05s", "14s"; "--" for a negative number. */
void view_duration(double seconds, char text[16]);

#endif
