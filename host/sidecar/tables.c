/*
 * The sidecar's route tables: one for each generation of the rules, so that a request is answered
 * to its end by the routes it was dispatched by, whatever is loaded meanwhile.
 */
#include "base/memory.h"
#include "sidecar/workflow_call.h"
#include "sidecar/workflow_schema.h"

#include <string.h>

enum { BODY_MAX = 1024 * 1024 }; /* of a workflow's call */

static const struct route_reply workflow_replies[] = {
    {200, "Done", "application/json", "{\"type\":\"object\"}"},
    {202, "Started; GET /v1/jobs/{id} tells how it goes", "application/json",
     "{\"type\":\"object\",\"properties\":{\"status\":{\"type\":\"string\"},\"message\":{"
     "\"type\":\"string\"},\"job_id\":{\"type\":\"string\"}}}"},
    {400, "A parameter is missing or wrong", NULL, NULL},
    {401, "Credentials were refused", NULL, NULL},
    {403, "It is forbidden: by whom it was asked of, or by what the sidecar allows", NULL, NULL},
    {404, "What is asked for does not exist", NULL, NULL},
    {409, "Another job has what this one needs, or it was cancelled", NULL, NULL},
    {429, "Too many jobs wait already", NULL, NULL},
    {501, "Whom it was asked of cannot do it at all", NULL, NULL},
    {502, "Whom it was asked of failed, or could not be reached", NULL, NULL},
    {503, "Whom it was asked of is not up yet", NULL, NULL},
    {504, "Whom it was asked of did not answer in time", NULL, NULL},
    {507, "There is no space for it", NULL, NULL},
};

static void add_routes(struct sidecar_table *table, const struct route *routes, size_t count,
                       struct sidecar *sidecar) {
    for (size_t i = 0; i < count; i++) {
        struct route *route = &table->routes[table->table.count++];
        *route = routes[i];
        route->context = sidecar;
    }
}

static void add_workflow(struct sidecar_table *table, const struct workflow *workflow,
                         struct sidecar *sidecar) {
    struct workflow_route *context = &table->workflows[table->workflow_count++];
    *context = (struct workflow_route){
        .sidecar = sidecar, .generation = table->generation, .workflow = workflow};
    bool has_body = strcmp(workflow->method, "GET") != 0;
    if (has_body)
        workflow_schema(workflow, &context->schema);
    else
        context->query = workflow_query(workflow, &context->query_count);
    table->routes[table->table.count++] = (struct route){
        .method = workflow->method,
        .path = workflow->path,
        .held = true,
        .body_limit = has_body ? BODY_MAX : 0,
        .handler = workflow_call,
        .context = context,
        .summary = workflow->summary,
        .workflow = workflow->name,
        .async = workflow->async,
        .status = workflow->status,
        .query = context->query,
        .query_count = context->query_count,
        .request_type = has_body ? "application/json" : NULL,
        .request_schema = has_body ? buffer_text(&context->schema) : NULL,
        .replies = workflow_replies,
        .reply_count = sizeof workflow_replies / sizeof *workflow_replies,
    };
}

static struct sidecar_table *make_table(struct sidecar *sidecar, struct generation *generation) {
    size_t workflows = generation_workflow_count(generation);
    size_t count = sidecar_route_count + sidecar_job_route_count + workflows;
    struct sidecar_table *table = memory_zero(1, sizeof *table + count * sizeof table->routes[0]);
    table->table.routes = table->routes;
    table->generation = generation_ref(generation);
    table->references = 1;
    add_routes(table, sidecar_routes, sidecar_route_count, sidecar);
    add_routes(table, sidecar_job_routes, sidecar_job_route_count, sidecar);
    table->workflows = memory_zero(workflows, sizeof *table->workflows);
    for (size_t i = 0; i < workflows; i++)
        if (generation_workflow_at(generation, i)->path)
            add_workflow(table, generation_workflow_at(generation, i), sidecar);
    return table;
}

/* Gives a reference back; returns the table if it was the last one. Under the lock. */
static struct sidecar_table *give_back(struct sidecar_table *table) {
    return table && --table->references == 0 ? table : NULL;
}

static void free_table(struct sidecar_table *table) {
    if (!table)
        return;
    for (size_t i = 0; i < table->workflow_count; i++) {
        buffer_free(&table->workflows[i].schema);
        workflow_query_free(table->workflows[i].query, table->workflows[i].query_count);
    }
    memory_free(table->workflows);
    generation_unref(table->generation);
    memory_free(table);
}

static bool is_newer(const struct generation *generation, const struct sidecar_table *table) {
    return !table || generation_number(generation) > generation_number(table->generation);
}

const struct route_table *sidecar_table_acquire(void *context) {
    struct sidecar *sidecar = context;
    struct generation *generation = rulebook_generation(sidecar->rulebook);
    struct sidecar_table *old = NULL;
    pthread_mutex_lock(&sidecar->lock);
    if (is_newer(generation, sidecar->table)) {
        old = give_back(sidecar->table);
        sidecar->table = make_table(sidecar, generation);
    }
    struct sidecar_table *table = sidecar->table;
    table->references++;
    pthread_mutex_unlock(&sidecar->lock);
    generation_unref(generation);
    free_table(old);
    return &table->table;
}

void sidecar_table_release(const struct route_table *table, void *context) {
    struct sidecar *sidecar = context;
    pthread_mutex_lock(&sidecar->lock);
    struct sidecar_table *old = give_back((struct sidecar_table *)table);
    pthread_mutex_unlock(&sidecar->lock);
    free_table(old);
}

void sidecar_table_drop(struct sidecar *sidecar) {
    free_table(give_back(sidecar->table));
    sidecar->table = NULL;
}
