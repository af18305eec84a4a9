#include "base/redact.h"

#include "base/log.h"
#include "base/memory.h"
#include "base/thread.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <unistd.h>

#include <cmocka.h>

#define COUNT(array) (sizeof(array) / sizeof *(array))

static void know(const char *secret) {
    redact_secret(secret, strlen(secret));
}

static void forget(const char *secret) {
    redact_forget(secret, strlen(secret));
}

static void assert_redacted_from(const char *text, size_t from, const char *expected) {
    struct buffer buffer = {0};
    /* Of exactly its size, so that the sanitizer sees what is read beyond. */
    buffer.data = memory_alloc(strlen(text));
    memcpy(buffer.data, text, strlen(text));
    buffer.length = buffer.capacity = strlen(text);
    redact(&buffer, from);
    assert_string_equal(buffer_text(&buffer), expected);
    buffer_free(&buffer);
}

static void assert_redacted(const char *text, const char *expected) {
    assert_redacted_from(text, 0, expected);
}

static void nothing_is_hidden_while_nothing_is_known(void **state) {
    (void)state;
    struct buffer empty = {0};
    redact(&empty, 0);
    assert_int_equal(empty.length, 0);
    assert_redacted("a perfectly open text", "a perfectly open text");
}

static void a_secret_is_hidden_wherever_it_stands(void **state) {
    (void)state;
    know("s3cret-key");
    struct buffer empty = {0};
    redact(&empty, 0);
    assert_redacted("s3cret-key", "***");
    assert_redacted("s3cret-key at the start", "*** at the start");
    assert_redacted("at the end s3cret-key", "at the end ***");
    assert_redacted("s3cret-keys3cret-key", "******");
    assert_redacted("s3cret-kes3cret-key s3cret-ke", "s3cret-ke*** s3cret-ke");
    assert_redacted("S3CRET-KEY s3cret_key", "S3CRET-KEY s3cret_key");
    assert_redacted_from("s3cret-key s3cret-key", 1, "s3cret-key ***");
    assert_redacted_from("s3cret-key", 10, "s3cret-key");
    forget("s3cret-key");
    assert_redacted("s3cret-key", "s3cret-key");
}

static void secrets_that_overlap_are_hidden_whole(void **state) {
    (void)state;
    know("abcdefgh");
    know("efghijkl");
    know("abcdef");
    know("cdefgh");
    assert_redacted("<abcdefghijkl>", "<***>");
    assert_redacted("<abcdefgh>", "<***>");
    assert_redacted("<abcdefg>", "<***g>");
    assert_redacted("<efghijklabcdefgh>", "<******>");
    forget("abcdefgh");
    assert_redacted("<abcdefgh>", "<***>");
    forget("abcdef");
    assert_redacted("<abcdefgh>", "<ab***>");
    forget("efghijkl");
    forget("cdefgh");
    know("aaaaaa");
    assert_redacted("aaaaaaa", "***");
    assert_redacted("baaaaaaaaaaaaab", "b***b");
    assert_redacted("aaaaa", "aaaaa");
    forget("aaaaaa");
}

static void registrations_are_counted(void **state) {
    (void)state;
    know("counted");
    know("counted");
    forget("counted");
    assert_redacted("counted", "***");
    forget("counted");
    assert_redacted("counted", "counted");
    forget("counted");
    know("counted");
    assert_redacted("counted", "***");
    forget("counted");
}

static void short_texts_are_no_secrets(void **state) {
    (void)state;
    know("");
    know("12345");
    assert_redacted("12345", "12345");
    know("123456");
    assert_redacted("123456 12345", "*** 12345");
    forget("12345");
    forget("123456");
}

