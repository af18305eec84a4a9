/*
 * The routes that show jobs, cancel them, and follow one as server-sent events.
 */
#include "base/clock.h"
#include "server/reply.h"
#include "sidecar/sidecar_internal.h"

#include <string.h>

enum {
    STEP_MS = 1000,        /* between two looks at a job that is followed */
    KEEP_ALIVE_MS = 15000, /* without an event until a comment is sent */
    LAST_WORDS_MS = 3000,  /* that a job has to end in once the server drains */
};

static bool is_state(const char *word) {
    for (enum job_state state = JOB_QUEUED; state <= JOB_CANCELLED; state++)
        if (!strcmp(word, job_state_name(state)))
            return true;
    return false;
}

static void get_jobs(struct request *request, void *context) {
    struct sidecar *sidecar = context;
    struct buffer state = {0}, body = {0};
    bool given = request_query(request, "state", &state);
    if (given && !is_state(buffer_text(&state))) {
        reply_error(request, 400,
                    "no job has the state '%s'; give queued, running, succeeded, failed or "
                    "cancelled",
                    state.data);
    } else {
        jobs_json(sidecar->jobs, given ? state.data : NULL, &body);
        reply_json(request, 200, &body);
    }
    buffer_free(&state);
    buffer_free(&body);
}

/* The job that the path names, with a reference. NULL if there is none, which the client was told.
 */
static struct job *find_job(struct request *request, const struct sidecar *sidecar) {
    const char *id = request_parameter(request, "id");
    struct job *job = jobs_find(sidecar->jobs, id);
    if (!job)
        reply_error(request, 404,
                    "no job '%s' is known; GET /v1/jobs lists those that are, and jobs that ended "
                    "long ago are forgotten",
                    id);
    return job;
}

static void reply_job(struct request *request, int status, struct job *job) {
    struct buffer body = {0};
    job_json(job, &body);
    reply_json(request, status, &body);
    buffer_free(&body);
}

static void get_job(struct request *request, void *context) {
    struct job *job = find_job(request, context);
    if (!job)
        return;
    reply_job(request, 200, job);
    job_unref(job);
}

static void delete_job(struct request *request, void *context) {
    struct job *job = find_job(request, context);
    if (!job)
        return;
    if (job_cancel(job))
        reply_job(request, 202, job);
    else
        reply_error(request, 409, "job '%s' has ended already: it has the state '%s'", job_id(job),
                    job_state_name(job_state(job)));
    job_unref(job);
}

/* Appends an event with a job's JSON. That may hold line ends only between its values, where they
 * mean nothing; in an event they would. */
static void add_event(struct buffer *out, const char *name, const struct buffer *json) {
    buffer_format(out, "event: %s\ndata: ", name);
    for (size_t i = 0; i < json->length; i++) {
        char byte = json->data[i];
        buffer_byte(out, byte == '\n' || byte == '\r' ? ' ' : byte);
    }
    buffer_string(out, "\n\n");
}

/* What goes on between one job and one client that follows it. */
struct following {
    struct request *request;
    const struct server *server;
    struct job *job;
    struct buffer said;  /* the JSON of the last event */
    int64_t said_ms;     /* when that, or a comment, was sent */
    int64_t draining_ms; /* since when the server drains; 0: it does not */
};

static bool send_event(struct following *following, const char *name, const struct buffer *json) {
    struct buffer event = {0};
    add_event(&event, name, json);
    bool sent = reply_stream_write(following->request, event.data, event.length);
    buffer_free(&event);
    following->said_ms = clock_ms();
    return sent;
}

/* Tells how the job stands, if that is news. False when nobody listens any more. */
static bool tell(struct following *following) {
    static const char comment[] = ": keep-alive\n\n";
    struct buffer json = {0}, old = following->said;
    job_json(following->job, &json);
    bool news = !old.data || json.length != old.length || memcmp(json.data, old.data, old.length);
    bool heard = true;
    if (news) {
        heard = send_event(following, "progress", &json);
        following->said = json;
        json = old;
    } else if (clock_ms() - following->said_ms >= KEEP_ALIVE_MS) {
        heard = reply_stream_write(following->request, comment, sizeof comment - 1);
        following->said_ms = clock_ms();
    }
    buffer_free(&json);
    return heard && !request_gone(following->request);
}

/* Whether the server has drained for so long that the job's end is not waited for. */
static bool is_over(struct following *following) {
    if (!following->draining_ms && server_draining(following->server))
        following->draining_ms = clock_ms();
    return following->draining_ms && clock_ms() - following->draining_ms >= LAST_WORDS_MS;
}

static void follow(struct following *following) {
    enum job_state state = job_state(following->job);
    while (!job_is_finished(state)) {
        if (!tell(following) || is_over(following))
            return;
        state = job_follow(following->job, state, STEP_MS);
    }
    struct buffer json = {0};
    job_json(following->job, &json);
    send_event(following, "end", &json);
    buffer_free(&json);
}

