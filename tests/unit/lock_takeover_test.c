/*
 * Whose lock may be taken over, and when: owners that are dead, silent, stopped, elsewhere,
 * unknown; and many who want it at once.
 */
#include "store/lock.h"

#include "base/clock.h"
#include "lock_support.h"

static void test_a_killed_owner_is_noticed_at_once(void **state) {
    const struct fixture *fixture = *state;
    for (enum lock_volume volume = LOCK_VOLUME_LOCAL; volume <= LOCK_VOLUME_BARE; volume++) {
        struct holder holder = start_holder(fixture, volume);
        assert_int_equal(hear(&holder), 'y');
        struct lock_settings settings = settings_of(volume);
        struct lock *lock;
        settings.silent_ms = 1000000; /* not by its silence */
        kill(holder.pid, SIGKILL);    /* and it stays a zombie meanwhile */
        expect_good(lock_acquire_with(&fixture->directory, &settings, NULL, NULL, NULL, &lock));
        lock_release(lock);
        end_holder(&holder, 0);
    }
}

static void test_a_process_id_that_is_used_again_is_another(void **state) {
    const struct fixture *fixture = *state;
    struct lock_settings settings = settings_of(LOCK_VOLUME_BARE);
    struct lock_record record;
    struct lock *lock;
    settings.silent_ms = 1000000;
    lock_record_own(&record);
    record.started++;
    put_owner(fixture, &record);
    expect_good(lock_acquire_with(&fixture->directory, &settings, NULL, NULL, NULL, &lock));
    lock_release(lock);
}

/* Process ids of another host, boot or namespace say nothing about the owner's life. */
static void test_an_owner_elsewhere_has_to_be_silent(void **state) {
    const struct fixture *fixture = *state;
    for (int kind = 0; kind < 4; kind++) {
        struct lock_record record;
        lock_record_own(&record);
        record.pid = kind == 3 ? record.pid : INT32_MAX; /* nobody, unless it is this process */
        if (kind == 0)
            snprintf(record.boot, sizeof record.boot, "another");
        if (kind == 1)
            record.name_space++;
        if (kind == 2)
            snprintf(record.host, sizeof record.host, "another");
        put_owner(fixture, &record);
        expect_taken(fixture, LOCK_VOLUME_SHARED, "(pid ");
        int64_t before = clock_ms();
        struct lock *lock = acquire(fixture, LOCK_VOLUME_SHARED);
        assert_true(clock_ms() - before >= SILENT_MS);
        lock_release(lock);
    }
}

/* An owner elsewhere that beats each time the waiter is told of it, for a while. */
struct beating {
    const struct fixture *fixture;
    struct lock_record record;
    int left, told;
};

static void beat(const char *owner, void *context) {
    struct beating *beating = context;
    assert_string_equal(owner, "pod-1 (pid 7, since 2026-10-01T12:00:00Z)");
    beating->told++;
    if (beating->left-- > 0) {
        beating->record.beat++;
        put_owner(beating->fixture, &beating->record);
    }
}

static void test_an_owner_elsewhere_that_beats_is_waited_for(void **state) {
    const struct fixture *fixture = *state;
    struct beating beating = {fixture, stranger(), .left = 60};
    struct lock_settings settings = settings_of(LOCK_VOLUME_SHARED);
    struct lock *lock;
    settings.remind_ms = 0;
    settings.silent_ms = 100; /* ten looks */
    put_owner(fixture, &beating.record);
    expect_good(lock_acquire_with(&fixture->directory, &settings, beat, &beating, NULL, &lock));
    assert_true(beating.told > 60);
    lock_release(lock);
}

