/* What ctx offers to workflows, as the job threads of a sidecar run them. */
#include "api/context.h"
#include "base/clock.h"
#include "base/memory.h"
#include "jobs/locks.h"
#include "metrics/registry.h"
#include "policy/runner.h"
#include "rule_files.h"
#include "store/state.h"
#include "store/watched.h"
#include "tcp_server.h"

#include <pthread.h>
#include <stdatomic.h>

#define COUNT(array) (sizeof(array) / sizeof *(array))

enum { PATIENCE_MS = 60000 };

/* An engine with hooks that do as they are told by the adapter's name. */
static const char ENGINE[] =
    "return { api = 1, engine = 'acme', detect = { 'acme_' }, metrics = {\n"
    "  { name = 'kthena:x', type = 'gauge', from = 'acme_x' } }, adapters = {\n"
    "  load = function(engine, adapter)\n"
    "    if adapter.name == 'raise' then error('raised in the hook') end\n"
    "    if adapter.name == 'odd' then return 'done' end\n"
    "    if adapter.name == 'nothing' then return end\n"
    "    local reply, message, kind, status = engine.post('/load', { name = adapter.name,\n"
    "      list = { 1, 2 }, rank = adapter.fields.rank }, { timeout = adapter.timeout })\n"
    "    if not reply then return nil, message, kind, status end\n"
    "    if reply.status == 200 then return 'loaded', reply.json.text .. reply.headers['x-a'] end\n"
    "    return engine.fail(reply, reply.body)\n"
    "  end,\n"
    "  unload = function(engine, adapter)\n"
    "    local lock = engine.lock('unload')\n"
    "    engine.sleep(0)\n"
    "    lock:release()\n"
    "    return 'not_found', engine.name .. engine.model .. tostring(engine.time() > 0)\n"
    "  end } }\n";

struct setup {
    const struct fixture *fixture;
    struct rule_sources sources;
    struct generation *generation;
    struct runner_config config;
    struct engine_target target;
    struct services services;
    struct setting_value settings[8];
    struct jobs *jobs;
    struct state_table *state, *memory;
    atomic_int answered, gone; /* what engine_target.seen was told */
    const char *engine;        /* that `rules` finds */
    struct buffer result;
    struct error *error;
    int status;
};

static const struct engine *find_engine(void *context, const struct generation *generation) {
    const struct setup *setup = context;
    return setup->engine ? generation_engine(generation, setup->engine) : NULL;
}

static void note_seen(void *context, bool answered) {
    struct setup *setup = context;
    atomic_fetch_add(answered ? &setup->answered : &setup->gone, 1);
}

static struct error *new_worker(void *context, void **worker) {
    struct setup *setup = context;
    struct runner *runner = NULL;
    struct error *error = runner_new(&setup->config, &runner);
    *worker = runner;
    return error;
}

static void free_worker(void *worker) {
    runner_free(worker);
}

/* What a job carries. */
struct work {
    struct setup *setup;
    char *workflow;
    char *params;
};

static struct error *run_work(struct job *job, void *worker, void *payload, struct buffer *result) {
    const struct work *work = payload;
    const struct generation *generation = work->setup->generation;
    return runner_workflow(worker, work->setup->generation,
                           generation_workflow(generation, work->workflow), work->params, "timer",
                           job, result);
}

static void free_work(void *payload) {
    struct work *work = payload;
    memory_free(work->workflow);
    memory_free(work->params);
    memory_free(work);
}

static struct error *submit(void *context, struct generation *generation, const char *workflow,
                            const char *params, const char *trigger, struct job **out) {
    struct setup *setup = context;
    const struct workflow *found = generation_workflow(generation, workflow);
    bool joined;
    (void)trigger;
    if (!found)
        return error_new(ERROR_NOT_FOUND, NULL, "no workflow '%s'", workflow);
    struct work *work = memory_zero(1, sizeof *work);
    *work = (struct work){setup, memory_string(workflow), memory_string(params)};
    struct job_spec spec = {.kind = found->name,
                            .description = "{}",
                            .source = "",
                            .parallel = found->parallel,
                            .serial = found->serial ? "serial" : NULL,
                            .run = run_work,
                            .payload = work,
                            .payload_free = free_work};
    return jobs_submit(setup->jobs, &spec, out, &joined);
}

