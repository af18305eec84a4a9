#include "jobs/jobs_internal.h"

#include "base/memory.h"

#include <string.h>

static const struct histogram_bound bounds[] = {
    {0.1, "0.1"},   {0.5, "0.5"},   {1, "1.0"},       {5, "5.0"},
    {10, "10.0"},   {30, "30.0"},   {60, "60.0"},     {120, "120.0"},
    {300, "300.0"}, {600, "600.0"}, {1800, "1800.0"}, {3600, "3600.0"},
};

static struct kind_figures *figures_of_kind(struct figures *figures, const char *kind) {
    struct kind_figures **place = &figures->kinds;
    while (*place && strcmp((*place)->kind, kind) != 0)
        place = &(*place)->next;
    if (!*place) {
        *place = memory_zero(1, sizeof **place);
        (*place)->kind = memory_string(kind);
        (*place)->seconds.bounds = bounds;
        (*place)->seconds.bound_count = sizeof bounds / sizeof *bounds;
    }
    return *place;
}

static struct source_figures *figures_of_source(struct figures *figures, const char *source) {
    struct source_figures **place = &figures->sources;
    while (*place && strcmp((*place)->source, source) != 0)
        place = &(*place)->next;
    if (!*place) {
        *place = memory_zero(1, sizeof **place);
        (*place)->source = memory_string(source);
    }
    return *place;
}

/* The files a job has brought. */
static int64_t files_fetched(struct job *job) {
    int64_t present = atomic_load(&job->progress.files_present);
    int64_t done = atomic_load(&job->progress.files_done);
    return done > present ? done - present : 0;
}

void figures_begin(struct figures *figures, const struct job *job) {
    if (*job->source)
        figures_of_source(figures, job->source);
}

void figures_end(struct figures *figures, struct job *job) {
    struct kind_figures *kind = figures_of_kind(figures, job->kind);
    kind->ended[job->state - JOB_SUCCEEDED]++;
    if (job->started_at <= 0) /* it never ran */
        return;
    histogram_observe(&kind->seconds, (double)(job->finished_ms - job->started_ms) / 1000);
    if (*job->source) {
        struct source_figures *source = figures_of_source(figures, job->source);
        source->bytes += atomic_load(&job->progress.bytes_fetched);
        source->files += files_fetched(job);
    }
    for (int i = 0; i < RETRY_CAUSES; i++)
        figures->retries[i] += atomic_load(&job->progress.retries[i]);
    figures->mismatches += atomic_load(&job->progress.mismatches);
}

void figures_free(struct figures *figures) {
    while (figures->kinds) {
        struct kind_figures *kind = figures->kinds;
        figures->kinds = kind->next;
        memory_free(kind->kind);
        memory_free(kind);
    }
    while (figures->sources) {
        struct source_figures *source = figures->sources;
        figures->sources = source->next;
        memory_free(source->source);
        memory_free(source);
    }
}

static void write_states(struct jobs *jobs, struct metric_writer *writer) {
    size_t counts[JOB_CANCELLED + 1] = {
        [JOB_QUEUED] = jobs->waiting, [JOB_RUNNING] = jobs->running};
    for (const struct job *job = jobs->first_ended; job; job = job->next)
        counts[job->state]++;
    writer_family(writer, "kthena_runtime_jobs", METRIC_GAUGE,
                  "Jobs that are known, by state; finished ones are kept for a while.");
    for (enum job_state state = JOB_QUEUED; state <= JOB_CANCELLED; state++)
        writer_sample(writer, "state", job_state_name(state), (double)counts[state]);
}

static void write_kinds(struct jobs *jobs, struct metric_writer *writer) {
    if (!jobs->figures.kinds)
        return;
    writer_family(writer, "kthena_runtime_jobs_finished_total", METRIC_COUNTER,
                  "Jobs that have ended.");
    for (const struct kind_figures *kind = jobs->figures.kinds; kind; kind = kind->next) {
        for (int i = 0; i < JOB_RESULTS; i++) {
            struct metric_label labels[] = {
                {"kind", kind->kind},
                {"result", job_state_name((enum job_state)(JOB_SUCCEEDED + i))}};
            writer_labelled(writer, labels, 2, (double)kind->ended[i]);
        }
    }
    writer_family(writer, "kthena_runtime_job_duration_seconds", METRIC_HISTOGRAM,
                  "How long jobs ran, without the time they waited.");
    for (struct kind_figures *kind = jobs->figures.kinds; kind; kind = kind->next)
        writer_histogram_labelled(writer, &(struct metric_label){"kind", kind->kind}, 1,
                                  &kind->seconds);
}

static void write_sources(struct jobs *jobs, struct metric_writer *writer, const char *name,
                          const char *help, bool files) {
    if (!jobs->figures.sources)
        return;
    writer_family(writer, name, METRIC_COUNTER, help);
    for (const struct source_figures *source = jobs->figures.sources; source;
         source = source->next) {
        int64_t value = files ? source->files : source->bytes;
        for (struct job *job = jobs->first_running; job; job = job->next)
            if (!strcmp(job->source, source->source))
                value += files ? files_fetched(job) : atomic_load(&job->progress.bytes_fetched);
        writer_sample(writer, "source", source->source, (double)value);
    }
}

/* What is not told apart by source: ended jobs' and running ones' together. */
static void write_troubles(struct jobs *jobs, struct metric_writer *writer) {
    int64_t retries[RETRY_CAUSES], mismatches = jobs->figures.mismatches, connections = 0;
    memcpy(retries, jobs->figures.retries, sizeof retries);
    for (struct job *job = jobs->first_running; job; job = job->next) {
        for (int cause = 0; cause < RETRY_CAUSES; cause++)
            retries[cause] += atomic_load(&job->progress.retries[cause]);
        mismatches += atomic_load(&job->progress.mismatches);
        connections += atomic_load(&job->progress.connections);
    }
    writer_family(writer, "kthena_runtime_download_active_transfers", METRIC_GAUGE,
                  "Transfers in flight.");
    writer_sample(writer, NULL, NULL, (double)connections);
    writer_family(writer, "kthena_runtime_download_retries_total", METRIC_COUNTER,
                  "Requests for a piece that had to be made again, by cause.");
    for (int cause = 0; cause < RETRY_CAUSES; cause++)
        writer_sample(writer, "cause", retry_cause_names[cause], (double)retries[cause]);
    writer_family(writer, "kthena_runtime_download_verification_failures_total", METRIC_COUNTER,
                  "Files whose digest was not what the source gives.");
    writer_sample(writer, NULL, NULL, (double)mismatches);
}

void jobs_collect(void *context, struct metric_writer *writer) {
    struct jobs *jobs = context;
    pthread_mutex_lock(&jobs->mutex);
    jobs_forget(jobs);
    write_states(jobs, writer);
    write_kinds(jobs, writer);
    write_sources(jobs, writer, "kthena_runtime_download_bytes_total",
                  "Bytes fetched from sources; those fetched twice count twice.", false);
    write_sources(jobs, writer, "kthena_runtime_download_files_total",
                  "Files brought from sources and completed.", true);
    write_troubles(jobs, writer);
    pthread_mutex_unlock(&jobs->mutex);
}
