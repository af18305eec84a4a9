/*
 * Workflows in a whole sidecar: how calls come in and what they are answered, what starts them, and
 * what they have to work with. A second sidecar takes the engine's place: it has a page and a port.
 */
#include "sidecar/sidecar_internal.h"

#include "base/clock.h"
#include "base/memory.h"
#include "client.h"
#include "rule_files.h"

#include <cjson/cJSON.h>

enum { IN_TIME_MS = 20000 };

static const char ECHO[] = "return { api = 1, workflow = 'show',\n"
                           "  route = { method = 'GET', path = '/v1/show/{id}' },\n"
                           "  params = { { name = 'id', type = 'integer' },\n"
                           "    { name = 'list', type = 'list', default = { 'a' } },\n"
                           "    { name = 'flag', type = 'boolean' }, { name = 'text', type = "
                           "'string', max = 9 } },\n"
                           "  run = function(params, ctx)\n"
                           "    params.trigger = ctx.trigger\n"
                           "    return params\n"
                           "  end }\n";

static const char STATUS[] =
    "return { api = 1, workflow = 'status', route = { method = 'POST', path = '/v1/status' },\n"
    "  params = { { name = 'status', type = 'integer' }, { name = 'kind', type = 'string' },\n"
    "    { name = 'fails', type = 'boolean' } },\n"
    "  run = function(params)\n"
    "    if params.fails then return nil, 'no tea', params.kind, params.status end\n"
    "    return { done = true }, params.status\n"
    "  end }\n";

/* Holds on until the file that is named after its name is there. */
#define SLOW(name, more)                                                                           \
    "return { api = 1, workflow = '" name "', route = { method = 'POST', path = '/v1/" name        \
    "' },\n"                                                                                       \
    "  params = { { name = 'name', type = 'string' }, { name = 'gate', type = 'string' },\n"       \
    "    { name = 'later', type = 'boolean', default = true } }, async = 'later',\n"               \
    "  serial = 'name', " more "\n"                                                                \
    "  run = function(params, ctx)\n"                                                              \
    "    while not ctx.files.exists(params.gate) do\n"                                             \
    "      local ok, message, kind = ctx.sleep(0.01)\n"                                            \
    "      if not ok then return nil, message, kind end\n"                                         \
    "    end\n"                                                                                    \
    "    return {}\n"                                                                              \
    "  end }\n"

static const char WITNESS[] =
    "return { api = 1, workflow = 'witness', every = 'pace', ready = 'witness', quiet = true,\n"
    "  on = { 'start', 'engine_up', 'rules_changed', 'file_changed' },\n"
    "  settings = { { name = 'pace', env = 'PACE', type = 'seconds', default = 3600 },\n"
    "    { name = 'list', env = 'LIST', type = 'file' } },\n"
    "  run = function(_, ctx)\n"
    "    local seen = ctx.memory.update('seen', function(old)\n"
    "      old = old or {}\n"
    "      old[ctx.trigger] = (old[ctx.trigger] or 0) + 1\n"
    "      return old\n"
    "    end)\n"
    "    ctx.state.set('items', ctx.settings.list and ctx.settings.list.data or nil)\n"
    "    local gauge = ctx.metrics.gauge('kthena_runtime_witness', 'Runs.')\n"
    "    gauge:set(1)\n"
    "    return { ready = seen.engine_up ~= nil, detail = 'the engine was not seen' }\n"
    "  end }\n";

static const char ASK[] =
    "return { api = 1, workflow = 'ask', route = { method = 'GET', path = '/v1/ask' }, parallel = "
    "2,\n"
    "  params = { { name = 'workflow', type = 'string' } },\n"
    "  run = function(params, ctx)\n"
    "    local reply, message, kind, status\n"
    "    if params.workflow then\n"
    "      reply, message, kind, status = ctx.call(params.workflow, { id = 5, status = 418, fails "
    "= true })\n"
    "      if not reply then return nil, message, kind, status end\n"
    "    end\n"
    "    return { seen = ctx.memory.get('seen'), items = ctx.state.get('items'), reply = reply,\n"
    "      engine = ctx.engine.name, url = ctx.engine.url, up = ctx.trigger }\n"
    "  end }\n";

struct setup {
    struct fixture *fixture;
    struct sidecar *engine, *sidecar;
    struct setting_value settings[2];
    char url[64], metrics[80];
};

