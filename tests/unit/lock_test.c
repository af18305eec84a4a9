#include "store/lock.h"

#include "base/thread.h"
#include "lock_support.h"

#include <pthread.h>

static void test_holds_and_releases(void **state) {
    const struct fixture *fixture = *state;
    for (enum lock_volume volume = LOCK_VOLUME_ASK; volume <= LOCK_VOLUME_BARE; volume++) {
        struct lock *lock = acquire(fixture, volume);
        assert_false(lock_lost(lock));
        expect_taken(fixture, volume, "(pid ");
        pause_ms(120); /* some heartbeats */
        expect_taken(fixture, volume, "(pid ");
        assert_false(lock_lost(lock));
        lock_release(lock);
        expect_text(fixture, "out/.kthena/lock", "");
    }
    lock_release(NULL);
}

static void test_says_who_holds_it(void **state) {
    const struct fixture *fixture = *state;
    char host[256] = "";
    struct lock *lock = NULL;
    struct lock_record record;
    size_t length;
    expect_good(lock_acquire(&fixture->directory, NULL, NULL, NULL, &lock));
    char *text = get(fixture, "out/.kthena/lock", &length);
    assert_true(lock_record_parse(text, length, &record));
    memory_free(text);
    gethostname(host, sizeof host - 1);
    assert_string_equal(record.host, host);
    assert_int_equal(record.pid, getpid());
    assert_int_not_equal(record.started, 0);
    assert_int_not_equal(record.name_space, 0);
    assert_int_equal(strlen(record.boot), 36);
    assert_int_equal(strlen(record.since), strlen("2026-10-01T12:00:00Z"));
    char *owner = memory_format("%s (pid %d, since %s)\n", host, (int)getpid(), record.since);
    expect_taken(fixture, LOCK_VOLUME_ASK, owner);
    memory_free(owner);
    lock_release(lock);
}

static void test_tells_of_an_owner_once_until_it_changes(void **state) {
    const struct fixture *fixture = *state;
    struct lock_record record = stranger();
    struct lock_settings settings = settings_of(LOCK_VOLUME_SHARED);
    struct told told = {.text = ""};
    struct lock *lock;
    put_owner(fixture, &record);
    expect_good(lock_acquire_with(&fixture->directory, &settings, note, &told, NULL, &lock));
    assert_string_equal(told.text, "pod-1 (pid 7, since 2026-10-01T12:00:00Z)\n");
    lock_release(lock);
}

static void test_repairs_damaged_content(void **state) {
    const struct fixture *fixture = *state;
    struct lock *lock = acquire(fixture, LOCK_VOLUME_SHARED);
    struct lock_record record;
    size_t length;
    bool repaired = false;
    overwrite(fixture, "damaged", 7);
    for (int i = 0; i < 2000 && !repaired; i++, pause_ms(5)) {
        char *text = get(fixture, "out/.kthena/lock", &length);
        repaired = lock_record_parse(text, length, &record) && record.pid == getpid();
        memory_free(text);
    }
    assert_true(repaired);
    assert_false(lock_lost(lock));
    lock_release(lock);
}

struct contender {
    const struct fixture *fixture;
    enum lock_volume volume;
    atomic_int *inside, *entered;
};

static void *contend(void *context) {
    const struct contender *contender = context;
    for (int i = 0; i < 20; i++) {
        struct lock *lock = acquire(contender->fixture, contender->volume);
        bool alone = atomic_fetch_add(contender->inside, 1) == 0;
        atomic_fetch_add(contender->entered, 1);
        pause_ms(1);
        atomic_fetch_sub(contender->inside, 1);
        lock_release(lock);
        if (!alone)
            return "two at once";
    }
    return NULL;
}

/* Threads of one process exclude each other as well. */
static void test_excludes_threads(void **state) {
    const struct fixture *fixture = *state;
    atomic_int inside = 0;
    atomic_int entered = 0;
    struct contender contender = {fixture, LOCK_VOLUME_LOCAL, &inside, &entered};
    pthread_t threads[3];
    for (int i = 0; i < 3; i++)
        expect_good(thread_start(&threads[i], "contender", contend, &contender));
    for (int i = 0; i < 3; i++) {
        void *problem;
        pthread_join(threads[i], &problem);
        assert_null(problem);
    }
    assert_int_equal(entered, 60);
}

