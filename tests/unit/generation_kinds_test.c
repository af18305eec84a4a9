/* Sources and workflows of a generation, which source a URI belongs to, and what kind of rule a
 * file holds. */
#include "generation_support.h"

#define KNOWN "known: alpha://bucket/prefix, hub://bucket/prefix, local:///path"

static int set_up_sources(void **state) {
    int status = set_up_rules(state);
    make_directory(*state, "rules/sources");
    make_directory(*state, "rules/workflows");
    put_source(*state, "rules/sources/hub.lua", "hub", "'hub', ''");
    put_source(*state, "rules/sources/second.lua", "alpha", "'al', 'alpha+v2'");
    put(*state, "rules/sources/local.lua",
        "return { api = 1, source = 'local', schemes = { 'local' }, help = 'local:///path',\n"
        "  resolve = function() end }");
    put_workflow(*state, "rules/workflows/task.lua", "task", "/v1/tasks/{id}");
    return status;
}

static const char *source_of(const struct generation *generation, const char *uri) {
    const struct source *source = NULL;
    struct error *error = generation_source_of(generation, uri, &source);
    assert_null(error);
    return source->name;
}

static void expect_no_source(const struct generation *generation, const char *uri,
                             const char *expected) {
    const struct source *source = NULL;
    struct error *error = generation_source_of(generation, uri, &source);
    assert_non_null(error);
    assert_null(source);
    assert_int_equal(error->kind, ERROR_INVALID);
    assert_string_equal(error->message, expected);
    error_free(error);
}

static void test_finds_the_source_of_a_uri(void **state) {
    struct generation *generation = build_good(*state);
    assert_int_equal(generation_source_count(generation), 3);
    assert_string_equal(source_of(generation, "hub://ns/repo"), "hub");
    assert_string_equal(source_of(generation, "HUB://ns/repo"), "hub");
    assert_string_equal(source_of(generation, "ns/repo"), "hub");
    assert_string_equal(source_of(generation, "repo@main"), "hub");
    assert_string_equal(source_of(generation, "al://b"), "alpha");
    assert_string_equal(source_of(generation, "alpha+v2://b"), "alpha");
    assert_string_equal(source_of(generation, "local:///x://y"), "local");
    assert_string_equal(source_of(generation, "local://"), "local");
    generation_unref(generation);
}

static void test_says_which_schemes_there_are(void **state) {
    struct generation *generation = build_good(*state);
    expect_no_source(generation, "hbu://x",
                     "unknown scheme 'hbu://'; did you mean 'hub://'?; " KNOWN);
    expect_no_source(generation, "qwertz://x", "unknown scheme 'qwertz://'; " KNOWN);
    expect_no_source(generation, "://x", "unknown scheme '://'; " KNOWN);
    expect_no_source(generation, "a b/c://x", "unknown scheme 'a b/c://'; " KNOWN);
    generation_unref(generation);
}

static void test_tells_paths_from_names(void **state) {
    struct generation *generation = build_good(*state);
    static const char *const paths[] = {"/abs/path", "./x",  "../x", ".",   "~/x",
                                        "C:\\x",     "c:/x", "d:",   "a\\b"};
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
        char expected[512];
        snprintf(expected, sizeof expected,
                 "'%s' is a path, no URI; a path is written as local:///path; " KNOWN, paths[i]);
        expect_no_source(generation, paths[i], expected);
    }
    expect_no_source(generation, "", "the source is empty; " KNOWN);
    expect_no_source(generation, "hub:/ns/repo",
                     "'hub:/ns/repo' is no URI; '://' is missing; " KNOWN);
    expect_no_source(generation, "host:80/x", "'host:80/x' is no URI; '://' is missing; " KNOWN);
    generation_unref(generation);
}

static void test_needs_a_source_for_names_without_scheme(void **state) {
    put_source(*state, "rules/sources/hub.lua", "hub", "'hub'");
    struct generation *generation = build_good(*state);
    expect_no_source(generation, "ns/repo", "'ns/repo' is no URI; '://' is missing; " KNOWN);
    generation_unref(generation);
}