static struct sidecar *start(const struct fixture *fixture, const char *rules, int port,
                             struct setup *setup) {
    static const char *const hosts[] = {"127.0.0.1"};
    struct sidecar_config config = {.engine = "alpha",
                                    .metrics_url =
                                        setup ? setup->metrics : "http://127.0.0.1:1/metrics",
                                    .engine_url = setup ? setup->url : NULL,
                                    .request_timeout_ms = 5000,
                                    .max_page_bytes = 1000000,
                                    .max_jobs = 1,
                                    .download = {.network = {.user_agent = "test/1"}},
                                    .rules = {.lua = "lua",
                                              .layers = {in(fixture, rules), NULL, 0},
                                              .variables = {"p", "m"},
                                              .limits = {.budget_seconds = 30}},
                                    .server = {.hosts = hosts, .host_count = 1, .port = port}};
    struct sidecar *sidecar = NULL;
    struct buffer problems = {0};
    if (setup) {
        config.settings = setup->settings;
        config.setting_count = 2;
        config.state_dir = in(fixture, "state");
    }
    struct error *error = sidecar_start(&config, &problems, &sidecar);
    if (error)
        fail_msg("%s: %s", error->message, buffer_text(&problems));
    buffer_free(&problems);
    return sidecar;
}

static int set_up_both(void **state) {
    struct setup *setup = memory_zero(1, sizeof *setup);
    int status = set_up((void **)&setup->fixture);
    const struct fixture *fixture = setup->fixture;
    make_directory(fixture, "plain");
    put_engine(fixture, "plain/alpha.lua", "alpha", "alpha_");
    make_directory(fixture, "rules");
    put_engine(fixture, "rules/alpha.lua", "alpha", "alpha_");
    put(fixture, "rules/show.lua", ECHO);
    put(fixture, "rules/status.lua", STATUS);
    put(fixture, "rules/slow.lua", SLOW("slow", ""));
    put(fixture, "rules/beside.lua", SLOW("beside", "parallel = 3,"));
    put(fixture, "rules/witness.lua", WITNESS);
    put(fixture, "rules/ask.lua", ASK);
    put(fixture, "list.yaml", "items: [one]\n");
    setup->engine = start(fixture, "plain", 0, NULL);
    snprintf(setup->url, sizeof setup->url, "http://127.0.0.1:%d",
             server_port(setup->engine->server, 0));
    snprintf(setup->metrics, sizeof setup->metrics, "%s/metrics/runtime", setup->url);
    setup->settings[0] = (struct setting_value){"list", in(fixture, "list.yaml")};
    setup->settings[1] = (struct setting_value){"pace", NULL};
    setup->sidecar = start(fixture, "rules", 0, setup);
    *state = setup;
    return status;
}

static int tear_down_both(void **state) {
    struct setup *setup = *state;
    assert_true(sidecar_stop(setup->sidecar, IN_TIME_MS));
    if (setup->engine)
        assert_true(sidecar_stop(setup->engine, IN_TIME_MS));
    int status = tear_down((void **)&setup->fixture);
    memory_free(setup);
    return status;
}

static int ask(const struct setup *setup, const char *method, const char *target, const char *body,
               struct answer *answer) {
    char request[1024];
    snprintf(request, sizeof request,
             "%s %s HTTP/1.1\r\nHost: t\r\nContent-Type: application/json\r\nContent-Length: "
             "%zu\r\n\r\n%s",
             method, target, strlen(body), body);
    client_ask(server_port(setup->sidecar->server, 0), request, answer);
    return answer->status;
}

static void expect(const struct setup *setup, const char *method, const char *target,
                   const char *body, int status, const char *part) {
    struct answer answer;
    ask(setup, method, target, body, &answer);
    if (answer.status != status || !strstr(answer.body, part))
        fail_msg("%s %s %s: %d, not %d with '%s': %s", method, target, body, answer.status, status,
                 part, answer.body);
}

static void a_get_takes_the_path_and_the_query(void **state) {
    expect(*state, "GET", "/v1/show/7", "", 200, "\"id\":7");
    expect(*state, "GET", "/v1/show/7", "", 200, "\"list\":[\"a\"]");
    expect(*state, "GET", "/v1/show/7", "", 200, "\"trigger\":\"call\"");
    expect(*state, "GET", "/v1/show/7?list=b&flag=1&unknown=2", "", 200, "\"list\":[\"b\"]");
    expect(*state, "GET", "/v1/show/7?list=b&flag=1&unknown=2", "", 200, "\"flag\":true");
    expect(*state, "GET", "/v1/show/7?text=a%20%2Fb+c", "", 200, "\"text\":\"a /b c\"");
    expect(*state, "GET", "/v1/show/7?id=8", "", 200, "\"id\":7");
    expect(*state, "GET", "/v1/show/x", "", 400, "parameter 'id': expected a whole number");
    expect(*state, "GET", "/v1/show/7?flag=x", "", 400, "parameter 'flag'");
    expect(*state, "GET", "/v1/show/7?text=0123456789", "", 400, "too much");
    expect(*state, "GET", "/v1/show/7?text=a%00b", "", 400, "control characters");
    expect(*state, "GET", "/v1/show/7?text=a%0ab", "", 400, "control characters");
    expect(*state, "POST", "/v1/show/7", "{}", 405, "takes GET");
    struct answer answer;
    assert_int_equal(ask(*state, "GET", "/openapi.json", "", &answer), 200);
    assert_non_null(strstr(answer.body, "\"name\":\"list\",\"in\":\"query\""));
    assert_null(strstr(answer.body, "\"name\":\"id\",\"in\":\"query\""));
    assert_null(strstr(answer.body, "witness\":{"));
}

