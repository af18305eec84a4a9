/* What starts workflows, with jobs that note why they were started. */
#include "sidecar/triggers.h"

#include "generation_support.h"
#include "jobs_support.h"

#include <pthread.h>

enum { RUNS_MAX = 256, WORD_SIZE = 40 };

/* Stands in for the sidecar. */
struct bench {
    const struct fixture *fixture;
    struct jobs *jobs;
    struct triggers *triggers;
    pthread_mutex_t lock; /* of what follows */
    struct generation *generation;
    uint64_t number;
    char runs[RUNS_MAX][WORD_SIZE]; /* "workflow trigger", in the order they were started */
    int run_count;
    int refusals; /* so many runs are refused */
    enum error_kind refusal;
    atomic_bool hold; /* jobs do not end while this is true */
    atomic_int ended;
    const char *_Atomic reply;   /* JSON that jobs return */
    const char *_Atomic failure; /* or fail with */
};

static struct generation *build_number(struct bench *bench) {
    struct problems problems = {0};
    struct rule_sources sources = sources_of(bench->fixture, NULL, 0);
    struct generation *generation =
        generation_build(snapshot_read(&sources.layers), &sources, ++bench->number, &problems);
    if (!generation)
        fail_msg("%s", problems.list[0].text);
    return generation;
}

static struct generation *bench_generation(void *context) {
    struct bench *bench = context;
    pthread_mutex_lock(&bench->lock);
    struct generation *generation = generation_ref(bench->generation);
    pthread_mutex_unlock(&bench->lock);
    return generation;
}

static struct error *run_job(struct job *job, void *worker, void *payload, struct buffer *result) {
    struct bench *bench = payload;
    (void)worker;
    while (bench->hold && !atomic_load(job_cancel_flag(job)))
        usleep(1000);
    if (atomic_load(job_cancel_flag(job)))
        return error_new(ERROR_CANCELLED, NULL, "cancelled");
    if (bench->failure)
        return error_new(ERROR_IO, NULL, "%s", bench->failure);
    if (bench->reply)
        buffer_string(result, bench->reply);
    return NULL;
}

static struct error *bench_run(void *context, struct generation *generation,
                               const struct workflow *workflow, const char *trigger,
                               struct job **out) {
    struct bench *bench = context;
    struct job_spec spec = {
        .kind = workflow->name, .description = "{}", .run = run_job, .payload = bench};
    bool joined;
    (void)generation;
    pthread_mutex_lock(&bench->lock);
    bool refused = bench->refusals-- > 0;
    if (!refused && bench->run_count < RUNS_MAX)
        snprintf(bench->runs[bench->run_count++], WORD_SIZE, "%s %s", workflow->name, trigger);
    pthread_mutex_unlock(&bench->lock);
    return refused ? error_new(bench->refusal, NULL, "not now")
                   : jobs_submit(bench->jobs, &spec, out, &joined);
}

static void bench_ended(void *context, struct job *job) {
    struct bench *bench = context;
    triggers_ended(bench->triggers, job);
    bench->ended++;
}

/* A rule file of a workflow with these keys besides those that all have. */
static void put_keys(const struct fixture *fixture, const char *workflow, const char *keys) {
    char *name = memory_format("rules/%s.lua", workflow);
    char *text = memory_format("return { api = 1, workflow = '%s', %s,\n  run = function() end }\n",
                               workflow, keys);
    put(fixture, name, text);
    memory_free(name);
    memory_free(text);
}

static void make(struct bench *bench, const struct fixture *fixture,
                 const struct setting_value *settings, size_t count) {
    struct jobs_config jobs = {.threads = 4, .ended = bench_ended, .context = bench};
    *bench = (struct bench){.fixture = fixture};
    pthread_mutex_init(&bench->lock, NULL);
    bench->jobs = jobs_new(&jobs);
    bench->generation = build_number(bench);
    struct triggers_config config = {.generation = bench_generation,
                                     .run = bench_run,
                                     .context = bench,
                                     .settings = settings,
                                     .setting_count = count};
    bench->triggers = triggers_new(&config);
}

static void begin(struct bench *bench, const struct fixture *fixture) {
    make(bench, fixture, NULL, 0);
    assert_null(triggers_start(bench->triggers));
}

static void end(struct bench *bench) {
    triggers_stop(bench->triggers);
    assert_true(jobs_close(bench->jobs, clock_ms() + IN_TIME_MS));
    triggers_free(bench->triggers);
    generation_unref(bench->generation);
    pthread_mutex_destroy(&bench->lock);
}

/* How often this run was started; NULL: any. */
static int count_runs(struct bench *bench, const char *run) {
    int count = 0;
    pthread_mutex_lock(&bench->lock);
    for (int i = 0; i < bench->run_count; i++)
        count += !run || strcmp(bench->runs[i], run) == 0;
    pthread_mutex_unlock(&bench->lock);
    return count;
}