static void test_cuts_long_texts_in_messages(void **state) {
    struct generation *generation = build_good(*state);
    const struct source *source;
    char uri[5000];
    memset(uri, 'x', sizeof uri - 1);
    uri[sizeof uri - 1] = '\0';
    uri[0] = '/';
    struct error *error = generation_source_of(generation, uri, &source);
    assert_in_range(strlen(error->message), 200, 500);
    error_free(error);
    memcpy(uri + sizeof uri - 4, "://", 4);
    error = generation_source_of(generation, uri, &source);
    assert_in_range(strlen(error->message), 200, 500);
    error_free(error);
    generation_unref(generation);
}

static void test_knows_no_source(void **state) {
    make_directory(*state, "none");
    struct problems problems = {0};
    struct rule_sources sources = sources_of(*state, NULL, 0);
    sources.layers.builtin = in(*state, "none");
    struct generation *generation = build(&sources, &problems);
    expect_no_source(generation, "x://y",
                     "unknown scheme 'x://'; known: none, the rules hold no source");
    expect_no_source(generation, "/y",
                     "'/y' is a path, no URI; known: none, the rules hold no source");
    generation_unref(generation);
}

static void test_holds_the_data_of_a_workflow(void **state) {
    put(*state, "rules/workflows/full.lua",
        "return { api = 1, workflow = 'full', summary = 'Does it', \n"
        "  route = { method = 'PUT', path = '/v1/full' }, params = {\n"
        "    { name = 'a', type = 'string', required = true, help = 'A.', min = 1 },\n"
        "    { name = 'b', type = 'string', choices = { 'x', 'y' }, default = 'y' },\n"
        "    { name = 'c', type = 'boolean', default = false },\n"
        "    { name = 'd', type = 'list', default = 'one', max = 2 },\n"
        "    { name = 'e', type = 'directory' } },\n"
        "  async = 'c', started = { message = 'Under way', echo = { 'a', 'b' } },\n"
        "  same = { 'a' }, exclusive = 'e', run = function() end }");
    struct generation *generation = build_good(*state);
    assert_int_equal(generation_workflow_count(generation), 2);
    const struct workflow *full = generation_workflow_at(generation, 0);
    assert_string_equal(full->name, "full");
    assert_string_equal(full->summary, "Does it");
    assert_string_equal(full->method, "PUT");
    assert_string_equal(full->path, "/v1/full");
    assert_string_equal(full->file->display, "rules/workflows/full.lua");
    assert_int_equal(full->param_count, 5);
    assert_int_equal(full->params[0].type, PARAM_STRING);
    assert_true(full->params[0].required && full->params[0].has_min && !full->params[0].has_max);
    assert_true(full->params[0].min == 1);
    assert_string_equal(full->params[0].help, "A.");
    assert_null(full->params[0].fallback);
    assert_int_equal(full->params[1].choice_count, 2);
    assert_string_equal(full->params[1].choices[1], "y");
    assert_string_equal(full->params[1].fallback, "\"y\"");
    assert_string_equal(full->params[2].fallback, "false");
    assert_string_equal(full->params[2].help, "");
    assert_string_equal(full->params[3].fallback, "[\"one\"]");
    assert_int_equal(full->params[4].type, PARAM_DIRECTORY);
    assert_string_equal(full->async, "c");
    assert_string_equal(full->started_message, "Under way");
    assert_int_equal(full->echo_count, 2);
    assert_string_equal(full->same[0], "a");
    assert_string_equal(full->exclusive, "e");
    const struct workflow *task = generation_workflow_at(generation, 1);
    assert_string_equal(task->summary, "task");
    assert_null(task->async);
    assert_null(task->started_message);
    assert_null(task->exclusive);
    generation_unref(generation);
}

