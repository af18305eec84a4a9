#include "base/memory.h"
#include "commands/client.h"
#include "commands/command.h"
#include "commands/member.h"
#include "commands/table.h"

static void title(const char *text, struct buffer *out) {
    buffer_format(out, "%s%s\n", out->length ? "\n" : "", text);
}

/* Whether the sidecar is ready; that it is not is no error of this command. */
static void show_ready(struct client *client, struct buffer *out) {
    cJSON *reply = NULL;
    struct error *error = client_request(client, "GET", "/ready", NULL, &reply);
    char *text = error ? error_text(error) : NULL;
    buffer_format(out, "%s: %s\n", client->url, text ? text : "ready");
    memory_free(text);
    error_free(error);
    cJSON_Delete(reply);
}

static void show_rules(const cJSON *rules, struct buffer *out) {
    const cJSON *failure = member(rules, "failure");
    const char *engine = member_text(member(rules, "mapping"), "engine");
    buffer_format(out, "engine %s, rules generation %.0f, loaded %s\n",
                  engine ? engine : "not recognised yet",
                  cJSON_GetNumberValue(member(rules, "generation")),
                  member_text(rules, "loaded_at"));
    if (cJSON_IsObject(failure)) {
        title("The last edit of the rules is not in force:", out);
        const cJSON *problem;
        cJSON_ArrayForEach(problem, member(failure, "problems"))
            buffer_format(out, "  %s\n", cJSON_GetStringValue(problem));
    }
}

/* The workflows that say their reply is worth a place here. */
static void show_workflows(struct client *client, const cJSON *description, struct buffer *out) {
    const cJSON *path, *operation;
    cJSON_ArrayForEach(path, member(description, "paths")) {
        cJSON_ArrayForEach(operation, path) {
            const char *name = member_text(operation, "x-status");
            cJSON *reply = NULL;
            if (!name)
                continue;
            struct error *error = client_request(client, "GET", path->string, NULL, &reply);
            char *text = error ? error_text(error) : NULL;
            title(name, out);
            if (text)
                buffer_format(out, "  %s\n", text);
            else
                table_write(cJSON_IsObject(reply) && reply->child && !reply->child->next
                                ? reply->child
                                : reply,
                            2, out);
            memory_free(text);
            error_free(error);
            cJSON_Delete(reply);
        }
    }
}

static void show_jobs(const cJSON *reply, struct buffer *out) {
    const cJSON *job, *jobs = member(reply, "jobs");
    cJSON *rows = cJSON_CreateArray();
    static const char *const shown[] = {"id",         "kind",        "state",      "source",
                                        "bytes_done", "bytes_total", "started_at", "finished_at"};
    cJSON_ArrayForEach(job, jobs) {
        cJSON *row = cJSON_CreateObject();
        for (size_t i = 0; i < sizeof shown / sizeof *shown; i++) {
            const cJSON *value = member(job, shown[i]);
            if (value)
                cJSON_AddItemToObject(row, shown[i], cJSON_Duplicate(value, true));
        }
        const cJSON *message = member(member(job, "error"), "message");
        if (message)
            cJSON_AddItemToObject(row, "error", cJSON_Duplicate(message, true));
        cJSON_AddItemToArray(rows, row);
    }
    title("Jobs", out);
    if (rows->child)
        table_write(rows, 2, out);
    else
        buffer_string(out, "  none\n");
    cJSON_Delete(rows);
}

static struct error *show(struct client *client, struct buffer *out) {
    cJSON *rules = NULL, *description = NULL, *jobs = NULL;
    struct error *error = client_request(client, "GET", "/v1/rules", NULL, &rules);
    if (!error)
        error = client_request(client, "GET", "/openapi.json", NULL, &description);
    if (!error)
        error = client_request(client, "GET", "/v1/jobs", NULL, &jobs);
    if (!error) {
        show_ready(client, out);
        show_rules(rules, out);
        show_workflows(client, description, out);
        show_jobs(jobs, out);
    }
    cJSON_Delete(rules);
    cJSON_Delete(description);
    cJSON_Delete(jobs);
    return error;
}

static struct error *run(const struct options *options, int *status) {
    (void)status;
    struct client client;
    struct buffer out = {0};
    struct error *error = client_open(&client, options);
    if (error)
        return error;
    error = show(&client, &out);
    if (!error)
        error = command_print(&out);
    buffer_free(&out);
    client_close(&client);
    return error;
}

static const struct option_spec status_options[] = {OPTION_URL, OPTION_TOKEN_FILE};

const struct command status_command = {
    .spec = {.name = "status",
             .summary = "show a running sidecar at a glance",
             .usage = "",
             .description = "Shows whether the sidecar is ready, its engine and rules, what its "
                            "workflows have to show, and its jobs.",
             .examples = "kthena-runtime status\n"
                         "kthena-runtime status --url http://pod:9000",
             .options = status_options,
             .option_count = sizeof status_options / sizeof *status_options},
    .run = run,
};