static void test_a_cancelled_waiter_leaves_nothing(void **state) {
    const struct fixture *fixture = *state;
    atomic_bool cancel = true;
    struct lock *lock;
    struct lock_settings settings = settings_of(LOCK_VOLUME_SHARED);
    expect_error(lock_acquire_with(&fixture->directory, &settings, NULL, NULL, &cancel, &lock),
                 ERROR_CANCELLED, "cancelled"); /* while it waited to see whether it had won */
    expect_text(fixture, "out/.kthena/lock", "");
    lock_release(acquire(fixture, LOCK_VOLUME_SHARED));
}

static void test_refuses_what_is_no_file(void **state) {
    const struct fixture *fixture = *state;
    struct lock *lock;
    put_text(fixture, "precious", "precious");
    assert_int_equal(symlink("../../precious", in(fixture, "out/.kthena/lock")), 0);
    expect_error(lock_acquire(&fixture->directory, NULL, NULL, NULL, &lock), ERROR_INVALID,
                 ".kthena/lock: it is not a regular file; remove it");
    assert_int_equal(unlink(in(fixture, "out/.kthena/lock")), 0);
    assert_int_equal(mkfifo(in(fixture, "out/.kthena/lock"), 0666), 0);
    expect_error(lock_acquire(&fixture->directory, NULL, NULL, NULL, &lock), ERROR_INVALID,
                 "not a regular file");
    assert_int_equal(unlink(in(fixture, "out/.kthena/lock")), 0);
    assert_int_equal(mkdir(in(fixture, "out/.kthena/lock"), 0777), 0);
    expect_error(lock_acquire(&fixture->directory, NULL, NULL, NULL, &lock), ERROR_INVALID,
                 "not a regular file");
    expect_text(fixture, "precious", "precious");
}

static int acquire_denied(const struct fixture *fixture) {
    struct lock *lock;
    struct error *error = lock_acquire(&fixture->directory, NULL, NULL, NULL, &lock);
    bool good = error && error->kind == ERROR_DENIED && strstr(error->message, ".kthena/lock");
    error_free(error);
    return good ? 0 : 1;
}

static void test_says_when_it_may_not_lock(void **state) {
    const struct fixture *fixture = *state;
    put_text(fixture, "out/.kthena/lock", "");
    assert_int_equal(chmod(in(fixture, "out/.kthena/lock"), 0444), 0);
    assert_int_equal(run_as_nobody(acquire_denied, fixture), 0);
}

static void test_records_are_read_back(void **state) {
    (void)state;
    char text[LOCK_RECORD_SIZE];
    struct lock_record record = stranger();
    struct lock_record again;
    record.beat = UINT64_MAX;
    record.started = UINT64_MAX;
    record.name_space = UINT64_MAX;
    record.pid = INT64_MAX;
    lock_record_format(&record, text);
    assert_true(lock_record_parse(text, sizeof text, &again));
    assert_memory_equal(&again.token, &record.token, sizeof record.token);
    assert_string_equal(again.host, "pod-1");
    assert_string_equal(again.boot, "another-boot");
    assert_string_equal(again.since, "2026-10-01T12:00:00Z");
    assert_int_equal(again.beat, record.beat);
    assert_int_equal(again.pid, record.pid);
    assert_false(lock_record_parse(text, sizeof text - 1, &again));
    const char *end = (const char *)memmem(text, sizeof text, "\nsum ", 5) + 5 + 16;
    for (char *at = text; at < end; at++) {
        *at ^= 1;
        assert_false(lock_record_parse(text, sizeof text, &again));
        *at ^= 1;
    }
    snprintf(record.host, sizeof record.host, "\x1b[2Jpod");
    lock_record_format(&record, text);
    assert_false(lock_record_parse(text, sizeof text, &again)); /* not onto a terminal */
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_holds_and_releases, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_says_who_holds_it, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_tells_of_an_owner_once_until_it_changes, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_repairs_damaged_content, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_excludes_threads, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_cancelled_waiter_leaves_nothing, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_refuses_what_is_no_file, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_says_when_it_may_not_lock, set_up, tear_down),
        cmocka_unit_test(test_records_are_read_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