/* A workflow `name` whose run has this body. */
static void put_run(const struct fixture *fixture, const char *name, const char *fields,
                    const char *body) {
    char file[64];
    char *text = memory_format("return { api = 1, workflow = '%s', every = 15, %s\n"
                               "run = function(params, ctx)\n%s\nend }\n",
                               name, fields, body);
    snprintf(file, sizeof file, "rules/workflows/%s.lua", name);
    put(fixture, file, text);
    memory_free(text);
}

static void begin(struct setup *setup, const struct fixture *fixture) {
    char *kept_aside;
    *setup = (struct setup){.fixture = fixture, .sources = {.lua = "lua"}};
    setup->sources.layers.builtin = in(fixture, "rules");
    make_directory(fixture, "rules");
    make_directory(fixture, "rules/engines");
    make_directory(fixture, "rules/workflows");
    put(fixture, "rules/engines/acme.lua", ENGINE);
    setup->config = (struct runner_config){
        .lua = "lua",
        .download = {.network = {.user_agent = "kthena-test/1", .direct = true}},
        .services = &setup->services,
    };
    setup->target = (struct engine_target){
        .url = "http://127.0.0.1:1",
        .model = "base",
        .pod = "p.ns",
        .client = http_client_new(&setup->config.download.network),
        .timeout_ms = 20000,
        .rules = find_engine,
        .seen = note_seen,
        .context = setup,
    };
    assert_null(state_table_open(NULL, &setup->state, &kept_aside));
    assert_null(state_table_open(NULL, &setup->memory, &kept_aside));
    setup->services = (struct services){
        .engine = &setup->target,
        .state = setup->state,
        .memory = setup->memory,
        .locks = locks_new(),
        .metrics = registry_new(NULL),
        .settings = setup->settings,
        .submit = submit,
        .context = setup,
    };
    setup->engine = "acme";
    setup->jobs = jobs_new(&(struct jobs_config){
        .threads = 1, .worker_new = new_worker, .worker_free = free_worker, .context = setup});
}

/* Reads the rules that were put. */
static void load(struct setup *setup) {
    struct problems problems = {0};
    struct buffer text = {0};
    setup->generation =
        generation_build(snapshot_read(&setup->sources.layers), &setup->sources, 1, &problems);
    problems_print(&problems, &text);
    if (!setup->generation)
        fail_msg("%s", buffer_text(&text));
    problems_free(&problems);
    buffer_free(&text);
}

static void end(struct setup *setup) {
    assert_true(jobs_close(setup->jobs, clock_ms() + PATIENCE_MS));
    generation_unref(setup->generation);
    watched_close(setup->services.files);
    state_table_close(setup->state);
    state_table_close(setup->memory);
    locks_free(setup->services.locks);
    registry_free(setup->services.metrics);
    http_client_free(setup->target.client);
    buffer_free(&setup->result);
    error_free(setup->error);
}

static struct job *start(struct setup *setup, const char *workflow, const char *params) {
    struct job *job = NULL;
    assert_null(submit(setup, setup->generation, workflow, params, "timer", &job));
    return job;
}

static void finish(struct setup *setup, struct job *job) {
    assert_true(job_wait(job, clock_ms() + PATIENCE_MS));
    buffer_clear(&setup->result);
    error_free(setup->error);
    setup->error = job_error(job);
    setup->status = job_status(job);
    if (!setup->error)
        job_result(job, &setup->result);
    job_unref(job);
}

static void run(struct setup *setup, const char *workflow, const char *params) {
    finish(setup, start(setup, workflow, params));
}

