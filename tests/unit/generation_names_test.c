/* Names, schemes and routes over all files of a generation, and the paths of the server. */
#include "generation_support.h"

static void expect_reserved(const struct fixture *fixture, const char *const *reserved,
                            const char *expected) {
    const char *more = in(fixture, "more");
    struct rule_sources sources = sources_of(fixture, &more, 1);
    sources.reserved = reserved;
    char *text = problems_of(fixture, &sources);
    assert_string_equal(text, expected);
    memory_free(text);
}

static void test_sources_are_unique(void **state) {
    put_source(*state, "more/a.lua", "one", "'x', 'y'");
    put_source(*state, "more/b.lua", "one", "'z', 'y', ''");
    put_source(*state, "more/c.lua", "two", "'w', 'w', ''");
    expect_problems(*state, "~/more/b.lua: source: \"one\" is taken by ~/more/a.lua\n"
                            "~/more/c.lua: schemes[3]: \"\" is taken by ~/more/b.lua\n"
                            "~/more/c.lua: schemes[2]: \"w\" is there twice\n"
                            "~/more/b.lua: schemes[2]: \"y\" is taken by ~/more/a.lua\n");
}

static void test_workflows_are_unique(void **state) {
    put_workflow(*state, "more/a.lua", "one", "/v1/x");
    put_workflow(*state, "more/b.lua", "one", "/v1/y");
    put_workflow(*state, "more/c.lua", "two", "/v1/x");
    expect_problems(*state, "~/more/b.lua: workflow: \"one\" is taken by ~/more/a.lua\n"
                            "~/more/c.lua: route.path: \"/v1/x\" is taken by ~/more/a.lua\n");
}

static void test_a_parameter_of_a_path_has_no_name_of_its_own(void **state) {
    put_workflow(*state, "more/a.lua", "a", "/v1/x/{id}/y");
    put(*state, "more/b.lua",
        "return { api = 1, workflow = 'b', route = { method = 'POST', path = '/v1/x/{no}/y' },\n"
        "  params = { { name = 'no', type = 'integer' } }, run = function() end }");
    expect_problems(*state,
                    "~/more/b.lua: route.path: \"/v1/x/{no}/y\" is taken by ~/more/a.lua\n");
}

static void test_a_path_may_have_several_methods(void **state) {
    put_workflow(*state, "more/a.lua", "a", "/v1/x");
    put(*state, "more/b.lua",
        "return { api = 1, workflow = 'b', route = { method = 'GET', path = '/v1/x' },\n"
        "  run = function() end }");
    expect_problems(*state, "");
}

static void test_kinds_do_not_share_names(void **state) {
    put_source(*state, "more/a.lua", "alpha", "'alpha'");
    put_workflow(*state, "more/b.lua", "alpha", "/v1/alpha");
    expect_problems(*state, "");
}

static void test_the_later_layer_is_to_blame(void **state) {
    make_directory(*state, "rules/sources");
    put_source(*state, "rules/sources/z.lua", "z", "'s'");
    put_source(*state, "more/a.lua", "a", "'s'");
    expect_problems(*state, "~/more/a.lua: schemes[1]: \"s\" is taken by rules/sources/z.lua\n");
}

static void test_paths_of_the_server_are_its_own(void **state) {
    static const char *const reserved[] = {"/", "/health", "/v1/jobs*", NULL};
    put_workflow(*state, "more/a.lua", "a", "/health");
    put_workflow(*state, "more/b.lua", "b", "/v1/jobs");
    put_workflow(*state, "more/c.lua", "c", "/v1/jobs/x/y");
    put_workflow(*state, "more/d.lua", "d", "/v1/jobsfoo");
    put_workflow(*state, "more/e.lua", "e", "/v1/{id}");
    put_workflow(*state, "more/f.lua", "f", "/{id}");
    expect_reserved(
        *state, reserved,
        "~/more/a.lua: route.path: \"/health\" belongs to the server itself (/health); choose "
        "another\n"
        "~/more/b.lua: route.path: \"/v1/jobs\" belongs to the server itself (/v1/jobs*); choose "
        "another\n"
        "~/more/c.lua: route.path: \"/v1/jobs/x/y\" belongs to the server itself (/v1/jobs*); "
        "choose another\n"
        "~/more/d.lua: route.path: \"/v1/jobsfoo\" belongs to the server itself (/v1/jobs*); "
        "choose another\n"
        "~/more/e.lua: route.path: \"/v1/{id}\" belongs to the server itself (/v1/jobs*); choose "
        "another\n"
        "~/more/f.lua: route.path: \"/{id}\" belongs to the server itself (/health); choose "
        "another\n");
}

static void test_other_paths_are_free(void **state) {
    static const char *const reserved[] = {"/", "/health", "/v1/jobs*", NULL};
    put_workflow(*state, "more/a.lua", "a", "/healthy");
    put_workflow(*state, "more/b.lua", "b", "/health/x");
    put_workflow(*state, "more/c.lua", "c", "/v1/job");
    put_workflow(*state, "more/d.lua", "d", "/v1/things/{id}");
    put_workflow(*state, "more/e.lua", "e", "/v2/jobs");
    expect_reserved(*state, reserved, "");
}

static void test_methods_do_not_make_a_servers_path_free(void **state) {
    static const char *const reserved[] = {"/metrics*", NULL};
    put(*state, "more/a.lua",
        "return { api = 1, workflow = 'a', route = { method = 'DELETE', path = '/metrics' },\n"
        "  run = function() end }");
    expect_reserved(*state, reserved,
                    "~/more/a.lua: route.path: \"/metrics\" belongs to the server itself "
                    "(/metrics*); choose another\n");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up_rules, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_sources_are_unique),
        TEST(test_workflows_are_unique),
        TEST(test_a_parameter_of_a_path_has_no_name_of_its_own),
        TEST(test_a_path_may_have_several_methods),
        TEST(test_kinds_do_not_share_names),
        TEST(test_the_later_layer_is_to_blame),
        TEST(test_paths_of_the_server_are_its_own),
        TEST(test_other_paths_are_free),
        TEST(test_methods_do_not_make_a_servers_path_free),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