static void test_holds_how_a_workflow_starts(void **state) {
    put(*state, "rules/workflows/often.lua",
        "return { api = 1, workflow = 'often', every = 'pause', quiet = true, ready = 'things',\n"
        "  on = { 'start', 'file_changed' }, serial = 'a', parallel = 3,\n"
        "  params = { { name = 'a', type = 'string', default = 'x' } }, settings = {\n"
        "    { name = 'pause', flag = 'pause', env = 'PAUSE', type = 'seconds', default = 0.5,\n"
        "      help = 'P.' },\n"
        "    { name = 'names', env = 'NAMES', type = 'list', default = { 'a', 'b' } },\n"
        "    { name = 'key', env = 'KEY', type = 'secret' },\n"
        "    { name = 'on', flag = 'on-or-off', type = 'boolean', default = false },\n"
        "    { name = 'file', env = 'FILE', type = 'file' } }, run = function() end }");
    put(*state, "rules/workflows/timer.lua",
        "return { api = 1, workflow = 'timer', every = 15, on = { 'engine_up', 'rules_changed' },\n"
        "  run = function() end }");
    struct generation *generation = build_good(*state);
    const struct workflow *often = generation_workflow(generation, "often");
    assert_null(often->method);
    assert_null(often->path);
    assert_true(often->every == 0 && often->quiet && often->parallel == 3);
    assert_string_equal(often->every_setting, "pause");
    assert_string_equal(often->ready, "things");
    assert_string_equal(often->serial, "a");
    assert_int_equal(often->events, WORKFLOW_ON_START | WORKFLOW_ON_FILE_CHANGED);
    assert_int_equal(often->setting_count, 5);
    assert_string_equal(often->settings[0].flag, "pause");
    assert_string_equal(often->settings[0].env, "PAUSE");
    assert_int_equal(often->settings[0].type, SETTING_SECONDS);
    assert_string_equal(often->settings[0].fallback, "0.5");
    assert_string_equal(often->settings[0].help, "P.");
    assert_int_equal(often->settings[1].type, SETTING_LIST);
    assert_string_equal(often->settings[1].fallback, "a,b");
    assert_null(often->settings[1].flag);
    assert_int_equal(often->settings[2].type, SETTING_SECRET);
    assert_null(often->settings[2].fallback);
    assert_int_equal(often->settings[3].type, SETTING_BOOLEAN);
    assert_string_equal(often->settings[3].fallback, "false");
    assert_null(often->settings[3].env);
    assert_int_equal(often->settings[4].type, SETTING_FILE);
    const struct workflow *timer = generation_workflow(generation, "timer");
    assert_true(timer->every == 15 && !timer->quiet && timer->parallel == 0);
    assert_int_equal(timer->events, WORKFLOW_ON_ENGINE_UP | WORKFLOW_ON_RULES_CHANGED);
    assert_null(timer->ready);
    assert_null(generation_workflow(generation, "none"));
    generation_unref(generation);
}

#define TASK(name, settings)                                                                       \
    "return { api = 1, workflow = '" name                                                          \
    "', every = 15, run = function() end, settings = { " settings " } }"

static void test_files_share_settings(void **state) {
    put(*state, "rules/workflows/a.lua",
        TASK("a", "{ name = 'b', flag = 'bb', type = 'string' }, { name = 'c', env = 'C', type = "
                  "'integer', default = 1 }"));
    put(*state, "rules/workflows/b.lua",
        TASK("b", "{ name = 'c', env = 'C', type = 'integer', default = 1 }, { name = 'a', env = "
                  "'A', type = 'file' }"));
    struct generation *generation = build_good(*state);
    const struct setting **settings;
    assert_int_equal(generation_settings(generation, &settings), 3);
    assert_string_equal(settings[0]->name, "a");
    assert_string_equal(settings[1]->name, "b");
    assert_string_equal(settings[2]->name, "c");
    memory_free(settings);
    generation_unref(generation);
    put(*state, "more/c.lua",
        TASK("c", "{ name = 'd', env = 'D', type = 'string' }, { name = 'c', env = 'C', type = "
                  "'integer', default = 2 }, { name = 'e', flag = 'bb', type = 'string' }"));
    expect_problems(*state,
                    "~/more/c.lua: settings[2]: \"c\" is declared otherwise by "
                    "rules/workflows/a.lua; two files that share a setting declare it in the same "
                    "words\n"
                    "~/more/c.lua: settings[3].flag: \"bb\" is taken by the setting \"b\" of "
                    "rules/workflows/a.lua\n");
}