static void expect_result(struct setup *setup, const char *json) {
    if (setup->error)
        fail_msg("%s", setup->error->message);
    assert_string_equal(buffer_text(&setup->result), json);
}

static void expect_error(const struct setup *setup, enum error_kind kind, int status,
                         const char *part) {
    assert_non_null(setup->error);
    if (setup->error->kind != kind || !strstr(setup->error->message, part))
        fail_msg("%s: %s", error_kind_name(setup->error->kind), setup->error->message);
    assert_int_equal(setup->error->status, status);
}

/* Runs one body and expects its result. */
static void check(void **state, const char *fields, const char *body, const char *json) {
    struct setup setup;
    begin(&setup, *state);
    put_run(*state, "x", fields, body);
    load(&setup);
    run(&setup, "x", "{}");
    expect_result(&setup, json);
    end(&setup);
}

static void values_are_remembered(void **state) {
    check(state, "",
          "local s = ctx.state\n"
          "assert(s.get('a') == nil)\n"
          "assert(s.set('p/a', { n = 1, list = { 'x' }, t = true }))\n"
          "assert(s.set('p/b', 'text'))\n"
          "assert(s.set('q', 0.5))\n"
          "assert(ctx.memory.set('q', 'other'))\n"
          "local new = s.update('p/n', function(old) return (old or 0) + 1 end)\n"
          "new = s.update('p/n', function(old) return old + new end)\n"
          "s.update('p/b', function(old) assert(old == 'text') return nil end)\n"
          "local none, message, kind = s.set('', 1)\n"
          "local ok, raised = pcall(s.set, 'f', print)\n"
          "local ok2, raised2 = pcall(s.get, 5)\n"
          "return { new = new, all = s.all('p/'), q = s.get('q'), m = ctx.memory.get('q'), kind = "
          "kind,\n"
          "  none = none == nil, raised = raised, raised2 = raised2, every = ctx.memory.all() }",
          "{\"all\":{\"p/a\":{\"list\":[\"x\"],\"n\":1,\"t\":true},\"p/n\":2},\"every\":{\"q\":"
          "\"other\"},\"kind\":\"invalid\",\"m\":\"other\",\"new\":2,\"none\":true,\"q\":0.5,"
          "\"raised\":\"ctx.state.set: could not encode a function\",\"raised2\":\"ctx.state.get: "
          "expected the name of a value, got 5\"}");
}

/* Another thread changes the value between the two halves of an update. */
static void an_update_is_made_again_when_it_was_overtaken(void **state) {
    check(state, "",
          "local calls = 0\n"
          "local new = ctx.memory.update('n', function(old)\n"
          "  calls = calls + 1\n"
          "  if calls < 3 then ctx.memory.set('n', calls * 10) end\n"
          "  return (old or 0) + 1\n"
          "end)\n"
          "return { new = new, calls = calls, now = ctx.memory.get('n') }",
          "{\"calls\":3,\"new\":21,\"now\":21}");
}

static void names_are_locked(void **state) {
    struct setup setup;
    struct named_lock *lock = NULL;
    begin(&setup, *state);
    put_run(*state, "take", "",
            "local lock, message, kind = ctx.lock('a', 0.01)\n"
            "if not lock then return nil, message, kind end\n"
            "local again, why, word = ctx.lock('a')\n"
            "local other = ctx.lock('b')\n"
            "lock:release()\n"
            "lock:release()\n"
            "assert(ctx.lock('a'))\n"
            "return { again = again == nil, why = why, word = word }");
    put_run(*state, "wait", "",
            "local lock, message, kind = ctx.lock('a')\nreturn nil, message, kind");
    load(&setup);
    assert_null(locks_acquire(setup.services.locks, "a", "job other", INT64_MAX, NULL, &lock));
    run(&setup, "take", "{}");
    expect_error(&setup, ERROR_TIMEOUT, 0, "could not lock 'a' within ");
    struct job *job = start(&setup, "wait", "{}");
    while (locks_waiting(setup.services.locks, "a") == 0)
        usleep(1000);
    assert_true(job_cancel(job));
    finish(&setup, job);
    expect_error(&setup, ERROR_CANCELLED, 0, "waited for the lock 'a'");
    locks_release(lock);
    for (int i = 0; i < 2; i++) { /* the end of the call has given all of them back */
        run(&setup, "take", "{}");
        expect_result(&setup, "{\"again\":true,\"why\":\"this call has the lock 'a' already and "
                              "would wait for itself\",\"word\":\"invalid\"}");
    }
    end(&setup);
}

