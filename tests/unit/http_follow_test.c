/* Redirects to anywhere: what goes along, what stays behind, and where it ends. */
#include "http_support.h"

#include <stdio.h>

enum { TEXT_SIZE = 400 };

static const struct http_header headers[] = {
    {"Authorization", "Bearer hush-hush", true},
    {"X-Token", "hush-hush", true},
    {"X-Open", "open", false},
    {"Content-Type", "text/x", false},
};

/* A client's request, and two servers: another port is another origin. */
struct fixture {
    struct get call;
    struct tcp_server first, second;
    char text[12][TEXT_SIZE];
    struct step first_steps[12], second_steps[4];
};

static struct fixture *fixture;

static int set_up(void **state) {
    fixture = memory_zero(1, sizeof *fixture);
    *state = fixture;
    fixture->call = (struct get){
        .client = make_client(),
        .request = {.follow = HTTP_FOLLOW_ANY, .headers = headers, .header_count = COUNT(headers)}};
    return 0;
}

static int tear_down(void **state) {
    http_client_free(fixture->call.client);
    memory_free(*state);
    return 0;
}

static struct step redirect(int index, int status, int port, const char *path) {
    snprintf(fixture->text[index], TEXT_SIZE,
             "HTTP/1.1 %d Moved\r\nLocation: http://127.0.0.1:%d%s\r\nContent-Length: 0\r\n"
             "X-Hop: %d\r\n\r\n",
             status, port, path, index);
    return (struct step){.reply = fixture->text[index]};
}

static void prepare(size_t first_count, size_t second_count) {
    server_prepare(&fixture->first, fixture->first_steps, first_count);
    server_prepare(&fixture->second, fixture->second_steps, second_count);
}

static void run(void) {
    server_begin(&fixture->first);
    server_begin(&fixture->second);
    get(&fixture->call, fixture->first.port, "/start?token=hush-hush");
    server_finish(&fixture->first);
    server_finish(&fixture->second);
}

static void end(void) {
    done(&fixture->call);
    server_free(&fixture->first);
    server_free(&fixture->second);
}

static void credentials_stay_with_the_first_origin(void **state) {
    (void)state;
    prepare(3, 1);
    struct fixture *f = fixture;
    f->first_steps[0] = redirect(0, 302, f->first.port, "/within");
    f->first_steps[1] = redirect(1, 307, f->second.port, "/away");
    f->second_steps[0] = redirect(2, 308, f->first.port, "/back");
    f->first_steps[2] = (struct step){.reply = OK};
    run();
    assert_body(&f->call, "a 1\n");
    assert_string_equal(f->call.reply.content_type, "text/plain");
    char value[8];
    assert_false(http_reply_header(&f->call.reply, "x-hop", value, sizeof value));
    assert_request(&f->first, 0, "\r\nAuthorization: Bearer hush-hush\r\n", true);
    assert_request(&f->first, 1, "GET /within HTTP", true);
    assert_request(&f->first, 1, "\r\nAuthorization: Bearer hush-hush\r\n", true);
    assert_request(&f->first, 1, "\r\nX-Token: hush-hush\r\n", true);
    assert_request(&f->second, 0, "GET /away HTTP", true);
    assert_request(&f->second, 0, "hush", false);
    assert_request(&f->second, 0, "\r\nX-Open: open\r\n", true);
    /* Whoever was in between could have chosen what is asked for now. */
    assert_request(&f->first, 2, "GET /back HTTP", true);
    assert_request(&f->first, 2, "hush", false);
    end();
}

static void signatures_stay_with_the_first_origin(void **state) {
    (void)state;
    struct signer *signer = signer_sigv4_new(
        &(struct sigv4_credentials){"AKID", "secret-key", "session-token", "us-east-1", "s3"});
    struct fixture *f = fixture;
    f->call.request.header_count = 0;
    f->call.request.signer = signer;
    prepare(2, 1);
    f->first_steps[0] = redirect(0, 301, f->first.port, "/b?y&x#part");
    f->first_steps[1] = redirect(1, 301, f->second.port, "/away?y&x#part");
    f->second_steps[0] = (struct step){.reply = OK};
    run();
    assert_body(&f->call, "a 1\n");
    assert_request(&f->first, 0, "GET /start?token=hush-hush HTTP", true);
    assert_request(&f->first, 0, "Signature=", true);
    assert_request(&f->first, 1, "GET /b?x=&y= HTTP", true);
    assert_request(&f->first, 1, "Signature=", true);
    assert_request(&f->second, 0, "GET /away?y&x HTTP", true);
    assert_request(&f->second, 0, "Signature=", false);
    assert_request(&f->second, 0, "x-amz-", false);
    end();
    signer_unref(signer);
}

