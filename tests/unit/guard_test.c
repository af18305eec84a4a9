#include "policy/guard.h"
#include "policy/stack.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static const char DISPLAY[] = "some/where/x.lua";

static struct state *make(size_t memory_bytes) {
    struct state *state;
    assert_null(state_new("lua", memory_bytes, &state));
    return state;
}

/* Runs a piece of Lua under the file's chunk name. */
static int run_text(lua_State *lua) {
    const char *text = lua_touserdata(lua, 1);
    char chunk[GUARD_CHUNK_SIZE];
    guard_chunk(DISPLAY, chunk);
    if (luaL_loadbufferx(lua, text, strlen(text), chunk, "t") != 0)
        return lua_error(lua);
    lua_call(lua, 0, 0);
    return 0;
}

static struct error *run(struct state *state, double budget, const char *text) {
    return guard_call(state, DISPLAY, budget, run_text, (void *)text);
}

static void expect(struct state *state, double budget, const char *text, const char *message) {
    struct error *error = run(state, budget, text);
    if (message) {
        assert_non_null(error);
        assert_int_equal(error->kind, ERROR_POLICY);
        assert_string_equal(error->message, message);
    }
    assert_true(message != NULL || error == NULL);
    error_free(error);
}

static void test_errors_name_file_and_line(void **unused) {
    (void)unused;
    struct state *state = make(0);
    expect(state, 1, "local x = 1", NULL);
    expect(state, 1, "\nerror('boom')", "some/where/x.lua:2: boom");
    expect(state, 1, "error('boom', 0)", "some/where/x.lua: boom");
    expect(state, 1, "x = = 1", "some/where/x.lua:1: unexpected symbol near '='");
    expect(state, 1, "error({})",
           "some/where/x.lua: raised an error that is no message but a table");
    expect(state, 1, "error(5, 0)",
           "some/where/x.lua: raised an error that is no message but a number");
    expect(state, 1, "local x = 1", NULL);
    state_free(state);
}

static void test_a_budget_cuts_code_off(void **unused) {
    (void)unused;
    struct state *state = make(0);
    expect(state, 0.02, "while true do end", "some/where/x.lua:1: used more than 0.02 s");
    expect(state, 0.02, "while true do pcall(function() while true do end end) end",
           "some/where/x.lua:1: used more than 0.02 s");
    expect(state, 0.02, "while true do pcall(error) end",
           "some/where/x.lua:1: used more than 0.02 s");
    /* The hook is gone again: this takes longer than a budget, and has none. */
    expect(state, 0, "for i = 1, 5e6 do end", NULL);
    expect(state, 60, "for i = 1, 1e5 do end", NULL);
    state_free(state);
}

static void test_a_handler_cannot_change_what_cut_it_off(void **unused) {
    (void)unused;
    struct state *state = make(0);
    expect(state, 0.02,
           "xpcall(function() while true do end end, function() return 'innocent' end) error('x')",
           "some/where/x.lua:1: used more than 0.02 s");
    state_free(state);
}

static void test_memory_is_bounded(void **unused) {
    (void)unused;
    static const char message[] = "some/where/x.lua: used more than 2 MiB of memory";
    struct state *state = make(2 * 1024 * 1024);
    expect(state, 10, "local t = {} while true do t[#t + 1] = {} end", message);
    expect(state, 10, "local s = ('x'):rep(1e8)", message);
    expect(state, 10, "local ok, why = pcall(string.rep, 'x', 1e8) error(why)", message);
    expect(state, 10, "local ok = pcall(string.rep, 'x', 1e8) assert(not ok)", NULL);
    expect(state, 10, "error('not enough memory, says a rule')",
           "some/where/x.lua:1: not enough memory, says a rule");
    assert_true(state->used_bytes <= state->memory_bytes);
    state_free(state);
}

static void test_too_little_memory_for_a_state_is_an_error(void **unused) {
    (void)unused;
    for (size_t bytes = 1; bytes < 100000; bytes += 1777) {
        struct state *state;
        struct error *error = state_new("lua", bytes, &state);
        if (error) {
            assert_int_equal(error->kind, ERROR_LIMIT);
            error_free(error);
        } else {
            state_free(state);
        }
    }
}

static void test_a_call_can_run_out_of_memory_anywhere(void **unused) {
    (void)unused;
    struct state *state = make(0);
    size_t base = state->used_bytes;
    for (size_t extra = 0; extra < 60000; extra += 97) {
        state->memory_bytes = base + extra;
        error_free(run(state, 1, "local t = require('kthena.json').encode({ a = { b = 'c' } })"));
    }
    state->memory_bytes = STATE_MEMORY_BYTES;
    expect(state, 1, "error('still here')", "some/where/x.lua:1: still here");
    state_free(state);
}

