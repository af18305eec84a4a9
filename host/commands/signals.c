#include "commands/signals.h"

#include <errno.h>

void signals_block(struct signals *signals) {
    sigemptyset(&signals->set);
    sigaddset(&signals->set, SIGTERM);
    sigaddset(&signals->set, SIGINT);
    sigaddset(&signals->set, SIGHUP);
    pthread_sigmask(SIG_BLOCK, &signals->set, NULL);
    signal(SIGPIPE, SIG_IGN);
}

int signals_wait(const struct signals *signals) {
    int number;
    do
        number = sigwaitinfo(&signals->set, NULL);
    while (number < 0 && errno == EINTR);
    return number;
}