static void await_runs(struct bench *bench, const char *run, int count) {
    for (int64_t end_ms = clock_ms() + IN_TIME_MS; count_runs(bench, run) < count; usleep(1000))
        if (clock_ms() > end_ms)
            fail_msg("%d runs of %s, not %d", count_runs(bench, run), run ? run : "any", count);
}

static void await_ends(struct bench *bench, int count) {
    for (int64_t end_ms = clock_ms() + IN_TIME_MS; bench->ended < count; usleep(1000))
        assert_true(clock_ms() < end_ms);
}

/* Nothing more happens than has. */
static void assert_quiet(struct bench *bench, int runs) {
    usleep(50000);
    assert_int_equal(count_runs(bench, NULL), runs);
}

static void swap_rules(struct bench *bench) {
    struct generation *next = build_number(bench);
    pthread_mutex_lock(&bench->lock);
    struct generation *last = bench->generation;
    bench->generation = next;
    pthread_mutex_unlock(&bench->lock);
    generation_unref(last);
    triggers_notify(bench->triggers, WORKFLOW_ON_RULES_CHANGED);
}

#define FILE_SETTING "settings = { { name = 'list', env = 'LIST', type = 'file' } }"

static void events_start_who_asked_for_them(void **state) {
    static struct bench bench;
    put_keys(*state, "first", "on = 'start'");
    put_keys(*state, "up", "on = { 'engine_up' }");
    put_keys(*state, "both", "on = { 'engine_up', 'file_changed' }, " FILE_SETTING);
    put_keys(*state, "called", "route = { method = 'POST', path = '/v1/called' }");
    begin(&bench, *state);
    await_runs(&bench, "first start", 1);
    assert_quiet(&bench, 1);
    triggers_notify(bench.triggers, WORKFLOW_ON_ENGINE_UP);
    await_runs(&bench, "up engine_up", 1);
    await_runs(&bench, "both engine_up", 1);
    await_ends(&bench, 3);
    triggers_notify(bench.triggers, WORKFLOW_ON_FILE_CHANGED);
    await_runs(&bench, "both file_changed", 1);
    assert_quiet(&bench, 4);
    end(&bench);
}

static void a_timer_begins_at_once_and_goes_on(void **state) {
    static struct bench bench;
    put_keys(*state, "often", "every = 0.1");
    put_keys(*state, "seldom", "every = 3600");
    begin(&bench, *state);
    await_runs(&bench, "often timer", 4);
    assert_int_equal(count_runs(&bench, "seldom timer"), 1);
    end(&bench);
}

static void a_start_is_the_timers_first_run(void **state) {
    static struct bench bench;
    put_keys(*state, "both", "every = 3600, on = 'start'");
    begin(&bench, *state);
    await_runs(&bench, "both start", 1);
    assert_quiet(&bench, 1);
    end(&bench);
}

static void one_run_at_a_time_and_none_is_lost(void **state) {
    static struct bench bench;
    put_keys(*state, "it", "on = { 'engine_up', 'file_changed' }, " FILE_SETTING);
    begin(&bench, *state);
    bench.hold = true;
    triggers_notify(bench.triggers, WORKFLOW_ON_FILE_CHANGED);
    await_runs(&bench, "it file_changed", 1);
    /* What happens while it runs makes a run of each kind after it. */
    for (int i = 0; i < 5; i++)
        triggers_notify(bench.triggers, WORKFLOW_ON_ENGINE_UP | WORKFLOW_ON_FILE_CHANGED);
    assert_quiet(&bench, 1);
    bench.hold = false;
    await_runs(&bench, "it engine_up", 1);
    await_runs(&bench, "it file_changed", 2);
    assert_quiet(&bench, 3);
    end(&bench);
}

static void a_timer_skips_what_it_misses(void **state) {
    static struct bench bench;
    put_keys(*state, "it", "every = 0.1");
    begin(&bench, *state);
    bench.hold = true;
    await_runs(&bench, "it timer", 1);
    usleep(450000);
    int runs = count_runs(&bench, "it timer");
    assert_in_range(runs, 1, 2); /* one may have ended before it was held */
    bench.hold = false;
    await_runs(&bench, "it timer", runs + 1);
    usleep(20000);
    assert_true(count_runs(&bench, "it timer") <= runs + 2);
    end(&bench);
}

static void a_cancelled_run_makes_way(void **state) {
    static struct bench bench;
    put_keys(*state, "it", "on = 'engine_up'");
    begin(&bench, *state);
    bench.hold = true;
    triggers_notify(bench.triggers, WORKFLOW_ON_ENGINE_UP);
    await_runs(&bench, "it engine_up", 1);
    triggers_notify(bench.triggers, WORKFLOW_ON_ENGINE_UP);
    jobs_stop(bench.jobs, 0);
    await_ends(&bench, 1);
    await_runs(&bench, "it engine_up", 2); /* which is refused now: all is over */
    end(&bench);
}

