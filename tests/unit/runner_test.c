#include "policy/runner.h"

#include "base/clock.h"
#include "base/file.h"
#include "rule_files.h"
#include "store/lock.h"
#include "tcp_server.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))
#define REPLY(headers, length, body)                                                               \
    "HTTP/1.1 200 OK\r\n" headers "Content-Length: " #length "\r\n\r\n" body

/* A source whose URI is acme://PORT/NAME[@REVISION]: it asks for the listing, lines of path and
 * size, and has a token. */
static const char ACME[] =
    "local function list(uri, ctx)\n"
    "  local token = ctx.config.token\n"
    "  local headers = token and { Authorization = { 'Bearer ', token } }\n"
    "  local at = 'http://127.0.0.1:' .. uri.authority\n"
    "  local reply, message, kind = ctx.http.get(at .. '/list', { headers = headers, attempts = 1 "
    "})\n"
    "  if not reply then return nil, message, kind end\n"
    "  if reply.status ~= 200 then return nil, 'refused: ' .. reply.body, 'denied' end\n"
    "  local plan = { revision = 'r1', pinned = true, access = { headers = headers }, files = {} "
    "}\n"
    "  for path, size in reply.body:gmatch('(%S+) (%d+)') do\n"
    "    plan.files[#plan.files + 1] = { path = path, size = tonumber(size), url = at .. '/' .. "
    "path }\n"
    "  end\n"
    "  return plan\n"
    "end\n"
    "return { api = 1, source = 'acme', schemes = { 'acme' },\n"
    "  config = { token = { secret = true } },\n"
    "  resolve = function(uri, ctx)\n"
    "    if uri.name:find('raise') then error('raised here') end\n"
    "    if uri.name:find('broken') then return { files = 1 } end\n"
    "    if uri.name:find('empty') then return { files = {} } end\n"
    "    return list(uri, ctx)\n"
    "  end,\n"
    "  explain = function(failure, ctx)\n"
    "    if failure.headers['x-why'] then\n"
    "      return failure.path .. ' is ' .. failure.headers['x-why'] .. failure.status .. "
    "failure.body, 'not_found'\n"
    "    end\n"
    "  end,\n"
    "}\n";

/* One that copies local files, and finishes with a list of them; "raise" in its name makes that
 * fail. */
static const char VOLUME[] =
    "return { api = 1, source = 'volume', schemes = { 'volume' },\n"
    "  resolve = function(uri, ctx)\n"
    "    local files, message, kind = ctx.files(uri.path)\n"
    "    if not files then return nil, message, kind end\n"
    "    return { files = files }\n"
    "  end,\n"
    "  finish = function(plan, ctx)\n"
    "    local names = {}\n"
    "    for i, file in ipairs(plan.files) do\n"
    "      if file.path == 'raise' then error('could not finish') end\n"
    "      if file.path == 'bad' then return { { path = 'bad', text = '' } } end\n"
    "      names[i] = file.path\n"
    "    end\n"
    "    table.sort(names)\n"
    "    return { { path = '.cache/names', text = table.concat(names, ' ') } }\n"
    "  end,\n"
    "}\n";

static const char FETCH[] =
    "return { api = 1, workflow = 'fetch', route = { method = 'POST', path = '/v1/fetch' },\n"
    "  params = { { name = 'source', type = 'source', required = true },\n"
    "    { name = 'output_dir', type = 'directory', required = true },\n"
    "    { name = 'config', type = 'config' }, { name = 'include', type = 'list' } },\n"
    "  run = function(params, ctx)\n"
    "    if params.source == 'secret://' then return { leaked = params.config } end\n"
    "    ctx.job.phase('fetching')\n"
    "    local result, message, kind = ctx.download(params.source, params.output_dir,\n"
    "      { config = params.config, include = params.include })\n"
    "    if not result then return nil, message, kind end\n"
    "    return { files = result.files, bytes = result.bytes, id = ctx.job.id, list = { 1, { x = "
    "{} } },\n"
    "      null = params.nothing == nil }\n"
    "  end,\n"
    "}\n";

