/*
 * The signals a serving command waits for: SIGTERM, SIGINT and SIGHUP, taken one after the other by
 * the main thread instead of by handlers. SIGPIPE is ignored.
 */
#ifndef KTHENA_COMMANDS_SIGNALS_H
#define KTHENA_COMMANDS_SIGNALS_H

#include <signal.h>

struct signals {
    sigset_t set;
};

/* Blocks the signals; to be called before any thread is started. */
void signals_block(struct signals *signals);

/* Waits for one of them and returns its number. */
int signals_wait(const struct signals *signals);

#endif
