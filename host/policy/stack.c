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

struct error *stack_run(void (*run)(void *), void *context, int count) {
    struct work work = {run, context};
    pthread_attr_t attributes;
    pthread_t threads[STACK_THREADS_MAX];
    int started = 0, failure = 0;
    sigset_t all;
    sigset_t before;
    sigfillset(&all);
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, STACK_BYTES);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    while (started < count && started < STACK_THREADS_MAX && !failure) {
        failure = pthread_create(&threads[started], &attributes, enter, &work);
        started += !failure;
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attributes);
    for (int i = 0; i < started; i++)
        pthread_join(threads[i], NULL);
    if (started == 0) {
        errno = failure;
        return error_errno(ERROR_LIMIT, "could not start a thread to load the rules");
    }
    return NULL;
}
