/* Redirects, credentials and what belongs to the file's own origin only. */
#include "download_support.h"

/* Two servers: the file's own, which sends elsewhere, and that elsewhere. */
struct two {
    struct trial trial;
    struct range_server other;
    char *bytes, *location;
    struct http_header headers[2];
    struct plan_access access;
};

static void two_start(struct two *two, int status, const char *target) {
    *two = (struct two){0};
    trial_init(&two->trial);
    two->bytes = make_bytes(6 * PART, 3);
    server_add(&two->other, "/cdn", two->bytes, 6 * PART, "\"cdn\"");
    range_server_start(&two->other);
    two->location = memory_format("Location: http://127.0.0.1:%d%s\r\n", two->other.port, target);
    server_fault(&two->trial.server, (struct server_fault){.kind = FAULT_STATUS,
                                                           .path = "/file",
                                                           .times = -1,
                                                           .status = status,
                                                           .headers = two->location,
                                                           .body = "moved"});
    server_add(&two->trial.server, "/moved", two->bytes, 6 * PART, "\"own\"");
    range_server_start(&two->trial.server);
    two->headers[0] = (struct http_header){.name = "X-Token", .value = "planted", true};
    two->headers[1] = (struct http_header){.name = "X-Public", .value = "shown", false};
    two->access = (struct plan_access){.headers = two->headers, .header_count = 2};
    trial_plan(&two->trial, &two->access);
}

static void two_end(struct two *two) {
    range_server_stop(&two->trial.server);
    range_server_stop(&two->other);
    memory_free(two->bytes);
    memory_free(two->location);
    trial_free(&two->trial);
}

static void private_headers_stay_with_the_origin(void **state) {
    (void)state;
    static const int statuses[] = {301, 302, 303, 307, 308};
    for (size_t i = 0; i < sizeof statuses / sizeof *statuses; i++) {
        struct two two;
        two_start(&two, statuses[i], "/cdn?signature=1");
        struct plan_file file = trial_file(&two.trial, "file", 6 * PART);
        file.etag = "of the origin's own";
        trial_add(&two.trial, file);
        trial_works(&two.trial);
        assert_file(&two.trial, "file", two.bytes, 6 * PART);
        assert_true(server_count(&two.trial.server, "X-Token: planted") > 0);
        assert_int_equal(server_count(&two.other, "planted"), 0);
        assert_int_equal(server_count(&two.other, "X-Public: shown"), 6);
        /* The first pieces ask where it is; then it is known. */
        assert_true(server_count(&two.trial.server, "GET /file") <= 4);
        assert_int_equal(progress_retries(&two.trial.progress), 0);
        struct manifest manifest = trial_manifest(&two.trial);
        assert_string_equal(manifest.files[0].etag, "of the origin's own");
        manifest_free(&manifest);
        trial_works(&two.trial);
        assert_int_equal(server_count(&two.other, "GET /cdn"), 6);
        two_end(&two);
    }
}

static void within_the_origin_they_are_kept(void **state) {
    (void)state;
    struct two two;
    two_start(&two, 307, "/");
    two.trial.server.faults[0].headers = "Location: moved\r\n";
    trial_add(&two.trial, trial_file(&two.trial, "file", 6 * PART));
    trial_works(&two.trial);
    assert_file(&two.trial, "file", two.bytes, 6 * PART);
    assert_int_equal(server_count(&two.trial.server, "X-Token: planted"),
                     server_count(&two.trial.server, "GET /"));
    assert_int_equal(server_count(&two.trial.server, "GET /moved"), 6);
    two_end(&two);
}

static void an_origin_left_is_not_trusted_again(void **state) {
    (void)state;
    struct two two;
    two_start(&two, 302, "/back");
    char *back = memory_format("Location: http://127.0.0.1:%d/moved\r\n", two.trial.server.port);
    server_fault(
        &two.other,
        (struct server_fault){
            .kind = FAULT_STATUS, .path = "/back", .times = -1, .status = 302, .headers = back});
    trial_add(&two.trial, trial_file(&two.trial, "file", 6 * PART));
    trial_works(&two.trial);
    assert_int_equal(server_count(&two.trial.server, "X-Token: planted"),
                     server_count(&two.trial.server, "GET /file"));
    assert_int_equal(server_count(&two.trial.server, "GET /moved"), 6);
    memory_free(back);
    two_end(&two);
}