static void other_spellings_are_hidden_too(void **state) {
    (void)state;
    static const struct {
        const char *secret, *spelling;
    } cases[] = {
        {"a/b+c=d%e", "a%2Fb%2Bc%3Dd%25e"},
        {"a/b+c=d%e", "a/b%2Bc%3Dd%25e"},
        {"a/b+c=d%e", "a\\/b+c=d%e"},
        {"say \"yes\"\\no", "say \\\"yes\\\"\\\\no"},
        {"say \"yes\"\\no", "say%20%22yes%22%5Cno"},
        {"two\nlines", "two\\nlines"},
        {"gr\xC3\xBC\xC3\x9F"
         "e",
         "gr%C3%BC%C3%9Fe"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        char *text = memory_format("[%s] [%s]", cases[i].secret, cases[i].spelling);
        know(cases[i].secret);
        assert_redacted(text, "[***] [***]");
        forget(cases[i].secret);
        assert_redacted(text, text);
        memory_free(text);
    }
}

/* The spelling of one secret may be another secret. */
static void spellings_are_counted_each(void **state) {
    (void)state;
    know("per cent");
    know("per%20cent");
    forget("per cent");
    assert_redacted("per cent per%20cent", "per cent ***");
    forget("per%20cent");
    assert_redacted("per%20cent", "per%20cent");
}

static void bytes_of_any_value_are_secrets(void **state) {
    (void)state;
    static const char secret[] = "\0\xFF\x80\0\n\r";
    struct buffer buffer = {0};
    redact_secret(secret, sizeof secret - 1);
    buffer_string(&buffer, "<");
    buffer_append(&buffer, secret, sizeof secret - 1);
    buffer_string(&buffer, ">");
    redact(&buffer, 0);
    assert_string_equal(buffer_text(&buffer), "<***>");
    redact_forget(secret, sizeof secret - 1);
    buffer_free(&buffer);
}

static void many_secrets_come_and_go(void **state) {
    (void)state;
    char secret[32];
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < 300; i++) {
            snprintf(secret, sizeof secret, "secret-%03d", i);
            know(secret);
        }
        assert_redacted("secret-000,secret-150,secret-299,secret-300", "***,***,***,secret-300");
        for (int i = 0; i < 300; i += 2) {
            snprintf(secret, sizeof secret, "secret-%03d", i);
            forget(secret);
        }
        assert_redacted("secret-000,secret-151,secret-299", "secret-000,***,***");
        for (int i = 1; i < 300; i += 2) {
            snprintf(secret, sizeof secret, "secret-%03d", i);
            forget(secret);
        }
        assert_redacted("secret-151", "secret-151");
    }
}

static void *churn(void *context) {
    const char *secret = context;
    for (int i = 0; i < 500; i++) {
        struct buffer text = {0};
        know(secret);
        buffer_format(&text, "hide %s and %s", secret, "shared-secret");
        redact(&text, 0);
        bool good = strcmp(buffer_text(&text), "hide *** and ***") == 0;
        buffer_free(&text);
        forget(secret);
        if (!good)
            return context;
    }
    return NULL;
}

static void any_thread_may_call(void **state) {
    (void)state;
    static char secrets[4][16] = {"first-secret", "second/secret", "third secret", "4th-secret"};
    pthread_t threads[4];
    know("shared-secret");
    for (int i = 0; i < 4; i++)
        assert_null(thread_start(&threads[i], "churn", churn, secrets[i]));
    for (int i = 0; i < 4; i++) {
        void *failed = NULL;
        pthread_join(threads[i], &failed);
        assert_null(failed);
    }
    forget("shared-secret");
}

static void the_log_shows_no_secret(void **state) {
    (void)state;
    static const enum log_format formats[] = {LOG_TEXT, LOG_JSON};
    know("log-\"secret\"");
    for (size_t i = 0; i < COUNT(formats); i++) {
        char text[1000];
        int ends[2];
        assert_int_equal(pipe(ends), 0);
        log_configure(LOG_INFO, formats[i], ends[1]);
        log_info("the key is log-\"secret\", %s", "log-%22secret%22");
        log_error_free(LOG_ERROR, error_new(ERROR_IO, NULL, "no log-\"secret\" here"), "failed");
        log_configure(LOG_INFO, LOG_TEXT, STDERR_FILENO);
        close(ends[1]);
        ssize_t length = read(ends[0], text, sizeof text - 1);
        close(ends[0]);
        assert_true(length > 0);
        text[length] = '\0';
        assert_non_null(strstr(text, "the key is ***, ***"));
        assert_non_null(strstr(text, "failed: no *** here"));
        assert_null(strstr(text, "secret"));
    }
    forget("log-\"secret\"");
}

static void an_error_becomes_one_text_without_secrets(void **state) {
    (void)state;
    know("s3cret-s3cret");
    struct error *error = redact_error(error_new(
        ERROR_SPACE, error_new(ERROR_IO, NULL, "why: s3cret-s3cret"), "no room for s3cret-s3cret"));
    assert_int_equal(error->kind, ERROR_SPACE);
    assert_string_equal(error->message, "no room for ***: why: ***");
    assert_null(error->cause);
    error_free(error);
    assert_null(redact_error(NULL));
    forget("s3cret-s3cret");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_is_hidden_while_nothing_is_known),
        cmocka_unit_test(a_secret_is_hidden_wherever_it_stands),
        cmocka_unit_test(secrets_that_overlap_are_hidden_whole),
        cmocka_unit_test(registrations_are_counted),
        cmocka_unit_test(short_texts_are_no_secrets),
        cmocka_unit_test(other_spellings_are_hidden_too),
        cmocka_unit_test(spellings_are_counted_each),
        cmocka_unit_test(bytes_of_any_value_are_secrets),
        cmocka_unit_test(many_secrets_come_and_go),
        cmocka_unit_test(any_thread_may_call),
        cmocka_unit_test(the_log_shows_no_secret),
        cmocka_unit_test(an_error_becomes_one_text_without_secrets),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