static void methods_change_as_the_protocol_says(void **state) {
    (void)state;
    static const struct {
        const char *method;
        int status;
        const char *next;
        bool body;
    } cases[] = {
        {"POST", 301, "GET", false},     {"POST", 302, "GET", false},  {"POST", 303, "GET", false},
        {"POST", 307, "POST", true},     {"POST", 308, "POST", true},  {"PUT", 301, "PUT", true},
        {"PUT", 303, "GET", false},      {"HEAD", 303, "HEAD", false}, {"HEAD", 302, "HEAD", false},
        {"DELETE", 302, "DELETE", true}, {"GET", 303, "GET", false},
    };
    struct fixture *f = fixture;
    for (size_t i = 0; i < COUNT(cases); i++) {
        prepare(2, 0);
        f->first_steps[0] = redirect(0, cases[i].status, f->first.port, "/next");
        f->first_steps[1] = (struct step){.reply = "HTTP/1.1 204 None\r\n\r\n"};
        f->call.request.method = cases[i].method;
        f->call.request.body = "the body";
        f->call.request.body_length = 8;
        run();
        assert_null(f->call.error);
        char *expected = memory_format("%s /next HTTP/1.1\r\n", cases[i].next);
        char *request = request_at(&f->first, 1);
        assert_memory_equal(request, expected, strlen(expected));
        assert_int_equal(strstr(request, "\r\n\r\nthe body") != NULL, cases[i].body);
        assert_int_equal(strstr(request, "Content-Type: text/x\r\n") != NULL, cases[i].body);
        assert_int_equal(strstr(request, "Content-Length: ") != NULL, cases[i].body);
        memory_free(request);
        memory_free(expected);
        end();
    }
}

static void the_body_stays_behind_too(void **state) {
    (void)state;
    struct fixture *f = fixture;
    f->call.request.method = "POST";
    f->call.request.body = "password=1";
    f->call.request.body_length = 10;
    prepare(1, 1);
    f->first_steps[0] = redirect(0, 307, f->second.port, "/away");
    f->second_steps[0] = (struct step){.reply = OK};
    run();
    assert_body(&f->call, "a 1\n");
    assert_request(&f->first, 0, "\r\n\r\npassword=1", true);
    assert_request(&f->second, 0, "POST /away HTTP", true);
    assert_request(&f->second, 0, "\r\nContent-Length: 0\r\n", true);
    assert_request(&f->second, 0, "password", false);
    end();
}

static void redirects_end_somewhere(void **state) {
    (void)state;
    struct fixture *f = fixture;
    prepare(11, 0);
    for (int i = 0; i < 11; i++)
        f->first_steps[i] = redirect(i, 302, f->first.port, "/again?token=hush-hush");
    run();
    assert_failed(&f->call, ERROR_PROTOCOL, "/start: it redirects more than 10 times, at last to ");
    assert_null(strstr(f->call.error->message, "hush"));
    end();
}

static void ten_redirects_are_followed(void **state) {
    (void)state;
    struct fixture *f = fixture;
    prepare(11, 0);
    for (int i = 0; i < 10; i++)
        f->first_steps[i] = redirect(i, 302, f->first.port, "/again");
    f->first_steps[10] = (struct step){.reply = OK};
    run();
    assert_body(&f->call, "a 1\n");
    end();
}

static void a_redirect_can_be_the_answer(void **state) {
    (void)state;
    static const int statuses[] = {301, 302, 303, 307, 308};
    struct fixture *f = fixture;
    f->call.request.follow = HTTP_FOLLOW_NONE;
    for (size_t i = 0; i < COUNT(statuses); i++) {
        char value[100];
        prepare(1, 0);
        f->first_steps[0] = redirect(0, statuses[i], f->second.port, "/away");
        run();
        assert_null(f->call.error);
        assert_int_equal(f->call.reply.status, statuses[i]);
        assert_true(http_reply_header(&f->call.reply, "location", value, sizeof value));
        char *expected = memory_format("http://127.0.0.1:%d/away", f->second.port);
        assert_string_equal(value, expected);
        memory_free(expected);
        end();
    }
}

static void other_statuses_redirect_nowhere(void **state) {
    (void)state;
    static const int statuses[] = {200, 201, 300, 304, 305, 404};
    struct fixture *f = fixture;
    for (size_t i = 0; i < COUNT(statuses); i++) {
        prepare(1, 0);
        f->first_steps[0] = redirect(0, statuses[i], f->second.port, "/away");
        run();
        assert_null(f->call.error);
        assert_int_equal(f->call.reply.status, statuses[i]);
        end();
    }
}

static void what_fails_behind_a_redirect_names_both(void **state) {
    (void)state;
    struct fixture *f = fixture;
    prepare(1, 0);
    f->first_steps[0] = redirect(0, 302, 1, "/away?token=hush-hush");
    run();
    assert_failed(&f->call, ERROR_UNREACHABLE, "/start: it redirects, and that failed");
    char *text = error_text(f->call.error);
    assert_non_null(strstr(text, "GET http://127.0.0.1:1/away: "));
    assert_null(strstr(text, "hush"));
    memory_free(text);
    end();
    prepare(1, 0);
    f->first_steps[0] = (struct step){
        .reply = "HTTP/1.1 302 Found\r\nLocation: file:///etc/passwd\r\nContent-Length: 0\r\n\r\n"};
    run();
    assert_failed(&f->call, ERROR_PROTOCOL, "/start: it redirects, and that failed");
    end();
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(credentials_stay_with_the_first_origin, set_up, tear_down),
        cmocka_unit_test_setup_teardown(signatures_stay_with_the_first_origin, set_up, tear_down),
        cmocka_unit_test_setup_teardown(methods_change_as_the_protocol_says, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_body_stays_behind_too, set_up, tear_down),
        cmocka_unit_test_setup_teardown(redirects_end_somewhere, set_up, tear_down),
        cmocka_unit_test_setup_teardown(ten_redirects_are_followed, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_redirect_can_be_the_answer, set_up, tear_down),
        cmocka_unit_test_setup_teardown(other_statuses_redirect_nowhere, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_fails_behind_a_redirect_names_both, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