static void test_modules_come_from_the_library_only(void **unused) {
    (void)unused;
    struct state *state = make(0);
    expect(state, 1, "assert(require('kthena.json') == require('kthena.json'))", NULL);
    expect(state, 1, "assert(require('host.time').now() > 1e9)", NULL);
    expect(state, 1, "assert(require('cjson').encode({ 1 }) == '[1]')", NULL);
    static const char *const refused[] = {"socket",           "kthena",      "kthena.",
                                          "kthena.../secret", "kthena.none", "host.rules"};
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        char text[128];
        snprintf(text, sizeof text, "assert(not pcall(require, '%s'))", refused[i]);
        expect(state, 1, text, NULL);
    }
    expect(state, 1, "assert(not (io or os or debug or ffi or jit or coroutine.x))", NULL);
    state_free(state);
}

static int raise_in_body(lua_State *lua) {
    return luaL_error(lua, "from the body");
}

static void test_the_body_is_protected_too(void **unused) {
    (void)unused;
    struct state *state = make(0);
    struct error *error = guard_call(state, "x.lua", 1, raise_in_body, NULL);
    assert_non_null(error);
    assert_string_equal(error->message, "x.lua: from the body");
    error_free(error);
    state_free(state);
}

static void *loop_and_work(void *unused) {
    for (int i = 0; i < 20; i++) {
        struct state *state = make(0);
        struct error *error = run(state, 0.005, "while true do pcall(error) end");
        assert_non_null(error);
        error_free(error);
        assert_null(run(state, 60, "for i = 1, 1000 do end"));
        state_free(state);
    }
    return unused;
}

static void test_states_are_watched_side_by_side(void **unused) {
    (void)unused;
    pthread_t threads[4];
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, loop_and_work, NULL), 0);
    for (size_t i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
}

/* What the host does for a rule, for 0.3 s. */
static int work(lua_State *lua) {
    guard_pause(lua);
    usleep(300 * 1000);
    guard_resume(lua);
    return 0;
}

static int run_with_work(lua_State *lua) {
    lua_pushcfunction(lua, work);
    lua_setglobal(lua, "work");
    return run_text(lua);
}

static struct error *run_working(struct state *state, double budget, const char *text) {
    return guard_call(state, DISPLAY, budget, run_with_work, (void *)text);
}

static void test_the_host_s_work_does_not_count(void **unused) {
    (void)unused;
    struct state *state = make(0);
    assert_null(run_working(state, 0.5, "for i = 1, 3 do work() end"));
    assert_null(run_working(state, 0, "work()"));
    struct error *error = run_working(state, 0.05, "work() while true do end");
    assert_non_null(error);
    assert_string_equal(error->message, "some/where/x.lua:1: used more than 0.05 s");
    error_free(error);
    /* What was used up before the work stays used up. */
    error = run_working(state, 0.05, "while true do work() for i = 1, 1e7 do end end");
    assert_non_null(error);
    error_free(error);
    state_free(state);
}

static void *work_and_loop(void *unused) {
    for (int i = 0; i < 2; i++) {
        struct state *state = make(0);
        struct error *error = run_working(state, 0.02, "work() work() while true do end");
        assert_non_null(error);
        error_free(error);
        assert_null(run_working(state, 0.5, "work() work()"));
        state_free(state);
    }
    return unused;
}

static void test_states_pause_side_by_side(void **unused) {
    (void)unused;
    pthread_t threads[4];
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, work_and_loop, NULL), 0);
    for (size_t i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
}

/* Recursion through C that needs megabytes of C stack before Lua's own is full. */
static void recurse(void *context) {
    static const char *const texts[] = {
        "local function f() table.sort({ 1, 2, 3 }, f) end f()",
        "local m = {} local t = setmetatable({}, m) "
        "m.__tostring = function() return ('%s'):format(t) end tostring(t)",
        "local m = {} m.__lt = function() "
        "table.sort({ setmetatable({}, m), setmetatable({}, m) }) end "
        "table.sort({ setmetatable({}, m), setmetatable({}, m) })",
    };
    struct state *state = make(0);
    size_t *failed = context;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        struct error *error = run(state, 10, texts[i]);
        *failed += error != NULL;
        error_free(error);
    }
    state_free(state);
}

static void test_the_stack_is_deep_enough(void **unused) {
    (void)unused;
    size_t failed = 0;
    assert_null(stack_run(recurse, &failed, 1));
    assert_int_equal(failed, 3);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_errors_name_file_and_line),
        cmocka_unit_test(test_a_budget_cuts_code_off),
        cmocka_unit_test(test_a_handler_cannot_change_what_cut_it_off),
        cmocka_unit_test(test_memory_is_bounded),
        cmocka_unit_test(test_too_little_memory_for_a_state_is_an_error),
        cmocka_unit_test(test_a_call_can_run_out_of_memory_anywhere),
        cmocka_unit_test(test_modules_come_from_the_library_only),
        cmocka_unit_test(test_the_body_is_protected_too),
        cmocka_unit_test(test_states_are_watched_side_by_side),
        cmocka_unit_test(test_the_host_s_work_does_not_count),
        cmocka_unit_test(test_states_pause_side_by_side),
        cmocka_unit_test(test_the_stack_is_deep_enough),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