struct setup {
    struct rule_sources sources;
    struct generation *generation;
    struct runner_config config;
    struct runner *runner;
    struct progress progress;
    atomic_bool cancel;
    struct buffer result;
    struct error *error;
};

static struct generation *build(struct setup *setup, uint64_t number) {
    struct problems problems = {0};
    struct buffer text = {0};
    struct generation *generation =
        generation_build(snapshot_read(&setup->sources.layers), &setup->sources, number, &problems);
    problems_print(&problems, &text);
    if (!generation)
        fail_msg("%s", buffer_text(&text));
    problems_free(&problems);
    buffer_free(&text);
    return generation;
}

static void begin(struct setup *setup, const struct fixture *fixture) {
    *setup = (struct setup){.sources = {.lua = "lua", .layers = {.builtin = in(fixture, "rules")}}};
    make_directory(fixture, "rules");
    make_directory(fixture, "rules/sources");
    make_directory(fixture, "rules/workflows");
    put(fixture, "rules/sources/acme.lua", ACME);
    put(fixture, "rules/sources/volume.lua", VOLUME);
    put(fixture, "rules/workflows/fetch.lua", FETCH);
    setup->generation = build(setup, 1);
    setup->config = (struct runner_config){
        .lua = "lua",
        .download = {.network = {.user_agent = "kthena-test/1", .direct = true}},
    };
    assert_null(runner_new(&setup->config, &setup->runner));
    progress_init(&setup->progress);
    atomic_init(&setup->cancel, false);
}

static void end(struct setup *setup) {
    runner_free(setup->runner);
    generation_unref(setup->generation);
    progress_destroy(&setup->progress);
    buffer_free(&setup->result);
    error_free(setup->error);
}

/* Downloads a source; the error, if any, is in setup until the next call. */
static bool download(struct setup *setup, const struct download_request *request) {
    buffer_clear(&setup->result);
    error_free(setup->error);
    setup->error = runner_download(setup->runner, setup->generation, request, &setup->progress,
                                   &setup->cancel, &setup->result);
    return setup->error == NULL;
}

static void expect_result(struct setup *setup, const char *part) {
    if (setup->error)
        fail_msg("%s", setup->error->message);
    if (!strstr(buffer_text(&setup->result), part))
        fail_msg("no %s in %s", part, buffer_text(&setup->result));
}

static void expect_error(const struct setup *setup, enum error_kind kind, const char *part) {
    assert_non_null(setup->error);
    if (setup->error->kind != kind || !strstr(setup->error->message, part))
        fail_msg("%s: %s", error_kind_name(setup->error->kind), setup->error->message);
}

static void expect_file(const struct fixture *fixture, const char *name, const char *content) {
    struct buffer text = {0};
    struct error *error = file_read(in(fixture, name), 0, &text);
    if (error)
        fail_msg("%s", error->message);
    assert_string_equal(buffer_text(&text), content);
    buffer_free(&text);
}

static const char *acme(const struct tcp_server *server, const char *name) {
    static char text[64];
    snprintf(text, sizeof text, "acme://%d/%s", server->port, name);
    return text;
}