static void test_content_of_no_sense_is_an_unknown_owner(void **state) {
    const struct fixture *fixture = *state;
    static const char *const contents[] = {"x", "kthena-lock 1\nhost a\n", "\n\n\n"};
    for (size_t i = 0; i < sizeof contents / sizeof *contents; i++) {
        put_text(fixture, "out/.kthena/lock", contents[i]);
        expect_taken(fixture, LOCK_VOLUME_SHARED, "an unknown process");
        int64_t before = clock_ms();
        lock_release(acquire(fixture, LOCK_VOLUME_SHARED));
        assert_true(clock_ms() - before >= SILENT_MS);
        put_text(fixture, "out/.kthena/lock", contents[i]);
        struct lock_settings settings = settings_of(LOCK_VOLUME_LOCAL);
        struct lock *lock;
        settings.silent_ms = 1000000; /* the kernel knows that nobody is there */
        expect_good(lock_acquire_with(&fixture->directory, &settings, NULL, NULL, NULL, &lock));
        lock_release(lock);
    }
}

static void test_a_stopped_owner_is_waited_for_where_the_kernel_knows(void **state) {
    const struct fixture *fixture = *state;
    for (enum lock_volume volume = LOCK_VOLUME_LOCAL; volume <= LOCK_VOLUME_SHARED; volume++) {
        struct holder holder = start_holder(fixture, volume);
        assert_int_equal(hear(&holder), 'y');
        kill(holder.pid, SIGSTOP);
        pause_ms(SILENT_MS / 2);
        struct lock_settings settings = settings_of(volume);
        atomic_bool cancel = false;
        struct told told = {.text = ""};
        struct lock *lock;
        settings.silent_ms = 100;
        pid_t canceller = fork();
        assert_true(canceller >= 0);
        if (canceller == 0) {
            pause_ms(400);
            kill(holder.pid, SIGCONT);
            pause_ms(200);
            _exit(write(holder.told, "x", 1) == 1 ? 0 : 1);
        }
        expect_good(lock_acquire_with(&fixture->directory, &settings, note, &told, &cancel, &lock));
        assert_int_equal(hear(&holder), 'k'); /* released, not lost */
        assert_int_equal(told.count, 1);
        lock_release(lock);
        assert_int_equal(waitpid(canceller, NULL, 0), canceller);
        end_holder(&holder, 0);
    }
}

/* Where there are no locks, one that was stopped for long finds out that it has lost. */
static void test_a_stopped_owner_loses_where_nobody_knows(void **state) {
    const struct fixture *fixture = *state;
    struct holder holder = start_holder(fixture, LOCK_VOLUME_BARE);
    assert_int_equal(hear(&holder), 'y');
    kill(holder.pid, SIGSTOP);
    struct lock *lock = acquire(fixture, LOCK_VOLUME_BARE);
    kill(holder.pid, SIGCONT);
    assert_int_equal(write(holder.told, "x", 1), 1);
    assert_int_equal(hear(&holder), 'l');
    assert_false(lock_lost(lock)); /* and its release has emptied nobody else's file */
    pause_ms(120);
    assert_false(lock_lost(lock));
    lock_release(lock);
    end_holder(&holder, 0);
}

/* Until it is noticed: a heartbeat that has looked just before may write over it once. */
static void expect_lost(const struct fixture *fixture, struct lock *lock,
                        void (*take_over)(const struct fixture *)) {
    for (int i = 0; i < 2000 && !lock_lost(lock); i++, pause_ms(5))
        if (i % 100 == 0)
            take_over(fixture);
    assert_true(lock_lost(lock));
}

static void take_over(const struct fixture *fixture) {
    struct lock_record record = stranger();
    put_owner(fixture, &record);
}

static void take_over_and_release(const struct fixture *fixture) {
    put_text(fixture, "out/.kthena/lock", "");
}

static void remove_file(const struct fixture *fixture) {
    unlink(in(fixture, "out/.kthena/lock"));
}

static void read_owner(const struct fixture *fixture, struct lock_record *record) {
    size_t length;
    char *text = get(fixture, "out/.kthena/lock", &length);
    assert_true(lock_record_parse(text, length, record));
    memory_free(text);
}