static void an_expired_location_is_asked_for_again(void **state) {
    (void)state;
    static const int statuses[] = {401, 403, 404, 410, 416};
    for (size_t i = 0; i < sizeof statuses / sizeof *statuses; i++) {
        struct two two;
        two_start(&two, 302, "/cdn?signature=1");
        server_fault(&two.other, (struct server_fault){.kind = FAULT_STATUS,
                                                       .path = "/cdn?signature=1",
                                                       .skip = 3,
                                                       .times = 1,
                                                       .status = statuses[i],
                                                       .body = "expired"});
        two.trial.config.max_workers = 1;
        trial_add(&two.trial, trial_file(&two.trial, "file", 6 * PART));
        trial_works(&two.trial);
        assert_file(&two.trial, "file", two.bytes, 6 * PART);
        assert_int_equal(server_count(&two.trial.server, "GET /file"), 2);
        assert_int_equal(count_of(&two.trial.progress.retries[RETRY_STATUS]), 1);
        two_end(&two);
    }
}

/* The host that a redirect led to is gone: the origin knows another. */
static void a_location_that_is_dead_is_asked_for_again(void **state) {
    (void)state;
    struct two two;
    two_start(&two, 302, "/cdn");
    two.other.files[0].etag = "\"own\"";
    two.trial.server.faults[0].times = 1;
    server_fault(&two.trial.server, (struct server_fault){.kind = FAULT_STATUS,
                                                          .path = "/file",
                                                          .times = -1,
                                                          .status = 302,
                                                          .headers = "Location: moved\r\n"});
    server_fault(&two.other, (struct server_fault){.kind = FAULT_SILENT, .skip = 1, .times = -1});
    two.trial.config.max_workers = 1;
    trial_add(&two.trial, trial_file(&two.trial, "file", 6 * PART));
    trial_works(&two.trial);
    assert_file(&two.trial, "file", two.bytes, 6 * PART);
    assert_int_equal(progress_retries(&two.trial.progress), 1);
    assert_int_equal(server_count(&two.trial.server, "GET /file"), 2);
    assert_int_equal(server_count(&two.trial.server, "GET /moved"), 5);
    two_end(&two);
}

static void a_fresh_location_that_refuses_is_fatal(void **state) {
    (void)state;
    struct two two;
    two_start(&two, 302, "/none?signature=planted");
    trial_add(&two.trial, trial_file(&two.trial, "file", 6 * PART));
    trial_fails(&two.trial, ERROR_NOT_FOUND, "/none: the server answered with status 404");
    assert_null(strstr(two.trial.text, "planted"));
    two_end(&two);
}

static void fails_with(const char *location, const char *part) {
    struct two two;
    two_start(&two, 302, "/");
    two.trial.server.faults[0].headers = location;
    trial_add(&two.trial, trial_file(&two.trial, "file", 6 * PART));
    trial_fails(&two.trial, ERROR_PROTOCOL, part);
    two_end(&two);
}

static void hopeless_redirects_are_errors(void **state) {
    (void)state;
    fails_with("Location: /file\r\n", "more than 10 redirects");
    fails_with("Location: ftp://example.org/x?secret\r\n",
               "it redirects to ftp://example.org/x, which is neither");
    fails_with("", "status 302 without a Location");
}

static void head_is_redirected_too(void **state) {
    (void)state;
    struct two two;
    two_start(&two, 302, "/cdn");
    /* as a URL that is signed for GET does */
    server_fault(&two.other, (struct server_fault){
                                 .kind = FAULT_STATUS, .path = "/cdn", .times = 1, .status = 403});
    trial_add(&two.trial, trial_file(&two.trial, "file", -1));
    trial_works(&two.trial);
    assert_file(&two.trial, "file", two.bytes, 6 * PART);
    assert_int_equal(server_count(&two.other, "planted"), 0);
    two_end(&two);
}