static void settings_have_their_types(void **state) {
    struct setup setup;
    begin(&setup, *state);
    put(*state, "cfg.yaml", "a: [1, ~]\n");
    put_run(
        *state, "x",
        "settings = { { name = 's', env = 'S', type = 'string' },\n"
        "  { name = 'i', env = 'I', type = 'integer', default = 3 },\n"
        "  { name = 'n', env = 'N', type = 'number' }, { name = 'd', env = 'D', type = 'seconds' "
        "},\n"
        "  { name = 'b', env = 'B', type = 'boolean', default = true },\n"
        "  { name = 'l', env = 'L', type = 'list', default = { 'x', 'y' } },\n"
        "  { name = 'f', env = 'F', type = 'file' }, { name = 'g', env = 'G', type = 'file' },\n"
        "  { name = 'k', env = 'K', type = 'secret' } },",
        "local s = ctx.settings\n"
        "local ok, misspelt = pcall(function() return s.x end)\n"
        "return { s = s.s or 'none', i = s.i, n = s.n, d = s.d, b = s.b, l = s.l, f = s.f,\n"
        "  g = s.g == nil, k = tostring(s.k), misspelt = misspelt:match('ctx.settings has no "
        ".x.'),\n"
        "  trigger = ctx.trigger }");
    load(&setup);
    struct watched_file watched = {"f", in(*state, "cfg.yaml")};
    assert_null(watched_open(&watched, 1, NULL, NULL, &setup.services.files));
    run(&setup, "x", "{}");
    assert_null(setup.error);
    assert_non_null(
        strstr(buffer_text(&setup.result), "\"i\":3,\"k\":\"nil\",\"l\":[\"x\",\"y\"],"));
    static const struct setting_value values[] = {
        {"n", "-2.5e1"}, {"d", "500ms"},       {"b", "off"}, {"l", "a, b,,c"},
        {"f", "cfg"},    {"k", "planted-key"}, {"i", "+7"},
    };
    memcpy(setup.settings, values, sizeof values);
    setup.services.setting_count = COUNT(values);
    run(&setup, "x", "{}");
    char *json = memory_format(
        "{\"b\":false,\"d\":0.5,\"f\":{\"data\":{\"a\":[1,null]},\"path\":\"%s\",\"version\":1},"
        "\"g\":true,\"i\":7,\"k\":\"***\",\"l\":[\"a\",\"b\",\"c\"],\"misspelt\":\"ctx.settings "
        "has "
        "no \\\"x\\\"\",\"n\":-25,\"s\":\"none\",\"trigger\":\"timer\"}",
        watched.path);
    expect_result(&setup, json);
    memory_free(json);
    setup.settings[1].text = "soon";
    run(&setup, "x", "{}");
    expect_error(
        &setup, ERROR_INVALID, 0,
        "the setting d (D): expected a duration such as 30, 0.5, 500ms or 2m, got \"soon\"");
    end(&setup);
}

