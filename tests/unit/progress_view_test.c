/* What the progress view draws, and how JSON is shown as a table. */
#include "commands/progress_view.h"

#include "commands/table.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static void durations(void **state) {
    (void)state;
    static const struct {
        double seconds;
        const char *text;
    } cases[] = {{0, "0s"},          {14.4, "14s"},         {59.6, "1m00s"}, {125, "2m05s"},
                 {3723, "1h02m03s"}, {359998, "99h59m58s"}, {-1, "--"},      {1e300, "--"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[16];
        view_duration(cases[i].seconds, text);
        assert_string_equal(text, cases[i].text);
    }
}

static void expect_frame(struct progress *progress, double rate, int columns, const char *wanted) {
    struct buffer frame = {0};
    view_frame(progress, "downloading", rate, columns, &frame);
    assert_string_equal(buffer_text(&frame), wanted);
    buffer_free(&frame);
}

static void frames(void **state) {
    (void)state;
    struct progress progress;
    progress_init(&progress);
    expect_frame(&progress, 0, 80, "downloading\n");
    progress_set_phase(&progress, "waiting for pod-1 (pid 7)");
    expect_frame(&progress, 0, 80, "waiting for pod-1 (pid 7)\n");
    atomic_store(&progress.files_total, 4);
    atomic_store(&progress.files_done, 1);
    atomic_store(&progress.bytes_total, 4000000);
    atomic_store(&progress.bytes_done, 1000000);
    expect_frame(&progress, 1000000, 60, "1/4 files, 1.00 MB of 4.00 MB, 1.00 MB/s, 3s left\n");
    atomic_store(&progress.retries[RETRY_STALL], 1);
    expect_frame(&progress, 0, 60, "1/4 files, 1.00 MB of 4.00 MB, 0 B/s, -- left, 1 retry\n");
    expect_frame(&progress, 0, 94,
                 "[=====>              ] 1/4 files, 1.00 MB of 4.00 MB, 0 B/s, -- left, 1 retry\n");
    progress_destroy(&progress);
}

static void names_do_not_drive_the_terminal(void **state) {
    (void)state;
    struct progress progress;
    struct buffer frame = {0};
    progress_init(&progress);
    int slot = progress_enter(&progress, "a\x1b[2J\nb", 100);
    progress_advance(&progress, slot, 50);
    view_frame(&progress, "downloading", 0, 80, &frame);
    buffer_text(&frame);
    assert_null(strchr(frame.data, '\x1b'));
    assert_non_null(strstr(frame.data, "50%"));
    assert_ptr_equal(strchr(frame.data, '\n') + 1, strstr(frame.data, "downloading"));
    buffer_free(&frame);
    progress_destroy(&progress);
}

static void expect_table(const char *json, const char *wanted) {
    struct buffer out = {0};
    cJSON *value = cJSON_Parse(json);
    assert_non_null(value);
    table_write(value, 0, &out);
    assert_string_equal(buffer_text(&out), wanted);
    buffer_free(&out);
    cJSON_Delete(value);
}

static void tables(void **state) {
    (void)state;
    expect_table("\"text\"", "text\n");
    expect_table("{\"a\":1,\"longer\":\"x\",\"none\":null,\"yes\":true,\"half\":0.5,\"l\":[1]}",
                 "a       1\nlonger  x\nnone    -\nyes     yes\nhalf    0.500\nl       [1]\n");
    expect_table("[{\"id\":\"x\",\"n\":10,\"empty\":\"\"},{\"id\":\"longer\",\"more\":false}]",
                 "id      n   more\nx       10  -\nlonger  -   no\n");
    expect_table("{\"rows\":[{\"a\":1}],\"b\":2}", "rows\n  a\n  1\nb     2\n");
    expect_table("[{\"a\":\"1\\n2\"}]", "a\n1 2\n");
}

int main(void) {
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(durations),
        cmocka_unit_test(frames),
        cmocka_unit_test(names_do_not_drive_the_terminal),
        cmocka_unit_test(tables),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
