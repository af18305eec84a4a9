#include "transfer/digest.h"

#include "base/memory.h"
#include "transfer/crc.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#define COUNT(array) (sizeof(array) / sizeof *(array))

static const char *digest_of(enum digest_kind kind, const char *bytes, size_t length, size_t step) {
    static char hex[DIGEST_TEXT_SIZE];
    struct digest *digest = digest_new(kind, (int64_t)length);
    for (size_t at = 0; at < length; at += step)
        digest_update(digest, bytes + at, length - at < step ? length - at : step);
    digest_finish(digest, hex);
    digest_free(digest);
    return hex;
}

static void digests_are_the_known_ones(void **state) {
    (void)state;
    static const struct {
        enum digest_kind kind;
        const char *text, *hex;
    } cases[] = {
        {DIGEST_SHA256, "", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
        {DIGEST_SHA256, "abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
        {DIGEST_SHA1, "", "da39a3ee5e6b4b0d3255bfef95601890afd80709"},
        {DIGEST_SHA1, "abc", "a9993e364706816aba3e25717850c26c9cd0d89d"},
        {DIGEST_GIT_SHA1, "", "e69de29bb2d1d6434b8b29ae775ad8c2e48c5391"},
        {DIGEST_GIT_SHA1, "hello world\n", "3b18e512dba79e4c8300dd08aeb37f8e728b8dad"},
        {DIGEST_MD5, "", "d41d8cd98f00b204e9800998ecf8427e"},
        {DIGEST_MD5, "abc", "900150983cd24fb0d6963f7d28e17f72"},
        {DIGEST_CRC32, "", "00000000"},
        {DIGEST_CRC32, "123456789", "cbf43926"},
        {DIGEST_CRC32C, "", "00000000"},
        {DIGEST_CRC32C, "123456789", "e3069283"},
        {DIGEST_CRC64NVME, "", "0000000000000000"},
        {DIGEST_CRC64NVME, "123456789", "ae8b14860a799888"},
        {DIGEST_XXH3, "", "2d06800538d394c2"},
        {DIGEST_XXH3, "a", "e6c632b61e964e1f"},
        {DIGEST_NONE, "abc", ""},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        size_t length = strlen(cases[i].text);
        for (size_t step = 1; step <= length + 1; step++)
            assert_string_equal(digest_of(cases[i].kind, cases[i].text, length, step),
                                cases[i].hex);
    }
}

/* Every kind gives one digest however the bytes come: whole, byte by byte, in odd pieces. */
static void pieces_make_no_difference(void **state) {
    (void)state;
    static char bytes[10000];
    static const size_t steps[] = {1, 7, 8, 9, 64, 333, 4096, 9999};
    uint32_t random = 1;
    for (size_t i = 0; i < sizeof bytes; i++) {
        random = random * 1664525 + 1013904223;
        bytes[i] = (char)(random >> 24);
    }
    for (int kind = DIGEST_SHA256; kind <= DIGEST_XXH3; kind++) {
        char whole[DIGEST_TEXT_SIZE];
        strcpy(whole, digest_of((enum digest_kind)kind, bytes, sizeof bytes, sizeof bytes));
        for (size_t i = 0; i < COUNT(steps); i++)
            assert_string_equal(digest_of((enum digest_kind)kind, bytes, sizeof bytes, steps[i]),
                                whole);
        bytes[5000] ^= 1;
        assert_string_not_equal(digest_of((enum digest_kind)kind, bytes, sizeof bytes, 100), whole);
        bytes[5000] ^= 1;
    }
}

/* Bit by bit, as the definitions say. */
static uint64_t slow_crc(uint64_t polynomial, uint64_t ones, const char *bytes, size_t length) {
    uint64_t crc = ones;
    for (size_t i = 0; i < length; i++) {
        crc ^= (unsigned char)bytes[i];
        for (int bit = 0; bit < 8; bit++)
            crc = crc >> 1 ^ (crc & 1 ? polynomial : 0);
    }
    return crc ^ ones;
}

static void checksums_agree_with_their_definition(void **state) {
    (void)state;
    char bytes[300];
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (char)(i * i + 17 * i);
    for (size_t start = 0; start < 8; start++)
        for (size_t length = 0; length < sizeof bytes - 8; length += 1 + length / 16) {
            const char *from = bytes + start;
            uint64_t crc32c = slow_crc(0x82F63B78, UINT32_MAX, from, length);
            assert_int_equal(crc32c_update(0, from, length), crc32c);
            assert_int_equal(crc32c_by_table(0, from, length), crc32c);
            assert_true(crc64nvme_update(0, from, length) ==
                        slow_crc(0x9A6C9329AC4BC9B5, UINT64_MAX, from, length));
            uint32_t half = crc32c_by_table(0, from, length / 2);
            assert_int_equal(crc32c_by_table(half, from + length / 2, length - length / 2), crc32c);
        }
}

static void names_are_read_back(void **state) {
    (void)state;
    enum digest_kind kind;
    for (int i = DIGEST_NONE; i <= DIGEST_XXH3; i++) {
        assert_true(digest_parse_name(digest_name((enum digest_kind)i), &kind));
        assert_int_equal(kind, i);
    }
    kind = DIGEST_MD5;
    static const char *const wrong[] = {"", "SHA256", "sha-256", "sha2", "sha2567", "crc"};
    for (size_t i = 0; i < COUNT(wrong); i++)
        assert_false(digest_parse_name(wrong[i], &kind));
    assert_int_equal(kind, DIGEST_MD5);
}

static void forms_become_one(void **state) {
    (void)state;
    static const struct {
        enum digest_kind kind;
        const char *text, *hex; /* NULL: refused */
    } cases[] = {
        {DIGEST_MD5, "900150983cd24fb0d6963f7d28e17f72", "900150983cd24fb0d6963f7d28e17f72"},
        {DIGEST_MD5, "\"900150983CD24FB0D6963F7D28E17F72\"", "900150983cd24fb0d6963f7d28e17f72"},
        {DIGEST_MD5, "kAFQmDzST7DWlj99KOF/cg==", "900150983cd24fb0d6963f7d28e17f72"},
        {DIGEST_MD5, "\"900150983cd24fb0d6963f7d28e17f72-2\"", NULL},
        {DIGEST_MD5, "900150983cd24fb0d6963f7d28e17f72-13", NULL},
        {DIGEST_MD5, "W/\"900150983cd24fb0d6963f7d28e17f72\"", NULL},
        {DIGEST_MD5, "900150983cd24fb0d6963f7d28e17f7", NULL},
        {DIGEST_MD5, "900150983cd24fb0d6963f7d28e17f7g", NULL},
        {DIGEST_MD5, "kAFQmDzST7DWlj99KOF/cg", NULL},
        {DIGEST_MD5, "kAFQmDzST7DWlj99KOF/ch==", NULL}, /* bits left over */
        {DIGEST_MD5, "kAFQmDzST7DWlj99KOF/cg=x", NULL},
        {DIGEST_MD5, "kAFQmDzST7DW\nj99KOF/cg==", NULL},
        {DIGEST_MD5, "", NULL},
        {DIGEST_MD5, "\"", NULL},
        {DIGEST_MD5, "\"\"", NULL},
        {DIGEST_CRC32, "CBF43926", "cbf43926"},
        {DIGEST_CRC32, "y/Q5Jg==", "cbf43926"},
        {DIGEST_CRC32C, "4waSgw==", "e3069283"},
        {DIGEST_CRC32C, "4waSgw==-2", NULL},
        {DIGEST_CRC64NVME, "rosUhgp5mIg=", "ae8b14860a799888"},
        {DIGEST_CRC64NVME, "ae8b14860a799888", "ae8b14860a799888"},
        {DIGEST_XXH3, "2D06800538D394C2", "2d06800538d394c2"},
        {DIGEST_SHA1, "qZk+NkcGgWq6PiVxeFDCbJzQ2J0=", "a9993e364706816aba3e25717850c26c9cd0d89d"},
        {DIGEST_GIT_SHA1, "\"e69de29bb2d1d6434b8b29ae775ad8c2e48c5391\"",
         "e69de29bb2d1d6434b8b29ae775ad8c2e48c5391"},
        {DIGEST_SHA256, "ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0=",
         "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
        {DIGEST_SHA256, "a9993e364706816aba3e25717850c26c9cd0d89d", NULL},
        {DIGEST_NONE, "", NULL},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        char hex[DIGEST_TEXT_SIZE] = "?";
        char *text = memory_string(cases[i].text); /* so that the sanitizer sees its end */
        assert_int_equal(digest_normalize(cases[i].kind, text, hex), cases[i].hex != NULL);
        if (cases[i].hex)
            assert_string_equal(hex, cases[i].hex);
        memory_free(text);
    }
    digest_free(NULL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(digests_are_the_known_ones),
        cmocka_unit_test(pieces_make_no_difference),
        cmocka_unit_test(checksums_agree_with_their_definition),
        cmocka_unit_test(names_are_read_back),
        cmocka_unit_test(forms_become_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
