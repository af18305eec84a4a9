/*
 * Runs rules' functions: a Lua state of a thread of its own, in which sources resolve and workflows
 * run. A runner follows the generations: each call names the one whose rules apply, and the state
 * is made anew when that is another than the last. The job threads have one each, a command one.
 *
 * The time a rule may take is counted while Lua runs, not while the host works for it: a download
 * may take hours, a loop may not. The memory cap is the state's.
 */
#ifndef KTHENA_POLICY_RUNNER_H
#define KTHENA_POLICY_RUNNER_H

#include "base/buffer.h"
#include "jobs/jobs.h"
#include "policy/access.h"
#include "policy/generation.h"
#include "policy/services.h"
#include "transfer/download.h"

struct runner;

struct runner_config {
    const char *lua;                 /* the directory that holds kthena/ */
    struct download_config download; /* for downloads, and its network for rules' requests; its
                                        max_workers is the default, its cancel is ignored */
    const struct access *access;     /* NULL: everything is allowed */
    const struct services *services; /* NULL: none */
};

/* What to download. */
struct download_request {
    const char *source;    /* a URI */
    const char *directory; /* absolute */
    const char *config;    /* JSON object, or NULL */
    bool foreign;          /* source and config came with a request: access and guards apply */
    int max_workers;       /* 0: the default */
    const char *const *include;
    size_t include_count;
    const char *const *exclude;
    size_t exclude_count;
};

/* The configuration is borrowed. */
struct error *runner_new(const struct runner_config *config, struct runner **out)
    __attribute__((warn_unused_result));
void runner_free(struct runner *runner); /* NULL is fine */

/* Downloads. Appends {"source","revision","path","files","bytes","present","fetched","digest",
 * "seconds"} to result: files and bytes of the whole, files present before, bytes fetched now, one
 * digest over all. Errors as
 * download_run, the source's own (with the kind its rule gave), and ERROR_POLICY for a rule that
 * misbehaves. */
struct error *runner_download(struct runner *runner, struct generation *generation,
                              const struct download_request *request, struct progress *progress,
                              const atomic_bool *cancel, struct buffer *result)
    __attribute__((warn_unused_result));

/* Resolves only. Appends
 * {"source","revision","bytes","files":[{"path","size","digest","present"}]}, sorted by path; size
 * null when unknown. Nothing is written anywhere. */
struct error *runner_plan(struct runner *runner, struct generation *generation,
                          const struct download_request *request, const atomic_bool *cancel,
                          struct buffer *result) __attribute__((warn_unused_result));

/* Runs a workflow with checked parameters (a JSON object in which defaults are filled in,
 * directories resolved and configurations objects); trigger says what started it ("call", "timer",
 * "start", ...). What it returns is appended to result as JSON, and a status that it chose set in
 * the job; an error has the status that it chose. */
struct error *runner_workflow(struct runner *runner, struct generation *generation,
                              const struct workflow *workflow, const char *params,
                              const char *trigger, struct job *job, struct buffer *result)
    __attribute__((warn_unused_result));

#endif