static void test_a_directory_demands_its_kind(void **state) {
    make_directory(*state, "more/engines");
    make_directory(*state, "more/workflows");
    put_source(*state, "more/engines/a.lua", "a", "'a'");
    put_engine(*state, "more/workflows/b.lua", "b", "b_");
    put_workflow(*state, "more/c.lua", "c", "/v1/c");
    put(*state, "more/engines/d.lua", "return { api = 1 }");
    put(*state, "more/e.lua", "return { api = 1 }");
    put(*state, "more/f.lua", "return { api = 1, engine = 'f', source = 'f', metrics = {} }");
    put(*state, "more/g.lua", "return { api = 1, workflo = 'f', run = function() end }");
    put(*state, "more/h.lua", "return 5");
    put(*state, "more/i.lua", "return { 'x' }");
    expect_problems(
        *state,
        "~/more/engines/a.lua: holds a source; a file in engines/ holds an engine\n"
        "~/more/workflows/b.lua: holds an engine; a file in workflows/ holds a workflow\n"
        "~/more/engines/d.lua: engine: missing; expected an engine name (lower-case letters, "
        "digits, \"_\", \".\", \"-\")\n"
        "~/more/engines/d.lua: metrics: missing; expected a list of metrics\n"
        "~/more/e.lua: has no key engine, source or workflow, which says what the file is for\n"
        "~/more/f.lua: has the keys engine and source; a rule file holds one of them\n"
        "~/more/g.lua: workflow: missing; expected a name (lower-case letters, digits, \"_\", "
        "\"-\")\n"
        "~/more/g.lua: workflo: unknown key; did you mean \"workflow\"?\n"
        "~/more/g.lua: route: missing; expected a table with method and path, or \"every\" or "
        "\"on\" "
        "to start it\n"
        "~/more/h.lua: expected a table; a rule file ends with return { ... }, got 5\n"
        "~/more/i.lua: has no key engine, source or workflow, which says what the file is for\n");
}

static void test_a_file_replaces_one_of_its_kind(void **state) {
    make_directory(*state, "more/sources");
    put_source(*state, "more/sources/beta.lua", "beta", "'beta'");
    put_source(*state, "more/alpha.lua", "alpha2", "'alpha2'");
    put_source(*state, "more/hub.lua", "hub", "'hub', ''");
    expect_problems(*state,
                    "~/more/sources/beta.lua: would replace rules/engines/beta.lua, which is no "
                    "source; rename it\n"
                    "~/more/alpha.lua: holds a source; rules/engines/alpha.lua, which it "
                    "replaces, holds an engine\n");
}

static void test_names_are_unique_over_kinds(void **state) {
    put_source(*state, "rules/sources/beta.lua", "b", "'b'");
    put_source(*state, "rules/local.lua", "b", "'b'");
    expect_problems(*state, "rules/sources/beta.lua: rules/engines/beta.lua is there too; keep one "
                            "of the two\n"
                            "rules/sources/local.lua: rules/local.lua is there too; keep one of "
                            "the two\n");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up_sources, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_finds_the_source_of_a_uri),
        TEST(test_says_which_schemes_there_are),
        TEST(test_tells_paths_from_names),
        TEST(test_needs_a_source_for_names_without_scheme),
        TEST(test_cuts_long_texts_in_messages),
        TEST(test_knows_no_source),
        TEST(test_holds_the_data_of_a_workflow),
        TEST(test_holds_how_a_workflow_starts),
        TEST(test_files_share_settings),
        TEST(test_a_directory_demands_its_kind),
        TEST(test_a_file_replaces_one_of_its_kind),
        TEST(test_names_are_unique_over_kinds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