static void downloads_what_the_source_lists(void **state) {
    static const struct step steps[] = {
        {.reply = REPLY("", 8, "a 2 b 3 ")},
        {.reply = REPLY("", 3, "123")},
        {.reply = REPLY("", 2, "12")},
        {.reply = REPLY("", 8, "a 2 b 3 ")},
    };
    struct setup setup;
    struct tcp_server server;
    begin(&setup, *state);
    server_start(&server, steps, COUNT(steps));
    struct download_request request = {
        .source = acme(&server, "m"),
        .directory = in(*state, "out"),
        .config = "{\"token\":\"planted-secret\"}",
        .max_workers = 1,
    };
    assert_true(download(&setup, &request) || setup.error);
    expect_result(&setup, "\"fetched\":5,\"files\":2,\"path\":\"");
    expect_result(&setup, "{\"bytes\":5,\"digest\":\"sha256:"
                          "edbfb56196628245dad155bdb78a414ae051e4cfd5138e53eb2114285dab137f\",");
    expect_result(&setup, "\"present\":0,\"revision\":\"r1\",\"seconds\":");
    expect_result(&setup, request.source);
    expect_file(*state, "out/a", "12");
    expect_file(*state, "out/b", "123");
    download(&setup, &request);
    expect_result(&setup, "\"fetched\":0,\"files\":2,\"path\":\"");
    expect_result(&setup, "\"present\":2");
    server_finish(&server);
    const char *heads = buffer_text(&server.request);
    for (size_t i = 0; i < COUNT(steps); i++) {
        heads = strstr(heads, "\r\nAuthorization: Bearer planted-secret\r\n");
        assert_non_null(heads);
        heads++;
    }
    server_free(&server);
    end(&setup);
}

/* A revision that cannot change, once it is there in full, needs no network. */
static void a_pinned_revision_is_not_asked_for_again(void **state) {
    static const struct step steps[] = {
        {.reply = REPLY("", 4, "a 2 ")},
        {.reply = REPLY("", 2, "12")},
        {.reply = REPLY("", 8, "a 2 b 3 ")}, /* for another selection */
        {.reply = REPLY("", 3, "123")},
    };
    static const char *const include[] = {"?"};
    struct setup setup;
    struct tcp_server server;
    begin(&setup, *state);
    server_start(&server, steps, COUNT(steps));
    struct download_request request = {
        .source = acme(&server, "m@r1"), .directory = in(*state, "out"), .max_workers = 1};
    download(&setup, &request);
    expect_result(&setup, "\"fetched\":2");
    download(&setup, &request);
    expect_result(&setup, "\"fetched\":0,\"files\":1,");
    expect_result(&setup, "\"present\":1,\"revision\":\"r1\"");
    request.include = include;
    request.include_count = 1;
    download(&setup, &request);
    expect_result(&setup, "\"files\":2");
    server_finish(&server);
    server_free(&server);
    end(&setup);
}

static void resolves_without_writing(void **state) {
    static const struct step steps[] = {{.reply = REPLY("", 8, "b 2 a 3 "), .after = CLOSE}};
    struct setup setup;
    struct tcp_server server;
    begin(&setup, *state);
    server_start(&server, steps, COUNT(steps));
    struct download_request request = {.source = acme(&server, "m"),
                                       .directory = in(*state, "none")};
    setup.error =
        runner_plan(setup.runner, setup.generation, &request, &setup.cancel, &setup.result);
    char expected[256];
    snprintf(expected, sizeof expected,
             "{\"source\":\"%s\",\"revision\":\"r1\",\"bytes\":5,\"files\":[{\"path\":\"a\","
             "\"size\":3,\"digest\":null,\"present\":false},{\"path\":\"b\"",
             request.source);
    expect_result(&setup, expected);
    assert_int_equal(access(in(*state, "none"), F_OK), -1);
    server_finish(&server);
    server_free(&server);
    end(&setup);
}

static void what_a_rule_does_wrong_is_told_with_its_file(void **state) {
    struct setup setup;
    begin(&setup, *state);
    struct download_request request = {.directory = in(*state, "out")};
    request.source = "acme://1/raise";
    download(&setup, &request);
    expect_error(&setup, ERROR_POLICY, "rules/sources/acme.lua:17: raised here");
    request.source = "acme://1/broken";
    download(&setup, &request);
    expect_error(&setup, ERROR_POLICY,
                 "rules/sources/acme.lua: resolve: files: expected a list of files, got 1");
    request.source = "acme://1/empty";
    download(&setup, &request);
    expect_error(&setup, ERROR_NOT_FOUND, "acme://1/empty has no files");
    request.source = "acme://1/x";
    download(&setup, &request);
    expect_error(&setup, ERROR_UNREACHABLE, "GET http://127.0.0.1:1/list: ");
    request.source = "akme://1/x";
    download(&setup, &request);
    expect_error(&setup, ERROR_INVALID, "acme");
    request.source = "acme://1/x";
    request.config = "{\"token\":\"planted";
    download(&setup, &request);
    expect_error(&setup, ERROR_INVALID, "config: ");
    assert_null(strstr(setup.error->message, "planted"));
    request.config = "[]";
    download(&setup, &request);
    expect_error(&setup, ERROR_INVALID, "config: expected a JSON object");
    end(&setup);
}

