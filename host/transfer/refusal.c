#include "transfer/download_internal.h"

#include "base/memory.h"

void download_refusal_free(struct download_refusal *refusal) {
    memory_free(refusal->path);
    memory_free(refusal->url);
    buffer_free(&refusal->headers);
    buffer_free(&refusal->body);
    *refusal = (struct download_refusal){0};
}

void refusal_note(const struct worker *worker) {
    struct download_refusal *refusal = worker->download->config.refusal;
    if (!refusal || refusal->status != 0)
        return;
    refusal->status = worker->reply.status;
    refusal->path = memory_string(worker->fetch->file->path);
    refusal->url = url_for_people(worker->url);
    buffer_append(&refusal->headers, worker->reply.headers.data, worker->reply.headers.length);
    buffer_append(&refusal->body, worker->reply.body.data, worker->reply.body.length);
}