static void metrics_are_made(void **state) {
    struct setup setup;
    struct buffer page = {0};
    begin(&setup, *state);
    put_run(*state, "x", "",
            "local m = ctx.metrics\n"
            "local gauge = m.gauge('kthena_runtime_g', 'G.')\n"
            "gauge:set(9, { gone = 'x' })\n"
            "gauge:clear()\n"
            "gauge:set(1, { a = 'x\"', n = 5, b = true })\n"
            "m.counter('kthena_runtime_c_total', 'C.'):add(2)\n"
            "m.counter('kthena_runtime_c_total'):add()\n"
            "m.histogram('kthena_runtime_h', 'H.', { 0.5, 1 }):observe(0.7, { a = 'b' })\n"
            "local ok, message = pcall(function() return (m.gauge('x', '')) end)\n"
            "local bad, why, kind = gauge:set(0 / 0)\n"
            "return { message = message, why = why, kind = kind }");
    load(&setup);
    run(&setup, "x", "{}");
    expect_result(&setup,
                  "{\"kind\":\"invalid\",\"message\":\"x.lua:11: ctx.metrics: 'x' is no name for a "
                  "metric; expected kthena_runtime_ and lower-case letters, digits and "
                  "'_'\",\"why\":\"kthena_runtime_g: expected a number, got one that is none\"}");
    registry_collect(setup.services.metrics, &(struct metric_writer){.out = &page});
    assert_string_equal(buffer_text(&page),
                        "# HELP kthena_runtime_c_total C.\n# TYPE kthena_runtime_c_total counter\n"
                        "kthena_runtime_c_total 3\n"
                        "# HELP kthena_runtime_g G.\n# TYPE kthena_runtime_g gauge\n"
                        "kthena_runtime_g{a=\"x\\\"\",b=\"true\",n=\"5\"} 1\n"
                        "# HELP kthena_runtime_h H.\n# TYPE kthena_runtime_h histogram\n"
                        "kthena_runtime_h_bucket{a=\"b\",le=\"0.5\"} 0\n"
                        "kthena_runtime_h_bucket{a=\"b\",le=\"1.0\"} 1\n"
                        "kthena_runtime_h_bucket{a=\"b\",le=\"+Inf\"} 1\n"
                        "kthena_runtime_h_sum{a=\"b\"} 0.7\n"
                        "kthena_runtime_h_count{a=\"b\"} 1\n");
    buffer_free(&page);
    end(&setup);
}

#define REPLY(status, headers, length, body)                                                       \
    "HTTP/1.1 " status "\r\n" headers "Content-Length: " #length "\r\n\r\n" body

