/*
 * The sidecar's route tables: one for each generation of the rules, so that a request is answered
 * to its end by the routes it was dispatched by, whatever is loaded meanwhile.
 */
#include "base/memory.h"
#include "sidecar/sidecar_internal.h"

static void add_routes(struct sidecar_table *table, const struct route *routes, size_t count,
                       struct sidecar *sidecar) {
    for (size_t i = 0; i < count; i++) {
        struct route *route = &table->routes[table->table.count++];
        *route = routes[i];
        route->context = sidecar;
    }
}

static struct sidecar_table *make_table(struct sidecar *sidecar, struct generation *generation) {
    size_t count = sidecar_route_count + sidecar_job_route_count;
    struct sidecar_table *table = memory_zero(1, sizeof *table + count * sizeof table->routes[0]);
    table->table.routes = table->routes;
    table->generation = generation_ref(generation);
    table->references = 1;
    add_routes(table, sidecar_routes, sidecar_route_count, sidecar);
    add_routes(table, sidecar_job_routes, sidecar_job_route_count, sidecar);
    return table;
}

/* Gives a reference back; returns the table if it was the last one. Under the lock. */
static struct sidecar_table *give_back(struct sidecar_table *table) {
    return table && --table->references == 0 ? table : NULL;
}

static void free_table(struct sidecar_table *table) {
    if (!table)
        return;
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
