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

struct demo {
    struct script *script;
    pthread_mutex_t lock; /* of the script */
    int64_t start_ns;
};

static void get_health(struct request *request, void *context) {
    (void)context;
    reply_send(request, 200, NULL, NULL, NULL, 0);
}

static void get_metrics(struct request *request, void *context) {
    struct demo *demo = context;
    struct buffer page = {0};
    double age = (double)(clock_ns() - demo->start_ns) / 1e9;
    pthread_mutex_lock(&demo->lock);
    struct error *error = script_text(demo->script, "page", age, &page);
    pthread_mutex_unlock(&demo->lock);
    if (error) {
        char *text = error_text(error);
        reply_error(request, 500, "%s", text);
        memory_free(text);
        error_free(error);
    } else {
        reply_send(request, 200, "text/plain; version=0.0.4; charset=utf-8", NULL,
                   &(struct span){page.data, page.length}, 1);
    }
    buffer_free(&page);
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
    signals_block(&signals);
    const struct route routes[] = {
        {.method = "GET", .path = "/health", .open = true, .handler = get_health, .context = demo},
        {.method = "GET",
         .path = "/metrics",
         .open = true,
         .handler = get_metrics,
         .context = demo},
    };
    struct server_config config = {.port = (int)options_integer(options, "port"),
                                   .routes = routes,
                                   .route_count = sizeof routes / sizeof *routes,
                                   .worker_count = 8};
    config.host_count = options_list(options, "host", &config.hosts);
    struct server *server = NULL;
    struct error *error = server_start(&config, &server);
    if (error)
        return error;
    while (signals_wait(&signals) == SIGHUP)
        continue;
    server_drain(server, STOP_MS);
    if (!server_stop(server, STOP_MS))
        _exit(EXIT_OK);
    return NULL;
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
             .description = "Serves a live, moving metrics page of an engine under load, so that "
                            "the sidecar can be tried without a GPU. The page is the work of a Lua "
                            "file in rules/demo.",
             .examples = "kthena-runtime demo-engine &\n"
                         "kthena-runtime --engine auto --pod p.ns --model m",
             .options = demo_options,
             .option_count = sizeof demo_options / sizeof *demo_options},
    .run = run,
};
