/* The routes for jobs, on a server of their own, with jobs that do as they are told. */
#include "sidecar/sidecar_internal.h"

#include "base/memory.h"
#include "client.h"
#include "jobs_support.h"

#include "base/thread.h"

#include <cjson/cJSON.h>

#define HOST "Host: test\r\n"

enum { WORKERS = 4, FOLLOWERS = 2 }; /* so many of the workers may follow a job */

static int64_t soon(void) {
    return clock_ms() + IN_TIME_MS;
}

/* A sidecar of which only what the routes use is there. */
static struct sidecar *make_sidecar(void) {
    static const char *const hosts[] = {"127.0.0.1"};
    struct sidecar *sidecar = memory_zero(1, sizeof *sidecar);
    struct route *routes = memory_zero(sidecar_job_route_count, sizeof *routes);
    for (size_t i = 0; i < sidecar_job_route_count; i++) {
        routes[i] = sidecar_job_routes[i];
        routes[i].context = sidecar;
    }
    struct jobs_config config = {.threads = 1};
    sidecar->jobs = jobs_new(&config);
    sidecar->config.server = (struct server_config){.hosts = hosts,
                                                    .host_count = 1,
                                                    .worker_count = WORKERS,
                                                    .routes = routes,
                                                    .route_count = sidecar_job_route_count};
    struct error *error = server_start(&sidecar->config.server, &sidecar->server);
    if (error)
        fail_msg("%s", error->message);
    return sidecar;
}

static void free_sidecar(struct sidecar *sidecar) {
    assert_true(server_stop(sidecar->server, IN_TIME_MS));
    assert_true(jobs_close(sidecar->jobs, soon()));
    memory_free((void *)sidecar->config.server.routes);
    memory_free(sidecar);
}

static int set_up(void **state) {
    *state = make_sidecar();
    return 0;
}

static int tear_down(void **state) {
    free_sidecar(*state);
    return 0;
}

/* Asks for a path of the job, "" for the job itself, with any method; %s in it is its id. */
static int ask(const struct sidecar *sidecar, const char *method, const char *path, const char *id,
               struct answer *answer) {
    char request[256], target[128];
    snprintf(target, sizeof target, path, id);
    snprintf(request, sizeof request, "%s %s HTTP/1.1\r\n" HOST "\r\n", method, target);
    client_ask(server_port(sidecar->server, 0), request, answer);
    return answer->status;
}

static void assert_member(const char *text, const char *name, const char *value) {
    cJSON *json = cJSON_Parse(text);
    const char *found = cJSON_GetStringValue(cJSON_GetObjectItem(json, name));
    if (!found || strcmp(found, value) != 0)
        fail_msg("%s is not '%s' in: %s", name, value, text);
    cJSON_Delete(json);
}

static void a_job_is_shown_and_cancelled(void **state) {
    struct sidecar *sidecar = *state;
    struct fake fake = {0};
    struct job_spec spec = fake_spec(&fake);
    struct job *job = fake_submit(sidecar->jobs, &spec);
    struct answer answer;
    fake_await(&fake);
    assert_int_equal(ask(sidecar, "GET", "/v1/jobs/%s", job_id(job), &answer), 200);
    assert_string_equal(client_header(&answer, "Content-Type"), "application/json");
    assert_member(answer.body, "id", job_id(job));
    assert_member(answer.body, "state", "running");
    assert_int_equal(ask(sidecar, "DELETE", "/v1/jobs/%s", job_id(job), &answer), 202);
    assert_member(answer.body, "id", job_id(job));
    assert_true(job_wait(job, soon()));
    assert_int_equal(ask(sidecar, "GET", "/v1/jobs/%s", job_id(job), &answer), 200);
    assert_member(answer.body, "state", "cancelled");
    assert_int_equal(ask(sidecar, "DELETE", "/v1/jobs/%s", job_id(job), &answer), 409);
    assert_non_null(strstr(answer.body, "has ended already: it has the state 'cancelled'"));
    job_unref(job);
}