static void a_full_queue_is_tried_again(void **state) {
    static struct bench bench;
    put_keys(*state, "it", "on = 'start'");
    make(&bench, *state, NULL, 0);
    bench.refusals = 1;
    bench.refusal = ERROR_OVERLOAD;
    assert_null(triggers_start(bench.triggers));
    await_runs(&bench, "it start", 1);
    end(&bench);
    /* Another refusal stands. */
    make(&bench, *state, NULL, 0);
    bench.refusals = 1;
    bench.refusal = ERROR_DENIED;
    assert_null(triggers_start(bench.triggers));
    usleep(50000);
    triggers_notify(bench.triggers, WORKFLOW_ON_ENGINE_UP);
    assert_quiet(&bench, 0);
    end(&bench);
}

static void changed_rules_are_followed(void **state) {
    static struct bench bench;
    put_keys(*state, "it", "on = { 'rules_changed', 'start' }");
    put_keys(*state, "gone", "on = 'engine_up'");
    begin(&bench, *state);
    await_runs(&bench, "it start", 1);
    await_ends(&bench, 1);
    triggers_notify(bench.triggers, WORKFLOW_ON_RULES_CHANGED); /* they have not */
    assert_quiet(&bench, 1);
    put_keys(*state, "gone", "route = { method = 'POST', path = '/v1/gone' }");
    put_keys(*state, "added", "every = 3600, on = { 'start', 'engine_up' }");
    swap_rules(&bench);
    await_runs(&bench, "it rules_changed", 1);
    await_runs(&bench, "added timer", 1); /* the process has not started */
    await_ends(&bench, 3);
    triggers_notify(bench.triggers, WORKFLOW_ON_ENGINE_UP);
    await_runs(&bench, "added engine_up", 1);
    assert_quiet(&bench, 4);
    /* A timer that is taken away and comes back begins anew. */
    unlink(in(*state, "rules/added.lua"));
    swap_rules(&bench);
    await_runs(&bench, "it rules_changed", 2);
    await_ends(&bench, 5);
    put_keys(*state, "added", "every = 3600");
    swap_rules(&bench);
    await_runs(&bench, "added timer", 2);
    await_runs(&bench, "it rules_changed", 3);
    assert_quiet(&bench, 7);
    end(&bench);
}

#define PACE                                                                                       \
    "every = 'pace', settings = { { name = 'pace', env = 'PACE', type = 'seconds', default = "     \
    "3600 "                                                                                        \
    "} }"

static void a_setting_says_how_often(void **state) {
    static const struct {
        const char *text;
        int least, most; /* runs while another has six */
    } cases[] = {{NULL, 1, 1}, {"0.1", 3, 99}, {"100ms", 3, 99}, {"0", 0, 0}, {"soon", 0, 0}};
    static struct bench bench;
    put_keys(*state, "it", PACE);
    put_keys(*state, "other", "every = 0.1");
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct setting_value settings[] = {{"else", "7"}, {"pace", cases[i].text}};
        make(&bench, *state, settings, 2);
        assert_null(triggers_start(bench.triggers));
        await_runs(&bench, "other timer", 6);
        assert_in_range(count_runs(&bench, "it timer"), cases[i].least, cases[i].most);
        end(&bench);
    }
}

/* Runs the workflow as a request does. */
static void call(struct bench *bench, const char *workflow, const char *reply,
                 const char *failure) {
    struct job *job = NULL;
    int ended = bench->ended;
    bench->reply = reply;
    bench->failure = failure;
    const struct workflow *one = generation_workflow(bench->generation, workflow);
    assert_null(bench_run(bench, bench->generation, one, "call", &job));
    assert_true(job_wait(job, clock_ms() + IN_TIME_MS));
    await_ends(bench, ended + 1);
    job_unref(job);
}

static void assert_ready(struct bench *bench, enum ready_state state, const char *why) {
    char *said = NULL;
    assert_int_equal(triggers_ready(bench->triggers, "thing", &said), state);
    if (why)
        assert_string_equal(said, why);
    else
        assert_null(said);
    memory_free(said);
}

