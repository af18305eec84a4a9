#include "base/thread.h"

#include <assert.h>
#include <errno.h>
#include <signal.h>
#include <string.h>

enum { STACK_SIZE = 256 * 1024, NAME_MAX_LENGTH = 15 };

struct error *thread_start(pthread_t *thread, const char *name, void *(*run)(void *),
                           void *context) {
    return thread_start_sized(thread, name, STACK_SIZE, run, context);
}

struct error *thread_start_sized(pthread_t *thread, const char *name, size_t stack_size,
                                 void *(*run)(void *), void *context) {
    pthread_attr_t attributes;
    sigset_t all;
    sigset_t before;
    assert(strlen(name) <= NAME_MAX_LENGTH);
    sigfillset(&all);
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, stack_size);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int failure = pthread_create(thread, &attributes, run, context);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attributes);
    if (failure) {
        errno = failure;
        return error_errno(ERROR_LIMIT, "could not start thread '%s'", name);
    }
    pthread_setname_np(*thread, name);
    return NULL;
}