static void the_engine_is_called(void **state) {
    static const struct step steps[] = {
        {.reply = REPLY("200 OK", "X-A: h\r\n", 13, "{\"text\":\"hi\"}")},
        {.reply = REPLY("400 Bad", "", 3, "no!")},
        {.reply = REPLY("307 Elsewhere", "Location: http://127.0.0.1:1/\r\n", 0, ""),
         .after = CLOSE},
    };
    char url[64];
    struct setup setup;
    struct tcp_server server;
    begin(&setup, *state);
    put_run(*state, "load", "params = { { name = 'name', type = 'string' } },",
            "local outcome, text, kind, status = ctx.engine.load({ name = params.name,\n"
            "  fields = { rank = 8 }, timeout = 10 })\n"
            "if not outcome then return nil, text, kind, status end\n"
            "return { outcome = outcome, text = text }");
    put_run(*state, "more", "",
            "local e = ctx.engine\n"
            "local outcome, text = e.unload({ name = 'a' })\n"
            "local list, message, kind, status = e.list()\n"
            "local ok, misspelt = pcall(function() return e.nane end)\n"
            "return { outcome = outcome, text = text, list = list == nil, message = message, kind "
            "= kind,\n"
            "  status = status, reset = e.reset(), name = e.name, pod = e.pod, none = "
            "e.management_url == nil,\n"
            "  can = e.supports('load'), cannot = e.supports('list'), misspelt = misspelt }");
    load(&setup);
    server_start(&server, steps, COUNT(steps));
    snprintf(url, sizeof url, "http://127.0.0.1:%d", server.port);
    setup.target.url = url;
    setup.target.api_key = "planted-key";
    run(&setup, "load", "{\"name\":\"a\"}");
    expect_result(&setup, "{\"outcome\":\"loaded\",\"text\":\"hih\"}");
    run(&setup, "load", "{\"name\":\"a\"}");
    expect_error(&setup, ERROR_INVALID, 400, "HTTP 400: no!");
    run(&setup, "load", "{\"name\":\"a\"}");
    expect_error(&setup, ERROR_PROTOCOL, 502, "HTTP 307: ");
    server_finish(&server);
    const char *sent = buffer_text(&server.request);
    assert_non_null(strstr(sent, "POST /load HTTP/1.1\r\n"));
    assert_non_null(strstr(sent, "\r\nAuthorization: Bearer planted-key\r\n"));
    assert_non_null(strstr(sent, "\r\nContent-Type: application/json\r\n"));
    assert_non_null(strstr(sent, "\r\n\r\n{\"list\":[1,2],\"name\":\"a\",\"rank\":8}"));
    server_free(&server);
    assert_int_equal(atomic_load(&setup.answered), 3);
    assert_int_equal(atomic_load(&setup.gone), 0);
    run(&setup, "load", "{\"name\":\"a\"}");
    expect_error(&setup, ERROR_UNAVAILABLE, 503, "/load: ");
    assert_int_equal(atomic_load(&setup.gone), 1);
    run(&setup, "more", "{}");
    expect_result(
        &setup,
        "{\"can\":true,\"cannot\":false,\"kind\":\"unsupported\",\"list\":true,\"message\":\"acme "
        "does not list its adapters\",\"misspelt\":\"more.lua:6: ctx.engine has no "
        "\\\"nane\\\"\",\"name\":\"acme\","
        "\"none\":true,\"outcome\":\"not_found\",\"pod\":\"p.ns\",\"reset\":true,\"status\":501,"
        "\"text\":\"acmebasetrue\"}");
    run(&setup, "load", "{\"name\":\"raise\"}");
    expect_error(&setup, ERROR_POLICY, 500,
                 "rules/engines/acme.lua: adapters.load: acme.lua:4: raised in the hook");
    run(&setup, "load", "{\"name\":\"odd\"}");
    expect_error(&setup, ERROR_POLICY, 500, "adapters.load: returned \"done\"");
    run(&setup, "load", "{\"name\":\"nothing\"}");
    expect_error(&setup, ERROR_POLICY, 500, "adapters.load: returned nothing");
    setup.engine = NULL;
    run(&setup, "load", "{\"name\":\"a\"}");
    expect_error(&setup, ERROR_UNAVAILABLE, 503, "the engine is not known yet");
    end(&setup);
}

static void an_engine_that_is_silent_times_out(void **state) {
    static const struct step steps[] = {{.reply = "", .after = STALL}};
    char url[64];
    struct setup setup;
    struct tcp_server server;
    begin(&setup, *state);
    put_run(*state, "x", "",
            "local outcome, text, kind, status = ctx.engine.load({ name = 'a', timeout = 0.05 })\n"
            "return nil, text, kind, status");
    load(&setup);
    server_start(&server, steps, COUNT(steps));
    snprintf(url, sizeof url, "http://127.0.0.1:%d", server.port);
    setup.target.url = url;
    run(&setup, "x", "{}");
    expect_error(&setup, ERROR_TIMEOUT, 504, "/load");
    assert_int_equal(atomic_load(&setup.answered) + atomic_load(&setup.gone), 0);
    server_finish(&server);
    server_free(&server);
    end(&setup);
}