static void get_events(struct request *request, void *context) {
    const struct sidecar *sidecar = context;
    struct job *job = find_job(request, sidecar);
    if (!job)
        return;
    struct following following = {.request = request, .server = sidecar->server, .job = job};
    if (reply_stream_begin(request, 200, "text/event-stream", "Cache-Control: no-cache\r\n")) {
        follow(&following);
        reply_stream_end(request);
    }
    buffer_free(&following.said);
    job_unref(job);
}

#define STATE_SCHEMA                                                                               \
    "{\"type\":\"string\",\"enum\":[\"queued\",\"running\",\"succeeded\",\"failed\","              \
    "\"cancelled\"]}"
#define INTEGER_SCHEMA "{\"type\":\"integer\"}"
#define TEXT_SCHEMA "{\"type\":\"string\"}"
#define TEXT_OR_NULL_SCHEMA "{\"type\":[\"string\",\"null\"]}"
#define TIME_OR_NULL_SCHEMA "{\"type\":[\"string\",\"null\"],\"format\":\"date-time\"}"
#define FILE_SCHEMA                                                                                \
    "{\"type\":\"object\",\"properties\":{\"path\":" TEXT_SCHEMA ",\"bytes_done\":" INTEGER_SCHEMA \
    ",\"bytes_total\":{\"type\":[\"integer\",\"null\"]}}}"
#define ERROR_SCHEMA                                                                               \
    "{\"type\":[\"object\",\"null\"],\"properties\":{\"kind\":" TEXT_SCHEMA                        \
    ",\"message\":" TEXT_SCHEMA ",\"status\":{\"type\":[\"integer\",\"null\"]}}}"
#define JOB_SCHEMA                                                                                 \
    "{\"type\":\"object\",\"required\":[\"id\",\"kind\",\"state\"],\"properties\":{"               \
    "\"id\":" TEXT_SCHEMA ",\"kind\":" TEXT_SCHEMA ",\"state\":" STATE_SCHEMA                      \
    ",\"cancelling\":{\"type\":\"boolean\"},\"request\":{\"type\":\"object\"},"                    \
    "\"source\":" TEXT_OR_NULL_SCHEMA ",\"phase\":" TEXT_OR_NULL_SCHEMA                            \
    ",\"bytes_done\":" INTEGER_SCHEMA ",\"bytes_total\":" INTEGER_SCHEMA                           \
    ",\"bytes_fetched\":" INTEGER_SCHEMA ",\"files_done\":" INTEGER_SCHEMA                         \
    ",\"files_total\":" INTEGER_SCHEMA ",\"files_present\":" INTEGER_SCHEMA                        \
    ",\"files\":{\"type\":\"array\",\"items\":" FILE_SCHEMA "},"                                   \
    "\"bytes_per_second\":{\"type\":\"number\"},"                                                  \
    "\"eta_seconds\":{\"type\":[\"number\",\"null\"]},"                                            \
    "\"retries\":" INTEGER_SCHEMA ",\"attempts\":" INTEGER_SCHEMA ",\"error\":" ERROR_SCHEMA       \
    ",\"result\":{\"description\":\"Of the job, once it succeeded; not in lists\"},"               \
    "\"created_at\":" TIME_OR_NULL_SCHEMA ",\"started_at\":" TIME_OR_NULL_SCHEMA                   \
    ",\"finished_at\":" TIME_OR_NULL_SCHEMA "}}"
#define JOBS_SCHEMA                                                                                \
    "{\"type\":\"object\",\"required\":[\"jobs\"],\"properties\":{\"jobs\":{\"type\":\"array\","   \
    "\"items\":" JOB_SCHEMA "}}}"
#define NO_JOB                                                                                     \
    { 404, "No job of this id is known", NULL, NULL }

const struct route sidecar_job_routes[] = {
    {.method = "GET",
     .path = "/v1/jobs",
     .handler = get_jobs,
     .summary = "The jobs that wait, run, or have ended not long ago, newest first",
     .query = &(const struct route_parameter){"state", "only jobs in this state", STATE_SCHEMA},
     .query_count = 1,
     REPLIES({200, "The jobs", "application/json", JOBS_SCHEMA},
             {400, "The state is none that jobs have", NULL, NULL})},
    {.method = "GET",
     .path = "/v1/jobs/{id}",
     .handler = get_job,
     .summary = "How a job stands, or what became of it",
     REPLIES({200, "The job", "application/json", JOB_SCHEMA}, NO_JOB)},
    {.method = "DELETE",
     .path = "/v1/jobs/{id}",
     .handler = delete_job,
     .summary = "Cancel a job, for everybody who waits for it",
     REPLIES({202, "The job will end, or has ended now", "application/json", JOB_SCHEMA}, NO_JOB,
             {409, "The job has ended already", NULL, NULL})},
    {.method = "GET",
     .path = "/v1/jobs/{id}/events",
     .held = true,
     .handler = get_events,
     .summary = "Follow a job: server-sent events 'progress' about once a second, and 'end', each "
                "with the job as JSON",
     REPLIES({200, "The events", "text/event-stream", TEXT_SCHEMA}, NO_JOB)},
};
const size_t sidecar_job_route_count = sizeof sidecar_job_routes / sizeof *sidecar_job_routes;