static void no_error_holds_a_secret(void **state) {
    static const struct step steps[] = {
        {.reply = "HTTP/1.1 403 No\r\nContent-Length: 31\r\n\r\nyour token was 'planted-secret'!",
         .after = CLOSE}};
    struct setup setup;
    struct tcp_server server;
    begin(&setup, *state);
    server_start(&server, steps, COUNT(steps));
    struct download_request request = {.source = acme(&server, "m"),
                                       .directory = in(*state, "out"),
                                       .config = "{\"token\":\"planted-secret\"}"};
    download(&setup, &request);
    expect_error(&setup, ERROR_DENIED, "refused: your token was '***'");
    server_finish(&server);
    server_free(&server);
    end(&setup);
}

static void a_refused_file_is_explained_by_its_source(void **state) {
    static const struct step steps[] = {
        {.reply = REPLY("", 4, "a 2 ")},
        {.reply = "HTTP/1.1 403 No\r\nX-Why: gated\r\nContent-Length: 2\r\n\r\nhm", .after = CLOSE},
        {.reply = REPLY("", 4, "a 2 ")},
        {.reply = "HTTP/1.1 401 No\r\nContent-Length: 0\r\n\r\n", .after = CLOSE},
    };
    struct setup setup;
    struct tcp_server server;
    begin(&setup, *state);
    server_start(&server, steps, COUNT(steps));
    struct download_request request = {
        .source = acme(&server, "m"), .directory = in(*state, "out"), .max_workers = 1};
    download(&setup, &request);
    expect_error(&setup, ERROR_NOT_FOUND, "a is gated403hm: could not download 'a'");
    download(&setup, &request);
    expect_error(&setup, ERROR_UNAUTHORIZED, "could not download 'a'");
    server_finish(&server);
    server_free(&server);
    end(&setup);
}

/* URLs that have expired in the middle of a download are asked for again. */
static void an_expired_listing_is_made_anew(void **state) {
    static const struct step steps[] = {
        {.reply = REPLY("", 8, "a 2 b 3 ")},
        {.reply = REPLY("", 3, "123")},
        /* What has come is in its place before the refusal comes. */
        {.reply = "HTTP/1.1 403 Expired\r\nContent-Length: 0\r\n\r\n", .pause_ms = 1000},
        {.reply = REPLY("", 8, "a 2 b 3 ")},
        {.reply = REPLY("", 2, "12")},
    };
    struct setup setup;
    struct tcp_server server;
    begin(&setup, *state);
    server_start(&server, steps, COUNT(steps));
    struct download_request request = {
        .source = acme(&server, "m"), .directory = in(*state, "out"), .max_workers = 1};
    download(&setup, &request);
    expect_result(&setup, "\"fetched\":5,\"files\":2,");
    expect_result(&setup, "\"present\":0");
    expect_file(*state, "out/a", "12");
    server_finish(&server);
    server_free(&server);
    end(&setup);
}

static void a_cancelled_call_ends(void **state) {
    struct setup setup;
    begin(&setup, *state);
    struct download_request request = {.source = "acme://1/x", .directory = in(*state, "out")};
    atomic_store(&setup.cancel, true);
    download(&setup, &request);
    expect_error(&setup, ERROR_CANCELLED, "");
    end(&setup);
}

