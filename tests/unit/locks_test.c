/* Named locks: one holder, turns in order, and ways out of the line. */
#include "jobs/locks.h"

#include "base/clock.h"
#include "base/memory.h"
#include "base/thread.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

static int set_up(void **state) {
    *state = locks_new();
    return 0;
}

static int tear_down(void **state) {
    locks_free(*state);
    return 0;
}

static struct named_lock *take(struct locks *locks, const char *name) {
    struct named_lock *lock = NULL;
    struct error *error = locks_acquire(locks, name, "the test", INT64_MAX, NULL, &lock);
    assert_null(error);
    assert_non_null(lock);
    return lock;
}

static void expect_error(struct error *error, enum error_kind kind, const char *part) {
    assert_non_null(error);
    if (error->kind != kind || !strstr(error->message, part))
        fail_msg("%s: %s", error_kind_name(error->kind), error->message);
    error_free(error);
}

static void a_moment(void) {
    nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
}

static void wait_for_line(struct locks *locks, const char *name, size_t count) {
    while (locks_waiting(locks, name) != count)
        a_moment();
}

static void names_do_not_meet(void **state) {
    struct named_lock *a = take(*state, "a"), *b = take(*state, "b"), *c = take(*state, "c");
    locks_release(b);
    b = take(*state, "b");
    locks_release(a);
    a = take(*state, "a");
    locks_release(c);
    locks_release(a);
    locks_release(b);
    locks_release(NULL);
}

static void who_waits_too_long_is_told_for_whom(void **state) {
    struct named_lock *lock = take(*state, "a"), *other = NULL;
    expect_error(locks_acquire(*state, "a", "another", clock_ms() + 20, NULL, &other),
                 ERROR_TIMEOUT, "could not lock 'a' within ");
    expect_error(locks_acquire(*state, "a", "another", 0, NULL, &other), ERROR_TIMEOUT,
                 "the test has it");
    assert_null(other);
    assert_int_equal(locks_waiting(*state, "a"), 0);
    locks_release(lock);
    lock = take(*state, "a");
    locks_release(lock);
}

/* One who waits on a thread of its own. */
struct waiter {
    struct locks *locks;
    pthread_t thread;
    int number;
    atomic_bool cancel;
    struct error *error;
    int *order; /* numbers in the order of their turns */
    atomic_int *turns;
};

static void *wait_for_lock(void *context) {
    struct waiter *waiter = context;
    struct named_lock *lock = NULL;
    waiter->error =
        locks_acquire(waiter->locks, "a", "a waiter", INT64_MAX, &waiter->cancel, &lock);
    if (!waiter->error)
        waiter->order[atomic_fetch_add(waiter->turns, 1)] = waiter->number;
    locks_release(lock);
    return NULL;
}

enum { WAITERS = 5 };

static void start(struct waiter waiters[WAITERS], struct locks *locks, int *order,
                  atomic_int *turns) {
    for (int i = 0; i < WAITERS; i++) {
        waiters[i] = (struct waiter){.locks = locks, .number = i, .order = order, .turns = turns};
        assert_null(thread_start(&waiters[i].thread, "waiter", wait_for_lock, &waiters[i]));
        wait_for_line(locks, "a", (size_t)i + 1);
    }
}

static void turns_are_in_order(void **state) {
    struct waiter waiters[WAITERS];
    int order[WAITERS];
    atomic_int turns = 0;
    struct named_lock *lock = take(*state, "a");
    start(waiters, *state, order, &turns);
    locks_release(lock);
    for (int i = 0; i < WAITERS; i++) {
        pthread_join(waiters[i].thread, NULL);
        assert_null(waiters[i].error);
    }
    for (int i = 0; i < WAITERS; i++)
        assert_int_equal(order[i], i);
}

static void who_is_cancelled_leaves_the_line(void **state) {
    struct waiter waiters[WAITERS];
    int order[WAITERS];
    atomic_int turns = 0;
    struct named_lock *lock = take(*state, "a");
    start(waiters, *state, order, &turns);
    int leaving[] = {0, 2, 4};
    for (size_t i = 0; i < 3; i++) {
        atomic_store(&waiters[leaving[i]].cancel, true);
        pthread_join(waiters[leaving[i]].thread, NULL);
        expect_error(waiters[leaving[i]].error, ERROR_CANCELLED, "waited for the lock 'a'");
    }
    assert_int_equal(locks_waiting(*state, "a"), 2);
    assert_int_equal(atomic_load(&turns), 0);
    locks_release(lock);
    pthread_join(waiters[1].thread, NULL);
    pthread_join(waiters[3].thread, NULL);
    assert_int_equal(order[0], 1);
    assert_int_equal(order[1], 3);
}

struct counter {
    struct locks *locks;
    long value; /* not atomic: the lock keeps the threads apart */
};

static void *count_up(void *context) {
    struct counter *counter = context;
    for (int i = 0; i < 500; i++) {
        struct named_lock *lock = NULL;
        error_free(locks_acquire(counter->locks, "n", "x", INT64_MAX, NULL, &lock));
        counter->value++;
        locks_release(lock);
    }
    return NULL;
}

static void one_has_it_at_a_time(void **state) {
    struct counter counter = {.locks = *state};
    pthread_t threads[4];
    for (int i = 0; i < 4; i++)
        assert_null(thread_start(&threads[i], "counter", count_up, &counter));
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(counter.value, 2000);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(names_do_not_meet),    TEST(who_waits_too_long_is_told_for_whom),
        TEST(turns_are_in_order),   TEST(who_is_cancelled_leaves_the_line),
        TEST(one_has_it_at_a_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