static void an_unknown_job_is_not_found(void **state) {
    static const char *const requests[][2] = {
        {"GET", "/v1/jobs/%s"}, {"DELETE", "/v1/jobs/%s"}, {"GET", "/v1/jobs/%s/events"}};
    struct answer answer;
    for (size_t i = 0; i < sizeof requests / sizeof *requests; i++) {
        assert_int_equal(ask(*state, requests[i][0], requests[i][1], "nosuchjob", &answer), 404);
        assert_non_null(strstr(answer.body, "no job 'nosuchjob' is known"));
    }
    assert_int_equal(ask(*state, "POST", "/v1/jobs", "", &answer), 405);
    assert_int_equal(ask(*state, "PUT", "/v1/jobs/%s", "x", &answer), 405);
    assert_string_equal(client_header(&answer, "Allow"), "GET, HEAD, DELETE");
}

static int count_jobs(const struct sidecar *sidecar, const char *query) {
    struct answer answer;
    assert_int_equal(ask(sidecar, "GET", "/v1/jobs%s", query, &answer), 200);
    cJSON *json = cJSON_Parse(answer.body);
    int count = cJSON_GetArraySize(cJSON_GetObjectItem(json, "jobs"));
    cJSON_Delete(json);
    return count;
}

static void jobs_are_listed_by_state(void **state) {
    struct sidecar *sidecar = *state;
    struct fake fakes[3] = {{.go = true}};
    struct job *handles[3];
    for (int i = 0; i < 3; i++) {
        struct job_spec spec = fake_spec(&fakes[i]);
        handles[i] = fake_submit(sidecar->jobs, &spec);
    }
    fake_await(&fakes[1]);
    assert_int_equal(count_jobs(sidecar, ""), 3);
    assert_int_equal(count_jobs(sidecar, "?state=queued"), 1);
    assert_int_equal(count_jobs(sidecar, "?x=1&state=succeeded"), 1);
    assert_int_equal(count_jobs(sidecar, "?state=failed"), 0);
    struct answer answer;
    assert_int_equal(ask(sidecar, "GET", "/v1/jobs?state=%s", "lost", &answer), 400);
    assert_non_null(strstr(answer.body, "no job has the state 'lost'; give queued, running"));
    assert_int_equal(ask(sidecar, "GET", "/v1/jobs?state=%s", "", &answer), 400);
    fakes[1].go = fakes[2].go = true;
    for (int i = 0; i < 3; i++) {
        assert_true(job_wait(handles[i], soon()));
        job_unref(handles[i]);
    }
}

/* Begins to follow a job. */
static int follow(const struct sidecar *sidecar, const struct job *job) {
    char request[256];
    struct answer answer;
    int fd = client_connect(server_port(sidecar->server, 0));
    snprintf(request, sizeof request, "GET /v1/jobs/%s/events HTTP/1.1\r\n" HOST "\r\n",
             job_id(job));
    client_send(fd, request);
    client_read(fd, false, &answer);
    assert_int_equal(answer.status, 200);
    assert_string_equal(client_header(&answer, "Content-Type"), "text/event-stream");
    assert_string_equal(client_header(&answer, "Cache-Control"), "no-cache");
    return fd;
}

/* Reads the next event and checks its frame; returns its data. */
static const char *read_event(int fd, const char *name) {
    static char text[16384];
    char start[64];
    int length = client_read_chunk(fd, text, sizeof text);
    snprintf(start, sizeof start, "event: %s\ndata: ", name);
    if (length < (int)strlen(start) || strncmp(text, start, strlen(start)) != 0)
        fail_msg("no '%s' in: %s", name, text);
    char *end = strchr(text + strlen(start), '\n');
    assert_non_null(end);
    assert_string_equal(end, "\n\n");
    *end = '\0';
    return text + strlen(start);
}

static void assert_ended(int fd) {
    char text[16];
    assert_int_equal(client_read_chunk(fd, text, sizeof text), 0);
    assert_true(client_sees_end(fd));
    close(fd);
}

static void a_job_is_followed_to_its_end(void **state) {
    struct sidecar *sidecar = *state;
    struct fake before = {0}, fake = {.result = "{\"n\":\n5}"};
    struct job_spec first = fake_spec(&before), spec = fake_spec(&fake);
    struct job *blocker = fake_submit(sidecar->jobs, &first);
    struct job *job = fake_submit(sidecar->jobs, &spec);
    int fd = follow(sidecar, job);
    assert_member(read_event(fd, "progress"), "state", "queued");
    before.go = true;
    assert_member(read_event(fd, "progress"), "state", "running");
    fake_await(&fake);
    progress_set_phase(job_progress(job), "halfway");
    const char *data = read_event(fd, "progress");
    assert_member(data, "phase", "halfway");
    fake.go = true;
    data = read_event(fd, "end");
    assert_member(data, "state", "succeeded");
    assert_non_null(strstr(data, "\"result\":{\"n\": 5}"));
    assert_ended(fd);
    /* Whoever comes late learns only that. */
    fd = follow(sidecar, job);
    assert_member(read_event(fd, "end"), "state", "succeeded");
    assert_ended(fd);
    job_unref(blocker);
    job_unref(job);
}