static void follows_the_generation(void **state) {
    struct setup setup;
    begin(&setup, *state);
    struct download_request request = {.source = "acme://1/raise", .directory = in(*state, "out")};
    download(&setup, &request);
    expect_error(&setup, ERROR_POLICY, "raised here");
    put(*state, "rules/sources/acme.lua",
        "return { api = 1, source = 'acme', schemes = { 'acme' },\n"
        "  resolve = function() return nil, 'another now', 'overload' end }\n");
    struct generation *first = setup.generation;
    setup.generation = build(&setup, 2);
    download(&setup, &request);
    expect_error(&setup, ERROR_OVERLOAD, "another now");
    generation_unref(first);
    end(&setup);
}

static void copies_and_finishes_once(void **state) {
    char source[128];
    struct setup setup;
    begin(&setup, *state);
    make_directory(*state, "in");
    put(*state, "in/a", "12");
    put(*state, "in/b", "345");
    snprintf(source, sizeof source, "volume://%s", in(*state, "in"));
    struct download_request request = {.source = source, .directory = in(*state, "out")};
    download(&setup, &request);
    expect_result(&setup, "\"fetched\":5,\"files\":2,");
    expect_file(*state, "out/b", "345");
    expect_file(*state, "out/.cache/names", "a b");
    put(*state, "out/.cache/names", "touched");
    download(&setup, &request);
    expect_result(&setup, "\"present\":2");
    expect_file(*state, "out/.cache/names", "touched");
    put(*state, "in/c", "6");
    download(&setup, &request);
    expect_file(*state, "out/.cache/names", "a b c");
    end(&setup);
}

/* Whatever ends a call, its directory is free afterwards, and what was not finished is next time.
 */
static void a_call_leaves_no_lock(void **state) {
    static const char *const exclude[] = {"raise"};
    char source[128];
    struct setup setup;
    begin(&setup, *state);
    make_directory(*state, "in");
    put(*state, "in/raise", "12");
    put(*state, "in/b", "1");
    snprintf(source, sizeof source, "volume://%s", in(*state, "in"));
    struct download_request request = {.source = source, .directory = in(*state, "out")};
    for (int i = 0; i < 2; i++) {
        download(&setup, &request);
        expect_error(&setup, ERROR_POLICY, "rules/sources/volume.lua:10: could not finish");
    }
    request.exclude = exclude;
    request.exclude_count = 1;
    download(&setup, &request);
    expect_result(&setup, "\"files\":1");
    expect_file(*state, "out/.cache/names", "b");
    put(*state, "in/bad", "2");
    download(&setup, &request);
    expect_error(&setup, ERROR_POLICY,
                 "rules/sources/volume.lua: finish: bad is one of the source's files");
    end(&setup);
}

static void *download_in_thread(void *context) {
    struct setup *setup = ((void **)context)[0];
    download(setup, ((void **)context)[1]);
    return NULL;
}

/* Somebody else works in the directory: the call waits, says for whom, and can be cancelled. */
static void waits_for_whoever_has_the_directory(void **state) {
    char phase[PROGRESS_PHASE_SIZE] = "";
    struct setup setup;
    struct directory directory;
    struct lock *lock;
    pthread_t thread;
    begin(&setup, *state);
    struct download_request request = {.source = "acme://1/x", .directory = in(*state, "out")};
    void *context[] = {&setup, &request};
    assert_null(directory_open(request.directory, &directory));
    assert_null(lock_acquire(&directory, NULL, NULL, NULL, &lock));
    assert_int_equal(pthread_create(&thread, NULL, download_in_thread, context), 0);
    for (int i = 0; i < 1000 && strncmp(phase, "waiting for ", 12) != 0; i++) {
        usleep(10 * 1000);
        progress_phase(&setup.progress, phase);
    }
    atomic_store(&setup.cancel, true);
    pthread_join(thread, NULL);
    assert_memory_equal(phase, "waiting for ", 12);
    expect_error(&setup, ERROR_CANCELLED, "out");
    lock_release(lock);
    directory_close(&directory);
    end(&setup);
}

/* A workflow as a job runs it. */
struct work {
    struct setup *setup;
    const char *params;
};