static void workflows_call_each_other(void **state) {
    struct setup setup;
    begin(&setup, *state);
    put_run(*state, "inner", "params = { { name = 'n', type = 'integer' } },",
            "if params.n == 3 then return nil, 'three', 'exists', 418 end\n"
            "if params.n == 4 then ctx.sleep(60) end\n"
            "return { n = params.n, list = {} }");
    put_run(*state, "outer", "parallel = 2, params = { { name = 'n', type = 'integer' } },",
            "local result, message, kind, status = ctx.call('inner', { n = params.n },\n"
            "  { seconds = params.n == 4 and 0.05 or nil })\n"
            "if not result then return nil, message, kind, status end\n"
            "return { got = result.n, id = ctx.call('inner', { n = 1 }, { wait = false "
            "}).job_id:len() }");
    put_run(*state, "other", "parallel = 1,", "return ctx.call('none')");
    put_run(*state, "blocked", "", "return ctx.call('inner', { n = 1 })");
    load(&setup);
    run(&setup, "outer", "{\"n\":2}");
    expect_result(&setup, "{\"got\":2,\"id\":12}");
    run(&setup, "outer", "{\"n\":3}");
    expect_error(&setup, ERROR_EXISTS, 418, "three");
    run(&setup, "other", "{}");
    expect_error(&setup, ERROR_NOT_FOUND, 0, "no workflow 'none'");
    run(&setup, "blocked", "{}");
    expect_error(&setup, ERROR_INVALID, 0, "may have to wait for this one");
    run(&setup, "outer", "{\"n\":4}");
    expect_error(&setup, ERROR_TIMEOUT, 0, "has not ended within 0.05 s; it goes on");
    struct job *job = start(&setup, "outer", "{\"n\":2}"); /* waits behind the one that sleeps */
    while (job_state(job) == JOB_QUEUED)
        usleep(1000);
    assert_true(job_cancel(job));
    finish(&setup, job);
    expect_error(&setup, ERROR_CANCELLED, 0, "");
    end(&setup);
}

static void files_and_manifests_are_read_and_deleted(void **state) {
    struct setup setup;
    begin(&setup, *state);
    put(*state, "rules/volume.lua",
        "return { api = 1, source = 'volume', schemes = { 'volume' }, resolve = function(uri, "
        "ctx)\n"
        "  local files, message, kind = ctx.files(uri.path)\n"
        "  if not files then return nil, message, kind end\n"
        "  return { revision = 'r', files = files } end }\n");
    put_run(
        *state, "x",
        "params = { { name = 'from', type = 'string' }, { name = 'to', type = 'string' } },",
        "local none, message, kind = ctx.manifest(params.to)\n"
        "assert(none == nil and kind == 'not_found', message)\n"
        "local done = assert(ctx.download('volume://' .. params.from, params.to))\n"
        "local m = assert(ctx.manifest(params.to))\n"
        "assert(m.files[1].digest:find('^%w+:%x+$') and done.digest:find('^sha256:%x+$'))\n"
        "local text = assert(ctx.files.read(params.to .. '/a'))\n"
        "local large, why, limit = ctx.files.read(params.to .. '/sub/b', 2)\n"
        "local listed = #ctx.files.list(params.to)\n"
        "local there = ctx.files.exists(params.to)\n"
        "local removed = assert(ctx.delete(params.to))\n"
        "local again, text2, word = ctx.delete(params.to)\n"
        "return { source = m.source == done.source, revision = m.revision, pinned = m.pinned,\n"
        "  path = m.files[2].path, size = m.files[2].size, count = #m.files, text = text,\n"
        "  limit = limit, listed = listed, there = there, removed = removed, word = word,\n"
        "  gone = not ctx.files.exists(params.to), dir = ctx.directory(params.to) == params.to }");
    load(&setup);
    make_directory(*state, "in");
    make_directory(*state, "in/sub");
    put(*state, "in/a", "12");
    put(*state, "in/sub/b", "345");
    char *params =
        memory_format("{\"from\":\"%s\",\"to\":\"%s\"}", in(*state, "in"), in(*state, "out"));
    run(&setup, "x", params);
    expect_result(&setup,
                  "{\"count\":2,\"dir\":true,\"gone\":true,\"limit\":\"limit\",\"listed\":2,"
                  "\"path\":\"sub/b\",\"pinned\":false,\"removed\":2,\"revision\":\"r\","
                  "\"size\":3,\"source\":true,\"text\":\"12\",\"there\":true,\"word\":"
                  "\"not_found\"}");
    memory_free(params);
    const char *roots[] = {in(*state, "models")};
    struct access access = {.roots = roots, .root_count = 1};
    setup.config.access = &access;
    put_run(*state, "y", "params = { { name = 'to', type = 'string' } },",
            "return ctx.delete(params.to)");
    generation_unref(setup.generation);
    load(&setup);
    params = memory_format("{\"to\":\"%s\"}", in(*state, "in"));
    run(&setup, "y", params);
    expect_error(&setup, ERROR_DENIED, 0, "in");
    memory_free(params);
    end(&setup);
}