static void a_cancelled_job_ends_its_events(void **state) {
    struct sidecar *sidecar = *state;
    struct fake fake = {0};
    struct job_spec spec = fake_spec(&fake);
    struct job *job = fake_submit(sidecar->jobs, &spec);
    fake_await(&fake);
    int fd = follow(sidecar, job);
    read_event(fd, "progress");
    struct answer answer;
    assert_int_equal(ask(sidecar, "DELETE", "/v1/jobs/%s", job_id(job), &answer), 202);
    char text[16384];
    while (client_read_chunk(fd, text, sizeof text) > 0 && !strncmp(text, "event: progress", 15))
        continue;
    assert_int_equal(strncmp(text, "event: end\n", 11), 0);
    assert_non_null(strstr(text, "\"state\":\"cancelled\""));
    assert_ended(fd);
    job_unref(job);
}

static void a_follower_that_leaves_frees_its_worker(void **state) {
    struct sidecar *sidecar = *state;
    struct fake fake = {0};
    struct job_spec spec = fake_spec(&fake);
    struct job *job = fake_submit(sidecar->jobs, &spec);
    struct answer answer;
    fake_await(&fake);
    int fds[FOLLOWERS];
    for (int i = 0; i < FOLLOWERS; i++)
        fds[i] = follow(sidecar, job);
    assert_int_equal(ask(sidecar, "HEAD", "/v1/jobs/%s/events", job_id(job), &answer), 503);
    for (int i = 0; i < FOLLOWERS; i++)
        close(fds[i]);
    for (int64_t end = soon();
         ask(sidecar, "HEAD", "/v1/jobs/%s/events", job_id(job), &answer) == 503; usleep(10000))
        assert_true(clock_ms() < end);
    assert_int_equal(answer.status, 200);
    fds[0] = follow(sidecar, job);
    fake.go = true;
    assert_true(job_wait(job, soon()));
    close(fds[0]);
    job_unref(job);
}

static void *drain(void *context) {
    return server_drain(context, IN_TIME_MS) == 0 ? context : NULL;
}

/* What follows happens in a sidecar of its own, which drains. */
static void a_drain_ends_the_events(void **state) {
    (void)state;
    for (int deaf = 0; deaf < 2; deaf++) {
        struct sidecar *sidecar = make_sidecar();
        struct fake fake = {.deaf = deaf};
        struct job_spec spec = fake_spec(&fake);
        struct job *job = fake_submit(sidecar->jobs, &spec);
        fake_await(&fake);
        int fd = follow(sidecar, job);
        read_event(fd, "progress");
        jobs_stop(sidecar->jobs, 0);
        pthread_t thread;
        void *drained = NULL;
        assert_null(thread_start(&thread, "drain", drain, sidecar->server));
        char text[16384], last[16384] = "";
        while (client_read_chunk(fd, text, sizeof text) > 0)
            memcpy(last, text, sizeof last);
        pthread_join(thread, &drained);
        assert_ptr_equal(drained, sidecar->server);
        /* The end is told if there is one. */
        assert_non_null(strstr(last, deaf ? "\"cancelling\":true" : "\"state\":\"cancelled\""));
        assert_int_equal(strncmp(last, deaf ? "event: progress" : "event: end", 10), 0);
        close(fd);
        fake.go = true;
        job_unref(job);
        free_sidecar(sidecar);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_job_is_shown_and_cancelled, set_up, tear_down),
        cmocka_unit_test_setup_teardown(an_unknown_job_is_not_found, set_up, tear_down),
        cmocka_unit_test_setup_teardown(jobs_are_listed_by_state, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_job_is_followed_to_its_end, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_cancelled_job_ends_its_events, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_follower_that_leaves_frees_its_worker, set_up, tear_down),
        cmocka_unit_test(a_drain_ends_the_events),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