static struct error *run_workflow(struct job *job, void *worker, void *payload,
                                  struct buffer *result) {
    const struct work *work = payload;
    (void)worker;
    return runner_workflow(work->setup->runner, work->setup->generation,
                           generation_workflow_at(work->setup->generation, 0), work->params, "call",
                           job, result);
}

static void call_workflow(struct setup *setup, const char *params) {
    struct work work = {setup, params};
    struct jobs *jobs = jobs_new(&(struct jobs_config){.threads = 1});
    struct job_spec spec = {
        .kind = "fetch", .description = "{}", .source = "", .run = run_workflow, .payload = &work};
    struct job *job;
    bool joined;
    assert_null(jobs_submit(jobs, &spec, &job, &joined));
    assert_true(job_wait(job, clock_ms() + 60000));
    buffer_clear(&setup->result);
    error_free(setup->error);
    setup->error = job_error(job);
    if (!setup->error)
        job_result(job, &setup->result);
    job_unref(job);
    assert_true(jobs_close(jobs, clock_ms() + 60000));
}

static void runs_workflows(void **state) {
    static const struct step steps[] = {
        {.reply = REPLY("", 8, "a 2 b 3 ")},
        {.reply = REPLY("", 2, "12"), .after = CLOSE},
    };
    char params[512];
    struct setup setup;
    struct tcp_server server;
    begin(&setup, *state);
    server_start(&server, steps, COUNT(steps));
    snprintf(params, sizeof params,
             "{\"source\":\"%s\",\"output_dir\":\"%s\",\"config\":{\"token\":\"planted-secret\"},"
             "\"include\":[\"a\"],\"nothing\":null}",
             acme(&server, "m"), in(*state, "out"));
    call_workflow(&setup, params);
    expect_result(&setup, "{\"bytes\":2,\"files\":1,\"id\":\"");
    expect_result(&setup, "\"list\":[1,{\"x\":{}}],\"null\":true}");
    server_finish(&server);
    assert_non_null(strstr(buffer_text(&server.request), "Bearer planted-secret"));
    server_free(&server);
    call_workflow(&setup, "{\"source\":\"secret://\",\"output_dir\":\"/x\","
                          "\"config\":{\"token\":\"planted-secret\"}}");
    expect_error(&setup, ERROR_POLICY,
                 "rules/workflows/fetch.lua: run: could not encode a userdata");
    call_workflow(&setup, "{\"source\":\"none://\",\"output_dir\":\"/x\"}");
    expect_error(&setup, ERROR_INVALID, "none");
    end(&setup);
}

/* What a workflow makes up is checked like what a request says. */
static void workflows_are_confined(void **state) {
    const char *sources[] = {"acme://1/*"};
    const char *roots[] = {in(*state, "models")};
    struct access access = {roots, 1, sources, 1};
    char params[256];
    struct setup setup;
    begin(&setup, *state);
    setup.config.access = &access;
    snprintf(params, sizeof params, "{\"source\":\"acme://2/x\",\"output_dir\":\"%s\"}",
             in(*state, "models/x"));
    call_workflow(&setup, params);
    expect_error(&setup, ERROR_DENIED, "acme://2/x");
    snprintf(params, sizeof params, "{\"source\":\"acme://1/x\",\"output_dir\":\"%s\"}",
             in(*state, "other"));
    call_workflow(&setup, params);
    expect_error(&setup, ERROR_DENIED, "other");
    end(&setup);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(downloads_what_the_source_lists),
        TEST(a_pinned_revision_is_not_asked_for_again),
        TEST(resolves_without_writing),
        TEST(what_a_rule_does_wrong_is_told_with_its_file),
        TEST(no_error_holds_a_secret),
        TEST(a_refused_file_is_explained_by_its_source),
        TEST(an_expired_listing_is_made_anew),
        TEST(a_cancelled_call_ends),
        TEST(follows_the_generation),
        TEST(copies_and_finishes_once),
        TEST(a_call_leaves_no_lock),
        TEST(waits_for_whoever_has_the_directory),
        TEST(runs_workflows),
        TEST(workflows_are_confined),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