static void the_pinned_header_must_be_there(void **state) {
    (void)state;
    struct two two;
    two_start(&two, 302, "/cdn");
    two.access.pin_name = "x-commit";
    two.access.pin_value = "abc";
    two.trial.server.faults[0].times = 0;
    server_add(&two.trial.server, "/file", two.bytes, 6 * PART, NULL);
    struct server_file *file = &two.trial.server.files[1];
    static const char *const wrong[][2] = {{NULL, "its x-commit is missing"},
                                           {"X-Commit: abd\r\n", "its x-commit is 'abd'"}};
    for (size_t i = 0; i < 2; i++) {
        server_lock(&two.trial.server);
        file->headers = wrong[i][0];
        server_unlock(&two.trial.server);
        trial_plan(&two.trial, &two.access);
        trial_add(&two.trial, trial_file(&two.trial, "file", 6 * PART));
        trial_fails(&two.trial, ERROR_PROTOCOL, wrong[i][1]);
    }
    server_lock(&two.trial.server);
    file->headers = "X-Commit: abc\r\n";
    server_unlock(&two.trial.server);
    trial_works(&two.trial);
    two_end(&two);

    two_start(&two, 302, "/cdn"); /* the other server need not have it, */
    two.access.pin_name = "x-commit";
    two.access.pin_value = "abc";
    trial_plan(&two.trial, &two.access);
    trial_add(&two.trial, trial_file(&two.trial, "file", 6 * PART));
    char *commit = memory_format("X-Commit: abd\r\n%s", two.location);
    two.trial.server.faults[0].headers = commit; /* and what the redirect has must be right */
    trial_fails(&two.trial, ERROR_PROTOCOL, "its x-commit is 'abd'");
    server_lock(&two.trial.server);
    two.trial.server.faults[0].headers = two.location;
    server_unlock(&two.trial.server);
    trial_works(&two.trial);
    memory_free(commit);
    two_end(&two);
}

static void each_request_is_signed_and_none_elsewhere(void **state) {
    (void)state;
    struct two two;
    two_start(&two, 302, "/cdn");
    struct signer *signer = signer_sigv4_new(&(struct sigv4_credentials){
        .access_key = "AKIDEXAMPLE",
        .secret_key = "a-planted-secret",
        .session_token = "a-planted-token",
        .region = "eu-1",
        .service = "s3",
    });
    two.access.signer = signer;
    trial_plan(&two.trial, &two.access);
    signer_unref(signer);
    server_add(&two.trial.server, "/signed", two.bytes, 6 * PART, NULL);
    trial_add(&two.trial, trial_file(&two.trial, "file", 6 * PART));
    trial_add(&two.trial, trial_file(&two.trial, "signed", 6 * PART));
    trial_works(&two.trial);
    assert_file(&two.trial, "signed", two.bytes, 6 * PART);
    int asked = server_count(&two.trial.server, "GET /");
    assert_int_equal(server_count(&two.trial.server, "x-amz-date: "), asked);
    assert_int_equal(server_count(&two.trial.server, "x-amz-security-token: a-planted-token\r\n"),
                     asked);
    assert_int_equal(server_count(&two.trial.server, "Credential=AKIDEXAMPLE/"), asked);
    assert_int_equal(server_count(&two.other, "x-amz-"), 0);
    assert_int_equal(server_count(&two.other, "Authorization"), 0);
    assert_true(server_count(&two.other, "GET /cdn") > 0);
    two_end(&two);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(private_headers_stay_with_the_origin),
        cmocka_unit_test(within_the_origin_they_are_kept),
        cmocka_unit_test(an_origin_left_is_not_trusted_again),
        cmocka_unit_test(an_expired_location_is_asked_for_again),
        cmocka_unit_test(a_location_that_is_dead_is_asked_for_again),
        cmocka_unit_test(a_fresh_location_that_refuses_is_fatal),
        cmocka_unit_test(hopeless_redirects_are_errors),
        cmocka_unit_test(head_is_redirected_too),
        cmocka_unit_test(the_pinned_header_must_be_there),
        cmocka_unit_test(each_request_is_signed_and_none_elsewhere),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