static void a_workflow_chooses_its_status(void **state) {
    static const struct {
        const char *body;
        int status;
        const char *part;
    } cases[] = {
        {"{}", 200, "{\"done\":true}"},
        {"{\"status\":201}", 201, "{\"done\":true}"},
        {"{\"status\":300}", 500, "returned the status 300; expected one from 200 to 299"},
        {"{\"fails\":true}", 502, "{\"detail\":\"no tea\"}"},
        {"{\"fails\":true,\"status\":418}", 418, "{\"detail\":\"no tea\"}"},
        {"{\"fails\":true,\"kind\":\"exists\",\"status\":502}", 502, "no tea"},
        {"{\"fails\":true,\"kind\":\"exists\"}", 409, "no tea"},
        {"{\"fails\":true,\"kind\":\"unsupported\"}", 501, "no tea"},
        {"{\"fails\":true,\"kind\":\"unavailable\"}", 503, "no tea"},
        {"{\"fails\":true,\"status\":200}", 500, "returned the status 200; expected one from 400"},
        {"{\"fails\":true,\"kind\":\"tea\"}", 500, "returned the kind"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        expect(*state, "POST", "/v1/status", cases[i].body, cases[i].status, cases[i].part);
}

/* Starts a slow workflow and gives its job, with a reference. */
static struct job *begin(const struct setup *setup, const char *workflow, const char *name,
                         const char *gate) {
    struct answer answer;
    char body[512], target[64];
    snprintf(target, sizeof target, "/v1/%s", workflow);
    snprintf(body, sizeof body, "{\"name\":\"%s\",\"gate\":\"%s\"}", name,
             in(setup->fixture, gate));
    assert_int_equal(ask(setup, "POST", target, body, &answer), 202);
    cJSON *json = cJSON_Parse(answer.body);
    struct job *job =
        jobs_find(setup->sidecar->jobs, cJSON_GetStringValue(cJSON_GetObjectItem(json, "job_id")));
    cJSON_Delete(json);
    assert_non_null(job);
    return job;
}

static void await_state(struct job *job, enum job_state state) {
    for (int64_t end = clock_ms() + IN_TIME_MS; job_state(job) != state; usleep(1000))
        if (clock_ms() > end)
            fail_msg("%s, not %s", job_state_name(job_state(job)), job_state_name(state));
}

static void calls_of_one_name_follow_each_other(void **state) {
    const struct setup *setup = *state;
    struct job *first = begin(setup, "slow", "x", "gate 1");
    struct job *second = begin(setup, "beside", "x", "gate 2");
    struct job *other = begin(setup, "beside", "y", "gate 3");
    await_state(first, JOB_RUNNING);
    await_state(other, JOB_RUNNING); /* beside the one that may run at a time */
    assert_int_equal(job_state(second), JOB_QUEUED);
    put(setup->fixture, "gate 3", "");
    await_state(other, JOB_SUCCEEDED);
    assert_int_equal(job_state(second), JOB_QUEUED);
    put(setup->fixture, "gate 1", "");
    await_state(second, JOB_RUNNING);
    assert_true(job_cancel(second));
    await_state(second, JOB_CANCELLED);
    await_state(first, JOB_SUCCEEDED);
    job_unref(first);
    job_unref(second);
    job_unref(other);
}

/* Asks what the workflows have seen until this part is in it. */
static void await_part(const struct setup *setup, const char *target, int status,
                       const char *part) {
    struct answer answer;
    for (int64_t end = clock_ms() + IN_TIME_MS;; usleep(20000)) {
        if (ask(setup, "GET", target, "", &answer) == status && strstr(answer.body, part))
            return;
        if (clock_ms() > end)
            fail_msg("%s: %d: %s", target, answer.status, answer.body);
    }
}

static void events_start_workflows(void **state) {
    struct setup *setup = *state;
    await_part(setup, "/v1/ask", 200, "\"start\":1");
    await_part(setup, "/v1/ask", 200, "\"engine_up\":1");
    await_part(setup, "/v1/ask", 200, "\"items\":{\"items\":[\"one\"]}");
    put(setup->fixture, "list.yaml", "items: [one, two]\n");
    await_part(setup, "/v1/ask", 200, "\"file_changed\":1");
    await_part(setup, "/v1/ask", 200, "\"items\":{\"items\":[\"one\",\"two\"]}");
    sidecar_reload(setup->sidecar);
    await_part(setup, "/v1/ask", 200, "\"rules_changed\":1");
    /* They leave no trace but what they did. */
    struct answer answer;
    ask(setup, "GET", "/v1/jobs", "", &answer);
    assert_null(strstr(answer.body, "\"kind\":\"witness\",\"state\":\"succeeded\""));
    await_part(setup, "/metrics/runtime", 200, "\nkthena_runtime_witness 1\n");
    await_part(setup, "/metrics/runtime", 200, "\nkthena_runtime_engine_up 1\n");
}

static void an_engine_that_returns_is_noticed(void **state) {
    struct setup *setup = *state;
    int port = server_port(setup->engine->server, 0);
    await_part(setup, "/v1/ask", 200, "\"engine_up\":1");
    assert_true(sidecar_stop(setup->engine, IN_TIME_MS));
    setup->engine = NULL;
    await_part(setup, "/metrics/runtime", 200, "\nkthena_runtime_engine_up 0\n");
    setup->engine = start(setup->fixture, "plain", port, NULL);
    await_part(setup, "/v1/ask", 200, "\"engine_up\":2");
    struct engine_status status = engine_watch_status(setup->sidecar->watch);
    assert_true(status.up);
    assert_int_equal(status.starts, 2);
}

static void readiness_may_depend_on_workflows(void **state) {
    const struct setup *setup = *state;
    await_part(setup, "/ready", 200, "ready");
    await_part(setup, "/ready?witness=1", 200, "{\"status\":\"ready\"}");
    expect(setup, "GET", "/ready?witness", "", 200, "ready");
    expect(setup, "GET", "/ready?", "", 200, "ready");
    expect(setup, "GET", "/ready?&&", "", 200, "ready");
    expect(setup, "GET", "/ready?nobody=1", "", 400,
           "no workflow guards the readiness as 'nobody'; known: witness");
    expect(setup, "GET", "/ready?witness=1&nobody=0", "", 400, "'nobody'");
    /* Rules that are never content. */
    put(setup->fixture, "rules/never.lua",
        "return { api = 1, workflow = 'never', ready = 'never', every = 3600,\n"
        "  run = function() return { ready = false, detail = '2 of 3' } end }\n");
    sidecar_reload(setup->sidecar);
    await_part(setup, "/ready?never=1", 503, "{\"detail\":\"never: 2 of 3\"}");
    expect(setup, "GET", "/ready?never=0", "", 200, "ready");
    expect(setup, "GET", "/ready?never=false&witness=1", "", 200, "ready");
    expect(setup, "GET", "/ready?witness=1&never", "", 503, "never: 2 of 3");
    expect(setup, "GET", "/ready", "", 200, "ready");
}

static void workflows_call_each_other(void **state) {
    const struct setup *setup = *state;
    char part[128];
    expect(setup, "GET", "/v1/ask?workflow=show", "", 200, "\"id\":5");
    expect(setup, "GET", "/v1/ask?workflow=show", "", 200, "\"trigger\":\"call\"");
    expect(setup, "GET", "/v1/ask?workflow=status", "", 418, "no tea");
    expect(setup, "GET", "/v1/ask?workflow=shwo", "", 404,
           "no workflow 'shwo'; did you mean 'show'? known: ask, beside, show, slow, status, "
           "witness");
    snprintf(part, sizeof part, "\"url\":\"%.60s\"", setup->url);
    expect(setup, "GET", "/v1/ask", "", 200, part);
    expect(setup, "GET", "/v1/ask", "", 200, "\"engine\":\"alpha\"");
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up_both, tear_down_both)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(a_get_takes_the_path_and_the_query),  TEST(a_workflow_chooses_its_status),
        TEST(calls_of_one_name_follow_each_other), TEST(events_start_workflows),
        TEST(an_engine_that_returns_is_noticed),   TEST(readiness_may_depend_on_workflows),
        TEST(workflows_call_each_other),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
