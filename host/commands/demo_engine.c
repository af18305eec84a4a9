#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/memory.h"
#include "commands/command.h"
#include "commands/signals.h"
#include "policy/script.h"
#include "server/reply.h"
#include "server/server.h"

#include <pthread.h>
#include <string.h>
#include <unistd.h>

/* An engine stops at once: nobody drains it. */
#define STOP_MS 1000

/* Of a request to it. */
#define BODY_MAX 65536

struct demo {
    struct script *script;
    pthread_mutex_t lock; /* of the script */
    int64_t start_ns;
};

static void get_health(struct request *request, void *context) {
    (void)context;
    reply_send(request, 200, NULL, NULL, NULL, 0);
}

static void reply_script_error(struct request *request, struct error *error) {
    char *text = error_text(error);
    reply_error(request, 500, "%s", text);
    memory_free(text);
    error_free(error);
}

static void get_metrics(struct request *request, void *context) {
    struct demo *demo = context;
    struct buffer page = {0};
    double age = (double)(clock_ns() - demo->start_ns) / 1e9;
    pthread_mutex_lock(&demo->lock);
    struct error *error = script_text(demo->script, "page", age, &page);
    pthread_mutex_unlock(&demo->lock);
    if (error)
        reply_script_error(request, error);
    else
        reply_send(request, 200, "text/plain; version=0.0.4; charset=utf-8", NULL,
                   &(struct span){page.data, page.length}, 1);
    buffer_free(&page);
}

/* What the engine does besides its page is the script's business. */
static void answer(struct request *request, void *context) {
    struct demo *demo = context;
    struct buffer body = {0}, out = {0};
    int status = 500;
    if (request->route->body_limit > 0 && !request_body(request, &body))
        return;
    pthread_mutex_lock(&demo->lock);
    struct error *error =
        script_answer(demo->script, request->method, request->path, &body, &status, &out);
    pthread_mutex_unlock(&demo->lock);
    if (error)
        reply_script_error(request, error);
    else
        reply_send(request, status,
                   out.length && strchr("{[", out.data[0]) ? "application/json" : NULL, NULL,
                   &(struct span){out.data, out.length}, 1);
    buffer_free(&body);
    buffer_free(&out);
}

/* A route from "METHOD /path", whose texts stay the caller's. */
static struct route route_of(char *line, struct demo *demo) {
    char *space = strchr(line, ' ');
    bool has_body = strncmp(line, "GET ", 4) != 0;
    if (space)
        *space = '\0';
    return (struct route){.method = line,
                          .path = space ? space + 1 : "/",
                          .open = true,
                          .body_limit = has_body ? BODY_MAX : 0,
                          .handler = answer,
                          .context = demo};
}

/* The script of this engine, or the first there is. */
static struct error *find_script(const struct paths *paths, const char *name, char **out) {
    char *dir = file_join(paths->rules, "demo");
    char *wanted = name ? memory_format("%s.lua", name) : NULL;
    char **files = NULL;
    size_t count = 0;
    struct error *error = file_list(dir, ".lua", &files, &count);
    for (size_t i = 0; i < count && !*out; i++)
        if (!wanted || strcmp(files[i], wanted) == 0)
            *out = file_join(dir, files[i]);
    if (!error && !*out && name)
        error = error_new(ERROR_INVALID, NULL,
                          "unknown demo engine '%s'; each .lua file in %s is one", name, dir);
    else if (!error && !*out)
        error = error_new(ERROR_NOT_FOUND, NULL, "there is no demo engine in %s", dir);
    file_list_free(files, count);
    memory_free(wanted);
    memory_free(dir);
    return error;
}

static struct error *serve(const struct options *options, struct demo *demo) {
    struct signals signals;
    char **lines = NULL;
    size_t count = 0;
    struct error *error = script_list(demo->script, "routes", &lines, &count);
    if (error)
        return error;
    signals_block(&signals);
    struct route *routes = memory_zero(count + 2, sizeof *routes);
    routes[0] = (struct route){
        .method = "GET", .path = "/health", .open = true, .handler = get_health, .context = demo};
    routes[1] = (struct route){
        .method = "GET", .path = "/metrics", .open = true, .handler = get_metrics, .context = demo};
    for (size_t i = 0; i < count; i++)
        routes[i + 2] = route_of(lines[i], demo);
    struct server_config config = {.port = (int)options_integer(options, "port"),
                                   .routes = routes,
                                   .route_count = count + 2,
                                   .worker_count = 8};
    config.host_count = options_list(options, "host", &config.hosts);
    struct server *server = NULL;
    error = server_start(&config, &server);
    if (!error) {
        while (signals_wait(&signals) == SIGHUP)
            continue;
        server_drain(server, STOP_MS);
        if (!server_stop(server, STOP_MS))
            _exit(EXIT_OK);
    }
    memory_free(routes);
    file_list_free(lines, count);
    return error;
}

static struct error *run(const struct options *options, int *status) {
    (void)status;
    struct demo demo = {.start_ns = clock_ns()};
    struct paths paths = {0};
    char *path = NULL;
    pthread_mutex_init(&demo.lock, NULL);
    struct error *error = paths_find(&paths);
    if (!error)
        error = find_script(&paths, options_string(options, "engine"), &path);
    if (!error)
        error = script_open(paths.lua, path, &demo.script);
    if (!error)
        error = serve(options, &demo);
    script_close(demo.script);
    memory_free(path);
    paths_free(&paths);
    pthread_mutex_destroy(&demo.lock);
    return error;
}

static const struct option_spec demo_options[] = {
    {.name = "engine",
     .short_name = 'E',
     .value = "NAME",
     .type = OPTION_STRING,
     .help = "which one of rules/demo to be; the first when not given"},
    {.name = "host",
     .short_name = 'H',
     .value = "ADDRESS",
     .type = OPTION_LIST,
     .fallback = "127.0.0.1",
     .help = "address to listen on"},
    {.name = "port",
     .short_name = 'P',
     .value = "PORT",
     .type = OPTION_PORT,
     .fallback = "8000",
     .help = "port to listen on; 0 takes a free one"},
};

const struct command demo_engine_command = {
    .spec = {.name = "demo-engine",
             .summary = "pretend to be an inference engine, for trying things out",
             .usage = "",
             .description = "Serves a live, moving metrics page of an engine under load, and what "
                            "else its Lua file in rules/demo answers, so that the sidecar can be "
                            "tried without a GPU.",
             .examples = "kthena-runtime demo-engine &\n"
                         "kthena-runtime --engine auto --pod p.ns --model m",
             .options = demo_options,
             .option_count = sizeof demo_options / sizeof *demo_options},
    .run = run,
};
