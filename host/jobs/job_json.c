#include "jobs/jobs_internal.h"

#include "base/clock.h"
#include "base/json.h"
#include "base/memory.h"
#include "base/redact.h"

#include <string.h>

static void write_time(struct json *json, const char *name, double wall) {
    char text[CLOCK_TEXT_SIZE];
    if (wall > 0)
        clock_text(wall, text);
    json_key_string(json, name, wall > 0 ? text : NULL);
}

static void write_raw(struct json *json, const char *name, const char *text, size_t length) {
    json_key(json, name);
    json_raw(json, text, length);
}

static void write_phase(struct json *json, struct job *job) {
    char phase[PROGRESS_PHASE_SIZE];
    progress_phase(&job->progress, phase);
    json_key_string(json, "phase", *phase ? phase : NULL);
}

static void write_files(struct json *json, struct progress *progress) {
    struct progress_file files[PROGRESS_ACTIVE_MAX];
    size_t count = progress_active(progress, files);
    json_key(json, "files");
    json_array(json);
    for (size_t i = 0; i < count; i++) {
        json_object(json);
        json_key_string(json, "path", files[i].path);
        json_key_integer(json, "bytes_done", files[i].done);
        json_key(json, "bytes_total");
        if (files[i].total >= 0)
            json_integer(json, files[i].total);
        else
            json_null(json);
        json_end_object(json);
    }
    json_end_array(json);
}

static void write_rate(struct json *json, struct job *job) {
    struct progress *progress = &job->progress;
    double rate = job_rate(job);
    int64_t total = atomic_load(&progress->bytes_total);
    int64_t left = total - atomic_load(&progress->bytes_done);
    json_key_number(json, "bytes_per_second", rate);
    json_key(json, "eta_seconds");
    if (job->state == JOB_RUNNING && rate > 0 && total > 0 && left >= 0)
        json_number(json, (double)left / rate);
    else
        json_null(json);
}

static void write_progress(struct json *json, struct job *job) {
    struct progress *progress = &job->progress;
    write_phase(json, job);
    json_key_integer(json, "bytes_done", atomic_load(&progress->bytes_done));
    json_key_integer(json, "bytes_total", atomic_load(&progress->bytes_total));
    json_key_integer(json, "bytes_fetched", atomic_load(&progress->bytes_fetched));
    json_key_integer(json, "files_done", atomic_load(&progress->files_done));
    json_key_integer(json, "files_total", atomic_load(&progress->files_total));
    json_key_integer(json, "files_present", atomic_load(&progress->files_present));
    write_files(json, progress);
    write_rate(json, job);
    json_key_integer(json, "retries", progress_retries(progress));
    json_key_integer(json, "attempts", job->started_at > 0);
}

static void write_error(struct json *json, const struct error *error) {
    json_key(json, "error");
    if (!error) {
        json_null(json);
        return;
    }
    json_object(json);
    json_key_string(json, "kind", error_kind_name(error->kind));
    json_key_string(json, "message", error->message);
    json_key(json, "status");
    if (error->status)
        json_integer(json, error->status);
    else
        json_null(json);
    json_end_object(json);
}

/* Known secrets are taken out of what the job's run writes while it goes on; the rest is free of
 * them already. */
static void write_job(struct json *json, struct job *job, bool with_result) {
    pthread_mutex_lock(&job->jobs->mutex);
    job_sample(job);
    json_object(json);
    json_key_string(json, "id", job->id);
    json_key_string(json, "kind", job->kind);
    json_key_string(json, "state", job_state_name(job->state));
    json_key_bool(json, "cancelling", !job_is_finished(job->state) && atomic_load(&job->cancel));
    write_raw(json, "request", job->description, strlen(job->description));
    json_key_string(json, "source", *job->source ? job->source : NULL);
    write_progress(json, job);
    write_error(json, job->error);
    if (with_result && job->result.length)
        write_raw(json, "result", job->result.data, job->result.length);
    else if (with_result)
        json_key_string(json, "result", NULL);
    write_time(json, "created_at", job->created_at);
    write_time(json, "started_at", job->started_at);
    write_time(json, "finished_at", job->finished_at);
    json_end_object(json);
    pthread_mutex_unlock(&job->jobs->mutex);
}

void job_json(struct job *job, struct buffer *out) {
    struct json json;
    size_t from = out->length;
    json_begin(&json, out);
    write_job(&json, job, true);
    redact(out, from);
}

/* All jobs there are, newest first, each with a reference. The caller frees the array. */
static struct job **all_jobs(struct jobs *jobs, size_t *count) {
    pthread_mutex_lock(&jobs->mutex);
    jobs_forget(jobs);
    struct job **all = memory_zero(jobs->waiting + jobs->running + jobs->ended + 1, sizeof *all);
    *count = 0;
    for (struct job *job = jobs->newest; job; job = job->older) {
        job->references++;
        all[(*count)++] = job;
    }
    pthread_mutex_unlock(&jobs->mutex);
    return all;
}

void jobs_json(struct jobs *jobs, const char *state, struct buffer *out) {
    struct json json;
    size_t from = out->length;
    size_t count = 0;
    struct job **all = all_jobs(jobs, &count);
    json_begin(&json, out);
    json_object(&json);
    json_key(&json, "jobs");
    json_array(&json);
    for (size_t i = 0; i < count; i++) {
        if (!state || !strcmp(state, job_state_name(job_state(all[i]))))
            write_job(&json, all[i], false);
        job_unref(all[i]);
    }
    json_end_array(&json);
    json_end_object(&json);
    redact(out, from);
    memory_free(all);
}
