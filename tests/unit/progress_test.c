#include "transfer/progress.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static void keeps_phase_and_files(void **state) {
    (void)state;
    struct progress progress;
    struct progress_file files[PROGRESS_ACTIVE_MAX];
    char phase[PROGRESS_PHASE_SIZE];
    progress_init(&progress);
    progress_phase(&progress, phase);
    assert_string_equal(phase, "");
    progress_set_phase(&progress, "listing");
    progress_phase(&progress, phase);
    assert_string_equal(phase, "listing");
    assert_int_equal(progress_active(&progress, files), 0);
    int first = progress_enter(&progress, "a", 10), second = progress_enter(&progress, "b", -1);
    progress_advance(&progress, second, 7);
    assert_int_equal(progress_active(&progress, files), 2);
    assert_string_equal(files[0].path, "a");
    assert_int_equal(files[0].total, 10);
    assert_int_equal(files[0].done, 0);
    assert_string_equal(files[1].path, "b");
    assert_int_equal(files[1].total, -1);
    assert_int_equal(files[1].done, 7);
    progress_leave(&progress, first);
    assert_int_equal(progress_active(&progress, files), 1);
    assert_string_equal(files[0].path, "b");
    assert_int_equal(progress_enter(&progress, "c", 1), first);
    progress_destroy(&progress);
}

static void has_only_so_many_slots(void **state) {
    (void)state;
    struct progress progress;
    struct progress_file files[PROGRESS_ACTIVE_MAX];
    progress_init(&progress);
    for (int i = 0; i < PROGRESS_ACTIVE_MAX; i++)
        assert_int_equal(progress_enter(&progress, "x", 1), i);
    int none = progress_enter(&progress, "y", 1);
    assert_int_equal(none, -1);
    progress_advance(&progress, none, 1);
    progress_leave(&progress, none);
    assert_int_equal(progress_active(&progress, files), PROGRESS_ACTIVE_MAX);
    progress_destroy(&progress);
}

static void cuts_long_paths_at_the_front(void **state) {
    (void)state;
    struct progress progress;
    struct progress_file files[PROGRESS_ACTIVE_MAX];
    char path[401] = "";
    for (int i = 0; i < 100; i++)
        strcat(path, i == 99 ? "/end" : "\xe5\xad\x97");
    char exact[PROGRESS_PATH_SIZE];
    memset(exact, 'e', sizeof exact - 1);
    exact[sizeof exact - 1] = '\0';
    progress_init(&progress);
    progress_enter(&progress, path, 1);
    progress_enter(&progress, exact, 1);
    assert_int_equal(progress_active(&progress, files), 2);
    assert_memory_equal(files[0].path, "...\xe5\xad\x97", 6);
    assert_string_equal(files[0].path + strlen(files[0].path) - 4, "/end");
    assert_string_equal(files[1].path, exact);
    progress_destroy(&progress);
}

static void sums_retries(void **state) {
    (void)state;
    struct progress progress;
    progress_init(&progress);
    for (int cause = 0; cause < RETRY_CAUSES; cause++) {
        assert_non_null(retry_cause_names[cause]);
        atomic_fetch_add(&progress.retries[cause], cause + 1);
    }
    assert_int_equal(progress_retries(&progress), RETRY_CAUSES * (RETRY_CAUSES + 1) / 2);
    progress_destroy(&progress);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keeps_phase_and_files),
        cmocka_unit_test(has_only_so_many_slots),
        cmocka_unit_test(cuts_long_paths_at_the_front),
        cmocka_unit_test(sums_retries),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