static void a_status_may_be_chosen(void **state) {
    struct setup setup;
    begin(&setup, *state);
    put_run(*state, "x", "", "return { a = 1 }, 201");
    put_run(*state, "y", "", "return { a = 1 }, 404");
    load(&setup);
    run(&setup, "x", "{}");
    expect_result(&setup, "{\"a\":1}");
    assert_int_equal(setup.status, 201);
    run(&setup, "y", "{}");
    expect_error(&setup, ERROR_POLICY, 0, "returned the status 404");
    end(&setup);
}

static void sleep_is_cancelled_and_no_lua_time(void **state) {
    struct setup setup;
    begin(&setup, *state);
    put_run(*state, "x", "",
            "ctx.job.phase('asleep')\nlocal ok, message, kind = ctx.sleep(3600)\nreturn nil, "
            "message, kind");
    load(&setup);
    struct job *job = start(&setup, "x", "{}");
    char phase[PROGRESS_PHASE_SIZE] = "";
    while (strcmp(phase, "asleep") != 0) {
        usleep(1000);
        progress_phase(job_progress(job), phase);
    }
    assert_true(job_cancel(job));
    finish(&setup, job);
    expect_error(&setup, ERROR_CANCELLED, 0, "cancelled while it slept");
    end(&setup);
}

static void what_needs_a_sidecar_says_so(void **state) {
    struct setup setup;
    begin(&setup, *state);
    put_run(*state, "x", "settings = { { name = 'i', env = 'I', type = 'integer', default = 3 } },",
            "local function why(f, ...)\n"
            "  local ok, message = pcall(f, ...)\n"
            "  return (message:gsub(' needs a running sidecar %(kthena%-runtime serve%)', '!'))\n"
            "end\n"
            "return { why(function() return ctx.state.get end), why(function() return "
            "ctx.memory.get end),\n"
            "  why(ctx.lock, 'a'), why(ctx.call, 'x'), why(ctx.metrics.gauge, 'kthena_runtime_x', "
            "''),\n"
            "  why(function() return ctx.engine.url end), tostring(ctx.settings.i) }");
    load(&setup);
    setup.config.services = NULL;
    run(&setup, "x", "{}");
    expect_result(&setup,
                  "[\"ctx.state!\",\"ctx.memory!\",\"ctx.lock!\",\"ctx.call!\",\"ctx.metrics!\","
                  "\"ctx.engine!\",\"3\"]");
    end(&setup);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(values_are_remembered),
        TEST(an_update_is_made_again_when_it_was_overtaken),
        TEST(names_are_locked),
        TEST(settings_have_their_types),
        TEST(metrics_are_made),
        TEST(the_engine_is_called),
        TEST(an_engine_that_is_silent_times_out),
        TEST(workflows_call_each_other),
        TEST(files_and_manifests_are_read_and_deleted),
        TEST(a_status_may_be_chosen),
        TEST(sleep_is_cancelled_and_no_lua_time),
        TEST(what_needs_a_sidecar_says_so),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
