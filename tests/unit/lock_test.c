#include "store/lock_internal.h"

#include "base/clock.h"
#include "base/thread.h"
#include "store_support.h"

#include <pthread.h>
#include <signal.h>
#include <time.h>

enum { SILENT_MS = 400 };

/* The real times, made shorter; silent_ms still is several heartbeats. */
static struct lock_settings settings_of(enum lock_volume volume) {
    return (struct lock_settings){
        .heartbeat_ms = 50,
        .silent_ms = SILENT_MS,
        .poll_ms = 10,
        .settle_ms = 60,
        .remind_ms = 60000,
        .volume = volume,
    };
}

static struct lock *acquire(const struct fixture *fixture, enum lock_volume volume) {
    struct lock_settings settings = settings_of(volume);
    struct lock *lock = NULL;
    expect_good(lock_acquire_with(&fixture->directory, &settings, NULL, NULL, NULL, &lock));
    assert_non_null(lock);
    return lock;
}

static void pause_ms(int ms) {
    nanosleep(&(struct timespec){.tv_nsec = (long)ms * 1000000}, NULL);
}

/* A process of this test that writes a byte when it has the lock, and holds it until it is told or
 * killed. */
struct holder {
    pid_t pid;
    int said, told; /* read from it; written to it */
};

static struct holder start_holder(const struct fixture *fixture, enum lock_volume volume) {
    int said[2];
    int told[2];
    assert_int_equal(pipe(said), 0);
    assert_int_equal(pipe(told), 0);
    struct holder holder = {fork(), said[0], told[1]};
    assert_true(holder.pid >= 0);
    if (holder.pid == 0) {
        struct lock_settings settings = settings_of(volume);
        struct lock *lock;
        char byte = 'y';
        close(said[0]);
        close(told[1]);
        if (lock_acquire_with(&fixture->directory, &settings, NULL, NULL, NULL, &lock))
            _exit(1);
        if (write(said[1], &byte, 1) != 1 || read(told[0], &byte, 1) < 0)
            _exit(2);
        byte = lock_lost(lock) ? 'l' : 'k';
        lock_release(lock);
        _exit(write(said[1], &byte, 1) == 1 ? 0 : 3);
    }
    close(said[1]);
    close(told[0]);
    return holder;
}

static char hear(const struct holder *holder) {
    char byte = '?';
    return read(holder->said, &byte, 1) == 1 ? byte : '?';
}

static void end_holder(const struct holder *holder, int signal) {
    int status;
    if (signal)
        kill(holder->pid, signal);
    close(holder->told);
    assert_int_equal(waitpid(holder->pid, &status, 0), holder->pid);
    close(holder->said);
}

/* What a waiter was told, one owner a line. */
struct told {
    char text[2000];
    int count;
    atomic_bool *cancel; /* set when it was told of an owner, if not NULL */
};

static void note(const char *owner, void *context) {
    struct told *told = context;
    size_t length = strlen(told->text);
    snprintf(told->text + length, sizeof told->text - length, "%s\n", owner);
    told->count++;
    if (told->cancel)
        atomic_store(told->cancel, true);
}

/* Waits for the lock until it is told of an owner, and gives up. */
static void expect_taken(const struct fixture *fixture, enum lock_volume volume,
                         const char *owner) {
    struct lock_settings settings = settings_of(volume);
    atomic_bool cancel = false;
    struct told told = {.cancel = &cancel};
    struct lock *lock;
    expect_error(lock_acquire_with(&fixture->directory, &settings, note, &told, &cancel, &lock),
                 ERROR_CANCELLED, "cancelled while waiting for the lock of");
    assert_null(lock);
    if (!strstr(told.text, owner))
        fail_msg("expected '%s' in '%s'", owner, told.text);
}

/* Writes over the lock file, as an owner does: it is never empty in between. */
static void overwrite(const struct fixture *fixture, const char *bytes, size_t length) {
    int fd = open(in(fixture, "out/.kthena/lock"), O_WRONLY | O_CREAT, 0666);
    assert_true(fd >= 0);
    assert_int_equal(pwrite(fd, bytes, length, 0), length);
    close(fd);
}

/* Writes a record as an owner elsewhere would. */
static void put_owner(const struct fixture *fixture, const struct lock_record *record) {
    char text[LOCK_RECORD_SIZE];
    lock_record_format(record, text);
    overwrite(fixture, text, sizeof text);
}

static struct lock_record stranger(void) {
    struct lock_record record;
    lock_record_own(&record);
    snprintf(record.host, sizeof record.host, "pod-1");
    snprintf(record.boot, sizeof record.boot, "another-boot");
    snprintf(record.since, sizeof record.since, "2026-10-01T12:00:00Z");
    record.pid = 7;
    return record;
}

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
        cmocka_unit_test_setup_teardown(test_a_killed_owner_is_noticed_at_once, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_process_id_that_is_used_again_is_another, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_an_owner_elsewhere_has_to_be_silent, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_an_owner_elsewhere_that_beats_is_waited_for, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_tells_of_an_owner_once_until_it_changes, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_content_of_no_sense_is_an_unknown_owner, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_a_stopped_owner_is_waited_for_where_the_kernel_knows,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_stopped_owner_loses_where_nobody_knows, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_notices_that_it_is_lost, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_repairs_damaged_content, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_of_many_waiters_one_wins, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_excludes_threads, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_cancelled_waiter_leaves_nothing, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_refuses_what_is_no_file, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_says_when_it_may_not_lock, set_up, tear_down),
        cmocka_unit_test(test_records_are_read_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