static void test_notices_that_it_is_lost(void **state) {
    const struct fixture *fixture = *state;
    struct lock_record record;
    struct lock *lock = acquire(fixture, LOCK_VOLUME_SHARED);
    expect_lost(fixture, lock, take_over);
    lock_release(lock);
    read_owner(fixture, &record);
    assert_string_equal(record.host, "pod-1"); /* left alone */
    put_text(fixture, "out/.kthena/lock", "");
    lock = acquire(fixture, LOCK_VOLUME_SHARED);
    expect_lost(fixture, lock, take_over_and_release);
    lock_release(lock);
    lock = acquire(fixture, LOCK_VOLUME_LOCAL);
    expect_lost(fixture, lock, remove_file);
    struct lock *next = acquire(fixture, LOCK_VOLUME_LOCAL); /* on a file of its own */
    lock_release(lock);
    assert_false(lock_lost(next));
    read_owner(fixture, &record);
    assert_int_equal(record.pid, getpid());
    lock_release(next);
}

/* Many processes want the lock of one that is killed, and end without releasing it themselves. */
enum { RACERS = 4, ROUNDS = 12 };

static void race(const struct fixture *fixture, enum lock_volume volume) {
    int gate[2];
    int said[2];
    pid_t racers[RACERS];
    struct holder holder = start_holder(fixture, volume);
    assert_int_equal(hear(&holder), 'y');
    assert_int_equal(pipe(gate), 0);
    assert_int_equal(pipe(said), 0);
    for (int i = 0; i < RACERS; i++) {
        racers[i] = fork();
        assert_true(racers[i] >= 0);
        if (racers[i] > 0)
            continue;
        char byte = (char)('A' + i);
        struct lock_settings settings = settings_of(volume);
        struct lock *lock;
        settings.poll_ms = 1;
        settings.settle_ms = 200;
        settings.silent_ms = 1000000; /* that it is dead is told by its process id */
        close(gate[1]);
        if (lock_acquire_with(&fixture->directory, &settings, NULL, NULL, NULL, &lock))
            _exit(1);
        if (write(said[1], &byte, 1) != 1 || read(gate[0], &byte, 1) < 0)
            _exit(2);
        _exit(lock_lost(lock) ? 3 : 0); /* without releasing: dead owners all the way */
    }
    char winners[RACERS + 1] = {0};
    end_holder(&holder, SIGKILL);
    for (int i = 0; i < RACERS; i++) {
        char byte;
        assert_int_equal(read(said[0], &winners[i], 1), 1);
        pause_ms(volume == LOCK_VOLUME_LOCAL ? 20 : 250); /* for a second winner to say so */
        fcntl(said[0], F_SETFL, O_NONBLOCK);
        assert_int_equal(read(said[0], &byte, 1), -1);
        fcntl(said[0], F_SETFL, 0);
        assert_int_equal(write(gate[1], "x", 1), 1);
    }
    for (int i = 0; i < RACERS; i++) {
        int status;
        assert_int_equal(waitpid(racers[i], &status, 0), racers[i]);
        assert_int_equal(status, 0);
        assert_non_null(strchr(winners, 'A' + i));
    }
    close(gate[0]);
    close(gate[1]);
    close(said[0]);
    close(said[1]);
}

static void test_of_many_waiters_one_wins(void **state) {
    const struct fixture *fixture = *state;
    for (int round = 0; round < ROUNDS; round++) {
        race(fixture, LOCK_VOLUME_LOCAL);
        if (round == 0) {
            race(fixture, LOCK_VOLUME_SHARED);
            race(fixture, LOCK_VOLUME_BARE);
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_a_killed_owner_is_noticed_at_once, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_process_id_that_is_used_again_is_another, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_an_owner_elsewhere_has_to_be_silent, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_an_owner_elsewhere_that_beats_is_waited_for, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_content_of_no_sense_is_an_unknown_owner, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_a_stopped_owner_is_waited_for_where_the_kernel_knows,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_stopped_owner_loses_where_nobody_knows, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_notices_that_it_is_lost, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_of_many_waiters_one_wins, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
