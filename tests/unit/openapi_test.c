#include "server/openapi.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static const struct route_reply page_replies[] = {
    {200, "The page.", "text/plain", NULL},
    {200, "The page.", "application/json", "{\"type\":\"object\"}"},
    {502, "The engine is out of reach.", NULL, NULL},
};

static const struct route_reply job_replies[] = {
    {202, "Taken.", "application/json", "{\"type\":\"string\"}"},
};

static const struct route routes[] = {
    {.method = "GET",
     .path = "/page",
     .open = true,
     .summary = "A \"page\"",
     .replies = page_replies,
     .reply_count = 3},
    {.method = "POST",
     .path = "/v1/jobs/{id}/parts/{part}",
     .body_limit = 10,
     .request_type = "application/json",
     .request_schema = "{\"type\":\"array\"}",
     .replies = job_replies,
     .reply_count = 1},
    {.method = "DELETE",
     .path = "/page",
     .query = &(const struct route_parameter){"all", "every \"one\"", "{\"type\":\"boolean\"}"},
     .query_count = 1},
};

#define ERROR_CONTENT                                                                              \
    "\"content\":{\"application/json\":{\"schema\":{\"$ref\":\"#/components/schemas/Error\"}}}"
#define DEFAULT "\"default\":{\"description\":\"Any other error.\"," ERROR_CONTENT "}"
#define PARAMETER(name)                                                                            \
    "{\"name\":\"" name "\",\"in\":\"path\",\"required\":true,\"schema\":{\"type\":\"string\"}}"
#define DENIED                                                                                     \
    "\"401\":{\"description\":\"The bearer token is missing or wrong.\"," ERROR_CONTENT "},"
#define GUARDED ",\"security\":[{\"bearer\":[]}]"
#define DOCUMENT(denied, guarded, schemes)                                                         \
    "{\"openapi\":\"3.1.0\",\"info\":{\"title\":\"t\",\"version\":\"1\"},\"paths\":{"              \
    "\"/page\":{"                                                                                  \
    "\"get\":{\"operationId\":\"get_page\",\"summary\":\"A \\\"page\\\"\",\"responses\":{"         \
    "\"200\":{\"description\":\"The page.\",\"content\":{\"text/plain\":{},"                       \
    "\"application/json\":{\"schema\":{\"type\":\"object\"}}}},"                                   \
    "\"502\":{\"description\":\"The engine is out of reach.\"," ERROR_CONTENT "}," DEFAULT "}},"   \
    "\"delete\":{\"operationId\":\"delete_page\",\"parameters\":[{\"name\":\"all\",\"in\":"        \
    "\"query\","                                                                                   \
    "\"description\":\"every "                                                                     \
    "\\\"one\\\"\",\"schema\":{\"type\":\"boolean\"}}],\"responses\":{" denied DEFAULT "}" guarded \
    "}},"                                                                                          \
    "\"/v1/jobs/{id}/parts/{part}\":{"                                                             \
    "\"post\":{\"operationId\":\"post_v1_jobs_id_parts_part\",\"parameters\":[" PARAMETER(         \
        "id") "," PARAMETER("part") "],"                                                           \
                                    "\"requestBody\":{\"required\":true,\"content\":{"             \
                                    "\"application/json\":{\"schema\":"                            \
                                    "{\"type\":\"array\"}}}},\"responses\":{\"202\":{"             \
                                    "\"description\":\"Taken.\",\"content\":"                      \
                                    "{\"application/"                                              \
                                    "json\":{\"schema\":{\"type\":\"string\"}}}}," denied DEFAULT  \
                                    "}" guarded "}}},"                                             \
                                    "\"components\":{\"schemas\":{\"Error\":{\"type\":\"object\"," \
                                    "\"required\":[\"detail\"],"                                   \
                                    "\"properties\":{\"detail\":{\"type\":\"string\","             \
                                    "\"description\":\"What happened and what to "                 \
                                    "do.\"}}}}" schemes "}}"

static void test_without_token(void **state) {
    (void)state;
    struct buffer out = {0};
    struct openapi_info info = {.title = "t", .version = "1"};
    openapi_write(&info, routes, 3, &out);
    assert_string_equal(buffer_text(&out), DOCUMENT("", "", ""));
    buffer_free(&out);
}

static void test_with_token(void **state) {
    (void)state;
    struct buffer out = {0};
    struct openapi_info info = {.title = "t", .version = "1", .token = true};
    openapi_write(&info, routes, 3, &out);
    assert_string_equal(buffer_text(&out),
                        DOCUMENT(DENIED, GUARDED,
                                 ",\"securitySchemes\":{\"bearer\":{\"type\":\"http\","
                                 "\"scheme\":\"bearer\"}}"));
    buffer_free(&out);
}

static void test_no_routes(void **state) {
    (void)state;
    struct buffer out = {0};
    struct openapi_info info = {.title = "t", .version = "1", .description = "d"};
    openapi_write(&info, NULL, 0, &out);
    assert_non_null(strstr(buffer_text(&out), "\"description\":\"d\"},\"paths\":{},"));
    buffer_free(&out);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_without_token),
        cmocka_unit_test(test_with_token),
        cmocka_unit_test(test_no_routes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