static void the_last_run_says_whether_it_is_ready(void **state) {
    static struct bench bench;
    static const char route[] = "route = { method = 'POST', path = '/v1/it' }, ready = 'thing'";
    put_keys(*state, "it", route);
    put_keys(*state, "other", "on = 'engine_up'");
    begin(&bench, *state);
    struct buffer names = {0};
    triggers_ready_names(bench.triggers, &names);
    assert_string_equal(buffer_text(&names), "thing");
    buffer_free(&names);
    assert_ready(&bench, READY_NO, "has not run yet");
    call(&bench, "other", "{\"ready\":true}", NULL);
    assert_ready(&bench, READY_NO, "has not run yet");
    call(&bench, "it", "{\"ready\":true,\"detail\":\"fine\"}", NULL);
    assert_ready(&bench, READY_YES, NULL);
    call(&bench, "it", "{\"ready\":false,\"detail\":\"2 of 3\"}", NULL);
    assert_ready(&bench, READY_NO, "2 of 3");
    call(&bench, "it", "{\"ready\":1,\"detail\":[]}", NULL);
    assert_ready(&bench, READY_NO, "not ready");
    call(&bench, "it", "{\"ready\":true}", NULL);
    assert_ready(&bench, READY_YES, NULL);
    call(&bench, "it", NULL, NULL);
    assert_ready(&bench, READY_NO, "not ready");
    call(&bench, "it", "{\"ready\":true}", "no disk");
    assert_ready(&bench, READY_NO, "no disk");
    /* Edited rules change nothing of that, unless they take it away. */
    call(&bench, "it", "{\"ready\":true}", NULL);
    swap_rules(&bench);
    usleep(20000);
    assert_ready(&bench, READY_YES, NULL);
    put_keys(*state, "it", "route = { method = 'POST', path = '/v1/it' }, on = 'engine_up'");
    swap_rules(&bench);
    char *said = NULL;
    for (int64_t end_ms = clock_ms() + IN_TIME_MS;
         triggers_ready(bench.triggers, "thing", &said) != READY_UNKNOWN; usleep(1000)) {
        memory_free(said);
        assert_true(clock_ms() < end_ms);
    }
    end(&bench);
}

static void a_cancelled_run_says_nothing(void **state) {
    static struct bench bench;
    put_keys(*state, "it", "on = 'engine_up', ready = 'thing'");
    begin(&bench, *state);
    bench.reply = "{\"ready\":true}";
    triggers_notify(bench.triggers, WORKFLOW_ON_ENGINE_UP);
    await_ends(&bench, 1);
    assert_ready(&bench, READY_YES, NULL);
    bench.hold = true;
    triggers_notify(bench.triggers, WORKFLOW_ON_ENGINE_UP);
    await_runs(&bench, "it engine_up", 2);
    jobs_stop(bench.jobs, 0);
    await_ends(&bench, 2);
    assert_ready(&bench, READY_YES, NULL);
    end(&bench);
}

static void *notify_much(void *context) {
    struct bench *bench = context;
    char *why = NULL;
    for (unsigned i = 0; i < 300; i++) {
        triggers_notify(bench->triggers, i % 16);
        triggers_ready(bench->triggers, "thing", &why);
        memory_free(why);
    }
    return NULL;
}

static void any_thread_may_tell(void **state) {
    static struct bench bench;
    put_keys(*state, "it",
             "every = 0.1, ready = 'thing', on = { 'engine_up', 'file_changed', "
             "'rules_changed' }, " FILE_SETTING);
    begin(&bench, *state);
    bench.reply = "{\"ready\":true}";
    pthread_t threads[4];
    for (int i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, notify_much, &bench), 0);
    for (int i = 0; i < 3; i++)
        swap_rules(&bench);
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    int runs = count_runs(&bench, "it engine_up");
    triggers_notify(bench.triggers, WORKFLOW_ON_ENGINE_UP);
    await_runs(&bench, "it engine_up", runs < RUNS_MAX / 2 ? runs + 1 : runs);
    end(&bench);
}

static void it_stops_at_once(void **state) {
    static struct bench bench;
    put_keys(*state, "it", "every = 3600");
    make(&bench, *state, NULL, 0);
    triggers_stop(bench.triggers); /* it was not started */
    end(&bench);
    begin(&bench, *state);
    await_ends(&bench, 1);
    int64_t before = clock_ms();
    triggers_stop(bench.triggers);
    assert_true(clock_ms() - before < IN_TIME_MS);
    triggers_notify(bench.triggers, WORKFLOW_ON_ENGINE_UP);
    assert_quiet(&bench, 1);
    end(&bench);
    triggers_free(NULL);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up_rules, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(events_start_who_asked_for_them),
        TEST(a_timer_begins_at_once_and_goes_on),
        TEST(a_start_is_the_timers_first_run),
        TEST(one_run_at_a_time_and_none_is_lost),
        TEST(a_timer_skips_what_it_misses),
        TEST(a_cancelled_run_makes_way),
        TEST(a_full_queue_is_tried_again),
        TEST(changed_rules_are_followed),
        TEST(a_setting_says_how_often),
        TEST(the_last_run_says_whether_it_is_ready),
        TEST(a_cancelled_run_says_nothing),
        TEST(any_thread_may_tell),
        TEST(it_stops_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
