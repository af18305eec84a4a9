#include "policy/stack.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>

/* Twice what the deepest recursion needs; only what is touched becomes memory. */
enum { STACK_BYTES = 16 * 1024 * 1024 };

struct work {
    void (*run)(void *);
    void *context;
};

static void *enter(void *argument) {
    const struct work *work = argument;
    work->run(work->context);
    return NULL;
}

struct error *stack_run(void (*run)(void *), void *context) {
    struct work work = {run, context};
    pthread_attr_t attributes;
    pthread_t thread;
    sigset_t all;
    sigset_t before;
    sigfillset(&all);
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, STACK_BYTES);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int failure = pthread_create(&thread, &attributes, enter, &work);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attributes);
    if (failure) {
        errno = failure;
        return error_errno(ERROR_LIMIT, "could not start a thread to load the rules");
    }
    pthread_join(thread, NULL);
    return NULL;
}
